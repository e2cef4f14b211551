//! The little linear algebra that multivariate densities need, generic over [`Scalar`]. Matrices are row-major.

use super::Scalar;

/// The lower triangular L with L Lᵀ = `a` (n × n, symmetric; the lower triangle is read).
///
/// # Errors
/// The first row where `a` is not positive definite.
pub(super) fn cholesky<S: Scalar>(a: &[S], n: usize) -> Result<Vec<S>, usize> {
    let mut l = vec![S::constant(0.0); n * n];
    for i in 0..n {
        for j in 0..=i {
            let mut sum = a[i * n + j];
            for k in 0..j {
                sum = sum - l[i * n + k] * l[j * n + k];
            }
            if i == j {
                let pivot = sum.value();
                if !(pivot > 0.0 && pivot.is_finite()) {
                    return Err(i);
                }
                l[i * n + i] = sum.sqrt();
            } else {
                l[i * n + j] = sum / l[j * n + j];
            }
        }
    }
    Ok(l)
}

/// L⁻¹ b for a lower triangular L.
pub(super) fn solve_lower<S: Scalar>(l: &[S], n: usize, b: &[S]) -> Vec<S> {
    let mut x: Vec<S> = Vec::with_capacity(n);
    for i in 0..n {
        let mut sum = b[i];
        for (k, known) in x.iter().enumerate() {
            sum = sum - l[i * n + k] * *known;
        }
        x.push(sum / l[i * n + i]);
    }
    x
}

/// L z for a lower triangular L.
pub(super) fn lower_times(l: &[f64], n: usize, z: &[f64]) -> Vec<f64> {
    (0..n).map(|i| (0..=i).map(|k| l[i * n + k] * z[k]).sum()).collect()
}

/// The first row of an n × n matrix of finite numbers that has something above the diagonal, or a diagonal that is not positive.
pub(super) fn first_row_not_lower_triangular(a: &[f64], n: usize) -> Option<usize> {
    (0..n).find(|i| a[i * n + i] <= 0.0 || (i + 1..n).any(|j| a[i * n + j] != 0.0))
}

/// The first row of an n × n matrix that differs from its column by more than rounding (1e-8 relative to the diagonal).
pub(super) fn first_row_not_symmetric(a: &[f64], n: usize) -> Option<usize> {
    (0..n).find(|i| {
        (0..*i).any(|j| {
            let scale = (a[i * n + i] * a[j * n + j]).abs().sqrt();
            (a[i * n + j] - a[j * n + i]).abs() > 1e-8 * scale
        })
    })
}
