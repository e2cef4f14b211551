//! Simulation-based calibration: whether the answers of inference have the coverage that they claim.
//!
//! Talts, Betancourt, Simpson, Vehtari & Gelman (2018), "Validating Bayesian inference algorithms with simulation-based
//! calibration", theorem 1: where latents and data are drawn from the joint distribution, and L independent draws from the
//! exact posterior given those data, the rank of each latent among the draws is uniform from 0 to L. The rank of a value
//! that ties with draws is drawn evenly among those that they leave open, which keeps it exactly uniform for discrete
//! variables; a variable that an execution lacks counts as less than all values. Ranks of the parameters alone do not
//! notice an engine that ignores the data, so the log likelihood is ranked as well (Modrák et al. 2023, "Simulation-based
//! calibration checking for Bayesian computation: the choice of test quantities shapes sensitivity").

use std::sync::{Arc, Mutex};
use std::time::Instant;

use rand::{Rng as _, RngExt as _};
use rayon::prelude::*;
use rustc_hash::FxHashMap;

use super::diagnostics::weights_ess;
use super::engine::{InferOptions, Inferred, Method, Progress, Silent};
use super::error::InferError;
use super::foundation::Weights;
use super::joint::{Drawn, Joint, JointSampler, hold, hold_givens};
use super::ladder::infer;
use super::mh::{Kernel, MarkovChain};
use super::scalars::{Scalar, scalars};
use super::stream::{Stream, StreamPurpose, stream};
use super::target::{Target, TargetRef};
use super::uniformity::{Deviation, Uniformity};
use crate::diagnostic::Diagnostic;
use crate::runtime::Addresses;
use crate::value::{Posterior, Value};

/// The probability with which an exact engine is refuted: over all quantities together.
pub const REFUTED: f64 = 0.001;

/// The same, of being doubted.
pub const DOUBTED: f64 = 0.01;

/// Effective draws for each draw that is ranked: at this rate neighbours in a thinned chain are as good as independent.
const EFFECTIVE: f64 = 2.0;

/// Answers of too few effective draws are asked for again with more, so often.
const TRIES: usize = 3;

/// The most draws that are asked for.
const MOST_DRAWS: usize = 1_000_000;

/// What to calibrate, and how much work to put into it.
#[derive(Clone, Debug, PartialEq)]
pub struct CalibrationOptions {
    /// Which engine.
    pub method: Method,
    /// Simulated data sets.
    pub simulations: usize,
    /// Draws among which each latent is ranked.
    pub draws: usize,
    /// Seed of all random numbers.
    pub seed: u64,
    /// Seconds after which the ladder starts nothing more, for each data set. `None` leaves it to the ladder. Only where this
    /// bound is met do results depend on the machine.
    pub budget: Option<f64>,
    /// What the foundation rung draws from.
    pub weights: Weights,
}

impl Default for CalibrationOptions {
    fn default() -> Self {
        Self {
            method: Method::Auto,
            simulations: 200,
            draws: 99,
            seed: InferOptions::default().seed,
            budget: Some(5.0),
            weights: Weights::default(),
        }
    }
}

/// How often the central interval of a level held the true value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Coverage {
    /// The level.
    pub level: f64,
    /// The share of the simulations.
    pub share: f64,
    /// Its standard error.
    pub error: f64,
}

/// What is ranked, and how its ranks are distributed.
#[derive(Clone, Debug, PartialEq)]
pub struct Quantity {
    /// The address of a scalar, such as `theta[0]`, or [`LOG_LIKELIHOOD`].
    pub name: String,
    /// The share of the simulations in which it exists.
    pub exists: f64,
    /// The rank, from 0 to the number of draws, in each simulation that was answered.
    pub ranks: Vec<usize>,
    /// The probability that ranks deviate as much from uniform as these, for this quantity alone.
    pub p_value: f64,
    /// The same of the certified answers alone, where there are others.
    pub p_value_certified: Option<f64>,
    /// The largest difference between the ranks' empirical distribution function and the uniform one.
    pub largest_difference: f64,
    /// The difference at 1, 2, … draws, as a share of the one that would leave the simultaneous band, which holds all
    /// quantities with probability 1 − [`REFUTED`]: from 1 on in magnitude it is outside.
    pub differences: Vec<f64>,
    /// Of the central 50 % and 90 % intervals.
    pub coverage: [Coverage; 2],
}

