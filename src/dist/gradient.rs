//! Numbers with all their derivatives in a few directions at once (forward mode).

use super::Scalar;
use super::scalar::scalar_arithmetic;

/// A number and its derivatives in `N` directions.
///
/// ```
/// use unmask::dist::{Gradient, Scalar};
/// let (x, y) = (Gradient::<2>::variable(3.0, 0), Gradient::variable(2.0, 1));
/// assert_eq!((x * y + x).derivatives, [3.0, 3.0]);
/// assert_eq!(y.ln().derivatives, [0.0, 0.5]);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Gradient<const N: usize> {
    /// The number.
    pub value: f64,
    /// Its derivatives.
    pub derivatives: [f64; N],
}

impl<const N: usize> Gradient<N> {
    /// A number that is the given direction itself.
    #[inline]
    pub fn variable(value: f64, direction: usize) -> Self {
        Self { value, derivatives: std::array::from_fn(|i| f64::from(u8::from(i == direction))) }
    }
}

impl<const N: usize> Scalar for Gradient<N> {
    #[inline]
    fn constant(x: f64) -> Self {
        Self { value: x, derivatives: [0.0; N] }
    }

    #[inline]
    fn value(self) -> f64 {
        self.value
    }

    #[inline]
    fn combine<const M: usize>(value: f64, inputs: [Self; M], partials: impl FnOnce() -> [f64; M]) -> Self {
        let mut derivatives = [0.0; N];
        for (input, weight) in inputs.iter().zip(partials()) {
            if weight.is_finite() {
                for (sum, derivative) in derivatives.iter_mut().zip(input.derivatives) {
                    *sum += weight * derivative;
                }
            } else {
                // An input that is constant contributes nothing.
                for (sum, derivative) in derivatives.iter_mut().zip(input.derivatives) {
                    *sum += if derivative == 0.0 { 0.0 } else { weight * derivative };
                }
            }
        }
        Self { value, derivatives }
    }
}

scalar_arithmetic!({const N: usize} Gradient<N>);
