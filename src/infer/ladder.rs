//! The ladder: methods in order of cost, each with its certificate, until one holds.

use std::sync::Arc;
use std::time::Instant;

use super::anchored::with_anchor_proposal;
use super::deadline::Deadline;
use super::engine::{InferOptions, Inferred, Method, Progress, Rung, Sampled, is_unusual};
use super::error::InferError;
use super::foundation::{Amortized, Drawer};
use super::mh::Chains;
use super::proposal::{OwnDistribution, Proposal};
use super::query::Query;
use super::summary::{heavy_tails, summarise};
use super::target::{Target, TargetRef};
use super::{enumerate, foundation, givens, gradient, importance, laplace, mh, smc};
use crate::density::Evaluator as _;
use crate::diagnostic::Diagnostic;

/// Executions that the ladder enumerates.
const ENUMERATE: u64 = 100_000;

/// Importance draws: at first, and at most.
const FIRST: usize = 4_000;
const MOST: usize = 128_000;

/// Draws of the network at first.
const AMORTIZED: usize = 1_000;

/// The names of rungs that draw from what is compiled.
const FOUNDATION: &str = foundation::ENGINE.name;
const LAPLACE: &str = laplace::ENGINE.name;

/// Seconds of fine-tuning, and the part of the time left that it may take.
const TUNING: f64 = 4.0;
const TUNING_SHARE: f64 = 0.3;

/// What NUTS is predicted to need: draws with their warm-up, over all chains, and gradients for each.
const NUTS_DRAWS: f64 = 8_000.0;
const NUTS_GRADIENTS: f64 = 8.0;

/// Gradients that are timed for the prediction.
const TIMED: u32 = 5;

/// The name of the rung that fine-tunes.
const TUNED: &str = "fine-tune";

/// Importance draws that come first, effective draws of them that are too few, and seconds that more may take all the same.
const PILOT: usize = 256;
const HOPELESS: f64 = 4.0;
const CHEAP: f64 = 0.1;

/// Markov chains of the ladder, their warm-up, their first draws, and the most (each).
const CHAINS: usize = 4;
const WARMUP: usize = 1_000;
const SWEEPS: usize = 1_000;
const MOST_SWEEPS: usize = 64_000;

/// The part of the time left that anchors, or sequential Monte Carlo, may take; how many times as many particles come next.
const MOSTLY: f64 = 0.7;
const MORE: usize = 3;

/// R̂ from which on chains of NUTS are in different places.
const APART: f64 = 1.2;

/// Seconds after which the ladder starts nothing more, where the caller does not say.
const BUDGET: f64 = 60.0;

/// Answers a target by the method of `options`.
///
/// # Errors
/// A mistake in the program or its data, or an engine that cannot handle it. An answer that is not certified is no error:
/// [`Inferred::certified`] says so.
pub fn infer(target: &Target, options: &InferOptions, progress: &mut dyn Progress) -> Result<Inferred, InferError> {
    infer_borrowed(&target.borrow(), options, progress)
}

pub(super) fn infer_borrowed(
    target: &TargetRef<'_>,
    options: &InferOptions,
    progress: &mut dyn Progress,
) -> Result<Inferred, InferError> {
    validate(options)?;
    let start = Instant::now();
    let warnings = givens::outside_support(target, options.seed);
    let mut rungs = Vec::new();
    let (method, sampled) = match options.method {
        Method::Engine(engine) => {
            let sampled = (engine.run)(target, options, progress)?;
            rungs.push(rung(engine.name, &sampled, start));
            (engine.name, sampled)
        }
        Method::Auto => climb(target, options, progress, &mut rungs)?,
    };
    Ok(conclude(target, options, method, sampled, rungs, start, warnings))
}

