//! The number of events where the mean number is exp(x).

use rand::Rng;

use super::super::discrete::Discrete;
use super::super::incomplete::ln_gamma_tails;
use super::super::special::ln_gamma;
use super::super::{Constraint, FamilyInfo, Parameter, Scalar, ValueKind};
use super::poisson::{draw, log_mass};

pub(super) const INFO: FamilyInfo = FamilyInfo {
    name: "poisson_log",
    parameters: &[Parameter::real("x", Constraint::Finite, "Log of the mean.")],
    value: ValueKind::Int,
    support: "k = 0, 1, …",
    proper: true,
    doc: "The number of events where the mean number is exp(x).",
    source: "Stan Functions Reference, Poisson distribution, log parameterization",
};

#[derive(Clone, Copy)]
pub(super) struct PoissonLog;

impl Discrete<1> for PoissonLog {
    fn bounds(_: [f64; 1]) -> (i64, Option<i64>) {
        (0, None)
    }

    fn log_density<S: Scalar>([x]: [S; 1], k: i64) -> S {
        let k = k as f64;
        let rate = x.exp();
        if k > 0.0 && rate.value() >= f64::MIN_POSITIVE {
            let value = log_mass(rate.value(), k);
            return S::combine(value, [x], || [k - rate.value()]);
        }
        x * k - rate - ln_gamma(k + 1.0)
    }

    fn log_cdf<S: Scalar>([x]: [S; 1], k: i64) -> S {
        ln_gamma_tails(S::constant(k as f64 + 1.0), x.exp()).1
    }

    fn log_survival<S: Scalar>([x]: [S; 1], k: i64) -> S {
        ln_gamma_tails(S::constant(k as f64 + 1.0), x.exp()).0
    }

    fn sample<R: Rng + ?Sized>([x]: [f64; 1], rng: &mut R) -> i64 {
        draw(x.exp(), rng)
    }
}
