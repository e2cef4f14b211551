//! The normal distribution with mean m and standard deviation s.

use rand::Rng;
use rand::RngExt;
use rand_distr::StandardNormal;

use super::super::continuous::Continuous;
use super::super::special::HALF_LN_TWO_PI;
use super::super::{Constraint, FamilyInfo, Parameter, Scalar, Support, ValueKind};

pub(super) const INFO: FamilyInfo = FamilyInfo {
    name: "normal",
    parameters: &[
        Parameter::real("m", Constraint::Finite, "Mean."),
        Parameter::real("s", Constraint::Positive, "Standard deviation (not the variance)."),
    ],
    value: ValueKind::Real,
    support: "any real x",
    proper: true,
    doc: "The normal distribution with mean m and standard deviation s.",
    source: "Stan Functions Reference, normal distribution",
};

#[derive(Clone, Copy)]
pub(super) struct Normal;

impl Continuous<2> for Normal {
    fn support<S: Scalar>(_: [S; 2]) -> Support<S> {
        Support::Real
    }

    fn log_density<S: Scalar>([m, s]: [S; 2], x: S) -> S {
        -((x - m) / s).square() * 0.5 - s.ln() - HALF_LN_TWO_PI
    }

    fn log_cdf<S: Scalar>([m, s]: [S; 2], x: S) -> S {
        ((x - m) / s).log_phi()
    }

    fn log_survival<S: Scalar>([m, s]: [S; 2], x: S) -> S {
        ((m - x) / s).log_phi()
    }

    fn sample<R: Rng + ?Sized>([m, s]: [f64; 2], rng: &mut R) -> f64 {
        let z: f64 = rng.sample(StandardNormal);
        m + s * z
    }
}
