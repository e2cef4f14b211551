//! The number of events where the mean number is the rate.

use rand::Rng;
use rand::RngExt;
use rand_distr::StandardNormal;

use super::super::discrete::Discrete;
use super::super::incomplete::ln_gamma_tails;
use super::super::special::stirling_error;
use super::super::{Constraint, FamilyInfo, Parameter, Scalar, ValueKind};

pub(super) const INFO: FamilyInfo = FamilyInfo {
    name: "poisson",
    parameters: &[Parameter::real("rate", Constraint::NonNegative, "Mean; 0 gives 0 always.")],
    value: ValueKind::Int,
    support: "k = 0, 1, …",
    proper: true,
    doc: "The number of events where the mean number is the rate.",
    source: "Stan Functions Reference, Poisson distribution",
};

#[derive(Clone, Copy)]
pub(super) struct Poisson;

impl Discrete<1> for Poisson {
    fn bounds(_: [f64; 1]) -> (i64, Option<i64>) {
        (0, None)
    }

    fn log_density<S: Scalar>([rate]: [S; 1], k: i64) -> S {
        log_mass(rate, k as f64)
    }

    fn log_cdf<S: Scalar>([rate]: [S; 1], k: i64) -> S {
        ln_gamma_tails(S::constant(k as f64 + 1.0), rate).1
    }

    fn log_survival<S: Scalar>([rate]: [S; 1], k: i64) -> S {
        ln_gamma_tails(S::constant(k as f64 + 1.0), rate).0
    }

    fn sample<R: Rng + ?Sized>([rate]: [f64; 1], rng: &mut R) -> i64 {
        draw(rate, rng)
    }
}

/// Loader's saddle-point form (2000).
pub(super) fn log_mass<S: Scalar>(rate: S, k: f64) -> S {
    if k == 0.0 {
        return -rate;
    }
    -S::constant(k).deviance(rate) - (stirling_error(k) + 0.5 * (std::f64::consts::TAU * k).ln())
}

/// From here on a draw is that of the normal distribution, rounded: the difference is far below a double's precision of
/// such counts. Counts beyond 2⁶³ − 1 become that.
const NORMAL_FROM: f64 = 1e18;

pub(super) fn draw<R: Rng + ?Sized>(rate: f64, rng: &mut R) -> i64 {
    if rate >= NORMAL_FROM {
        let z: f64 = rng.sample(StandardNormal);
        return (rate + rate.sqrt() * z) as i64;
    }
    // A rate of 0 is refused, and has but one draw.
    rand_distr::Poisson::new(rate).map_or(0, |poisson| rng.sample(poisson) as i64)
}
