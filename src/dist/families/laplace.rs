//! The double exponential distribution.

use rand::Rng;
use rand::RngExt;
use rand_distr::Exp1;

use super::super::continuous::Continuous;
use super::super::{Constraint, FamilyInfo, Parameter, Scalar, Support, ValueKind};

pub(super) const INFO: FamilyInfo = FamilyInfo {
    name: "laplace",
    parameters: &[
        Parameter::real("loc", Constraint::Finite, "Location: the median."),
        Parameter::real("scale", Constraint::Positive, "Mean distance from the location."),
    ],
    value: ValueKind::Real,
    support: "any real x",
    proper: true,
    doc: "The double exponential distribution.",
    source: "Stan Functions Reference, double exponential (Laplace) distribution",
};

#[derive(Clone, Copy)]
pub(super) struct Laplace;

impl Continuous<2> for Laplace {
    fn support<S: Scalar>(_: [S; 2]) -> Support<S> {
        Support::Real
    }

    fn log_density<S: Scalar>([loc, scale]: [S; 2], x: S) -> S {
        -((x - loc) / scale).abs() - scale.ln() - std::f64::consts::LN_2
    }

    fn log_cdf<S: Scalar>([loc, scale]: [S; 2], x: S) -> S {
        standard_log_cdf((x - loc) / scale)
    }

    fn log_survival<S: Scalar>([loc, scale]: [S; 2], x: S) -> S {
        standard_log_cdf((loc - x) / scale)
    }

    fn sample<R: Rng + ?Sized>([loc, scale]: [f64; 2], rng: &mut R) -> f64 {
        let (e, right): (f64, bool) = (rng.sample(Exp1), rng.random());
        if right { loc + scale * e } else { loc - scale * e }
    }
}

fn standard_log_cdf<S: Scalar>(z: S) -> S {
    if z.value() < 0.0 { z - std::f64::consts::LN_2 } else { (-(-z).exp() * 0.5).ln_1p() }
}
