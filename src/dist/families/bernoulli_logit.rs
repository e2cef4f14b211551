//! One trial: 1 with probability sigmoid(x), else 0.

use rand::Rng;
use rand::RngExt;

use super::super::discrete::Discrete;
use super::super::special::sigmoid;
use super::super::{Constraint, FamilyInfo, Parameter, Scalar, ValueKind};

pub(super) const INFO: FamilyInfo = FamilyInfo {
    name: "bernoulli_logit",
    parameters: &[Parameter::real("x", Constraint::Finite, "Log odds of 1.")],
    value: ValueKind::Int,
    support: "k = 0 or 1",
    proper: true,
    doc: "One trial: 1 with probability sigmoid(x), else 0.",
    source: "Stan Functions Reference, Bernoulli distribution, logit parameterization",
};

#[derive(Clone, Copy)]
pub(super) struct BernoulliLogit;

impl Discrete<1> for BernoulliLogit {
    fn bounds(_: [f64; 1]) -> (i64, Option<i64>) {
        (0, Some(1))
    }

    fn log_density<S: Scalar>([x]: [S; 1], k: i64) -> S {
        if k == 0 { (-x).log_sigmoid() } else { x.log_sigmoid() }
    }

    fn log_cdf<S: Scalar>([x]: [S; 1], _: i64) -> S {
        (-x).log_sigmoid()
    }

    fn log_survival<S: Scalar>([x]: [S; 1], _: i64) -> S {
        x.log_sigmoid()
    }

    fn sample<R: Rng + ?Sized>([x]: [f64; 1], rng: &mut R) -> i64 {
        i64::from(rng.random::<f64>() < sigmoid(x))
    }
}
