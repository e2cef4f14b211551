//! The engines that need gradients, NUTS and ADVI, on the compiled density of a target.
//!
//! Discrete variables are summed out of the density; given the others, their values are drawn exactly.

use rand::RngExt as _;

use super::advi::{AdviSettings, NormalApproximation, NormalFamily, fit_advi, weighted_draws};
use super::anchors::Anchors;
use super::certificate::{NutsCertificate, certify_nuts, certify_nuts_record};
use super::coordinates::Coordinates;
use super::counts::cut_off;
use super::deadline::Deadline;
use super::diagnostics::{pareto_smooth, weights_ess};
use super::engine::{Engine, InferOptions, Progress, Sampled};
use super::error::InferError;
use super::importance::weigh;
use super::laplace;
use super::mh::{Kernel, MarkovChain};
use super::modes::{Neighbourhood, left_out, missed_modes, too_few};
use super::nuts::{NutsDraws, NutsSettings, TRIES, find_start, sample_nuts, uniform_point};
use super::query::{Query, refused};
use super::stream::{Stream, StreamPurpose, stream};
use super::target::TargetRef;
use super::trace::Ledger;
use super::whitened::{WeightedPoints, Whitened};
use crate::density::{CompileOptions, Density, Evaluator as _, LogDensity};

pub(super) const NUTS: Engine =
    Engine { name: "nuts", summary: "the No-U-Turn Sampler, on programs with a differentiable density", run: run_nuts };

pub(super) const ADVI: Engine =
    Engine { name: "advi", summary: "the nearest normal distribution, found by gradients and weighted", run: run_advi };

/// Defaults of the options.
const CHAINS: usize = 4;
const ADVI_DRAWS: usize = 4_000;

/// Acceptance statistics that NUTS is tuned to in turn, as long as trajectories diverge: shorter steps follow sharper bends.
const ACCEPTANCE: [f64; 3] = [0.8, 0.95, 0.99];

/// Coordinates up to which ADVI fits any covariance (a step costs d³), and NUTS takes one from the anchors.
const FULL_RANK: usize = 64;

/// Effective draws from which they say the shape of the posterior, and those a coordinate from which they say covariances.
const FOR_VARIANCES: f64 = 50.0;
const FOR_A_COVARIANCE: usize = 5;

/// Warm-up of chains that the anchors say the shape of the posterior.
const SHORT_WARMUP: usize = 300;

/// Points tried as a start from executions of the prior, before ones that Stan would try; and draws of the anchors.
const FROM_PRIOR: usize = 50;
const FROM_ANCHORS: usize = 512;

/// Draws of the anchors at most, where fewer do not say covariances; and the share of them that must be effective for more to be
/// tried: where it is smaller, as in funnels, it is not covariances that are missing.
const MOST_FROM_ANCHORS: usize = 8 * FROM_ANCHORS;
const WORTH_MORE: f64 = 0.1;

/// A compiled target.
///
/// # Errors
/// A mistake in the program or its data, or it cannot be compiled, or has no coordinates.
pub(super) fn differentiable<'t>(
    target: &TargetRef<'t>,
    engine: &'static str,
    seed: u64,
) -> Result<Query<'t>, InferError> {
    let compiled = match target.compile(CompileOptions::default()) {
        Ok(compiled) => compiled,
        Err(error) => {
            // Where that is because the data are wrong, executions say what is wrong with them.
            let mut rng = stream(seed, StreamPurpose::Start, 0);
            return Err(match MarkovChain::from_prior(target, Kernel::Mixed, &mut rng) {
                Err(wrong @ InferError::Runtime(_)) => wrong,
                Ok(_) | Err(_) => refused(engine, &error),
            });
        }
    };
    if compiled.dimension() == 0 {
        let reason = "no real variable that anything known depends on is asked for".into();
        return Err(InferError::Refused { engine, reason, span: None });
    }
    Query::new(*target, compiled, seed)
}

