//! Elementwise arithmetic that the compiler vectorises, for the widest instructions that the processor has at run time.
//!
//! Loops are written over slices without fused multiply-adds, and sums over fixed lanes; so their results are the same on
//! every processor.

use std::sync::OnceLock;

/// Lanes of a sum: the order of additions is fixed by them, not by the width of registers.
const LANES: usize = 16;

/// Runs a closure compiled for the widest instructions there are. What it calls must be `#[inline(always)]`.
#[inline]
pub(super) fn vectorised<R>(f: impl FnOnce() -> R) -> R {
    static ARCH: OnceLock<pulp::Arch> = OnceLock::new();
    ARCH.get_or_init(pulp::Arch::new).dispatch(f)
}

/// eˣ to within 2 units in the last place, for x in [−87.3, 88]; outside it is clamped. Method: Cephes' `expf`.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    const MAGIC: f32 = 12_582_912.0; // 1.5 · 2²³: adding it rounds to an integer, left in the low bits
    let x = x.clamp(-87.3, 88.0);
    let shifted = x * std::f32::consts::LOG2_E + MAGIC;
    let n = shifted - MAGIC;
    let r = (x - n * 0.693_359_4) - n * -2.121_944_4e-4;
    let mut p = 1.987_569_1e-4_f32;
    p = p * r + 1.398_199_9e-3;
    p = p * r + 8.333_452e-3;
    p = p * r + 4.166_579_6e-2;
    p = p * r + 1.666_666_5e-1;
    p = p * r + 5e-1;
    let scale = f32::from_bits(shifted.to_bits().wrapping_sub(MAGIC.to_bits()).wrapping_add(127) << 23);
    (p * r * r + r + 1.0) * scale
}

/// The standard normal distribution function to 3e-7 absolutely: a rational approximation of erf (that of Eigen's
/// `generic_fast_erf_float`).
#[inline(always)]
pub(super) fn normal_cdf(x: f32) -> f32 {
    let x = (x * std::f32::consts::FRAC_1_SQRT_2).clamp(-4.0, 4.0);
    let s = x * x;
    let mut p = -2.726_142_3e-10_f32;
    p = p * s + 2.770_681_4e-8;
    p = p * s + -2.101_024e-6;
    p = p * s + -5.692_506_3e-5;
    p = p * s + -7.349_906_4e-4;
    p = p * s + -2.954_6e-3;
    p = p * s + -1.609_603_3e-2;
    let mut q = -1.456_607_2e-5_f32;
    q = q * s + -2.133_740_5e-4;
    q = q * s + -1.682_827e-3;
    q = q * s + -7.373_329_4e-3;
    q = q * s + -1.426_473_9e-2;
    0.5 + 0.5 * (x * p / q)
}

/// GELU, x Φ(x), in its exact form.
#[inline(always)]
pub(super) fn gelu(x: f32) -> f32 {
    x * normal_cdf(x)
}

/// GELU and its derivative, Φ(x) + x φ(x).
#[inline(always)]
pub(super) fn gelu_and_slope(x: f32) -> (f32, f32) {
    let cdf = normal_cdf(x);
    (x * cdf, cdf + x * exp(-0.5 * x * x) * 0.398_942_3)
}

/// Σ f(aᵢ, bᵢ), in an order that only the length fixes.
#[inline(always)]
pub(super) fn sum_with(a: &[f32], b: &[f32], f: impl Fn(f32, f32) -> f32) -> f32 {
    sum_with_three(a, b, a, |x, y, _| f(x, y))
}

/// Σ f(aᵢ, bᵢ, cᵢ), in an order that only the length fixes.
#[inline(always)]
pub(super) fn sum_with_three(a: &[f32], b: &[f32], c: &[f32], f: impl Fn(f32, f32, f32) -> f32) -> f32 {
    let mut lanes = [0.0_f32; LANES];
    let (mut xs, mut ys, mut zs) = (a.chunks_exact(LANES), b.chunks_exact(LANES), c.chunks_exact(LANES));
    for ((x, y), z) in (&mut xs).zip(&mut ys).zip(&mut zs) {
        for i in 0..LANES {
            lanes[i] += f(x[i], y[i], z[i]);
        }
    }
    for (i, ((x, y), z)) in xs.remainder().iter().zip(ys.remainder()).zip(zs.remainder()).enumerate() {
        lanes[i] += f(*x, *y, *z);
    }
    let mut width = LANES / 2;
    while width > 0 {
        for i in 0..width {
            lanes[i] += lanes[i + width];
        }
        width /= 2;
    }
    lanes[0]
}

/// The inner product.
#[inline(always)]
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    sum_with(a, b, |x, y| x * y)
}

/// Σ aᵢ.
#[inline(always)]
pub(super) fn sum(a: &[f32]) -> f32 {
    sum_with(a, a, |x, _| x)
}

/// The largest element; −∞ of none.
#[inline(always)]
pub(super) fn max(a: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let mut chunks = a.chunks_exact(LANES);
    for x in &mut chunks {
        for i in 0..LANES {
            lanes[i] = if x[i] > lanes[i] { x[i] } else { lanes[i] };
        }
    }
    let rest = chunks.remainder().iter().copied();
    lanes.into_iter().chain(rest).fold(f32::NEG_INFINITY, f32::max)
}

/// y += x.
#[inline(always)]
pub(super) fn add(y: &mut [f32], x: &[f32]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y += x;
    }
}

/// Replaces scores by softmax(scores), and gives the logarithm of the sum of exponentials.
#[inline(always)]
pub(super) fn softmax(scores: &mut [f32]) -> f32 {
    let top = max(scores);
    for s in scores.iter_mut() {
        *s = exp(*s - top);
    }
    let total = sum(scores);
    let inverse = 1.0 / total;
    for s in scores.iter_mut() {
        *s *= inverse;
    }
    top + total.ln()
}
