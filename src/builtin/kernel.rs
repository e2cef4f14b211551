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

/// A correlation at a distance d, which α² makes a covariance.
pub(super) struct Correlation {
    /// How many arguments come after the points: α, ρ and perhaps the period.
    pub(super) n_parameters: usize,
    /// Of d and [ρ, period].
    value: fn(f64, [f64; 2]) -> f64,
    /// The same with derivatives.
    pub(super) slopes: fn(f64, [f64; 2]) -> Slopes,
}

/// A correlation c and its derivatives.
pub(super) struct Slopes {
    /// c
    pub(super) value: f64,
    /// (∂c/∂d)/d, which is finite at d = 0, so that times a difference of coordinates it is the derivative in a coordinate.
    pub(super) distance: f64,
    /// ∂c/∂ρ
    pub(super) rho: f64,
    /// ∂c/∂period
    pub(super) period: f64,
}

impl Slopes {
    /// Where a parameter is not valid.
    pub(super) const NAN: Self = Self { value: f64::NAN, distance: f64::NAN, rho: f64::NAN, period: f64::NAN };

    /// Beyond where c underflows, so do its derivatives; their polynomial factors would overflow there.
    const NONE: Self = Self { value: 0.0, distance: 0.0, rho: 0.0, period: 0.0 };
}

impl Correlation {
    /// exp(−d²/2ρ²)
    pub(super) const EXP_QUAD: Self = Self {
        n_parameters: 2,
        value: |d, [rho, _]| {
            let r = d / rho;
            (-0.5 * r * r).exp()
        },
        slopes: |d, [rho, _]| {
            let r = d / rho;
            let value = (-0.5 * r * r).exp();
            if value == 0.0 {
                return Slopes::NONE;
            }
            Slopes { value, distance: -value / (rho * rho), rho: value * r * r / rho, period: 0.0 }
        },
    };

    /// (1 + r) e⁻ʳ with r = √3 d/ρ; the derivative in r is −r e⁻ʳ.
    pub(super) const MATERN32: Self = Self {
        n_parameters: 2,
        value: |d, [rho, _]| {
            let r = f64::sqrt(3.0) * d / rho;
            (1.0 + r) * (-r).exp()
        },
        slopes: |d, [rho, _]| {
            let r = f64::sqrt(3.0) * d / rho;
            let e = (-r).exp();
            if e == 0.0 {
                return Slopes::NONE;
            }
            Slopes { value: (1.0 + r) * e, distance: -3.0 / (rho * rho) * e, rho: r * r * e / rho, period: 0.0 }
        },
    };

    /// (1 + r + r²/3) e⁻ʳ with r = √5 d/ρ; the derivative in r is −(r/3) (1 + r) e⁻ʳ.
    pub(super) const MATERN52: Self = Self {
        n_parameters: 2,
        value: |d, [rho, _]| {
            let r = f64::sqrt(5.0) * d / rho;
            (1.0 + r + r * r / 3.0) * (-r).exp()
        },
        slopes: |d, [rho, _]| {
            let r = f64::sqrt(5.0) * d / rho;
            let e = (-r).exp();
            if e == 0.0 {
                return Slopes::NONE;
            }
            let third = (1.0 + r) * e / 3.0;
            let value = (1.0 + r + r * r / 3.0) * e;
            Slopes { value, distance: -5.0 / (rho * rho) * third, rho: r * r * third / rho, period: 0.0 }
        },
    };

    /// exp(−2 s²) with s = sin(πd/p)/ρ
    pub(super) const PERIODIC: Self = Self {
        n_parameters: 3,
        value: |d, [rho, period]| {
            let s = (PI * d / period).sin() / rho;
            (-2.0 * s * s).exp()
        },
        slopes: |d, [rho, period]| {
            let angle = PI * d / period;
            let s = angle.sin() / rho;
            let value = (-2.0 * s * s).exp();
            if value == 0.0 {
                return Slopes::NONE;
            }
            let frequency = PI / period;
            let of_angle = -4.0 * value * angle.cos() / rho;
            // sin(πd/p)/d has a limit at 0.
            let s_over_distance = if d == 0.0 { frequency / rho } else { s / d };
            Slopes {
                value,
                distance: of_angle * s_over_distance * frequency,
                rho: 4.0 * value * s * s / rho,
                period: -of_angle * s * angle / period,
            }
        },
    };

    /// The last arguments.
    pub(super) fn parameters(&self, arguments: &Arguments) -> Result<Parameters, EvaluationError> {
        let first = arguments.len().saturating_sub(self.n_parameters);
        let period = if self.n_parameters > 2 { arguments.real(first + 2)? } else { 1.0 };
        Ok(Parameters { first, alpha: arguments.real(first)?, rho: arguments.real(first + 1)?, period })
    }
}

/// The parameters of a covariance.
pub(super) struct Parameters {
    /// Which argument α is; the points are before it.
    pub(super) first: usize,
    /// α
    pub(super) alpha: f64,
    /// ρ
    pub(super) rho: f64,
    /// The period; 1 for a kernel that has none.
    pub(super) period: f64,
}

impl Parameters {
    /// Whether the kernel has values.
    pub(super) fn valid(&self) -> bool {
        self.rho > 0.0 && self.period > 0.0
    }
}

/// α² exp(−d²/2ρ²)
pub(super) fn exp_quad(arguments: &Arguments) -> Evaluated {
    covariance(arguments, &Correlation::EXP_QUAD)
}

/// α² (1 + r) e⁻ʳ with r = √3 d/ρ
pub(super) fn matern32(arguments: &Arguments) -> Evaluated {
    covariance(arguments, &Correlation::MATERN32)
}

/// α² (1 + r + r²/3) e⁻ʳ with r = √5 d/ρ
pub(super) fn matern52(arguments: &Arguments) -> Evaluated {
    covariance(arguments, &Correlation::MATERN52)
}

/// α² exp(−2 sin²(πd/p)/ρ²)
pub(super) fn periodic(arguments: &Arguments) -> Evaluated {
    covariance(arguments, &Correlation::PERIODIC)
}

/// The matrix of α² c(d) over the rows of x, or of x against y.
fn covariance(arguments: &Arguments, correlation: &Correlation) -> Evaluated {
    let parameters = correlation.parameters(arguments)?;
    let Parameters { first, alpha, rho, period } = parameters;
    let (x, y) = (arguments.array(0)?, arguments.array(first.saturating_sub(1))?);
    let shape = vec![x.len(), y.len()];
    let mut result = Vec::with_capacity(arguments.product(&shape)?);
    for a in points(x) {
        for b in points(y) {
            let distance = distance(a, b);
            let valid = parameters.valid();
            result.push(if valid { alpha * alpha * (correlation.value)(distance, [rho, period]) } else { f64::NAN });
        }
    }
    arguments.make(shape, Elements::Real(result))
}

/// The rows.
pub(super) fn points(x: &Array) -> impl Iterator<Item = &[f64]> {
    let size: usize = x.shape().iter().skip(1).product();
    let reals = x.reals().unwrap_or(&[]);
    (0..x.len()).map(move |i| reals.get(i * size..(i + 1) * size).unwrap_or(&[]))
}

/// Euclidean.
pub(super) fn distance(a: &[f64], b: &[f64]) -> f64 {
    match (a, b) {
        ([a], [b]) => (a - b).abs(),
        _ => a.iter().zip(b).fold(0.0, |sum, (a, b)| sum + (a - b) * (a - b)).sqrt(),
    }
}
