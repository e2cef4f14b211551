//! Functions from arrays to numbers, and the elementwise ones that keep integers.

use super::EvaluationError;
use super::arguments::{Arguments, elements, shaped};
use super::{broadcast, scalar};
use crate::value::{Base, Elements, Value};

type Evaluated = Result<Value, EvaluationError>;

pub(super) fn abs(arguments: &Arguments) -> Evaluated {
    let x = arguments.value(0)?;
    match elements(x, x.data_type().map_or(Base::Real, |t| t.base)) {
        Elements::Int(v) => {
            let result =
                v.iter().map(|i| i.checked_abs().ok_or_else(|| arguments.overflow())).collect::<Result<_, _>>()?;
            shaped(arguments.function, x.shape(), Elements::Int(result))
        }
        Elements::Real(_) | Elements::Bool(_) => broadcast::real1(scalar::abs, arguments),
    }
}

pub(super) fn to_int(arguments: &Arguments) -> Evaluated {
    let x = arguments.value(0)?;
    let truncate = |value: f64| {
        // −2⁶³ is an i64, 2⁶³ is not; both are doubles. NaN is in no range.
        let inside = (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&value);
        if inside {
            Ok(value as i64)
        } else {
            Err(EvaluationError::NotAnInteger { function: arguments.function, value })
        }
    };
    let result = x.to_f64s().into_iter().map(truncate).collect::<Result<_, _>>()?;
    shaped(arguments.function, x.shape(), Elements::Int(result))
}

pub(super) fn div(arguments: &Arguments) -> Evaluated {
    let function = arguments.function;
    let divide = |a: i64, b: i64| match b {
        0 => Err(EvaluationError::DivisionByZero { function }),
        _ => a.checked_div(b).ok_or_else(|| arguments.overflow()),
    };
    broadcast::zip_ints(function, arguments.value(0)?, arguments.value(1)?, divide, Elements::Int)
}

pub(super) fn min(arguments: &Arguments) -> Evaluated {
    extremum(arguments, scalar::min, i64::min)
}

pub(super) fn max(arguments: &Arguments) -> Evaluated {
    extremum(arguments, scalar::max, i64::max)
}

fn extremum(arguments: &Arguments, real: fn(f64, f64) -> f64, int: fn(i64, i64) -> i64) -> Evaluated {
    if arguments.len() == 2 {
        let (x, y) = (arguments.value(0)?, arguments.value(1)?);
        return match x.data_type().map(|t| t.base) {
            Some(Base::Int) => broadcast::zip_ints(arguments.function, x, y, |a, b| Ok(int(a, b)), Elements::Int),
            Some(Base::Bool | Base::Real) | None => broadcast::real2(real, arguments),
        };
    }
    let array = arguments.array(0)?;
    let result = match array.elements() {
        Elements::Int(v) => v.iter().copied().reduce(int).map(Value::Int),
        other @ (Elements::Real(_) | Elements::Bool(_)) => other.to_f64s().into_iter().reduce(real).map(Value::Real),
    };
    result.ok_or(EvaluationError::TooFew { function: arguments.function, needed: 1, found: 0 })
}

pub(super) fn sum(arguments: &Arguments) -> Evaluated {
    fold(arguments, 0, i64::checked_add, 0.0, |a, b| a + b)
}

pub(super) fn prod(arguments: &Arguments) -> Evaluated {
    fold(arguments, 1, i64::checked_mul, 1.0, |a, b| a * b)
}

fn fold(
    arguments: &Arguments,
    int_unit: i64,
    int: fn(i64, i64) -> Option<i64>,
    real_unit: f64,
    real: fn(f64, f64) -> f64,
) -> Evaluated {
    match arguments.array(0)?.elements() {
        Elements::Int(v) => {
            v.iter().try_fold(int_unit, |a, b| int(a, *b)).map(Value::Int).ok_or_else(|| arguments.overflow())
        }
        other @ (Elements::Real(_) | Elements::Bool(_)) => {
            Ok(Value::Real(other.to_f64s().into_iter().fold(real_unit, real)))
        }
    }
}

fn mean_of(x: &[f64]) -> f64 {
    x.iter().fold(0.0, |a, b| a + b) / x.len() as f64
}

pub(super) fn mean(arguments: &Arguments) -> Evaluated {
    let x = arguments.reals(0)?;
    arguments.at_least(1, x.len())?;
    Ok(Value::Real(mean_of(x)))
}

/// The corrected two-pass algorithm: Chan, Golub & LeVeque, *Algorithms for computing the sample variance* (1983),
/// equation 1.7.
fn variance_of(arguments: &Arguments) -> Result<f64, EvaluationError> {
    let x = arguments.reals(0)?;
    arguments.at_least(2, x.len())?;
    let mean = mean_of(x);
    let (squares, rest) = x.iter().fold((0.0, 0.0), |(squares, rest), x| {
        let d = x - mean;
        (squares + d * d, rest + d)
    });
    Ok((squares - rest * rest / x.len() as f64) / (x.len() as f64 - 1.0))
}

pub(super) fn variance(arguments: &Arguments) -> Evaluated {
    variance_of(arguments).map(Value::Real)
}

pub(super) fn sd(arguments: &Arguments) -> Evaluated {
    variance_of(arguments).map(|v| Value::Real(v.sqrt()))
}

