//! neg_binomial with mean exp(log_mean).

use rand::Rng;

use super::super::discrete::Discrete;
use super::super::{Constraint, FamilyInfo, Parameter, Scalar, ValueKind};
use super::neg_binomial::{draw, log_mass, tails};

pub(super) const INFO: FamilyInfo = FamilyInfo {
    name: "neg_binomial_log",
    parameters: &[
        Parameter::real("log_mean", Constraint::Finite, "Log of the mean."),
        Parameter::real("dispersion", Constraint::Positive, "The variance is mean + mean²/dispersion."),
    ],
    value: ValueKind::Int,
    support: "k = 0, 1, …",
    proper: true,
    doc: "neg_binomial with mean exp(log_mean).",
    source: "Stan Functions Reference, negative binomial distribution (log alternative parameterization), neg_binomial_2_log",
};

#[derive(Clone, Copy)]
pub(super) struct NegBinomialLog;

impl Discrete<2> for NegBinomialLog {
    fn bounds(_: [f64; 2]) -> (i64, Option<i64>) {
        (0, None)
    }

    fn log_density<S: Scalar>([log_mean, dispersion]: [S; 2], k: i64) -> S {
        log_mass(log_mean, log_mean.exp(), dispersion, k as f64)
    }

    fn log_cdf<S: Scalar>([log_mean, dispersion]: [S; 2], k: i64) -> S {
        tails(log_mean, dispersion, k as f64).0
    }

    fn log_survival<S: Scalar>([log_mean, dispersion]: [S; 2], k: i64) -> S {
        tails(log_mean, dispersion, k as f64).1
    }

    fn sample<R: Rng + ?Sized>([log_mean, dispersion]: [f64; 2], rng: &mut R) -> i64 {
        draw(log_mean, dispersion, rng)
    }
}
