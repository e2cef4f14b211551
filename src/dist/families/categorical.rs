//! One of n categories, counted from 0, with given probabilities.

use rand::{Rng, RngExt};

use super::super::argument::elements;
use super::super::composite::Composite;
use super::super::{
    Argument, Constraint, FamilyInfo, Improper, Parameter, Point, Scalar, Support, ValueKind, log_sum_exp,
};
use crate::value::Value;

pub(super) const INFO: FamilyInfo = FamilyInfo {
    name: "categorical",
    parameters: &[Parameter::vector("p", Constraint::Simplex, "Probability of each category.")],
    value: ValueKind::Int,
    support: "k = 0, 1, …, n - 1",
    proper: true,
    doc: "One of n categories, counted from 0 (Stan counts from 1), with given probabilities.",
    source: "Stan Functions Reference, categorical distribution",
};

#[derive(Clone, Copy)]
pub(super) struct Categorical;

impl Composite for Categorical {
    fn support<S: Scalar>(arguments: &[Argument<S>]) -> Support<S> {
        categories(elements(arguments, 0))
    }

    fn log_density<S: Scalar>(arguments: &[Argument<S>], x: &Point<'_, S>) -> S {
        chosen(elements(arguments, 0), x).map_or(S::constant(f64::NEG_INFINITY), S::ln)
    }

    fn log_cdf<S: Scalar>(arguments: &[Argument<S>], x: S) -> Option<S> {
        Some(log_sum_exp(&logs(up_to(elements(arguments, 0), x.value()).0)))
    }

    fn log_survival<S: Scalar>(arguments: &[Argument<S>], x: S) -> Option<S> {
        Some(log_sum_exp(&logs(up_to(elements(arguments, 0), x.value()).1)))
    }

    fn sample<R: Rng + ?Sized>(arguments: &[Argument<f64>], rng: &mut R) -> Result<Value, Improper> {
        Ok(Value::Int(draw(elements(arguments, 0), rng) as i64))
    }
}

fn logs<S: Scalar>(probabilities: &[S]) -> Vec<S> {
    probabilities.iter().map(|p| p.ln()).collect()
}

/// 0 to one less than the number of categories.
pub(super) fn categories<S: Scalar>(of: &[S]) -> Support<S> {
    Support::Integers { lower: 0, upper: Some(of.len() as i64 - 1) }
}

/// The element that belongs to a category.
pub(super) fn chosen<S: Scalar>(of: &[S], x: &Point<'_, S>) -> Option<S> {
    of.get(usize::try_from(x.as_int()?).ok()?).copied()
}

/// The elements of the categories up to `x`, and of those above.
pub(super) fn up_to<S>(of: &[S], x: f64) -> (&[S], &[S]) {
    // A negative number or NaN becomes 0, a large one the length.
    of.split_at(((x.floor() + 1.0) as usize).min(of.len()))
}

/// The position of one of `weights` (≥ 0), drawn in proportion to it.
pub(super) fn draw<R: Rng + ?Sized>(weights: &[f64], rng: &mut R) -> usize {
    let mut rest = rng.random::<f64>() * weights.iter().sum::<f64>();
    let mut last = 0;
    for (i, weight) in weights.iter().enumerate() {
        if *weight > 0.0 {
            // Rounding may leave a rest after the last one; it is given to that.
            last = i;
            if rest < *weight {
                break;
            }
            rest -= weight;
        }
    }
    last
}
