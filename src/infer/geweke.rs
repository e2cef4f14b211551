//! Whether a Markov kernel leaves the posterior as it is: Geweke (2004), "Getting it right: joint distribution tests of
//! posterior simulators".
//!
//! Two ways to draw latents and data from their joint distribution are compared. The marginal-conditional simulator draws
//! independent executions of the program. The successive-conditional simulator alternates the kernel, which updates the
//! latents given the data, with new data given the latents; if the kernel is right, its chain has the same distribution.
//! A mistake of the kernel shows as a difference in some expectation.
//!
//! There are many chains, each from an execution of the program and so in its distribution from the start: the spread of
//! their means is the Monte Carlo error, whatever the autocorrelation. (One long chain would be hopeless where data say
//! much, because then the latents hardly move from one data set to the next.)
//!
//! The expectations are those of t = d/√(d² + s²) and of t², with d the distance of a scalar from a typical value and s its
//! typical spread: the first and second moment, but of something bounded, because priors often have no moments.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};
use statrs::distribution::{ContinuousCDF, StudentsT};

use super::engine::{InferOptions, Progress};
use super::error::InferError;
use super::joint::{Drawn, JointSampler, address, downstream, hold, hold_givens};
use super::mh::{Kernel, MarkovChain};
use super::record::Address;
use super::scalars::{Scalar, scalars};
use super::stream::{Stream, StreamPurpose, stream};
use super::target::{Target, TargetRef};
use crate::runtime::{Conditions, Supplied};
use crate::value::Value;

/// The probability with which a correct kernel is refuted: over all z-scores together.
const LEVEL: f64 = 0.001;

/// Chains of the successive-conditional simulator, times the square root of the executions: so many that their means are
/// nearly normal together, but long enough for mistakes to add up.
const CHAINS: f64 = 4.0;

/// Executions from which it is learnt what is typical of each scalar.
const TYPICAL: usize = 500;

/// Executions of one random stream.
const CHUNK: usize = 256;

/// The largest skewness of a mean that is near enough to normal: an event must be expected 16 times.
const SKEWED: f64 = 0.25;

/// The fewest executions of each simulator: with fewer chains the Monte Carlo error is itself too uncertain.
const FEWEST: usize = 1_000;

/// How much work to put into the test.
#[derive(Clone, Debug, PartialEq)]
pub struct GewekeOptions {
    /// Executions of each simulator.
    pub iterations: usize,
    /// Seed of all random numbers.
    pub seed: u64,
}

impl Default for GewekeOptions {
    fn default() -> Self {
        Self { iterations: 10_000, seed: InferOptions::default().seed }
    }
}

/// A scalar under both simulators.
#[derive(Clone, Debug, PartialEq)]
pub struct GewekeScalar {
    /// Its address, such as `theta[0]`.
    pub name: String,
    /// The share of the executions in which it exists.
    pub exists: f64,
    /// The median where it exists, by the marginal-conditional simulator and by the successive-conditional one.
    pub medians: [f64; 2],
    /// Effective sample size of the chains: the least of those of the z-scores. At least about the number of chains.
    pub ess: Option<f64>,
    /// z-score of the first moment; `None` where it does not vary, or too rarely for the number of executions.
    pub z_location: Option<f64>,
    /// z-score of the second moment.
    pub z_spread: Option<f64>,
    /// z-score of whether it exists.
    pub z_exists: Option<f64>,
}

impl GewekeScalar {
    /// The z-scores that there are.
    pub fn scores(&self) -> impl Iterator<Item = f64> {
        [self.z_location, self.z_spread, self.z_exists].into_iter().flatten()
    }
}

/// The result of the test.
#[derive(Clone, Debug)]
pub struct Geweke {
    /// The model.
    pub model: Arc<str>,
    /// Executions of each simulator.
    pub iterations: usize,
    /// Chains of the successive-conditional simulator.
    pub chains: usize,
    /// Updates of the kernel between data.
    pub updates: usize,
    /// The latents in program order.
    pub scalars: Vec<GewekeScalar>,
    /// Scalars left out because they hardly ever exist.
    pub rare: usize,
    /// The magnitude that a correct kernel's z-scores exceed, any of them, with probability 0.001 (Bonferroni; Student's t
    /// with as many degrees of freedom as the chains leave).
    pub threshold: f64,
    /// Wall-clock time.
    pub seconds: f64,
    /// The seed.
    pub seed: u64,
}

