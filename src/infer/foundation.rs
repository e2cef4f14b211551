//! Draws from something that has learned to fill in masked variables, weighted and certified like everything else.
//!
//! Nothing here knows a network: it is behind [`Amortized`].

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;

use super::anchors::{Anchors, Decoded, Drawn};
use super::deadline::Deadline;
use super::engine::{Engine, InferOptions, Progress, Sampled};
use super::error::InferError;
use super::laplace::{certified, or_better, or_sliced};
use super::patches::{PATCHED, Source, patched};
use super::query::Query;
use super::target::TargetRef;

pub(super) const ENGINE: Engine =
    Engine { name: "foundation", summary: "draws from a network that has read the program, weighted", run };

/// Draws where the caller names no number, and where these do not hold.
const DRAWS: usize = 1_000;
const MORE: usize = 4_000;

/// The defence where a network has read a query whole, and where it has not, or its draws do not hold: where the anchors' own
/// would, so do those of the mixture.
const LIGHT: Defence = NonZeroUsize::new(20);
const EVEN: Defence = NonZeroUsize::new(2);

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

/// How many draws come from the anchors, with their heavy tails, in place of the network: one in so many, or none. The density
/// of each draw is that of the mixture.
pub type Defence = Option<NonZeroUsize>;

/// A query that was read.
pub trait Drawer {
    /// `n` draws, each with the exact log density with which it was drawn; a function of the seed and the round.
    ///
    /// # Errors
    /// Why it cannot, in words.
    fn draw(
        &self,
        anchors: &Anchors<'_>,
        n: usize,
        defence: Defence,
        seed: u64,
        round: u64,
    ) -> Result<Vec<Drawn>, String>;

    /// The log density with which [`Drawer::draw`] would draw each of some values of all elements.
    ///
    /// # Errors
    /// Why it cannot, in words.
    fn log_densities(
        &self,
        anchors: &Anchors<'_>,
        values: &[Vec<Decoded>],
        defence: Defence,
    ) -> Result<Vec<f64>, String>;

    /// Whether only a part was read: anchors see all of a query.
    fn is_part(&self) -> bool;

    /// The defence to begin with.
    fn defence(&self) -> Defence {
        if self.is_part() { EVEN } else { LIGHT }
    }

    /// How unlike what was learned from the query is, as [`Rung::unusual`](super::Rung::unusual) says.
    fn unusual(&self) -> Option<f64>;
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

pub(super) fn refused(reason: String) -> InferError {
    InferError::Refused { engine: ENGINE.name, reason, span: None }
}

fn run(target: &TargetRef<'_>, options: &InferOptions, progress: &mut dyn Progress) -> Result<Sampled, InferError> {
    let amortized = options.weights.amortized().ok_or_else(|| refused("there are no weights".into()))?;
    let mut query = Query::by_pieces(*target, ENGINE.name, options.seed)?;
    query.deadline = Deadline::after(options.budget);
    let drawer = amortized.prepare(&query, false).map_err(refused)?;
    let sampled = sample(&mut query, &*drawer, options.draws.unwrap_or(DRAWS), progress)?;
    if sampled.held || options.draws.is_some() || query.deadline.has_passed() {
        return Ok(sampled);
    }
    sample(&mut query, &*drawer, MORE, progress)
}

/// Draws of which half come from the anchors.
struct Even<'a> {
    drawer: &'a dyn Drawer,
    seed: u64,
}

impl Source<InferError> for Even<'_> {
    fn draw(&self, anchors: &Anchors<'_>, n: usize, round: u64) -> Result<Vec<Drawn>, InferError> {
        self.drawer.draw(anchors, n, EVEN, self.seed, PATCHED + round).map_err(refused)
    }

    fn log_densities(&self, anchors: &Anchors<'_>, values: &[Vec<Decoded>]) -> Result<Vec<f64>, InferError> {
        self.drawer.log_densities(anchors, values, EVEN).map_err(refused)
    }
}

/// `n` weighted draws, certified, of a query that was read.
///
/// # Errors
/// Where there are no anchors, or no draw has a density above zero.
pub(super) fn sample(
    query: &mut Query<'_>,
    drawer: &dyn Drawer,
    n: usize,
    progress: &mut dyn Progress,
) -> Result<Sampled, InferError> {
    let seed = query.seed;
    let sampled = certified(query, ENGINE.name, n, progress, |prior, anchors, round| {
        let draw = |anchors: &Anchors<'_>| {
            let by = |defence| drawer.draw(anchors, n, defence, seed, round).map_err(refused);
            let defence = drawer.defence();
            or_better(by(defence)?, || (defence != EVEN).then(|| by(EVEN)).transpose())
        };
        let drawn = draw(anchors)?;
        let drawn = or_sliced(anchors, prior, drawn, draw)?;
        or_better(drawn, || patched(anchors, prior, &Even { drawer, seed }, n, (seed, round)))
    })?;
    Ok(Sampled { unusual: drawer.unusual(), ..sampled })
}
