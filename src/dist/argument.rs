//! What a distribution is given, and where its density is asked for.

use super::{Distribution, ParameterKind, Scalar};

/// One argument of a distribution. Integers are given as scalars.
#[derive(Clone, Debug, PartialEq)]
pub enum Argument<S> {
    /// A number.
    Scalar(S),
    /// An array of numbers.
    Vector(Vec<S>),
    /// A matrix.
    Matrix {
        /// Number of rows.
        rows: usize,
        /// Number of columns.
        columns: usize,
        /// Row-major; `rows * columns` of them.
        elements: Vec<S>,
    },
    /// A distribution.
    Distribution(Box<Distribution<S>>),
    /// An array of distributions.
    Distributions(Vec<Distribution<S>>),
}

impl<S: Scalar> Argument<S> {
    /// What it is; a scalar counts as real.
    pub fn kind(&self) -> ParameterKind {
        match self {
            Self::Scalar(_) => ParameterKind::Real,
            Self::Vector(_) => ParameterKind::Vector,
            Self::Matrix { .. } => ParameterKind::Matrix,
            Self::Distribution(_) => ParameterKind::Distribution,
            Self::Distributions(_) => ParameterKind::Distributions,
        }
    }

    /// The number, if it is one.
    pub fn scalar(&self) -> Option<S> {
        match self {
            Self::Scalar(x) => Some(*x),
            Self::Vector(_) | Self::Matrix { .. } | Self::Distribution(_) | Self::Distributions(_) => None,
        }
    }

    /// The numbers of a vector or (row-major) of a matrix, or the one of a scalar.
    pub fn elements(&self) -> &[S] {
        match self {
            Self::Scalar(x) => std::slice::from_ref(x),
            Self::Vector(elements) | Self::Matrix { elements, .. } => elements,
            Self::Distribution(_) | Self::Distributions(_) => &[],
        }
    }

    /// The distribution, or all of an array of them.
    pub fn distributions(&self) -> &[Distribution<S>] {
        match self {
            Self::Distribution(d) => std::slice::from_ref(d),
            Self::Distributions(ds) => ds,
            Self::Scalar(_) | Self::Vector(_) | Self::Matrix { .. } => &[],
        }
    }

    /// The same without derivatives.
    pub fn values(&self) -> Argument<f64> {
        let plain = |elements: &[S]| elements.iter().map(|x| x.value()).collect();
        match self {
            Self::Scalar(x) => Argument::Scalar(x.value()),
            Self::Vector(elements) => Argument::Vector(plain(elements)),
            Self::Matrix { rows, columns, elements } => {
                Argument::Matrix { rows: *rows, columns: *columns, elements: plain(elements) }
            }
            Self::Distribution(d) => Argument::Distribution(Box::new(d.values())),
            Self::Distributions(ds) => Argument::Distributions(ds.iter().map(Distribution::values).collect()),
        }
    }
}

/// The first `N` arguments, which are known to be scalars.
#[inline]
pub(super) fn scalars<S: Scalar, const N: usize>(arguments: &[Argument<S>]) -> [S; N] {
    std::array::from_fn(|i| scalar(arguments, i))
}

/// The `i`-th argument, which is known to be a scalar.
#[inline]
pub(super) fn scalar<S: Scalar>(arguments: &[Argument<S>], i: usize) -> S {
    arguments.get(i).and_then(Argument::scalar).unwrap_or(S::constant(f64::NAN))
}

/// The elements of the `i`-th argument, which is known to be a vector or a matrix.
pub(super) fn elements<S: Scalar>(arguments: &[Argument<S>], i: usize) -> &[S] {
    arguments.get(i).map_or(&[], Argument::elements)
}

/// The `i`-th argument, which is known to be distributions.
pub(super) fn distributions<S: Scalar>(arguments: &[Argument<S>], i: usize) -> &[Distribution<S>] {
    arguments.get(i).map_or(&[], Argument::distributions)
}

/// Where a density is asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Point<'a, S> {
    /// A real number.
    Scalar(S),
    /// An integer.
    Int(i64),
    /// An array of real numbers.
    Vector(&'a [S]),
}

impl<'a, S: Scalar> Point<'a, S> {
    /// The real number, if it is a number.
    #[inline]
    pub fn as_real(&self) -> Option<S> {
        match self {
            Self::Scalar(x) => Some(*x),
            Self::Int(k) => Some(S::constant(*k as f64)),
            Self::Vector(_) => None,
        }
    }

    /// The integer, if it is a whole number.
    #[inline]
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(k) => Some(*k),
            Self::Scalar(x) => (x.value().fract() == 0.0).then(|| x.value() as i64),
            Self::Vector(_) => None,
        }
    }

    /// The vector, if it is one.
    pub fn as_vector(&self) -> Option<&'a [S]> {
        match self {
            Self::Vector(x) => Some(x),
            Self::Scalar(_) | Self::Int(_) => None,
        }
    }
}
