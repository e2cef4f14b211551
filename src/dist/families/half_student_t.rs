//! The absolute value of a Student t variable with location 0.

use rand::Rng;

use super::super::continuous::Continuous;
use super::super::{Constraint, FamilyInfo, Parameter, Scalar, Support, ValueKind};
use super::student_t::{standard_draw, standard_log_density, two_sided};

pub(super) const INFO: FamilyInfo = FamilyInfo {
    name: "half_student_t",
    parameters: &[
        Parameter::real("df", Constraint::Positive, "Degrees of freedom."),
        Parameter::real("scale", Constraint::Positive, "Scale."),
    ],
    value: ValueKind::Real,
    support: "x > 0",
    proper: true,
    doc: "The absolute value of a Student t variable with location 0.",
    source: "Stan Functions Reference, Student-t distribution, with the lower bound 0",
};

#[derive(Clone, Copy)]
pub(super) struct HalfStudentT;

impl Continuous<2> for HalfStudentT {
    fn support<S: Scalar>(_: [S; 2]) -> Support<S> {
        Support::LowerBounded(S::constant(0.0))
    }

    fn log_density<S: Scalar>([df, scale]: [S; 2], x: S) -> S {
        standard_log_density(df, x / scale) - scale.ln() + std::f64::consts::LN_2
    }

    fn log_cdf<S: Scalar>([df, scale]: [S; 2], x: S) -> S {
        two_sided(df, x / scale).1
    }

    fn log_survival<S: Scalar>([df, scale]: [S; 2], x: S) -> S {
        two_sided(df, x / scale).0
    }

    fn sample<R: Rng + ?Sized>([df, scale]: [f64; 2], rng: &mut R) -> f64 {
        scale * standard_draw(df, rng).abs()
    }
}
