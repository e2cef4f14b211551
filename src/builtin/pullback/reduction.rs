//! Functions from an array to one number.

use super::arrays::ascending;
use super::{Call, Gradients, elementwise, weighted};
use crate::builtin::derivative;

pub(in crate::builtin) fn sum(call: &Call) -> Gradients {
    Ok(vec![vec![call.weight(); call.reals(0)?.len()]])
}

/// The product of all others, from both sides, so that a factor may be 0.
pub(in crate::builtin) fn prod(call: &Call) -> Gradients {
    let x = call.reals(0)?;
    let mut gradient = Vec::with_capacity(x.len());
    let mut before = 1.0;
    for x in x {
        gradient.push(before);
        before *= x;
    }
    let mut after = call.weight();
    for (target, x) in gradient.iter_mut().zip(x).rev() {
        *target *= after;
        after *= x;
    }
    Ok(vec![gradient])
}

pub(in crate::builtin) fn mean(call: &Call) -> Gradients {
    let n = call.reals(0)?.len();
    Ok(vec![vec![call.weight() / n as f64; n]])
}

fn deviations(x: &[f64]) -> impl Iterator<Item = f64> {
    let mean = x.iter().fold(0.0, |a, b| a + b) / x.len() as f64;
    x.iter().map(move |x| x - mean)
}

/// 2 (xᵢ − x̄)/(n − 1)
pub(in crate::builtin) fn variance(call: &Call) -> Gradients {
    let x = call.reals(0)?;
    let factor = 2.0 * call.weight() / (x.len() as f64 - 1.0);
    Ok(vec![deviations(x).map(|d| factor * d).collect()])
}

/// (xᵢ − x̄)/((n − 1) s); 0 where all are equal, the middle of the kink.
pub(in crate::builtin) fn sd(call: &Call) -> Gradients {
    let x = call.reals(0)?;
    let sd = call.scalar();
    if sd == 0.0 {
        return Ok(vec![vec![0.0; x.len()]]);
    }
    let factor = call.weight() / (x.len() as f64 - 1.0);
    Ok(vec![deviations(x).map(|d| factor * (d / sd)).collect()])
}

/// The least or the greatest of one array, of equal ones the first: all of the weight is its.
fn extremum(call: &Call, partials: fn(f64, f64) -> [f64; 2]) -> Gradients {
    if call.arguments.len() == 2 {
        return elementwise::two(partials, call);
    }
    let x = call.reals(0)?;
    let value = call.scalar();
    let mut gradient = vec![if value.is_nan() { f64::NAN } else { 0.0 }; x.len()];
    let place = x.iter().position(|x| *x == value);
    if let Some(target) = place.and_then(|i| gradient.get_mut(i)) {
        *target = call.weight();
    }
    Ok(vec![gradient])
}

pub(in crate::builtin) fn min(call: &Call) -> Gradients {
    extremum(call, derivative::min)
}

pub(in crate::builtin) fn max(call: &Call) -> Gradients {
    extremum(call, derivative::max)
}

/// xᵢ/‖x‖; 0 at the origin, the middle of the kink.
pub(in crate::builtin) fn norm(call: &Call) -> Gradients {
    let (norm, weight) = (call.scalar(), call.weight());
    let share = |x: &f64| if norm == 0.0 { 0.0 } else { weight * (x / norm) };
    Ok(vec![call.reals(0)?.iter().map(share).collect()])
}

/// The shares of the terms in the sum; where it is infinite, those of the terms that make it so.
pub(in crate::builtin) fn log_sum_exp(call: &Call) -> Gradients {
    if call.arguments.len() == 2 {
        return elementwise::two(derivative::log_sum_exp, call);
    }
    let x = call.reals(0)?;
    let (total, weight) = (call.scalar(), call.weight());
    let n_equal = x.iter().filter(|x| **x == total).count() as f64;
    let share = |x: &f64| match (total.is_infinite(), *x == total) {
        (false, _) => (x - total).exp(),
        (true, true) => n_equal.recip(),
        (true, false) => 0.0,
    };
    Ok(vec![x.iter().map(|x| weighted(weight, share(x))).collect()])
}

pub(in crate::builtin) fn median(call: &Call) -> Gradients {
    let x = call.reals(0)?;
    let mut gradient = vec![0.0; x.len()];
    add_quantile(x, &ascending(x), 0.5, call.weight(), &mut gradient);
    Ok(vec![gradient])
}

/// Adds the weight of one quantile to the two elements it lies between, and gives the slope in `p`.
fn add_quantile(x: &[f64], order: &[usize], p: f64, weight: f64, gradient: &mut [f64]) -> f64 {
    if x.iter().any(|x| x.is_nan()) {
        gradient.fill(f64::NAN);
        return f64::NAN;
    }
    let last = x.len() as f64 - 1.0;
    let position = p * last;
    // At the very end the quantile still lies between the last two.
    let below = position.floor().min((last - 1.0).max(0.0));
    let fraction = position - below;
    let place = |i: f64| order.get(i as usize).copied().unwrap_or(0);
    for (place, share) in [(place(below), 1.0 - fraction), (place(below + 1.0), fraction)] {
        if let (Some(target), true) = (gradient.get_mut(place), share != 0.0) {
            *target += weight * share;
        }
    }
    let at = |i: f64| x.get(place(i)).copied().unwrap_or(f64::NAN);
    if last < 1.0 { 0.0 } else { last * (at(below + 1.0) - at(below)) }
}

/// Of the elements, and of each p the slope of the piece it is in: at a corner that to the right.
pub(in crate::builtin) fn quantile(call: &Call) -> Gradients {
    let x = call.reals(0)?;
    let order = ascending(x);
    let mut gradient = vec![0.0; x.len()];
    let p = call.arguments.value(1)?.to_f64s();
    let slopes = p.iter().zip(call.adjoint).map(|(p, w)| weighted(*w, add_quantile(x, &order, *p, *w, &mut gradient)));
    let of_p = slopes.collect();
    Ok(vec![gradient, of_p])
}
