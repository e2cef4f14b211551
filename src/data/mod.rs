//! Data for a model: reading them from text, and binding them to the model's variables.
//!
//! [`RawData`] is what was said, in order, with the place where it was said; [`bind`] makes [`Conditions`] of it, where every
//! value has its variable's type. This module gets text and never opens a file, so that the same rules hold for the
//! command line, for files and for Rust programs.
//!
//! [`Conditions`]: crate::runtime::Conditions

mod assignment;
mod bind;
mod convert;
mod error;
mod flatten;
mod json;

pub use assignment::split_name;
pub use bind::{Bound, bind};
pub use error::DataError;

use std::sync::Arc;

use crate::span::{FileId, Span};

/// A value as it was written, before it meets a variable.
#[derive(Clone, Debug, PartialEq)]
pub enum RawValue {
    /// `null`, `?` or `"?"`: masked on purpose.
    Missing,
    /// `true` or `false`.
    Bool(bool),
    /// A number spelled as an integer that fits 64 bits.
    Int(i64),
    /// Any other number, and `NaN`, `Infinity`, `-Infinity` (as words or as strings).
    Real(f64),
    /// Any other string: no variable takes it.
    Text(Arc<str>),
    /// An array, possibly ragged.
    Array(Vec<RawValue>),
    /// An object: its members are variables of a submodel.
    Object(Vec<Member>),
}

/// A name and its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// As written: possibly dotted, possibly with subscripts.
    pub name: Arc<str>,
    /// Its value.
    pub value: RawValue,
    /// Where the value stands; `None` for values from Rust.
    pub span: Option<Span>,
}

/// Data that were said together.
#[derive(Clone, Debug, PartialEq)]
enum Layer {
    /// One JSON object: names that the model lacks are ignored.
    File(Vec<Member>),
    /// Named one by one: a name that the model lacks is an error.
    Explicit(Member),
}

/// Everything said about a model's variables, in order: later wins over earlier.
///
/// ```
/// use unmask::data::{RawData, RawValue};
/// use unmask::span::SourceMap;
///
/// let mut sources = SourceMap::default();
/// let text = r#"{"y": [1.5, null], "s": {"x": 3}}"#;
/// let mut data = RawData::new();
/// data.add_json(sources.add("data.json", text), text)?;
/// data.add_assignment(sources.add("-d", "y[1] = 2"), "y[1] = 2")?;
/// data.add_value("z", RawValue::Missing);
/// # Ok::<(), unmask::data::DataError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct RawData {
    layers: Vec<Layer>,
}

impl RawData {
    /// Nothing said.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a JSON object in Stan's form: arrays are nested, row by row; `"NaN"`, `"Infinity"` and `"-Infinity"` are
    /// numbers; `null` masks. An object with object members `given` and `observed` (a case of an oracle file) counts as the
    /// union of the two, unless the model has variables of those names.
    ///
    /// # Errors
    /// Where `text` is not one JSON object. Spans are of `file`.
    pub fn add_json(&mut self, file: FileId, text: &str) -> Result<(), DataError> {
        self.layers.push(Layer::File(json::object(file, text, 0..text.len())?));
        Ok(())
    }

    /// Adds line `line` (from 1) of a file with one JSON object a line.
    ///
    /// # Errors
    /// Where there is no such line, or it is not one JSON object.
    pub fn add_json_line(&mut self, file: FileId, text: &str, line: usize) -> Result<(), DataError> {
        let lines = text.lines().count();
        let found = line.checked_sub(1).and_then(|l| text.lines().nth(l)).filter(|l| !l.trim().is_empty());
        let Some(found) = found else {
            return Err(DataError::NoSuchLine { line, lines, span: Span::new(file, 0, 0) });
        };
        // `lines` yields slices of `text`: the distance of the two starts is the line's offset.
        let start = found.as_ptr() as usize - text.as_ptr() as usize;
        self.layers.push(Layer::File(json::object(file, text, start..start + found.len())?));
        Ok(())
    }

    /// Adds `NAME=VALUE` as written on a command line. The name may be dotted and subscripted (`s[0].x`, `y[2]`, `y[1, 2]`); the value is a
    /// number, `true`, `false`, `?`, or a JSON array or object (in which a bare `?` masks too).
    ///
    /// # Errors
    /// Where it is not of this form. Spans are of `file`, whose text is `text`.
    pub fn add_assignment(&mut self, file: FileId, text: &str) -> Result<(), DataError> {
        self.layers.push(Layer::Explicit(assignment::parse(file, text)?));
        Ok(())
    }

    /// Masks a variable or, with subscripts, one element of it.
    ///
    /// # Errors
    /// Where `text` is not a name. Spans are of `file`, whose text is `text`.
    pub fn add_mask(&mut self, file: FileId, text: &str) -> Result<(), DataError> {
        let span = Span::new(file, 0, text.len());
        let name = text.trim();
        if split_name(name).is_none() {
            return Err(DataError::Assignment {
                message: "expected a name such as `theta` or `theta[2]`".into(),
                span,
            });
        }
        self.layers.push(Layer::Explicit(Member { name: name.into(), value: RawValue::Missing, span: Some(span) }));
        Ok(())
    }

    /// Adds a value that does not come from text.
    pub fn add_value(&mut self, name: impl Into<Arc<str>>, value: RawValue) {
        self.layers.push(Layer::Explicit(Member { name: name.into(), value, span: None }));
    }

    /// Whether nothing was said.
    pub fn is_empty(&self) -> bool {
        self.layers.is_empty()
    }
}

impl From<bool> for RawValue {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i32> for RawValue {
    fn from(value: i32) -> Self {
        Self::Int(value.into())
    }
}

impl From<i64> for RawValue {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<f64> for RawValue {
    fn from(value: f64) -> Self {
        Self::Real(value)
    }
}

/// `None` masks.
impl<T: Into<RawValue>> From<Option<T>> for RawValue {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Missing, Into::into)
    }
}

impl<T: Into<RawValue>> From<Vec<T>> for RawValue {
    fn from(values: Vec<T>) -> Self {
        Self::Array(values.into_iter().map(Into::into).collect())
    }
}

impl<T: Into<RawValue> + Clone> From<&[T]> for RawValue {
    fn from(values: &[T]) -> Self {
        values.to_vec().into()
    }
}

impl<T: Into<RawValue>, const N: usize> From<[T; N]> for RawValue {
    fn from(values: [T; N]) -> Self {
        Vec::from(values).into()
    }
}
