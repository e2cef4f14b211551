//! Making and rearranging arrays: each weight goes back to where its element came from.

use super::{Call, Gradients, weighted};

/// Of a function that has no real argument: nothing.
pub(in crate::builtin) fn nothing(_: &Call) -> Gradients {
    Ok(Vec::new())
}

pub(in crate::builtin) fn rep(call: &Call) -> Gradients {
    let size = call.arguments.value(0)?.to_f64s().len();
    let mut gradient = vec![0.0; size];
    for copy in call.adjoint.chunks(size.max(1)) {
        for (target, w) in gradient.iter_mut().zip(copy) {
            *target += w;
        }
    }
    Ok(vec![gradient])
}

pub(in crate::builtin) fn linspace(call: &Call) -> Gradients {
    let last = call.adjoint.len().saturating_sub(1);
    let (mut of_a, mut of_b) = (0.0, 0.0);
    for (i, w) in call.adjoint.iter().enumerate() {
        let share = if i == 0 { 0.0 } else { i as f64 / last as f64 };
        of_a += w * (1.0 - share);
        of_b += w * share;
    }
    Ok(vec![vec![of_a], vec![of_b]])
}

/// Of `concat` and `append`: the first part is the first argument's.
pub(in crate::builtin) fn join(call: &Call) -> Gradients {
    let size = call.arguments.array(0)?.size().min(call.adjoint.len());
    let (first, second) = call.adjoint.split_at(size);
    Ok(vec![first.to_vec(), second.to_vec()])
}

pub(in crate::builtin) fn head(call: &Call) -> Gradients {
    let mut gradient = call.adjoint.to_vec();
    gradient.resize(call.arguments.array(0)?.size(), 0.0);
    Ok(vec![gradient])
}

pub(in crate::builtin) fn tail(call: &Call) -> Gradients {
    let before = call.arguments.array(0)?.size().saturating_sub(call.adjoint.len());
    let mut gradient = vec![0.0; before];
    gradient.extend(call.adjoint);
    Ok(vec![gradient])
}

pub(in crate::builtin) fn reverse(call: &Call) -> Gradients {
    let row: usize = call.arguments.array(0)?.shape().iter().skip(1).product();
    Ok(vec![call.adjoint.chunks(row.max(1)).rev().flatten().copied().collect()])
}

/// The order in which `sort` takes the elements.
pub(super) fn ascending(x: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..x.len()).collect();
    let at = |i: &usize| x.get(*i).copied().unwrap_or(f64::NAN);
    order.sort_by(|i, j| at(i).is_nan().cmp(&at(j).is_nan()).then(at(i).total_cmp(&at(j))));
    order
}

pub(in crate::builtin) fn sort(call: &Call) -> Gradients {
    let x = call.reals(0)?;
    let mut gradient = vec![0.0; x.len()];
    for (i, w) in ascending(x).into_iter().zip(call.adjoint) {
        if let Some(target) = gradient.get_mut(i) {
            *target = *w;
        }
    }
    Ok(vec![gradient])
}

/// Element i is in every sum from the i-th on.
pub(in crate::builtin) fn cumsum(call: &Call) -> Gradients {
    let mut gradient = call.adjoint.to_vec();
    let mut total = 0.0;
    for target in gradient.iter_mut().rev() {
        total += *target;
        *target = total;
    }
    Ok(vec![gradient])
}

/// sᵢ (wᵢ − Σ wⱼ sⱼ)
pub(in crate::builtin) fn softmax(call: &Call) -> Gradients {
    let shares = call.result.to_f64s();
    let mean = shares.iter().zip(call.adjoint).fold(0.0, |sum, (s, w)| sum + s * w);
    Ok(vec![shares.iter().zip(call.adjoint).map(|(s, w)| s * (w - mean)).collect()])
}

/// wᵢ − sᵢ Σ wⱼ
pub(in crate::builtin) fn log_softmax(call: &Call) -> Gradients {
    let total = call.adjoint.iter().fold(0.0, |a, b| a + b);
    let shares = call.result.to_f64s().into_iter().map(f64::exp);
    Ok(vec![shares.zip(call.adjoint).map(|(s, w)| w - weighted(total, s)).collect()])
}
