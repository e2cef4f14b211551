//! Vectors and matrices; factorisations are nalgebra's.

use nalgebra::DMatrix;

use super::EvaluationError;
use super::arguments::{Arguments, elements};
use crate::value::{Base, Elements, Value};

type Evaluated = Result<Value, EvaluationError>;

/// The `index`-th argument as a matrix; a vector is one column.
pub(super) fn matrix(arguments: &Arguments, index: usize) -> Result<DMatrix<f64>, EvaluationError> {
    let array = arguments.array(index)?;
    let rows = array.len();
    let columns = array.shape().get(1).copied().unwrap_or(1);
    Ok(DMatrix::from_row_slice(rows, columns, arguments.reals(index)?))
}

/// A matrix as a value of rank 2.
fn matrix_value(arguments: &Arguments, m: &DMatrix<f64>) -> Evaluated {
    // Columns of the transpose, one after another, are the rows.
    arguments.make(vec![m.nrows(), m.ncols()], Elements::Real(m.transpose().as_slice().to_vec()))
}

/// A matrix as a value of the rank of the `index`-th argument.
fn value_like(arguments: &Arguments, index: usize, m: &DMatrix<f64>) -> Evaluated {
    match arguments.array(index)?.shape() {
        [_] => Ok(Value::reals(m.as_slice())),
        _ => matrix_value(arguments, m),
    }
}

pub(super) fn dot(arguments: &Arguments) -> Evaluated {
    let (x, y) = (arguments.reals(0)?, arguments.reals(1)?);
    Ok(Value::Real(x.iter().zip(y).fold(0.0, |sum, (x, y)| sum + x * y)))
}

pub(super) fn matmul(arguments: &Arguments) -> Evaluated {
    let (a, b) = (arguments.array(0)?, arguments.array(1)?);
    match (a.shape(), b.shape()) {
        ([_], _) => Ok(Value::reals((matrix(arguments, 0)?.transpose() * matrix(arguments, 1)?).as_slice())),
        (_, [_]) => Ok(Value::reals((matrix(arguments, 0)? * matrix(arguments, 1)?).as_slice())),
        ([n, ..], [_, m, ..]) => {
            arguments.product(&[*n, *m])?;
            matrix_value(arguments, &(matrix(arguments, 0)? * matrix(arguments, 1)?))
        }
        _ => Err(EvaluationError::NotData { function: arguments.function, index: 0 }),
    }
}

pub(super) fn transpose(arguments: &Arguments) -> Evaluated {
    fn turned<T: Copy>(v: &[T], rows: usize, columns: usize) -> Vec<T> {
        (0..columns).flat_map(|j| (0..rows).filter_map(move |i| v.get(i * columns + j).copied())).collect()
    }
    let a = arguments.array(0)?;
    let (rows, columns) = (a.len(), a.shape().get(1).copied().unwrap_or(0));
    let turned = match a.elements() {
        Elements::Bool(v) => Elements::Bool(turned(v, rows, columns)),
        Elements::Int(v) => Elements::Int(turned(v, rows, columns)),
        Elements::Real(v) => Elements::Real(turned(v, rows, columns)),
    };
    arguments.make(vec![columns, rows], turned)
}

pub(super) fn outer(arguments: &Arguments) -> Evaluated {
    let (x, y) = (arguments.reals(0)?, arguments.reals(1)?);
    let shape = vec![x.len(), y.len()];
    arguments.product(&shape)?;
    arguments.make(shape, Elements::Real(x.iter().flat_map(|x| y.iter().map(move |y| x * y)).collect()))
}

/// The square matrix with these elements on its diagonal.
fn diagonal_matrix(arguments: &Arguments, x: &[f64]) -> Evaluated {
    let n = x.len();
    let mut result = vec![0.0; arguments.product(&[n, n])?];
    for (target, x) in result.iter_mut().step_by(n + 1).zip(x) {
        *target = *x;
    }
    arguments.make(vec![n, n], Elements::Real(result))
}

pub(super) fn identity(arguments: &Arguments) -> Evaluated {
    let n = arguments.size(0, "n")?;
    arguments.product(&[n, n])?;
    diagonal_matrix(arguments, &vec![1.0; n])
}

