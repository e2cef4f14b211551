//! Probability distributions: one file and one registry line a family (`families/`), from which name lookup, argument
//! checks, support, sampling, log densities, distribution functions, printing and the reference page derive.
//!
//! Log densities are generic over [`Scalar`], so that one formula serves values and gradients. Names, argument order and
//! parameterisations are those of Stan, except that categories count from 0; each family names its source.
//!
//! ```
//! use unmask::dist::{Argument, Distribution, Family, Point};
//! let family = Family::lookup("normal").unwrap();
//! let normal = Distribution::new(family, [Argument::Scalar(0.0), Argument::Scalar(2.0)]).unwrap();
//! assert_eq!(normal.to_string(), "normal(0.0, 2.0)");
//! assert!((normal.log_density(&Point::Scalar(1.0)) - -1.737085713764618).abs() < 1e-15);
//! let error = Distribution::new(family, [Argument::Scalar(0.0), Argument::Scalar(-1.0)]).unwrap_err();
//! assert_eq!(error.to_string(), "s of `normal` must be positive, found -1.0");
//! ```

mod argument;
mod column;
mod composite;
mod continuous;
mod discrete;
mod error;
mod families;
mod gradient;
mod incomplete;
mod info;
mod interval;
mod linear;
mod scalar;
mod special;
mod support;
mod transform;
mod validate;

pub use argument::{Argument, Point};
pub use column::Column;
pub use error::{DistributionError, Improper};
pub use families::Family;
pub use gradient::Gradient;
pub use info::{Constraint, FamilyInfo, Parameter, ParameterKind, ValueKind};
pub use scalar::{Dual, Scalar, log_sum_exp};
pub(crate) use special::{HALF_LN_TWO_PI, stirling_error_derivative, trigamma};
pub use support::Support;

pub(crate) use scalar::scalar_arithmetic;

use std::fmt;
use std::ops::Range;

use rand::Rng;
use smallvec::SmallVec;

use crate::value::{Value, format_real};
use argument::scalars;

/// A family with its arguments, which are known to be valid.
#[derive(Clone, Debug, PartialEq)]
pub struct Distribution<S> {
    family: Family,
    arguments: SmallVec<[Argument<S>; 3]>,
}

impl<S: Scalar> Distribution<S> {
    /// A distribution of `family`, whose arguments are checked against every constraint.
    ///
    /// # Errors
    /// The first argument that is wrong, and why.
    pub fn new(family: Family, arguments: impl IntoIterator<Item = Argument<S>>) -> Result<Self, DistributionError> {
        let arguments: SmallVec<[Argument<S>; 3]> = arguments.into_iter().collect();
        validate::arguments(family, &arguments)?;
        Ok(Self { family, arguments })
    }

    /// A distribution whose arguments nobody checks: only its support may be asked for.
    pub(crate) fn assume_valid(family: Family, arguments: impl IntoIterator<Item = Argument<S>>) -> Self {
        Self { family, arguments: arguments.into_iter().collect() }
    }

    /// Its family.
    pub fn family(&self) -> Family {
        self.family
    }

    /// Its arguments, in the order of the family's parameters.
    pub fn arguments(&self) -> &[Argument<S>] {
        &self.arguments
    }

    /// Where the density is not zero.
    pub fn support(&self) -> Support<S> {
        self.family.dispatch_support(&self.arguments)
    }

    /// Whether it can be normalised, and so be drawn from.
    pub fn is_proper(&self) -> bool {
        self.family.info().proper
            && self.arguments.iter().all(|a| match a {
                Argument::Distribution(d) => d.is_proper(),
                Argument::Distributions(ds) => ds.iter().all(Self::is_proper),
                Argument::Scalar(_) | Argument::Vector(_) | Argument::Matrix { .. } => true,
            })
    }

    /// What a draw is: never [`ValueKind::SameAsBase`].
    pub fn value_kind(&self) -> ValueKind {
        match self.family.info().value {
            kind @ (ValueKind::Real | ValueKind::Int | ValueKind::Vector) => kind,
            ValueKind::SameAsBase => match self.support() {
                Support::Integers { .. } => ValueKind::Int,
                Support::Simplex(_) | Support::Vector(_) | Support::Ordered { .. } => ValueKind::Vector,
                Support::Real | Support::LowerBounded(_) | Support::UpperBounded(_) | Support::Interval(..) => {
                    ValueKind::Real
                }
            },
        }
    }

