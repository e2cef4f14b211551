//! Rectangular arrays: flat elements in row-major order and a shape.

use std::fmt;

use super::{Base, DataType, Value, format_real};

/// The elements of an array, all of one kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Elements {
    /// Truth values.
    Bool(Vec<bool>),
    /// Integers.
    Int(Vec<i64>),
    /// Doubles.
    Real(Vec<f64>),
}

impl Elements {
    /// How many.
    pub fn len(&self) -> usize {
        match self {
            Self::Bool(v) => v.len(),
            Self::Int(v) => v.len(),
            Self::Real(v) => v.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Their kind.
    pub fn base(&self) -> Base {
        match self {
            Self::Bool(_) => Base::Bool,
            Self::Int(_) => Base::Int,
            Self::Real(_) => Base::Real,
        }
    }

    /// The `i`-th as a scalar value.
    pub fn get(&self, i: usize) -> Option<Value> {
        match self {
            Self::Bool(v) => v.get(i).copied().map(Value::Bool),
            Self::Int(v) => v.get(i).copied().map(Value::Int),
            Self::Real(v) => v.get(i).copied().map(Value::Real),
        }
    }

    /// A copy of `range`; `None` where it is not inside.
    pub fn slice(&self, range: std::ops::Range<usize>) -> Option<Self> {
        Some(match self {
            Self::Bool(v) => Self::Bool(v.get(range)?.to_vec()),
            Self::Int(v) => Self::Int(v.get(range)?.to_vec()),
            Self::Real(v) => Self::Real(v.get(range)?.to_vec()),
        })
    }

    /// All as doubles (booleans are 0 and 1).
    pub fn to_f64s(&self) -> Vec<f64> {
        match self {
            Self::Bool(v) => v.iter().map(|b| f64::from(u8::from(*b))).collect(),
            Self::Int(v) => v.iter().map(|i| *i as f64).collect(),
            Self::Real(v) => v.clone(),
        }
    }

    /// Elements of kind `base` from doubles: the inverse of [`Elements::to_f64s`].
    pub fn from_f64s(base: Base, values: impl IntoIterator<Item = f64>) -> Self {
        let values = values.into_iter();
        match base {
            Base::Bool => Self::Bool(values.map(|x| x != 0.0).collect()),
            Base::Int => Self::Int(values.map(|x| x as i64).collect()),
            Base::Real => Self::Real(values.collect()),
        }
    }
}

/// The rows that were to make up an array have different shapes or kinds.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("row {row} has shape {found:?} where {expected:?} was expected")]
pub struct RaggedArray {
    /// Which row, from 0.
    pub row: usize,
    /// The shape of the rows before it.
    pub expected: Vec<usize>,
    /// Its own.
    pub found: Vec<usize>,
}

/// A rectangular array of rank 1 or more.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    shape: Vec<usize>,
    elements: Elements,
}

impl Array {
    /// An array of `shape`; `None` where the number of elements is not the product of the shape, or the shape is empty.
    pub fn new(shape: Vec<usize>, elements: Elements) -> Option<Self> {
        let size = shape.iter().try_fold(1_usize, |n, d| n.checked_mul(*d))?;
        (!shape.is_empty() && size == elements.len()).then_some(Self { shape, elements })
    }

    /// An array of rank 1.
    pub fn vector(elements: Elements) -> Self {
        Self { shape: vec![elements.len()], elements }
    }

    /// Stacks `rows` (scalars or arrays of one shape) along a new first axis. Without rows: an empty array of `element`'s
    /// kind with rank one more than its, all of whose sizes are 0. Integers become reals where a row is real.
    ///
    /// # Errors
    /// Where the rows have different shapes, or are not data.
    pub fn stack(rows: &[Value], element: DataType) -> Result<Self, RaggedArray> {
        let Some(first) = rows.first() else {
            let elements = Elements::from_f64s(element.base, []);
            return Ok(Self { shape: vec![0; element.rank + 1], elements });
        };
        let row_shape = first.shape().to_vec();
        let mut base = element.base;
        for (row, value) in rows.iter().enumerate() {
            if value.shape() != row_shape {
                return Err(RaggedArray { row, expected: row_shape, found: value.shape().to_vec() });
            }
            base = value.data_type().map_or(base, |t| base.max(t.base));
        }
        let mut shape = vec![rows.len()];
        shape.extend(&row_shape);
        let elements = match base {
            Base::Bool => Elements::Bool(rows.iter().flat_map(Value::to_f64s).map(|x| x != 0.0).collect()),
            Base::Int => Elements::Int(rows.iter().flat_map(integers).collect()),
            Base::Real => Elements::Real(rows.iter().flat_map(Value::to_f64s).collect()),
        };
        Ok(Self { shape, elements })
    }

