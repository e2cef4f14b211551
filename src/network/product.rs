//! Matrix products: all of them through the `gemm` crate, cut into fixed blocks of rows, so that a result never depends on
//! the number of threads.
//!
//! Matrices are row-major. Weights are `[out, in]`, as PyTorch stores them.
#![allow(unsafe_code)] // `gemm::gemm` takes pointers; lengths are checked here, in one place

use rayon::prelude::*;

use super::arena::{Arena, Buffer};
use super::simd::{add, vectorised};

/// Rows of one task.
pub(super) const ROWS: usize = 128;

/// Rows of a weight's gradient in one task.
const GRADIENT_ROWS: usize = 128;

/// A matrix in a slice: element (i, j) is at `i * row + j * column`.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub values: &'a [f32],
    pub row: usize,
    pub column: usize,
}

impl<'a> View<'a> {
    /// Rows of `stride` elements.
    pub(super) fn rows(values: &'a [f32], stride: usize) -> Self {
        Self { values, row: stride, column: 1 }
    }

    /// The transpose.
    pub(super) fn transposed(self) -> Self {
        Self { values: self.values, row: self.column, column: self.row }
    }

    fn reach(&self, rows: usize, columns: usize) -> usize {
        if rows == 0 || columns == 0 { 0 } else { (rows - 1) * self.row + (columns - 1) * self.column + 1 }
    }
}

/// y = beta y + alpha a b, with a `[m, k]`, b `[k, n]`, y `[m, n]` in rows of `stride`; beta is 0 or 1. On one thread.
#[allow(clippy::too_many_arguments)]
pub(super) fn multiply(
    (m, n, k): (usize, usize, usize),
    y: &mut [f32],
    stride: usize,
    accumulate: bool,
    alpha: f32,
    a: View<'_>,
    b: View<'_>,
) {
    if m == 0 || n == 0 {
        return;
    }
    assert!(View::rows(y, stride).reach(m, n) <= y.len() && n <= stride, "the result of a product is too short");
    assert!(a.reach(m, k) <= a.values.len() && b.reach(k, n) <= b.values.len(), "a factor of a product is too short");
    // SAFETY: the last element that is touched of each of the three matrices lies within its slice, as just checked, and
    // `y` is borrowed mutably, so nothing else touches it.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            y.as_mut_ptr(),
            1,
            stride as isize,
            accumulate,
            a.values.as_ptr(),
            a.column as isize,
            a.row as isize,
            b.values.as_ptr(),
            b.column as isize,
            b.row as isize,
            1.0,
            alpha,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

/// An affine map: weight `[out, in]`, its transpose, bias `[out]`.
///
/// Products pack a factor whose rows are not contiguous element by element, and again for each block of rows; so the
/// transpose is made once.
#[derive(Clone, Copy)]
pub(super) struct Affine<'a> {
    pub weight: &'a [f32],
    pub transposed: &'a [f32],
    pub bias: &'a [f32],
}

/// The values of an affine map, copied out of tensors.
#[derive(Debug)]
pub(super) struct AffineValues<B> {
    pub weight: B,
    pub transposed: B,
    pub bias: B,
}

impl<B: AsRef<[f32]>> AffineValues<B> {
    /// The map.
    pub(super) fn affine(&self) -> Affine<'_> {
        Affine { weight: self.weight.as_ref(), transposed: self.transposed.as_ref(), bias: self.bias.as_ref() }
    }
}

/// Writes the transpose of a `[rows, columns]` matrix.
pub(super) fn transpose(from: &[f32], rows: usize, columns: usize, to: &mut [f32]) {
    const TILE: usize = 16;
    for i in (0..rows).step_by(TILE) {
        for j in (0..columns).step_by(TILE) {
            for b in j..(j + TILE).min(columns) {
                for a in i..(i + TILE).min(rows) {
                    to[b * rows + a] = from[a * columns + b];
                }
            }
        }
    }
}

