//! The operations of a layer, composed of dfdx's.

use std::f32::consts::{PI, SQRT_2};

use dfdx::shapes::{Axes2, Axes3, Axis, HasShape};
use dfdx::tensor::{PutTape, SplitTape, WithEmptyTape};
use dfdx::tensor_ops::{
    BroadcastTo, Device as Kernels, GatherTo, PermuteTo, ReshapeTo, SelectTo, SumTo, TryAdd, TryMatMul, TryMul,
};

use super::Taped;
use super::layout::{Index, Layout, Mask};

/// The parameters of an attention.
pub(super) struct AttendNodes<D: Kernels<f32>> {
    pub query: [Taped<D>; 2],
    pub key_value: [Taped<D>; 2],
    pub projection: [Taped<D>; 2],
}

/// A row, `[1, width]`, as each of several.
fn repeated<D: Kernels<f32>>(row: Taped<D>, rows: usize) -> Result<Taped<D>, D::Err> {
    let width = row.shape().1;
    row.try_reshape_like(&(width,))?.try_broadcast_like::<_, Axis<0>>(&(rows, width))
}

/// x Wᵀ + b: `[rows, out]`.
pub(super) fn affine<D: Kernels<f32>>(x: Taped<D>, [weight, bias]: [Taped<D>; 2]) -> Result<Taped<D>, D::Err> {
    let rows = x.shape().0;
    let product = x.try_matmul(weight.try_permute::<_, Axes2<1, 0>>()?)?;
    product.try_add(repeated(bias, rows)?)
}

/// Layer normalisation of rows.
pub(super) fn normalise<D: Kernels<f32>>(
    epsilon: f32,
    x: Taped<D>,
    [scale, shift]: [Taped<D>; 2],
) -> Result<Taped<D>, D::Err> {
    let rows = x.shape().0;
    x.try_normalize::<Axis<1>>(epsilon)?.try_mul(repeated(scale, rows)?)?.try_add(repeated(shift, rows)?)
}

/// Rows of x by index: `[rows.len(), width]`.
pub(super) fn gather<D: Kernels<f32>>(x: Taped<D>, rows: &Index<D>) -> Result<Taped<D>, D::Err> {
    x.try_gather(rows.clone())
}

/// GELU, elementwise: x Φ(x).
///
/// dfdx's `accurate_gelu` (0.13.0) has the right values, but as derivative Φ(x) + √2 x φ(x), on either device. What is too
/// much, (√2 − 1) x φ(x), is the derivative of −(√2 − 1) φ(x): so e = (√2 − 1) φ(x) is added, and its value subtracted, which
/// adds nothing to the value and leaves Φ(x) + x φ(x) as derivative.
pub(super) fn gelu<D: Kernels<f32>>(x: Taped<D>) -> Result<Taped<D>, D::Err> {
    let factor = (SQRT_2 - 1.0) / (2.0 * PI).sqrt();
    let e = x.with_empty_tape().try_square()?.try_mul(-0.5)?.try_exp()?.try_mul(factor)?;
    let (e, tape) = e.split_tape();
    let negative = e.clone().try_negate()?;
    let nothing = e.put_tape(tape).try_add(negative)?;
    x.try_accurate_gelu()?.try_add(nothing)
}

/// Multi-head attention and its projection: queries from x `[rows, width]`, keys and values from `memory`
/// `[memory rows, memory width]`.
pub(super) fn attention<D: Kernels<f32>>(
    x: Taped<D>,
    memory: Taped<D>,
    nodes: AttendNodes<D>,
    layout: &Layout<D>,
) -> Result<Taped<D>, D::Err> {
    let Layout { sequences, heads, queries, keys, .. } = *layout;
    let (rows, memory_rows) = (x.shape().0, memory.shape().0);
    let q = affine(x, nodes.query)?; // (rows, width)
    let kv = affine(memory, nodes.key_value)?; // (memory rows, 2 width)
    let (d, batch) = (q.shape().1, sequences * heads);
    let w = d / heads;
    let q = gather(q.try_reshape_like(&(rows * heads, w))?, &layout.query)?;
    let q = q.try_reshape_like(&(batch, queries, w))?.try_mul(1.0 / (w as f32).sqrt())?;
    let kv = kv.try_reshape_like(&(2 * memory_rows * heads, w))?;
    let k = gather(kv.with_empty_tape(), &layout.key)?.try_reshape_like(&(batch, keys, w))?;
    let v = gather(kv, &layout.value)?.try_reshape_like(&(batch, keys, w))?;
    let scores = q.try_matmul(k.try_permute::<_, Axes3<0, 2, 1>>()?)?; // (sequences · heads, queries, keys)
    let shape = (sequences, heads, queries, keys);
    let mask = match &layout.mask {
        Mask::Keys(mask) => mask.clone().try_broadcast_like::<_, Axes2<1, 2>>(&shape)?,
        Mask::Causal(mask) => mask.clone().try_broadcast_like::<_, Axes2<0, 1>>(&shape)?,
    };
    let scores = scores.try_reshape_like(&shape)?.try_add(mask)?.try_reshape_like(&(batch, queries, keys))?;
    let out = scores.try_softmax::<Axis<2>>()?.try_matmul(v)?; // (sequences · heads, queries, head width)
    let out = gather(out.try_reshape_like(&(batch * queries, w))?, &layout.back)?.try_reshape_like(&(rows, d))?;
    affine(out, nodes.projection)
}

/// Mean over rows of −log softmax(logits)[target], `[1, 1]`.
pub(super) fn cross_entropy<D: Kernels<f32>>(logits: Taped<D>, targets: Index<D>) -> Result<Taped<D>, D::Err> {
    let rows = logits.shape().0 as f32;
    let chosen = logits.try_log_softmax::<Axis<1>>()?.try_select::<(usize,), _>(targets)?;
    chosen.try_sum::<(), _>()?.try_mul(-1.0 / rows)?.try_reshape_like(&(1, 1))
}
