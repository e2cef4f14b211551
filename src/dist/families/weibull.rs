//! The Weibull distribution of waiting times whose hazard changes with a power of time.

use rand::Rng;
use rand::RngExt;
use rand_distr::Exp1;

use super::super::continuous::Continuous;
use super::super::{Constraint, FamilyInfo, Parameter, Scalar, Support, ValueKind};

pub(super) const INFO: FamilyInfo = FamilyInfo {
    name: "weibull",
    parameters: &[
        Parameter::real("shape", Constraint::Positive, "Shape: 1 is exponential."),
        Parameter::real("scale", Constraint::Positive, "Scale."),
    ],
    value: ValueKind::Real,
    support: "x > 0",
    proper: true,
    doc: "The Weibull distribution of waiting times whose hazard changes with a power of time.",
    source: "Stan Functions Reference, Weibull distribution",
};

#[derive(Clone, Copy)]
pub(super) struct Weibull;

impl Continuous<2> for Weibull {
    fn support<S: Scalar>(_: [S; 2]) -> Support<S> {
        Support::LowerBounded(S::constant(0.0))
    }

    fn log_density<S: Scalar>([shape, scale]: [S; 2], x: S) -> S {
        let z = x / scale;
        shape.ln() - scale.ln() + (shape - 1.0).mul_ln(z) - z.powf(shape)
    }

    fn log_cdf<S: Scalar>([shape, scale]: [S; 2], x: S) -> S {
        (-(x / scale).powf(shape)).ln_1m_exp()
    }

    fn log_survival<S: Scalar>([shape, scale]: [S; 2], x: S) -> S {
        -(x / scale).powf(shape)
    }

    fn sample<R: Rng + ?Sized>([shape, scale]: [f64; 2], rng: &mut R) -> f64 {
        let e: f64 = rng.sample(Exp1);
        scale * e.powf(1.0 / shape)
    }
}
