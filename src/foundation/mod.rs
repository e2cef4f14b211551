//! The foundation posterior: a network that reads annotated programs and fills in what is masked.
//!
//! [`Example`] turns an execution into tokens, anchors and targets; [`Trainer`] learns from endless examples;
//! [`Foundation`] answers queries: it encodes a program once, decodes thousands of draws and gives each its exact log density.
//! This is the only module that knows both programs and the network.

mod attention;
mod decode;
mod embed;
mod encoding;
mod error;
mod evaluate;
mod example;
mod familiarity;
mod feature;
mod head;
mod lessons;
mod prompt;
mod reference;
mod training;
mod tuning;
mod weights;

pub use attention::{Attention, TextLine};
pub use decode::Prepared;
pub use embed::Embedding;
pub use encoding::{Encoded, Encoding, MOST_NAMES, TextVocabulary, Vocabulary, dense};
pub(crate) use error::DIVERGED;
pub use error::FoundationError;
pub use evaluate::{Case, EvaluateOptions, Evaluated, Judged, Truth, cases_of, evaluate, exact_log_posterior};
pub use example::{Example, ExampleOptions};
pub use familiarity::Familiarity;
pub use feature::{COMPONENT_FEATURES, ELEMENT_FEATURES, NUMBER_FEATURES, Previous, element_features, push_components};
pub use head::{Adjusted, AnchorKind, Candidate, Candidates, OUTPUTS, PARTS};

pub use lessons::{Lesson, Lessons, RandomPrograms, tokens_of};
pub use prompt::Prompt;
pub use reference::Evidence;
pub use training::{HeldOut, StepReport, TrainOptions, Trainer, pack, try_examples};
pub use tuning::{Minibatches, TuneOptions, TuneReport};
pub use weights::{Decode, Foundation, Shape};
