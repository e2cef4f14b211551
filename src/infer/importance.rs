//! Importance sampling: independent draws from a proposal, weighted by p(x, z) / q(z) and Pareto-smoothed.

use std::ops::Range;

use rayon::prelude::*;

use super::anchors::PriorDraw;
use super::coordinates::Coordinates;
use super::diagnostics::{Psis, k_hat_threshold, pareto_smooth, weights_ess};
use super::engine::{Engine, InferOptions, Progress, Sampled};
use super::error::InferError;
use super::modes::left_out_by_proposal;
use super::proposal::{OwnDistribution, Proposal};
use super::record::{Chunk, Record};
use super::stream::{StreamPurpose, stream};
use super::target::TargetRef;
use super::trace::{Generator, Ledger, Trace};
use crate::diagnostic::Diagnostic;
use crate::runtime::Addresses;

pub(super) const ENGINE: Engine =
    Engine { name: "importance", summary: "independent draws from the prior, weighted by the likelihood", run };

/// Draws where the caller names no number.
const DRAWS: usize = 10_000;

/// Effective draws that the certificate asks for.
pub(super) const ENOUGH: f64 = 400.0;

/// The share of the posterior beyond the start of the fitted tail that is too small to matter: k̂ measures the shape of the
/// tail and not its size, and says nothing of weights that hardly vary.
const NEGLIGIBLE: f64 = 0.01;

/// The share of the weights that smoothing may take away: a few that are far larger than the rest of the tail are of a place
/// that hardly any draw is in.
const SMOOTHED_AWAY: f64 = 0.05;

/// Draws that the look for modes goes by.
const LOOKED: usize = 16_384;

/// Draws of one random stream: results do not depend on the number of threads.
const CHUNK: usize = 256;

/// Independent draws and their log weights.
pub(super) struct Draws {
    pub record: Record,
    /// log p(x, z) − log q(z), one a draw; −∞ for those of density zero, which are in the record as well.
    pub log_weights: Vec<f64>,
    pub ledger: Ledger,
    /// Whether anything was known that counts in the density.
    pub observed: bool,
}

/// What one chunk gives back: its draws with the addresses of its machine, log weights, accounts.
type Generated = (Chunk, Addresses, Vec<f64>, Ledger, bool);

/// Draws number `range` of `seed`'s sequence.
pub(super) fn generate(
    target: &TargetRef<'_>,
    generator: &Generator<'_>,
    range: Range<usize>,
    seed: u64,
    progress: &mut dyn Progress,
) -> Result<Draws, InferError> {
    progress.start(generator.engine, range.len() as u64);
    let mut draws =
        Draws { record: Record::default(), log_weights: Vec::new(), ledger: Ledger::default(), observed: false };
    let chunks: Vec<Range<usize>> =
        range.clone().step_by(CHUNK).map(|first| first..(first + CHUNK).min(range.end)).collect();
    // In groups, so that progress shows and memory of unmerged chunks is bounded.
    for group in chunks.chunks(64) {
        let generated: Vec<Result<Generated, InferError>> = group
            .par_iter()
            .map(|range| {
                let mut machine = target.machine();
                let mut rng = stream(seed, StreamPurpose::Draws, (range.start / CHUNK) as u64);
                let (mut trace, mut ledger, mut chunk) = (Trace::default(), Ledger::default(), Chunk::default());
                let mut log_weights = Vec::with_capacity(range.len());
                let mut observed = false;
                for _ in range.clone() {
                    log_weights.push(generator.run(&mut machine, &mut rng, &mut trace, &mut ledger)?);
                    observed |= trace.observed;
                    chunk.push(&trace);
                }
                Ok((chunk, machine.into_addresses(), log_weights, ledger, observed))
            })
            .collect();
        for chunk in generated {
            let (chunk, addresses, log_weights, ledger, observed) = chunk?;
            progress.advance(log_weights.len() as u64);
            draws.record.append(&chunk, &addresses);
            draws.record.know(&ledger.known, &addresses);
            draws.log_weights.extend(log_weights);
            draws.ledger.absorb(&ledger);
            draws.observed |= observed;
        }
    }
    Ok(draws)
}

