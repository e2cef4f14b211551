//! Sequential Monte Carlo: particles that go from a reference to the posterior by tempering.
//!
//! A sequence of densities r^(1−t) p^t leads from a reference r that is easily drawn from (t = 0) to the joint density of
//! everything (t = 1) (Del Moral, Doucet & Jasra 2006, "Sequential Monte Carlo samplers", §2). Each temperature is the one at
//! which half of the particles count (Jasra, Stephens, Doucet & Tsagaris 2011, §3.1); particles are then resampled, and moved
//! until they have forgotten where they were. The product of the mean weights estimates the evidence, consistently where
//! temperatures and steps adapt (Beskos, Jasra, Kantas & Thiery 2016).
//!
//! A program with a compiled density moves by Hamiltonian trajectories ([`points`]), any other one choice at a time
//! ([`executions`]). Several runs share nothing: that they agree is the certificate.

mod executions;
mod points;
mod reference;

use std::sync::Mutex;

use rand::RngExt as _;
use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};

use self::executions::Executions;
use self::points::Points;
use self::reference::Reference;
use super::certificate::certify_chains;
use super::counts::cut_off;
use super::deadline::Deadline;
use super::engine::{Engine, InferOptions, Progress, Sampled};
use super::error::InferError;
use super::gradient::{differentiable, with_paths};
use super::importance::log_mean_exp;
use super::modes::{Neighbourhood, left_out};
use super::query::Query;
use super::record::Record;
use super::stream::{Stream, StreamPurpose, stream};
use super::target::TargetRef;
use crate::dist::log_sum_exp;

pub(super) const ENGINE: Engine =
    Engine { name: "smc", summary: "particles tempered from the prior to the posterior, on any program", run };

/// Defaults of the options: independent runs, and particles of all.
const RUNS: usize = 4;
const PARTICLES: usize = 4_000;

/// The share of the particles that count after a step of the temperature.
const COUNT: f64 = 0.5;

/// Particles have forgotten where they were when the correlation of each of their columns with itself before is below this;
/// sweeps of one temperature, at least and at most.
const FORGOTTEN: f64 = 0.4;
const SWEEPS: std::ops::RangeInclusive<usize> = 2..=60;

/// Sweeps at the end are so many times as many as at other temperatures.
const LAST: usize = 5;

/// Temperatures, at most.
const STEPS: usize = 1_000;

/// How far the log evidences of the runs may spread: standard error of their mean.
const AGREE: f64 = 0.2;

/// Particles that may stay where they are in all of the last sweeps.
const STUCK: f64 = 0.02;

/// A point among the coordinates.
type Place = Vec<f64>;

/// Particles, and how they move.
trait Population {
    /// How many there are.
    fn len(&self) -> usize;

    /// ln p − ln r of each.
    fn gains(&self, gains: &mut Vec<f64>);

    /// Numbers by which it shows whether particles moved: one column each, all of the same length, the gains last.
    fn columns(&self) -> Vec<Vec<f64>>;

    /// Puts copies of `ancestors` (ascending) in place of the particles.
    fn resample(&mut self, ancestors: &[usize]);

    /// Moves each particle, leaving r^(1−t) p^t invariant.
    ///
    /// # Errors
    /// A mistake in the program; the deadline passes.
    fn sweep(&mut self, temperature: f64, rng: &mut Stream, deadline: Deadline) -> Result<(), InferError>;

    /// No more adaptation, from the sweeps on after which particles are kept.
    fn freeze(&mut self);

    /// The share of the particles that did not move since then.
    fn share_stuck(&self) -> f64;
}

/// What one run tells.
#[derive(Clone, Debug)]
struct Tempered {
    /// An estimate of ln ∫ p / ∫ r.
    log_evidence: f64,
    /// Its variance: what particles say at each temperature, or their families if that is more.
    variance: f64,
    /// By particle: the one at the start that it descends from.
    ancestors: Vec<u32>,
    /// Whether particles have forgotten where they were at the last temperature.
    forgot: bool,
    /// The share of the particles that did not move at the end.
    stuck: f64,
}