impl Geweke {
    /// Whether some z-score is beyond the threshold.
    pub fn refuted(&self) -> bool {
        self.scalars.iter().flat_map(GewekeScalar::scores).any(|z| z.abs() > self.threshold)
    }

    /// The number of z-scores.
    pub fn scores(&self) -> usize {
        self.scalars.iter().flat_map(GewekeScalar::scores).count()
    }
}

/// Values of the latents by address.
pub type Latents = Vec<(Address, Value)>;

/// A Markov kernel: from values of the latents, that many updates given what the target knows.
pub type Step<'k> = dyn Fn(&TargetRef<'_>, &Latents, usize, &mut Stream) -> Result<Latents, InferError> + Sync + 'k;

/// Tests a kernel of Metropolis–Hastings.
///
/// Known observations are drawn anew; values of givens and samples that `target` fixes are held, and the givens that are
/// left are held at one draw. Results do not depend on the number of threads.
///
/// # Errors
/// A mistake in the program, or one that cannot be simulated from its own distributions.
pub fn geweke(
    target: &Target,
    kernel: Kernel,
    options: &GewekeOptions,
    progress: &mut dyn Progress,
) -> Result<Geweke, InferError> {
    geweke_with(
        target,
        &|target, values, updates, rng| metropolis_hastings(target, kernel, values, updates, rng),
        options,
        progress,
    )
}

/// `updates` of the kernel from `values`, which stay where they have density zero.
///
/// # Errors
/// A mistake in the program.
pub fn metropolis_hastings(
    target: &TargetRef<'_>,
    kernel: Kernel,
    values: &Latents,
    updates: usize,
    rng: &mut Stream,
) -> Result<Latents, InferError> {
    let start: FxHashMap<String, Value> =
        values.iter().map(|(address, value)| (address.name.clone(), value.clone())).collect();
    let Some(mut chain) = MarkovChain::from_values(target, kernel, &start, rng)? else { return Ok(values.clone()) };
    for _ in 0..updates {
        chain.update(rng)?;
    }
    let choices = chain.trace().choices.iter();
    Ok(choices.filter_map(|c| Some((address(c.address, chain.addresses())?, c.value.clone()))).collect())
}

