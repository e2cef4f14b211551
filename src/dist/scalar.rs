//! Numbers that a log density may be computed with: doubles, and doubles that carry derivatives.
//!
//! A type becomes a [`Scalar`] by telling how a function of known value and known partial derivatives acts on it
//! ([`Scalar::combine`]). Everything else, special functions included, is written once on top of that, with its
//! derivative in closed form. An implementation therefore sees one node per function, not its inner iterations.

use std::fmt::Debug;
use std::ops::{Add, Div, Mul, Neg, Sub};

use super::special;

/// Comparisons and arithmetic of a [`Scalar`] that has a field `value`, from its [`Scalar::combine`].
macro_rules! scalar_arithmetic {
    ({$($generics:tt)*} $type:ty) => {
        impl<$($generics)*> PartialEq for $type {
            fn eq(&self, other: &Self) -> bool {
                self.value == other.value
            }
        }

        impl<$($generics)*> PartialOrd for $type {
            fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
                self.value.partial_cmp(&other.value)
            }
        }

        scalar_arithmetic!(operator {$($generics)*} $type, Add add, |a, b| a + b, |_a, _b, _y| [1.0, 1.0]);
        scalar_arithmetic!(operator {$($generics)*} $type, Sub sub, |a, b| a - b, |_a, _b, _y| [1.0, -1.0]);
        scalar_arithmetic!(operator {$($generics)*} $type, Mul mul, |a, b| a * b, |a, b, _y| [b, a]);
        scalar_arithmetic!(operator {$($generics)*} $type, Div div, |a, b| a / b, |_a, b, y| [1.0 / b, -y / b]);

        impl<$($generics)*> std::ops::Neg for $type {
            type Output = Self;
            #[inline]
            fn neg(self) -> Self {
                Self::combine(-self.value, [self], || [-1.0])
            }
        }
    };
    (operator {$($generics:tt)*} $type:ty, $trait:ident $method:ident, $value:expr, $partials:expr) => {
        impl<$($generics)*> std::ops::$trait for $type {
            type Output = Self;
            #[inline]
            fn $method(self, other: Self) -> Self {
                let value: fn(f64, f64) -> f64 = $value;
                let partials: fn(f64, f64, f64) -> [f64; 2] = $partials;
                let (a, b) = (self.value, other.value);
                let y = value(a, b);
                Self::combine(y, [self, other], || partials(a, b, y))
            }
        }

        impl<$($generics)*> std::ops::$trait<f64> for $type {
            type Output = Self;
            #[inline]
            fn $method(self, other: f64) -> Self {
                let value: fn(f64, f64) -> f64 = $value;
                let partials: fn(f64, f64, f64) -> [f64; 2] = $partials;
                let a = self.value;
                let y = value(a, other);
                Self::combine(y, [self], || {
                    let [first, _] = partials(a, other, y);
                    [first]
                })
            }
        }
    };
}
pub(crate) use scalar_arithmetic;