fn run(target: &TargetRef<'_>, options: &InferOptions, progress: &mut dyn Progress) -> Result<Sampled, InferError> {
    sample(target, &OwnDistribution, options.draws.unwrap_or(DRAWS), options.seed, progress)
}

/// Importance sampling with any proposal.
///
/// # Errors
/// A mistake in the program or its data; no draw with a density above zero.
pub(super) fn sample(
    target: &TargetRef<'_>,
    proposal: &dyn Proposal,
    draws: usize,
    seed: u64,
    progress: &mut dyn Progress,
) -> Result<Sampled, InferError> {
    let generator = Generator { engine: ENGINE.name, proposal, weigh: true, choices: None };
    let Draws { record, log_weights, ledger, .. } = generate(target, &generator, 0..draws, seed, progress)?;
    let zero = log_weights.iter().filter(|w| **w == f64::NEG_INFINITY).count();
    // Draws of weight zero say nothing.
    let kept: Vec<usize> = (0..draws).filter(|i| log_weights[*i] > f64::NEG_INFINITY).collect();
    let record = if zero > 0 { record.select(&kept) } else { record };
    let mut sampled = weigh(record, &log_weights, &ledger)?;
    if sampled.held {
        let looked = draws.min(LOOKED);
        let points = |coordinates: &Coordinates| points(target, &generator, looked, seed, coordinates);
        sampled.refuse(left_out_by_proposal(target, seed, &log_weights[..looked], points)?);
    }
    Ok(sampled)
}

/// The first `draws` of `seed`'s sequence once more, as points among coordinates.
fn points(
    target: &TargetRef<'_>,
    generator: &Generator<'_>,
    draws: usize,
    seed: u64,
    coordinates: &Coordinates,
) -> Result<Vec<PriorDraw>, InferError> {
    let chunks: Vec<usize> = (0..draws.div_ceil(CHUNK)).collect();
    let points: Result<Vec<Vec<PriorDraw>>, InferError> = chunks
        .into_par_iter()
        .map(|chunk| {
            let mut machine = target.machine();
            let mut rng = stream(seed, StreamPurpose::Draws, chunk as u64);
            let (mut trace, mut ledger) = (Trace::default(), Ledger::default());
            let size = CHUNK.min(draws - chunk * CHUNK);
            let mut points = Vec::with_capacity(size);
            for _ in 0..size {
                generator.run(&mut machine, &mut rng, &mut trace, &mut ledger)?;
                points.push(PriorDraw::of(&trace, machine.addresses(), coordinates));
            }
            Ok(points)
        })
        .collect();
    Ok(points?.into_iter().flatten().collect())
}

/// Draws with their weights, and the certificate. `record` has the draws of positive weight alone; `log_weights` has all,
/// log p(x, z) − log q(z), −∞ for a density of zero.
///
/// # Errors
/// Where no weight is positive.
pub(super) fn weigh(record: Record, log_weights: &[f64], ledger: &Ledger) -> Result<Sampled, InferError> {
    let draws = log_weights.len();
    let Some(Judged { weights, k_hat, held, reason }) = judge(log_weights) else {
        return Err(InferError::NoDrawSurvived { tried: draws as u64, reason: ledger.why_none() });
    };
    let mut warnings = Vec::new();
    if let Some((text, count, span)) = ledger.main_reason() {
        let share = 100.0 * ledger.rejected() as f64 / draws as f64;
        warnings.push(
            Diagnostic::warning(
                "W0701",
                format!("{share:.1} % of the draws have density zero because a parameter was invalid"),
            )
            .label(span, format!("{count} times: {text}")),
        );
    }
    let kept = log_weights.iter().zip(&weights).filter(|(w, _)| **w > f64::NEG_INFINITY);
    Ok(Sampled {
        weights: Some(kept.map(|(_, weight)| *weight).collect()),
        k_hat,
        log_evidence: Some(log_mean_exp(log_weights)),
        warnings,
        ..Sampled::new(record, held, reason)
    })
}

