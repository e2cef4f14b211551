//! What can go wrong in inference.

use crate::diagnostic::{Diagnostic, near_miss};
use crate::runtime::RuntimeError;
use crate::span::Span;

use super::engine::Method;

/// A failure of inference.
#[derive(Clone, Debug, thiserror::Error)]
pub enum InferError {
    /// The program or its data are wrong.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// No execution had a density that is not zero.
    #[error("none of {tried} executions has a density that is not zero")]
    NoDrawSurvived {
        /// Executions tried.
        tried: u64,
        /// The most frequent reason for which executions were rejected, its place, and how often.
        reason: Option<(String, u64, Span)>,
    },
    /// The engine cannot handle the program.
    #[error("`{engine}` cannot handle this program: {reason}")]
    Refused {
        /// The engine.
        engine: &'static str,
        /// Why.
        reason: String,
        /// The statement that is the reason.
        span: Option<Span>,
    },
    /// A variable must be drawn from an improper distribution.
    #[error("`{engine}` cannot draw `{name}`: its distribution is improper")]
    Improper {
        /// The engine.
        engine: &'static str,
        /// The variable, with its subscripts.
        name: String,
        /// The statement.
        span: Span,
    },
    /// Enumeration found more executions than it may visit.
    #[error("there are more than {limit} executions to enumerate")]
    TooManyExecutions {
        /// The limit.
        limit: u64,
    },
    /// Draws from the joint distribution of latents and data, against which inference is calibrated, are not to be had.
    #[error("this program cannot be calibrated: {reason}")]
    NoJoint {
        /// Why.
        reason: String,
        /// The statement.
        span: Span,
    },
    /// A sampler cannot start, or cannot go on.
    #[error("`{engine}` failed: {reason}")]
    SamplerFailed {
        /// The engine.
        engine: &'static str,
        /// Why.
        reason: String,
    },
    /// No engine has this name.
    #[error("unknown method `{name}`")]
    UnknownMethod {
        /// The name.
        name: String,
    },
    /// An option with a value that it cannot have.
    #[error("`{name}` must be {expected}, found {found}")]
    InvalidOption {
        /// The option.
        name: &'static str,
        /// What it takes.
        expected: &'static str,
        /// What was given.
        found: String,
    },
}

impl From<&InferError> for Diagnostic {
    fn from(error: &InferError) -> Self {
        let message = error.to_string();
        match error {
            InferError::Runtime(inner) => Self::from(inner),
            InferError::NoDrawSurvived { reason, .. } => {
                let diagnostic = Self::error("E0701", message);
                match reason {
                    Some((text, count, span)) => diagnostic.label(*span, format!("rejected {count} of them: {text}")),
                    None => {
                        diagnostic.help("is the data possible under the model? `unmask simulate` shows what it gives")
                    }
                }
            }
            InferError::Refused { span, .. } => {
                let diagnostic = Self::error("E0702", message).help("`--method auto` picks an engine that can");
                match span {
                    Some(span) => diagnostic.label(*span, "because of this"),
                    None => diagnostic,
                }
            }
            InferError::Improper { span, .. } => Self::error("E0703", message)
                .label(*span, "has no draws")
                .help("say what to start from: `~ flat() simulate normal(0, 10);`"),
            InferError::TooManyExecutions { .. } => {
                Self::error("E0704", message).help("`--method mh` samples them instead")
            }
            InferError::NoJoint { span, .. } => Self::error("E0711", message)
                .label(*span, "because of this")
                .help("calibration draws everything from the program's own distributions; fix only what depends on nothing drawn"),
            InferError::UnknownMethod { name } => {
                let names: Vec<&str> = Method::all().map(Method::name).collect();
                match near_miss(name, names.iter().copied()) {
                    Some(found) => Self::error("E0705", message).help(format!("did you mean `{found}`?")),
                    None => Self::error("E0705", message).help(format!("the methods are {}", names.join(", "))),
                }
            }
            InferError::InvalidOption { .. } => Self::error("E0706", message),
            InferError::SamplerFailed { .. } => Self::error("E0707", message).help("another `--method` may do better"),
        }
    }
}
