//! Distributions restricted to an interval.

use rand::Rng;

use super::super::argument::{distributions, scalar};
use super::super::composite::Composite;
use super::super::{
    Argument, Constraint, Distribution, DistributionError, Family, FamilyInfo, Improper, Parameter, ParameterKind,
    Point, Scalar, Support, ValueKind, interval, validate,
};
use crate::value::Value;

pub(super) const INFO: FamilyInfo = FamilyInfo {
    name: "truncated",
    parameters: &[
        Parameter {
            name: "d",
            kind: ParameterKind::Distribution,
            constraint: Constraint::HasCdf,
            doc: "The distribution that is restricted: scalar, and with a known distribution function.",
        },
        Parameter::real("lo", Constraint::Bound, "Lower end, included; may be -inf."),
        Parameter::real("hi", Constraint::Bound, "Upper end, included; may be inf."),
    ],
    value: ValueKind::SameAsBase,
    support: "lo <= x <= hi in the support of d",
    proper: true,
    doc: "The distribution d given that its value lies between lo and hi.",
    source: "Stan Reference Manual, truncated distributions",
};

#[derive(Clone, Copy)]
pub(super) struct Truncated;

impl Composite for Truncated {
    fn check<S: Scalar>(family: Family, arguments: &[Argument<S>]) -> Result<(), DistributionError> {
        let (lower, upper) = (scalar(arguments, 1).value(), scalar(arguments, 2).value());
        let meets = distributions(arguments, 0).iter().all(|d| validate::meets(&d.support(), lower, upper));
        if meets { Ok(()) } else { Err(DistributionError::Empty { family, lower, upper }) }
    }

    fn support<S: Scalar>(arguments: &[Argument<S>]) -> Support<S> {
        let Some((base, lo, hi)) = parts(arguments) else { return Support::Real };
        let support = base.support();
        if let Some((first, last)) = support.integer_bounds() {
            let upper = (hi.value() < i64::MAX as f64).then(|| hi.value().floor() as i64);
            let upper = [upper, last].into_iter().flatten().min();
            return Support::Integers { lower: first.max(lo.value().ceil() as i64), upper };
        }
        let (first, last) = support.real_bounds().unwrap_or((None, None));
        let lower = [lo.is_finite().then_some(lo), first].into_iter().flatten().reduce(S::max);
        let upper = [hi.is_finite().then_some(hi), last].into_iter().flatten().reduce(S::min);
        Support::between(lower, upper)
    }

    fn log_density<S: Scalar>(arguments: &[Argument<S>], x: &Point<'_, S>) -> S {
        let outside = S::constant(f64::NEG_INFINITY);
        let (Some((base, lo, hi)), Some(value)) = (parts(arguments), x.as_real()) else { return outside };
        if value.value() < lo.value() || value.value() > hi.value() {
            return outside;
        }
        let log_density = base.log_density(x);
        if log_density.value() == f64::NEG_INFINITY {
            return outside;
        }
        interval::log_mass(base, lo, hi).map_or(S::constant(f64::NAN), |mass| log_density - mass)
    }

    fn log_cdf<S: Scalar>(arguments: &[Argument<S>], x: S) -> Option<S> {
        let (below, above) = tails(arguments, x)?;
        Some(through_smaller(below, above))
    }

    fn log_survival<S: Scalar>(arguments: &[Argument<S>], x: S) -> Option<S> {
        let (below, above) = tails(arguments, x)?;
        Some(through_smaller(above, below))
    }

    fn sample<R: Rng + ?Sized>(arguments: &[Argument<f64>], rng: &mut R) -> Result<Value, Improper> {
        let Some((base, lo, hi)) = parts(arguments) else { return Err(Improper { family: Family::Truncated }) };
        interval::sample(base, lo, hi, &Self::support(arguments), rng)
    }
}

fn parts<S: Scalar>(arguments: &[Argument<S>]) -> Option<(&Distribution<S>, S, S)> {
    Some((distributions(arguments, 0).first()?, scalar(arguments, 1), scalar(arguments, 2)))
}

/// The logs of the probabilities of values up to `x` and above, each from the masses of intervals.
fn tails<S: Scalar>(arguments: &[Argument<S>], x: S) -> Option<(S, S)> {
    let (base, lo, hi) = parts(arguments)?;
    let (none, all) = (S::constant(f64::NEG_INFINITY), S::constant(0.0));
    if x.value() < lo.value() {
        return Some((none, all));
    }
    if x.value() >= hi.value() {
        return Some((all, none));
    }
    let mass = interval::log_mass(base, lo, hi)?;
    Some((interval::log_mass(base, lo, x)? - mass, interval::log_mass_above(base, x, hi)? - mass))
}

/// The log of a probability, taken from that of the complement where it is the larger: as a difference of logs it would
/// have lost the digits of its distance from 0.
fn through_smaller<S: Scalar>(log: S, log_complement: S) -> S {
    if log.value() <= -std::f64::consts::LN_2 {
        log
    } else if log_complement.value() == f64::NEG_INFINITY {
        S::constant(0.0)
    } else {
        log_complement.ln_1m_exp()
    }
}
