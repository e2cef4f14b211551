//! The small operations around layers: embedding, gathering rows, affine maps, GELU, normalisation, sums, cross-entropy.

use dfdx::tensor::CpuError;
use rayon::prelude::*;

use super::norm::{Normalise, STATISTICS};
use super::product::{ROWS, column_sums, weight_gradient};
use super::record::{Node, Recorder};
use super::simd::{add, gelu, gelu_and_slope, max, sum_with, vectorised};

/// The parameters of the embedding, in the order of its arguments.
pub(super) struct EmbedNodes {
    pub token: Node,
    pub position: Node,
    pub token_type: Option<Node>,
    pub feature: Option<[Node; 2]>,
}

/// Sum of token, position and type embeddings and the projection of features: `[tokens, width]`. `positions` are rows of
/// the position embedding; `features` is `[tokens, F]`.
pub(super) fn embed(
    recorder: &mut Recorder,
    tokens: &[u32],
    positions: &[u32],
    features: &[f32],
    nodes: &EmbedNodes,
) -> Result<Node, CpuError> {
    let arena = recorder.arena.clone();
    let (vocabulary, d) = nodes.token.shape();
    let (places, _) = nodes.position.shape();
    let (token, position) = (recorder.values(&nodes.token), recorder.values(&nodes.position));
    let token_type = nodes.token_type.as_ref().map(|n| recorder.values(n));
    let mut y = arena.take(tokens.len() * d);
    if let Some(pair) = &nodes.feature {
        recorder.affine(pair).affine().apply(features, &mut y);
    } else {
        y.fill(0.0);
    }
    vectorised(
        #[inline(always)]
        || {
            for ((y, &t), &p) in y.chunks_exact_mut(d).zip(tokens).zip(positions) {
                add(y, &token[t as usize * d..][..d]);
                add(y, &position[p as usize * d..][..d]);
                if let Some(token_type) = &token_type {
                    add(y, &token_type[..d]);
                }
            }
        },
    );
    let mut arguments = vec![nodes.token.clone(), nodes.position.clone()];
    arguments.extend(nodes.token_type.clone());
    arguments.extend(nodes.feature.iter().flatten().cloned());
    let (tokens, positions, features) = (tokens.to_vec(), positions.to_vec(), features.to_vec());
    let (typed, width) = (token_type.is_some(), features.len() / tokens.len().max(1));
    let featured = nodes.feature.is_some();
    recorder.record(y.into_vec(), (tokens.len(), d), arguments, move |dy, _| {
        let scatter = |rows: &[u32], n: usize| {
            let mut gradient = arena.zeros(n * d);
            for (dy, &row) in dy.chunks_exact(d).zip(rows) {
                add(&mut gradient[row as usize * d..][..d], dy);
            }
            Some(gradient.into_vec())
        };
        let mut found = vec![scatter(&tokens, vocabulary), scatter(&positions, places)];
        if typed {
            found.push(Some(column_sums(dy, d)));
        }
        if featured {
            found.push(Some(weight_gradient(&arena, dy, d, &features, width).into_vec()));
            found.push(Some(column_sums(dy, d)));
        }
        found
    })
}

/// Rows of x by index: `[rows.len(), width]`.
pub(super) fn gather(recorder: &mut Recorder, x: &Node, rows: &[u32]) -> Result<Node, CpuError> {
    let arena = recorder.arena.clone();
    let (n, d) = x.shape();
    let values = recorder.values(x);
    let mut y = arena.take(rows.len() * d);
    for (y, &row) in y.chunks_exact_mut(d).zip(rows) {
        y.copy_from_slice(&values[row as usize * d..][..d]);
    }
    let rows = rows.to_vec();
    recorder.record(y.into_vec(), (rows.len(), d), vec![x.clone()], move |dy, _| {
        let mut dx = arena.zeros(n * d);
        for (dy, &row) in dy.chunks_exact(d).zip(&rows) {
            add(&mut dx[row as usize * d..][..d], dy);
        }
        vec![Some(dx.into_vec())]
    })
}

