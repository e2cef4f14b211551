//! What is written down about a family: the facts that checks, messages and the reference page derive from.

use std::fmt;

/// What sort of argument a parameter takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ParameterKind {
    /// A real number.
    Real,
    /// An integer.
    Int,
    /// An array of real numbers.
    Vector,
    /// A matrix of real numbers.
    Matrix,
    /// A distribution.
    Distribution,
    /// An array of distributions.
    Distributions,
}

impl fmt::Display for ParameterKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Real => "real",
            Self::Int => "int",
            Self::Vector => "real[n]",
            Self::Matrix => "real[n, m]",
            Self::Distribution => "distribution",
            Self::Distributions => "distribution[n]",
        })
    }
}

/// What a parameter must satisfy. Constraints on numbers apply to every element of a vector or matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Constraint {
    /// Finite.
    Finite,
    /// Finite or infinite, but a number.
    Bound,
    /// Finite and > 0.
    Positive,
    /// Finite and ≥ 0.
    NonNegative,
    /// Between 0 and 1, both included.
    Probability,
    /// Between 0 and 1, 0 excluded.
    PositiveProbability,
    /// Finite, and greater than the parameter at this position.
    Above(usize),
    /// Finite, and not less than the parameter at this position.
    AtLeast(usize),
    /// Not negative, with sum 1 within 1e-8; not empty.
    Simplex,
    /// Between 1 and 1,000,000.
    Size,
    /// Finite elements; not empty.
    FiniteElements,
    /// Finite elements > 0; not empty.
    PositiveElements,
    /// Symmetric and positive definite.
    Covariance,
    /// Lower triangular with a positive diagonal.
    CholeskyFactor,
    /// A distribution over real or integer scalars that has a distribution function.
    HasCdf,
    /// A distribution over real scalars.
    RealScalar,
    /// Distributions over scalars, all real or all integer; not empty.
    SameScalars,
}

impl Constraint {
    /// Whether `x` satisfies it, as far as one number can: relations to other parameters or elements are not looked at.
    #[inline]
    pub fn accepts(self, x: f64) -> bool {
        match self {
            Self::Finite | Self::Above(_) | Self::AtLeast(_) | Self::FiniteElements => x.is_finite(),
            Self::Covariance | Self::CholeskyFactor => x.is_finite(),
            Self::Bound => !x.is_nan(),
            Self::Positive | Self::PositiveElements => x > 0.0 && x.is_finite(),
            Self::NonNegative | Self::Simplex => x >= 0.0 && x.is_finite(),
            Self::Probability => (0.0..=1.0).contains(&x),
            Self::PositiveProbability => x > 0.0 && x <= 1.0,
            Self::Size => (1.0..=1e6).contains(&x),
            Self::HasCdf | Self::RealScalar | Self::SameScalars => true,
        }
    }

    /// The position of the other parameter that it relates to, if it does.
    pub fn relates_to(self) -> Option<usize> {
        match self {
            Self::Above(i) | Self::AtLeast(i) => Some(i),
            Self::Finite
            | Self::Bound
            | Self::Positive
            | Self::NonNegative
            | Self::Probability
            | Self::PositiveProbability
            | Self::Simplex
            | Self::Size
            | Self::FiniteElements
            | Self::PositiveElements
            | Self::Covariance
            | Self::CholeskyFactor
            | Self::HasCdf
            | Self::RealScalar
            | Self::SameScalars => None,
        }
    }

    /// In words that complete "scale must be …". `name_of` gives the name of another parameter.
    pub fn describe(self, name_of: impl Fn(usize) -> &'static str) -> String {
        match self {
            Self::Finite => "finite".into(),
            Self::Bound => "a number or infinite".into(),
            Self::Positive => "positive".into(),
            Self::NonNegative => "zero or positive".into(),
            Self::Probability => "between 0 and 1".into(),
            Self::PositiveProbability => "greater than 0 and at most 1".into(),
            Self::Above(i) => format!("greater than {}", name_of(i)),
            Self::AtLeast(i) => format!("at least {}", name_of(i)),
            Self::Simplex => "not negative with sum 1".into(),
            Self::Size => "between 1 and 1,000,000".into(),
            Self::FiniteElements => "finite".into(),
            Self::PositiveElements => "positive".into(),
            Self::Covariance => "symmetric and positive definite".into(),
            Self::CholeskyFactor => "lower triangular with a positive diagonal".into(),
            Self::HasCdf => "a distribution over scalars with a distribution function".into(),
            Self::RealScalar => "a distribution over real scalars".into(),
            Self::SameScalars => "distributions over scalars, all real or all int".into(),
        }
    }
}

/// One parameter of a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its name in messages and on the reference page.
    pub name: &'static str,
    /// What it takes.
    pub kind: ParameterKind,
    /// What it must satisfy.
    pub constraint: Constraint,
    /// What it means.
    pub doc: &'static str,
}

impl Parameter {
    pub(super) const fn real(name: &'static str, constraint: Constraint, doc: &'static str) -> Self {
        Self { name, kind: ParameterKind::Real, constraint, doc }
    }

    pub(super) const fn int(name: &'static str, constraint: Constraint, doc: &'static str) -> Self {
        Self { name, kind: ParameterKind::Int, constraint, doc }
    }

    pub(super) const fn vector(name: &'static str, constraint: Constraint, doc: &'static str) -> Self {
        Self { name, kind: ParameterKind::Vector, constraint, doc }
    }

    pub(super) const fn matrix(name: &'static str, constraint: Constraint, doc: &'static str) -> Self {
        Self { name, kind: ParameterKind::Matrix, constraint, doc }
    }
}

/// What a draw is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ValueKind {
    /// A real number.
    Real,
    /// An integer.
    Int,
    /// An array of real numbers.
    Vector,
    /// What the distribution (or the distributions) among the arguments gives.
    SameAsBase,
}

/// The description of a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FamilyInfo {
    /// Its name in the language.
    pub name: &'static str,
    /// Its parameters in order.
    pub parameters: &'static [Parameter],
    /// What a draw is.
    pub value: ValueKind,
    /// Where the density is not zero, in words.
    pub support: &'static str,
    /// Whether it can be normalised, and so be drawn from.
    pub proper: bool,
    /// One or two sentences about it.
    pub doc: &'static str,
    /// Where its parameterisation and density are defined.
    pub source: &'static str,
}