/// The elements in ascending order; `None` where one is NaN.
fn sorted(x: &[f64]) -> Option<Vec<f64>> {
    if x.iter().any(|x| x.is_nan()) {
        return None;
    }
    let mut sorted = x.to_vec();
    sorted.sort_by(f64::total_cmp);
    Some(sorted)
}

/// Quantile of type 7: Hyndman & Fan, *Sample quantiles in statistical packages* (1996); NaN where there is none.
fn quantile_of(sorted: &[f64], p: f64) -> f64 {
    let position = p * (sorted.len() as f64 - 1.0);
    let below = position.floor();
    let at = |i: usize| sorted.get(i).copied().unwrap_or(f64::NAN);
    let low = at(below as usize);
    let fraction = position - below;
    // Without the test, an infinity beyond the last point used would spoil the result.
    if fraction == 0.0 { low } else { low + fraction * (at(below as usize + 1) - low) }
}

pub(super) fn median(arguments: &Arguments) -> Evaluated {
    let x = arguments.reals(0)?;
    arguments.at_least(1, x.len())?;
    Ok(Value::Real(sorted(x).map_or(f64::NAN, |s| quantile_of(&s, 0.5))))
}

pub(super) fn quantile(arguments: &Arguments) -> Evaluated {
    let x = arguments.reals(0)?;
    arguments.at_least(1, x.len())?;
    let p = arguments.value(1)?;
    let sorted = sorted(x);
    let one = |p: f64| {
        if !(0.0..=1.0).contains(&p) {
            return Err(arguments.out_of_range("p", p, "a number from 0 to 1"));
        }
        Ok(sorted.as_ref().map_or(f64::NAN, |s| quantile_of(s, p)))
    };
    let result = p.to_f64s().into_iter().map(one).collect::<Result<_, _>>()?;
    shaped(arguments.function, p.shape(), Elements::Real(result))
}

pub(super) fn any(arguments: &Arguments) -> Evaluated {
    Ok(Value::Bool(arguments.array(0)?.elements().to_f64s().into_iter().any(|x| x != 0.0)))
}

pub(super) fn all(arguments: &Arguments) -> Evaluated {
    Ok(Value::Bool(arguments.array(0)?.elements().to_f64s().into_iter().all(|x| x != 0.0)))
}

pub(super) fn norm(arguments: &Arguments) -> Evaluated {
    let x = arguments.reals(0)?;
    let scale = x.iter().fold(0.0, |m, x| scalar::max(m, x.abs()));
    if scale == 0.0 || !scale.is_finite() {
        return Ok(Value::Real(scale));
    }
    let squares = x.iter().fold(0.0, |sum, x| sum + (x / scale) * (x / scale));
    Ok(Value::Real(scale * f64::sqrt(squares)))
}

/// ln Σ eˣ; −∞ without elements.
fn log_sum_exp_of(x: &[f64]) -> f64 {
    let top = x.iter().copied().fold(f64::NEG_INFINITY, scalar::max);
    if !top.is_finite() {
        return top;
    }
    // The greatest term is exactly 1: left out, the rest keeps its accuracy where it is tiny.
    let skip = x.iter().position(|x| *x == top);
    let rest = x.iter().enumerate().filter(|(i, _)| Some(*i) != skip).fold(0.0, |sum, (_, x)| sum + (x - top).exp());
    top + rest.ln_1p()
}

pub(super) fn log_sum_exp(arguments: &Arguments) -> Evaluated {
    if arguments.len() == 2 {
        return broadcast::real2(scalar::log_sum_exp, arguments);
    }
    Ok(Value::Real(log_sum_exp_of(arguments.reals(0)?)))
}

pub(super) fn softmax(arguments: &Arguments) -> Evaluated {
    let x = arguments.reals(0)?;
    let top = x.iter().copied().fold(f64::NEG_INFINITY, scalar::max);
    let terms: Vec<f64> = x.iter().map(|x| (x - top).exp()).collect();
    let total = terms.iter().fold(0.0, |a, b| a + b);
    Ok(Value::reals(terms.into_iter().map(|t| t / total).collect::<Vec<_>>()))
}

pub(super) fn log_softmax(arguments: &Arguments) -> Evaluated {
    let x = arguments.reals(0)?;
    let total = log_sum_exp_of(x);
    Ok(Value::reals(x.iter().map(|x| x - total).collect::<Vec<_>>()))
}

pub(super) fn argmin(arguments: &Arguments) -> Evaluated {
    position_of(arguments, |x, best| x < best, |x, best| x < best)
}

pub(super) fn argmax(arguments: &Arguments) -> Evaluated {
    position_of(arguments, |x, best| x > best, |x, best| x > best)
}

fn position_of(arguments: &Arguments, real: fn(f64, f64) -> bool, int: fn(i64, i64) -> bool) -> Evaluated {
    let array = arguments.array(0)?;
    arguments.at_least(1, array.len())?;
    let index = match array.elements() {
        Elements::Int(v) => first_best(v, |x, best| int(*x, *best)),
        other @ (Elements::Real(_) | Elements::Bool(_)) => {
            first_best(&other.to_f64s(), |x, best| !best.is_nan() && (x.is_nan() || real(*x, *best)))
        }
    };
    Ok(Value::Int(index as i64))
}

fn first_best<T>(values: &[T], better: impl Fn(&T, &T) -> bool) -> usize {
    let mut best = 0;
    for (i, value) in values.iter().enumerate() {
        if values.get(best).is_some_and(|b| better(value, b)) {
            best = i;
        }
    }
    best
}
