//! How good the network's answers are: in nats from the exact posterior, and as proposals.
//!
//! The exact density of the truth is its joint density over the evidence. Where a case does not bring it along, the evidence
//! is exact or certified ([`Evidence`]).

use std::sync::Arc;

use rayon::prelude::*;

use super::encoding::{Encoding, Vocabulary};
use super::error::FoundationError;
use super::example::Example;
use super::head::{AnchorKind, OUTPUTS};
use super::reference::Evidence;
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

/// Cases that go through the network at once.
const CHUNK: usize = 32;

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

/// What of the draws is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judged {
    /// Nothing: log densities alone.
    Densities,
    /// The variance of the log weights of a hundred (A.5 of the paper) as well.
    Variances,
    /// Effective draws, k̂ and the certificate as well.
    Certificates,
}

/// How much is asked of each case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EvaluateOptions {
    /// Seed of the draws.
    pub seed: u64,
    /// What is asked beside log densities.
    pub judged: Judged,
    /// Where log densities are computed; draws are decoded on the processor.
    pub device: Device,
}

/// The quality on the cases of one program.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluated {
    /// Cases.
    pub cases: usize,
    /// Cases whose reference is known, exactly or by certified draws.
    pub referenced: usize,
    /// Cases whose reference is exact.
    pub exactly: usize,
    /// Cases whose truth has density zero under q: they are left out of what follows, and as bad as can be.
    pub missed: usize,
    /// Cases of which draws could not be taken or judged.
    pub undrawn: usize,
    /// Mean ln q(truth | known) over all other cases, in the variables' own units; NaN where there are none.
    pub log_density: f64,
    /// Mean exact log density, over the referenced cases; NaN where there are none.
    pub exact: f64,
    /// Mean of exact minus ln q, in nats, over the referenced cases, and its standard error; NaN where there are too few.
    pub gap: (f64, f64),
    /// The same of the anchors without a network.
    pub anchors_gap: (f64, f64),
    /// By variable, in the order in which they are decoded: its mean ln q given those before it, in its own units, and the
    /// cases in which it is asked for.
    pub variables: Vec<(String, f64, usize)>,
    /// Of the variance of log weights: mean, median, and one a case.
    pub var_log_iw: Option<(f64, f64, Vec<f64>)>,
    /// Mean log weight of each case: the evidence lower bound, the log IW of A.5.
    pub log_iw: Vec<f64>,
    /// ln q(truth | known) of each case, in order; −∞ where it has density zero, NaN where the case was left out.
    pub log_densities: Vec<f64>,
    /// The share of those draws whose density is zero; they do not count in the variance.
    pub zero_density: Option<f64>,
    /// Mean effective draws a draw, of raw weights.
    pub ess_fraction: Option<f64>,
    /// Median k̂.
    pub k_hat: Option<f64>,
    /// The share of cases that are certified.
    pub certified: Option<f64>,
}

/// What one case gave.
struct Found {
    log_density: f64,
    /// ln q of each variable given those before it.
    variables: Vec<(String, f64)>,
    /// The reference, and whether it is exact.
    exact: Option<(f64, bool)>,
    gaps: Option<(f64, f64)>,
    var_log_iw: Option<f64>,
    log_iw: Option<f64>,
    zero_density: Option<f64>,
    undrawn: bool,
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
    let mut log_densities = vec![f64::NAN; cases.len()];
    let mut last = None;
    for (number, chunk) in cases.chunks(CHUNK).enumerate() {
        // The network itself is parallel; what comes before and after is so here.
        let examples: Vec<_> = chunk.par_iter().map(|case| example(foundation, case, options.seed)).collect();
        let mut kept: Vec<(&Case, Example)> = Vec::with_capacity(chunk.len());
        let mut places = Vec::with_capacity(chunk.len());
        for (i, (case, example)) in chunk.iter().zip(examples).enumerate() {
            match example {
                Ok(example) => {
                    kept.push((case, example));
                    places.push(number * CHUNK + i);
                }
                Err(error) => last = Some(error),
            }
        }
        let (of, examples): (Vec<&Case>, Vec<Example>) = kept.into_iter().unzip();
        let pass = placement.evaluate(&foundation.network, &pack(&examples, false))?;
        let outputs = pass.head().unwrap_or_default();
        let untrained = losses(&examples, &vec![0.0; outputs.len()], false).0;
        let mut end = 0;
        let own: Vec<&[f32]> = examples
            .iter()
            .map(|example| {
                let first = end;
                end += example.targets.iter().map(|(c, _)| c.components.len() * OUTPUTS).sum::<usize>();
                &outputs[first..end]
            })
            .collect();
        let rows = of.par_iter().zip(&examples).zip(own.par_iter().zip(&untrained));
        let first = judged.len();
        judged.par_extend(rows.map(|((case, example), (outputs, untrained))| {
            judge(foundation, case, example, (by_variable(example, outputs), *untrained), options)
        }));
        for (place, found) in places.into_iter().zip(&judged[first..]) {
            log_densities[place] = found.log_density;
        }
    }
    if judged.is_empty() {
        return Err(last.unwrap_or(FoundationError::NothingMasked));
    }
    Ok(Evaluated { log_densities, ..summary(&judged) })
}

