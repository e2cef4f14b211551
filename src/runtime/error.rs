//! What can go wrong when a program runs. Each variant carries the place in the source that caused it.

use std::sync::Arc;

use crate::builtin::EvaluationError;
use crate::diagnostic::Diagnostic;
use crate::dist::{DistributionError, Family};
use crate::span::Span;
use crate::syntax::ast::Role;
use crate::value::RaggedArray;

/// A failure at run time.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RuntimeError {
    /// An index outside an array.
    #[error("index {index} is out of range for size {size}")]
    IndexOutOfRange {
        /// The index.
        index: i64,
        /// The size of the axis.
        size: usize,
        /// The subscript.
        span: Span,
    },
    /// A slice outside an array, or with its end before its start.
    #[error("slice {lower}..{upper} is out of range for size {size}")]
    SliceOutOfRange {
        /// Its start.
        lower: i64,
        /// Its end.
        upper: i64,
        /// The size of the axis.
        size: usize,
        /// The subscripted expression.
        span: Span,
    },
    /// A built-in function or an operator refused its arguments.
    #[error("{error}")]
    Evaluation {
        /// Why.
        error: EvaluationError,
        /// The call.
        span: Span,
    },
    /// A distribution refused its parameters.
    #[error("{error}")]
    Distribution {
        /// Why.
        error: DistributionError,
        /// The distribution.
        span: Span,
    },
    /// A subscript on a left side that no array should have.
    #[error("the subscript {index} is above {limit}")]
    IndexTooLarge {
        /// The subscript.
        index: i64,
        /// The limit.
        limit: i64,
        /// Where it stands.
        span: Span,
    },
    /// The annotated value of a known variable reads something masked.
    #[error("the value of `{name}` depends on something masked")]
    MaskedAnnotation {
        /// The variable.
        name: String,
        /// The annotation.
        span: Span,
    },
    /// Something known has an infinite density, so that no posterior is defined.
    #[error("the density is infinite")]
    InfiniteDensity {
        /// The statement.
        span: Span,
    },
    /// A draw from an improper distribution.
    #[error("`{family}` is improper and cannot be drawn from")]
    Improper {
        /// Which.
        family: Family,
        /// The statement.
        span: Span,
    },
    /// A given or an observation without a value.
    #[error("no value for `{name}`")]
    MissingValue {
        /// With its subscripts.
        name: String,
        /// Its role.
        role: Role,
        /// Whether it has a distribution that it could be drawn from.
        has_distribution: bool,
        /// The statement.
        span: Span,
    },
    /// The program reaches an element that the supplied array does not have.
    #[error("`{name}` is not among the supplied values")]
    SuppliedTooSmall {
        /// The element.
        name: String,
        /// The shape that was supplied.
        shape: Vec<usize>,
        /// The statement.
        span: Span,
    },
    /// More values were supplied than the program has places for.
    #[error("`{name}` has {supplied} values, of which the program uses {used}")]
    SuppliedUnused {
        /// The variable.
        name: String,
        /// Known values supplied.
        supplied: usize,
        /// Values used.
        used: usize,
    },
    /// A draw that is an array is known or masked as a whole.
    #[error("only some elements of `{name}` are known")]
    PartlyMasked {
        /// The variable.
        name: String,
        /// The statement.
        span: Span,
    },
    /// A value was supplied for a real deterministic line that depends on something masked.
    #[error("`{name}` is deterministic and cannot be given a value")]
    DeterministicSupplied {
        /// The variable.
        name: String,
        /// The statement.
        span: Span,
    },
    /// A value that differs from what a deterministic line computes.
    #[error("`{name}` is {computed}, not {supplied}")]
    DeterministicDiffers {
        /// The variable.
        name: String,
        /// What the program computes.
        computed: String,
        /// What was supplied.
        supplied: String,
        /// The statement.
        span: Span,
    },
    /// A declared size that is not met.
    #[error("axis {axis} of `{name}` has size {found}, not {expected}")]
    SizeMismatch {
        /// The variable.
        name: String,
        /// From 0.
        axis: usize,
        /// The declared size.
        expected: i64,
        /// The size of the value.
        found: usize,
        /// The declaration.
        span: Span,
    },
    /// Rows of different shapes in one array.
    #[error("row {row} has shape {found:?} where {expected:?} was expected")]
    Ragged {
        /// From 0.
        row: usize,
        /// Shape of the rows before.
        expected: Vec<usize>,
        /// Its own.
        found: Vec<usize>,
        /// The array.
        span: Span,
    },
    /// An element that is defined a second time.
    #[error("`{name}` is defined twice")]
    DefinedTwice {
        /// With its subscripts.
        name: String,
        /// The second definition.
        span: Span,
    },
    /// An element that is read before it is defined, or an array with a gap that is read as a whole.
    #[error("`{name}` is read before it is defined")]
    NotYetDefined {
        /// With its subscripts.
        name: String,
        /// How many elements of its row there are so far, where it is an element beyond all of them.
        elements: Option<usize>,
        /// The reading expression.
        span: Span,
    },
    /// Calls nested too deeply.
    #[error("calls are nested more than {limit} deep")]
    RecursionLimit {
        /// The limit.
        limit: usize,
        /// The call.
        span: Span,
    },
    /// More loop iterations than allowed in one execution.
    #[error("more than {limit} loop iterations in one execution")]
    IterationLimit {
        /// The limit.
        limit: u64,
        /// The loop.
        span: Span,
    },
    /// A model with `factor` cannot be simulated.
    #[error("a model with `factor` cannot be simulated")]
    FactorInSimulation {
        /// The statement.
        span: Span,
    },
    /// A function declared without a body that was not registered.
    #[error("`{name}` has no body and was not registered")]
    NotRegistered {
        /// The function.
        name: Arc<str>,
        /// The call.
        span: Span,
    },
    /// A registered function failed, or gave a value of the wrong type.
    #[error("`{name}` failed: {message}")]
    Registered {
        /// The function.
        name: Arc<str>,
        /// What it said.
        message: String,
        /// The call.
        span: Span,
    },
    /// The density of a posterior of reals was asked for.
    #[error("a posterior of reals has no density")]
    NoDensity {
        /// The place that needs it.
        span: Span,
    },
    /// A summary that does not exist for the draws at hand.
    #[error("{message}")]
    Summary {
        /// What is wrong.
        message: String,
        /// The call.
        span: Span,
    },
    /// An `infer` expression failed.
    #[error("{}", diagnostic.message)]
    Inference {
        /// Why.
        diagnostic: Box<Diagnostic>,
        /// The expression.
        span: Span,
    },
    /// A bug in the checker: the core program was not well-formed.
    #[error("internal error: {message}")]
    Internal {
        /// What was found.
        message: &'static str,
        /// Where.
        span: Span,
    },
}

