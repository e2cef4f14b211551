//! One trial: 1 with probability p, else 0.

use rand::Rng;
use rand::RngExt;

use super::super::discrete::Discrete;
use super::super::{Constraint, FamilyInfo, Parameter, Scalar, ValueKind};

pub(super) const INFO: FamilyInfo = FamilyInfo {
    name: "bernoulli",
    parameters: &[Parameter::real("p", Constraint::Probability, "Probability of 1.")],
    value: ValueKind::Int,
    support: "k = 0 or 1",
    proper: true,
    doc: "One trial: 1 with probability p, else 0.",
    source: "Stan Functions Reference, Bernoulli distribution",
};

#[derive(Clone, Copy)]
pub(super) struct Bernoulli;

impl Discrete<1> for Bernoulli {
    fn bounds(_: [f64; 1]) -> (i64, Option<i64>) {
        (0, Some(1))
    }

    fn log_density<S: Scalar>([p]: [S; 1], k: i64) -> S {
        if k == 0 { (-p).ln_1p() } else { p.ln() }
    }

    fn log_cdf<S: Scalar>([p]: [S; 1], _: i64) -> S {
        (-p).ln_1p()
    }

    fn log_survival<S: Scalar>([p]: [S; 1], _: i64) -> S {
        p.ln()
    }

    fn sample<R: Rng + ?Sized>([p]: [f64; 1], rng: &mut R) -> i64 {
        i64::from(rng.random::<f64>() < p)
    }
}
