//! Where a density is not zero.

use super::Scalar;

/// The set of values that a distribution may give. Bounds are finite and may depend on parameters.
#[derive(Clone, Debug, PartialEq)]
pub enum Support<S> {
    /// All real numbers.
    Real,
    /// Real numbers above a bound.
    LowerBounded(S),
    /// Real numbers below a bound.
    UpperBounded(S),
    /// Real numbers between two bounds.
    Interval(S, S),
    /// Integers, both ends included.
    Integers {
        /// The smallest.
        lower: i64,
        /// The largest, if there is one.
        upper: Option<i64>,
    },
    /// This many numbers ≥ 0 with sum 1.
    Simplex(usize),
    /// Any real vector of this length.
    Vector(usize),
    /// Real numbers in ascending order between bounds.
    Ordered {
        /// How many.
        n: usize,
        /// What all of them are above.
        lower: Option<S>,
        /// What all of them are below.
        upper: Option<S>,
    },
}

impl<S: Scalar> Support<S> {
    /// Real numbers between bounds that may be missing.
    pub fn between(lower: Option<S>, upper: Option<S>) -> Self {
        match (lower, upper) {
            (None, None) => Self::Real,
            (Some(lower), None) => Self::LowerBounded(lower),
            (None, Some(upper)) => Self::UpperBounded(upper),
            (Some(lower), Some(upper)) => Self::Interval(lower, upper),
        }
    }

    /// The bounds of a set of real numbers; `None` for integers and for vectors.
    pub fn real_bounds(&self) -> Option<(Option<S>, Option<S>)> {
        match self {
            Self::Real => Some((None, None)),
            Self::LowerBounded(lower) => Some((Some(*lower), None)),
            Self::UpperBounded(upper) => Some((None, Some(*upper))),
            Self::Interval(lower, upper) => Some((Some(*lower), Some(*upper))),
            Self::Integers { .. } | Self::Simplex(_) | Self::Vector(_) | Self::Ordered { .. } => None,
        }
    }

    /// The ends of a set of integers; `None` for anything else.
    pub fn integer_bounds(&self) -> Option<(i64, Option<i64>)> {
        match self {
            Self::Integers { lower, upper } => Some((*lower, *upper)),
            Self::Real
            | Self::LowerBounded(_)
            | Self::UpperBounded(_)
            | Self::Interval(..)
            | Self::Simplex(_)
            | Self::Vector(_)
            | Self::Ordered { .. } => None,
        }
    }

    /// Whether it holds scalars (real or integer).
    pub fn is_scalar(&self) -> bool {
        self.real_bounds().is_some() || self.integer_bounds().is_some()
    }

    /// Whether the real number `x` is in it or on its boundary. Never for infinities, NaN, or sets of anything else.
    #[inline]
    pub fn contains(&self, x: f64) -> bool {
        x.is_finite()
            && match self {
                Self::Real => true,
                Self::LowerBounded(lower) => x >= lower.value(),
                Self::UpperBounded(upper) => x <= upper.value(),
                Self::Interval(lower, upper) => x >= lower.value() && x <= upper.value(),
                Self::Integers { .. } | Self::Simplex(_) | Self::Vector(_) | Self::Ordered { .. } => false,
            }
    }
}

impl Support<f64> {
    /// The double nearest to `x` that lies strictly inside a set of real numbers: a draw that rounding (or overflow) put
    /// on the boundary moves to the nearest interior double, or to the smallest normal one where that bound is 0.
    #[inline]
    pub fn interior(&self, x: f64) -> f64 {
        let after = |lower: f64| if lower == 0.0 { f64::MIN_POSITIVE } else { lower.next_up() };
        let before = |upper: f64| if upper == 0.0 { -f64::MIN_POSITIVE } else { upper.next_down() };
        match *self {
            Self::LowerBounded(lower) if x <= lower => after(lower),
            Self::UpperBounded(upper) if x >= upper => before(upper),
            Self::Interval(lower, _) if x <= lower => after(lower),
            Self::Interval(_, upper) if x >= upper => before(upper),
            Self::Real
            | Self::LowerBounded(_)
            | Self::UpperBounded(_)
            | Self::Interval(..)
            | Self::Integers { .. }
            | Self::Simplex(_)
            | Self::Vector(_)
            | Self::Ordered { .. } => x.clamp(-f64::MAX, f64::MAX),
        }
    }
}