/// As [`geweke`], of any kernel.
///
/// # Errors
/// As [`geweke`].
pub fn geweke_with(
    target: &Target,
    step: &Step<'_>,
    options: &GewekeOptions,
    progress: &mut dyn Progress,
) -> Result<Geweke, InferError> {
    let start = Instant::now();
    let n = options.iterations;
    if n < FEWEST {
        let found = n.to_string();
        return Err(InferError::InvalidOption { name: "iterations", expected: "at least 1000", found });
    }
    let chains = (CHAINS * (n as f64).sqrt()) as usize;
    let random = |index: u64| stream(options.seed, StreamPurpose::Calibration, index);
    let mut rng = random(0);
    let conditions = hold_givens(&target.borrow(), &mut rng)?;
    let reference = TargetRef { conditions: &conditions, ..target.borrow() };
    let sampler = JointSampler::new(reference);
    let free = downstream(&sampler, &conditions, &mut rng)?;

    let mut machine = sampler.machine(&conditions);
    let typical: Vec<Vec<Drawn>> = (0..TYPICAL)
        .map(|_| sampler.draw(&mut machine, &mut rng).map(|joint| joint.latents))
        .collect::<Result<_, _>>()?;
    let (scalars, rare) = scalars(typical.iter().map(Vec::as_slice));
    let scores: Vec<Score> = scalars.iter().map(|scalar| Score::typical(scalar, &typical)).collect();
    // A number of updates that depended on the state would itself change the distribution.
    let updates = (typical.iter().map(Vec::len).sum::<usize>() / TYPICAL).max(1);

    progress.start("simulators", 2 * n as u64);
    let progress = Mutex::new(progress);
    let advance = |steps: usize| {
        if let Ok(mut progress) = progress.lock() {
            progress.advance(steps as u64);
        }
    };
    let test = Test { reference, sampler: &sampler, scalars: &scalars, free: &free, step, updates };
    let sizes: Vec<usize> = (0..n).step_by(CHUNK).map(|first| CHUNK.min(n - first)).collect();
    let marginal: Vec<Vec<Vec<f64>>> = sizes
        .par_iter()
        .enumerate()
        .map(|(i, size)| {
            let rows = test.marginal(*size, random(1 + (i as u64) * 2));
            advance(*size);
            rows
        })
        .collect::<Result<_, _>>()?;
    let successive: Vec<Vec<Vec<f64>>> = (0..chains)
        .into_par_iter()
        .map(|i| {
            let rows = test.successive(n.div_ceil(chains), random(2 + (i as u64) * 2));
            advance(n / chains);
            rows
        })
        .collect::<Result<_, _>>()?;

    let found: Vec<GewekeScalar> = scalars
        .par_iter()
        .zip(&scores)
        .enumerate()
        .map(|(at, (scalar, score))| {
            let column =
                |rows: &Vec<Vec<f64>>| -> Vec<f64> { rows.iter().filter_map(|r| r.get(at).copied()).collect() };
            let independent: Vec<f64> = marginal.iter().flat_map(column).collect();
            let chains: Vec<Vec<f64>> = successive.iter().map(column).collect();
            compare(scalar, score, &independent, &chains)
        })
        .collect();
    let n_scores = found.iter().flat_map(GewekeScalar::scores).count().max(1);
    let level = 1.0 - LEVEL / 2.0 / n_scores as f64;
    let threshold = StudentsT::new(0.0, 1.0, chains as f64 - 1.0).map_or(f64::INFINITY, |t| t.inverse_cdf(level));
    Ok(Geweke {
        model: target.model_name().clone(),
        iterations: n,
        chains,
        updates,
        scalars: found,
        rare,
        threshold,
        seconds: start.elapsed().as_secs_f64(),
        seed: options.seed,
    })
}

/// What both simulators share.
struct Test<'t> {
    reference: TargetRef<'t>,
    sampler: &'t JointSampler<'t>,
    scalars: &'t [Scalar],
    /// Latents that are drawn again with the data.
    free: &'t FxHashSet<Arc<str>>,
    step: &'t Step<'t>,
    updates: usize,
}

impl Test<'_> {
    fn row(&self, latents: &[Drawn]) -> Vec<f64> {
        self.scalars.iter().map(|scalar| scalar.of_execution(latents)).collect()
    }

    /// Independent executions.
    fn marginal(&self, n: usize, mut rng: Stream) -> Result<Vec<Vec<f64>>, InferError> {
        let mut machine = self.sampler.machine(self.reference.conditions);
        (0..n).map(|_| Ok(self.row(&self.sampler.draw(&mut machine, &mut rng)?.latents))).collect()
    }

    /// A chain that alternates the kernel with new data.
    fn successive(&self, n: usize, mut rng: Stream) -> Result<Vec<Vec<f64>>, InferError> {
        let mut machine = self.sampler.machine(self.reference.conditions);
        let mut joint = self.sampler.draw(&mut machine, &mut rng)?;
        let mut addresses = machine.into_addresses();
        let mut rows = Vec::with_capacity(n);
        for _ in 0..n {
            let mut known = self.reference.conditions.clone();
            hold(&mut known, &joint.data, joint.latents.iter().chain(&joint.fixed), &addresses);
            let given_data = TargetRef { conditions: &known, ..self.reference };
            let before: Latents =
                joint.latents.iter().map(|drawn| (drawn.address.clone(), drawn.value.clone())).collect();
            let after = (self.step)(&given_data, &before, self.updates, &mut rng)?;
            let given_latents = self.given(after);
            let mut machine = self.sampler.machine(&given_latents);
            joint = self.sampler.draw(&mut machine, &mut rng)?;
            addresses = machine.into_addresses();
            rows.push(self.row(&joint.latents));
        }
        Ok(rows)
    }

    /// Conditions under which all latents are held but those that the data decide.
    fn given(&self, latents: Latents) -> Conditions {
        let mut conditions = self.reference.conditions.clone();
        for (Address { variable, indices, .. }, value) in latents {
            if self.free.contains(&variable) {
                continue;
            }
            if indices.is_empty() {
                conditions.supply(variable, Supplied::Value(value));
            } else {
                conditions.supply_element(variable, indices, Some(value));
            }
        }
        conditions
    }
}