/// A real number, possibly with derivatives.
///
/// `max`, `min`, `abs` and comparisons look at the value; at a kink the derivative is that of one side (0 for `abs` at 0).
pub trait Scalar:
    Copy
    + Debug
    + PartialOrd
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Add<f64, Output = Self>
    + Sub<f64, Output = Self>
    + Mul<f64, Output = Self>
    + Div<f64, Output = Self>
    + Neg<Output = Self>
{
    /// A constant: all derivatives are zero.
    fn constant(x: f64) -> Self;

    /// The number without its derivatives.
    fn value(self) -> f64;

    /// A function of `inputs` that has this `value` and these partial derivatives (asked for only where needed).
    /// An input that is constant contributes nothing, even where the partial derivative is not finite.
    fn combine<const N: usize>(value: f64, inputs: [Self; N], partials: impl FnOnce() -> [f64; N]) -> Self;

    /// Whether the value is neither infinite nor NaN.
    fn is_finite(self) -> bool {
        self.value().is_finite()
    }

    /// Natural logarithm.
    fn ln(self) -> Self {
        let x = self.value();
        Self::combine(x.ln(), [self], || [1.0 / x])
    }

    /// ln(1 + x), accurate near 0.
    fn ln_1p(self) -> Self {
        let x = self.value();
        Self::combine(x.ln_1p(), [self], || [1.0 / (1.0 + x)])
    }

    /// eˣ
    fn exp(self) -> Self {
        let y = self.value().exp();
        Self::combine(y, [self], || [y])
    }

    /// eˣ − 1, accurate near 0.
    fn exp_m1(self) -> Self {
        let x = self.value();
        Self::combine(x.exp_m1(), [self], || [x.exp()])
    }

    /// Square root.
    fn sqrt(self) -> Self {
        let y = self.value().sqrt();
        Self::combine(y, [self], || [0.5 / y])
    }

    /// x², also where x·x written out would mean two inputs.
    fn square(self) -> Self {
        let x = self.value();
        Self::combine(x * x, [self], || [2.0 * x])
    }

    /// 1/x
    fn recip(self) -> Self {
        let y = self.value().recip();
        Self::combine(y, [self], || [-y * y])
    }

    /// x to an integer power.
    fn powi(self, n: i32) -> Self {
        let x = self.value();
        Self::combine(x.powi(n), [self], || [if n == 0 { 0.0 } else { f64::from(n) * x.powi(n - 1) }])
    }

    /// x to a real power; x must not be negative unless the exponent is a whole number.
    fn powf(self, exponent: Self) -> Self {
        let (x, n) = (self.value(), exponent.value());
        let y = x.powf(n);
        Self::combine(y, [self, exponent], || {
            [if n == 0.0 { 0.0 } else { n * x.powf(n - 1.0) }, if y == 0.0 { 0.0 } else { y * x.ln() }]
        })
    }

    /// |x|
    fn abs(self) -> Self {
        let x = self.value();
        Self::combine(x.abs(), [self], || [if x == 0.0 { 0.0 } else { x.signum() }])
    }

    /// The larger; `self` where they are equal.
    fn max(self, other: Self) -> Self {
        if other.value() > self.value() { other } else { self }
    }

    /// The smaller; `self` where they are equal.
    fn min(self, other: Self) -> Self {
        if other.value() < self.value() { other } else { self }
    }

    /// Sine.
    fn sin(self) -> Self {
        let x = self.value();
        Self::combine(x.sin(), [self], || [x.cos()])
    }

    /// Cosine.
    fn cos(self) -> Self {
        let x = self.value();
        Self::combine(x.cos(), [self], || [-x.sin()])
    }

    /// Tangent.
    fn tan(self) -> Self {
        let y = self.value().tan();
        Self::combine(y, [self], || [1.0 + y * y])
    }

    /// Inverse sine.
    fn asin(self) -> Self {
        let x = self.value();
        Self::combine(x.asin(), [self], || [1.0 / ((1.0 - x) * (1.0 + x)).sqrt()])
    }

    /// Inverse cosine.
    fn acos(self) -> Self {
        let x = self.value();
        Self::combine(x.acos(), [self], || [-1.0 / ((1.0 - x) * (1.0 + x)).sqrt()])
    }

    /// Inverse tangent.
    fn atan(self) -> Self {
        let x = self.value();
        Self::combine(x.atan(), [self], || [1.0 / (1.0 + x * x)])
    }

    /// Hyperbolic sine.
    fn sinh(self) -> Self {
        let x = self.value();
        Self::combine(x.sinh(), [self], || [x.cosh()])
    }

    /// Hyperbolic cosine.
    fn cosh(self) -> Self {
        let x = self.value();
        Self::combine(x.cosh(), [self], || [x.sinh()])
    }

    /// Hyperbolic tangent.
    fn tanh(self) -> Self {
        let y = self.value().tanh();
        Self::combine(y, [self], || [1.0 - y * y])
    }

    /// ln Γ(x) for x > 0.
    fn ln_gamma(self) -> Self {
        let x = self.value();
        Self::combine(special::ln_gamma(x), [self], || [special::digamma(x)])
    }

    /// ψ(x) = d ln Γ(x)/dx for x > 0.
    fn digamma(self) -> Self {
        let x = self.value();
        Self::combine(special::digamma(x), [self], || [special::trigamma(x)])
    }

    /// What Stirling's formula lacks: ln Γ(x) − (x − ½) ln x + x − ½ ln 2π, accurate for large x.
    fn stirling_error(self) -> Self {
        let x = self.value();
        Self::combine(special::stirling_error(x), [self], || [special::stirling_error_derivative(x)])
    }

    /// Loader's deviance x ln(x/m) + m − x of `self` = x ≥ 0 from a mean m ≥ 0, without cancellation where they are near.
    fn deviance(self, mean: Self) -> Self {
        let (x, m) = (self.value(), mean.value());
        Self::combine(special::deviance(x, m), [self, mean], || [(x / m).ln(), 1.0 - x / m])
    }

    /// a ln x with 0 ln 0 = 0, where a is `self`.
    fn mul_ln(self, x: Self) -> Self {
        let (a, v) = (self.value(), x.value());
        Self::combine(special::mul_ln(a, v), [self, x], || [v.ln(), if a == 0.0 { 0.0 } else { a / v }])
    }

    /// a ln(1 + x) with 0 ln 0 = 0, where a is `self`.
    fn mul_ln_1p(self, x: Self) -> Self {
        let (a, v) = (self.value(), x.value());
        let value = if a == 0.0 { 0.0 } else { a * v.ln_1p() };
        Self::combine(value, [self, x], || [v.ln_1p(), if a == 0.0 { 0.0 } else { a / (1.0 + v) }])
    }

    /// ln(1 + x²), also where x² overflows.
    fn ln_1p_square(self) -> Self {
        let x = self.value();
        let a = x.abs();
        let value = if a > 1e8 { 2.0 * a.ln() } else { (a * a).ln_1p() };
        Self::combine(value, [self], || [if a > 1.0 { 2.0 / (x + 1.0 / x) } else { 2.0 * x / (1.0 + x * x) }])
    }

    /// ln(1 + eˣ), for any x.
    fn ln_1p_exp(self) -> Self {
        let x = self.value();
        Self::combine(special::ln_1p_exp(x), [self], || [special::sigmoid(x)])
    }

    /// ln(1 − eˣ) for x ≤ 0.
    fn ln_1m_exp(self) -> Self {
        let x = self.value();
        Self::combine(special::ln_1m_exp(x), [self], || [-1.0 / (-x).exp_m1()])
    }

    /// 1/(1 + e⁻ˣ)
    fn sigmoid(self) -> Self {
        let y = special::sigmoid(self.value());
        Self::combine(y, [self], || [y * special::sigmoid(-self.value())])
    }

    /// ln of the sigmoid, for any x.
    fn log_sigmoid(self) -> Self {
        -(-self).ln_1p_exp()
    }

    /// The error function.
    fn erf(self) -> Self {
        let x = self.value();
        Self::combine(special::erf(x), [self], || [std::f64::consts::FRAC_2_SQRT_PI * (-x * x).exp()])
    }

    /// 1 − erf(x), accurate for large x.
    fn erfc(self) -> Self {
        let x = self.value();
        Self::combine(special::erfc(x), [self], || [-std::f64::consts::FRAC_2_SQRT_PI * (-x * x).exp()])
    }

    /// Φ(x), the standard normal distribution function.
    fn phi(self) -> Self {
        let x = self.value();
        Self::combine(special::log_phi(x).exp(), [self], || [(-0.5 * x * x - special::HALF_LN_TWO_PI).exp()])
    }

    /// ln Φ(x), accurate in both tails.
    fn log_phi(self) -> Self {
        let x = self.value();
        let value = special::log_phi(x);
        Self::combine(value, [self], || [special::log_phi_derivative(x)])
    }

    /// ln(eᵃ + eᵇ), where a is `self`.
    fn log_add_exp(self, other: Self) -> Self {
        let (a, b) = (self.value(), other.value());
        let value = special::log_add_exp(a, b);
        Self::combine(value, [self, other], || {
            if value == f64::NEG_INFINITY { [0.0, 0.0] } else { [(a - value).exp(), (b - value).exp()] }
        })
    }

    /// ln(eᵃ − eᵇ), where a is `self` and b ≤ a.
    fn log_sub_exp(self, other: Self) -> Self {
        let (a, b) = (self.value(), other.value());
        if b == f64::NEG_INFINITY {
            return self;
        }
        let d = b - a;
        Self::combine(a + special::ln_1m_exp(d), [self, other], || [-1.0 / d.exp_m1(), -1.0 / (-d).exp_m1()])
    }
}

