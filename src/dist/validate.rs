//! Checks arguments against the constraints that a family's parameters declare.

use super::column::{is_integer, related};
use super::{Argument, Constraint, DistributionError, Family, Parameter, ParameterKind, Scalar, Support, linear};

const SIMPLEX_TOLERANCE: f64 = 1e-8;

pub(super) fn arguments<S: Scalar>(family: Family, arguments: &[Argument<S>]) -> Result<(), DistributionError> {
    let parameters = family.info().parameters;
    if parameters.len() != arguments.len() {
        return Err(DistributionError::Arity { family, found: arguments.len() });
    }
    for (parameter, argument) in parameters.iter().zip(arguments) {
        let wanted = match parameter.kind {
            ParameterKind::Int => ParameterKind::Real,
            kind @ (ParameterKind::Real
            | ParameterKind::Vector
            | ParameterKind::Matrix
            | ParameterKind::Distribution
            | ParameterKind::Distributions) => kind,
        };
        if argument.kind() != wanted {
            return Err(DistributionError::Kind { family, parameter, found: argument.kind() });
        }
        numbers(family, parameter, argument)?;
        structure(family, parameter, argument, arguments)?;
    }
    family.dispatch_check(arguments)
}

/// Constraints on each number by itself.
fn numbers<S: Scalar>(
    family: Family,
    parameter: &'static Parameter,
    argument: &Argument<S>,
) -> Result<(), DistributionError> {
    for (i, x) in argument.elements().iter().enumerate() {
        let found = x.value();
        if parameter.kind == ParameterKind::Int && !is_integer(found) {
            return Err(DistributionError::NotAnInteger { family, parameter, found });
        }
        if !parameter.constraint.accepts(found) {
            let index = argument.scalar().is_none().then_some(i);
            return Err(DistributionError::Constraint { family, parameter, index, found });
        }
    }
    Ok(())
}

/// Constraints that relate numbers, and those on distributions.
fn structure<S: Scalar>(
    family: Family,
    parameter: &'static Parameter,
    argument: &Argument<S>,
    arguments: &[Argument<S>],
) -> Result<(), DistributionError> {
    let constraint = parameter.constraint;
    let empty = DistributionError::Dimension { family, parameter, found: 0, expected: None };
    match constraint {
        Constraint::Finite
        | Constraint::Bound
        | Constraint::Positive
        | Constraint::NonNegative
        | Constraint::Probability
        | Constraint::PositiveProbability
        | Constraint::Size => Ok(()),
        Constraint::Above(i) | Constraint::AtLeast(i) => {
            let other = arguments.get(i).and_then(Argument::scalar).map_or(f64::NAN, S::value);
            let found = argument.scalar().map_or(f64::NAN, S::value);
            if related(constraint, found, other) {
                Ok(())
            } else {
                Err(DistributionError::Constraint { family, parameter, index: None, found })
            }
        }
        Constraint::FiniteElements | Constraint::PositiveElements => {
            if argument.elements().is_empty() {
                Err(empty)
            } else {
                Ok(())
            }
        }
        Constraint::Simplex => {
            let sum: f64 = argument.elements().iter().map(|x| x.value()).sum();
            if argument.elements().is_empty() {
                Err(empty)
            } else if (sum - 1.0).abs() <= SIMPLEX_TOLERANCE {
                Ok(())
            } else {
                Err(DistributionError::NotASimplex { family, parameter, sum })
            }
        }
        Constraint::Covariance | Constraint::CholeskyFactor => matrix(family, parameter, argument),
        Constraint::HasCdf | Constraint::RealScalar | Constraint::SameScalars => {
            let bases = argument.distributions();
            if bases.is_empty() {
                return Err(empty);
            }
            let mut all_real = true;
            let mut all_int = true;
            for base in bases {
                let support = base.support();
                all_int &= support.integer_bounds().is_some();
                all_real &= support.real_bounds().is_some();
                let known = constraint != Constraint::HasCdf || base.log_cdf(S::constant(0.0)).is_some();
                let real = constraint != Constraint::RealScalar || all_real;
                if !(all_real || all_int) || !known || !real {
                    return Err(DistributionError::Base { family, parameter, found: base.family() });
                }
            }
            Ok(())
        }
    }
}

fn matrix<S: Scalar>(
    family: Family,
    parameter: &'static Parameter,
    argument: &Argument<S>,
) -> Result<(), DistributionError> {
    let Argument::Matrix { rows, columns, elements } = argument else { return Ok(()) };
    let n = *rows;
    if n == 0 {
        return Err(DistributionError::Dimension { family, parameter, found: 0, expected: None });
    }
    if *columns != n || elements.len() != n * n {
        return Err(DistributionError::Dimension { family, parameter, found: *columns, expected: Some(n) });
    }
    let values: Vec<f64> = elements.iter().map(|x| x.value()).collect();
    let failure = if parameter.constraint == Constraint::CholeskyFactor {
        linear::first_row_not_lower_triangular(&values, n)
    } else {
        linear::first_row_not_symmetric(&values, n).or_else(|| linear::cholesky(&values, n).err())
    };
    failure.map_or(Ok(()), |row| Err(DistributionError::Structure { family, parameter, row }))
}

/// Whether the interval from `lower` to `upper` holds some of a scalar support: with more than a boundary point, unless
/// it is of integers.
pub(super) fn meets<S: Scalar>(support: &Support<S>, lower: f64, upper: f64) -> bool {
    if let Some((first, last)) = support.integer_bounds() {
        let (a, b) = (lower.ceil().max(first as f64), upper.floor().min(last.map_or(f64::INFINITY, |k| k as f64)));
        return a <= b && a < f64::INFINITY;
    }
    let (first, last) = support.real_bounds().unwrap_or((None, None));
    let a = first.map_or(f64::NEG_INFINITY, S::value).max(lower);
    let b = last.map_or(f64::INFINITY, S::value).min(upper);
    a < b
}