/// The error of a deadline that passed on the way.
fn time_is_up(temperature: f64) -> InferError {
    let reason = format!("time was up at temperature {temperature:.3}");
    InferError::SamplerFailed { engine: ENGINE.name, reason }
}

/// Takes a population from the reference to the target.
///
/// # Errors
/// A mistake in the program; the deadline passes; no particle has a density.
fn temper(
    population: &mut dyn Population,
    rng: &mut Stream,
    deadline: Deadline,
    remark: &dyn Fn(f64),
) -> Result<Tempered, InferError> {
    let n = population.len();
    if n == 0 {
        return Err(InferError::NoDrawSurvived { tried: 0, reason: None });
    }
    let mut gains = Vec::new();
    let mut temperature = 0.0;
    let ancestors = (0..n as u32).collect();
    let mut tempered = Tempered { log_evidence: 0.0, variance: 0.0, ancestors, forgot: false, stuck: 0.0 };
    for _ in 0..STEPS {
        population.gains(&mut gains);
        if gains.contains(&f64::INFINITY) {
            let reason = "a variable left what its improper distribution is simulated from".into();
            return Err(InferError::SamplerFailed { engine: ENGINE.name, reason });
        }
        let next = next_temperature(&gains, temperature);
        if next <= temperature {
            let reason = format!("hardly any particle is possible beyond temperature {temperature:.3}");
            return Err(InferError::SamplerFailed { engine: ENGINE.name, reason });
        }
        let log_weights: Vec<f64> = gains.iter().map(|gain| (next - temperature) * gain).collect();
        let total = log_sum_exp(&log_weights);
        if !total.is_finite() {
            return Err(InferError::NoDrawSurvived { tried: n as u64, reason: None });
        }
        let squares = sum_of_squares(&log_weights, total);
        tempered.log_evidence += total - (n as f64).ln();
        tempered.variance += (squares - 1.0 / n as f64).max(0.0);
        temperature = next;
        remark(temperature);
        let parents = systematic(&log_weights, total, rng);
        tempered.ancestors = parents.iter().map(|i| tempered.ancestors[*i]).collect();
        population.resample(&parents);
        let before = population.columns();
        let mut sweeps = 0;
        loop {
            population.sweep(temperature, rng, deadline)?;
            sweeps += 1;
            let remembers = |(a, b): (&Vec<f64>, &Vec<f64>)| correlation(a, b) >= FORGOTTEN;
            let columns = population.columns();
            let forgotten = sweeps >= *SWEEPS.start() && !before.iter().zip(&columns).any(remembers);
            if forgotten || sweeps >= *SWEEPS.end() {
                // A coordinate remembers its mode for ever; the density does not.
                tempered.forgot = !before.iter().zip(&columns).next_back().is_some_and(remembers);
                break;
            }
        }
        if temperature >= 1.0 {
            // What is kept moves by a kernel that does not depend on it.
            population.freeze();
            for _ in 0..LAST * sweeps {
                population.sweep(1.0, rng, deadline)?;
            }
            tempered.stuck = population.share_stuck();
            tempered.variance = tempered.variance.max(concentration(&tempered.ancestors));
            return Ok(tempered);
        }
    }
    let reason = format!("{STEPS} temperatures do not lead to the posterior");
    Err(InferError::SamplerFailed { engine: ENGINE.name, reason })
}

/// Σ (share of a family)², less what it is where each particle is a family of its own: the relative variance of an evidence
/// (Lee & Whiteley 2018, eq. 5, with systematic resampling).
fn concentration(ancestors: &[u32]) -> f64 {
    let n = ancestors.len() as f64;
    let mut sizes: FxHashMap<u32, f64> = FxHashMap::default();
    for ancestor in ancestors {
        *sizes.entry(*ancestor).or_default() += 1.0 / n;
    }
    (sizes.values().map(|share| share * share).sum::<f64>() - 1.0 / n).max(0.0)
}

/// Σ w² of weights that are normalised by ln of their sum.
fn sum_of_squares(log_weights: &[f64], total: f64) -> f64 {
    log_weights.iter().map(|w| (2.0 * (w - total)).exp()).sum()
}

