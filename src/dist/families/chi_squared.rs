//! The sum of df squared standard normal variables: gamma(df/2, 1/2).

use rand::Rng;

use super::super::continuous::Continuous;
use super::super::incomplete::ln_gamma_tails;
use super::super::{Constraint, FamilyInfo, Parameter, Scalar, Support, ValueKind};
use super::gamma::{log_density_at, standard_gamma};

pub(super) const INFO: FamilyInfo = FamilyInfo {
    name: "chi_squared",
    parameters: &[Parameter::real("df", Constraint::Positive, "Degrees of freedom.")],
    value: ValueKind::Real,
    support: "x > 0",
    proper: true,
    doc: "The sum of df squared standard normal variables: gamma(df/2, 1/2).",
    source: "Stan Functions Reference, chi-square distribution",
};

#[derive(Clone, Copy)]
pub(super) struct ChiSquared;

impl Continuous<1> for ChiSquared {
    fn support<S: Scalar>(_: [S; 1]) -> Support<S> {
        Support::LowerBounded(S::constant(0.0))
    }

    fn log_density<S: Scalar>([df]: [S; 1], x: S) -> S {
        log_density_at(df * 0.5, S::constant(0.5), x)
    }

    fn log_cdf<S: Scalar>([df]: [S; 1], x: S) -> S {
        ln_gamma_tails(df * 0.5, x * 0.5).0
    }

    fn log_survival<S: Scalar>([df]: [S; 1], x: S) -> S {
        ln_gamma_tails(df * 0.5, x * 0.5).1
    }

    fn sample<R: Rng + ?Sized>([df]: [f64; 1], rng: &mut R) -> f64 {
        2.0 * standard_gamma(0.5 * df, rng)
    }
}
