//! Why arguments do not make a distribution, and why one cannot be drawn from.

use std::fmt;

use super::{Family, Parameter, ParameterKind};
use crate::value::format_real;

/// Arguments that do not make a distribution of a family.
#[derive(Clone, Debug, PartialEq)]
pub enum DistributionError {
    /// Too many arguments, or too few.
    Arity {
        /// Of which family.
        family: Family,
        /// How many were given.
        found: usize,
    },
    /// An argument of another kind than the parameter's.
    Kind {
        /// Of which family.
        family: Family,
        /// Which parameter.
        parameter: &'static Parameter,
        /// What was given.
        found: ParameterKind,
    },
    /// A number that does not satisfy the parameter's constraint.
    Constraint {
        /// Of which family.
        family: Family,
        /// Which parameter.
        parameter: &'static Parameter,
        /// Which element (row-major), if it is an array.
        index: Option<usize>,
        /// The number.
        found: f64,
    },
    /// Where an integer is expected: a number that is none, or one beyond ±2⁵³.
    NotAnInteger {
        /// Of which family.
        family: Family,
        /// Which parameter.
        parameter: &'static Parameter,
        /// The number.
        found: f64,
    },
    /// Elements that do not sum to 1.
    NotASimplex {
        /// Of which family.
        family: Family,
        /// Which parameter.
        parameter: &'static Parameter,
        /// Their sum.
        sum: f64,
    },
    /// A matrix that lacks the structure its parameter needs (symmetric and positive definite, or lower triangular).
    Structure {
        /// Of which family.
        family: Family,
        /// Which parameter.
        parameter: &'static Parameter,
        /// The first row where it fails.
        row: usize,
    },
    /// An array or matrix of the wrong size.
    Dimension {
        /// Of which family.
        family: Family,
        /// Which parameter.
        parameter: &'static Parameter,
        /// The size along the axis that differs.
        found: usize,
        /// What it should be; `None` where it must only not be empty.
        expected: Option<usize>,
    },
    /// A distribution that cannot be used in this place.
    Base {
        /// Of which family.
        family: Family,
        /// Which parameter.
        parameter: &'static Parameter,
        /// The family of the distribution given.
        found: Family,
    },
    /// An interval without any of the support of the distribution that is to be truncated to it.
    Empty {
        /// Of which family.
        family: Family,
        /// The lower end.
        lower: f64,
        /// The upper end.
        upper: f64,
    },
}

impl DistributionError {
    /// The family whose arguments are wrong.
    pub fn family(&self) -> Family {
        match self {
            Self::Arity { family, .. }
            | Self::Kind { family, .. }
            | Self::Constraint { family, .. }
            | Self::NotAnInteger { family, .. }
            | Self::NotASimplex { family, .. }
            | Self::Structure { family, .. }
            | Self::Dimension { family, .. }
            | Self::Base { family, .. }
            | Self::Empty { family, .. } => *family,
        }
    }

    /// The parameter that is wrong, if it is one.
    pub fn parameter(&self) -> Option<&'static Parameter> {
        match self {
            Self::Arity { .. } | Self::Empty { .. } => None,
            Self::Kind { parameter, .. }
            | Self::Constraint { parameter, .. }
            | Self::NotAnInteger { parameter, .. }
            | Self::NotASimplex { parameter, .. }
            | Self::Structure { parameter, .. }
            | Self::Dimension { parameter, .. }
            | Self::Base { parameter, .. } => Some(parameter),
        }
    }
}

impl fmt::Display for DistributionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let family = self.family();
        let name_of = |i: usize| family.info().parameters.get(i).map_or("?", |p| p.name);
        match self {
            Self::Arity { found, .. } => {
                let expected = family.info().parameters.len();
                let plural = if expected == 1 { "" } else { "s" };
                write!(f, "`{family}` takes {expected} argument{plural}, found {found}")
            }
            Self::Kind { parameter, found, .. } => {
                write!(f, "{} of `{family}` must be {}, found {found}", parameter.name, parameter.kind)
            }
            Self::Constraint { parameter, index, found, .. } => {
                let element = index.map_or(String::new(), |i| format!("[{i}]"));
                let wanted = parameter.constraint.describe(name_of);
                write!(f, "{}{element} of `{family}` must be {wanted}, found {}", parameter.name, format_real(*found))
            }
            Self::NotAnInteger { parameter, found, .. } => {
                write!(f, "{} of `{family}` must be an integer, found {}", parameter.name, format_real(*found))
            }
            Self::NotASimplex { parameter, sum, .. } => {
                write!(f, "{} of `{family}` must sum to 1, found {}", parameter.name, format_real(*sum))
            }
            Self::Structure { parameter, row, .. } => {
                let wanted = parameter.constraint.describe(name_of);
                write!(f, "{} of `{family}` must be {wanted}, which fails at row {row}", parameter.name)
            }
            Self::Dimension { parameter, found, expected: Some(expected), .. } => {
                write!(f, "{} of `{family}` must have size {expected}, found {found}", parameter.name)
            }
            Self::Dimension { parameter, expected: None, .. } => {
                write!(f, "{} of `{family}` must not be empty", parameter.name)
            }
            Self::Base { parameter, found, .. } => {
                let wanted = parameter.constraint.describe(name_of);
                write!(f, "{} of `{family}` must be {wanted}, which `{found}` is not", parameter.name)
            }
            Self::Empty { lower, upper, .. } => {
                let (lower, upper) = (format_real(*lower), format_real(*upper));
                write!(f, "`{family}` to [{lower}, {upper}] leaves nothing of the distribution's support")
            }
        }
    }
}

impl std::error::Error for DistributionError {}

/// A distribution that cannot be drawn from because its density does not integrate to 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{family}` is improper: there is nothing to draw from")]
pub struct Improper {
    /// Which.
    pub family: Family,
}