    /// The log density (of integers: the log probability) at `x`: −∞ outside the support, never NaN inside. On the
    /// boundary of a support it is the limit, which may be infinite.
    ///
    /// A real point that is a whole number counts as an integer and the other way round; a point of another shape than
    /// the draws is outside the support.
    pub fn log_density(&self, x: &Point<'_, S>) -> S {
        self.family.dispatch_log_density(&self.arguments, x)
    }

    /// The log of the probability of values up to `x`, accurate where that is small. `None` where it is not known.
    pub fn log_cdf(&self, x: S) -> Option<S> {
        self.family.dispatch_log_cdf(&self.arguments, x)
    }

    /// The log of the probability of values above `x`, accurate where that is small. `None` where it is not known.
    pub fn log_survival(&self, x: S) -> Option<S> {
        self.family.dispatch_log_survival(&self.arguments, x)
    }

    /// The integers it may give, if they are finitely many.
    pub fn finite_values(&self) -> Option<Range<i64>> {
        let (lower, upper) = self.support().integer_bounds()?;
        Some(lower..upper?.checked_add(1)?)
    }

    /// The same distribution without derivatives.
    pub fn values(&self) -> Distribution<f64> {
        Distribution { family: self.family, arguments: self.arguments.iter().map(Argument::values).collect() }
    }
}

impl Distribution<f64> {
    /// The probability of values up to `x`; `None` where it is not known.
    pub fn cdf(&self, x: f64) -> Option<f64> {
        let (below, above) = (self.log_cdf(x)?, self.log_survival(x)?);
        Some(if below < above { below.exp() } else { -above.exp_m1() })
    }

    /// One draw: [`Value::Real`], [`Value::Int`] or an array of reals. Real draws lie strictly inside the support: one
    /// that rounding would put on its boundary is moved to the nearest double inside.
    ///
    /// # Errors
    /// Where it is improper.
    pub fn sample<R: Rng + ?Sized>(&self, rng: &mut R) -> Result<Value, Improper> {
        if !self.family.info().proper {
            return Err(Improper { family: self.family });
        }
        self.family.dispatch_sample(&self.arguments, rng)
    }
}

impl Family {
    /// The family of this name.
    pub fn lookup(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|f| f.name() == name)
    }

    /// Its name in the language.
    pub fn name(self) -> &'static str {
        self.info().name
    }

    /// Its name and its parameters' names, as in `normal(m, s)`.
    pub fn signature(self) -> String {
        let names: Vec<&str> = self.info().parameters.iter().map(|p| p.name).collect();
        format!("{}({})", self.name(), names.join(", "))
    }

    /// What `parameter` (one of this family's) must satisfy, in words that complete "scale must be …".
    pub fn describe(self, parameter: &Parameter) -> String {
        parameter.constraint.describe(|i| self.info().parameters.get(i).map_or("?", |p| p.name))
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Distribution<f64> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}(", self.family)?;
        for (i, (argument, parameter)) in self.arguments.iter().zip(self.family.info().parameters).enumerate() {
            if i > 0 {
                f.write_str(", ")?;
            }
            match argument {
                Argument::Scalar(x) if parameter.kind == ParameterKind::Int => write!(f, "{x}")?,
                Argument::Scalar(x) => f.write_str(&format_real(*x))?,
                Argument::Vector(elements) => write_row(f, elements)?,
                Argument::Matrix { columns, elements, .. } => {
                    f.write_str("[")?;
                    for (row, chunk) in elements.chunks((*columns).max(1)).enumerate() {
                        f.write_str(if row > 0 { ", " } else { "" })?;
                        write_row(f, chunk)?;
                    }
                    f.write_str("]")?;
                }
                Argument::Distribution(d) => write!(f, "{d}")?,
                Argument::Distributions(ds) => {
                    let texts: Vec<String> = ds.iter().map(Self::to_string).collect();
                    write!(f, "[{}]", texts.join(", "))?;
                }
            }
        }
        f.write_str(")")
    }
}

fn write_row(f: &mut fmt::Formatter<'_>, elements: &[f64]) -> fmt::Result {
    let texts: Vec<String> = elements.iter().map(|x| format_real(*x)).collect();
    write!(f, "[{}]", texts.join(", "))
}
