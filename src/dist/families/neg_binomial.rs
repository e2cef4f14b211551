//! Counts that vary more than Poisson counts of the same mean.

use rand::Rng;

use super::super::discrete::Discrete;
use super::super::incomplete::{ln_beta_tails, ln_gamma_ratio};
use super::super::{Constraint, FamilyInfo, Parameter, Scalar, ValueKind};
use super::gamma::ln_standard_gamma;
use super::poisson;

pub(super) const INFO: FamilyInfo = FamilyInfo {
    name: "neg_binomial",
    parameters: &[
        Parameter::real("mean", Constraint::Positive, "Mean."),
        Parameter::real(
            "dispersion",
            Constraint::Positive,
            "The variance is mean + mean²/dispersion; a large value is nearly Poisson.",
        ),
    ],
    value: ValueKind::Int,
    support: "k = 0, 1, …",
    proper: true,
    doc: "Counts that vary more than Poisson counts of the same mean.",
    source: "Stan Functions Reference, negative binomial distribution (alternative parameterization), neg_binomial_2",
};

#[derive(Clone, Copy)]
pub(super) struct NegBinomial;

impl Discrete<2> for NegBinomial {
    fn bounds(_: [f64; 2]) -> (i64, Option<i64>) {
        (0, None)
    }

    fn log_density<S: Scalar>([mean, dispersion]: [S; 2], k: i64) -> S {
        log_mass(mean.ln(), mean, dispersion, k as f64)
    }

    fn log_cdf<S: Scalar>([mean, dispersion]: [S; 2], k: i64) -> S {
        tails(mean.ln(), dispersion, k as f64).0
    }

    fn log_survival<S: Scalar>([mean, dispersion]: [S; 2], k: i64) -> S {
        tails(mean.ln(), dispersion, k as f64).1
    }

    fn sample<R: Rng + ?Sized>([mean, dispersion]: [f64; 2], rng: &mut R) -> i64 {
        draw(mean.ln(), dispersion, rng)
    }
}

/// The log probability of `k`, from the mean and its log (where the mean overflows or underflows, its log counts).
pub(super) fn log_mass<S: Scalar>(ln_mean: S, mean: S, dispersion: S, k: f64) -> S {
    let m = mean.value();
    if dispersion.value() >= 10.0 && m > 1e-100 && m < 1e100 && dispersion.value() < 1e100 {
        // The Poisson probability and what dispersion changes about it, which vanishes as that grows.
        let reached = dispersion + k;
        let ratio = (-mean + k) / (dispersion + mean);
        let ln_ratio = if ratio.value() > -0.5 { ratio.ln_1p() } else { (reached / (dispersion + mean)).ln() };
        let change = dispersion.deviance(dispersion + mean)
            - dispersion.deviance(reached)
            - (S::constant(k) / dispersion).ln_1p() * 0.5
            + ln_ratio * k
            + reached.stirling_error()
            - dispersion.stirling_error();
        return poisson::log_mass(mean, k) + change;
    }
    let ln_odds = ln_mean - dispersion.ln();
    let choose = if k == 0.0 {
        S::constant(0.0)
    } else {
        // Γ(k + d)/(Γ(k + 1) Γ(d)), where the ratio of two large numbers is taken at once.
        ln_gamma_ratio(S::constant(k + 1.0), dispersion - 1.0) - dispersion.ln_gamma()
    };
    let successes = if k == 0.0 { S::constant(0.0) } else { ln_odds.log_sigmoid() * k };
    choose + dispersion * (-ln_odds).log_sigmoid() + successes
}

/// From this dispersion on tails are summed term by term: the incomplete beta function of so large a shape loses digits.
const SUM_FROM: f64 = 1e5;

/// The logs of the probabilities of values up to `k` and above.
pub(super) fn tails<S: Scalar>(ln_mean: S, dispersion: S, k: f64) -> (S, S) {
    if dispersion.value() < SUM_FROM {
        let ln_odds = ln_mean - dispersion.ln();
        return ln_beta_tails(dispersion, S::constant(k + 1.0), (-ln_odds).log_sigmoid(), ln_odds.log_sigmoid());
    }
    let mean = ln_mean.exp();
    // The ratio of the probabilities of j + 1 and j.
    let ratio = |j: f64| (dispersion + j) * mean / ((dispersion + mean) * (j + 1.0));
    if k < mean.value() {
        let sum = sum_of_products((0..k as u64).rev().map(|j| ratio(j as f64).recip()));
        let below = (log_mass(ln_mean, mean, dispersion, k) + sum.ln()).min(S::constant(0.0));
        (below, below.ln_1m_exp())
    } else {
        let first = k as u64 + 1;
        let sum = sum_of_products((first..).map(|j| ratio(j as f64)));
        let above = (log_mass(ln_mean, mean, dispersion, k + 1.0) + sum.ln()).min(S::constant(0.0));
        (above.ln_1m_exp(), above)
    }
}

/// 1 + r₁ + r₁ r₂ + … of decreasing ratios, until terms no longer count.
fn sum_of_products<S: Scalar>(ratios: impl Iterator<Item = S>) -> S {
    let mut term = S::constant(1.0);
    let mut sum = S::constant(1.0);
    for ratio in ratios {
        term = term * ratio;
        sum = sum + term;
        if term.value() < 1e-18 * sum.value() {
            break;
        }
    }
    sum
}

/// A Poisson draw whose rate is a gamma draw.
pub(super) fn draw<R: Rng + ?Sized>(ln_mean: f64, dispersion: f64, rng: &mut R) -> i64 {
    poisson::draw((ln_mean - dispersion.ln() + ln_standard_gamma(dispersion, rng)).exp().min(f64::MAX), rng)
}
