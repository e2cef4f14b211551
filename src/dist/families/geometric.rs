//! The number of failures before the first success.

use rand::Rng;
use rand::RngExt;
use rand_distr::Exp1;

use super::super::discrete::Discrete;
use super::super::{Constraint, FamilyInfo, Parameter, Scalar, ValueKind};

pub(super) const INFO: FamilyInfo = FamilyInfo {
    name: "geometric",
    parameters: &[Parameter::real("p", Constraint::PositiveProbability, "Probability of success in each trial.")],
    value: ValueKind::Int,
    support: "k = 0, 1, …",
    proper: true,
    doc: "The number of failures before the first success.",
    source: "Johnson, Kemp & Kotz, Univariate Discrete Distributions, 2005, §5.2; neg_binomial with dispersion 1",
};

#[derive(Clone, Copy)]
pub(super) struct Geometric;

impl Discrete<1> for Geometric {
    fn bounds(_: [f64; 1]) -> (i64, Option<i64>) {
        (0, None)
    }

    fn log_density<S: Scalar>([p]: [S; 1], k: i64) -> S {
        p.ln() + S::constant(k as f64).mul_ln_1p(-p)
    }

    fn log_cdf<S: Scalar>([p]: [S; 1], k: i64) -> S {
        ((-p).ln_1p() * (k as f64 + 1.0)).ln_1m_exp()
    }

    fn log_survival<S: Scalar>([p]: [S; 1], k: i64) -> S {
        (-p).ln_1p() * (k as f64 + 1.0)
    }

    fn sample<R: Rng + ?Sized>([p]: [f64; 1], rng: &mut R) -> i64 {
        let e: f64 = rng.sample(Exp1);
        (e / -(-p).ln_1p()) as i64
    }
}
