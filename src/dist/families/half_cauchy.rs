//! The absolute value of a Cauchy variable with location 0.

use rand::Rng;
use rand::RngExt;
use rand::distr::Open01;

use super::super::continuous::Continuous;
use super::super::{Constraint, FamilyInfo, Parameter, Scalar, Support, ValueKind};

pub(super) const INFO: FamilyInfo = FamilyInfo {
    name: "half_cauchy",
    parameters: &[Parameter::real("scale", Constraint::Positive, "Median.")],
    value: ValueKind::Real,
    support: "x > 0",
    proper: true,
    doc: "The absolute value of a Cauchy variable with location 0.",
    source: "Stan Functions Reference, Cauchy distribution, with the lower bound 0",
};

#[derive(Clone, Copy)]
pub(super) struct HalfCauchy;

impl Continuous<1> for HalfCauchy {
    fn support<S: Scalar>(_: [S; 1]) -> Support<S> {
        Support::LowerBounded(S::constant(0.0))
    }

    fn log_density<S: Scalar>([scale]: [S; 1], x: S) -> S {
        -(x / scale).ln_1p_square() - scale.ln() - std::f64::consts::FRAC_PI_2.ln()
    }

    fn log_cdf<S: Scalar>([scale]: [S; 1], x: S) -> S {
        ((x / scale).atan() / std::f64::consts::FRAC_PI_2).ln()
    }

    fn log_survival<S: Scalar>([scale]: [S; 1], x: S) -> S {
        ((scale / x).atan() / std::f64::consts::FRAC_PI_2).ln()
    }

    fn sample<R: Rng + ?Sized>([scale]: [f64; 1], rng: &mut R) -> f64 {
        let u: f64 = rng.sample(Open01);
        scale * (std::f64::consts::FRAC_PI_2 * u).tan()
    }
}
