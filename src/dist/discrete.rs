//! Families of integers with scalar parameters: what one has to provide, and how the rest follows.

use rand::Rng;

use super::column::{Column, ScalarForm};
use super::{Argument, Improper, Point, Scalar, Support, scalars};
use crate::value::Value;

/// A family of distributions over integers with `N` scalar parameters. The parameters have been validated, and `k` lies
/// in the support.
pub(super) trait Discrete<const N: usize>: Copy {
    /// The smallest value, and the largest if there is one.
    fn bounds(p: [f64; N]) -> (i64, Option<i64>);

    /// The log of the probability of `k`.
    fn log_density<S: Scalar>(p: [S; N], k: i64) -> S;

    /// The log of the probability of values up to `k`, accurate where that is small; `k` is less than the largest value.
    fn log_cdf<S: Scalar>(p: [S; N], k: i64) -> S;

    /// The log of the probability of values above `k`, accurate where that is small; `k` is less than the largest value.
    fn log_survival<S: Scalar>(p: [S; N], k: i64) -> S;

    /// One draw.
    fn sample<R: Rng + ?Sized>(p: [f64; N], rng: &mut R) -> i64;
}

pub(super) const HAS_SCALAR_FORM: bool = true;

pub(super) fn support<F: Discrete<N>, const N: usize, S: Scalar>(_: F, arguments: &[Argument<S>]) -> Support<S> {
    let (lower, upper) = F::bounds(scalars(arguments).map(S::value));
    Support::Integers { lower, upper }
}

pub(super) fn log_density<F: Discrete<N>, const N: usize, S: Scalar>(
    _: F,
    arguments: &[Argument<S>],
    x: &Point<'_, S>,
) -> S {
    let p = scalars(arguments);
    let (lower, upper) = F::bounds(p.map(S::value));
    match x.as_int() {
        Some(k) if k >= lower && upper.is_none_or(|u| k <= u) => F::log_density(p, k),
        Some(_) | None => S::constant(f64::NEG_INFINITY),
    }
}

/// The log density at `x` of a member whose parameters are valid.
#[inline]
pub(super) fn scalar_log_density<F: Discrete<N>, const N: usize, S: Scalar>(_: F, parameters: &[S], x: S) -> S {
    let Ok(p) = <[S; N]>::try_from(parameters) else { return S::constant(f64::NAN) };
    let (lower, upper) = F::bounds(p.map(S::value));
    match Point::Scalar(x).as_int() {
        Some(k) if k >= lower && upper.is_none_or(|u| k <= u) => F::log_density(p, k),
        Some(_) | None => S::constant(f64::NEG_INFINITY),
    }
}

pub(super) fn log_cdf<F: Discrete<N>, const N: usize, S: Scalar>(_: F, arguments: &[Argument<S>], x: S) -> Option<S> {
    let p = scalars(arguments);
    let (lower, upper) = F::bounds(p.map(S::value));
    let k = x.value().floor();
    Some(if k < lower as f64 {
        S::constant(f64::NEG_INFINITY)
    } else if k == f64::INFINITY || upper.is_some_and(|u| k >= u as f64) {
        S::constant(0.0)
    } else {
        F::log_cdf(p, k as i64)
    })
}

pub(super) fn log_survival<F: Discrete<N>, const N: usize, S: Scalar>(
    _: F,
    arguments: &[Argument<S>],
    x: S,
) -> Option<S> {
    let p = scalars(arguments);
    let (lower, upper) = F::bounds(p.map(S::value));
    let k = x.value().floor();
    Some(if k < lower as f64 {
        S::constant(0.0)
    } else if k == f64::INFINITY || upper.is_some_and(|u| k >= u as f64) {
        S::constant(f64::NEG_INFINITY)
    } else {
        F::log_survival(p, k as i64)
    })
}

pub(super) fn sample<F: Discrete<N>, const N: usize, R: Rng + ?Sized>(
    _: F,
    arguments: &[Argument<f64>],
    rng: &mut R,
) -> Result<Value, Improper> {
    Ok(Value::Int(F::sample(scalars(arguments), rng)))
}

pub(super) fn fill<F: Discrete<N>, const N: usize, R: Rng + ?Sized>(
    _: F,
    rng: &mut R,
    form: ScalarForm<'_, '_>,
    out: &mut [f64],
) {
    let Some(columns) = form.columns::<N>() else { return };
    if let Some(p) = Column::all_constant(&columns) {
        for slot in out {
            *slot = F::sample(p, rng) as f64;
        }
    } else {
        for (lane, slot) in out.iter_mut().enumerate() {
            *slot = F::sample(columns.map(|c| c.at(lane)), rng) as f64;
        }
    }
}