impl RuntimeError {
    /// Rows that do not stack, at `span`.
    pub(super) fn ragged(error: RaggedArray, span: Span) -> Self {
        let RaggedArray { row, expected, found } = error;
        Self::Ragged { row, expected, found, span }
    }

    /// Whether an execution that fails so because of latent values has density zero instead of being an error.
    pub fn is_recoverable(&self) -> bool {
        match self {
            Self::Distribution { .. } => true,
            Self::Evaluation { error, .. } => error.is_recoverable(),
            Self::IndexOutOfRange { .. }
            | Self::SliceOutOfRange { .. }
            | Self::Improper { .. }
            | Self::IndexTooLarge { .. }
            | Self::MaskedAnnotation { .. }
            | Self::InfiniteDensity { .. }
            | Self::MissingValue { .. }
            | Self::SuppliedTooSmall { .. }
            | Self::SuppliedUnused { .. }
            | Self::PartlyMasked { .. }
            | Self::DeterministicSupplied { .. }
            | Self::DeterministicDiffers { .. }
            | Self::SizeMismatch { .. }
            | Self::Ragged { .. }
            | Self::DefinedTwice { .. }
            | Self::NotYetDefined { .. }
            | Self::RecursionLimit { .. }
            | Self::IterationLimit { .. }
            | Self::FactorInSimulation { .. }
            | Self::NotRegistered { .. }
            | Self::Registered { .. }
            | Self::NoDensity { .. }
            | Self::Summary { .. }
            | Self::Inference { .. }
            | Self::Internal { .. } => false,
        }
    }
}

