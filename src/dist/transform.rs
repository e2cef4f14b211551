//! The correspondence between a support and unconstrained coordinates, with the log Jacobian determinant that a density
//! over the latter needs. Formulas are those of the Stan Reference Manual, "Constraint transforms".

use super::{Scalar, Support};

impl<S: Scalar> Support<S> {
    /// How many unconstrained coordinates there are; 0 for integers.
    pub fn dimension(&self) -> usize {
        match self {
            Self::Real | Self::LowerBounded(_) | Self::UpperBounded(_) | Self::Interval(..) => 1,
            Self::Integers { .. } => 0,
            Self::Simplex(n) => n.saturating_sub(1),
            Self::Vector(n) | Self::Ordered { n, .. } => *n,
        }
    }

    /// The real number at unconstrained `z`, and the log of the derivative's absolute value. `None` unless this is a set
    /// of real numbers.
    ///
    /// Far out the number rounds to the boundary of the support.
    pub fn constrain_scalar(&self, z: S) -> Option<(S, S)> {
        match self {
            Self::Real => Some((z, S::constant(0.0))),
            Self::LowerBounded(lower) => Some((*lower + z.exp(), z)),
            Self::UpperBounded(upper) => Some((*upper - z.exp(), z)),
            Self::Interval(lower, upper) => {
                let width = *upper - *lower;
                // From the nearer end, so that distances to either keep their digits.
                let x = if z.value() < 0.0 { *lower + width * z.sigmoid() } else { *upper - width * (-z).sigmoid() };
                Some((x, width.ln() + z.log_sigmoid() + (-z).log_sigmoid()))
            }
            Self::Integers { .. } | Self::Simplex(_) | Self::Vector(_) | Self::Ordered { .. } => None,
        }
    }

    /// The unconstrained coordinate of the real number `x`: ±∞ on the boundary, NaN outside. `None` unless this is a set
    /// of real numbers.
    pub fn unconstrain_scalar(&self, x: f64) -> Option<f64> {
        match self {
            Self::Real => Some(x),
            Self::LowerBounded(lower) => Some((x - lower.value()).ln()),
            Self::UpperBounded(upper) => Some((upper.value() - x).ln()),
            Self::Interval(lower, upper) => Some((x - lower.value()).ln() - (upper.value() - x).ln()),
            Self::Integers { .. } | Self::Simplex(_) | Self::Vector(_) | Self::Ordered { .. } => None,
        }
    }

    /// The point at unconstrained `z` (as many as [`Support::dimension`]) and the log of the Jacobian determinant's
    /// absolute value. For a simplex that is of all elements but the last. Integers have no coordinates and give an
    /// empty point.
    pub fn constrain(&self, z: &[S]) -> (Vec<S>, S) {
        match self {
            Self::Real | Self::LowerBounded(_) | Self::UpperBounded(_) | Self::Interval(..) => {
                let found = z.first().and_then(|z| self.constrain_scalar(*z));
                found.map_or((Vec::new(), S::constant(0.0)), |(x, log_jacobian)| (vec![x], log_jacobian))
            }
            Self::Integers { .. } => (Vec::new(), S::constant(0.0)),
            Self::Vector(_) => (z.to_vec(), S::constant(0.0)),
            Self::Simplex(_) => stick_breaking(z),
            Self::Ordered { lower, upper, .. } => {
                let (inner, reversed) = element_support(*lower, *upper);
                let mut log_jacobian = S::constant(0.0);
                let mut x = Vec::with_capacity(z.len());
                let mut last = S::constant(0.0);
                for (i, step) in z.iter().enumerate() {
                    last = if i == 0 { *step } else { last + step.exp() };
                    if i > 0 {
                        log_jacobian = log_jacobian + *step;
                    }
                    if let Some((element, term)) = inner.constrain_scalar(if reversed { -last } else { last }) {
                        x.push(element);
                        log_jacobian = log_jacobian + term;
                    }
                }
                (x, log_jacobian)
            }
        }
    }

    /// The unconstrained coordinates of the point `x`, the inverse of [`Support::constrain`]. Infinite or NaN where `x`
    /// is on the boundary or outside. Empty for integers.
    pub fn unconstrain(&self, x: &[f64]) -> Vec<f64> {
        match self {
            Self::Real | Self::LowerBounded(_) | Self::UpperBounded(_) | Self::Interval(..) => {
                x.first().and_then(|x| self.unconstrain_scalar(*x)).into_iter().collect()
            }
            Self::Integers { .. } => Vec::new(),
            Self::Vector(_) => x.to_vec(),
            Self::Simplex(_) => stick_lengths(x),
            Self::Ordered { lower, upper, .. } => {
                let (inner, reversed) = element_support(*lower, *upper);
                let free = x.iter().filter_map(|x| inner.unconstrain_scalar(*x));
                let ascending: Vec<f64> = free.map(|z| if reversed { -z } else { z }).collect();
                let steps = ascending.windows(2).map(|pair| match pair {
                    [a, b] => (b - a).ln(),
                    _ => f64::NAN,
                });
                ascending.first().copied().into_iter().chain(steps).collect()
            }
        }
    }
}

/// The set that each element of an ordered vector is in, and whether its coordinate runs downwards.
fn element_support<S: Scalar>(lower: Option<S>, upper: Option<S>) -> (Support<S>, bool) {
    (Support::between(lower, upper), lower.is_none() && upper.is_some())
}

/// Stan Reference Manual, "Unit simplex": the k-th element takes a share of what the earlier ones left. The shift
/// −ln(number of elements after it) puts z = 0 at equal elements.
fn stick_breaking<S: Scalar>(z: &[S]) -> (Vec<S>, S) {
    let n = z.len();
    let mut x = Vec::with_capacity(n + 1);
    // The log of what is left, so that a long stick does not underflow.
    let mut ln_rest = S::constant(0.0);
    let mut log_jacobian = S::constant(0.0);
    for (k, step) in z.iter().enumerate() {
        let shifted = *step - ((n - k) as f64).ln();
        let (ln_share, ln_left) = (shifted.log_sigmoid(), (-shifted).log_sigmoid());
        x.push((ln_rest + ln_share).exp());
        log_jacobian = log_jacobian + ln_share + ln_left + ln_rest;
        ln_rest = ln_rest + ln_left;
    }
    x.push(ln_rest.exp());
    (x, log_jacobian)
}

fn stick_lengths(x: &[f64]) -> Vec<f64> {
    // What is left after each element, summed from the far end: no cancellation.
    let mut rest: Vec<f64> = x
        .iter()
        .rev()
        .scan(0.0, |sum, x| {
            let before = *sum;
            *sum += x;
            Some(before)
        })
        .collect();
    rest.reverse();
    let n = x.len().saturating_sub(1);
    let pairs = x.iter().zip(&rest).take(n).enumerate();
    pairs.map(|(k, (x, rest))| x.ln() - rest.ln() + ((n - k) as f64).ln()).collect()
}
