//! Families of real scalars with scalar parameters: what one has to provide, and how the rest follows.

use rand::Rng;

use super::column::{Column, ScalarForm};
use super::{Argument, Improper, Point, Scalar, Support, scalars};
use crate::value::Value;

/// A family of distributions over real numbers with `N` scalar parameters. The parameters have been validated, and `x`
/// lies in the support or on its boundary.
pub(super) trait Continuous<const N: usize>: Copy {
    /// Where the density is not zero.
    fn support<S: Scalar>(p: [S; N]) -> Support<S>;

    /// The log density at `x`.
    fn log_density<S: Scalar>(p: [S; N], x: S) -> S;

    /// The log of the probability of values up to `x`, accurate where that is small.
    fn log_cdf<S: Scalar>(p: [S; N], x: S) -> S;

    /// The log of the probability of values above `x`, accurate where that is small.
    fn log_survival<S: Scalar>(p: [S; N], x: S) -> S;

    /// One draw. Rounding may put it on the boundary of the support; callers move it inside.
    fn sample<R: Rng + ?Sized>(p: [f64; N], rng: &mut R) -> f64;
}

pub(super) const HAS_SCALAR_FORM: bool = true;

pub(super) fn support<F: Continuous<N>, const N: usize, S: Scalar>(_: F, arguments: &[Argument<S>]) -> Support<S> {
    F::support(scalars(arguments))
}

pub(super) fn log_density<F: Continuous<N>, const N: usize, S: Scalar>(
    _: F,
    arguments: &[Argument<S>],
    x: &Point<'_, S>,
) -> S {
    let Some(x) = x.as_real() else { return S::constant(f64::NEG_INFINITY) };
    let p = scalars(arguments);
    if F::support(p).contains(x.value()) { F::log_density(p, x) } else { S::constant(f64::NEG_INFINITY) }
}

/// The log density at `x` of a member whose parameters are valid.
#[inline]
pub(super) fn scalar_log_density<F: Continuous<N>, const N: usize, S: Scalar>(_: F, parameters: &[S], x: S) -> S {
    let Ok(p) = <[S; N]>::try_from(parameters) else { return S::constant(f64::NAN) };
    if F::support(p).contains(x.value()) { F::log_density(p, x) } else { S::constant(f64::NEG_INFINITY) }
}

pub(super) fn log_cdf<F: Continuous<N>, const N: usize, S: Scalar>(_: F, arguments: &[Argument<S>], x: S) -> Option<S> {
    let p = scalars(arguments);
    Some(match side(&F::support(p), x) {
        Side::Below => S::constant(f64::NEG_INFINITY),
        Side::Inside => F::log_cdf(p, x),
        Side::Above => S::constant(0.0),
    })
}

pub(super) fn log_survival<F: Continuous<N>, const N: usize, S: Scalar>(
    _: F,
    arguments: &[Argument<S>],
    x: S,
) -> Option<S> {
    let p = scalars(arguments);
    Some(match side(&F::support(p), x) {
        Side::Below => S::constant(0.0),
        Side::Inside => F::log_survival(p, x),
        Side::Above => S::constant(f64::NEG_INFINITY),
    })
}

pub(super) fn sample<F: Continuous<N>, const N: usize, R: Rng + ?Sized>(
    _: F,
    arguments: &[Argument<f64>],
    rng: &mut R,
) -> Result<Value, Improper> {
    Ok(Value::Real(draw::<F, N, R>(scalars(arguments), rng)))
}

#[inline]
fn draw<F: Continuous<N>, const N: usize, R: Rng + ?Sized>(p: [f64; N], rng: &mut R) -> f64 {
    F::support(p).interior(F::sample(p, rng))
}

/// Where a number lies with regard to a set of real numbers.
enum Side {
    Below,
    Inside,
    Above,
}

fn side<S: Scalar>(support: &Support<S>, x: S) -> Side {
    let (lower, upper) = support.real_bounds().unwrap_or((None, None));
    let x = x.value();
    if x == f64::NEG_INFINITY || lower.is_some_and(|l| x <= l.value()) {
        Side::Below
    } else if x == f64::INFINITY || upper.is_some_and(|u| x >= u.value()) {
        Side::Above
    } else {
        Side::Inside
    }
}

pub(super) fn fill<F: Continuous<N>, const N: usize, R: Rng + ?Sized>(
    _: F,
    rng: &mut R,
    form: ScalarForm<'_, '_>,
    out: &mut [f64],
) {
    let Some(columns) = form.columns::<N>() else { return };
    if let Some(p) = Column::all_constant(&columns) {
        for slot in out {
            *slot = draw::<F, N, R>(p, rng);
        }
    } else {
        for (lane, slot) in out.iter_mut().enumerate() {
            *slot = draw::<F, N, R>(columns.map(|c| c.at(lane)), rng);
        }
    }
}