/// ln Σ eˣ of `terms`; −∞ where there are none.
pub fn log_sum_exp<S: Scalar>(terms: &[S]) -> S {
    let top = terms.iter().map(|t| t.value()).fold(f64::NEG_INFINITY, f64::max);
    if !top.is_finite() {
        return S::constant(top);
    }
    let mut sum = S::constant(0.0);
    for term in terms {
        // A term of no weight would only bring in derivatives that are not defined.
        if term.value() > f64::NEG_INFINITY {
            sum = sum + (*term - top).exp();
        }
    }
    sum.ln() + top
}

impl Scalar for f64 {
    #[inline]
    fn constant(x: f64) -> Self {
        x
    }

    #[inline]
    fn value(self) -> f64 {
        self
    }

    #[inline]
    fn combine<const N: usize>(value: f64, _: [Self; N], _: impl FnOnce() -> [f64; N]) -> Self {
        value
    }
}

/// A number and its derivative in one direction (forward mode).
///
/// ```
/// use unmask::dist::{Dual, Scalar};
/// let x = Dual { value: 2.0, derivative: 1.0 };
/// assert_eq!((x * x + 1.0).derivative, 4.0);
/// assert_eq!(x.ln().derivative, 0.5);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Dual {
    /// The number.
    pub value: f64,
    /// Its derivative.
    pub derivative: f64,
}

impl Dual {
    /// A number that is the direction itself: derivative 1.
    pub fn variable(value: f64) -> Self {
        Self { value, derivative: 1.0 }
    }
}

impl Scalar for Dual {
    fn constant(x: f64) -> Self {
        Self { value: x, derivative: 0.0 }
    }

    fn value(self) -> f64 {
        self.value
    }

    fn combine<const N: usize>(value: f64, inputs: [Self; N], partials: impl FnOnce() -> [f64; N]) -> Self {
        let derivative = if inputs.iter().all(|x| x.derivative == 0.0) {
            0.0
        } else {
            let terms = inputs.iter().zip(partials());
            terms.map(|(x, w)| if x.derivative == 0.0 { 0.0 } else { w * x.derivative }).sum()
        };
        Self { value, derivative }
    }
}

scalar_arithmetic!({} Dual);