/// The log evidence by `n` executions of the prior, and its standard error; `None` where the prior cannot be drawn from, or no
/// execution is possible.
///
/// # Errors
/// A mistake in the program or its data.
pub(super) fn prior_evidence(target: &TargetRef<'_>, n: usize, seed: u64) -> Result<Option<(f64, f64)>, InferError> {
    let generator = Generator { engine: ENGINE.name, proposal: &OwnDistribution, weigh: true, choices: None };
    let chunks: Vec<usize> = (0..n.div_ceil(CHUNK)).collect();
    let weigh = |chunk: usize| {
        let (mut machine, mut rng) = (target.machine(), stream(seed, StreamPurpose::Prior, chunk as u64));
        let (mut trace, mut ledger) = (Trace::default(), Ledger::default());
        let size = CHUNK.min(n - chunk * CHUNK);
        (0..size).map(|_| generator.run(&mut machine, &mut rng, &mut trace, &mut ledger)).collect::<Result<Vec<_>, _>>()
    };
    let weighed: Result<Vec<Vec<f64>>, InferError> = chunks.into_par_iter().map(weigh).collect();
    match weighed {
        Ok(log_weights) => Ok(Some(log_mean_exp(&log_weights.concat())).filter(|(mean, _)| mean.is_finite())),
        Err(InferError::Improper { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Smoothed weights, and whether they are to be trusted.
pub(super) struct Judged {
    /// Normalised, one a draw.
    pub weights: Vec<f64>,
    pub k_hat: Option<f64>,
    pub held: bool,
    /// Why, or why not.
    pub reason: String,
}

/// Judges log weights; `None` where none is positive.
pub(super) fn judge(log_weights: &[f64]) -> Option<Judged> {
    let draws = log_weights.len();
    let Psis { weights, k_hat, tail_share, smoothed_away } = pareto_smooth(log_weights)?;
    let ess = weights_ess(&weights);
    let threshold = k_hat_threshold(draws);
    let (held, reason) = match k_hat {
        // All weights equal.
        None if ess > 0.999_999 * draws as f64 && ess >= ENOUGH => (true, "all weights are equal".into()),
        Some(k) if (k.is_nan() || k >= threshold) && tail_share > NEGLIGIBLE => {
            (false, format!("k̂ {k:.2} ≥ {threshold:.2}: the weights vary too much to be trusted"))
        }
        Some(_) if smoothed_away > SMOOTHED_AWAY => {
            (false, format!("a few weights hold {:.0} % more than their tail allows for", 100.0 * smoothed_away))
        }
        _ if ess < ENOUGH => (false, format!("{ess:.0} effective draws of {draws}: fewer than {ENOUGH}")),
        Some(k) if (k.is_nan() || k >= threshold) => {
            (true, format!("the largest weights hold {:.1} % of the posterior, whatever their k̂", 100.0 * tail_share))
        }
        Some(k) => (true, format!("k̂ {k:.2} < {threshold:.2}")),
        None => (true, format!("the weights are bounded, {ess:.0} effective draws")),
    };
    Some(Judged { weights, k_hat, held, reason })
}

/// log of the mean of exp, and its standard error by the delta method, sd(w) / (mean(w) √S).
pub(super) fn log_mean_exp(log_weights: &[f64]) -> (f64, f64) {
    let n = log_weights.len() as f64;
    let largest = log_weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let scaled: Vec<f64> = log_weights.iter().map(|w| (w - largest).exp()).collect();
    let mean = scaled.iter().sum::<f64>() / n;
    let variance = scaled.iter().map(|w| (w - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
    (largest + mean.ln(), (variance / n).sqrt() / mean)
}