impl From<&RuntimeError> for Diagnostic {
    fn from(error: &RuntimeError) -> Self {
        let message = error.to_string();
        match error {
            RuntimeError::IndexOutOfRange { index, size, span } => {
                let there = match size {
                    0 => "the array is empty".to_owned(),
                    size => format!("the last index is {}", size - 1),
                };
                let help = if *index == *size as i64 {
                    "indices start at 0: where data count from 1, subtract 1, as in `a[county[i] - 1]`"
                } else {
                    "indices start at 0, and negative ones do not count from the end"
                };
                Self::error("E0601", message).label(*span, there).help(help)
            }
            RuntimeError::SliceOutOfRange { size, span, .. } => Self::error("E0602", message)
                .label(*span, format!("this axis has size {size}"))
                .help("a slice `lo..hi` needs 0 <= lo <= hi <= size"),
            RuntimeError::Evaluation { error, span } => {
                let diagnostic = Self::error("E0603", message).label(*span, "evaluated here");
                match error.help() {
                    Some(help) => diagnostic.help(help),
                    None => diagnostic,
                }
            }
            RuntimeError::Distribution { span, .. } => {
                Self::error("E0604", message).label(*span, "with these parameters")
            }
            RuntimeError::IndexTooLarge { span, .. } => Self::error("E0617", message).label(*span, "defines an element"),
            RuntimeError::MaskedAnnotation { span, .. } => Self::error("E0508", message)
                .label(*span, "reads something masked")
                .help("mask this variable too, or give what it reads a value"),
            RuntimeError::InfiniteDensity { span } => Self::error("E0618", message)
                .label(*span, "adds infinity to the log density")
                .help("a density is infinite only at single points, such as the ends of `beta(0.5, 0.5)`: is the value rounded?"),
            RuntimeError::Improper { span, .. } => Self::error("E0616", message)
                .label(*span, "has to be drawn here")
                .help("say what to simulate from, as in `sample b ~ flat() simulate normal(0, 10);`"),
            RuntimeError::MissingValue { name, role, has_distribution, span } => {
                let help = if *has_distribution {
                    format!("supply it with `-d {name}=VALUE` or in a data file, or mask it with `--mask {name}`")
                } else {
                    format!("supply it with `-d {name}=VALUE` or in a data file")
                };
                Self::error("E0501", message).label(*span, format!("`{}` expects a value", role.name())).help(help)
            }
            RuntimeError::SuppliedTooSmall { shape, span, .. } => {
                Self::error("E0502", message).label(*span, format!("the supplied value has {}", describe_shape(shape)))
            }
            RuntimeError::SuppliedUnused { used, .. } => {
                let help = if *used == 0 {
                    "the program never reaches it"
                } else {
                    "the sizes in the program and in the data disagree"
                };
                Self::error("E0503", message).help(help)
            }
            RuntimeError::PartlyMasked { span, .. } => Self::error("E0507", message)
                .label(*span, "one draw of this statement is the whole array")
                .help("supply all of its elements or none, or draw the elements one by one in a plate"),
            RuntimeError::DeterministicSupplied { name, span } => Self::error("E0504", message)
                .label(*span, "computed from something masked")
                .help(format!("give it noise: `observe {name} ~ normal(…, small);`")),
            RuntimeError::DeterministicDiffers { span, .. } => {
                Self::error("E0505", message).label(*span, "computed from what is known")
            }
            RuntimeError::SizeMismatch { span, .. } => {
                Self::error("E0506", message).label(*span, "sizes disagree here")
            }
            RuntimeError::Ragged { span, .. } => {
                Self::error("E0605", message).label(*span, "arrays are rectangular: all rows need one shape")
            }
            RuntimeError::DefinedTwice { span, .. } => {
                Self::error("E0606", message).label(*span, "this element already has a value")
            }
            RuntimeError::NotYetDefined { elements, span, .. } => {
                let found = Self::error("E0607", message).label(*span, "read here");
                match elements {
                    Some(n) => found.help(format!("there are {n} elements so far; subscripts count from 0")),
                    None => found,
                }
            }
            RuntimeError::RecursionLimit { span, .. } => Self::error("E0608", message)
                .label(*span, "this call")
                .help("does the recursion end? raise the limit with `--max-depth`"),
            RuntimeError::IterationLimit { span, .. } => Self::error("E0609", message).label(*span, "this loop"),
            RuntimeError::FactorInSimulation { span } => Self::error("E0610", message)
                .label(*span, "adds to the log density, and says nothing of how to draw")
                .help("`infer` works on such a model; to simulate, replace the factor by an `observe`"),
            RuntimeError::NotRegistered { name, span } => Self::error("E0611", message)
                .label(*span, "called here")
                .help(format!("give `{name}` a body, or register it from Rust before running")),
            RuntimeError::Registered { span, .. } => Self::error("E0612", message).label(*span, "called here"),
            RuntimeError::NoDensity { span } => Self::error("E0613", message)
                .label(*span, "known here, or asked for its density")
                .help("it is known by its draws alone: only bool and int variables of a posterior have probabilities"),
            RuntimeError::Summary { span, .. } => Self::error("E0614", message).label(*span, "asked here"),
            RuntimeError::Inference { diagnostic, span } => {
                let mut inner = (**diagnostic).clone();
                inner.labels.push(crate::diagnostic::Label { span: *span, text: "in this `infer`".into() });
                inner
            }
            RuntimeError::Internal { span, .. } => {
                Self::error("E0699", message).label(*span, "please report this program")
            }
        }
    }
}

/// "no elements", "5 elements", "shape 2 × 3".
pub(crate) fn describe_shape(shape: &[usize]) -> String {
    match shape {
        [] => "one value".into(),
        [1] => "1 element".into(),
        [n] => format!("{n} elements"),
        sizes => format!("shape {}", sizes.iter().map(ToString::to_string).collect::<Vec<_>>().join(" × ")),
    }
}
