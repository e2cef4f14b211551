//! The attention half of a layer as one operation: normalisation, queries, keys and values, attention, projection and
//! residual.
//!
//! With normalisation before (`Norm::Pre`): y = x + P(A(norm x)); after (`Norm::Post`): y = norm(x + P(A(x))). Keys and
//! values come from the same rows, or from a memory of other rows.

use dfdx::tensor::CpuError;
use rayon::prelude::*;

use super::attention::{self, Form, Saved, Sequences};
use super::config::Norm;
use super::norm::{Normalise, STATISTICS};
use super::product::{ROWS, column_sums, weight_gradient};
use super::record::{Node, Recorder};
use super::simd::{add, vectorised};

/// The parameters of the operation, in the order of its arguments.
#[derive(Clone)]
pub(super) struct AttendNodes {
    pub norm: [Node; 2],
    pub query: [Node; 2],
    pub key_value: [Node; 2],
    pub projection: [Node; 2],
}

/// The form of the operation.
#[derive(Clone, Copy)]
pub(super) struct AttendForm {
    pub norm: Norm,
    pub epsilon: f32,
    pub attention: Form,
}

/// Applies it to x `[rows, width]`; `memory` `[memory rows, memory width]` is what keys and values come from, or `None`
/// for self-attention.
pub(super) fn attend(
    recorder: &mut Recorder,
    form: AttendForm,
    sequences: Sequences,
    x: &Node,
    memory: Option<&Node>,
    nodes: &AttendNodes,
) -> Result<Node, CpuError> {
    let arena = recorder.arena.clone();
    let (rows, d) = x.shape();
    let h = form.attention.heads;
    let parameters = [&nodes.norm, &nodes.query, &nodes.key_value, &nodes.projection];
    let norm_values = [recorder.values(&nodes.norm[0]), recorder.values(&nodes.norm[1])];
    let maps = [&nodes.query, &nodes.key_value, &nodes.projection].map(|pair| recorder.affine(pair));
    let mut x_values = recorder.values(x);
    let memory_values = memory.map(|m| recorder.values(m));
    let memory_rows = memory.map_or(rows, |m| m.shape().0);

    let norm = Normalise { scale: &norm_values[0], shift: &norm_values[1], epsilon: form.epsilon };
    let [query, key_value, projection] = [0, 1, 2].map(|i: usize| maps[i].affine());
    let mut normal = arena.take(if form.norm == Norm::Pre { rows * d } else { 0 }); // (rows, width)
    let mut statistics = arena.take(rows * STATISTICS);
    let mut q = arena.take(rows * d); // (rows, width)
    let mut kv = arena.take(memory_rows * 2 * d); // (memory rows, 2 width)
    if form.norm == Norm::Pre {
        (x_values.par_chunks(ROWS * d), normal.par_chunks_mut(ROWS * d), statistics.par_chunks_mut(ROWS * STATISTICS))
            .into_par_iter()
            .for_each(|(x, y, statistics)| norm.rows(x, y, statistics));
    }
    let input = if form.norm == Norm::Pre { &normal } else { &x_values };
    query.apply(input, &mut q);
    key_value.apply(memory_values.as_ref().unwrap_or(input), &mut kv);
    let mut out = arena.take(rows * d);
    let mut log_sums = arena.take(rows * h);
    attention::forward(form.attention, &sequences, &arena, (&q, &kv), &mut out, &mut log_sums);
    if let Some(maps) = &mut recorder.maps {
        maps.extend(attention::maps(form.attention, &sequences, (&q, &kv), &log_sums));
    }
    let mut y = arena.take(rows * d);
    (
        x_values.par_chunks_mut(ROWS * d),
        out.par_chunks(ROWS * d),
        y.par_chunks_mut(ROWS * d),
        statistics.par_chunks_mut(ROWS * STATISTICS),
    )
        .into_par_iter()
        .for_each(|(x, out, y, statistics)| match form.norm {
            Norm::Pre => {
                y.copy_from_slice(x);
                projection.rows_onto(out, y);
            }
            Norm::Post => {
                y.copy_from_slice(x);
                projection.rows_onto(out, y);
                norm.rows(y, x, statistics);
                x.swap_with_slice(y);
            }
        });
    // With normalisation after, `x_values` now holds the sum before it: the input is read again below.
    let before = (form.norm == Norm::Post).then(|| recorder.values(x));

    let mut arguments = vec![x.clone()];
    arguments.extend(parameters.iter().flat_map(|p| p.iter().cloned()));
    arguments.extend(memory.cloned());
    recorder.record(y.into_vec(), (rows, d), arguments, move |dy, wanted| {
        let norm = Normalise { scale: &norm_values[0], shift: &norm_values[1], epsilon: form.epsilon };
        let [query, key_value, projection] = [0, 1, 2].map(|i: usize| maps[i].affine());
        let mut dx = arena.take(rows * d);
        let mut norm_gradients = None;
        // The gradient of the sum of residual and projection.
        match form.norm {
            Norm::Pre => dx.copy_from_slice(dy),
            Norm::Post => norm_gradients = Some(norm.back_all(dy, &x_values, &statistics, &mut dx, false)),
        }
        let mut d_out = arena.take(rows * d);
        projection.back_all(&dx, &mut d_out);
        let (mut dq, mut dkv) = (arena.take(rows * d), arena.take(memory_rows * 2 * d));
        let saved = Saved { query: &q, key_value: &kv, out: &out, log_sums: &log_sums };
        attention::backward(form.attention, &sequences, &arena, &saved, &d_out, &mut dq, &mut dkv);
        drop(d_out);
        let input = before.as_ref().unwrap_or(if form.norm == Norm::Pre { &normal } else { &x_values });
        let source = memory_values.as_ref().unwrap_or(input);
        let width = source.len() / memory_rows.max(1);
        let mut found = vec![None; 9];
        if wanted[1] {
            let (wq, (wkv, wp)) = rayon::join(
                || weight_gradient(&arena, &dq, d, input, d),
                || {
                    rayon::join(
                        || weight_gradient(&arena, &dkv, 2 * d, source, width),
                        || weight_gradient(&arena, &dx, d, &out, d),
                    )
                },
            );
            found[3] = Some(wq.into_vec());
            found[4] = Some(column_sums(&dq, d));
            found[5] = Some(wkv.into_vec());
            found[6] = Some(column_sums(&dkv, 2 * d));
            found[7] = Some(wp.into_vec());
            found[8] = Some(column_sums(&dx, d));
        }
        // The gradient of what queries (and keys and values) were made of.
        let mut d_input = arena.take(rows * d);
        query.back_all(&dq, &mut d_input);
        if memory_values.is_some() {
            let mut d_memory = arena.take(memory_rows * width);
            key_value.back_all(&dkv, &mut d_memory);
            found.push(Some(d_memory.into_vec()));
        } else {
            (d_input.par_chunks_mut(ROWS * d), dkv.par_chunks(ROWS * 2 * d))
                .into_par_iter()
                .for_each(|(d_input, dkv)| key_value.back(dkv, d_input, true));
        }
        match form.norm {
            Norm::Pre => {
                norm_gradients = Some(norm.back_all(&d_input, &x_values, &statistics, &mut dx, true));
            }
            Norm::Post => vectorised(|| add(&mut dx, &d_input)),
        }
        if let Some((scale, shift)) = norm_gradients {
            found[1] = Some(scale);
            found[2] = Some(shift);
        }
        found[0] = Some(dx.into_vec());
        found
    })
}
