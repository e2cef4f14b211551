//! Sequential Monte Carlo: particles that go from a reference to the posterior by tempering.
//!
//! A sequence of densities r^(1−t) p^t leads from a reference r that is easily drawn from (t = 0) to the joint density of
//! everything (t = 1) (Del Moral, Doucet & Jasra 2006, "Sequential Monte Carlo samplers", §2). Each temperature is the one at
//! which half of the particles count (Jasra, Stephens, Doucet & Tsagaris 2011, §3.1); particles are then resampled, and moved
//! until they have forgotten where they were. The product of the mean weights estimates the evidence without bias.
//!
//! A program with a compiled density moves by Hamiltonian trajectories ([`points`]), any other one choice at a time
//! ([`executions`]). Several runs share nothing: that they agree is the certificate.

mod executions;
mod points;

use std::sync::Mutex;

use rand::RngExt as _;
use rayon::prelude::*;

use self::executions::Executions;
use self::points::{Points, Reference};
use super::certificate::{Stuck, certify_chains};
use super::engine::{Engine, InferOptions, Progress, Sampled};
use super::error::InferError;
use super::gradient::{differentiable, with_paths};
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

/// Particles have forgotten where they were when the correlation of their gains with those of before is below this; sweeps of
/// one temperature, at least and at most.
const FORGOTTEN: f64 = 0.4;
const SWEEPS: std::ops::RangeInclusive<usize> = 2..=24;

/// Sweeps at the end are so many times as many as at other temperatures.
const LAST: usize = 2;

/// Temperatures, at most.
const STEPS: usize = 1_000;

/// How far the log evidences of the runs may spread: standard error of their mean.
const AGREE: f64 = 0.4;

/// Particles, and how they move.
trait Population {
    /// How many there are.
    fn len(&self) -> usize;

    /// ln p − ln r of each.
    fn gains(&self, gains: &mut Vec<f64>);

    /// Puts copies of `ancestors` (ascending) in place of the particles.
    fn resample(&mut self, ancestors: &[usize]);

    /// Moves each particle, leaving r^(1−t) p^t invariant.
    ///
    /// # Errors
    /// A mistake in the program.
    fn sweep(&mut self, temperature: f64, rng: &mut Stream) -> Result<(), InferError>;

    /// No more adaptation.
    fn freeze(&mut self);
}

/// Takes a population from the reference to the target: its estimate of ln ∫ p / ∫ r.
///
/// # Errors
/// A mistake in the program; `stop` says that time is up; no particle has a density.
fn temper(
    population: &mut dyn Population,
    rng: &mut Stream,
    stop: &(dyn Fn() -> bool + Sync),
    remark: &dyn Fn(f64),
) -> Result<f64, InferError> {
    let n = population.len();
    let (mut gains, mut before) = (Vec::new(), Vec::new());
    let (mut temperature, mut log_evidence) = (0.0, 0.0);
    for _ in 0..STEPS {
        population.gains(&mut gains);
        let next = next_temperature(&gains, temperature);
        let log_weights: Vec<f64> = gains.iter().map(|gain| (next - temperature) * gain).collect();
        let total = log_sum_exp(&log_weights);
        if !total.is_finite() {
            return Err(InferError::NoDrawSurvived { tried: n as u64, reason: None });
        }
        log_evidence += total - (n as f64).ln();
        temperature = next;
        remark(temperature);
        population.resample(&systematic(&log_weights, total, rng));
        population.gains(&mut before);
        let mut sweeps = 0;
        loop {
            population.sweep(temperature, rng)?;
            sweeps += 1;
            if stop() {
                let reason = format!("time was up at temperature {temperature:.3}");
                return Err(InferError::SamplerFailed { engine: ENGINE.name, reason });
            }
            population.gains(&mut gains);
            let forgotten = sweeps >= *SWEEPS.start() && correlation(&before, &gains).abs() < FORGOTTEN;
            if forgotten || sweeps >= *SWEEPS.end() {
                break;
            }
        }
        if temperature >= 1.0 {
            // What is kept moves by a kernel that does not depend on it.
            population.freeze();
            for _ in 0..LAST * sweeps {
                population.sweep(1.0, rng)?;
            }
            return Ok(log_evidence);
        }
    }
    let reason = format!("{STEPS} temperatures do not lead to the posterior");
    Err(InferError::SamplerFailed { engine: ENGINE.name, reason })
}

