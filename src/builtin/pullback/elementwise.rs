//! Elementwise functions: the derivative at each element; where a scalar was broadcast, the sum.

use super::{Call, Gradients, weighted};
use crate::builtin::arguments::elements;
use crate::value::{Base, Value};

fn reals(value: &Value) -> Vec<f64> {
    elements(value, Base::Real).to_f64s()
}

/// Of one argument, by dy/dx of x and y.
pub(in crate::builtin) fn one(derivative: fn(f64, f64) -> f64, call: &Call) -> Gradients {
    let x = reals(call.arguments.value(0)?);
    let y = reals(call.result);
    let terms = x.iter().zip(&y).zip(call.adjoint).map(|((x, y), w)| weighted(*w, derivative(*x, *y)));
    Ok(vec![terms.collect()])
}

/// Of two arguments, by both partial derivatives.
pub(in crate::builtin) fn two(derivative: fn(f64, f64) -> [f64; 2], call: &Call) -> Gradients {
    let (first, second) = (call.arguments.value(0)?, call.arguments.value(1)?);
    let (x, y) = (reals(first), reals(second));
    let mut gradients = vec![vec![0.0; x.len()], vec![0.0; y.len()]];
    // A scalar stands at every position of the other.
    let place = |is_scalar: bool, k: usize| if is_scalar { 0 } else { k };
    let (x_is_scalar, y_is_scalar) = (first.shape().is_empty(), second.shape().is_empty());
    for (k, w) in call.adjoint.iter().enumerate() {
        let (i, j) = (place(x_is_scalar, k), place(y_is_scalar, k));
        let (Some(x), Some(y)) = (x.get(i), y.get(j)) else { continue };
        let partials = derivative(*x, *y);
        for ((gradient, at), partial) in gradients.iter_mut().zip([i, j]).zip(partials) {
            if let Some(target) = gradient.get_mut(at) {
                *target += weighted(*w, partial);
            }
        }
    }
    Ok(gradients)
}
