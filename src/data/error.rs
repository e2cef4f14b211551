//! What can be wrong with data.

use std::sync::Arc;

use super::RawValue;
use crate::diagnostic::Diagnostic;
use crate::span::Span;
use crate::value::{Base, DataType, format_real};

/// A mistake in the data, or between the data and the model. `span` is where the data stand (`None`: they come from Rust),
/// `declared` is the variable's statement.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum DataError {
    /// The text is not JSON.
    #[error("the data are not valid JSON: {message}")]
    Json {
        /// What was expected.
        message: String,
        /// The offending character or word.
        span: Span,
    },
    /// The text is JSON, but not an object.
    #[error("data must be one JSON object, not {found}")]
    NotAnObject {
        /// What it is.
        found: String,
        /// Where it stands.
        span: Span,
    },
    /// A line of a JSON Lines file that is not there, or empty.
    #[error("there is no data in line {line}: the file has {lines} lines")]
    NoSuchLine {
        /// From 1.
        line: usize,
        /// How many there are.
        lines: usize,
        /// The file.
        span: Span,
    },
    /// A command-line argument that is not `NAME=VALUE`.
    #[error("{message}")]
    Assignment {
        /// What was expected.
        message: String,
        /// Which part.
        span: Span,
    },
    /// A value for a variable that the model does not have.
    #[error("model `{model}` has no variable `{name}`")]
    UnknownName {
        /// The name.
        name: Arc<str>,
        /// The model.
        model: Arc<str>,
        /// The variable that was probably meant.
        near: Option<String>,
        /// Where the data stand.
        span: Option<Span>,
    },
    /// A scalar for an array, or the reverse, or an array with too many or too few axes.
    #[error("`{name}` needs {expected}, not {found}")]
    WrongRank {
        /// The variable, with subscripts where only a part of it is meant.
        name: String,
        /// What the variable takes.
        expected: String,
        /// What was given.
        found: String,
        /// Where the data stand.
        span: Option<Span>,
        /// The variable's statement.
        declared: Span,
    },
    /// An element that is not of the variable's kind.
    #[error("`{name}` needs {}, not {found}", with_article(*expected))]
    WrongKind {
        /// The element, with subscripts.
        name: String,
        /// What the variable holds.
        expected: Base,
        /// The element as written.
        found: String,
        /// Where the data stand.
        span: Option<Span>,
        /// The variable's statement.
        declared: Span,
    },
    /// Rows of different lengths.
    #[error("`{name}` is ragged: `{row}` has {found} elements, where the rows before it have {expected}")]
    Ragged {
        /// The variable.
        name: String,
        /// The row, with subscripts.
        row: String,
        /// Length of the rows before.
        expected: usize,
        /// Its own.
        found: usize,
        /// Where the data stand.
        span: Option<Span>,
        /// The variable's statement.
        declared: Span,
    },
    /// An array of objects of which one lacks a member that another has.
    #[error("`{name}[{row}]` has no member `{member}`, which other elements of `{name}` have")]
    RowWithoutMember {
        /// The array of objects.
        name: String,
        /// Which element.
        row: usize,
        /// The member.
        member: String,
        /// Where the data stand.
        span: Option<Span>,
    },
    /// Two arrays that imply different values of one omitted size.
    #[error(
        "the size `{size}` is {first_size} by the shape of `{first}`, but {second_size} by the shape of `{second}`"
    )]
    ContradictorySizes {
        /// The omitted integer.
        size: Arc<str>,
        /// An array.
        first: Arc<str>,
        /// What its shape says.
        first_size: usize,
        /// Where its data stand.
        first_span: Option<Span>,
        /// Another array.
        second: Arc<str>,
        /// What its shape says.
        second_size: usize,
        /// Where its data stand.
        second_span: Option<Span>,
    },
    /// An array that is shorter than the size that was supplied for it.
    #[error("`{size}` is {supplied}, but `{array}` has only {found} elements along axis {axis}")]
    SizeDisagrees {
        /// The integer.
        size: Arc<str>,
        /// Its value.
        supplied: i64,
        /// The array.
        array: Arc<str>,
        /// From 0.
        axis: usize,
        /// The array's own size.
        found: usize,
        /// Where the size stands.
        span: Option<Span>,
        /// Where the array stands.
        array_span: Option<Span>,
    },
    /// A value or mask for the execution of a model, instead of for its variables.
    #[error("`{name}` is an execution of model `{model}`; values are for its variables")]
    Submodel {
        /// The variable.
        name: Arc<str>,
        /// The model it executes.
        model: Arc<str>,
        /// A variable of that model.
        example: Option<String>,
        /// Where the data stand.
        span: Option<Span>,
        /// The variable's statement.
        declared: Span,
    },
    /// A mask for something that has no distribution to be inferred from.
    #[error("`{name}` cannot be masked: it has no distribution")]
    CannotMask {
        /// The variable.
        name: Arc<str>,
        /// Where the mask stands.
        span: Option<Span>,
        /// The variable's statement.
        declared: Span,
    },
    /// A subscript that a supplied array does not have, or too many subscripts.
    #[error("there is no element `{name}`: {reason}")]
    NoSuchElement {
        /// With subscripts.
        name: String,
        /// Why.
        reason: String,
        /// Where the data stand.
        span: Option<Span>,
        /// The variable's statement.
        declared: Span,
    },
    /// One element of a variable that gets its value as a whole.
    #[error("`{name}` gets its value as a whole, not element by element")]
    ElementOfWhole {
        /// The variable.
        name: Arc<str>,
        /// Where the data stand.
        span: Option<Span>,
        /// The variable's statement.
        declared: Span,
    },
}

