//! Vectors and matrices: Giles, *Collected matrix derivative results for forward and reverse mode algorithmic
//! differentiation* (2008), section 2, whose notation this is: Ā is the gradient in A of the weighted sum. The Cholesky
//! factor: Murray, *Differentiation of the Cholesky decomposition* (2016).

use nalgebra::DMatrix;

use super::{Call, Gradients, weighted};
use crate::builtin::EvaluationError;
use crate::builtin::linear::matrix;

/// A matrix of `rows` rows from its elements row by row; a vector is one column.
fn from_rows(rows: usize, elements: &[f64]) -> DMatrix<f64> {
    let columns = elements.len().checked_div(rows).unwrap_or(0);
    DMatrix::from_row_iterator(rows, columns, elements.iter().copied())
}

/// The weights of a result of `rows` rows.
fn weights(call: &Call, rows: usize) -> DMatrix<f64> {
    from_rows(rows, call.adjoint)
}

/// A result of `rows` rows.
fn result(call: &Call, rows: usize) -> DMatrix<f64> {
    from_rows(rows, &call.result.to_f64s())
}

/// The elements row by row.
fn flat(m: &DMatrix<f64>) -> Vec<f64> {
    m.transpose().as_slice().to_vec()
}

fn singular(call: &Call) -> EvaluationError {
    EvaluationError::Singular { function: call.arguments.function }
}

pub(in crate::builtin) fn dot(call: &Call) -> Gradients {
    let w = call.weight();
    let times = |v: &[f64]| v.iter().map(|v| weighted(w, *v)).collect();
    Ok(vec![times(call.reals(1)?), times(call.reals(0)?)])
}

/// C = A B: Ā = C̄ Bᵀ and B̄ = Aᵀ C̄ (Giles, 2.2.2). A vector on the left is one row.
pub(in crate::builtin) fn matmul(call: &Call) -> Gradients {
    let (mut a, b) = (matrix(&call.arguments, 0)?, matrix(&call.arguments, 1)?);
    if call.arguments.array(0)?.shape().len() == 1 {
        a = a.transpose();
    }
    let w = weights(call, a.nrows());
    // Without rows or columns there are no weights whose number tells the shape.
    if w.ncols() != b.ncols() {
        return Ok(vec![vec![0.0; a.len()], vec![0.0; b.len()]]);
    }
    Ok(vec![flat(&(&w * b.transpose())), flat(&(a.transpose() * &w))])
}

pub(in crate::builtin) fn transpose(call: &Call) -> Gradients {
    let a = call.arguments.array(0)?;
    Ok(vec![flat(&weights(call, a.shape().get(1).copied().unwrap_or(0)).transpose())])
}

pub(in crate::builtin) fn outer(call: &Call) -> Gradients {
    let (x, y) = (call.reals(0)?, call.reals(1)?);
    let (mut of_x, mut of_y) = (vec![0.0; x.len()], vec![0.0; y.len()]);
    for ((row, x), of_x) in call.adjoint.chunks(y.len().max(1)).zip(x).zip(&mut of_x) {
        for ((w, y), of_y) in row.iter().zip(y).zip(&mut of_y) {
            *of_x += weighted(*w, *y);
            *of_y += weighted(*w, *x);
        }
    }
    Ok(vec![of_x, of_y])
}

/// The diagonal of the n × n weights.
fn diagonal_weights(call: &Call, n: usize) -> Vec<f64> {
    call.adjoint.iter().step_by(n + 1).copied().collect()
}

/// An n × n matrix of zeros with this diagonal, row-major.
fn on_diagonal(n: usize, diagonal: impl IntoIterator<Item = f64>) -> Vec<f64> {
    let mut gradient = vec![0.0; n * n];
    for (target, w) in gradient.iter_mut().step_by(n + 1).zip(diagonal) {
        *target = w;
    }
    gradient
}

pub(in crate::builtin) fn diag(call: &Call) -> Gradients {
    Ok(vec![diagonal_weights(call, call.reals(0)?.len())])
}

pub(in crate::builtin) fn diagonal(call: &Call) -> Gradients {
    Ok(vec![on_diagonal(call.arguments.array(0)?.len(), call.adjoint.iter().copied())])
}

pub(in crate::builtin) fn add_diagonal(call: &Call) -> Gradients {
    let added = diagonal_weights(call, call.arguments.array(0)?.len());
    let is_scalar = call.arguments.value(1)?.shape().is_empty();
    let of_added = if is_scalar { vec![added.iter().fold(0.0, |a, b| a + b)] } else { added };
    Ok(vec![call.adjoint.to_vec(), of_added])
}

pub(in crate::builtin) fn trace(call: &Call) -> Gradients {
    let n = call.arguments.array(0)?.len();
    Ok(vec![on_diagonal(n, std::iter::repeat_n(call.weight(), n))])
}

