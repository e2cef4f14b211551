//! Elementwise application: scalars stand for arrays of one value, arrays pair off by position.

use super::EvaluationError;
use super::arguments::{Arguments, elements, shaped};
use crate::value::{Base, Elements, Value};

/// `f` of every element of the only argument.
pub(super) fn real1(f: fn(f64) -> f64, arguments: &Arguments) -> Result<Value, EvaluationError> {
    let x = arguments.value(0)?;
    match x.as_array().map(|a| a.elements()) {
        Some(Elements::Real(v)) => {
            shaped(arguments.function, x.shape(), Elements::Real(v.iter().map(|x| f(*x)).collect()))
        }
        Some(other) => {
            let reals = other.to_f64s().into_iter().map(f).collect();
            shaped(arguments.function, x.shape(), Elements::Real(reals))
        }
        None => Ok(Value::Real(f(arguments.real(0)?))),
    }
}

/// `f` of every pair of elements of the two arguments.
pub(super) fn real2(f: fn(f64, f64) -> f64, arguments: &Arguments) -> Result<Value, EvaluationError> {
    zip_reals(arguments.function, arguments.value(0)?, arguments.value(1)?, |x, y| Ok(f(x, y)), Elements::Real)
}

/// `f` of every pair of elements as doubles.
pub(super) fn zip_reals<T>(
    function: &'static str,
    left: &Value,
    right: &Value,
    f: impl Fn(f64, f64) -> Result<T, EvaluationError>,
    wrap: fn(Vec<T>) -> Elements,
) -> Result<Value, EvaluationError> {
    let reals = |value| match elements(value, Base::Real) {
        Elements::Real(v) => v,
        other @ (Elements::Int(_) | Elements::Bool(_)) => other.to_f64s(),
    };
    zip(function, (left.shape(), &reals(left)), (right.shape(), &reals(right)), f, wrap)
}

/// `f` of every pair of elements as integers; both arguments are int (or bool).
pub(super) fn zip_ints<T>(
    function: &'static str,
    left: &Value,
    right: &Value,
    f: impl Fn(i64, i64) -> Result<T, EvaluationError>,
    wrap: fn(Vec<T>) -> Elements,
) -> Result<Value, EvaluationError> {
    zip(function, (left.shape(), &ints(left)), (right.shape(), &ints(right)), f, wrap)
}

/// The elements of an int (or bool) value.
fn ints(value: &Value) -> Vec<i64> {
    match value.as_array().map(|a| a.elements()) {
        Some(Elements::Int(v)) => v.clone(),
        Some(Elements::Bool(v)) => v.iter().map(|b| i64::from(*b)).collect(),
        Some(Elements::Real(_)) => Vec::new(),
        None => value.as_int().into_iter().collect(),
    }
}

fn zip<A: Copy, T>(
    function: &'static str,
    (left_shape, left): (&[usize], &[A]),
    (right_shape, right): (&[usize], &[A]),
    f: impl Fn(A, A) -> Result<T, EvaluationError>,
    wrap: fn(Vec<T>) -> Elements,
) -> Result<Value, EvaluationError> {
    let (shape, result) = match (left_shape, left, right_shape, right) {
        ([], [x], _, _) => (right_shape, right.iter().map(|y| f(*x, *y)).collect::<Result<Vec<T>, _>>()?),
        (_, _, [], [y]) => (left_shape, left.iter().map(|x| f(*x, *y)).collect::<Result<_, _>>()?),
        _ if left_shape == right_shape => {
            (left_shape, left.iter().zip(right).map(|(x, y)| f(*x, *y)).collect::<Result<_, _>>()?)
        }
        _ => {
            return Err(EvaluationError::Shapes { function, left: left_shape.to_vec(), right: right_shape.to_vec() });
        }
    };
    shaped(function, shape, wrap(result))
}
