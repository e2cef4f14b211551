//! From raw values to values of a variable's type.

use super::error::describe_type;
use super::{DataError, RawValue};
use crate::runtime::Supplied;
use crate::span::Span;
use crate::value::{Array, Base, DataType, Elements, Value, format_real};

/// The variable that a value is for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    /// Its dotted name.
    pub name: &'a str,
    /// Subscripts of the part that the value is for.
    pub indices: &'a [i64],
    /// The type of that part.
    pub ty: DataType,
    /// The variable's statement.
    pub declared: Span,
    /// Where the value stands.
    pub span: Option<Span>,
}

impl Wanted<'_> {
    /// The part at `path` (indices from 0) below this one, as written in the language.
    pub fn element(&self, path: &[usize]) -> String {
        let all: Vec<String> =
            self.indices.iter().map(ToString::to_string).chain(path.iter().map(ToString::to_string)).collect();
        if all.is_empty() { self.name.to_owned() } else { format!("{}[{}]", self.name, all.join(", ")) }
    }

    fn wrong_rank(&self, path: &[usize], found: &RawValue) -> DataError {
        let rank = self.ty.rank.saturating_sub(path.len());
        DataError::WrongRank {
            name: self.element(path),
            expected: describe_type(DataType { rank, ..self.ty }),
            found: found.describe(),
            span: self.span,
            declared: self.declared,
        }
    }
}

/// `raw` as a value of type `wanted.ty`.
///
/// # Errors
/// Where it has another rank or kind, or is ragged.
pub(super) fn convert(raw: &RawValue, wanted: Wanted<'_>) -> Result<Supplied, DataError> {
    if matches!(raw, RawValue::Missing) {
        return Ok(Supplied::Masked);
    }
    let mut path = Vec::new();
    let measured = measure(raw, &wanted, &mut path).map_err(|error| {
        // Where all of it has too many axes or too few, that is told of the whole, not of the first element.
        if axes(raw).is_some_and(|axes| axes != wanted.ty.rank) { wanted.wrong_rank(&[], raw) } else { error }
    })?;
    let Some(shape) = measured else {
        // Only masks, in an array of unknown inner sizes.
        return Err(wanted.wrong_rank(&[], raw));
    };
    let mut filler =
        Filler { wanted, shape: &shape, elements: Elements::from_f64s(wanted.ty.base, []), missing: Vec::new() };
    filler.fill(raw, &mut path)?;
    let Filler { elements, missing, .. } = filler;
    if shape.is_empty() {
        return elements.get(0).map(Supplied::Value).ok_or_else(|| wanted.wrong_rank(&[], raw));
    }
    let Some(array) = Array::new(shape, elements) else { return Err(wanted.wrong_rank(&[], raw)) };
    Ok(if missing.contains(&true) {
        Supplied::Partial { array: array.into(), missing: missing.into() }
    } else {
        Supplied::Value(Value::array(array))
    })
}

/// How many axes `raw` has, where that is the same in all of it; `None` where masks or empty arrays leave it open, too.
fn axes(raw: &RawValue) -> Option<usize> {
    match raw {
        RawValue::Array(rows) => {
            let (first, others) = rows.split_first()?;
            let inner = axes(first)?;
            others.iter().all(|row| axes(row) == Some(inner)).then_some(1 + inner)
        }
        RawValue::Missing => None,
        RawValue::Bool(_) | RawValue::Int(_) | RawValue::Real(_) | RawValue::Text(_) | RawValue::Object(_) => Some(0),
    }
}

