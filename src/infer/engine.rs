//! The table of engines, what they are asked, and what they give.

use std::fmt;
use std::sync::Arc;

use super::error::InferError;
use super::foundation::{self, Weights};
use super::nuts::DrawStatistics;
use super::record::Record;
use super::target::TargetRef;
use super::{enumerate, gradient, importance, laplace, mh, prior, smc};
use crate::diagnostic::Diagnostic;
use crate::value::Posterior;

/// A way to infer: one file and one row of [`ENGINES`].
#[derive(Debug)]
pub struct Engine {
    /// The name on the command line.
    pub name: &'static str,
    /// One line of help.
    pub summary: &'static str,
    /// Runs it.
    pub(super) run: fn(&TargetRef<'_>, &InferOptions, &mut dyn Progress) -> Result<Sampled, InferError>,
}

/// All engines, in the order in which they are listed.
pub const ENGINES: &[Engine] = &[
    prior::ENGINE,
    foundation::ENGINE,
    importance::ENGINE,
    laplace::ENGINE,
    gradient::NUTS,
    gradient::ADVI,
    smc::ENGINE,
    mh::ENGINE,
    enumerate::ENGINE,
];

/// What `--method` names.
#[derive(Clone, Copy, Default)]
pub enum Method {
    /// The ladder: each rung is tried until one holds.
    #[default]
    Auto,
    /// One engine alone.
    Engine(&'static Engine),
}

impl Method {
    /// `auto`, then the engines.
    pub fn all() -> impl Iterator<Item = Self> {
        std::iter::once(Self::Auto).chain(ENGINES.iter().map(Self::Engine))
    }

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Engine(engine) => engine.name,
        }
    }

    /// One line of help.
    pub fn summary(self) -> &'static str {
        match self {
            Self::Auto => "climb the ladder of methods until one is certified",
            Self::Engine(engine) => engine.summary,
        }
    }

    /// The method of that name.
    ///
    /// # Errors
    /// Where there is none; the error suggests the nearest.
    pub fn named(name: &str) -> Result<Self, InferError> {
        Self::all().find(|m| m.name() == name).ok_or_else(|| InferError::UnknownMethod { name: name.to_owned() })
    }
}

impl PartialEq for Method {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl fmt::Debug for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How to infer. `None` leaves a number to the engine.
#[derive(Clone, Debug, PartialEq)]
pub struct InferOptions {
    /// Which engine.
    pub method: Method,
    /// Draws to keep, over all chains.
    pub draws: Option<usize>,
    /// Sweeps of each Markov chain that are dropped, in which it adapts.
    pub warmup: Option<usize>,
    /// Markov chains.
    pub chains: Option<usize>,
    /// Seed of all random numbers.
    pub seed: u64,
    /// Seconds after which engines come to an end, with what they have: 60 for the ladder and no limit for others, where it is
    /// `None`.
    pub budget: Option<f64>,
    /// What the foundation rung draws from.
    pub weights: Weights,
}

impl Default for InferOptions {
    fn default() -> Self {
        Self {
            method: Method::Auto,
            draws: None,
            warmup: None,
            chains: None,
            seed: 1,
            budget: None,
            weights: Weights::default(),
        }
    }
}

/// Told how far inference is.
pub trait Progress: Send {
    /// A stage begins, of `total` steps.
    fn start(&mut self, stage: &str, total: u64);
    /// So many more steps of it are done.
    fn advance(&mut self, steps: u64);
    /// How it is going, in a few words.
    fn remark(&mut self, _remark: &str) {}
}

/// Tells nobody.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn start(&mut self, _: &str, _: u64) {}
    fn advance(&mut self, _: u64) {}
}

/// What an engine gives: draws, and how far to trust them.
#[derive(Debug)]
pub struct Sampled {
    /// The draws.
    pub record: Record,
    /// Normalised weights, one a draw; `None` where all are equal.
    pub weights: Option<Vec<f64>>,
    /// Markov chains, whose draws follow each other in the record and are equally many; 0 for independent draws.
    pub chains: usize,
    /// Of particles: which of them descend from the same one, in the record's order; empty for other draws.
    pub families: Vec<u32>,
    /// The draws are all values, with their exact probabilities.
    pub exact: bool,
    /// Pareto k̂ of the importance weights.
    pub k_hat: Option<f64>,
    /// Estimate of log p(observed | given), and its standard error.
    pub log_evidence: Option<(f64, f64)>,
    /// What the sampler says about each draw, in the record's order; empty where it says nothing.
    pub statistics: Vec<DrawStatistics>,
    /// Whether the certificate holds.
    pub held: bool,
    /// Why, or why not, in words.
    pub reason: String,
    /// Of draws of a network: see [`Rung::unusual`].
    pub unusual: Option<f64>,
    /// What the user should know.
    pub warnings: Vec<Diagnostic>,
}

impl Sampled {
    /// Unweighted, independent draws of which nothing more is known.
    pub(super) fn new(record: Record, held: bool, reason: String) -> Self {
        Self {
            record,
            weights: None,
            chains: 0,
            families: Vec::new(),
            exact: false,
            k_hat: None,
            log_evidence: None,
            statistics: Vec::new(),
            held,
            reason,
            unusual: None,
            warnings: Vec::new(),
        }
    }

