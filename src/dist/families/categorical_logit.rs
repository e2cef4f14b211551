//! One of n categories, counted from 0, with given log odds.

use rand::Rng;

use super::super::argument::elements;
use super::super::composite::Composite;
use super::super::{
    Argument, Constraint, FamilyInfo, Improper, Parameter, Point, Scalar, Support, ValueKind, log_sum_exp,
};
use super::categorical::{categories, chosen, draw, up_to};
use crate::value::Value;

pub(super) const INFO: FamilyInfo = FamilyInfo {
    name: "categorical_logit",
    parameters: &[Parameter::vector(
        "x",
        Constraint::FiniteElements,
        "Log probability of each category, up to a constant.",
    )],
    value: ValueKind::Int,
    support: "k = 0, 1, …, n - 1",
    proper: true,
    doc: "One of n categories, counted from 0, with probabilities softmax(x).",
    source: "Stan Functions Reference, categorical distribution, logit parameterization",
};

#[derive(Clone, Copy)]
pub(super) struct CategoricalLogit;

impl Composite for CategoricalLogit {
    fn support<S: Scalar>(arguments: &[Argument<S>]) -> Support<S> {
        categories(elements(arguments, 0))
    }

    fn log_density<S: Scalar>(arguments: &[Argument<S>], x: &Point<'_, S>) -> S {
        let logits = elements(arguments, 0);
        chosen(logits, x).map_or(S::constant(f64::NEG_INFINITY), |logit| logit - log_sum_exp(logits))
    }

    fn log_cdf<S: Scalar>(arguments: &[Argument<S>], x: S) -> Option<S> {
        let logits = elements(arguments, 0);
        Some(log_sum_exp(up_to(logits, x.value()).0) - log_sum_exp(logits))
    }

    fn log_survival<S: Scalar>(arguments: &[Argument<S>], x: S) -> Option<S> {
        let logits = elements(arguments, 0);
        Some(log_sum_exp(up_to(logits, x.value()).1) - log_sum_exp(logits))
    }

    fn sample<R: Rng + ?Sized>(arguments: &[Argument<f64>], rng: &mut R) -> Result<Value, Improper> {
        let logits = elements(arguments, 0);
        let top = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let weights: Vec<f64> = logits.iter().map(|x| (x - top).exp()).collect();
        Ok(Value::Int(draw(&weights, rng) as i64))
    }
}