/// A bounded function of a scalar.
#[derive(Clone, Copy, Debug)]
struct Score {
    center: f64,
    scale: f64,
}

impl Score {
    /// By the median and half the distance between the quartiles of some executions.
    fn typical(scalar: &Scalar, executions: &[Vec<Drawn>]) -> Self {
        let values = sorted(executions.iter().map(|latents| scalar.of_execution(latents)));
        let scale = 0.5 * (quantile(&values, 0.75) - quantile(&values, 0.25));
        Self { center: quantile(&values, 0.5), scale: if scale > 0.0 && scale.is_finite() { scale } else { 1.0 } }
    }

    /// t, which is 0 for a scalar that does not exist.
    fn of(self, x: f64) -> f64 {
        let d = x - self.center;
        if d.is_finite() { d / d.hypot(self.scale) } else { 0.0 }
    }
}

/// The values that exist, ascending.
fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.filter(|x| *x > f64::NEG_INFINITY).collect();
    values.sort_by(f64::total_cmp);
    values
}

/// The nearest of some ascending values.
fn quantile(values: &[f64], level: f64) -> f64 {
    let at = (level * (values.len() as f64 - 1.0)).round();
    values.get(at as usize).copied().unwrap_or(f64::NAN)
}

fn compare(scalar: &Scalar, score: &Score, independent: &[f64], chains: &[Vec<f64>]) -> GewekeScalar {
    let mut least: Option<f64> = None;
    let mut z = |of: &dyn Fn(f64) -> f64| {
        let (marginal, variance) = moments(independent.iter().map(|x| of(*x)));
        let (successive, variance_in_chains) = moments(chains.iter().flatten().map(|x| of(*x)));
        let means: Vec<f64> = chains.iter().map(|chain| moments(chain.iter().map(|x| of(*x))).0).collect();
        let n_chains = means.len() as f64;
        // Chains that have all come to one value have forgotten their starts.
        let ess = match variance_in_chains {
            0.0 => n_chains,
            variance => variance / (moments(means.iter().copied()).1 / n_chains),
        };
        let third = independent.iter().map(|x| (of(*x) - marginal).powi(3)).sum::<f64>() / independent.len() as f64;
        let skewness = third / variance.powf(1.5) / ess.sqrt();
        if variance == 0.0 || skewness.abs() > SKEWED {
            return None;
        }
        least = Some(least.map_or(ess, |l| l.min(ess)));
        // Not the chains' own variance: it varies with their mean, so that rare values would give large z-scores too often.
        Some((marginal - successive) / (variance / independent.len() as f64 + variance / ess).sqrt())
    };
    let z_location = z(&|x| score.of(x));
    let z_spread = z(&|x| score.of(x).powi(2));
    let z_exists = z(&|x| f64::from(u8::from(x > f64::NEG_INFINITY)));
    let median = |values: &mut dyn Iterator<Item = f64>| quantile(&sorted(values), 0.5);
    GewekeScalar {
        name: scalar.name.clone(),
        exists: scalar.exists,
        medians: [
            median(&mut independent.iter().copied()),
            median(&mut chains.iter().flat_map(|chain| chain.iter().copied())),
        ],
        ess: least,
        z_location,
        z_spread,
        z_exists,
    }
}

/// Mean and sample variance.
fn moments(x: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let n = x.clone().count() as f64;
    let mean = x.clone().sum::<f64>() / n;
    (mean, x.map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0))
}
