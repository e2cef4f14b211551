//! The waiting time for an event that happens at a constant rate.

use rand::Rng;
use rand::RngExt;
use rand_distr::Exp1;

use super::super::continuous::Continuous;
use super::super::{Constraint, FamilyInfo, Parameter, Scalar, Support, ValueKind};

pub(super) const INFO: FamilyInfo = FamilyInfo {
    name: "exponential",
    parameters: &[Parameter::real("rate", Constraint::Positive, "Rate: the inverse of the mean.")],
    value: ValueKind::Real,
    support: "x > 0",
    proper: true,
    doc: "The waiting time for an event that happens at a constant rate.",
    source: "Stan Functions Reference, exponential distribution",
};

#[derive(Clone, Copy)]
pub(super) struct Exponential;

impl Continuous<1> for Exponential {
    fn support<S: Scalar>(_: [S; 1]) -> Support<S> {
        Support::LowerBounded(S::constant(0.0))
    }

    fn log_density<S: Scalar>([rate]: [S; 1], x: S) -> S {
        rate.ln() - rate * x
    }

    fn log_cdf<S: Scalar>([rate]: [S; 1], x: S) -> S {
        (-rate * x).ln_1m_exp()
    }

    fn log_survival<S: Scalar>([rate]: [S; 1], x: S) -> S {
        -rate * x
    }

    fn sample<R: Rng + ?Sized>([rate]: [f64; 1], rng: &mut R) -> f64 {
        let e: f64 = rng.sample(Exp1);
        e / rate
    }
}