/// A sum over paths is one density only where all have the same coordinates.
fn no_density(engine: &'static str) -> InferError {
    InferError::Refused { engine, reason: "which real variables it has depends on other variables".into(), span: None }
}

/// Draws from the anchors, which say where the posterior is, more of them where so many may then be effective as are `wanted`;
/// none where there are no anchors, or no draw has positive density.
fn draws_of_anchors(query: &Query<'_>, anchors: Option<&mut Anchors<'_>>, wanted: Option<f64>) -> WeightedPoints {
    let Some(anchors) = anchors else { return WeightedPoints::default() };
    let mut n = FROM_ANCHORS;
    loop {
        let drawn = laplace::draws(anchors, query, n);
        let Some(smoothed) = pareto_smooth(&laplace::log_weights(&drawn)) else { return WeightedPoints::default() };
        let effective = weights_ess(&smoothed.weights);
        let is_worth_more = wanted.is_some_and(|wanted| effective < wanted) && effective > WORTH_MORE * n as f64;
        if !is_worth_more || n >= MOST_FROM_ANCHORS || query.deadline.has_passed() {
            let points = drawn.iter().map(|d| d.point(anchors.elements())).collect();
            return WeightedPoints { points, weights: smoothed.weights };
        }
        n *= 2;
    }
}

/// Effective draws from which they say covariances; `None` where there are too many of these.
fn for_a_covariance(dimension: usize) -> Option<f64> {
    (dimension <= FULL_RANK).then_some((FOR_A_COVARIANCE * dimension) as f64)
}

/// The normal distribution in whose standard coordinates NUTS has less to find out: of covariances, where these are of draws
/// enough, or of variances.
fn normal_of(amortized: &WeightedPoints, dimension: usize) -> Option<NormalApproximation> {
    if amortized.weights.is_empty() || amortized.points.iter().any(|z| z.len() != dimension) {
        return None;
    }
    let effective = weights_ess(&amortized.weights);
    if effective < FOR_VARIANCES {
        return None;
    }
    let has_all = for_a_covariance(dimension).is_some_and(|wanted| effective >= wanted);
    amortized.normal(if has_all { NormalFamily::FullRank } else { NormalFamily::MeanField })
}

/// Where to start: one point a chain, from an execution of the prior that is picked by its weight among many, and for every
/// other chain from the anchors: where all chains start from these, they could not tell what these lack. Where the prior cannot
/// be drawn, or has no such points, uniform on (−2, 2) in unconstrained coordinates, as in Stan.
///
/// # Errors
/// A mistake in the program, or no point of positive density was found.
fn starts(
    query: &Query<'_>,
    amortized: &WeightedPoints,
    density: &Density<'_>,
    count: usize,
) -> Result<Vec<Vec<f64>>, InferError> {
    let coordinates = Coordinates::new(&query.compiled);
    let mut picks = stream(query.seed, StreamPurpose::Picks, 0);
    let mut found = Vec::with_capacity(count);
    let mut from_prior = true;
    let mut failed = None;
    for chain in 0..count {
        let mut rng = stream(query.seed, StreamPurpose::Start, 1 + chain as u64);
        let mut picked = if chain % 2 == 0 { amortized.pick(&mut picks).map(<[f64]>::to_vec) } else { None };
        if from_prior && picked.is_none() {
            match MarkovChain::from_prior(&query.target, Kernel::Mixed, &mut rng) {
                Ok(chain) => picked = Some(coordinates.of(chain.trace(), chain.addresses()).0),
                Err(error @ InferError::NoDrawSurvived { .. }) => (from_prior, failed) = (false, Some(error)),
                Err(InferError::Improper { .. }) => from_prior = false,
                Err(error) => return Err(error),
            }
        }
        let mut tried = 0;
        let mut propose = |rng: &mut Stream| {
            tried += 1;
            let executions = &query.prior.draws;
            match picked.take() {
                Some(z) => z,
                None if tried <= FROM_PRIOR && !executions.is_empty() => {
                    query.prior.filled(&executions[rng.random_range(0..executions.len())])
                }
                None => uniform_point(density.dimension(), rng),
            }
        };
        match find_start(density, &mut rng, TRIES, &mut propose) {
            Some(start) => found.push(start),
            None => {
                // Executions say why, where they were tried.
                return Err(failed.unwrap_or(InferError::NoDrawSurvived { tried: TRIES as u64, reason: None }));
            }
        }
    }
    Ok(found)
}

