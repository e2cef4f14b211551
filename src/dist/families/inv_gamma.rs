//! The inverse of a gamma variable with the same shape and rate = scale.

use rand::Rng;

use super::super::continuous::Continuous;
use super::super::incomplete::ln_gamma_tails;
use super::super::{Constraint, FamilyInfo, Parameter, Scalar, Support, ValueKind};
use super::gamma::{ln_standard_gamma, log_density_at};

pub(super) const INFO: FamilyInfo = FamilyInfo {
    name: "inv_gamma",
    parameters: &[
        Parameter::real("shape", Constraint::Positive, "Shape."),
        Parameter::real("scale", Constraint::Positive, "Scale."),
    ],
    value: ValueKind::Real,
    support: "x > 0",
    proper: true,
    doc: "The inverse of a gamma variable with the same shape and rate = scale.",
    source: "Stan Functions Reference, inverse gamma distribution",
};

#[derive(Clone, Copy)]
pub(super) struct InvGamma;

impl Continuous<2> for InvGamma {
    fn support<S: Scalar>(_: [S; 2]) -> Support<S> {
        Support::LowerBounded(S::constant(0.0))
    }

    fn log_density<S: Scalar>([shape, scale]: [S; 2], x: S) -> S {
        if x.value() == 0.0 {
            return S::constant(f64::NEG_INFINITY);
        }
        // The density of the inverse, and its Jacobian 1/x².
        log_density_at(shape, scale, x.recip()) - x.ln() * 2.0
    }

    fn log_cdf<S: Scalar>([shape, scale]: [S; 2], x: S) -> S {
        ln_gamma_tails(shape, scale / x).1
    }

    fn log_survival<S: Scalar>([shape, scale]: [S; 2], x: S) -> S {
        ln_gamma_tails(shape, scale / x).0
    }

    fn sample<R: Rng + ?Sized>([shape, scale]: [f64; 2], rng: &mut R) -> f64 {
        (scale.ln() - ln_standard_gamma(shape, rng)).exp()
    }
}