/// The shape of `raw`, which must have the wanted rank below `path`; `None` where masks leave it open.
fn measure(raw: &RawValue, wanted: &Wanted<'_>, path: &mut Vec<usize>) -> Result<Option<Vec<usize>>, DataError> {
    let rank = wanted.ty.rank - path.len();
    match raw {
        RawValue::Missing => Ok((rank == 0).then(Vec::new)),
        RawValue::Array(_) if rank == 0 => Err(wanted.wrong_rank(path, raw)),
        RawValue::Array(rows) if rows.is_empty() => Ok(Some(vec![0; rank])),
        RawValue::Array(rows) => {
            let mut inner: Option<Vec<usize>> = None;
            for (i, row) in rows.iter().enumerate() {
                path.push(i);
                let shape = measure(row, wanted, path)?;
                if let (Some(expected), Some(found)) = (&inner, &shape)
                    && let Some((expected, found)) = expected.iter().zip(found).find(|(e, f)| e != f)
                {
                    return Err(DataError::Ragged {
                        name: wanted.element(&[]),
                        row: wanted.element(path),
                        expected: *expected,
                        found: *found,
                        span: wanted.span,
                        declared: wanted.declared,
                    });
                }
                path.pop();
                inner = inner.or(shape);
            }
            Ok(inner.map(|mut shape| {
                shape.insert(0, rows.len());
                shape
            }))
        }
        RawValue::Bool(_) | RawValue::Int(_) | RawValue::Real(_) | RawValue::Text(_) | RawValue::Object(_) => {
            if rank == 0 { Ok(Some(Vec::new())) } else { Err(wanted.wrong_rank(path, raw)) }
        }
    }
}

struct Filler<'a> {
    wanted: Wanted<'a>,
    shape: &'a [usize],
    elements: Elements,
    missing: Vec<bool>,
}

impl Filler<'_> {
    fn fill(&mut self, raw: &RawValue, path: &mut Vec<usize>) -> Result<(), DataError> {
        match raw {
            RawValue::Missing => {
                let size: usize = self.shape.iter().skip(path.len()).product();
                for _ in 0..size {
                    self.push(0.0, 0, false);
                }
                self.missing.extend(std::iter::repeat_n(true, size));
                Ok(())
            }
            RawValue::Array(rows) => {
                for (i, row) in rows.iter().enumerate() {
                    path.push(i);
                    self.fill(row, path)?;
                    path.pop();
                }
                Ok(())
            }
            RawValue::Bool(_) | RawValue::Int(_) | RawValue::Real(_) | RawValue::Text(_) | RawValue::Object(_) => {
                self.scalar(raw, path)?;
                self.missing.push(false);
                Ok(())
            }
        }
    }

    fn scalar(&mut self, raw: &RawValue, path: &[usize]) -> Result<(), DataError> {
        let fits = match (self.wanted.ty.base, raw) {
            (Base::Bool, RawValue::Bool(b)) => Some((0.0, 0, *b)),
            (Base::Bool, RawValue::Int(i @ (0 | 1))) => Some((0.0, 0, *i == 1)),
            (Base::Int, RawValue::Bool(b)) => Some((0.0, i64::from(*b), false)),
            (Base::Int, RawValue::Int(i)) => Some((0.0, *i, false)),
            (Base::Int, RawValue::Real(x)) => exact_integer(*x).map(|i| (0.0, i, false)),
            (Base::Real, RawValue::Int(i)) => Some((*i as f64, 0, false)),
            (Base::Real, RawValue::Real(x)) => Some((*x, 0, false)),
            (Base::Bool | Base::Int | Base::Real, _) => None,
        };
        let Some((real, int, boolean)) = fits else {
            return Err(DataError::WrongKind {
                name: self.wanted.element(path),
                expected: self.wanted.ty.base,
                found: match raw {
                    RawValue::Real(x) => format_real(*x),
                    RawValue::Int(i) => i.to_string(),
                    RawValue::Missing
                    | RawValue::Bool(_)
                    | RawValue::Text(_)
                    | RawValue::Array(_)
                    | RawValue::Object(_) => raw.describe(),
                },
                span: self.wanted.span,
                declared: self.wanted.declared,
            });
        };
        self.push(real, int, boolean);
        Ok(())
    }

    fn push(&mut self, real: f64, int: i64, boolean: bool) {
        match &mut self.elements {
            Elements::Bool(v) => v.push(boolean),
            Elements::Int(v) => v.push(int),
            Elements::Real(v) => v.push(real),
        }
    }
}

/// `3.0` is 3; reals beyond ±2⁵³ do not say which integer they mean.
fn exact_integer(x: f64) -> Option<i64> {
    (x.fract() == 0.0 && x.abs() <= 9_007_199_254_740_992.0).then_some(x as i64)
}
