//! The multivariate normal distribution, given the Cholesky factor of its covariance.

use rand::{Rng, RngExt};
use rand_distr::StandardNormal;

use super::super::argument::elements;
use super::super::composite::Composite;
use super::super::special::HALF_LN_TWO_PI;
use super::super::{
    Argument, Constraint, DistributionError, Family, FamilyInfo, Improper, Parameter, Point, Scalar, Support,
    ValueKind, linear,
};
use crate::value::Value;

pub(super) const INFO: FamilyInfo = FamilyInfo {
    name: "multi_normal_cholesky",
    parameters: &[
        Parameter::vector("mean", Constraint::FiniteElements, "Mean."),
        Parameter::matrix(
            "l",
            Constraint::CholeskyFactor,
            "Lower triangular factor of the covariance l * transpose(l).",
        ),
    ],
    value: ValueKind::Vector,
    support: "any real x[n]",
    proper: true,
    doc: "The multivariate normal distribution with covariance l * transpose(l).",
    source: "Stan Functions Reference, multivariate normal distribution, Cholesky parameterization",
};

#[derive(Clone, Copy)]
pub(super) struct MultiNormalCholesky;

impl Composite for MultiNormalCholesky {
    fn check<S: Scalar>(family: Family, arguments: &[Argument<S>]) -> Result<(), DistributionError> {
        check_dimensions(family, arguments)
    }

    fn support<S: Scalar>(arguments: &[Argument<S>]) -> Support<S> {
        Support::Vector(elements(arguments, 0).len())
    }

    fn log_density<S: Scalar>(arguments: &[Argument<S>], x: &Point<'_, S>) -> S {
        log_density_with(elements(arguments, 0), elements(arguments, 1), x)
    }

    fn sample<R: Rng + ?Sized>(arguments: &[Argument<f64>], rng: &mut R) -> Result<Value, Improper> {
        Ok(draw_with(elements(arguments, 0), elements(arguments, 1), rng))
    }
}

/// That the matrix (known to be square) has as many rows as the mean.
pub(super) fn check_dimensions<S: Scalar>(family: Family, arguments: &[Argument<S>]) -> Result<(), DistributionError> {
    let n = elements(arguments, 0).len();
    match (family.info().parameters.get(1), arguments.get(1)) {
        (Some(parameter), Some(Argument::Matrix { rows, .. })) if *rows != n => {
            Err(DistributionError::Dimension { family, parameter, found: *rows, expected: Some(n) })
        }
        _ => Ok(()),
    }
}

/// The log density at `x`, from the lower triangular factor `l` of the covariance.
pub(super) fn log_density_with<S: Scalar>(mean: &[S], l: &[S], x: &Point<'_, S>) -> S {
    let n = mean.len();
    let x = match x.as_vector() {
        Some(x) if x.len() == n && x.iter().all(|e| e.is_finite()) => x,
        Some(_) | None => return S::constant(f64::NEG_INFINITY),
    };
    let centred: Vec<S> = x.iter().zip(mean).map(|(x, m)| *x - *m).collect();
    let white = linear::solve_lower(l, n, &centred);
    let mut sum = S::constant(-(n as f64) * HALF_LN_TWO_PI);
    for (i, z) in white.iter().enumerate() {
        sum = sum - z.square() * 0.5 - l[i * n + i].ln();
    }
    sum
}

/// A draw, from the lower triangular factor `l` of the covariance.
pub(super) fn draw_with<R: Rng + ?Sized>(mean: &[f64], l: &[f64], rng: &mut R) -> Value {
    let white: Vec<f64> = mean.iter().map(|_| rng.sample(StandardNormal)).collect();
    let centred = linear::lower_times(l, mean.len(), &white);
    Value::reals(centred.iter().zip(mean).map(|(x, m)| x + m).collect::<Vec<f64>>())
}
