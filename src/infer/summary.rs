//! From draws to what is reported of each scalar.

use std::fmt::Write as _;

use rayon::prelude::*;

use super::diagnostics::{
    ess_bulk, ess_tail, family_error, family_ess, mcse_mean, mcse_quantile, mcse_sd, r_hat, tail_shape, weights_ess,
};
use super::engine::{Sampled, VariableSummary};
use super::record::Address;
use crate::diagnostic::Diagnostic;
use crate::value::{Base, DataType, Value, unravel, weighted_quantile};

/// Values up to which a discrete variable is reported by probabilities.
const FEW: usize = 20;

/// Bins of the small histograms.
const BINS: usize = 8;

/// The shape of a tail from which on averages of as many draws as there are say little of a mean (Vehtari et al. 2024, §3.2).
const TOO_HEAVY: f64 = 0.7;

/// Variables named in a warning.
const MOST_NAMED: usize = 3;

/// One summary a scalar: choices in order of first use, then deterministic lines.
pub(super) fn summarise(sampled: &Sampled) -> Vec<VariableSummary> {
    let equal = vec![1.0 / sampled.record.len().max(1) as f64; sampled.record.len()];
    let weights = sampled.weights.as_deref().unwrap_or(&equal);
    let columns: Vec<_> = sampled.record.columns().collect();
    let all: Vec<VariableSummary> =
        columns.into_par_iter().flat_map_iter(|(address, values)| scalars(address, values, weights, sampled)).collect();
    let (computed, mut choices): (Vec<_>, Vec<_>) = all.into_iter().partition(|summary| summary.deterministic);
    choices.extend(computed);
    choices
}

/// That variables have no mean, or one that draws do not tell.
pub(super) fn heavy_tails(variables: &[VariableSummary]) -> Option<Diagnostic> {
    let heavy: Vec<(&str, f64)> =
        variables.iter().filter_map(|v| Some((v.name.as_str(), v.tail.filter(|k| *k >= TOO_HEAVY)?))).collect();
    let (_, first) = heavy.first()?;
    let worst = heavy.iter().map(|(_, k)| *k).fold(*first, f64::max);
    let mut names: Vec<String> = heavy.iter().take(MOST_NAMED).map(|(name, _)| format!("`{name}`")).collect();
    if heavy.len() > MOST_NAMED {
        names.push(format!("{} more", heavy.len() - MOST_NAMED));
    }
    let message = format!(
        "the mean of {} may not exist, and draws do not tell it: the tails are too heavy (shape {worst:.2} ≥ {TOO_HEAVY})",
        names.join(", ")
    );
    let help = "read the median and the other quantiles, which are there whatever the tails are";
    Some(Diagnostic::warning("W0709", message).help(help))
}

/// The scalars of one address.
fn scalars(address: &Address, values: &[Option<Value>], weights: &[f64], sampled: &Sampled) -> Vec<VariableSummary> {
    // Where the shape is random: the largest, of which each draw has a part.
    let largest = values.iter().flatten().max_by_key(|v| v.shape().iter().product::<usize>());
    let Some((largest, ty)) = largest.and_then(|v| Some((v, v.data_type()?))) else { return Vec::new() };
    let shape = largest.shape();
    let summary = |element: usize| {
        let at = unravel(shape, element);
        let scalar_at = |v: &Value| match v.as_array() {
            Some(array) => array.at(&at)?.as_f64(),
            None => v.as_f64(),
        };
        let column: Vec<Option<f64>> = values.iter().map(|v| v.as_ref().and_then(scalar_at)).collect();
        let mut summary = scalar(&column, weights, sampled, ty);
        summary.name = address.name.clone();
        if !shape.is_empty() {
            let subscripts: Vec<String> = at.iter().map(ToString::to_string).collect();
            let _ = write!(summary.name, "[{}]", subscripts.join(","));
        }
        summary.deterministic = address.deterministic;
        summary
    };
    (0..shape.iter().product()).map(summary).collect()
}

