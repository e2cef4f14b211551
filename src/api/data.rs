//! Data for a model, from Rust values and from text.

use crate::data::{DataError, RawData, RawValue};
use crate::span::{FileId, SourceMap};

/// What is known of a model's variables, and what is masked. Later entries win over earlier ones.
///
/// Nothing is checked here: mistakes are found when the data meet a model.
///
/// ```
/// use unmask::Data;
/// let data = Data::new().with("n", 3).with("y", [1.5, 2.0, 0.5]).mask("sigma").with("theta[0]", 2.5);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Data {
    items: Vec<Item>,
}

#[derive(Clone, Debug)]
enum Item {
    Json { name: String, text: String, line: Option<usize> },
    Assignment { text: String },
    Mask { text: String },
    Value { name: String, value: RawValue },
}

impl Data {
    /// Nothing known.
    pub fn new() -> Self {
        Self::default()
    }

    /// The members of a JSON object in Stan's form; see [`RawData::add_json`]. Names that the model lacks are ignored.
    pub fn from_json(text: impl Into<String>) -> Self {
        Self::new().with_json("data", text)
    }

    /// Adds the members of a JSON object; `name` is what messages call it.
    #[must_use]
    pub fn with_json(mut self, name: impl Into<String>, text: impl Into<String>) -> Self {
        self.items.push(Item::Json { name: name.into(), text: text.into(), line: None });
        self
    }

    /// Adds line `line` (from 1) of a text with one JSON object a line.
    #[must_use]
    pub fn with_json_line(mut self, name: impl Into<String>, text: impl Into<String>, line: usize) -> Self {
        self.items.push(Item::Json { name: name.into(), text: text.into(), line: Some(line) });
        self
    }

    /// Adds a value. The name may be dotted and subscripted: `s.x`, `y[2]`. `None`, also inside an array, masks.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<RawValue>) -> Self {
        self.items.push(Item::Value { name: name.into(), value: value.into() });
        self
    }

    /// Adds `NAME=VALUE` as on the command line; see [`RawData::add_assignment`].
    #[must_use]
    pub fn with_assignment(mut self, text: impl Into<String>) -> Self {
        self.items.push(Item::Assignment { text: text.into() });
        self
    }

    /// Masks a variable, or one element (`theta[2]`): it is inferred, whatever its role.
    #[must_use]
    pub fn mask(mut self, name: impl Into<String>) -> Self {
        self.items.push(Item::Mask { text: name.into() });
        self
    }

    /// Reads it. Texts become files of `sources`, so that messages can point at them.
    ///
    /// # Errors
    /// All texts that cannot be read.
    pub(super) fn read(&self, sources: &mut SourceMap) -> Result<RawData, Vec<DataError>> {
        let mut raw = RawData::new();
        let mut errors = Vec::new();
        for item in &self.items {
            let mut add = |name: &str, text: &str| -> FileId { sources.add(name, text) };
            let read = match item {
                Item::Json { name, text, line: None } => raw.add_json(add(name, text), text),
                Item::Json { name, text, line: Some(line) } => raw.add_json_line(add(name, text), text, *line),
                Item::Assignment { text } => raw.add_assignment(add("command line", text), text),
                Item::Mask { text } => raw.add_mask(add("command line", text), text),
                Item::Value { name, value } => {
                    raw.add_value(name.as_str(), value.clone());
                    Ok(())
                }
            };
            errors.extend(read.err());
        }
        if errors.is_empty() { Ok(raw) } else { Err(errors) }
    }
}