impl Affine<'_> {
    /// Width of the result.
    pub(super) fn out(&self) -> usize {
        self.bias.len()
    }

    /// Width of the argument.
    pub(super) fn width(&self) -> usize {
        self.weight.len() / self.bias.len().max(1)
    }

    /// y = x Wᵀ + b for some rows, on one thread. x `[m, in]`, y `[m, out]`.
    pub(super) fn rows(&self, x: &[f32], y: &mut [f32]) {
        let (n, k) = (self.out(), self.width());
        for row in y.chunks_exact_mut(n) {
            row.copy_from_slice(self.bias);
        }
        self.add_rows(x, y, n, k);
    }

    /// y += x Wᵀ + b.
    pub(super) fn rows_onto(&self, x: &[f32], y: &mut [f32]) {
        let (n, k) = (self.out(), self.width());
        vectorised(|| {
            for row in y.chunks_exact_mut(n) {
                add(row, self.bias);
            }
        });
        self.add_rows(x, y, n, k);
    }

    fn add_rows(&self, x: &[f32], y: &mut [f32], n: usize, k: usize) {
        let m = y.len() / n;
        multiply((m, n, k), y, n, true, 1.0, View::rows(x, k), View::rows(self.transposed, n));
    }

    /// dx (+)= dy W for some rows, on one thread.
    pub(super) fn back(&self, dy: &[f32], dx: &mut [f32], accumulate: bool) {
        let (n, k) = (self.out(), self.width());
        multiply((dy.len() / n, k, n), dx, k, accumulate, 1.0, View::rows(dy, n), View::rows(self.weight, k));
    }

    /// y = x Wᵀ + b for all rows, on all threads.
    pub(super) fn apply(&self, x: &[f32], y: &mut [f32]) {
        let (n, k) = (self.out(), self.width());
        let blocks = y.par_chunks_mut(ROWS * n).zip(x.par_chunks(ROWS * k));
        blocks.for_each(|(y, x)| self.rows(x, y));
    }

    /// dx = dy W for all rows, on all threads.
    pub(super) fn back_all(&self, dy: &[f32], dx: &mut [f32]) {
        let (n, k) = (self.out(), self.width());
        let blocks = dx.par_chunks_mut(ROWS * k).zip(dy.par_chunks(ROWS * n));
        blocks.for_each(|(dx, dy)| self.back(dy, dx, false));
    }
}

/// dW = dyᵀ x, `[out, in]`: blocks of the result are the tasks, and each sums over all rows in one order.
pub(super) fn weight_gradient(arena: &Arena, dy: &[f32], out: usize, x: &[f32], width: usize) -> Buffer {
    let mut gradient = arena.take(out * width);
    let rows = dy.len() / out.max(1);
    gradient.par_chunks_mut(GRADIENT_ROWS * width).enumerate().for_each(|(block, dw)| {
        let first = block * GRADIENT_ROWS;
        let dy = View::rows(dy.get(first..).unwrap_or_default(), out).transposed();
        multiply((dw.len() / width, width, rows), dw, width, false, 1.0, dy, View::rows(x, width));
    });
    gradient
}

/// Σ over rows of dy, `[out]`: partial sums of fixed blocks, added in order.
pub(super) fn column_sums(dy: &[f32], out: usize) -> Vec<f32> {
    let partial: Vec<Vec<f32>> = dy
        .par_chunks(ROWS * out)
        .map(|block| {
            let mut sums = vec![0.0; out];
            vectorised(|| {
                for row in block.chunks_exact(out) {
                    add(&mut sums, row);
                }
            });
            sums
        })
        .collect();
    sum_of(partial, out)
}

/// The sum of vectors, in order.
pub(super) fn sum_of(partial: Vec<Vec<f32>>, len: usize) -> Vec<f32> {
    let mut total = vec![0.0; len];
    for part in partial {
        add(&mut total, &part);
    }
    total
}
