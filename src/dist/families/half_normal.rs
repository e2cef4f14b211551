//! The absolute value of a normal variable with mean 0.

use rand::Rng;
use rand::RngExt;
use rand_distr::StandardNormal;

use super::super::continuous::Continuous;
use super::super::special::HALF_LN_TWO_PI;
use super::super::{Constraint, FamilyInfo, Parameter, Scalar, Support, ValueKind};

pub(super) const INFO: FamilyInfo = FamilyInfo {
    name: "half_normal",
    parameters: &[Parameter::real(
        "scale",
        Constraint::Positive,
        "Standard deviation of the normal distribution that is folded.",
    )],
    value: ValueKind::Real,
    support: "x > 0",
    proper: true,
    doc: "The absolute value of a normal variable with mean 0.",
    source: "Stan Functions Reference, normal distribution, with the lower bound 0",
};

#[derive(Clone, Copy)]
pub(super) struct HalfNormal;

impl Continuous<1> for HalfNormal {
    fn support<S: Scalar>(_: [S; 1]) -> Support<S> {
        Support::LowerBounded(S::constant(0.0))
    }

    fn log_density<S: Scalar>([scale]: [S; 1], x: S) -> S {
        -(x / scale).square() * 0.5 - scale.ln() - HALF_LN_TWO_PI + std::f64::consts::LN_2
    }

    fn log_cdf<S: Scalar>([scale]: [S; 1], x: S) -> S {
        (x / scale * std::f64::consts::FRAC_1_SQRT_2).erf().ln()
    }

    fn log_survival<S: Scalar>([scale]: [S; 1], x: S) -> S {
        (-x / scale).log_phi() + std::f64::consts::LN_2
    }

    fn sample<R: Rng + ?Sized>([scale]: [f64; 1], rng: &mut R) -> f64 {
        let z: f64 = rng.sample(StandardNormal);
        scale * z.abs()
    }
}
