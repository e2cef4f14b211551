//! Values of the language: scalars, rectangular arrays, and the opaque results of inference.
//!
//! Arrays are flat, row-major and shared ([`Arc`]), so that binding data to a program never copies it.

mod array;
mod posterior;

pub use array::{Array, Elements, RaggedArray, unravel};
pub use posterior::{Column, Marginal, Posterior, weighted_quantile};

use std::fmt;
use std::sync::Arc;

/// The kind of a scalar, or of an array's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Base {
    /// `true` or `false`.
    Bool,
    /// A 64-bit signed integer.
    Int,
    /// An IEEE double.
    Real,
}

impl Base {
    /// The language's keyword.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Real => "real",
        }
    }

    /// Whether a value of this kind may stand where `wanted` is expected: equal, or an `int` for a `real`.
    pub fn fits(self, wanted: Self) -> bool {
        self == wanted || (self == Self::Int && wanted == Self::Real)
    }
}

impl fmt::Display for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The type of a piece of data: a scalar (`rank` 0) or a rectangular array.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DataType {
    /// The elements.
    pub base: Base,
    /// How many indices reach an element.
    pub rank: usize,
}

impl DataType {
    /// `bool`
    pub const BOOL: Self = Self::scalar(Base::Bool);
    /// `int`
    pub const INT: Self = Self::scalar(Base::Int);
    /// `real`
    pub const REAL: Self = Self::scalar(Base::Real);
    /// `real[n]`
    pub const VECTOR: Self = Self { base: Base::Real, rank: 1 };
    /// `real[n, m]`
    pub const MATRIX: Self = Self { base: Base::Real, rank: 2 };

    /// A scalar type.
    pub const fn scalar(base: Base) -> Self {
        Self { base, rank: 0 }
    }

    /// Whether a value of this type may stand where `wanted` is expected.
    pub fn fits(self, wanted: Self) -> bool {
        self.rank == wanted.rank && self.base.fits(wanted.base)
    }

    /// The type of one element along the first axis, if this is an array.
    pub fn element(self) -> Option<Self> {
        Some(Self { base: self.base, rank: self.rank.checked_sub(1)? })
    }
}

impl fmt::Display for DataType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.rank {
            0 => write!(f, "{}", self.base),
            rank => write!(f, "{}[{}]", self.base, vec!["_"; rank].join(", ")),
        }
    }
}

/// A value at run time.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A truth value.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A real number.
    Real(f64),
    /// A rectangular array.
    Array(Arc<Array>),
    /// Text: only for options and `print`.
    Str(Arc<str>),
    /// What a model used as a distribution gave: what it returned, and its variables by name.
    Record(Arc<Record>),
    /// The result of an `infer` expression.
    Posterior(Arc<Posterior>),
    /// One variable of a posterior.
    Marginal(Marginal),
}

/// One execution of a model that was used as a distribution; an array of them is a record whose fields are its indices.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// What it returned, if anything.
    pub returned: Option<Value>,
    /// Whether what it returned depends on something masked.
    pub returned_masked: bool,
    /// Its variables (random and deterministic) by name.
    pub fields: Vec<Field>,
}

/// A variable of a [`Record`].
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Its name.
    pub name: Arc<str>,
    /// Its value.
    pub value: Value,
    /// Whether the value depends on something masked.
    pub masked: bool,
}

impl Value {
    /// A shared array.
    pub fn array(array: Array) -> Self {
        Self::Array(Arc::new(array))
    }

    /// A `real[n]`.
    pub fn reals(values: impl Into<Vec<f64>>) -> Self {
        Self::array(Array::vector(Elements::Real(values.into())))
    }

    /// An `int[n]`.
    pub fn ints(values: impl Into<Vec<i64>>) -> Self {
        Self::array(Array::vector(Elements::Int(values.into())))
    }

    /// Its type, if it is data (not text or a result of inference). A record counts as what it returned.
    pub fn data_type(&self) -> Option<DataType> {
        match self {
            Self::Bool(_) => Some(DataType::BOOL),
            Self::Int(_) => Some(DataType::INT),
            Self::Real(_) => Some(DataType::REAL),
            Self::Array(a) => Some(a.data_type()),
            Self::Record(r) => r.returned.as_ref()?.data_type(),
            Self::Str(_) | Self::Posterior(_) | Self::Marginal(_) => None,
        }
    }

