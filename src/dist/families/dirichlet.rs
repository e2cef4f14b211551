//! The Dirichlet distribution over probabilities that sum to 1.

use rand::Rng;

use super::super::argument::elements;
use super::super::composite::Composite;
use super::super::{
    Argument, Constraint, FamilyInfo, Improper, Parameter, Point, Scalar, Support, ValueKind, log_sum_exp,
};
use super::gamma::ln_standard_gamma;
use crate::value::Value;

pub(super) const INFO: FamilyInfo = FamilyInfo {
    name: "dirichlet",
    parameters: &[Parameter::vector("alpha", Constraint::PositiveElements, "Weight of each element.")],
    value: ValueKind::Vector,
    support: "x[i] > 0 with sum 1",
    proper: true,
    doc: "The Dirichlet distribution over probabilities that sum to 1, with mean alpha/sum(alpha). The density is that of all elements but the last.",
    source: "Stan Functions Reference, Dirichlet distribution",
};

/// How far from 1 the sum of a point may be.
const TOLERANCE: f64 = 1e-8;

#[derive(Clone, Copy)]
pub(super) struct Dirichlet;

impl Composite for Dirichlet {
    fn support<S: Scalar>(arguments: &[Argument<S>]) -> Support<S> {
        Support::Simplex(elements(arguments, 0).len())
    }

    fn log_density<S: Scalar>(arguments: &[Argument<S>], x: &Point<'_, S>) -> S {
        let alpha = elements(arguments, 0);
        let outside = S::constant(f64::NEG_INFINITY);
        let Some(x) = x.as_vector() else { return outside };
        let sum: f64 = x.iter().map(|p| p.value()).sum();
        let inside = x.len() == alpha.len() && (sum - 1.0).abs() <= TOLERANCE && x.iter().all(|p| p.value() >= 0.0);
        if !inside {
            return outside;
        }
        let mut total = S::constant(0.0);
        let mut log_density = S::constant(0.0);
        let mut zero = false;
        for (a, p) in alpha.iter().zip(x) {
            total = total + *a;
            let term = (*a - 1.0).mul_ln(*p);
            zero |= term.value() == f64::NEG_INFINITY;
            log_density = log_density + term - a.ln_gamma();
        }
        // On the boundary one element may ask for 0 and another for ∞: the density is that of the former.
        if zero { outside } else { log_density + total.ln_gamma() }
    }

    fn sample<R: Rng + ?Sized>(arguments: &[Argument<f64>], rng: &mut R) -> Result<Value, Improper> {
        let logs: Vec<f64> = elements(arguments, 0).iter().map(|a| ln_standard_gamma(*a, rng)).collect();
        let sum = log_sum_exp(&logs);
        Ok(Value::reals(logs.iter().map(|l| (l - sum).exp().max(f64::MIN_POSITIVE)).collect::<Vec<f64>>()))
    }
}