/// The exact ln p(truth | known) of a case, and whether it is exact or rests on certified draws; `None` where no certified draws
/// are to be had, or the truth has density zero.
pub fn exact_log_posterior(case: &Case, seed: u64) -> Option<(f64, bool)> {
    let encoding = Encoding::Lexeme(Vocabulary::lexeme(&[]));
    let truth = case.truth.iter().cloned();
    let example = Example::of_query(&case.target, truth, &encoding, usize::MAX, AnchorKind::Laplace, seed).ok()?;
    exact(case, &example, seed)
}

fn exact(case: &Case, example: &Example, seed: u64) -> Option<(f64, bool)> {
    let to_values = example.log_barren - example.log_jacobian;
    if example.targets.is_empty() {
        return Some((to_values, true));
    }
    let evidence = Evidence::of(&case.target, seed)?;
    Some((example.log_target? - evidence.log_evidence + to_values, evidence.error == 0.0))
}

fn example(foundation: &Foundation, case: &Case, seed: u64) -> Result<Example, FoundationError> {
    let truth = case.truth.iter().cloned();
    Example::of_query(&case.target, truth, &foundation.encoding, foundation.context(), foundation.anchors, seed)
}

/// ln q of each variable given those before it, in its own units.
fn by_variable(example: &Example, outputs: &[f32]) -> Vec<(String, f64)> {
    let mut found: Vec<(String, f64)> = Vec::new();
    let mut at = 0;
    for ((candidates, target), (name, log_jacobian)) in example.targets.iter().zip(&example.variables) {
        let size = candidates.components.len() * OUTPUTS;
        let log_density = candidates.adjusted(&outputs[at..at + size]).log_probability(*target) - log_jacobian;
        at += size;
        // A coordinate at the end of the numbers says nothing.
        let log_density = if target.is_finite() { log_density } else { 0.0 };
        match found.iter_mut().find(|(other, _)| other == name) {
            Some((_, sum)) => *sum += log_density,
            None => found.push((name.clone(), log_density)),
        }
    }
    found
}

fn judge(
    foundation: &Arc<Foundation>,
    case: &Case,
    example: &Example,
    (variables, untrained): (Vec<(String, f64)>, f64),
    options: EvaluateOptions,
) -> Found {
    let to_values = example.log_barren - example.log_jacobian;
    let log_density = if example.is_impossible {
        f64::NEG_INFINITY
    } else {
        example.log_barren + variables.iter().map(|(_, log_density)| log_density).sum::<f64>()
    };
    let exact = case.log_posterior.map(|exact| (exact, true)).or_else(|| exact(case, example, options.seed));
    let mut judged = Found {
        log_density,
        variables,
        exact,
        gaps: exact.map(|(exact, _)| (exact - log_density, exact - (to_values - untrained))),
        var_log_iw: None,
        log_iw: None,
        zero_density: None,
        undrawn: false,
        ess_fraction: None,
        k_hat: None,
        certified: None,
    };
    if options.judged != Judged::Densities && !example.targets.is_empty() {
        judged.undrawn = draw(foundation, case, options, &mut judged).is_none();
    }
    judged
}

