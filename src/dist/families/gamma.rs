//! The gamma distribution with mean shape/rate.

use rand::Rng;
use rand::RngExt;
use rand::distr::Open01;

use super::super::continuous::Continuous;
use super::super::incomplete::ln_gamma_tails;
use super::super::special::HALF_LN_TWO_PI;
use super::super::{Constraint, FamilyInfo, Parameter, Scalar, Support, ValueKind};

pub(super) const INFO: FamilyInfo = FamilyInfo {
    name: "gamma",
    parameters: &[
        Parameter::real("shape", Constraint::Positive, "Shape."),
        Parameter::real("rate", Constraint::Positive, "Rate: the inverse of the scale."),
    ],
    value: ValueKind::Real,
    support: "x > 0",
    proper: true,
    doc: "The gamma distribution with mean shape/rate.",
    source: "Stan Functions Reference, gamma distribution",
};

#[derive(Clone, Copy)]
pub(super) struct Gamma;

impl Continuous<2> for Gamma {
    fn support<S: Scalar>(_: [S; 2]) -> Support<S> {
        Support::LowerBounded(S::constant(0.0))
    }

    fn log_density<S: Scalar>([shape, rate]: [S; 2], x: S) -> S {
        log_density_at(shape, rate, x)
    }

    fn log_cdf<S: Scalar>([shape, rate]: [S; 2], x: S) -> S {
        ln_gamma_tails(shape, rate * x).0
    }

    fn log_survival<S: Scalar>([shape, rate]: [S; 2], x: S) -> S {
        ln_gamma_tails(shape, rate * x).1
    }

    fn sample<R: Rng + ?Sized>([shape, rate]: [f64; 2], rng: &mut R) -> f64 {
        standard_gamma(shape, rng) / rate
    }
}

pub(super) fn log_density_at<S: Scalar>(shape: S, rate: S, x: S) -> S {
    let u = rate * x;
    if shape.value() >= 10.0 && x.value() > 0.0 {
        // Around the mode the terms of the textbook formula are large and cancel.
        shape.ln() * 0.5 - x.ln() - HALF_LN_TWO_PI - shape.stirling_error() - shape.deviance(u)
    } else {
        shape * rate.ln() + (shape - 1.0).mul_ln(x) - u - shape.ln_gamma()
    }
}

/// A draw with rate 1; 0 where it underflows.
pub(super) fn standard_gamma<R: Rng + ?Sized>(shape: f64, rng: &mut R) -> f64 {
    rand_distr::Gamma::new(shape, 1.0).map_or(f64::NAN, |gamma| rng.sample(gamma))
}

/// The log of a draw with rate 1, which does not underflow: G(a) = G(a + 1) U^(1/a).
pub(super) fn ln_standard_gamma<R: Rng + ?Sized>(shape: f64, rng: &mut R) -> f64 {
    if shape >= 1.0 {
        return standard_gamma(shape, rng).ln();
    }
    let u: f64 = rng.sample(Open01);
    standard_gamma(shape + 1.0, rng).ln() + u.ln() / shape
}
