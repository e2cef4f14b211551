//! Draws from something that has learned to fill in masked variables, weighted and certified like everything else.
//!
//! Nothing here knows a network: it is behind [`Amortized`].

use std::fmt;
use std::sync::Arc;

use super::anchors::{Anchors, Drawn};
use super::deadline::Deadline;
use super::engine::{Engine, InferOptions, Progress, Sampled};
use super::error::InferError;
use super::laplace::{certified, or_sliced};
use super::query::Query;
use super::target::TargetRef;

pub(super) const ENGINE: Engine =
    Engine { name: "foundation", summary: "draws from a network that has read the program, weighted", run };

/// Draws where the caller names no number.
const DRAWS: usize = 1_000;

/// Something that has learned to answer queries.
pub trait Amortized: fmt::Debug + Send + Sync {
    /// Reads a query once: the `whole` of it, or of one that is too long a part.
    ///
    /// # Errors
    /// Why it cannot, in words.
    fn prepare<'q>(&'q self, query: &Query<'_>, whole: bool) -> Result<Box<dyn Drawer + 'q>, String>;

    /// The same, after it has learned from this query for so many seconds.
    ///
    /// # Errors
    /// Why it cannot, in words.
    fn tune(&self, query: &Query<'_>, seconds: f64) -> Result<Arc<dyn Amortized>, String>;
}

/// A query that was read.
pub trait Drawer {
    /// `n` draws, each with the exact log density with which it was drawn; a function of the seed and the round.
    ///
    /// # Errors
    /// Why it cannot, in words.
    fn draw(&self, anchors: &Anchors<'_>, n: usize, seed: u64, round: u64) -> Result<Vec<Drawn>, String>;
}

/// What the foundation rung draws from.
#[derive(Clone, Debug, Default)]
pub enum Weights {
    /// What the embedding has built in, if anything.
    #[default]
    Bundled,
    /// Nothing: the rung is left out.
    None,
    /// These.
    Of(Arc<dyn Amortized>),
}

impl PartialEq for Weights {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Bundled, Self::Bundled) | (Self::None, Self::None) => true,
            (Self::Of(a), Self::Of(b)) => Arc::ptr_eq(a, b),
            (Self::Bundled | Self::None | Self::Of(_), _) => false,
        }
    }
}

impl Weights {
    pub(super) fn amortized(&self) -> Option<&dyn Amortized> {
        match self {
            Self::Of(amortized) => Some(&**amortized),
            Self::Bundled | Self::None => None,
        }
    }
}

fn refused(reason: String) -> InferError {
    InferError::Refused { engine: ENGINE.name, reason, span: None }
}

fn run(target: &TargetRef<'_>, options: &InferOptions, progress: &mut dyn Progress) -> Result<Sampled, InferError> {
    let amortized = options.weights.amortized().ok_or_else(|| refused("there are no weights".into()))?;
    let mut query = Query::by_pieces(*target, ENGINE.name, options.seed)?;
    query.deadline = Deadline::after(options.budget);
    sample(&mut query, amortized, (options.draws.unwrap_or(DRAWS), false), progress)
}

/// `n` weighted draws, certified, of a query that is read as a `whole` or in part.
///
/// # Errors
/// Where the query cannot be read, there are no anchors, or no draw has a density above zero.
pub(super) fn sample(
    query: &mut Query<'_>,
    amortized: &dyn Amortized,
    (n, whole): (usize, bool),
    progress: &mut dyn Progress,
) -> Result<Sampled, InferError> {
    let drawer = amortized.prepare(query, whole).map_err(refused)?;
    let seed = query.seed;
    certified(query, ENGINE.name, n, progress, |prior, anchors, round| {
        let draw = |anchors: &Anchors<'_>| drawer.draw(anchors, n, seed, round).map_err(refused);
        let drawn = draw(anchors)?;
        or_sliced(anchors, prior, drawn, draw)
    })
}
