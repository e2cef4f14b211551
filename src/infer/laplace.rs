//! Draws from the anchors alone: sequential normal approximations at every mode, with heavy tails, weighted.
//!
//! The same conditionals are what a network starts from; without one they are an engine of their own, and the proposal that
//! seeds the others.

use rayon::prelude::*;

use super::anchors::{Anchors, Drawn, NoAnchors, Shares, Walk};
use super::diagnostics::{pareto_smooth, weights_ess};
use super::engine::{Engine, InferOptions, Progress, Sampled};
use super::error::InferError;
use super::importance::{judge, weigh};
use super::modes::{Neighbourhood, look_for_modes};
use super::query::Query;
use super::stream::{StreamPurpose, stream};
use super::target::TargetRef;
use super::trace::Ledger;

pub(super) const ENGINE: Engine =
    Engine { name: "laplace", summary: "draws from normal approximations at all modes, weighted", run };

/// Draws where the caller names no number.
const DRAWS: usize = 2_500;

/// Draws of one random stream.
const CHUNK: usize = 64;

/// Draws that show whether more are worth it: k̂ above which, and effective draws below which, they are not.
const PILOT: usize = 512;
const HOPELESS: f64 = 1.0;
const FEWEST: f64 = 6.0;

/// How often modes that the draws miss may join the anchors.
const ROUNDS: u64 = 3;

fn run(target: &TargetRef<'_>, options: &InferOptions, progress: &mut dyn Progress) -> Result<Sampled, InferError> {
    let mut query = Query::by_pieces(*target, ENGINE.name, options.seed)?;
    sample(&mut query, options.draws.unwrap_or(DRAWS), progress)
}

/// Weighted draws from the anchors, certified. A few draws come first: where these are hopeless, and no mode that they miss
/// is the reason, they are the answer.
///
/// # Errors
/// Where there are no anchors, or no draw has a density above zero.
pub(super) fn sample(query: &mut Query<'_>, n: usize, progress: &mut dyn Progress) -> Result<Sampled, InferError> {
    progress.start(ENGINE.name, n as u64);
    let (points, log_weights, missed) = {
        let mut anchors = Anchors::new(&query.compiled, &query.prior).map_err(no_anchors)?;
        let mut round = 0;
        loop {
            let mut drawn = attempt(&anchors, n, query.seed, round);
            let held = trust(&drawn);
            if held.0 < 1.0
                && let Some(before) = anchors.slice(&query.prior)
            {
                let sliced = attempt(&anchors, n, query.seed, round);
                if trust(&sliced) > held {
                    drawn = sliced;
                } else {
                    anchors.exchange(before);
                }
            }
            let log_weights = log_weights(&drawn);
            let neighbourhood = Neighbourhood::of_draws(&anchors, &drawn, &log_weights);
            round += 1;
            let found = look_for_modes(&query.target, &anchors, &neighbourhood, query.seed)?;
            if found.is_empty() || round == ROUNDS {
                break (points(&anchors, &drawn), log_weights, found.len());
            }
            let missed = found.len();
            let new = found.into_iter().filter(|mode| anchors.insert(mode.clone())).count();
            if new == 0 {
                // The anchors know them all, and draws of another seed are no better.
                break (points(&anchors, &drawn), log_weights, missed);
            }
        }
    };
    progress.advance(n as u64);
    let record = query.record(&points)?;
    let mut sampled = weigh(record, &log_weights, &Ledger::default())?;
    sampled.refuse_missed(missed);
    Ok(sampled)
}

/// Each draw of positive density: its path and point.
pub(super) fn points(anchors: &Anchors<'_>, drawn: &[Drawn]) -> Vec<(usize, Vec<f64>)> {
    drawn.iter().filter_map(|d| d.target.map(|(_, path)| (path, d.point(anchors.elements())))).collect()
}

/// Draws, few where more would be in vain.
fn attempt(anchors: &Anchors<'_>, n: usize, seed: u64, round: u64) -> Vec<Drawn> {
    let few = draw(anchors, Shares::default(), n.min(PILOT), seed, 2 * round);
    if is_hopeless(&log_weights(&few)) { few } else { draw(anchors, Shares::default(), n, seed, 2 * round + 1) }
}

/// Whether weights hold (1, else 0), and effective draws.
fn trust(drawn: &[Drawn]) -> (f64, f64) {
    judge(&log_weights(drawn))
        .map_or((0.0, 0.0), |judged| (f64::from(u8::from(judged.held)), weights_ess(&judged.weights)))
}

/// Whether more draws of this kind would not do: the weights have no variance to speak of, or hardly any draw counts.
fn is_hopeless(log_weights: &[f64]) -> bool {
    match pareto_smooth(log_weights) {
        None => true,
        Some(psis) => psis.k_hat.is_some_and(|k| k > HOPELESS) || weights_ess(&psis.weights) < FEWEST,
    }
}

pub(super) fn no_anchors(error: NoAnchors) -> InferError {
    InferError::Refused { engine: ENGINE.name, reason: error.to_string(), span: None }
}

pub(super) fn log_weights(drawn: &[Drawn]) -> Vec<f64> {
    drawn.iter().map(|d| d.target.map_or(f64::NEG_INFINITY, |(value, _)| value - d.log_proposal)).collect()
}

/// `n` draws from the anchors, in parallel; a function of the seed and the round.
pub(super) fn draw(anchors: &Anchors<'_>, shares: Shares, n: usize, seed: u64, round: u64) -> Vec<Drawn> {
    let chunks: Vec<usize> = (0..n.div_ceil(CHUNK)).collect();
    chunks
        .into_par_iter()
        .map_init(
            || Walk::new(anchors, shares),
            |walk, chunk| {
                let mut rng = stream(seed, StreamPurpose::Draws, (round << 32) + chunk as u64);
                let size = CHUNK.min(n - chunk * CHUNK);
                (0..size).map(|_| walk.draw(&mut rng)).collect::<Vec<_>>()
            },
        )
        .flatten()
        .collect()
}
