//! The number of successes in n trials that each succeed with probability sigmoid(x).

use rand::Rng;

use super::super::discrete::Discrete;
use super::super::incomplete::ln_beta_tails;
use super::super::special::sigmoid;
use super::super::{Constraint, FamilyInfo, Parameter, Scalar, ValueKind};
use super::binomial::{draw, log_mass};

pub(super) const INFO: FamilyInfo = FamilyInfo {
    name: "binomial_logit",
    parameters: &[
        Parameter::int("n", Constraint::NonNegative, "Number of trials."),
        Parameter::real("x", Constraint::Finite, "Log odds of success in each."),
    ],
    value: ValueKind::Int,
    support: "k = 0, 1, …, n",
    proper: true,
    doc: "The number of successes in n trials that each succeed with probability sigmoid(x).",
    source: "Stan Functions Reference, binomial distribution, logit parameterization",
};

#[derive(Clone, Copy)]
pub(super) struct BinomialLogit;

impl Discrete<2> for BinomialLogit {
    fn bounds([n, _]: [f64; 2]) -> (i64, Option<i64>) {
        (0, Some(n as i64))
    }

    fn log_density<S: Scalar>([n, x]: [S; 2], k: i64) -> S {
        let logs = || [x.log_sigmoid(), (-x).log_sigmoid()];
        log_mass(n.value(), k as f64, [x.sigmoid(), (-x).sigmoid()], logs)
    }

    fn log_cdf<S: Scalar>([n, x]: [S; 2], k: i64) -> S {
        ln_beta_tails(S::constant(k as f64 + 1.0), n - k as f64, x.log_sigmoid(), (-x).log_sigmoid()).1
    }

    fn log_survival<S: Scalar>([n, x]: [S; 2], k: i64) -> S {
        ln_beta_tails(S::constant(k as f64 + 1.0), n - k as f64, x.log_sigmoid(), (-x).log_sigmoid()).0
    }

    fn sample<R: Rng + ?Sized>([n, x]: [f64; 2], rng: &mut R) -> i64 {
        draw(n, sigmoid(x), rng)
    }
}