    /// Refuses the certificate for a reason, if there is one.
    pub(super) fn refuse(&mut self, reason: Option<String>) {
        if let Some(reason) = reason.filter(|_| self.held) {
            self.held = false;
            self.reason = reason;
        }
    }
}

/// A step of the ladder.
#[derive(Clone, Debug, PartialEq)]
pub struct Rung {
    /// The engine.
    pub rung: &'static str,
    /// Whether its certificate held.
    pub held: bool,
    /// Whether it gave an answer, certified or not.
    pub tried: bool,
    /// Why, or why not.
    pub reason: String,
    /// What it took.
    pub seconds: f64,
    /// Of a network: the share of what it has learned from that is more like the rest than this query; above 1, how many times
    /// as far it is from there as all of that. `None` where nothing is known of that.
    pub unusual: Option<f64>,
}

/// The share of what a network has learned from that is more usual than a query, from where on this counts as unlike it.
const UNUSUAL: f64 = 0.99;

/// Whether a network should be asked last: see [`Rung::unusual`].
pub(super) fn is_unusual(share: Option<f64>) -> bool {
    share.is_some_and(|share| share > UNUSUAL)
}

impl Rung {
    /// That the query is unlike what the network has learned from, in words, where it is.
    pub fn remark(&self) -> Option<String> {
        let share = self.unusual.filter(|share| is_unusual(Some(*share)))?;
        Some(if share <= 1.0 {
            format!("more unusual than {:.1} % of what the weights were trained on", 100.0 * share)
        } else {
            format!("unlike all that the weights were trained on: {share:.1} times as far from its middle")
        })
    }
}

/// The summary of one scalar.
#[derive(Clone, Debug, PartialEq)]
pub struct VariableSummary {
    /// Its address, such as `theta[0]`.
    pub name: String,
    /// A deterministic line, not a choice.
    pub deterministic: bool,
    /// Posterior mean (of a truth value: the probability of `true`).
    pub mean: f64,
    /// Posterior standard deviation.
    pub sd: f64,
    /// Quantiles at 5 %, 50 % and 95 %.
    pub q5: f64,
    /// The median.
    pub q50: f64,
    /// The 95 % quantile.
    pub q95: f64,
    /// Effective sample size: for Markov chains the smaller of bulk and tail, else that of the weights. `None` where it is
    /// not defined (all draws equal) or the answer is exact.
    pub ess: Option<f64>,
    /// Rank-normalised split R̂, for Markov chains.
    pub r_hat: Option<f64>,
    /// Monte Carlo standard error of the mean; 0 for an exact answer.
    pub mcse: f64,
    /// Monte Carlo standard error of the standard deviation, for Markov chains.
    pub mcse_sd: Option<f64>,
    /// Monte Carlo standard errors of the 5 %, 50 % and 95 % quantiles, for Markov chains.
    pub mcse_quantiles: Option<[f64; 3]>,
    /// The shape of the heavier tail of a real variable's draws: from 1 on there is no mean, from 0.5 on no variance. `None` for
    /// few draws, and where the answer is exact.
    pub tail: Option<f64>,
    /// For bool and int with at most 20 values: each with its probability.
    pub probabilities: Option<Vec<(String, f64)>>,
    /// The share of the posterior in which the variable exists, where that is not all of it; the rest of the summary is
    /// about that share.
    pub exists: Option<f64>,
    /// Heights of a histogram of eight bins over the middle 99 % of the draws, the highest 1; fewer bins where there are fewer whole
    /// numbers.
    pub histogram: Vec<f64>,
}

/// The answer to a query.
#[derive(Clone, Debug)]
pub struct Inferred {
    /// The model.
    pub model: Arc<str>,
    /// The engine whose draws these are.
    pub method: &'static str,
    /// Whether its certificate held.
    pub certified: bool,
    /// Why, or why not.
    pub reason: String,
    /// Pareto k̂ of the importance weights; `None` without weights, or where all are equal.
    pub k_hat: Option<f64>,
    /// log p(observed | given); up to a constant where a prior is improper.
    pub log_evidence: Option<f64>,
    /// Its standard error.
    pub log_evidence_error: Option<f64>,
    /// Wall-clock time of all rungs.
    pub seconds: f64,
    /// The seed.
    pub seed: u64,
    /// What was tried, in order.
    pub ladder: Vec<Rung>,
    /// By scalar, in program order; deterministic lines last.
    pub variables: Vec<VariableSummary>,
    /// The draws.
    pub posterior: Arc<Posterior>,
    /// Markov chains, whose draws follow each other and are equally many; 0 for independent draws.
    pub chains: usize,
    /// What the sampler says about each draw; empty where it says nothing.
    pub statistics: Vec<DrawStatistics>,
    /// What the user should know.
    pub warnings: Vec<Diagnostic>,
}

impl Inferred {
    /// The summary of a scalar by its address.
    pub fn variable(&self, name: &str) -> Option<&VariableSummary> {
        self.variables.iter().find(|v| v.name == name)
    }

    /// Posterior mean of a scalar by its address.
    pub fn mean(&self, name: &str) -> Option<f64> {
        self.variable(name).map(|v| v.mean)
    }

    /// Posterior standard deviation of a scalar by its address.
    pub fn sd(&self, name: &str) -> Option<f64> {
        self.variable(name).map(|v| v.sd)
    }
}