/// Each point with a path: given the point, paths have the probabilities of their densities there.
pub(super) fn with_paths(
    density: &Density<'_>,
    points: impl Iterator<Item = Vec<f64>>,
    seed: u64,
) -> Vec<(usize, Vec<f64>)> {
    let mut evaluator = density.on_tape();
    let mut rng = stream(seed, StreamPurpose::Paths, 0);
    let pick = |z: Vec<f64>| {
        if evaluator.outputs() == 0 {
            return (0, z);
        }
        let total = evaluator.value(&z);
        let mut left: f64 = rng.random();
        let mut last = 0;
        for path in 0..evaluator.outputs() {
            let share = (evaluator.output(path) - total).exp();
            if share > 0.0 {
                last = path;
                left -= share;
                if left < 0.0 {
                    break;
                }
            }
        }
        (last, z)
    };
    points.map(pick).collect()
}

fn run_nuts(
    target: &TargetRef<'_>,
    options: &InferOptions,
    progress: &mut dyn Progress,
) -> Result<Sampled, InferError> {
    let mut query = differentiable(target, NUTS.name, options.seed)?;
    query.deadline = Deadline::after(options.budget);
    nuts(&mut query, options, progress, &mut |_| 0)
}

/// NUTS on a compiled target, in the coordinates in which draws from the anchors have unit covariance: one step size fits all
/// directions there, and chains need little warm-up. After the draws that `options` ask for, `more` is told how chains stand and
/// says how many draws to add to each; 0 ends.
///
/// # Errors
/// A mistake in the program, no start was found, or the sampler failed.
pub(super) fn nuts(
    query: &mut Query<'_>,
    options: &InferOptions,
    progress: &mut dyn Progress,
    more: &mut dyn FnMut(&NutsCertificate) -> usize,
) -> Result<Sampled, InferError> {
    let chains = options.chains.unwrap_or(CHAINS).max(1);
    let defaults = NutsSettings::default();
    let mut settings = NutsSettings {
        draws: options.draws.map_or(defaults.draws, |draws| draws.div_ceil(chains)),
        deadline: query.deadline,
        ..defaults
    };
    let mut draws = NutsDraws::default();
    let points = {
        let infos = query.compiled.coordinate_info();
        let name = |at: usize| infos.get(at).map(|info| info.name.clone()).unwrap_or_default();
        let density = query.compiled.density().ok_or_else(|| no_density(NUTS.name))?;
        let wanted = for_a_covariance(density.dimension());
        let amortized = draws_of_anchors(query, query.anchors().ok().as_mut(), wanted);
        let normal = normal_of(&amortized, density.dimension());
        settings.warmup = options.warmup.unwrap_or(if normal.is_some() { SHORT_WARMUP } else { defaults.warmup });
        let starts = starts(query, &amortized, &density, chains)?;
        let starts: Vec<Vec<f64>> = match &normal {
            Some(normal) => starts.iter().map(|z| normal.whiten(z)).collect(),
            None => starts,
        };
        let whitened = normal.as_ref().map(|normal| Whitened { density: &density, normal });
        let sampled_from: &dyn LogDensity = whitened.as_ref().map_or(&density, |whitened| whitened);
        let in_coordinates = |draws: &NutsDraws| normal.as_ref().map(|normal| draws.moved(|eta| normal.at(eta)));
        for (attempt, target_acceptance) in ACCEPTANCE.into_iter().enumerate() {
            settings.target_acceptance = target_acceptance;
            let last = attempt + 1 == ACCEPTANCE.len();
            let mut diverged = false;
            let sampled = sample_nuts(sampled_from, &starts, &settings, query.seed, progress, &mut |draws| {
                diverged = draws.statistics.iter().flatten().any(|s| s.divergent);
                if diverged && !last {
                    0
                } else {
                    more(&certify_nuts(in_coordinates(draws).as_ref().unwrap_or(draws), &name))
                }
            });
            let in_time = !query.deadline.has_passed();
            // What was cut short is no better than what was not.
            if in_time || draws.draws() == 0 {
                let sampled = sampled?;
                draws = in_coordinates(&sampled).unwrap_or(sampled);
            }
            if !diverged || !in_time {
                break;
            }
        }
        with_paths(&density, draws.chains.iter().flatten().cloned(), query.seed)
    };
    let record = query.record(&points)?;
    let certificate = certify_nuts_record(&draws, &record);
    let missed = if certificate.held { missed_by_chains(query, &points, &certificate)? } else { 0 };
    let mut sampled = Sampled {
        chains,
        statistics: draws.statistics.concat(),
        warnings: certificate.warnings(),
        ..Sampled::new(record, certificate.held, certificate.reason)
    };
    sampled.refuse(cut_off(&query.compiled, &points));
    sampled.refuse(too_few(missed));
    Ok(sampled)
}