/// Answers a target by importance sampling from `proposal`, certified like everything else.
///
/// # Errors
/// As [`infer`].
pub fn infer_from(
    target: &Target,
    proposal: &dyn Proposal,
    options: &InferOptions,
    progress: &mut dyn Progress,
) -> Result<Inferred, InferError> {
    validate(options)?;
    let target = &target.borrow();
    let start = Instant::now();
    let warnings = givens::outside_support(target, options.seed);
    let sampled = importance::sample(target, proposal, options.draws.unwrap_or(FIRST), options.seed, progress)?;
    let rungs = vec![rung(importance::ENGINE.name, &sampled, start)];
    Ok(conclude(target, options, importance::ENGINE.name, sampled, rungs, start, warnings))
}

/// What the user gets.
fn conclude(
    target: &TargetRef<'_>,
    options: &InferOptions,
    method: &'static str,
    sampled: Sampled,
    rungs: Vec<Rung>,
    start: Instant,
    mut warnings: Vec<Diagnostic>,
) -> Inferred {
    let model = target.runtime.program.model(target.model).name.clone();
    let equal = vec![1.0 / sampled.record.len().max(1) as f64; sampled.record.len()];
    let weights = sampled.weights.as_deref().unwrap_or(&equal);
    let log_evidence = sampled.log_evidence.map(|(value, _)| value);
    let posterior = sampled.record.posterior(&model, method, weights, log_evidence, sampled.exact);
    warnings.extend(sampled.warnings.iter().cloned());
    let variables = summarise(&sampled);
    warnings.extend(heavy_tails(&variables));
    Inferred {
        model,
        method,
        certified: sampled.held,
        reason: sampled.reason.clone(),
        k_hat: sampled.k_hat,
        log_evidence,
        log_evidence_error: sampled.log_evidence.map(|(_, error)| error),
        seconds: start.elapsed().as_secs_f64(),
        seed: options.seed,
        ladder: rungs,
        variables,
        posterior: Arc::new(posterior),
        chains: sampled.chains,
        statistics: sampled.statistics,
        warnings,
    }
}

fn validate(options: &InferOptions) -> Result<(), InferError> {
    let positive = [("draws", options.draws), ("chains", options.chains)];
    for (name, value) in positive {
        if value == Some(0) {
            return Err(InferError::InvalidOption { name, expected: "at least 1", found: "0".into() });
        }
    }
    if let Some(budget) = options.budget.filter(|b| b.is_nan() || *b < 0.0) {
        let expected = "a number of seconds";
        return Err(InferError::InvalidOption { name: "budget", expected, found: budget.to_string() });
    }
    Ok(())
}

fn rung(name: &'static str, sampled: &Sampled, start: Instant) -> Rung {
    let (reason, seconds) = (sampled.reason.clone(), start.elapsed().as_secs_f64());
    Rung { rung: name, held: sampled.held, tried: true, reason, seconds, unusual: sampled.unusual }
}

