//! The beta distribution with mean a/(a + b).

use rand::Rng;

use super::super::continuous::Continuous;
use super::super::incomplete::{ln_beta, ln_beta_tails, ln_beta_weight};
use super::super::special::sigmoid;
use super::super::{Constraint, FamilyInfo, Parameter, Scalar, Support, ValueKind};
use super::gamma::ln_standard_gamma;

pub(super) const INFO: FamilyInfo = FamilyInfo {
    name: "beta",
    parameters: &[
        Parameter::real("a", Constraint::Positive, "Weight of success: pulls towards 1."),
        Parameter::real("b", Constraint::Positive, "Weight of failure: pulls towards 0."),
    ],
    value: ValueKind::Real,
    support: "0 < x < 1",
    proper: true,
    doc: "The beta distribution with mean a/(a + b).",
    source: "Stan Functions Reference, beta distribution",
};

#[derive(Clone, Copy)]
pub(super) struct Beta;

impl Continuous<2> for Beta {
    fn support<S: Scalar>(_: [S; 2]) -> Support<S> {
        Support::Interval(S::constant(0.0), S::constant(1.0))
    }

    fn log_density<S: Scalar>([a, b]: [S; 2], x: S) -> S {
        let y = x.value();
        if y > 0.0 && y < 1.0 {
            let (ln_x, ln_y) = (x.ln(), (-x).ln_1p());
            ln_beta_weight(a, b, ln_x, ln_y) - ln_x - ln_y
        } else {
            (a - 1.0).mul_ln(x) + (b - 1.0).mul_ln_1p(-x) - ln_beta(a, b)
        }
    }

    fn log_cdf<S: Scalar>([a, b]: [S; 2], x: S) -> S {
        ln_beta_tails(a, b, x.ln(), (-x).ln_1p()).0
    }

    fn log_survival<S: Scalar>([a, b]: [S; 2], x: S) -> S {
        ln_beta_tails(a, b, x.ln(), (-x).ln_1p()).1
    }

    fn sample<R: Rng + ?Sized>([a, b]: [f64; 2], rng: &mut R) -> f64 {
        sigmoid(ln_standard_gamma(a, rng) - ln_standard_gamma(b, rng))
    }
}
