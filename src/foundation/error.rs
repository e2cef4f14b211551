//! What can go wrong between a program and the network.

use crate::density::CompileError;
use crate::diagnostic::Diagnostic;
use crate::infer::InferError;
use crate::infer::anchors::NoAnchors;
use crate::network::NetworkError;
use crate::runtime::RuntimeError;
use crate::trace::NotAnnotated;

/// A query that the network cannot answer, or weights that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FoundationError {
    /// The program cannot be simulated.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// The program has no straight-line form.
    #[error("the network reads straight-line programs: {0}")]
    NotAnnotated(#[from] NotAnnotated),
    /// Its density cannot be compiled.
    #[error("it has no density over coordinates: {0}")]
    NotCompiled(#[from] CompileError),
    /// The values that are taken for the truth are no execution of the program.
    #[error("the program rejects the values of a case: one is missing, or has density zero")]
    Rejected,
    /// Nothing tells where the posterior is.
    #[error("there are no anchors: {0}")]
    NoAnchors(#[from] NoAnchors),
    /// The prior cannot be executed.
    #[error(transparent)]
    Infer(#[from] InferError),
    /// The annotated program is longer than the network's context.
    #[error("the annotated program has {tokens} tokens, the network reads at most {limit}")]
    TooLong {
        /// Its length.
        tokens: usize,
        /// The context.
        limit: usize,
    },
    /// The annotated program is longer than the network's context, and a part of it is not wanted.
    #[error(
        "the annotated program has at least {tokens} tokens, and the network reads at most {limit}; `--method foundation` reads a part of it"
    )]
    NotWhole {
        /// Its length, or a part of it.
        tokens: usize,
        /// The context.
        limit: usize,
    },
    /// The program uses more names than there are tokens.
    #[error(
        "the program has more than {limit} different names: an array and its elements count once, written-out variables each"
    )]
    TooManyNames {
        /// How many there may be.
        limit: usize,
    },
    /// A masked variable has no line in the annotated program.
    #[error("`{name}` has no line of its own in the annotated program")]
    NoLine {
        /// The variable.
        name: String,
    },
    /// A minibatch that cannot be made.
    #[error("a minibatch cannot be made: {reason}")]
    Minibatch {
        /// Why.
        reason: String,
    },
    /// Weights that are not for this.
    #[error("the weights do not fit: {reason}")]
    Weights {
        /// Why.
        reason: String,
    },
    /// The network's outputs are no numbers any more.
    #[error("training diverged at step {step}: a lower rate (`--lr`) or a longer warm-up (`--warmup`) may help")]
    Diverged {
        /// The step.
        step: u64,
    },
    /// Nothing is masked that depends on what is known.
    #[error("nothing is to be inferred: what is masked does not depend on what is known")]
    NothingMasked,
    /// The network or its file.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// None of the executions that were tried makes an example.
    #[error("`{program}` gives no examples: {reason}")]
    NoExamples {
        /// The program.
        program: String,
        /// Why the last one did not.
        reason: String,
    },
}

/// The code of [`FoundationError::Diverged`].
pub(crate) const DIVERGED: &str = "E0738";

impl From<&FoundationError> for Diagnostic {
    fn from(error: &FoundationError) -> Self {
        let message = error.to_string();
        match error {
            FoundationError::Runtime(inner) => Self::from(inner),
            FoundationError::NotAnnotated(inner) => Self::from(inner),
            FoundationError::Infer(inner) => Self::from(inner),
            FoundationError::Weights { .. } | FoundationError::Network(_) => Self::error("E0733", message),
            FoundationError::Diverged { .. } => Self::error(DIVERGED, message),
            FoundationError::NotCompiled(_)
            | FoundationError::NoAnchors(_)
            | FoundationError::NoLine { .. }
            | FoundationError::Minibatch { .. }
            | FoundationError::TooLong { .. }
            | FoundationError::NotWhole { .. }
            | FoundationError::TooManyNames { .. }
            | FoundationError::NothingMasked
            | FoundationError::Rejected
            | FoundationError::NoExamples { .. } => Self::error("E0734", message),
        }
    }
}
