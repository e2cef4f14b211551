//! The improper uniform distribution over positive numbers.

use rand::Rng;

use super::super::composite::Composite;
use super::super::{Argument, Family, FamilyInfo, Improper, Point, Scalar, Support, ValueKind};
use super::flat::constant_on;
use crate::value::Value;

pub(super) const INFO: FamilyInfo = FamilyInfo {
    name: "positive_flat",
    parameters: &[],
    value: ValueKind::Real,
    support: "x > 0",
    proper: false,
    doc: "Log density 0 for positive numbers. It is improper: usable as a prior, but there is nothing to draw from.",
    source: "Stan Reference Manual, sampling statements: a parameter with the lower bound 0 without one",
};

#[derive(Clone, Copy)]
pub(super) struct PositiveFlat;

impl Composite for PositiveFlat {
    fn support<S: Scalar>(_: &[Argument<S>]) -> Support<S> {
        Support::LowerBounded(S::constant(0.0))
    }

    fn log_density<S: Scalar>(arguments: &[Argument<S>], x: &Point<'_, S>) -> S {
        constant_on(&Self::support(arguments), x)
    }

    fn sample<R: Rng + ?Sized>(_: &[Argument<f64>], _: &mut R) -> Result<Value, Improper> {
        Err(Improper { family: Family::PositiveFlat })
    }
}
