//! Draws of one distribution in ascending order.

use rand::Rng;

use super::super::argument::{distributions, scalar};
use super::super::composite::Composite;
use super::super::special::ln_gamma;
use super::super::{
    Argument, Constraint, FamilyInfo, Improper, Parameter, ParameterKind, Point, Scalar, Support, ValueKind,
};
use crate::value::Value;

pub(super) const INFO: FamilyInfo = FamilyInfo {
    name: "ordered",
    parameters: &[
        Parameter {
            name: "d",
            kind: ParameterKind::Distribution,
            constraint: Constraint::RealScalar,
            doc: "Distribution of each, before sorting.",
        },
        Parameter::int("n", Constraint::Size, "How many."),
    ],
    value: ValueKind::Vector,
    support: "x[0] < x[1] < … in the support of d",
    proper: true,
    doc: "n independent draws of d, sorted in ascending order. The density is n! times the product of theirs.",
    source: "David & Nagaraja, Order Statistics, 2003, eq. (2.2.1)",
};

#[derive(Clone, Copy)]
pub(super) struct Ordered;

impl Composite for Ordered {
    fn support<S: Scalar>(arguments: &[Argument<S>]) -> Support<S> {
        let n = scalar(arguments, 1).value() as usize;
        let bounds = distributions(arguments, 0).first().and_then(|d| d.support().real_bounds());
        let (lower, upper) = bounds.unwrap_or((None, None));
        Support::Ordered { n, lower, upper }
    }

    fn log_density<S: Scalar>(arguments: &[Argument<S>], x: &Point<'_, S>) -> S {
        let outside = S::constant(f64::NEG_INFINITY);
        let (Some(base), Some(x)) = (distributions(arguments, 0).first(), x.as_vector()) else { return outside };
        let n = scalar(arguments, 1).value();
        if x.len() != n as usize || !x.is_sorted_by(|a, b| a.value() <= b.value()) {
            return outside;
        }
        let mut sum = S::constant(ln_gamma(n + 1.0));
        for element in x {
            let term = base.log_density(&Point::Scalar(*element));
            if term.value() == f64::NEG_INFINITY {
                return outside;
            }
            sum = sum + term;
        }
        sum
    }

    fn sample<R: Rng + ?Sized>(arguments: &[Argument<f64>], rng: &mut R) -> Result<Value, Improper> {
        let n = scalar(arguments, 1) as usize;
        let mut draws = Vec::with_capacity(n);
        for base in distributions(arguments, 0) {
            for _ in 0..n {
                draws.extend(base.sample(rng)?.as_f64());
            }
        }
        draws.sort_unstable_by(f64::total_cmp);
        Ok(Value::reals(draws))
    }
}
