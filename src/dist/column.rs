//! Draws by the column: one distribution family, parameters that are constant or differ from lane to lane, no allocation
//! and no dispatch per draw.

use rand::Rng;

use super::{Constraint, DistributionError, Family, ParameterKind, Scalar};

/// The values of one parameter over the lanes of a column.
#[derive(Clone, Copy, Debug)]
pub enum Column<'a> {
    /// The same in every lane.
    Constant(f64),
    /// One value a lane.
    Lanes(&'a [f64]),
}

impl Column<'_> {
    /// The value in a lane; NaN beyond the last.
    #[inline]
    pub fn at(&self, lane: usize) -> f64 {
        match self {
            Self::Constant(x) => *x,
            Self::Lanes(values) => values.get(lane).copied().unwrap_or(f64::NAN),
        }
    }

    pub(super) fn all_constant<const N: usize>(columns: &[Column<'_>; N]) -> Option<[f64; N]> {
        let constant = columns.iter().all(|c| matches!(c, Column::Constant(_)));
        constant.then(|| columns.map(|c| c.at(0)))
    }
}

/// Parameters that have been validated, as many as the family has.
#[derive(Clone, Copy)]
pub(super) struct ScalarForm<'c, 'a>(&'c [Column<'a>]);

impl<'a> ScalarForm<'_, 'a> {
    pub(super) fn columns<const N: usize>(self) -> Option<[Column<'a>; N]> {
        self.0.try_into().ok()
    }
}

impl Family {
    /// The log density at `x` of the member with these scalar parameters: −∞ outside the support, and where a parameter is
    /// invalid. NaN for families without [`Family::has_scalar_form`].
    #[inline]
    pub fn scalar_log_density<S: Scalar>(self, parameters: &[S], x: S) -> S {
        for (parameter, given) in self.info().parameters.iter().zip(parameters) {
            let value = given.value();
            let other = parameter.constraint.relates_to().and_then(|i| parameters.get(i)).map(|s| s.value());
            let int = parameter.kind == ParameterKind::Int;
            if !acceptable(parameter.constraint, int, value)
                || other.is_some_and(|other| !related(parameter.constraint, value, other))
            {
                return S::constant(f64::NEG_INFINITY);
            }
        }
        self.dispatch_scalar_log_density(parameters, x)
    }

    /// Draws one value a lane into `out`; integers are written as doubles. `parameters` are in order. Only for families
    /// with [`Family::has_scalar_form`]; for any other the first lane is refused.
    ///
    /// # Errors
    /// The first lane whose parameters are not valid, and why; nothing is drawn then.
    pub fn sample_column<R: Rng + ?Sized>(
        self,
        rng: &mut R,
        parameters: &[Column<'_>],
        out: &mut [f64],
    ) -> Result<(), (usize, DistributionError)> {
        if parameters.len() != self.info().parameters.len() || !self.has_scalar_form() {
            return Err((0, DistributionError::Arity { family: self, found: parameters.len() }));
        }
        if out.is_empty() {
            return Ok(());
        }
        self.validate(parameters, out.len())?;
        self.fill(rng, ScalarForm(parameters), out);
        Ok(())
    }

    fn validate(self, columns: &[Column<'_>], lanes: usize) -> Result<(), (usize, DistributionError)> {
        let mut first: Option<(usize, DistributionError)> = None;
        for (parameter, column) in self.info().parameters.iter().zip(columns) {
            // The first lane of this parameter that is wrong, looked for only among lanes before the first known so far.
            let end = first.as_ref().map_or(lanes, |(lane, _)| *lane);
            let other = parameter.constraint.relates_to().and_then(|i| columns.get(i).copied());
            let int = parameter.kind == ParameterKind::Int;
            let constraint = parameter.constraint;
            let wrong = match (*column, other) {
                (Column::Constant(x), None) => (!acceptable(constraint, int, x) && end > 0).then_some(0),
                (Column::Lanes(values), None) => {
                    let checked = values.get(..end).unwrap_or(values);
                    let found = checked.iter().position(|x| !acceptable(constraint, int, *x));
                    found.or((values.len() < end).then_some(values.len()))
                }
                (column, Some(other)) => (0..end).find(|lane| {
                    let (x, y) = (column.at(*lane), other.at(*lane));
                    !acceptable(constraint, int, x) || !related(constraint, x, y)
                }),
            };
            if let Some(lane) = wrong {
                let found = column.at(lane);
                let error = if int && !is_integer(found) {
                    DistributionError::NotAnInteger { family: self, parameter, found }
                } else {
                    DistributionError::Constraint { family: self, parameter, index: None, found }
                };
                first = Some((lane, error));
            }
        }
        first.map_or(Ok(()), Err)
    }
}

/// Integers beyond this are not all doubles.
const LARGEST_INTEGER: f64 = 9_007_199_254_740_992.0;

pub(super) fn is_integer(x: f64) -> bool {
    x.fract() == 0.0 && x.abs() <= LARGEST_INTEGER
}

#[inline]
fn acceptable(constraint: Constraint, int: bool, x: f64) -> bool {
    constraint.accepts(x) && (!int || is_integer(x))
}

/// Whether `x` stands in the relation to the other parameter `y` that the constraint (one that relates two) asks for.
#[inline]
pub(super) fn related(constraint: Constraint, x: f64, y: f64) -> bool {
    if matches!(constraint, Constraint::AtLeast(_)) { x >= y } else { x > y }
}