/// The name of the quantity that is no variable.
pub const LOG_LIKELIHOOD: &str = "log likelihood";

/// What the ranks say of an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing speaks against it.
    Holds,
    /// An exact engine would do worse with probability below [`DOUBTED`].
    Doubtful,
    /// An exact engine would do worse with probability below [`REFUTED`].
    Refuted,
}

/// The result of simulation-based calibration.
#[derive(Clone, Debug)]
pub struct Calibration {
    /// The model.
    pub model: Arc<str>,
    /// The method asked for.
    pub method: Method,
    /// The engines whose answers were ranked, and how many of each.
    pub engines: Vec<(&'static str, usize)>,
    /// Data sets simulated.
    pub simulations: usize,
    /// Draws among which each latent was ranked.
    pub draws: usize,
    /// Answers that were not certified. They are ranked like the others.
    pub uncertified: usize,
    /// Answers with so few effective draws that their ranks may be less uniform than the engine is wrong.
    pub starved: usize,
    /// Data sets that the engine failed on; they are not ranked.
    pub failed: usize,
    /// The first failure.
    pub first_failure: Option<Diagnostic>,
    /// The latents in program order, then the log likelihood where there is one.
    pub quantities: Vec<Quantity>,
    /// Scalars left out because they hardly ever exist.
    pub rare: usize,
    /// Wall-clock time.
    pub seconds: f64,
    /// The seed.
    pub seed: u64,
}

impl Calibration {
    /// What the ranks of all quantities say together (Bonferroni).
    pub fn verdict(&self) -> Verdict {
        self.quantities.iter().map(|q| self.verdict_of(q)).fold(Verdict::Holds, |worst, verdict| {
            match (worst, verdict) {
                (Verdict::Refuted, _) | (_, Verdict::Refuted) => Verdict::Refuted,
                (Verdict::Doubtful, _) | (_, Verdict::Doubtful) => Verdict::Doubtful,
                (Verdict::Holds, Verdict::Holds) => Verdict::Holds,
            }
        })
    }

