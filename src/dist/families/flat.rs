//! The improper uniform distribution over all real numbers.

use rand::Rng;

use super::super::composite::Composite;
use super::super::{Argument, Family, FamilyInfo, Improper, Point, Scalar, Support, ValueKind};
use crate::value::Value;

pub(super) const INFO: FamilyInfo = FamilyInfo {
    name: "flat",
    parameters: &[],
    value: ValueKind::Real,
    support: "any real x",
    proper: false,
    doc: "Log density 0 everywhere. It is improper: usable as a prior, but there is nothing to draw from.",
    source: "Stan Reference Manual, sampling statements: a parameter without one",
};

#[derive(Clone, Copy)]
pub(super) struct Flat;

impl Composite for Flat {
    fn support<S: Scalar>(_: &[Argument<S>]) -> Support<S> {
        Support::Real
    }

    fn log_density<S: Scalar>(arguments: &[Argument<S>], x: &Point<'_, S>) -> S {
        constant_on(&Self::support(arguments), x)
    }

    fn sample<R: Rng + ?Sized>(_: &[Argument<f64>], _: &mut R) -> Result<Value, Improper> {
        Err(Improper { family: Family::Flat })
    }
}

/// Log density 0 on a set of real numbers.
pub(super) fn constant_on<S: Scalar>(support: &Support<S>, x: &Point<'_, S>) -> S {
    let inside = x.as_real().is_some_and(|x| support.contains(x.value()));
    S::constant(if inside { 0.0 } else { f64::NEG_INFINITY })
}
