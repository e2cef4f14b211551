//! Vector-Jacobian products of the built-in functions: what reverse-mode differentiation asks of each.
//!
//! For weights w, one for each element of the result r, the gradient of Σ wₖ rₖ in every argument. One `fn` for each
//! built-in or a group of them, by the chapters of the table; Griewank & Walther, *Evaluating Derivatives* (2008), chapter
//! 3, is the general account. An element of weight 0 contributes 0 even where the derivative is infinite.

pub(super) mod arrays;
pub(super) mod elementwise;
pub(super) mod kernel;
pub(super) mod linear;
pub(super) mod reduction;

use super::EvaluationError;
use super::arguments::Arguments;
use crate::value::Value;

/// The gradients in the leading arguments, row-major: every one that is real is among them.
pub(super) type Gradients = Result<Vec<Vec<f64>>, EvaluationError>;

/// What a function was called with, what it gave and the weights.
pub(super) struct Call<'a> {
    /// The arguments, of the kinds the form wants.
    pub(super) arguments: Arguments<'a>,
    /// Their value.
    pub(super) result: &'a Value,
    /// One weight an element of the result.
    pub(super) adjoint: &'a [f64],
}

impl<'a> Call<'a> {
    /// The weight of a result that is a scalar.
    fn weight(&self) -> f64 {
        self.adjoint.first().copied().unwrap_or(0.0)
    }

    /// The value of a result that is a scalar.
    fn scalar(&self) -> f64 {
        self.result.as_f64().unwrap_or(f64::NAN)
    }

    /// The doubles of the `index`-th argument, an array of reals.
    fn reals(&self, index: usize) -> Result<&'a [f64], EvaluationError> {
        self.arguments.reals(index)
    }
}

/// Weight times derivative; nothing of weight 0 counts.
fn weighted(weight: f64, derivative: f64) -> f64 {
    if weight == 0.0 { 0.0 } else { weight * derivative }
}
