//! The distribution whose distribution function is the sigmoid.

use rand::Rng;
use rand::RngExt;
use rand::distr::Open01;

use super::super::continuous::Continuous;
use super::super::{Constraint, FamilyInfo, Parameter, Scalar, Support, ValueKind};

pub(super) const INFO: FamilyInfo = FamilyInfo {
    name: "logistic",
    parameters: &[
        Parameter::real("loc", Constraint::Finite, "Location: the median."),
        Parameter::real("scale", Constraint::Positive, "Scale."),
    ],
    value: ValueKind::Real,
    support: "any real x",
    proper: true,
    doc: "The distribution whose distribution function is the sigmoid.",
    source: "Stan Functions Reference, logistic distribution",
};

#[derive(Clone, Copy)]
pub(super) struct Logistic;

impl Continuous<2> for Logistic {
    fn support<S: Scalar>(_: [S; 2]) -> Support<S> {
        Support::Real
    }

    fn log_density<S: Scalar>([loc, scale]: [S; 2], x: S) -> S {
        let z = (x - loc) / scale;
        z.log_sigmoid() + (-z).log_sigmoid() - scale.ln()
    }

    fn log_cdf<S: Scalar>([loc, scale]: [S; 2], x: S) -> S {
        ((x - loc) / scale).log_sigmoid()
    }

    fn log_survival<S: Scalar>([loc, scale]: [S; 2], x: S) -> S {
        ((loc - x) / scale).log_sigmoid()
    }

    fn sample<R: Rng + ?Sized>([loc, scale]: [f64; 2], rng: &mut R) -> f64 {
        let u: f64 = rng.sample(Open01);
        loc + scale * (u.ln() - (-u).ln_1p())
    }
}
