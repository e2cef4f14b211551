//! Every value between two ends is equally likely.

use rand::Rng;
use rand::RngExt;
use rand::distr::Open01;

use super::super::continuous::Continuous;
use super::super::{Constraint, FamilyInfo, Parameter, Scalar, Support, ValueKind};

pub(super) const INFO: FamilyInfo = FamilyInfo {
    name: "uniform",
    parameters: &[
        Parameter::real("lo", Constraint::Finite, "Lower end."),
        Parameter::real("hi", Constraint::Above(0), "Upper end."),
    ],
    value: ValueKind::Real,
    support: "lo < x < hi",
    proper: true,
    doc: "Every value between two ends is equally likely.",
    source: "Stan Functions Reference, uniform distribution",
};

#[derive(Clone, Copy)]
pub(super) struct Uniform;

impl Continuous<2> for Uniform {
    fn support<S: Scalar>([lo, hi]: [S; 2]) -> Support<S> {
        Support::Interval(lo, hi)
    }

    fn log_density<S: Scalar>([lo, hi]: [S; 2], _: S) -> S {
        // Halves, so that the width of the widest interval does not overflow.
        -(hi * 0.5 - lo * 0.5).ln() - std::f64::consts::LN_2
    }

    fn log_cdf<S: Scalar>([lo, hi]: [S; 2], x: S) -> S {
        (x * 0.5 - lo * 0.5).ln() - (hi * 0.5 - lo * 0.5).ln()
    }

    fn log_survival<S: Scalar>([lo, hi]: [S; 2], x: S) -> S {
        (hi * 0.5 - x * 0.5).ln() - (hi * 0.5 - lo * 0.5).ln()
    }

    fn sample<R: Rng + ?Sized>([lo, hi]: [f64; 2], rng: &mut R) -> f64 {
        let u: f64 = rng.sample(Open01);
        lo * (1.0 - u) + hi * u
    }
}
