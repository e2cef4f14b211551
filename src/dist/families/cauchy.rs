//! The Cauchy distribution, whose tails are so heavy that it has no mean.

use rand::Rng;
use rand::RngExt;
use rand::distr::Open01;

use super::super::continuous::Continuous;
use super::super::{Constraint, FamilyInfo, Parameter, Scalar, Support, ValueKind};

pub(super) const INFO: FamilyInfo = FamilyInfo {
    name: "cauchy",
    parameters: &[
        Parameter::real("loc", Constraint::Finite, "Location: the median."),
        Parameter::real("scale", Constraint::Positive, "Half the distance between the quartiles."),
    ],
    value: ValueKind::Real,
    support: "any real x",
    proper: true,
    doc: "The Cauchy distribution, whose tails are so heavy that it has no mean.",
    source: "Stan Functions Reference, Cauchy distribution",
};

#[derive(Clone, Copy)]
pub(super) struct Cauchy;

impl Continuous<2> for Cauchy {
    fn support<S: Scalar>(_: [S; 2]) -> Support<S> {
        Support::Real
    }

    fn log_density<S: Scalar>([loc, scale]: [S; 2], x: S) -> S {
        -((x - loc) / scale).ln_1p_square() - scale.ln() - std::f64::consts::PI.ln()
    }

    fn log_cdf<S: Scalar>([loc, scale]: [S; 2], x: S) -> S {
        standard_log_cdf((x - loc) / scale)
    }

    fn log_survival<S: Scalar>([loc, scale]: [S; 2], x: S) -> S {
        standard_log_cdf((loc - x) / scale)
    }

    fn sample<R: Rng + ?Sized>([loc, scale]: [f64; 2], rng: &mut R) -> f64 {
        let u: f64 = rng.sample(Open01);
        loc + scale * (std::f64::consts::PI * (u - 0.5)).tan()
    }
}

fn standard_log_cdf<S: Scalar>(z: S) -> S {
    if z.value() < -1.0 {
        (-(z.recip().atan()) / std::f64::consts::PI).ln()
    } else {
        (z.atan() / std::f64::consts::PI + 0.5).ln()
    }
}
