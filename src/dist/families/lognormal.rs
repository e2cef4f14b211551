//! The exponential of a normal variable.

use rand::Rng;
use rand::RngExt;
use rand_distr::StandardNormal;

use super::super::continuous::Continuous;
use super::super::special::HALF_LN_TWO_PI;
use super::super::{Constraint, FamilyInfo, Parameter, Scalar, Support, ValueKind};

pub(super) const INFO: FamilyInfo = FamilyInfo {
    name: "lognormal",
    parameters: &[
        Parameter::real("m", Constraint::Finite, "Mean of ln x."),
        Parameter::real("s", Constraint::Positive, "Standard deviation of ln x."),
    ],
    value: ValueKind::Real,
    support: "x > 0",
    proper: true,
    doc: "The exponential of a normal variable.",
    source: "Stan Functions Reference, lognormal distribution",
};

#[derive(Clone, Copy)]
pub(super) struct Lognormal;

impl Continuous<2> for Lognormal {
    fn support<S: Scalar>(_: [S; 2]) -> Support<S> {
        Support::LowerBounded(S::constant(0.0))
    }

    fn log_density<S: Scalar>([m, s]: [S; 2], x: S) -> S {
        if x.value() == 0.0 {
            return S::constant(f64::NEG_INFINITY);
        }
        let y = x.ln();
        -((y - m) / s).square() * 0.5 - s.ln() - y - HALF_LN_TWO_PI
    }

    fn log_cdf<S: Scalar>([m, s]: [S; 2], x: S) -> S {
        ((x.ln() - m) / s).log_phi()
    }

    fn log_survival<S: Scalar>([m, s]: [S; 2], x: S) -> S {
        ((m - x.ln()) / s).log_phi()
    }

    fn sample<R: Rng + ?Sized>([m, s]: [f64; 2], rng: &mut R) -> f64 {
        let z: f64 = rng.sample(StandardNormal);
        (m + s * z).exp()
    }
}
