//! Every integer from lo to hi, both included, is equally likely.

use rand::Rng;
use rand::RngExt;

use super::super::discrete::Discrete;
use super::super::{Constraint, FamilyInfo, Parameter, Scalar, ValueKind};

pub(super) const INFO: FamilyInfo = FamilyInfo {
    name: "discrete_uniform",
    parameters: &[
        Parameter::int("lo", Constraint::Finite, "Smallest value."),
        Parameter::int("hi", Constraint::AtLeast(0), "Largest value."),
    ],
    value: ValueKind::Int,
    support: "k = lo, …, hi",
    proper: true,
    doc: "Every integer from lo to hi, both included, is equally likely.",
    source: "Stan Functions Reference, discrete range distribution",
};

#[derive(Clone, Copy)]
pub(super) struct DiscreteUniform;

impl Discrete<2> for DiscreteUniform {
    fn bounds([lo, hi]: [f64; 2]) -> (i64, Option<i64>) {
        (lo as i64, Some(hi as i64))
    }

    fn log_density<S: Scalar>([lo, hi]: [S; 2], _: i64) -> S {
        S::constant(-(hi.value() - lo.value() + 1.0).ln())
    }

    fn log_cdf<S: Scalar>([lo, hi]: [S; 2], k: i64) -> S {
        S::constant(((k as f64 - lo.value() + 1.0) / (hi.value() - lo.value() + 1.0)).ln())
    }

    fn log_survival<S: Scalar>([lo, hi]: [S; 2], k: i64) -> S {
        S::constant(((hi.value() - k as f64) / (hi.value() - lo.value() + 1.0)).ln())
    }

    fn sample<R: Rng + ?Sized>([lo, hi]: [f64; 2], rng: &mut R) -> i64 {
        rng.random_range(lo as i64..=hi as i64)
    }
}
