//! How good the network's answers are: in nats from the exact posterior, and as proposals.
//!
//! The exact density of the truth is its joint density over the evidence. Where a case does not bring it along, the evidence
//! is that of weighted draws from the anchors, certified; their standard error counts in that of the gap.

use std::sync::Arc;

use rayon::prelude::*;

use super::error::FoundationError;
use super::example::Example;
use super::training::{losses, pack};
use super::weights::Foundation;
use crate::infer::anchors::Anchors;
use crate::infer::{InferOptions, Method, Query, Silent, Stream, Target, Weights, infer, pareto_smooth, weights_ess};
use crate::network::{Device, Placement};
use crate::runtime::random_stream;
use crate::trace::{Mask, Tracer};
use crate::value::Value;

/// Draws by which importance weights are judged, with k̂ and effective draws.
const JUDGED: usize = 2_500;

/// Draws of the variance of log weights (A.5 of the paper).
const VARIANCE: usize = 100;

/// Draws of the reference evidence.
const REFERENCE: usize = 4_000;

/// Values by dotted name and subscripts.
pub type Truth = Vec<((Arc<str>, Vec<i64>), Value)>;

/// A query with its answer.
#[derive(Clone, Debug)]
pub struct Case {
    /// What is known.
    pub target: Target,
    /// The values of what is masked, by dotted name and subscripts.
    pub truth: Truth,
    /// ln p(truth | known), where it is known exactly.
    pub log_posterior: Option<f64>,
}

/// How much is asked of each case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EvaluateOptions {
    /// Seed of the draws.
    pub seed: u64,
    /// Whether draws are taken and judged, or log densities alone are.
    pub draws: bool,
    /// Where log densities are computed; draws are decoded on the processor.
    pub device: Device,
}

/// The quality on the cases of one program.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluated {
    /// Cases.
    pub cases: usize,
    /// Cases whose exact log density is known.
    pub referenced: usize,
    /// Mean ln q(truth | known) over all cases, in the variables' own units.
    pub log_density: f64,
    /// Mean exact log density, over the referenced cases.
    pub exact: f64,
    /// Mean of exact minus ln q, in nats, over the referenced cases; and its standard error.
    pub gap: (f64, f64),
    /// The same of the anchors without a network.
    pub anchors_gap: (f64, f64),
    /// Of the variance of log weights: mean, median, and one a case.
    pub var_log_iw: Option<(f64, f64, Vec<f64>)>,
    /// Mean effective draws a draw, of raw weights.
    pub ess_fraction: Option<f64>,
    /// Median k̂.
    pub k_hat: Option<f64>,
    /// The share of cases that are certified.
    pub certified: Option<f64>,
}

/// What one case gave.
struct Judged {
    log_density: f64,
    exact: Option<f64>,
    gaps: Option<(f64, f64)>,
    var_log_iw: Option<f64>,
    ess_fraction: Option<f64>,
    k_hat: Option<f64>,
    certified: Option<bool>,
}

/// Executions of a program as cases, under a mask, with reals rounded to so many significant digits; a function of the seed.
///
/// # Errors
/// Where it cannot be simulated.
pub fn cases_of(
    target: &Target,
    mask: Mask,
    digits: Option<usize>,
    n: usize,
    seed: u64,
) -> Result<Vec<Case>, FoundationError> {
    let mut tracer = Tracer::new(&target.runtime, target.model, &target.conditions, digits);
    let mut cases = Vec::with_capacity(n);
    for i in 0..n {
        let mut rng: Stream = random_stream(seed, i as u64);
        let trace = tracer.execution(&mut rng)?;
        let conditions = mask.conditions(&trace, &target.conditions, &mut rng);
        let truth = trace.choices.into_iter().map(|c| ((c.variable, c.indices), c.value)).collect();
        cases.push(Case { target: Target { conditions, ..target.clone() }, truth, log_posterior: None });
    }
    Ok(cases)
}

/// The quality of `foundation` on cases, or of its anchors alone. Cases that have no text or no anchors are left out.
///
/// # Errors
/// Where no case is left, the last reason; [`FoundationError::Network`] where there is no such device.
pub fn evaluate(
    foundation: &Arc<Foundation>,
    cases: &[Case],
    options: EvaluateOptions,
) -> Result<Evaluated, FoundationError> {
    let placement = Placement::new(options.device, &foundation.network)?;
    let mut judged = Vec::with_capacity(cases.len());
    let mut last = None;
    for chunk in cases.chunks(32) {
        // The network itself is parallel; what comes before and after is so here.
        let examples: Vec<_> = chunk.par_iter().map(|case| example(foundation, case, options.seed)).collect();
        let mut kept: Vec<(&Case, Example)> = Vec::with_capacity(chunk.len());
        for (case, example) in chunk.iter().zip(examples) {
            match example {
                Ok(example) => kept.push((case, example)),
                Err(error) => last = Some(error),
            }
        }
        let (of, examples): (Vec<&Case>, Vec<Example>) = kept.into_iter().unzip();
        let pass = placement.evaluate(&foundation.network, &pack(&examples, false))?;
        let outputs = pass.head().unwrap_or_default();
        let trained = losses(&examples, &outputs, false).0;
        let untrained = losses(&examples, &vec![0.0; outputs.len()], false).0;
        let rows = of.par_iter().zip(&examples).zip(trained.par_iter().zip(&untrained));
        judged.par_extend(rows.map(|((case, example), (trained, untrained))| {
            judge(foundation, case, example, (*trained, *untrained), options)
        }));
    }
    if judged.is_empty() {
        return Err(last.unwrap_or(FoundationError::NothingMasked));
    }
    Ok(summary(&judged))
}

