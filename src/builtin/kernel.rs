//! Covariance functions of Gaussian processes.
//!
//! Formulas and parameters are those of the Stan Functions Reference, *Gaussian Process Covariance Functions*
//! (`gp_exp_quad_cov`, `gp_matern32_cov`, `gp_matern52_cov`, `gp_periodic_cov`). Points are the rows of an array; their
//! distance d is Euclidean. A length scale or period that is not positive gives NaN, which a log density can reject.

use std::f64::consts::PI;

use super::EvaluationError;
use super::arguments::Arguments;
use crate::value::{Array, Elements, Value};

type Evaluated = Result<Value, EvaluationError>;

/// α² exp(−d²/2ρ²)
pub(super) fn exp_quad(arguments: &Arguments) -> Evaluated {
    covariance(arguments, 2, |distance, [rho, _]| {
        let r = distance / rho;
        (-0.5 * r * r).exp()
    })
}

/// α² (1 + r) e⁻ʳ with r = √3 d/ρ
pub(super) fn matern32(arguments: &Arguments) -> Evaluated {
    covariance(arguments, 2, |distance, [rho, _]| {
        let r = f64::sqrt(3.0) * distance / rho;
        (1.0 + r) * (-r).exp()
    })
}

/// α² (1 + r + r²/3) e⁻ʳ with r = √5 d/ρ
pub(super) fn matern52(arguments: &Arguments) -> Evaluated {
    covariance(arguments, 2, |distance, [rho, _]| {
        let r = f64::sqrt(5.0) * distance / rho;
        (1.0 + r + r * r / 3.0) * (-r).exp()
    })
}

/// α² exp(−2 sin²(πd/p)/ρ²)
pub(super) fn periodic(arguments: &Arguments) -> Evaluated {
    covariance(arguments, 3, |distance, [rho, period]| {
        let s = (PI * distance / period).sin() / rho;
        (-2.0 * s * s).exp()
    })
}

/// The matrix of α² `correlation`(d, [ρ, period]) over the rows of x, or of x against y. The last `n_parameters` arguments
/// are α, ρ and, where there are three, the period.
fn covariance(arguments: &Arguments, n_parameters: usize, correlation: fn(f64, [f64; 2]) -> f64) -> Evaluated {
    let first_parameter = arguments.len().saturating_sub(n_parameters);
    let alpha = arguments.real(first_parameter)?;
    let rho = arguments.real(first_parameter + 1)?;
    let period = if n_parameters > 2 { arguments.real(first_parameter + 2)? } else { 1.0 };
    let valid = rho > 0.0 && period > 0.0;
    let (x, y) = (arguments.array(0)?, arguments.array(first_parameter - 1)?);
    let shape = vec![x.len(), y.len()];
    let mut result = Vec::with_capacity(arguments.product(&shape)?);
    for a in points(x) {
        for b in points(y) {
            let distance = distance(a, b);
            result.push(if valid { alpha * alpha * correlation(distance, [rho, period]) } else { f64::NAN });
        }
    }
    arguments.make(shape, Elements::Real(result))
}

fn points(x: &Array) -> impl Iterator<Item = &[f64]> {
    let size: usize = x.shape().iter().skip(1).product();
    let reals = x.reals().unwrap_or(&[]);
    (0..x.len()).map(move |i| reals.get(i * size..(i + 1) * size).unwrap_or(&[]))
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    match (a, b) {
        ([a], [b]) => (a - b).abs(),
        _ => a.iter().zip(b).fold(0.0, |sum, (a, b)| sum + (a - b) * (a - b)).sqrt(),
    }
}