fn climb(
    target: &TargetRef<'_>,
    options: &InferOptions,
    progress: &mut dyn Progress,
    rungs: &mut Vec<Rung>,
) -> Result<(&'static str, Sampled), InferError> {
    let budget = options.budget.unwrap_or(BUDGET);
    let begun = Instant::now();
    let left = || budget - begun.elapsed().as_secs_f64();

    let start = Instant::now();
    match enumerate::enumerate(target, ENUMERATE, progress) {
        Ok(sampled) => {
            rungs.push(rung(enumerate::ENGINE.name, &sampled, start));
            return Ok((enumerate::ENGINE.name, sampled));
        }
        // Said only where it was near: that a real variable cannot be enumerated is no news.
        Err(error @ InferError::TooManyExecutions { .. }) => rungs.push(failed(enumerate::ENGINE.name, &error, start)),
        Err(InferError::Refused { .. }) => {}
        Err(error) => return Err(error),
    }

    let start = Instant::now();
    // The next rungs are for compiled programs alone, which is no news.
    let mut query = match Query::by_pieces(*target, laplace::ENGINE.name, options.seed) {
        Ok(query) => Some(query),
        Err(InferError::Refused { .. }) => None,
        Err(error) => return Err(error),
    };
    let amortized = options.weights.amortized();
    let mut best = match &mut query {
        Some(query) => {
            query.deadline = Deadline::after(Some(MOSTLY * left()));
            climb_compiled(query, amortized, options, progress, &left, (rungs, start))?
        }
        None => None,
    };
    if let Some(done) = best.take_if(|(_, sampled)| sampled.held || left() <= 0.0) {
        return Ok(done);
    }

    let start = Instant::now();
    match climb_importance(target, options, progress, &left) {
        Ok(sampled) => {
            rungs.push(rung(importance::ENGINE.name, &sampled, start));
            if sampled.held || best.is_none() {
                best = Some((importance::ENGINE.name, sampled));
            }
        }
        // MH tries harder to find a start.
        Err(error @ (InferError::NoDrawSurvived { .. } | InferError::Improper { .. })) => {
            rungs.push(failed(importance::ENGINE.name, &error, start));
        }
        Err(error) => return Err(error),
    }
    if let Some(done) = best.take_if(|(_, sampled)| sampled.held || left() <= 0.0) {
        return Ok(done);
    }

    if rungs.iter().any(|rung| rung.rung == foundation::ENGINE.name && rung.tried)
        && let (Some(query), Some(amortized)) = (&mut query, amortized)
        && let Some(sampled) = climb_tuning(query, amortized, options, progress, &left, rungs)?
        && (sampled.held || best.is_none())
    {
        best = Some((foundation::ENGINE.name, sampled));
    }
    if let Some(done) = best.take_if(|(_, sampled)| sampled.held || left() <= 0.0) {
        return Ok(done);
    }

    let count = options.chains.unwrap_or(CHAINS).max(2);
    let chained = InferOptions { chains: Some(count), ..options.clone() };
    let start = Instant::now();
    match climb_nuts(target, &chained, progress, &left) {
        Ok((sampled, agree)) => {
            rungs.push(rung(gradient::NUTS.name, &sampled, start));
            // Where its chains agree, the next rung would be further from holding.
            if sampled.held || agree || left() <= 0.0 {
                return Ok((gradient::NUTS.name, sampled));
            }
            best = Some((gradient::NUTS.name, sampled));
        }
        // It is for some programs alone, which is no news.
        Err(InferError::Refused { .. }) => {}
        Err(error @ (InferError::NoDrawSurvived { .. } | InferError::SamplerFailed { .. })) => {
            rungs.push(failed(gradient::NUTS.name, &error, start));
        }
        Err(error) => return Err(error),
    }

    let start = Instant::now();
    match climb_smc(target, &chained, progress, left()) {
        Ok(sampled) => {
            rungs.push(rung(smc::ENGINE.name, &sampled, start));
            if sampled.held || left() <= 0.0 {
                return Ok((smc::ENGINE.name, sampled));
            }
            best = Some((smc::ENGINE.name, sampled));
        }
        Err(
            error
            @ (InferError::NoDrawSurvived { .. } | InferError::SamplerFailed { .. } | InferError::Improper { .. }),
        ) => rungs.push(failed(smc::ENGINE.name, &error, start)),
        Err(error) => return Err(error),
    }
    if let Some(done) = best.take_if(|_| left() <= 0.0) {
        return Ok(done);
    }

    let start = Instant::now();
    match climb_mh(target, &chained, progress, &left) {
        Ok(sampled) => {
            rungs.push(rung(mh::ENGINE.name, &sampled, start));
            Ok((mh::ENGINE.name, sampled))
        }
        Err(error @ (InferError::NoDrawSurvived { .. } | InferError::SamplerFailed { .. })) => match best {
            Some(best) => {
                rungs.push(failed(mh::ENGINE.name, &error, start));
                Ok(best)
            }
            None => Err(error),
        },
        Err(error) => Err(error),
    }
}