/// ln of the share of tries that succeed, where `found` did and the last was one by construction (without bias).
fn log_share(found: usize, tried: usize) -> f64 {
    let share = if tried == found { 1.0 } else { (found as f64 - 1.0).max(0.5) / (tried as f64 - 1.0) };
    share.ln()
}

/// The temperature at which the share [`COUNT`] of the particles counts, by bisection; at most 1.
fn next_temperature(gains: &[f64], temperature: f64) -> f64 {
    let counting = |next: f64| {
        let log_weights: Vec<f64> = gains.iter().map(|gain| (next - temperature) * gain).collect();
        1.0 / sum_of_squares(&log_weights, log_sum_exp(&log_weights)) / gains.len() as f64
    };
    if counting(1.0) >= COUNT {
        return 1.0;
    }
    let (mut low, mut high) = (temperature, 1.0);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if counting(middle) >= COUNT { low = middle } else { high = middle }
    }
    // Where even the smallest step leaves too few, it is taken all the same.
    if low > temperature { low } else { high }
}

/// Systematic resampling (Kitagawa 1996, appendix): ancestors in ascending order.
fn systematic(log_weights: &[f64], total: f64, rng: &mut Stream) -> Vec<usize> {
    let n = log_weights.len();
    let mut ancestors = Vec::with_capacity(n);
    let start: f64 = rng.random();
    let (mut sum, mut at) = (0.0, 0);
    for (i, log_weight) in log_weights.iter().enumerate() {
        sum += (log_weight - total).exp() * n as f64;
        while at < n && start + (at as f64) < sum {
            ancestors.push(i);
            at += 1;
        }
    }
    // Rounding may leave out the last.
    let last = ancestors.last().copied().unwrap_or(0);
    ancestors.resize(n, last);
    ancestors
}

/// Pearson's correlation; 0 where one does not vary.
fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let n = a.len() as f64;
    let mean = |x: &[f64]| x.iter().sum::<f64>() / n;
    let (ma, mb) = (mean(a), mean(b));
    let (mut aa, mut bb, mut ab) = (0.0, 0.0, 0.0);
    for (x, y) in a.iter().zip(b) {
        aa += (x - ma) * (x - ma);
        bb += (y - mb) * (y - mb);
        ab += (x - ma) * (y - mb);
    }
    if aa > 0.0 && bb > 0.0 { ab / (aa * bb).sqrt() } else { 0.0 }
}

fn run(target: &TargetRef<'_>, options: &InferOptions, progress: &mut dyn Progress) -> Result<Sampled, InferError> {
    sample(target, options, progress, Deadline::after(options.budget))
}

