//! Attention over ragged sequences: no padding, so no mask but the causal one.
//!
//! One kernel serves self-attention and cross-attention. Queries are `[rows, width]`; keys and values stand side by side,
//! `[memory rows, 2 width]`. Each sequence is one task, so results do not depend on threads. The backward pass computes the
//! probabilities again from the saved log-sum-exp of each row: that takes less memory traffic than saving them.

use std::ops::Range;

use rayon::prelude::*;

use super::arena::Arena;
use super::product::{View, multiply};
use super::simd::{dot, exp, softmax, vectorised};

/// The rows of each sequence among the queries, and among the keys.
#[derive(Clone, Debug)]
pub(super) struct Sequences {
    /// Where each sequence begins in the rows of queries; then their number.
    pub queries: Vec<usize>,
    /// Where each sequence begins in the rows of keys; then their number.
    pub keys: Vec<usize>,
}

/// The form of an attention.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form {
    pub width: usize,
    pub heads: usize,
    /// Row i sees rows up to i only.
    pub causal: bool,
}

impl Form {
    fn head_width(&self) -> usize {
        self.width / self.heads
    }

    fn scale(&self) -> f32 {
        1.0 / (self.head_width() as f32).sqrt()
    }
}

/// Cuts a buffer into one slice a sequence.
fn cut<'a>(mut values: &'a mut [f32], offsets: &[usize], stride: usize) -> Vec<&'a mut [f32]> {
    let mut parts = Vec::with_capacity(offsets.len());
    for pair in offsets.windows(2) {
        let (part, rest) = values.split_at_mut((pair[1] - pair[0]) * stride);
        parts.push(part);
        values = rest;
    }
    parts
}

impl Sequences {
    fn count(&self) -> usize {
        self.queries.len().saturating_sub(1)
    }

    fn ranges(&self, i: usize) -> (Range<usize>, Range<usize>) {
        (self.queries[i]..self.queries[i + 1], self.keys[i]..self.keys[i + 1])
    }
}

/// Attention: writes `out` `[rows, width]` and the log-sum-exp of each row's scores, `[rows, heads]`.
pub(super) fn forward(
    form: Form,
    sequences: &Sequences,
    arena: &Arena,
    (query, key_value): (&[f32], &[f32]),
    out: &mut [f32],
    log_sums: &mut [f32],
) {
    let (d, h, w) = (form.width, form.heads, form.head_width());
    let outs = cut(out, &sequences.queries, d);
    let logs = cut(log_sums, &sequences.queries, h);
    let tasks: Vec<_> = outs.into_iter().zip(logs).enumerate().collect();
    tasks.into_par_iter().for_each(|(i, (out, log_sums))| {
        let (q, k) = sequences.ranges(i);
        let (m, n) = (q.len(), k.len());
        if n == 0 || m == 0 {
            out.fill(0.0);
            log_sums.fill(0.0);
            return;
        }
        let (query, key_value) = (&query[q.start * d..q.end * d], &key_value[k.start * 2 * d..k.end * 2 * d]);
        let mut scores = arena.take(m * n);
        for head in 0..h {
            let queries = View::rows(&query[head * w..], d);
            let keys = View::rows(&key_value[head * w..], 2 * d);
            let values = View::rows(&key_value[d + head * w..], 2 * d);
            multiply((m, n, w), &mut scores, n, false, form.scale(), queries, keys.transposed());
            vectorised(
                #[inline(always)]
                || {
                    for (row, scores) in scores.chunks_exact_mut(n).enumerate() {
                        let (seen, hidden) = scores.split_at_mut(if form.causal { (row + 1).min(n) } else { n });
                        log_sums[row * h + head] = softmax(seen);
                        hidden.fill(0.0);
                    }
                },
            );
            multiply((m, w, n), &mut out[head * w..], d, false, 1.0, View::rows(&scores, n), values);
        }
    });
}

/// The probabilities of one layer's attention in one sequence.
#[derive(Clone, Debug, PartialEq)]
pub struct AttentionMap {
    /// Heads.
    pub heads: usize,
    /// Rows that read.
    pub queries: usize,
    /// Rows that are read.
    pub keys: usize,
    /// How much of each row's attention each row gets, `[heads, queries, keys]`; each row sums to 1.
    pub values: Vec<f32>,
}

