//! Families that take vectors, matrices or distributions, or give vectors: what one has to provide.

use rand::Rng;

use super::column::ScalarForm;
use super::{Argument, DistributionError, Family, Improper, Point, Scalar, Support};
use crate::value::Value;

/// A family whose parameters or draws are not all scalars. The arguments have the right kinds and satisfy their
/// constraints, [`Composite::check`] included.
pub(super) trait Composite: Copy {
    /// What has to hold between arguments.
    ///
    /// # Errors
    /// Where it does not.
    fn check<S: Scalar>(_family: Family, _arguments: &[Argument<S>]) -> Result<(), DistributionError> {
        Ok(())
    }

    /// Where the density is not zero.
    fn support<S: Scalar>(arguments: &[Argument<S>]) -> Support<S>;

    /// The log density at `x`, −∞ outside the support.
    fn log_density<S: Scalar>(arguments: &[Argument<S>], x: &Point<'_, S>) -> S;

    /// The log of the probability of values up to `x`, where this is known.
    fn log_cdf<S: Scalar>(_arguments: &[Argument<S>], _x: S) -> Option<S> {
        None
    }

    /// The log of the probability of values above `x`, where this is known.
    fn log_survival<S: Scalar>(_arguments: &[Argument<S>], _x: S) -> Option<S> {
        None
    }

    /// One draw.
    ///
    /// # Errors
    /// Where this, or a distribution it is made of, is improper.
    fn sample<R: Rng + ?Sized>(arguments: &[Argument<f64>], rng: &mut R) -> Result<Value, Improper>;
}

pub(super) const HAS_SCALAR_FORM: bool = false;

pub(super) fn support<F: Composite, S: Scalar>(_: F, arguments: &[Argument<S>]) -> Support<S> {
    F::support(arguments)
}

pub(super) fn log_density<F: Composite, S: Scalar>(_: F, arguments: &[Argument<S>], x: &Point<'_, S>) -> S {
    F::log_density(arguments, x)
}

/// There is no scalar form: callers have asked [`Family::has_scalar_form`].
pub(super) fn scalar_log_density<F: Composite, S: Scalar>(_: F, _: &[S], _: S) -> S {
    S::constant(f64::NAN)
}

pub(super) fn log_cdf<F: Composite, S: Scalar>(_: F, arguments: &[Argument<S>], x: S) -> Option<S> {
    F::log_cdf(arguments, x)
}

pub(super) fn log_survival<F: Composite, S: Scalar>(_: F, arguments: &[Argument<S>], x: S) -> Option<S> {
    F::log_survival(arguments, x)
}

pub(super) fn sample<F: Composite, R: Rng + ?Sized>(
    _: F,
    arguments: &[Argument<f64>],
    rng: &mut R,
) -> Result<Value, Improper> {
    F::sample(arguments, rng)
}

/// There is no scalar form: callers have asked [`Family::has_scalar_form`].
pub(super) fn fill<F: Composite, R: Rng + ?Sized>(_: F, _: &mut R, _: ScalarForm<'_, '_>, _: &mut [f64]) {}