fn example(foundation: &Foundation, case: &Case, seed: u64) -> Result<Example, FoundationError> {
    let truth = case.truth.iter().cloned();
    Example::of_query(&case.target, truth, &foundation.encoding, foundation.context(), foundation.anchors, seed)
}

fn judge(
    foundation: &Arc<Foundation>,
    case: &Case,
    example: &Example,
    (trained, untrained): (f64, f64),
    options: EvaluateOptions,
) -> Judged {
    let to_values = example.log_barren - example.log_jacobian;
    let exact = case.log_posterior.or_else(|| {
        let reference = InferOptions {
            method: Method::named("laplace").ok()?,
            draws: Some(REFERENCE),
            seed: options.seed,
            weights: Weights::None,
            ..InferOptions::default()
        };
        if example.targets.is_empty() {
            return Some(to_values);
        }
        let inferred = infer(&case.target, &reference, &mut Silent).ok().filter(|i| i.certified)?;
        Some(example.log_target? - inferred.log_evidence? + to_values)
    });
    let mut judged = Judged {
        log_density: to_values - trained,
        exact,
        gaps: exact.map(|exact| (exact - (to_values - trained), exact - (to_values - untrained))),
        var_log_iw: None,
        ess_fraction: None,
        k_hat: None,
        certified: None,
    };
    if options.draws && !example.targets.is_empty() {
        draw(foundation, case, options.seed, &mut judged);
    }
    judged
}

/// Draws of a case, judged.
fn draw(foundation: &Arc<Foundation>, case: &Case, seed: u64, judged: &mut Judged) -> Option<()> {
    let target = case.target.borrow();
    let query = Query::for_anchors::<FoundationError>(target, seed).ok()?;
    let anchors = Anchors::new(&query.compiled, &query.prior).ok()?;
    let prepared = foundation.prepare(&query).ok()?;
    let weights = |n: usize, round: u64| -> Option<Vec<f64>> {
        let drawn = prepared.draw(&anchors, n, false, (seed, round)).ok()?;
        Some(drawn.iter().map(|d| d.target.map_or(f64::NEG_INFINITY, |(t, _)| t - d.log_proposal)).collect())
    };
    let few = weights(VARIANCE, 0)?;
    let finite: Vec<f64> = few.into_iter().filter(|w| w.is_finite()).collect();
    let mean = finite.iter().sum::<f64>() / finite.len().max(1) as f64;
    let variance = finite.iter().map(|w| (w - mean).powi(2)).sum::<f64>() / (finite.len() as f64 - 1.0).max(1.0);
    judged.var_log_iw = Some(variance);
    let many = weights(JUDGED, 1)?;
    let largest = many.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let raw: Vec<f64> = many.iter().map(|w| (w - largest).exp()).collect();
    let total: f64 = raw.iter().sum();
    let normalised: Vec<f64> = raw.iter().map(|w| w / total).collect();
    judged.ess_fraction = Some(weights_ess(&normalised) / JUDGED as f64);
    judged.k_hat = pareto_smooth(&many).and_then(|p| p.k_hat);
    let asked = InferOptions {
        method: Method::named("foundation").ok()?,
        draws: Some(JUDGED),
        seed,
        weights: Weights::Of(foundation.clone()),
        ..InferOptions::default()
    };
    judged.certified = Some(infer(&case.target, &asked, &mut Silent).is_ok_and(|i| i.certified));
    Some(())
}

fn summary(judged: &[Judged]) -> Evaluated {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
    let with_error = |values: Vec<f64>| {
        let m = mean(&values);
        let variance = values.iter().map(|v| (v - m).powi(2)).sum::<f64>() / (values.len() as f64 - 1.0).max(1.0);
        (m, (variance / values.len().max(1) as f64).sqrt())
    };
    let median = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied()
    };
    let exact: Vec<f64> = judged.iter().filter_map(|j| j.exact).collect();
    let variances: Vec<f64> = judged.iter().filter_map(|j| j.var_log_iw).collect();
    let fractions: Vec<f64> = judged.iter().filter_map(|j| j.ess_fraction).collect();
    let certified: Vec<f64> = judged.iter().filter_map(|j| j.certified).map(|c| f64::from(u8::from(c))).collect();
    let some = |values: &[f64]| (!values.is_empty()).then(|| mean(values));
    Evaluated {
        cases: judged.len(),
        referenced: exact.len(),
        log_density: mean(&judged.iter().map(|j| j.log_density).collect::<Vec<_>>()),
        exact: mean(&exact),
        gap: with_error(judged.iter().filter_map(|j| j.gaps).map(|(gap, _)| gap).collect()),
        anchors_gap: with_error(judged.iter().filter_map(|j| j.gaps).map(|(_, gap)| gap).collect()),
        var_log_iw: median(variances.clone()).map(|m| (mean(&variances), m, variances)),
        ess_fraction: some(&fractions),
        k_hat: median(judged.iter().filter_map(|j| j.k_hat).collect()),
        certified: some(&certified),
    }
}