    /// Sizes along each axis; never empty.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The elements in row-major order.
    pub fn elements(&self) -> &Elements {
        &self.elements
    }

    /// The kind of its elements.
    pub fn base(&self) -> Base {
        self.elements.base()
    }

    /// Its type.
    pub fn data_type(&self) -> DataType {
        DataType { base: self.base(), rank: self.shape.len() }
    }

    /// Size of the first axis.
    pub fn len(&self) -> usize {
        self.shape.first().copied().unwrap_or(0)
    }

    /// Whether the first axis is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of elements.
    pub fn size(&self) -> usize {
        self.elements.len()
    }

    /// The doubles, if it holds reals.
    pub fn reals(&self) -> Option<&[f64]> {
        match &self.elements {
            Elements::Real(v) => Some(v),
            Elements::Bool(_) | Elements::Int(_) => None,
        }
    }

    /// The same with integers and booleans as doubles.
    #[must_use]
    pub fn to_real(&self) -> Self {
        Self { shape: self.shape.clone(), elements: Elements::Real(self.elements.to_f64s()) }
    }

    /// The `i`-th along the first axis: a scalar, or an array of rank one less.
    pub fn get(&self, i: usize) -> Option<Value> {
        if i >= self.len() {
            return None;
        }
        match &self.shape[1..] {
            [] => self.elements.get(i),
            rest => {
                let size: usize = rest.iter().product();
                let elements = self.elements.slice(i * size..(i + 1) * size)?;
                Some(Value::array(Self { shape: rest.to_vec(), elements }))
            }
        }
    }

    /// The scalar at a full index (one per axis).
    pub fn at(&self, indices: &[usize]) -> Option<Value> {
        if indices.len() != self.shape.len() {
            return None;
        }
        let mut flat = 0;
        for (i, size) in indices.iter().zip(&self.shape) {
            if i >= size {
                return None;
            }
            flat = flat * size + i;
        }
        self.elements.get(flat)
    }

    /// Rows `range` of the first axis; `None` where they are not inside.
    pub fn rows(&self, range: std::ops::Range<usize>) -> Option<Self> {
        if range.start > range.end || range.end > self.len() {
            return None;
        }
        let size: usize = self.shape[1..].iter().product();
        let mut shape = self.shape.clone();
        shape[0] = range.len();
        Some(Self { shape, elements: self.elements.slice(range.start * size..range.end * size)? })
    }
}

/// The subscripts of the `flat`-th element in row-major order.
pub fn unravel(shape: &[usize], mut flat: usize) -> Vec<usize> {
    let mut subscripts = vec![0; shape.len()];
    for (subscript, size) in subscripts.iter_mut().zip(shape).rev() {
        *subscript = flat % size.max(&1);
        flat /= size.max(&1);
    }
    subscripts
}

fn integers(value: &Value) -> Vec<i64> {
    match value.as_array().map(|a| a.elements()) {
        Some(Elements::Int(v)) => v.clone(),
        Some(other) => other.to_f64s().into_iter().map(|x| x as i64).collect(),
        None => value.as_int().into_iter().collect(),
    }
}

impl fmt::Display for Array {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for i in 0..self.len() {
            if i > 0 {
                f.write_str(", ")?;
            }
            match (self.shape.len(), &self.elements) {
                (1, Elements::Real(v)) => f.write_str(&format_real(v[i]))?,
                _ => match self.get(i) {
                    Some(row) => write!(f, "{row}")?,
                    None => f.write_str("?")?,
                },
            }
        }
        f.write_str("]")
    }
}
