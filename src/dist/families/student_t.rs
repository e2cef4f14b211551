//! Student's t distribution, shifted and scaled: heavy tails for small df, nearly normal for large.

use rand::Rng;
use rand::RngExt;
use rand_distr::StandardNormal;

use super::super::continuous::Continuous;
use super::super::incomplete::{ln_beta_tails, ln_gamma_ratio};
use super::super::{Constraint, Dual, FamilyInfo, Parameter, Scalar, Support, ValueKind};
use super::gamma::ln_standard_gamma;

pub(super) const INFO: FamilyInfo = FamilyInfo {
    name: "student_t",
    parameters: &[
        Parameter::real("df", Constraint::Positive, "Degrees of freedom."),
        Parameter::real("loc", Constraint::Finite, "Location: the median."),
        Parameter::real("scale", Constraint::Positive, "Scale."),
    ],
    value: ValueKind::Real,
    support: "any real x",
    proper: true,
    doc: "Student's t distribution, shifted and scaled: heavy tails for small df, nearly normal for large.",
    source: "Stan Functions Reference, Student-t distribution",
};

#[derive(Clone, Copy)]
pub(super) struct StudentT;

impl Continuous<3> for StudentT {
    fn support<S: Scalar>(_: [S; 3]) -> Support<S> {
        Support::Real
    }

    fn log_density<S: Scalar>([df, loc, scale]: [S; 3], x: S) -> S {
        standard_log_density(df, (x - loc) / scale) - scale.ln()
    }

    fn log_cdf<S: Scalar>([df, loc, scale]: [S; 3], x: S) -> S {
        standard_log_cdf(df, (x - loc) / scale)
    }

    fn log_survival<S: Scalar>([df, loc, scale]: [S; 3], x: S) -> S {
        standard_log_cdf(df, (loc - x) / scale)
    }

    fn sample<R: Rng + ?Sized>([df, loc, scale]: [f64; 3], rng: &mut R) -> f64 {
        loc + scale * standard_draw(df, rng)
    }
}

/// The log density with location 0 and scale 1.
pub(super) fn standard_log_density<S: Scalar>(df: S, z: S) -> S {
    let half = df * 0.5;
    let normaliser = ln_gamma_ratio(half, S::constant(0.5)) - (df * std::f64::consts::PI).ln() * 0.5;
    normaliser - (half + 0.5) * (z / df.sqrt()).ln_1p_square()
}

/// The log distribution function with location 0 and scale 1.
fn standard_log_cdf<S: Scalar>(df: S, z: S) -> S {
    let (n, t) = (df.value(), z.value());
    let value = log_cdf_at(n, t);
    S::combine(value, [df, z], || {
        let by_df = log_cdf_at(Dual::variable(n), Dual::constant(t)).derivative;
        [by_df, (standard_log_density(n, t) - value).exp()]
    })
}

fn log_cdf_at<S: Scalar>(df: S, z: S) -> S {
    let (tail, _) = two_sided(df, z);
    let half_tail = tail - std::f64::consts::LN_2;
    if z.value() < 0.0 { half_tail } else { (-half_tail.exp()).ln_1p() }
}

/// The logs of the probabilities that the absolute value is above and below |z|.
pub(super) fn two_sided<S: Scalar>(df: S, z: S) -> (S, S) {
    let root = df.sqrt();
    let half = df * 0.5;
    let ratio = z / root;
    ln_beta_tails(half, S::constant(0.5), -ratio.ln_1p_square(), -ratio.recip().ln_1p_square())
}

/// A draw with location 0 and scale 1.
pub(super) fn standard_draw<R: Rng + ?Sized>(df: f64, rng: &mut R) -> f64 {
    let z: f64 = rng.sample(StandardNormal);
    z * (-0.5 * (ln_standard_gamma(0.5 * df, rng) - (0.5 * df).ln())).exp()
}