/// The temperature at which the share [`COUNT`] of the particles counts, by bisection; at most 1.
fn next_temperature(gains: &[f64], temperature: f64) -> f64 {
    let counting = |next: f64| {
        let log_weights: Vec<f64> = gains.iter().map(|gain| (next - temperature) * gain).collect();
        let total = log_sum_exp(&log_weights);
        let squares: f64 = log_weights.iter().map(|w| (2.0 * (w - total)).exp()).sum();
        1.0 / squares / gains.len() as f64
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
    sample(target, options, progress, &|| false)
}

/// Independent runs, with their certificate.
///
/// # Errors
/// A mistake in the program, nothing to start from, or `stop` says that time is up.
pub(super) fn sample(
    target: &TargetRef<'_>,
    options: &InferOptions,
    progress: &mut dyn Progress,
    stop: &(dyn Fn() -> bool + Sync),
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
    let (record, log_evidences) = match compiled(target, seed)? {
        Some(mut query) => {
            let (points, log_evidences) = {
                let Some(density) = query.compiled.density() else {
                    return Err(InferError::Refused {
                        engine: ENGINE.name,
                        reason: "it has no density".into(),
                        span: None,
                    });
                };
                let reference = Reference::new(&query.prior);
                let finished: Result<Vec<(Vec<Vec<f64>>, f64)>, InferError> = (0..runs)
                    .into_par_iter()
                    .map(|run| {
                        let mut rng = stream(seed, StreamPurpose::Particles, run as u64);
                        let mut points = Points::new(&density, &reference, particles, &mut rng);
                        let log_evidence = points.log_started() + temper(&mut points, &mut rng, stop, &told(run))?;
                        ended();
                        Ok((points.into_points(), log_evidence))
                    })
                    .collect();
                let (points, log_evidences): (Vec<_>, Vec<f64>) = finished?.into_iter().unzip();
                (with_paths(&density, points.into_iter().flatten(), seed), log_evidences)
            };
            (query.record(&points)?, log_evidences)
        }
        None => {
            let finished: Result<Vec<(Executions<'_>, f64)>, InferError> = (0..runs)
                .into_par_iter()
                .map(|run| {
                    let mut rng = stream(seed, StreamPurpose::Particles, run as u64);
                    let mut executions = Executions::new(target, particles, &mut rng)?;
                    let log_evidence = executions.log_started() + temper(&mut executions, &mut rng, stop, &told(run))?;
                    ended();
                    Ok((executions, log_evidence))
                })
                .collect();
            let mut record = Record::default();
            let mut log_evidences = Vec::with_capacity(runs);
            for (executions, log_evidence) in finished? {
                executions.append_to(&mut record);
                log_evidences.push(log_evidence);
            }
            (record, log_evidences)
        }
    };
    let evidence = pooled(&log_evidences);
    let (mut held, mut reason) = certify_chains(&record, runs, Stuck::Found);
    if held && evidence.1 > AGREE {
        held = false;
        reason = format!("{reason}: the log evidences of {runs} runs differ, ± {:.2}", evidence.1);
    } else if held {
        reason = format!("{runs} runs agree: {reason}");
    }
    Ok(Sampled {
        record,
        weights: None,
        chains: runs,
        exact: false,
        k_hat: None,
        log_evidence: Some(evidence),
        statistics: Vec::new(),
        held,
        reason,
        warnings: Vec::new(),
    })
}

/// The compiled target, if it has a density with gradients and a prior to start from.
fn compiled<'t>(target: &TargetRef<'t>, seed: u64) -> Result<Option<Query<'t>>, InferError> {
    match differentiable(target, ENGINE.name, seed) {
        Ok(query) if query.compiled.density().is_some() && !query.prior.draws.is_empty() => Ok(Some(query)),
        Ok(_) | Err(InferError::Refused { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// ln of the mean of the evidences of independent runs, and its standard error by the delta method.
fn pooled(log_evidences: &[f64]) -> (f64, f64) {
    super::importance::log_mean_exp(log_evidences)
}