    /// What the ranks of one of them say, allowing for there being several.
    pub fn verdict_of(&self, quantity: &Quantity) -> Verdict {
        let p_value = quantity.p_value * self.quantities.len() as f64;
        if p_value < REFUTED {
            Verdict::Refuted
        } else if p_value < DOUBTED {
            Verdict::Doubtful
        } else {
            Verdict::Holds
        }
    }
}

/// An engine to calibrate.
pub type Answer<'e> = dyn Fn(&Target, &InferOptions) -> Result<Inferred, InferError> + Sync + 'e;

/// Calibrates the method of `options` on data sets that the program itself makes.
///
/// Known observations are drawn anew; values of givens and samples that `target` fixes are held. Results do not depend on
/// the number of threads, but where the budget is met.
///
/// # Errors
/// A program that cannot be simulated from its own distributions, or that every simulated data set makes inference fail on.
pub fn calibrate(
    target: &Target,
    options: &CalibrationOptions,
    progress: &mut dyn Progress,
) -> Result<Calibration, InferError> {
    calibrate_with(target, options, &|target, options| infer(target, options, &mut Silent), progress)
}

/// As [`calibrate`], of any engine.
///
/// # Errors
/// As [`calibrate`].
pub fn calibrate_with(
    target: &Target,
    options: &CalibrationOptions,
    answer: &Answer<'_>,
    progress: &mut dyn Progress,
) -> Result<Calibration, InferError> {
    let start = Instant::now();
    for (name, value) in [("simulations", options.simulations), ("draws", options.draws)] {
        if value == 0 {
            return Err(InferError::InvalidOption { name, expected: "at least 1", found: "0".into() });
        }
    }
    let reference = target.borrow();
    // Refuses what cannot be calibrated.
    hold_givens(&reference, &mut stream(options.seed, StreamPurpose::Calibration, u64::MAX))?;
    let sampler = JointSampler::new(reference);
    let mut machine = sampler.machine(&target.conditions);
    let mut simulated = Vec::with_capacity(options.simulations);
    for i in 0..options.simulations {
        let mut rng = stream(options.seed, StreamPurpose::Calibration, i as u64);
        let joint = sampler.draw(&mut machine, &mut rng)?;
        simulated.push((joint, rng));
    }
    let addresses = machine.into_addresses();
    let (scalars, rare) = scalars(simulated.iter().map(|(joint, _)| joint.latents.as_slice()));
    let latents = distinct(simulated.iter().map(|(joint, _)| joint));
    let ranking = Ranking { target, options, answer, addresses: &addresses, scalars: &scalars, latents: &latents };
    progress.start("simulations", options.simulations as u64);
    let progress = Mutex::new(progress);
    let ranked: Vec<Result<Ranked, InferError>> = simulated
        .par_iter()
        .map(|(joint, rng)| {
            let ranked = ranking.run(joint, rng.clone());
            if let Ok(mut progress) = progress.lock() {
                progress.advance(1);
            }
            ranked
        })
        .collect();
    let (mut answered, mut failures) = (Vec::new(), Vec::new());
    for result in ranked {
        match result {
            Ok(ranked) => answered.push(ranked),
            Err(error) => failures.push(error),
        }
    }
    let first_failure = failures.first().map(Diagnostic::from);
    let failed = failures.len();
    if answered.is_empty()
        && let Some(error) = failures.into_iter().next()
    {
        return Err(error);
    }
    let mut engines: Vec<(&'static str, usize)> = Vec::new();
    for ranked in &answered {
        match engines.iter_mut().find(|(name, _)| *name == ranked.engine) {
            Some((_, count)) => *count += 1,
            None => engines.push((ranked.engine, 1)),
        }
    }
    Ok(Calibration {
        model: target.model_name().clone(),
        method: options.method,
        engines,
        simulations: options.simulations,
        draws: options.draws,
        uncertified: answered.iter().filter(|r| !r.certified).count(),
        starved: answered.iter().filter(|r| r.starved).count(),
        failed,
        first_failure,
        quantities: quantities(&scalars, &answered, options.draws),
        rare,
        seconds: start.elapsed().as_secs_f64(),
        seed: options.seed,
    })
}

/// The latents of all executions by address, each once.
fn distinct<'d>(executions: impl Iterator<Item = &'d Joint>) -> Vec<&'d Drawn> {
    let mut seen: FxHashMap<&str, ()> = FxHashMap::default();
    executions
        .flat_map(|joint| &joint.latents)
        .filter(|drawn| seen.insert(drawn.address.name.as_str(), ()).is_none())
        .collect()
}

/// The ranks of one simulation.
struct Ranked {
    engine: &'static str,
    certified: bool,
    starved: bool,
    /// By scalar.
    ranks: Vec<usize>,
    /// Of the log likelihood; `None` where nothing is observed.
    likelihood: Option<usize>,
}

/// What all simulations share.
struct Ranking<'r> {
    target: &'r Target,
    options: &'r CalibrationOptions,
    answer: &'r Answer<'r>,
    addresses: &'r Addresses,
    scalars: &'r [Scalar],
    latents: &'r [&'r Drawn],
}

