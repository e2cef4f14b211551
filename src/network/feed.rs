//! The feed-forward half of a layer as one operation: normalisation, two affine maps with GELU between, and residual.
//!
//! With normalisation before: y = x + W₂ gelu(W₁ norm x); after: y = norm(x + W₂ gelu(W₁ x)). All of it is done for a block
//! of rows at a time, so that the wide intermediate stays in the processor's cache.

use dfdx::tensor::CpuError;
use rayon::prelude::*;

use super::config::Norm;
use super::norm::{Normalise, STATISTICS};
use super::product::{ROWS, column_sums, sum_of, weight_gradient};
use super::record::{Node, Recorder};
use super::simd::{gelu, gelu_and_slope, vectorised};

/// The parameters of the operation, in the order of its arguments.
#[derive(Clone)]
pub(super) struct FeedNodes {
    pub norm: [Node; 2],
    pub inner: [Node; 2],
    pub outer: [Node; 2],
}

/// Applies it to x `[rows, width]`.
pub(super) fn feed(
    recorder: &mut Recorder,
    form: Norm,
    epsilon: f32,
    x: &Node,
    nodes: &FeedNodes,
) -> Result<Node, CpuError> {
    let arena = recorder.arena.clone();
    let (rows, d) = x.shape();
    let parameters = [&nodes.norm, &nodes.inner, &nodes.outer];
    let norm_values = [recorder.values(&nodes.norm[0]), recorder.values(&nodes.norm[1])];
    let maps = [recorder.affine(&nodes.inner), recorder.affine(&nodes.outer)];
    let x_values = recorder.values(x);
    let norm = Normalise { scale: &norm_values[0], shift: &norm_values[1], epsilon };
    let [inner, outer] = [0, 1].map(|i: usize| maps[i].affine());
    let f = inner.out();

    let keep = recorder.records();
    let pre = form == Norm::Pre;
    // Before: what is normalised is x, and the maps see the result. After: the maps see x, and their sum is normalised.
    let mut middle = arena.take(rows * d); // (rows, width): norm x, or the sum before normalisation
    let mut statistics = arena.take(rows * STATISTICS);
    let mut hidden = arena.take(rows * f); // (rows, inner)
    let mut y = arena.take(rows * d);
    (
        x_values.par_chunks(ROWS * d),
        middle.par_chunks_mut(ROWS * d),
        statistics.par_chunks_mut(ROWS * STATISTICS),
        hidden.par_chunks_mut(ROWS * f),
        y.par_chunks_mut(ROWS * d),
    )
        .into_par_iter()
        .for_each(|(x, middle, statistics, hidden, y)| {
            if pre {
                norm.rows(x, middle, statistics);
            }
            inner.rows(if pre { middle } else { x }, hidden);
            let mut active = arena.take(hidden.len());
            vectorised(
                #[inline(always)]
                || {
                    for (a, h) in active.iter_mut().zip(hidden.iter()) {
                        *a = gelu(*h);
                    }
                },
            );
            let sum = if pre { &mut *y } else { &mut *middle };
            sum.copy_from_slice(x);
            outer.rows_onto(&active, sum);
            if !pre {
                norm.rows(middle, y, statistics);
            }
        });
    if !keep {
        hidden = arena.take(0);
    }

    let mut arguments = vec![x.clone()];
    arguments.extend(parameters.iter().flat_map(|p| p.iter().cloned()));
    recorder.record(y.into_vec(), (rows, d), arguments, move |dy, wanted| {
        let norm = Normalise { scale: &norm_values[0], shift: &norm_values[1], epsilon };
        let [inner, outer] = [0, 1].map(|i: usize| maps[i].affine());
        let mut dx = arena.take(rows * d);
        let mut d_sum = arena.take(if pre { 0 } else { rows * d });
        let mut norm_gradients = None;
        if !pre {
            norm_gradients = Some(norm.back_all(dy, &middle, &statistics, &mut d_sum, false));
        }
        let d_sum = if pre { dy } else { &d_sum[..] };
        let mut active = arena.take(rows * f);
        let mut hidden = hidden; // becomes its own gradient
        let partial: Vec<Vec<f32>> = (
            (dx.par_chunks_mut(ROWS * d), d_sum.par_chunks(ROWS * d), x_values.par_chunks(ROWS * d)),
            active.par_chunks_mut(ROWS * f),
            hidden.par_chunks_mut(ROWS * f),
            statistics.par_chunks(ROWS * STATISTICS),
        )
            .into_par_iter()
            .map(|((dx, d_sum, x), active, hidden, statistics)| {
                outer.back(d_sum, active, false); // for now the gradient of the activation
                vectorised(
                    #[inline(always)]
                    || {
                        for (a, h) in active.iter_mut().zip(hidden.iter_mut()) {
                            let (value, slope) = gelu_and_slope(*h);
                            *h = *a * slope;
                            *a = value;
                        }
                    },
                );
                dx.copy_from_slice(d_sum);
                if pre {
                    let mut d_normal = arena.take(dx.len());
                    inner.back(hidden, &mut d_normal, false);
                    norm.back(&d_normal, x, statistics, dx, true)
                } else {
                    inner.back(hidden, dx, true);
                    Vec::new()
                }
            })
            .collect();
        let mut found = vec![None; 7];
        if pre {
            let mut scale = sum_of(partial, 2 * d);
            let shift = scale.split_off(d);
            norm_gradients = Some((scale, shift));
        }
        if let Some((scale, shift)) = norm_gradients {
            found[1] = Some(scale);
            found[2] = Some(shift);
        }
        if wanted[1] {
            let input = if pre { &middle } else { &x_values };
            let (first, second) = rayon::join(
                || weight_gradient(&arena, &hidden, f, input, d),
                || weight_gradient(&arena, d_sum, d, &active, f),
            );
            found[3] = Some(first.into_vec());
            found[4] = Some(column_sums(&hidden, f));
            found[5] = Some(second.into_vec());
            found[6] = Some(column_sums(d_sum, d));
        }
        found[0] = Some(dx.into_vec());
        found
    })
}