/// x Wᵀ + b: `[rows, out]`.
pub(super) fn affine(recorder: &mut Recorder, x: &Node, pair: &[Node; 2]) -> Result<Node, CpuError> {
    let arena = recorder.arena.clone();
    let (rows, k) = x.shape();
    let n = pair[0].shape().0;
    let (x_values, values) = (recorder.values(x), recorder.affine(pair));
    let mut y = arena.take(rows * n);
    values.affine().apply(&x_values, &mut y);
    let arguments = vec![x.clone(), pair[0].clone(), pair[1].clone()];
    recorder.record(y.into_vec(), (rows, n), arguments, move |dy, wanted| {
        let dx = wanted[0].then(|| {
            let mut dx = arena.take(rows * k);
            values.affine().back_all(dy, &mut dx);
            dx.into_vec()
        });
        let dw = wanted[1].then(|| weight_gradient(&arena, dy, n, &x_values, k).into_vec());
        vec![dx, dw, wanted[2].then(|| column_sums(dy, n))]
    })
}

/// GELU, elementwise.
pub(super) fn activate(recorder: &mut Recorder, x: &Node) -> Result<Node, CpuError> {
    let values = recorder.values(x);
    let mut y = recorder.arena.take(values.len());
    vectorised(
        #[inline(always)]
        || {
            for (y, x) in y.iter_mut().zip(values.iter()) {
                *y = gelu(*x);
            }
        },
    );
    recorder.record(y.into_vec(), x.shape(), vec![x.clone()], move |dy, _| {
        let mut dx = values;
        vectorised(
            #[inline(always)]
            || {
                for (dx, dy) in dx.iter_mut().zip(dy) {
                    *dx = dy * gelu_and_slope(*dx).1;
                }
            },
        );
        vec![Some(dx.into_vec())]
    })
}

/// Layer normalisation of rows.
pub(super) fn normalise(
    recorder: &mut Recorder,
    epsilon: f32,
    x: &Node,
    [scale, shift]: &[Node; 2],
) -> Result<Node, CpuError> {
    let arena = recorder.arena.clone();
    let (rows, d) = x.shape();
    let values = [recorder.values(x), recorder.values(scale), recorder.values(shift)];
    let mut y = arena.take(rows * d);
    let mut statistics = arena.take(rows * STATISTICS);
    let norm = Normalise { scale: &values[1], shift: &values[2], epsilon };
    (values[0].par_chunks(ROWS * d), y.par_chunks_mut(ROWS * d), statistics.par_chunks_mut(ROWS * STATISTICS))
        .into_par_iter()
        .for_each(|(x, y, statistics)| norm.rows(x, y, statistics));
    let arguments = vec![x.clone(), scale.clone(), shift.clone()];
    recorder.record(y.into_vec(), (rows, d), arguments, move |dy, _| {
        let norm = Normalise { scale: &values[1], shift: &values[2], epsilon };
        let mut dx = arena.take(rows * d);
        let (scale, shift) = norm.back_all(dy, &values[0], &statistics, &mut dx, false);
        vec![Some(dx.into_vec()), Some(scale), Some(shift)]
    })
}

/// x + y.
pub(super) fn sum(recorder: &mut Recorder, x: &Node, y: &Node) -> Result<Node, CpuError> {
    let (mut total, other) = (recorder.values(x), recorder.values(y));
    vectorised(|| add(&mut total, &other));
    let arguments = vec![x.clone(), y.clone()];
    recorder.record(total.into_vec(), x.shape(), arguments, |dy, _| vec![Some(dy.to_vec()), Some(dy.to_vec())])
}

/// Mean over rows of −log softmax(logits)[target], `[1, 1]`; 0 of no rows.
pub(super) fn cross_entropy(recorder: &mut Recorder, logits: &Node, targets: &[u32]) -> Result<Node, CpuError> {
    let (rows, n) = logits.shape();
    let mut slopes = recorder.values(logits); // becomes softmax − target, over the number of rows
    let losses: Vec<f64> = slopes
        .par_chunks_mut(n)
        .zip(targets)
        .map(|(row, &target)| {
            let mut row64 = 0.0_f64;
            vectorised(
                #[inline(always)]
                || {
                    let chosen = row[target as usize];
                    let top = max(row);
                    for x in row.iter_mut() {
                        *x = super::simd::exp(*x - top);
                    }
                    let total = sum_with(row, row, |x, _| x);
                    let scale = 1.0 / (total * rows as f32);
                    for x in row.iter_mut() {
                        *x *= scale;
                    }
                    row[target as usize] -= 1.0 / rows as f32;
                    row64 = f64::from(top) + f64::from(total).ln() - f64::from(chosen);
                },
            );
            row64
        })
        .collect();
    let mean = losses.iter().sum::<f64>() / (rows.max(1) as f64);
    recorder.record(vec![mean as f32], (1, 1), vec![logits.clone()], move |d, _| {
        for x in slopes.iter_mut() {
            *x *= d[0];
        }
        vec![Some(slopes.into_vec())]
    })
}