impl Ranking<'_> {
    fn run(&self, joint: &Joint, mut rng: Stream) -> Result<Ranked, InferError> {
        let mut conditions = self.target.conditions.clone();
        hold(&mut conditions, &joint.data, joint.latents.iter().chain(&joint.fixed), self.addresses);
        let target = Target { runtime: self.target.runtime.clone(), model: self.target.model, conditions };
        let (inferred, starved) = self.infer(&target, rng.next_u64())?;
        let posterior = &inferred.posterior;
        let picked = pick(posterior, self.options.draws, &mut rng);
        let ranks = self
            .scalars
            .iter()
            .map(|scalar| {
                let drawn = scalar.of_posterior(posterior);
                rank(scalar.of_execution(&joint.latents), picked.iter().map(|draw| drawn(*draw)), &mut rng)
            })
            .collect();
        let likelihood = self.rank_likelihood(&target.borrow(), joint, posterior, &picked, &mut rng)?;
        Ok(Ranked { engine: inferred.method, certified: inferred.certified, starved, ranks, likelihood })
    }

    /// The answer, with more draws where they are too few, and whether they still are.
    fn infer(&self, target: &Target, seed: u64) -> Result<(Inferred, bool), InferError> {
        let wanted = EFFECTIVE * self.options.draws as f64;
        let mut draws = None;
        let mut tries = 0;
        loop {
            let CalibrationOptions { method, budget, ref weights, .. } = *self.options;
            let weights = weights.clone();
            let options = InferOptions { method, draws, seed, budget, weights, ..InferOptions::default() };
            let inferred = (self.answer)(target, &options)?;
            tries += 1;
            let ess = effective_draws(&inferred);
            if inferred.posterior.exact || ess >= wanted {
                return Ok((inferred, false));
            }
            let found = inferred.posterior.weights.len().max(1);
            let more = found as f64 * (1.5 * wanted / ess).clamp(2.0, 16.0);
            // The ladder has tried already.
            if tries == TRIES || method == Method::Auto || more > MOST_DRAWS as f64 {
                return Ok((inferred, true));
            }
            draws = Some(more as usize);
        }
    }

    /// The rank of the log density of the data at the true latents among those at the draws.
    fn rank_likelihood(
        &self,
        target: &TargetRef<'_>,
        joint: &Joint,
        posterior: &Posterior,
        picked: &[usize],
        rng: &mut Stream,
    ) -> Result<Option<usize>, InferError> {
        let truth = joint.latents.iter().map(|drawn| (drawn.address.name.clone(), drawn.value.clone())).collect();
        let truth = log_likelihood(target, &truth, rng)?;
        let mut of_draws = Vec::with_capacity(picked.len());
        for draw in picked {
            let values = self.latents.iter().filter_map(|drawn| {
                let whole = posterior.column(&drawn.address.variable)?.values.get(*draw)?.as_ref()?;
                Some((drawn.address.name.clone(), element(whole, &drawn.address.indices)?))
            });
            of_draws.push(log_likelihood(target, &values.collect(), rng)?);
        }
        let nothing = truth == 0.0 && of_draws.iter().all(|log_likelihood| *log_likelihood == 0.0);
        Ok((!nothing).then(|| rank(truth, of_draws.into_iter(), rng)))
    }
}

/// The log density of what is known where the latents have these values; −∞ where the execution has density zero.
fn log_likelihood(
    target: &TargetRef<'_>,
    values: &FxHashMap<String, Value>,
    rng: &mut Stream,
) -> Result<f64, InferError> {
    let chain = MarkovChain::from_values(target, Kernel::default(), values, rng)?;
    Ok(chain.map_or(f64::NEG_INFINITY, |chain| chain.trace().log_likelihood))
}

/// The element of an array at some of its subscripts; `None` where it has none, or where NaN stands for one that is not there.
fn element(value: &Value, indices: &[i64]) -> Option<Value> {
    let mut value = value.clone();
    for i in indices {
        value = value.as_array()?.get(usize::try_from(*i).ok()?)?;
    }
    (!value.to_f64s().iter().any(|x| x.is_nan())).then_some(value)
}

/// The least effective sample size of any scalar that always exists; of independent draws of equal weight, their number.
fn effective_draws(inferred: &Inferred) -> f64 {
    let of_weights = weights_ess(&inferred.posterior.weights);
    let always = inferred.variables.iter().filter(|v| v.exists.is_none());
    always.filter_map(|v| v.ess).fold(of_weights, f64::min)
}