/// Φ(LᵀL̄) = P, S = L⁻ᵀ P L⁻¹ (Murray, equations 9 and 10), where Φ takes the lower triangle and halves the diagonal. The
/// gradient in both halves of A is (S + Sᵀ)/2.
pub(in crate::builtin) fn cholesky(call: &Call) -> Gradients {
    let n = call.arguments.array(0)?.len();
    let factor = result(call, n);
    // What is above the diagonal is 0 whatever A is.
    let weights = weights(call, n).lower_triangle();
    let mut p = factor.transpose() * weights;
    for i in 0..n {
        for j in i..n {
            p[(i, j)] *= if i == j { 0.5 } else { 0.0 };
        }
    }
    // L⁻ᵀ P, and from its transpose (L⁻ᵀ (L⁻ᵀ P)ᵀ)ᵀ = L⁻ᵀ P L⁻¹.
    let left = factor.tr_solve_lower_triangular(&p).ok_or_else(|| singular(call))?;
    let s = factor.tr_solve_lower_triangular(&left.transpose()).ok_or_else(|| singular(call))?;
    Ok(vec![flat(&(0.5 * (&s + s.transpose())))])
}

/// Ā = c̄ det(A) A⁻ᵀ (Giles, 2.2.4); where A is singular, c̄ times the matrix of cofactors, from A = U Σ Vᵀ as
/// det(U) det(V) U adj(Σ) Vᵀ.
pub(in crate::builtin) fn det(call: &Call) -> Gradients {
    let a = matrix(&call.arguments, 0)?;
    if a.is_empty() {
        return Ok(vec![Vec::new()]);
    }
    let determinant = call.scalar();
    if determinant != 0.0
        && let Some(inverse) = a.clone().lu().try_inverse()
    {
        return Ok(vec![flat(&(inverse.transpose() * (call.weight() * determinant)))]);
    }
    if a.iter().any(|x| !x.is_finite()) {
        return Err(singular(call));
    }
    let svd = a.svd(true, true);
    let (Some(u), Some(v_transposed)) = (svd.u, svd.v_t) else { return Err(singular(call)) };
    let others = |i: usize| {
        let kept = svd.singular_values.iter().enumerate().filter(|(j, _)| *j != i);
        kept.fold(call.weight(), |product, (_, value)| product * value)
    };
    let sign = u.clone().lu().determinant().signum() * v_transposed.clone().lu().determinant().signum();
    let adjugate = DMatrix::from_diagonal(&nalgebra::DVector::from_fn(u.ncols(), |i, _| sign * others(i)));
    Ok(vec![flat(&(u * adjugate * v_transposed))])
}

/// Ā = c̄ A⁻ᵀ (Giles, 2.2.4)
pub(in crate::builtin) fn log_det(call: &Call) -> Gradients {
    let a = matrix(&call.arguments, 0)?;
    if a.is_empty() {
        return Ok(vec![Vec::new()]);
    }
    let inverse = a.lu().try_inverse().ok_or_else(|| singular(call))?;
    Ok(vec![flat(&(inverse.transpose() * call.weight()))])
}

/// C = A⁻¹: Ā = −Cᵀ C̄ Cᵀ (Giles, 2.2.3)
pub(in crate::builtin) fn inverse(call: &Call) -> Gradients {
    let n = call.arguments.array(0)?.len();
    let transposed = result(call, n).transpose();
    Ok(vec![flat(&-(&transposed * weights(call, n) * &transposed))])
}

/// X = A⁻¹ B: B̄ = A⁻ᵀ X̄ and Ā = −B̄ Xᵀ (Giles, 2.3.1)
pub(in crate::builtin) fn solve(call: &Call) -> Gradients {
    let a = matrix(&call.arguments, 0)?;
    let n = a.nrows();
    if call.adjoint.is_empty() {
        return Ok(vec![vec![0.0; n * n], Vec::new()]);
    }
    let of_b = a.transpose().lu().solve(&weights(call, n)).ok_or_else(|| singular(call))?;
    let of_a = -(&of_b * result(call, n).transpose());
    Ok(vec![flat(&of_a), flat(&of_b)])
}

/// As [`solve`]; what is above the diagonal is not read.
pub(in crate::builtin) fn solve_lower(call: &Call) -> Gradients {
    let l = matrix(&call.arguments, 0)?;
    let n = l.nrows();
    if call.adjoint.is_empty() {
        return Ok(vec![vec![0.0; n * n], Vec::new()]);
    }
    let of_b = l.tr_solve_lower_triangular(&weights(call, n)).ok_or_else(|| singular(call))?;
    let of_l = -(&of_b * result(call, n).transpose());
    Ok(vec![flat(&of_l.lower_triangle()), flat(&of_b)])
}

/// c = xᵀ A x: Ā = c̄ x xᵀ and x̄ = c̄ (A + Aᵀ) x
pub(in crate::builtin) fn quad_form(call: &Call) -> Gradients {
    let (a, x) = (matrix(&call.arguments, 0)?, matrix(&call.arguments, 1)?);
    let w = call.weight();
    Ok(vec![flat(&(&x * x.transpose() * w)), flat(&((&a + a.transpose()) * &x * w))])
}