pub(super) fn diag(arguments: &Arguments) -> Evaluated {
    diagonal_matrix(arguments, arguments.reals(0)?)
}

fn diagonal_of(arguments: &Arguments) -> Result<Vec<f64>, EvaluationError> {
    let a = arguments.array(0)?;
    Ok(arguments.reals(0)?.iter().step_by(a.len() + 1).copied().collect())
}

pub(super) fn diagonal(arguments: &Arguments) -> Evaluated {
    diagonal_of(arguments).map(Value::reals)
}

pub(super) fn trace(arguments: &Arguments) -> Evaluated {
    Ok(Value::Real(diagonal_of(arguments)?.into_iter().fold(0.0, |a, b| a + b)))
}

pub(super) fn add_diagonal(arguments: &Arguments) -> Evaluated {
    let a = arguments.array(0)?;
    let mut result = arguments.reals(0)?.to_vec();
    let added = elements(arguments.value(1)?, Base::Real).to_f64s();
    let scalar = arguments.value(1)?.as_f64();
    for (i, target) in result.iter_mut().step_by(a.len() + 1).enumerate() {
        *target += scalar.or_else(|| added.get(i).copied()).unwrap_or(0.0);
    }
    arguments.make(a.shape().to_vec(), Elements::Real(result))
}

/// How far apart, relative to the greatest element, mirrored elements of a symmetric matrix may be; Stan's tolerance.
const SYMMETRY_TOLERANCE: f64 = 1e-8;

pub(super) fn cholesky(arguments: &Arguments) -> Evaluated {
    let function = arguments.function;
    let a = matrix(arguments, 0)?;
    let tolerance = SYMMETRY_TOLERANCE * a.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
    for row in 0..a.nrows() {
        for column in 0..row {
            if (a[(row, column)] - a[(column, row)]).abs() > tolerance {
                return Err(EvaluationError::NotSymmetric { function, row, column });
            }
        }
    }
    let factor = a.cholesky().ok_or(EvaluationError::NotPositiveDefinite { function })?.l();
    // An infinite or NaN element can pass every pivot test and spoil the rows below it.
    if factor.iter().any(|x| !x.is_finite()) {
        return Err(EvaluationError::NotPositiveDefinite { function });
    }
    matrix_value(arguments, &factor)
}

pub(super) fn det(arguments: &Arguments) -> Evaluated {
    let a = matrix(arguments, 0)?;
    Ok(Value::Real(if a.is_empty() { 1.0 } else { a.lu().determinant() }))
}

/// Summed over the pivots, so that a determinant beyond the range of doubles has its logarithm.
pub(super) fn log_det(arguments: &Arguments) -> Evaluated {
    let a = matrix(arguments, 0)?;
    if a.is_empty() {
        return Ok(Value::Real(0.0));
    }
    let u = a.lu().u();
    Ok(Value::Real(u.diagonal().iter().fold(0.0, |sum, pivot| sum + pivot.abs().ln())))
}

pub(super) fn inverse(arguments: &Arguments) -> Evaluated {
    let a = matrix(arguments, 0)?;
    if a.is_empty() {
        return Ok(arguments.value(0)?.clone());
    }
    let inverse = a.lu().try_inverse().ok_or(EvaluationError::Singular { function: arguments.function })?;
    matrix_value(arguments, &inverse)
}

pub(super) fn solve(arguments: &Arguments) -> Evaluated {
    let (a, b) = (matrix(arguments, 0)?, matrix(arguments, 1)?);
    if a.is_empty() {
        return Ok(arguments.value(1)?.clone());
    }
    let x = a.lu().solve(&b).ok_or(EvaluationError::Singular { function: arguments.function })?;
    value_like(arguments, 1, &x)
}

pub(super) fn solve_lower(arguments: &Arguments) -> Evaluated {
    let (l, b) = (matrix(arguments, 0)?, matrix(arguments, 1)?);
    let x = l.solve_lower_triangular(&b).ok_or(EvaluationError::Singular { function: arguments.function })?;
    value_like(arguments, 1, &x)
}

pub(super) fn quad_form(arguments: &Arguments) -> Evaluated {
    let x = matrix(arguments, 1)?;
    Ok(Value::Real(x.dot(&(matrix(arguments, 0)? * &x))))
}