/// `n` draws of a posterior, as nearly independent as may be. Of an exact one, whose draws are all values: by their
/// probabilities. Else evenly spaced along the cumulative weights from a random start: this thins a chain, and resamples
/// weighted draws without repeating those that weigh less than 1/n.
fn pick(posterior: &Posterior, n: usize, rng: &mut Stream) -> Vec<usize> {
    let mut reached = 0.0;
    let cumulative: Vec<f64> = posterior
        .weights
        .iter()
        .map(|w| {
            reached += w;
            reached
        })
        .collect();
    let last = cumulative.len().saturating_sub(1);
    let start: f64 = rng.random();
    (0..n)
        .map(|i| {
            let share = if posterior.exact { rng.random() } else { (i as f64 + start) / n as f64 };
            cumulative.partition_point(|c| *c <= share * reached).min(last)
        })
        .collect()
}

/// How many draws are less than the true value, and of those that equal it a number that is uniform from none to all.
fn rank(truth: f64, draws: impl Iterator<Item = f64>, rng: &mut Stream) -> usize {
    let (mut less, mut equal) = (0, 0);
    for draw in draws {
        less += usize::from(draw < truth);
        equal += usize::from(draw == truth);
    }
    less + rng.random_range(0..=equal)
}

fn quantities(scalars: &[Scalar], answered: &[Ranked], draws: usize) -> Vec<Quantity> {
    let mut columns: Vec<(String, f64, Vec<usize>)> = Vec::new();
    for (i, scalar) in scalars.iter().enumerate() {
        let ranks = answered.iter().filter_map(|r| r.ranks.get(i).copied()).collect();
        columns.push((scalar.name.clone(), scalar.exists, ranks));
    }
    if let Some(ranks) = answered.iter().map(|r| r.likelihood).collect::<Option<Vec<usize>>>()
        && !ranks.is_empty()
    {
        columns.push((LOG_LIKELIHOOD.to_owned(), 1.0, ranks));
    }
    let certified: Vec<bool> = answered.iter().map(|r| r.certified).collect();
    let n_certified = certified.iter().filter(|c| **c).count();
    let all = Uniformity::new(answered.len(), draws);
    let some = Uniformity::new(n_certified, draws);
    let band = all.band(REFUTED / columns.len().max(1) as f64);
    columns
        .into_par_iter()
        .map(|(name, exists, ranks)| {
            let Deviation { p_value, largest } = all.deviation(&ranks);
            let p_value_certified = (0 < n_certified && n_certified < answered.len()).then(|| {
                let kept: Vec<usize> =
                    ranks.iter().zip(&certified).filter_map(|(rank, certified)| certified.then_some(*rank)).collect();
                some.deviation(&kept).p_value
            });
            let n = ranks.len() as f64;
            let differences = (1..).zip(all.counts(&ranks)).zip(&band).map(|((below, count), band)| {
                let expected = n * below as f64 / (draws as f64 + 1.0);
                let count = count as f64;
                // The nearest number outside.
                let outside = if count < expected { *band.start() as f64 - 1.0 } else { *band.end() as f64 + 1.0 };
                (count - expected) / (outside - expected).abs()
            });
            let differences = differences.collect();
            let coverage = [0.5, 0.9].map(|level| coverage(&ranks, draws, level));
            Quantity {
                name,
                exists,
                p_value,
                p_value_certified,
                largest_difference: largest,
                differences,
                coverage,
                ranks,
            }
        })
        .collect()
}

/// Ranks as points of [0, 1], each spread over the interval that it stands for, so that exact answers have exact coverage.
fn coverage(ranks: &[usize], draws: usize, level: f64) -> Coverage {
    let n = ranks.len() as f64;
    let width = 1.0 / (draws as f64 + 1.0);
    let (low, high) = ((1.0 - level) / 2.0, (1.0 + level) / 2.0);
    let inside = |rank: &usize| {
        let start = *rank as f64 * width;
        ((start + width).min(high) - start.max(low)).max(0.0) / width
    };
    let covered: f64 = ranks.iter().map(inside).sum();
    // Agresti & Coull: an error for a share of none or all, too.
    let smoothed = (covered + 2.0) / (n + 4.0);
    Coverage { level, share: covered / n, error: (smoothed * (1.0 - smoothed) / (n + 4.0)).sqrt() }
}
