//! The multivariate normal distribution, given its covariance.

use rand::Rng;

use super::super::argument::elements;
use super::super::composite::Composite;
use super::super::{
    Argument, Constraint, DistributionError, Family, FamilyInfo, Improper, Parameter, Point, Scalar, Support,
    ValueKind, linear,
};
use super::multi_normal_cholesky::{check_dimensions, draw_with, log_density_with};
use crate::value::Value;

pub(super) const INFO: FamilyInfo = FamilyInfo {
    name: "multi_normal",
    parameters: &[
        Parameter::vector("mean", Constraint::FiniteElements, "Mean."),
        Parameter::matrix("covariance", Constraint::Covariance, "Covariance; the lower triangle is read."),
    ],
    value: ValueKind::Vector,
    support: "any real x[n]",
    proper: true,
    doc: "The multivariate normal distribution.",
    source: "Stan Functions Reference, multivariate normal distribution",
};

#[derive(Clone, Copy)]
pub(super) struct MultiNormal;

impl Composite for MultiNormal {
    fn check<S: Scalar>(family: Family, arguments: &[Argument<S>]) -> Result<(), DistributionError> {
        check_dimensions(family, arguments)
    }

    fn support<S: Scalar>(arguments: &[Argument<S>]) -> Support<S> {
        Support::Vector(elements(arguments, 0).len())
    }

    fn log_density<S: Scalar>(arguments: &[Argument<S>], x: &Point<'_, S>) -> S {
        let mean = elements(arguments, 0);
        match linear::cholesky(elements(arguments, 1), mean.len()) {
            Ok(l) => log_density_with(mean, &l, x),
            Err(_) => S::constant(f64::NAN),
        }
    }

    fn sample<R: Rng + ?Sized>(arguments: &[Argument<f64>], rng: &mut R) -> Result<Value, Improper> {
        let mean = elements(arguments, 0);
        // The covariance was found to be positive definite when the distribution was made.
        let l = linear::cholesky(elements(arguments, 1), mean.len());
        Ok(draw_with(mean, &l.unwrap_or_else(|_| vec![f64::NAN; mean.len() * mean.len()]), rng))
    }
}