/// An answer, and the rung that it is of.
type Answer = (&'static str, Sampled);

/// Draws of a network and of its anchors, whose rungs share what was compiled. The network comes first, but for queries that
/// are unlike all that it has learned from.
fn climb_compiled(
    query: &mut Query<'_>,
    amortized: Option<&dyn Amortized>,
    options: &InferOptions,
    progress: &mut dyn Progress,
    left: &dyn Fn() -> f64,
    (rungs, mut start): (&mut Vec<Rung>, Instant),
) -> Result<Option<Answer>, InferError> {
    let drawer = match amortized.map(|amortized| amortized.prepare(query, true)) {
        Some(Ok(drawer)) => Some(drawer),
        Some(Err(reason)) => {
            rungs.push(failed(foundation::ENGINE.name, &foundation::refused(reason), start));
            start = Instant::now();
            None
        }
        None => None,
    };
    let unusual = drawer.as_ref().and_then(|drawer| drawer.unusual());
    let order = if is_unusual(unusual) { [LAPLACE, FOUNDATION] } else { [FOUNDATION, LAPLACE] };
    let mut best = None;
    for name in order {
        let answer = match &drawer {
            Some(drawer) if name == FOUNDATION => {
                climb_amortized(query, &**drawer, name, options, progress, left, (rungs, start))?
            }
            None if name == FOUNDATION => continue,
            Some(_) | None => climb_laplace(query, options, progress, left, (rungs, start))?,
        };
        // Said where it changed the order, too.
        if let Some(rung) = rungs.last_mut().filter(|rung| rung.rung == LAPLACE) {
            rung.unusual = unusual.filter(|share| is_unusual(Some(*share)));
        }
        if let Some(sampled) = answer {
            let done = sampled.held || left() <= 0.0;
            best = Some((name, sampled));
            if done {
                break;
            }
        }
        start = Instant::now();
    }
    Ok(best)
}

/// Draws of the anchors, more where more would do; nothing where there are none.
fn climb_laplace(
    query: &mut Query<'_>,
    options: &InferOptions,
    progress: &mut dyn Progress,
    left: &dyn Fn() -> f64,
    (rungs, start): (&mut Vec<Rung>, Instant),
) -> Result<Option<Sampled>, InferError> {
    match more_draws(first(options), left, |draws| laplace::sample(query, draws, MOST, progress)) {
        Ok(sampled) => {
            rungs.push(rung(LAPLACE, &sampled, start));
            Ok(Some(sampled))
        }
        // It is for what has modes alone, which is no news.
        Err(InferError::Refused { .. }) => Ok(None),
        Err(error @ InferError::NoDrawSurvived { .. }) => {
            rungs.push(failed(LAPLACE, &error, start));
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Draws of a network as the rung `name`, more where more would do; nothing (said in `rungs`) where it cannot answer.
fn climb_amortized(
    query: &mut Query<'_>,
    drawer: &dyn Drawer,
    name: &'static str,
    options: &InferOptions,
    progress: &mut dyn Progress,
    left: &dyn Fn() -> f64,
    (rungs, start): (&mut Vec<Rung>, Instant),
) -> Result<Option<Sampled>, InferError> {
    let first = options.draws.unwrap_or(AMORTIZED);
    match more_draws(first, left, |draws| foundation::sample(query, drawer, draws, progress)) {
        Ok(sampled) => {
            rungs.push(rung(name, &sampled, start));
            Ok(Some(sampled))
        }
        Err(error @ (InferError::Refused { .. } | InferError::NoDrawSurvived { .. })) => {
            rungs.push(failed(name, &error, start));
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Draws of a network that has learned from this query; nothing where that cannot be, or NUTS is predicted to be quicker.
fn climb_tuning(
    query: &mut Query<'_>,
    amortized: &dyn Amortized,
    options: &InferOptions,
    progress: &mut dyn Progress,
    left: &dyn Fn() -> f64,
    rungs: &mut Vec<Rung>,
) -> Result<Option<Sampled>, InferError> {
    let start = Instant::now();
    let seconds = TUNING.min(TUNING_SHARE * left());
    if let Some(predicted) = predict_nuts(query).filter(|predicted| *predicted < seconds) {
        rungs.push(skipped(TUNED, format!("skipped: NUTS is predicted to take {predicted:.1} s"), start));
        return Ok(None);
    }
    progress.start(TUNED, 1);
    match amortized.tune(query, seconds) {
        Ok(tuned) => match tuned.prepare(query, true) {
            Ok(drawer) => climb_amortized(query, &*drawer, TUNED, options, progress, left, (rungs, start)),
            Err(reason) => {
                rungs.push(failed(TUNED, &foundation::refused(reason), start));
                Ok(None)
            }
        },
        Err(reason) => {
            rungs.push(skipped(TUNED, reason, start));
            Ok(None)
        }
    }
}

/// Seconds that NUTS would take, by the time of a gradient; `None` where there is no density that it could climb.
fn predict_nuts(query: &Query<'_>) -> Option<f64> {
    let density = query.compiled.density()?;
    let mut evaluator = density.on_tape();
    let mut gradient = vec![0.0; query.compiled.dimension()];
    let start = Instant::now();
    for _ in 0..TIMED {
        evaluator.gradient(&query.prior.middle, &mut gradient);
    }
    let each = start.elapsed().as_secs_f64() / f64::from(TIMED);
    let threads = rayon::current_num_threads().min(CHAINS) as f64;
    Some(NUTS_DRAWS * NUTS_GRADIENTS * each / threads)
}

/// Metropolis-Hastings, with draws doubled as long as more of them may do and there is time.
fn climb_mh(
    target: &TargetRef<'_>,
    options: &InferOptions,
    progress: &mut dyn Progress,
    left: &(dyn Fn() -> f64 + Sync),
) -> Result<Sampled, InferError> {
    let count = options.chains.unwrap_or(CHAINS);
    let stop = || left() <= 0.0;
    with_anchor_proposal(target, options.seed, Deadline::after(Some(left())), |proposal| {
        let warmup = options.warmup.unwrap_or(WARMUP);
        let mut chains = Chains::start(target, proposal, (count, warmup), options.seed, progress, &stop)?;
        let mut sweeps = options.draws.map_or(SWEEPS, |d| d.div_ceil(count));
        let mut kept = 0;
        loop {
            let before = Instant::now();
            chains.extend(sweeps, progress, &stop)?;
            kept += sweeps;
            let sampled = chains.sampled();
            let cost = before.elapsed().as_secs_f64();
            // The next round doubles the draws, at twice the cost of this one.
            if sampled.held || kept >= MOST_SWEEPS || left() < 2.0 * cost {
                return Ok(sampled);
            }
            sweeps = kept;
        }
    })
}

/// Draws from the prior, more where more would do; a few alone where an execution takes long and those few say enough.
fn climb_importance(
    target: &TargetRef<'_>,
    options: &InferOptions,
    progress: &mut dyn Progress,
    left: &dyn Fn() -> f64,
) -> Result<Sampled, InferError> {
    let before = Instant::now();
    let few = importance::sample(target, &OwnDistribution, PILOT, options.seed, progress)?;
    let ess = few.weights.as_deref().map_or(0.0, super::diagnostics::weights_ess);
    let all = before.elapsed().as_secs_f64() * FIRST as f64 / PILOT as f64;
    if ess < HOPELESS && all > CHEAP || all > left() {
        return Ok(few);
    }
    more_draws(first(options), left, |draws| {
        importance::sample(target, &OwnDistribution, draws, options.seed, progress)
    })
}

fn first(options: &InferOptions) -> usize {
    options.draws.unwrap_or(FIRST).max(FIRST)
}

/// Weighted draws, of which more are taken as long as so many would do, at the rate of effective draws seen, as may be taken.
fn more_draws(
    first: usize,
    left: &dyn Fn() -> f64,
    mut sample: impl FnMut(usize) -> Result<Sampled, InferError>,
) -> Result<Sampled, InferError> {
    let mut draws = first;
    loop {
        let before = Instant::now();
        let sampled = sample(draws)?;
        let ess = sampled.weights.as_deref().map_or(0.0, super::diagnostics::weights_ess);
        draws = draws.max(sampled.record.len());
        let wanted = draws as f64 * 1.5 * importance::ENOUGH / ess;
        let cost = before.elapsed().as_secs_f64() * wanted / draws as f64;
        // Later rungs need time too.
        if sampled.held || wanted > MOST as f64 || draws * 2 > MOST || left() < 3.0 * cost {
            return Ok(sampled);
        }
        draws = (wanted as usize).clamp(draws * 2, MOST);
    }
}

/// NUTS, with draws doubled as long as more of them may do and there is time; and whether its chains agree about where the
/// posterior is.
fn climb_nuts(
    target: &TargetRef<'_>,
    options: &InferOptions,
    progress: &mut dyn Progress,
    left: &dyn Fn() -> f64,
) -> Result<(Sampled, bool), InferError> {
    let mut query = gradient::differentiable(target, gradient::NUTS.name, options.seed)?;
    query.deadline = Deadline::after(Some(left()));
    let mut before = Instant::now();
    let mut agree = false;
    let sampled = gradient::nuts(&mut query, options, progress, &mut |certificate| {
        let cost = before.elapsed().as_secs_f64();
        before = Instant::now();
        let kept = certificate.draws / certificate.chains.max(1);
        agree = certificate.r_hat.as_ref().is_some_and(|(_, r_hat)| *r_hat < APART);
        // More draws do not mend divergences, energies that are too slow, or chains in different places.
        let mendable = agree && certificate.divergences == 0 && !certificate.is_mixed();
        if !mendable || kept >= MOST_SWEEPS || left() < 2.0 * cost { 0 } else { kept }
    })?;
    Ok((sampled, agree))
}

/// Sequential Monte Carlo, with more particles as long as these may do and there is time; most of the `seconds` that are left.
fn climb_smc(
    target: &TargetRef<'_>,
    options: &InferOptions,
    progress: &mut dyn Progress,
    seconds: f64,
) -> Result<Sampled, InferError> {
    let begun = Instant::now();
    let left = || MOSTLY * seconds - begun.elapsed().as_secs_f64();
    let deadline = Deadline::after(Some(MOSTLY * seconds));
    let mut particles = options.draws.unwrap_or(FIRST).max(FIRST);
    let mut last = None;
    loop {
        let before = Instant::now();
        let asked = InferOptions { draws: Some(particles), ..options.clone() };
        let sampled = match (smc::sample(target, &asked, progress, deadline), last.take()) {
            (Ok(sampled), _) => sampled,
            // Fewer particles had an answer, if not a certified one.
            (Err(InferError::SamplerFailed { .. } | InferError::NoDrawSurvived { .. }), Some(before)) => {
                return Ok(before);
            }
            (Err(error), _) => return Err(error),
        };
        let cost = MORE as f64 * before.elapsed().as_secs_f64();
        if sampled.held || particles * MORE > MOST || left() < cost {
            return Ok(sampled);
        }
        particles *= MORE;
        last = Some(sampled);
    }
}

fn failed(name: &'static str, error: &InferError, start: Instant) -> Rung {
    skipped(name, error.to_string(), start)
}

/// A rung without an answer.
fn skipped(name: &'static str, reason: String, start: Instant) -> Rung {
    Rung { rung: name, held: false, tried: false, reason, seconds: start.elapsed().as_secs_f64(), unusual: None }
}