/// How many modes chains hardly visit.
///
/// # Errors
/// A mistake in the program.
fn missed_by_chains(
    query: &Query<'_>,
    points: &[(usize, Vec<f64>)],
    certificate: &NutsCertificate,
) -> Result<usize, InferError> {
    let Ok(anchors) = query.anchors() else { return Ok(0) };
    let mut rng = stream(query.seed, StreamPurpose::Modes, 1);
    let effective = certificate.ess.as_ref().map_or(1.0, |(_, ess)| *ess);
    match Neighbourhood::of_chains(&anchors, points, effective, &mut rng) {
        Some(draws) => Ok(missed_modes(query, &anchors, &draws)?.len()),
        None => Ok(0),
    }
}

fn run_advi(
    target: &TargetRef<'_>,
    options: &InferOptions,
    progress: &mut dyn Progress,
) -> Result<Sampled, InferError> {
    let mut query = differentiable(target, ADVI.name, options.seed)?;
    query.deadline = Deadline::after(options.budget);
    let draws = options.draws.unwrap_or(ADVI_DRAWS);
    let (points, log_weights) = {
        let density = query.compiled.density().ok_or_else(|| no_density(ADVI.name))?;
        let amortized = draws_of_anchors(&query, query.anchors().ok().as_mut(), None);
        let start = starts(&query, &amortized, &density, 1)?.concat();
        let family = if start.len() <= FULL_RANK { NormalFamily::FullRank } else { NormalFamily::MeanField };
        let fit =
            fit_advi(&density, &start, &AdviSettings { family, ..AdviSettings::default() }, query.seed, progress)?;
        let weighted = weighted_draws(&density, &fit.approximation, draws, query.seed);
        // Draws of weight zero say nothing.
        let kept = weighted.draws.into_iter().zip(&weighted.log_weights).filter(|(_, w)| **w > f64::NEG_INFINITY);
        (with_paths(&density, kept.map(|(z, _)| z), query.seed), weighted.log_weights)
    };
    let missed = match query.anchors() {
        Ok(mut anchors) => {
            let neighbourhood = Neighbourhood::of_weighted(&anchors, &points, &log_weights);
            left_out(&query, &mut anchors, &neighbourhood)?
        }
        Err(_) => None,
    };
    let mut sampled = weigh(query.record(&points)?, &log_weights, &Ledger::default())?;
    sampled.refuse(cut_off(&query.compiled, &points));
    sampled.refuse(missed);
    Ok(sampled)
}
