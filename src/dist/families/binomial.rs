//! The number of successes in n trials.

use rand::Rng;
use rand::RngExt;

use super::super::discrete::Discrete;
use super::super::incomplete::{ln_beta_tails, ln_gamma_ratio};
use super::super::special::{ln_gamma, stirling_error};
use super::super::{Constraint, FamilyInfo, Parameter, Scalar, ValueKind};

pub(super) const INFO: FamilyInfo = FamilyInfo {
    name: "binomial",
    parameters: &[
        Parameter::int("n", Constraint::NonNegative, "Number of trials."),
        Parameter::real("p", Constraint::Probability, "Probability of success in each."),
    ],
    value: ValueKind::Int,
    support: "k = 0, 1, …, n",
    proper: true,
    doc: "The number of successes in n trials.",
    source: "Stan Functions Reference, binomial distribution",
};

#[derive(Clone, Copy)]
pub(super) struct Binomial;

impl Discrete<2> for Binomial {
    fn bounds([n, _]: [f64; 2]) -> (i64, Option<i64>) {
        (0, Some(n as i64))
    }

    fn log_density<S: Scalar>([n, p]: [S; 2], k: i64) -> S {
        let failure = -p + 1.0;
        log_mass(n.value(), k as f64, [p, failure], || [p.ln(), (-p).ln_1p()])
    }

    fn log_cdf<S: Scalar>([n, p]: [S; 2], k: i64) -> S {
        ln_beta_tails(S::constant(k as f64 + 1.0), n - k as f64, p.ln(), (-p).ln_1p()).1
    }

    fn log_survival<S: Scalar>([n, p]: [S; 2], k: i64) -> S {
        ln_beta_tails(S::constant(k as f64 + 1.0), n - k as f64, p.ln(), (-p).ln_1p()).0
    }

    fn sample<R: Rng + ?Sized>([n, p]: [f64; 2], rng: &mut R) -> i64 {
        draw(n, p, rng)
    }
}

pub(super) fn draw<R: Rng + ?Sized>(n: f64, p: f64, rng: &mut R) -> i64 {
    // The largest n is 2⁵³, so that this never saturates.
    rand_distr::Binomial::new(n as u64, p).map_or(0, |binomial| rng.sample(binomial).min(n as u64) as i64)
}

/// The log probability of `k` successes, from the probabilities of success and failure and (where those are too small to
/// be told from 0) their logs. Loader's saddle-point form (2000) between the ends.
pub(super) fn log_mass<S: Scalar>(n: f64, k: f64, [p, q]: [S; 2], logs: impl FnOnce() -> [S; 2]) -> S {
    if n == 0.0 {
        return S::constant(0.0);
    }
    if k > 0.0 && k < n && p.value() >= f64::MIN_POSITIVE && q.value() >= f64::MIN_POSITIVE {
        let errors = stirling_error(n) - stirling_error(k) - stirling_error(n - k);
        let spread = 0.5 * (n / (std::f64::consts::TAU * k * (n - k))).ln();
        return -S::constant(k).deviance(p * n) - S::constant(n - k).deviance(q * n) + (errors + spread);
    }
    let [ln_p, ln_q] = logs();
    let choose = ln_gamma_ratio(n - k + 1.0, k) - ln_gamma(k + 1.0);
    let successes = if k == 0.0 { S::constant(0.0) } else { ln_p * k };
    let failures = if k == n { S::constant(0.0) } else { ln_q * (n - k) };
    successes + failures + if k == 0.0 || k == n { 0.0 } else { choose }
}