/// The probabilities of each sequence, from what [`forward`] worked with and gave.
pub(super) fn maps(
    form: Form,
    sequences: &Sequences,
    (query, key_value): (&[f32], &[f32]),
    log_sums: &[f32],
) -> Vec<AttentionMap> {
    let (d, h, w) = (form.width, form.heads, form.head_width());
    let map = |i: usize| {
        let (q, k) = sequences.ranges(i);
        let mut values = Vec::with_capacity(h * q.len() * k.len());
        for head in 0..h {
            let columns = head * w..(head + 1) * w;
            for (row, at) in q.clone().enumerate() {
                let query = &query[at * d..][columns.clone()];
                let seen = if form.causal { row + 1 } else { k.len() };
                values.extend(k.clone().enumerate().map(|(column, key)| {
                    let score = form.scale() * dot(query, &key_value[key * 2 * d..][columns.clone()]);
                    if column < seen { (score - log_sums[at * h + head]).exp() } else { 0.0 }
                }));
            }
        }
        AttentionMap { heads: h, queries: q.len(), keys: k.len(), values }
    };
    (0..sequences.count()).map(map).collect()
}

/// What the forward pass leaves for the backward pass.
pub(super) struct Saved<'a> {
    pub query: &'a [f32],
    pub key_value: &'a [f32],
    pub out: &'a [f32],
    pub log_sums: &'a [f32],
}

/// The backward pass: writes all of `d_query` and `d_key_value`.
pub(super) fn backward(
    form: Form,
    sequences: &Sequences,
    arena: &Arena,
    saved: &Saved<'_>,
    d_out: &[f32],
    d_query: &mut [f32],
    d_key_value: &mut [f32],
) {
    let (d, h, w) = (form.width, form.heads, form.head_width());
    let d_queries = cut(d_query, &sequences.queries, d);
    let d_keys = cut(d_key_value, &sequences.keys, 2 * d);
    debug_assert_eq!(d_queries.len(), sequences.count());
    let tasks: Vec<_> = d_queries.into_iter().zip(d_keys).enumerate().collect();
    tasks.into_par_iter().for_each(|(i, (d_query, d_key_value))| {
        let (q, k) = sequences.ranges(i);
        let (m, n) = (q.len(), k.len());
        if n == 0 || m == 0 {
            d_query.fill(0.0);
            d_key_value.fill(0.0);
            return;
        }
        let query = &saved.query[q.start * d..q.end * d];
        let key_value = &saved.key_value[k.start * 2 * d..k.end * 2 * d];
        let (out, d_out) = (&saved.out[q.start * d..q.end * d], &d_out[q.start * d..q.end * d]);
        let log_sums = &saved.log_sums[q.start * h..q.end * h];
        let (mut p, mut ds) = (arena.take(m * n), arena.take(m * n));
        for head in 0..h {
            let queries = View::rows(&query[head * w..], d);
            let keys = View::rows(&key_value[head * w..], 2 * d);
            let values = View::rows(&key_value[d + head * w..], 2 * d);
            let d_outs = View::rows(&d_out[head * w..], d);
            multiply((m, n, w), &mut p, n, false, form.scale(), queries, keys.transposed());
            multiply((m, n, w), &mut ds, n, false, 1.0, d_outs, values.transposed());
            vectorised(
                #[inline(always)]
                || {
                    // Locals, not fields: a loop that reads what it might write is not vectorised.
                    let scale = form.scale();
                    for (row, (p, ds)) in p.chunks_exact_mut(n).zip(ds.chunks_exact_mut(n)).enumerate() {
                        let at = row * d + head * w..row * d + (head + 1) * w;
                        let delta = dot(&out[at.clone()], &d_out[at]);
                        let log_sum = log_sums[row * h + head];
                        let seen = if form.causal { (row + 1).min(n) } else { n };
                        for (p, ds) in p[..seen].iter_mut().zip(&mut ds[..seen]) {
                            *p = exp(*p - log_sum);
                            *ds = *p * (*ds - delta) * scale;
                        }
                        p[seen..].fill(0.0);
                        ds[seen..].fill(0.0);
                    }
                },
            );
            let (p, ds) = (View::rows(&p, n), View::rows(&ds, n));
            multiply((m, w, n), &mut d_query[head * w..], d, false, 1.0, ds, keys);
            multiply((n, w, m), &mut d_key_value[head * w..], 2 * d, false, 1.0, ds.transposed(), queries);
            multiply((n, w, m), &mut d_key_value[d + head * w..], 2 * d, false, 1.0, p.transposed(), d_outs);
        }
    });
}