fn scalar(column: &[Option<f64>], weights: &[f64], sampled: &Sampled, ty: DataType) -> VariableSummary {
    let present: Vec<(f64, f64)> = column.iter().zip(weights).filter_map(|(x, w)| Some(((*x)?, *w))).collect();
    let everywhere = present.len() == column.len();
    let total: f64 = present.iter().map(|(_, w)| w).sum();
    let mean = present.iter().map(|(x, w)| x * w).sum::<f64>() / total;
    let square = present.iter().map(|(x, w)| w * (x - mean).powi(2)).sum::<f64>() / total;
    let normalised: Vec<f64> = present.iter().map(|(_, w)| w / total).collect();
    let mut ess = None;
    let mut for_mean = None;
    let mut scale_reduction = None;
    let (mut error_of_mean, mut error_of_sd, mut errors_of_quantiles) = (None, None, None);
    if let Some(length) = present.len().checked_div(sampled.chains) {
        if everywhere {
            let values: Vec<f64> = present.iter().map(|(x, _)| *x).collect();
            let views: Vec<&[f64]> = values.chunks(length.max(1)).take(sampled.chains).collect();
            scale_reduction = r_hat(&views);
            ess = ess_bulk(&views).map(|bulk| bulk.min(ess_tail(&views).unwrap_or(bulk)));
            error_of_mean = mcse_mean(&views);
            if !sampled.families.is_empty() {
                let families = &sampled.families;
                ess = ess.map(|ess| ess.min(family_ess(&values, families)));
                error_of_mean = error_of_mean.map(|error| error.max(family_error(&values, families)));
            }
            error_of_sd = mcse_sd(&views);
            let of = |level| mcse_quantile(&views, level);
            errors_of_quantiles = match (of(0.05), of(0.5), of(0.95)) {
                (Some(low), Some(middle), Some(high)) => Some([low, middle, high]),
                _ => None,
            };
        }
    } else if !sampled.exact {
        ess = Some(weights_ess(&normalised));
        for_mean = ess;
    }
    let correction = match for_mean {
        Some(n) if sampled.chains == 0 && n > 1.0 => n / (n - 1.0),
        _ if sampled.exact || present.len() < 2 => 1.0,
        _ => present.len() as f64 / (present.len() as f64 - 1.0),
    };
    let sd = (square * correction).sqrt();
    let mcse = match (sampled.exact, sampled.chains, error_of_mean) {
        (true, _, _) => 0.0,
        // The delta method for self-normalised importance sampling (Owen 2013, eq. 9.8).
        (false, 0, _) => present.iter().map(|(x, w)| (w / total * (x - mean)).powi(2)).sum::<f64>().sqrt(),
        (false, _, Some(error)) => error,
        (false, _, None) => {
            if sd == 0.0 {
                0.0
            } else {
                f64::NAN
            }
        }
    };
    VariableSummary {
        name: String::new(),
        deterministic: false,
        mean,
        sd,
        q5: weighted_quantile(&present, 0.05),
        q50: weighted_quantile(&present, 0.5),
        q95: weighted_quantile(&present, 0.95),
        ess,
        r_hat: scale_reduction,
        mcse,
        mcse_sd: error_of_sd,
        mcse_quantiles: errors_of_quantiles,
        tail: if sampled.exact || ty.base != Base::Real { None } else { tail(&present, total, ess) },
        probabilities: probabilities(&present, total, ty.base),
        exists: (!everywhere).then(|| total / weights.iter().sum::<f64>()).filter(|share| *share < 1.0),
        histogram: histogram(&present),
    }
}

/// The shape of the heavier tail, of as many draws as are effective, picked by their weights at equal distances.
fn tail(draws: &[(f64, f64)], total: f64, ess: Option<f64>) -> Option<f64> {
    let mut sorted = draws.to_vec();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let n = ess.map_or(draws.len(), |ess| (ess as usize).min(draws.len()));
    let mut picked = Vec::with_capacity(n);
    let mut sum = 0.0;
    for (x, weight) in sorted {
        sum += weight / total;
        while picked.len() < n && picked.len() as f64 + 0.5 < sum * n as f64 {
            picked.push(x);
        }
    }
    tail_shape(&picked)
}

impl VariableSummary {
    /// Of a real scalar with independent draws, which all count alike.
    pub fn of_draws(name: String, draws: &[f64]) -> Self {
        let n = draws.len() as f64;
        let mean = draws.iter().sum::<f64>() / n;
        let sd = (draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt();
        let present: Vec<(f64, f64)> = draws.iter().map(|x| (*x, 1.0 / n)).collect();
        Self {
            name,
            deterministic: false,
            mean,
            sd,
            q5: weighted_quantile(&present, 0.05),
            q50: weighted_quantile(&present, 0.5),
            q95: weighted_quantile(&present, 0.95),
            ess: Some(n),
            r_hat: None,
            mcse: sd / n.sqrt(),
            mcse_sd: None,
            mcse_quantiles: None,
            tail: tail(&present, 1.0, Some(n)),
            probabilities: None,
            exists: None,
            histogram: histogram(&present),
        }
    }
}

fn probabilities(draws: &[(f64, f64)], total: f64, base: Base) -> Option<Vec<(String, f64)>> {
    if base == Base::Real {
        return None;
    }
    let mut masses: Vec<(f64, f64)> = Vec::new();
    for (x, w) in draws {
        match masses.iter().position(|(value, _)| value == x) {
            Some(at) => masses[at].1 += w / total,
            None if masses.len() == FEW => return None,
            None => masses.push((*x, w / total)),
        }
    }
    masses.sort_by(|a, b| a.0.total_cmp(&b.0));
    Some(masses.into_iter().map(|(x, p)| (Value::scalar(base, x).to_string(), p)).collect())
}

fn histogram(draws: &[(f64, f64)]) -> Vec<f64> {
    // The far tails would leave one bar: draw the middle 99 %.
    let (low, high) = (weighted_quantile(draws, 0.005), weighted_quantile(draws, 0.995));
    if !(low.is_finite() && high.is_finite() && low < high) {
        return Vec::new();
    }
    // Bins of whole numbers are heights a number: no bin is higher for having one more.
    let whole = draws.iter().all(|(x, _)| x.fract() == 0.0);
    let (width, count) = match high - low + 1.0 {
        n if whole && n <= BINS as f64 => (1.0, n as usize),
        _ => ((high - low) / BINS as f64, BINS),
    };
    let place = |x: f64| (((x - low) / width) as usize).min(count - 1);
    let mut bins = vec![0.0; count];
    for (x, w) in draws {
        if (low..=high).contains(x) {
            bins[place(*x)] += w;
        }
    }
    if whole && width > 1.0 {
        // The first number of a bin, and that of the next.
        let first = |bin: usize| (width * bin as f64).ceil();
        for (i, bin) in bins.iter_mut().enumerate() {
            let numbers = if i + 1 == count { high - low + 1.0 - first(i) } else { first(i + 1) - first(i) };
            *bin /= numbers.max(1.0);
        }
    }
    let highest = bins.iter().copied().fold(0.0, f64::max);
    if highest > 0.0 { bins.iter().map(|b| b / highest).collect() } else { Vec::new() }
}