/// Independent runs, with their certificate.
///
/// # Errors
/// A mistake in the program, nothing to start from, or the deadline passes.
pub(super) fn sample(
    target: &TargetRef<'_>,
    options: &InferOptions,
    progress: &mut dyn Progress,
    deadline: Deadline,
) -> Result<Sampled, InferError> {
    let runs = options.chains.unwrap_or(RUNS).max(2);
    let particles = options.draws.unwrap_or(PARTICLES).div_ceil(runs).max(2);
    let seed = options.seed;
    progress.start(ENGINE.name, runs as u64);
    let progress = Mutex::new(progress);
    let told = |run: usize| {
        let progress = &progress;
        move |temperature: f64| {
            if let Ok(mut progress) = progress.lock() {
                progress.remark(&format!("run {}, temperature {temperature:.3}", run + 1));
            }
        }
    };
    let ended = || {
        if let Ok(mut progress) = progress.lock() {
            progress.advance(1);
        }
    };
    let mut missed = None;
    // Of choices with one value: whether other values were among the particles at the start.
    let mut tried: FxHashSet<String> = FxHashSet::default();
    let (record, finished, exact_discrete) = match compiled(target, seed)? {
        Some(mut query) => {
            query.deadline = deadline;
            let mut anchors = query.anchors().ok();
            let (points, finished) = {
                let Some(density) = query.compiled.density() else {
                    return Err(InferError::Refused {
                        engine: ENGINE.name,
                        reason: "it has no density".into(),
                        span: None,
                    });
                };
                let reference = Reference::new(&query.prior, anchors.as_ref());
                let finished: Result<Vec<(Vec<Place>, Tempered)>, InferError> = (0..runs)
                    .into_par_iter()
                    .map(|run| {
                        let mut rng = stream(seed, StreamPurpose::Particles, run as u64);
                        let mut points = Points::new(&density, &reference, particles, &mut rng, deadline)?;
                        let mut tempered = temper(&mut points, &mut rng, deadline, &told(run))?;
                        tempered.log_evidence += points.log_possible();
                        ended();
                        Ok((points.into_points(), tempered))
                    })
                    .collect();
                let (points, finished): (Vec<_>, Vec<Tempered>) = finished?.into_iter().unzip();
                (with_paths(&density, points.into_iter().flatten(), seed), finished)
            };
            if let Some(anchors) = &mut anchors {
                let neighbourhood = Neighbourhood::of_paths(anchors, &points, pooled(&finished));
                missed = left_out(&query, anchors, &neighbourhood)?;
            }
            drop(anchors);
            missed = missed.or_else(|| cut_off(&query.compiled, &points));
            (query.record(&points)?, finished, true)
        }
        None => {
            let finished: Result<Vec<(Executions<'_>, Tempered)>, InferError> = (0..runs)
                .into_par_iter()
                .map(|run| {
                    let mut rng = stream(seed, StreamPurpose::Particles, run as u64);
                    let mut executions = Executions::new(target, particles, &mut rng, &|| deadline.has_passed())?;
                    let mut tempered = temper(&mut executions, &mut rng, deadline, &told(run))?;
                    tempered.log_evidence += executions.log_possible();
                    ended();
                    Ok((executions, tempered))
                })
                .collect();
            let mut record = Record::default();
            let mut all = Vec::with_capacity(runs);
            for (executions, tempered) in finished? {
                tried.extend(executions.tried());
                executions.append_to(&mut record);
                all.push(tempered);
            }
            (record, all, false)
        }
    };
    let evidence = pooled(&finished);
    // Runs share no ancestors.
    let families: Vec<u32> = finished
        .iter()
        .enumerate()
        .flat_map(|(run, t)| t.ancestors.iter().map(move |a| (run * particles) as u32 + a))
        .collect();
    let (mut held, mut reason) =
        certify_chains(&record, runs, &families, &|name| exact_discrete || tried.contains(name));
    if held {
        let stuck = finished.iter().map(|t| t.stuck).fold(0.0, f64::max);
        let against = if evidence.1 > AGREE {
            Some(format!("the log evidences of {runs} runs differ, ± {:.2}", evidence.1))
        } else if stuck > STUCK {
            Some(format!("{:.0} % of the particles do not move", 100.0 * stuck))
        } else if finished.iter().any(|t| !t.forgot) {
            Some("particles have not forgotten where they were".into())
        } else {
            None
        };
        held = against.is_none();
        reason = match against {
            Some(against) => format!("{reason}: {against}"),
            None => format!("{runs} runs agree: {reason}"),
        };
    }
    let mut sampled =
        Sampled { chains: runs, families, log_evidence: Some(evidence), ..Sampled::new(record, held, reason) };
    sampled.refuse(missed);
    Ok(sampled)
}

/// The compiled target, if it has a density with gradients and a prior to start from.
fn compiled<'t>(target: &TargetRef<'t>, seed: u64) -> Result<Option<Query<'t>>, InferError> {
    match differentiable(target, ENGINE.name, seed) {
        Ok(query) if query.compiled.density().is_some() && !query.prior.draws.is_empty() => Ok(Some(query)),
        Ok(_) | Err(InferError::Refused { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// ln of the mean of the evidences of independent runs, and its standard error: what their spread says (by the delta method),
/// but no less than if all particles had been independent, as a few runs may be close by luck.
fn pooled(runs: &[Tempered]) -> (f64, f64) {
    let logs: Vec<f64> = runs.iter().map(|run| run.log_evidence).collect();
    let (log_evidence, spread) = log_mean_exp(&logs);
    let least = runs.iter().map(|run| run.variance).sum::<f64>().sqrt() / runs.len() as f64;
    (log_evidence, spread.max(least))
}