    /// The scalar as a double: booleans are 0 and 1. `None` for anything else.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Bool(b) => Some(f64::from(u8::from(*b))),
            Self::Int(i) => Some(*i as f64),
            Self::Real(x) => Some(*x),
            Self::Record(r) => r.returned.as_ref()?.as_f64(),
            Self::Array(_) | Self::Str(_) | Self::Posterior(_) | Self::Marginal(_) => None,
        }
    }

    /// The integer, if it is one (or a boolean).
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Self::Bool(b) => Some(i64::from(*b)),
            Self::Int(i) => Some(*i),
            Self::Record(r) => r.returned.as_ref()?.as_int(),
            Self::Real(_) | Self::Array(_) | Self::Str(_) | Self::Posterior(_) | Self::Marginal(_) => None,
        }
    }

    /// The truth value of a condition: a `bool`, or whether an `int` is not zero.
    pub fn as_condition(&self) -> Option<bool> {
        self.as_int().map(|i| i != 0)
    }

    /// The array, if it is one.
    pub fn as_array(&self) -> Option<&Arc<Array>> {
        match self {
            Self::Array(a) => Some(a),
            Self::Record(r) => r.returned.as_ref()?.as_array(),
            Self::Bool(_) | Self::Int(_) | Self::Real(_) | Self::Str(_) | Self::Posterior(_) | Self::Marginal(_) => {
                None
            }
        }
    }

    /// The shape: empty for anything but an array.
    pub fn shape(&self) -> &[usize] {
        self.as_array().map_or(&[], |a| a.shape())
    }

    /// Every scalar of it in row-major order, as doubles; a scalar is one. Empty for what is not data.
    pub fn to_f64s(&self) -> Vec<f64> {
        match self.as_array() {
            Some(a) => a.elements().to_f64s(),
            None => self.as_f64().into_iter().collect(),
        }
    }

    /// Converts implicitly where the language does: an `int` (array) to a `real` (array). Otherwise the value itself.
    #[must_use]
    pub fn promote(self, wanted: Base) -> Self {
        match (self, wanted) {
            (Self::Int(i), Base::Real) => Self::Real(i as f64),
            (Self::Array(a), Base::Real) if a.base() == Base::Int => Self::Array(Arc::new(a.to_real())),
            (value, _) => value,
        }
    }

    /// The scalar of kind `base` nearest to `x`: the inverse of [`Value::as_f64`].
    pub fn scalar(base: Base, x: f64) -> Self {
        match base {
            Base::Bool => Self::Bool(x != 0.0),
            Base::Int => Self::Int(x as i64),
            Base::Real => Self::Real(x),
        }
    }
}

/// Writes a double as the shortest text that reads back as the same double, and always as a real (`2.0`, not `2`).
///
/// ```
/// assert_eq!(unmask::value::format_real(2.0), "2.0");
/// assert_eq!(unmask::value::format_real(1e300), "1e300");
/// assert_eq!(unmask::value::format_real(0.1), "0.1");
/// ```
pub fn format_real(x: f64) -> String {
    if x.is_infinite() {
        return if x > 0.0 { "inf".into() } else { "-inf".into() };
    }
    let magnitude = x.abs();
    if magnitude != 0.0 && !(1e-5..1e16).contains(&magnitude) { format!("{x:e}") } else { format!("{x:?}") }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(b) => write!(f, "{b}"),
            Self::Int(i) => write!(f, "{i}"),
            Self::Real(x) => f.write_str(&format_real(*x)),
            Self::Array(a) => write!(f, "{a}"),
            Self::Str(s) => f.write_str(s),
            Self::Record(r) => match &r.returned {
                Some(value) => write!(f, "{value}"),
                None => {
                    f.write_str("{")?;
                    for (i, Field { name, value, .. }) in r.fields.iter().enumerate() {
                        write!(f, "{}{name}: {value}", if i > 0 { ", " } else { "" })?;
                    }
                    f.write_str("}")
                }
            },
            Self::Posterior(p) => write!(f, "{p}"),
            Self::Marginal(m) => write!(f, "{m}"),
        }
    }
}

impl From<f64> for Value {
    fn from(x: f64) -> Self {
        Self::Real(x)
    }
}

impl From<i64> for Value {
    fn from(i: i64) -> Self {
        Self::Int(i)
    }
}

impl From<bool> for Value {
    fn from(b: bool) -> Self {
        Self::Bool(b)
    }
}

impl From<Vec<f64>> for Value {
    fn from(values: Vec<f64>) -> Self {
        Self::reals(values)
    }
}

impl From<Vec<i64>> for Value {
    fn from(values: Vec<i64>) -> Self {
        Self::ints(values)
    }
}