/// "a real", "an int".
pub(super) fn with_article(base: Base) -> &'static str {
    match base {
        Base::Bool => "a bool",
        Base::Int => "an int",
        Base::Real => "a real",
    }
}

/// "an int", "an array of real", "an array of real with 2 axes".
pub(super) fn describe_type(ty: DataType) -> String {
    match ty.rank {
        0 => with_article(ty.base).into(),
        1 => format!("an array of {}", ty.base),
        rank => format!("an array of {} with {rank} axes", ty.base),
    }
}

impl RawValue {
    /// The sizes of its axes, where all of it has the same.
    fn shape(&self) -> Option<Vec<usize>> {
        let Self::Array(elements) = self else { return Some(Vec::new()) };
        let mut sizes = vec![elements.len()];
        if let Some((first, others)) = elements.split_first() {
            let inner = first.shape()?;
            if others.iter().any(|other| other.shape().as_ref() != Some(&inner)) {
                return None;
            }
            sizes.extend(inner);
        }
        Some(sizes)
    }

    /// "the number 1.5", "an array of 3 elements".
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Missing => "a mask".into(),
            Self::Bool(b) => b.to_string(),
            Self::Int(i) => format!("the number {i}"),
            Self::Real(x) => format!("the number {}", format_real(*x)),
            Self::Text(text) => {
                let short: String = text.chars().take(40).collect();
                format!("the text {short:?}{}", if short.len() < text.len() { "…" } else { "" })
            }
            Self::Array(elements) => match (elements.len(), elements.first()) {
                (n, Some(Self::Array(_))) => match self.shape() {
                    Some(sizes) => {
                        let sizes: Vec<String> = sizes.iter().map(ToString::to_string).collect();
                        format!("an array of shape {}", sizes.join(" × "))
                    }
                    None => format!("an array of {n} elements of different shapes"),
                },
                (0, _) => "an empty array".into(),
                (1, _) => "an array of 1 element".into(),
                (n, _) => format!("an array of {n} elements"),
            },
            Self::Object(_) => "an object".into(),
        }
    }
}

impl From<&DataError> for Diagnostic {
    fn from(error: &DataError) -> Self {
        let said = |code, span: &Option<Span>, text: &str| match span {
            Some(span) => Self::error(code, error.to_string()).label(*span, text),
            None => Self::error(code, error.to_string()),
        };
        match error {
            DataError::Json { span, .. } => said("E0510", &Some(*span), "here"),
            DataError::NotAnObject { span, .. } => {
                said("E0511", &Some(*span), "not an object").help("write `{ \"name\": value, ... }`")
            }
            DataError::NoSuchLine { span, .. } => {
                said("E0512", &Some(*span), "this file").help("`FILE.jsonl:3` is the third line")
            }
            DataError::Assignment { span, .. } => {
                said("E0513", &Some(*span), "here").help("for example `-d y=1.5`, `-d 'y=[1, 2, ?]'`, `-d y[2]=?`")
            }
            DataError::UnknownName { near, span, .. } => {
                let diagnostic = said("E0514", span, "not a variable of the model");
                match near {
                    Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
                    None => diagnostic,
                }
            }
            DataError::WrongRank { span, declared, .. } => {
                said("E0515", span, "this value").label(*declared, "the variable")
            }
            DataError::WrongKind { expected, span, declared, .. } => {
                let diagnostic = said("E0516", span, "in this value").label(*declared, "the variable");
                match expected {
                    Base::Int => diagnostic.help("a real never becomes an int implicitly; `3.0` counts as 3"),
                    Base::Bool => diagnostic.help("write `true` or `false` (or 1 or 0)"),
                    Base::Real => diagnostic,
                }
            }
            DataError::Ragged { span, declared, .. } => said("E0517", span, "in this value")
                .label(*declared, "the variable")
                .help("arrays are rectangular: all rows need the same length"),
            DataError::RowWithoutMember { span, .. } => {
                said("E0518", span, "in this value").help("`null` masks a value that is not known")
            }
            DataError::ContradictorySizes { first, first_span, second, second_span, size, .. } => {
                let mut diagnostic = said("E0519", first_span, &format!("the values of `{first}`"));
                if let Some(span) = second_span {
                    diagnostic = diagnostic.label(*span, format!("the values of `{second}`"));
                }
                diagnostic.help(format!("`{size}` is not supplied, so it is read off the arrays: they must agree"))
            }
            DataError::SizeDisagrees { size, array, span, array_span, .. } => {
                let mut diagnostic = said("E0520", span, &format!("the value of `{size}`"));
                if let Some(span) = array_span {
                    diagnostic = diagnostic.label(*span, format!("the values of `{array}`"));
                }
                diagnostic.help(format!("leave `{size}` out, and it is read off the arrays"))
            }
            DataError::Submodel { span, declared, example, .. } => {
                let diagnostic = said("E0521", span, "this value").label(*declared, "executes another model");
                match example {
                    Some(example) => diagnostic.help(format!("name a variable of it, such as `{example}`")),
                    None => diagnostic,
                }
            }
            DataError::CannotMask { span, declared, name } => said("E0522", span, "masked here")
                .label(*declared, "an input without a prior")
                .help(format!("give it a prior: `given {name} ~ …;`")),
            DataError::NoSuchElement { span, declared, .. } => {
                said("E0523", span, "this element").label(*declared, "the variable")
            }
            DataError::ElementOfWhole { name, span, declared } => said("E0524", span, "one element")
                .label(*declared, "one value, all at once")
                .help(format!("supply all of `{name}`")),
        }
    }
}
