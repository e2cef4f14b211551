//! Layer normalisation of rows: y = (x − mean)/√(variance + ε) · scale + shift.

use rayon::prelude::*;

use super::product::{ROWS, sum_of};
use super::simd::{sum, sum_with, sum_with_three, vectorised};

/// A normalisation: scale and shift `[width]`.
#[derive(Clone, Copy)]
pub(super) struct Normalise<'a> {
    pub scale: &'a [f32],
    pub shift: &'a [f32],
    pub epsilon: f32,
}

/// Numbers that the backward pass needs of each row: mean, and 1/√(variance + ε).
pub(super) const STATISTICS: usize = 2;

impl Normalise<'_> {
    /// Width of a row.
    pub(super) fn width(&self) -> usize {
        self.scale.len()
    }

    /// y = norm(x) for some rows, on one thread; `statistics` is `[rows, 2]`.
    pub(super) fn rows(&self, x: &[f32], y: &mut [f32], statistics: &mut [f32]) {
        let d = self.width();
        vectorised(
            #[inline(always)]
            || {
                let (scale, shift, epsilon) = (&self.scale[..d], &self.shift[..d], self.epsilon);
                let rows = x.chunks_exact(d).zip(y.chunks_exact_mut(d)).zip(statistics.chunks_exact_mut(STATISTICS));
                for ((x, y), statistics) in rows {
                    let mean = sum(x) / d as f32;
                    let variance = sum_with(x, x, |a, _| (a - mean) * (a - mean)) / d as f32;
                    let inverse = 1.0 / (variance + epsilon).sqrt();
                    for (((y, x), scale), shift) in y.iter_mut().zip(x).zip(scale).zip(shift) {
                        *y = (x - mean) * inverse * scale + shift;
                    }
                    statistics[0] = mean;
                    statistics[1] = inverse;
                }
            },
        );
    }

    /// dx (+)= ∂norm/∂x for some rows, on one thread; gives this block's sums for scale and shift, `[2 width]`.
    pub(super) fn back(&self, dy: &[f32], x: &[f32], statistics: &[f32], dx: &mut [f32], accumulate: bool) -> Vec<f32> {
        let d = self.width();
        let mut sums = vec![0.0_f32; 2 * d];
        let (scales, shifts) = sums.split_at_mut(d);
        vectorised(
            #[inline(always)]
            || {
                let scale = &self.scale[..d];
                let rows = dy.chunks_exact(d).zip(x.chunks_exact(d)).zip(statistics.chunks_exact(STATISTICS));
                for (((dy, x), statistics), dx) in rows.zip(dx.chunks_exact_mut(d)) {
                    let (mean, inverse) = (statistics[0], statistics[1]);
                    let along = sum_with(dy, scale, |a, b| a * b) / d as f32;
                    for (((scale, shift), dy), x) in scales.iter_mut().zip(shifts.iter_mut()).zip(dy).zip(x) {
                        *scale += dy * ((x - mean) * inverse);
                        *shift += dy;
                    }
                    let across = sum_with_three(dy, scale, x, |a, b, v| a * b * ((v - mean) * inverse)) / d as f32;
                    for (((dx, dy), x), scale) in dx.iter_mut().zip(dy).zip(x).zip(scale) {
                        let slope = inverse * (dy * scale - along - (x - mean) * inverse * across);
                        *dx = if accumulate { *dx + slope } else { slope };
                    }
                }
            },
        );
        sums
    }

    /// All rows, on all threads: writes dx, gives the gradients of scale and shift.
    pub(super) fn back_all(
        &self,
        dy: &[f32],
        x: &[f32],
        statistics: &[f32],
        dx: &mut [f32],
        accumulate: bool,
    ) -> (Vec<f32>, Vec<f32>) {
        let d = self.width();
        let blocks = (
            dy.par_chunks(ROWS * d),
            x.par_chunks(ROWS * d),
            statistics.par_chunks(ROWS * STATISTICS),
            dx.par_chunks_mut(ROWS * d),
        );
        let partial: Vec<Vec<f32>> = blocks
            .into_par_iter()
            .map(|(dy, x, statistics, dx)| self.back(dy, x, statistics, dx, accumulate))
            .collect();
        let mut scales = sum_of(partial, 2 * d);
        let shifts = scales.split_off(d);
        (scales, shifts)
    }
}
