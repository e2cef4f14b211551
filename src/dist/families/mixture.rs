//! Mixtures of distributions.

use rand::Rng;

use super::super::argument::{distributions, elements};
use super::super::composite::Composite;
use super::super::{
    Argument, Constraint, Distribution, DistributionError, Family, FamilyInfo, Improper, Parameter, ParameterKind,
    Point, Scalar, Support, ValueKind, log_sum_exp,
};
use super::categorical::draw;
use crate::value::Value;

pub(super) const INFO: FamilyInfo = FamilyInfo {
    name: "mixture",
    parameters: &[
        Parameter::vector("weights", Constraint::Simplex, "Probability of each component."),
        Parameter {
            name: "components",
            kind: ParameterKind::Distributions,
            constraint: Constraint::SameScalars,
            doc: "The distributions that are mixed, all real or all int.",
        },
    ],
    value: ValueKind::SameAsBase,
    support: "where any component's density is not zero",
    proper: true,
    doc: "A draw from one of several distributions, which is chosen with given probabilities.",
    source: "Stan User's Guide, finite mixtures",
};

#[derive(Clone, Copy)]
pub(super) struct Mixture;

impl Composite for Mixture {
    fn check<S: Scalar>(family: Family, arguments: &[Argument<S>]) -> Result<(), DistributionError> {
        let (expected, found) = (elements(arguments, 0).len(), distributions(arguments, 1).len());
        match family.info().parameters.get(1) {
            Some(parameter) if expected != found => {
                Err(DistributionError::Dimension { family, parameter, found, expected: Some(expected) })
            }
            Some(_) | None => Ok(()),
        }
    }

    /// The smallest interval that holds the supports of all components.
    fn support<S: Scalar>(arguments: &[Argument<S>]) -> Support<S> {
        let supports: Vec<Support<S>> = distributions(arguments, 1).iter().map(Distribution::support).collect();
        let integers: Vec<(i64, Option<i64>)> = supports.iter().filter_map(Support::integer_bounds).collect();
        if let Some((lower, upper)) = integers.iter().copied().reduce(|a, b| {
            let upper = a.1.zip(b.1).map(|(a, b)| a.max(b));
            (a.0.min(b.0), upper)
        }) {
            return Support::Integers { lower, upper };
        }
        let hull = supports
            .iter()
            .filter_map(Support::real_bounds)
            .reduce(|a, b| (a.0.zip(b.0).map(|(a, b)| a.min(b)), a.1.zip(b.1).map(|(a, b)| a.max(b))));
        let (lower, upper) = hull.unwrap_or((None, None));
        Support::between(lower, upper)
    }

    fn log_density<S: Scalar>(arguments: &[Argument<S>], x: &Point<'_, S>) -> S {
        weighted(arguments, |d| Some(d.log_density(x))).unwrap_or(S::constant(f64::NAN))
    }

    fn log_cdf<S: Scalar>(arguments: &[Argument<S>], x: S) -> Option<S> {
        weighted(arguments, |d| d.log_cdf(x))
    }

    fn log_survival<S: Scalar>(arguments: &[Argument<S>], x: S) -> Option<S> {
        weighted(arguments, |d| d.log_survival(x))
    }

    fn sample<R: Rng + ?Sized>(arguments: &[Argument<f64>], rng: &mut R) -> Result<Value, Improper> {
        let chosen = draw(elements(arguments, 0), rng);
        match distributions(arguments, 1).get(chosen) {
            Some(component) => component.sample(rng),
            None => Err(Improper { family: Family::Mixture }),
        }
    }
}

/// The log of the weighted sum of what `of` gives the log of.
fn weighted<S: Scalar>(arguments: &[Argument<S>], of: impl Fn(&Distribution<S>) -> Option<S>) -> Option<S> {
    let pairs = elements(arguments, 0).iter().zip(distributions(arguments, 1));
    let terms: Option<Vec<S>> = pairs
        .map(|(weight, component)| {
            let term = of(component)?;
            // A component of no weight says nothing, not even where its density is infinite.
            let silent = weight.value() == 0.0 || term.value() == f64::NEG_INFINITY;
            Some(if silent { S::constant(f64::NEG_INFINITY) } else { weight.ln() + term })
        })
        .collect();
    Some(log_sum_exp(&terms?))
}