/// Draws of a case, judged.
fn draw(foundation: &Arc<Foundation>, case: &Case, options: EvaluateOptions, judged: &mut Found) -> Option<()> {
    let seed = options.seed;
    let target = case.target.borrow();
    let query = Query::for_anchors::<FoundationError>(target, seed).ok()?;
    let anchors = Anchors::new(&query.compiled, &query.prior).ok()?;
    let prepared = foundation.prepare(&query).ok()?;
    let weights = |n: usize, round: u64| -> Option<Vec<f64>> {
        let drawn = prepared.draw(&anchors, n, None, (seed, round)).ok()?;
        Some(drawn.iter().map(|d| d.target.map_or(f64::NEG_INFINITY, |(t, _)| t - d.log_proposal)).collect())
    };
    let few = weights(VARIANCE, 0)?;
    let finite: Vec<f64> = few.into_iter().filter(|w| w.is_finite()).collect();
    let mean = finite.iter().sum::<f64>() / finite.len().max(1) as f64;
    let variance = finite.iter().map(|w| (w - mean).powi(2)).sum::<f64>() / (finite.len() as f64 - 1.0).max(1.0);
    judged.var_log_iw = Some(variance);
    judged.zero_density = Some(1.0 - finite.len() as f64 / VARIANCE as f64);
    judged.log_iw = Some(mean);
    if options.judged == Judged::Variances {
        return Some(());
    }
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

fn summary(judged: &[Found]) -> Evaluated {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let with_error = |values: Vec<f64>| {
        let m = mean(&values);
        let variance = values.iter().map(|v| (v - m).powi(2)).sum::<f64>() / (values.len() as f64 - 1.0);
        (m, (variance / values.len() as f64).sqrt())
    };
    let median = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied()
    };
    let scored: Vec<&Found> = judged.iter().filter(|j| j.log_density > f64::NEG_INFINITY).collect();
    let (exact, exactly): (Vec<f64>, Vec<bool>) = scored.iter().filter_map(|j| j.exact).unzip();
    let variances: Vec<f64> = judged.iter().filter_map(|j| j.var_log_iw).collect();
    let fractions: Vec<f64> = judged.iter().filter_map(|j| j.ess_fraction).collect();
    let certified: Vec<f64> = judged.iter().filter_map(|j| j.certified).map(|c| f64::from(u8::from(c))).collect();
    let zero: Vec<f64> = judged.iter().filter_map(|j| j.zero_density).collect();
    let mut variables: Vec<(String, f64, usize)> = Vec::new();
    for (name, log_density) in scored.iter().flat_map(|j| &j.variables) {
        match variables.iter_mut().find(|(other, ..)| other == name) {
            Some((_, sum, n)) => (*sum, *n) = (*sum + log_density, *n + 1),
            None => variables.push((name.clone(), *log_density, 1)),
        }
    }
    variables.iter_mut().for_each(|(_, sum, n)| *sum /= *n as f64);
    let some = |values: &[f64]| (!values.is_empty()).then(|| mean(values));
    Evaluated {
        cases: judged.len(),
        referenced: exact.len(),
        exactly: exactly.into_iter().filter(|exactly| *exactly).count(),
        missed: judged.len() - scored.len(),
        undrawn: judged.iter().filter(|j| j.undrawn).count(),
        log_density: mean(&scored.iter().map(|j| j.log_density).collect::<Vec<_>>()),
        exact: mean(&exact),
        gap: with_error(scored.iter().filter_map(|j| j.gaps).map(|(gap, _)| gap).collect()),
        anchors_gap: with_error(scored.iter().filter_map(|j| j.gaps).map(|(_, gap)| gap).collect()),
        variables,
        zero_density: some(&zero),
        log_iw: judged.iter().filter_map(|j| j.log_iw).collect(),
        log_densities: Vec::new(),
        var_log_iw: median(variances.clone()).map(|m| (mean(&variances), m, variances)),
        ess_fraction: some(&fractions),
        k_hat: median(judged.iter().filter_map(|j| j.k_hat).collect()),
        certified: some(&certified),
    }
}
