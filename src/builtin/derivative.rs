//! Derivatives of the real functions of [`super::scalar`], one `fn` for each.
//!
//! Those of one argument get it and the value already computed, `(x, y)` with y = f(x), and give dy/dx; those of two get
//! both and give both partial derivatives. Formulas are rearranged so that a finite derivative comes out finite: far in a
//! tail a factor that overflows must not meet one that is 0. Piecewise constant functions have derivative 0. At a kink a
//! function has the derivative of one side, that of the first argument where two are equal.

use std::f64::consts::{FRAC_2_SQRT_PI, LN_2, LN_10, PI};

use super::scalar::{self, sigmoid as logistic};
use crate::dist::{stirling_error_derivative, trigamma as positive_trigamma};

/// 1/√2π
const FRAC_1_SQRT_2_PI: f64 = 0.398_942_280_401_432_7;

macro_rules! derivatives {
    ($($name:ident = |$x:pat_param, $y:pat_param| $body:expr;)+) => {
        $(pub(super) fn $name($x: f64, $y: f64) -> f64 {
            $body
        })+
    };
}

derivatives! {
    exp = |_, y| y;
    expm1 = |x, _| x.exp();
    log = |x, _| x.recip();
    log1p = |x, _| (1.0 + x).recip();
    log1m = |x, _| -(1.0 - x).recip();
    log2 = |x, _| (x * LN_2).recip();
    log10 = |x, _| (x * LN_10).recip();
    log1m_exp = |x, _| -(-x).exp_m1().recip();
    softplus = |x, _| logistic(x);
    log_sigmoid = |x, _| logistic(-x);
    logit = |p, _| (p * (1.0 - p)).recip();
    sqrt = |_, y| 0.5 / y;
    cbrt = |_, y| (3.0 * y * y).recip();
    square = |x, _| 2.0 * x;
    inv = |_, y| -y * y;
    abs = |x, _| scalar::sign(x);
    constant = |_, _| 0.0;
    sin = |x, _| x.cos();
    cos = |x, _| -x.sin();
    tan = |_, y| 1.0 + y * y;
    asin = |x, _| ((1.0 - x) * (1.0 + x)).sqrt().recip();
    acos = |x, y| -asin(x, y);
    atan = |x, _| (1.0 + x * x).recip();
    sinh = |x, _| x.cosh();
    cosh = |x, _| x.sinh();
    asinh = |x, _| x.hypot(1.0).recip();
    acosh = |x, _| ((x - 1.0).sqrt() * (x + 1.0).sqrt()).recip();
    atanh = |x, _| ((1.0 - x) * (1.0 + x)).recip();
    erf = |x, _| FRAC_2_SQRT_PI * scalar::exp_minus(1.0, x);
    erfc = |x, _| -FRAC_2_SQRT_PI * scalar::exp_minus(1.0, x);
    phi = |x, _| FRAC_1_SQRT_2_PI * scalar::exp_minus(0.5, x);
    lgamma = |x, _| scalar::digamma(x);
    digamma = |x, _| trigamma(x);
}

/// e⁻ˣ/(1 + e⁻ˣ)²; not y (1 − y), which is 0 long before it underflows.
pub(super) fn sigmoid(x: f64, _: f64) -> f64 {
    let e = (-x.abs()).exp();
    e / ((1.0 + e) * (1.0 + e))
}

/// 1/cosh² x; not 1 − y², which is 0 long before it underflows.
pub(super) fn tanh(x: f64, _: f64) -> f64 {
    let secant = x.cosh().recip();
    secant * secant
}

/// d²ln Γ(x)/dx², below ½ by reflection (Abramowitz & Stegun 6.4.7); NaN at the poles.
fn trigamma(x: f64) -> f64 {
    if x > 0.0 {
        positive_trigamma(x)
    } else if x.fract() == 0.0 || !x.is_finite() {
        f64::NAN
    } else {
        let ratio = PI / scalar::sin_pi(x);
        ratio * ratio - positive_trigamma(1.0 - x)
    }
}

/// Below this ratio of the step to the argument, ψ(x + d) − ψ(x) is the step times the slope at its middle, whose relative
/// error is of the order of the ratio's square.
const SMALL_STEP: f64 = 1e-6;

/// From here on Stirling's series is exact to the last digit.
const STIRLING_FROM: f64 = 10.0;

/// ψ(x + d) − ψ(x) for x, d ≥ 0 without the cancellation of the two: Abramowitz & Stegun 6.3.5 up to where 6.3.18 holds.
fn digamma_rise(mut x: f64, d: f64) -> f64 {
    if d <= SMALL_STEP * x {
        return if d == 0.0 { 0.0 } else { d * positive_trigamma(x + 0.5 * d) };
    }
    let mut sum = 0.0;
    while x < STIRLING_FROM {
        sum += d / (x + d) / x;
        x += 1.0;
    }
    sum + (d / x).ln_1p() + 0.5 * d / (x + d) / x + stirling_error_derivative(x + d) - stirling_error_derivative(x)
}

/// 1/(1 − eʸ⁻ˣ) and −1/(eˣ⁻ʸ − 1)
pub(super) fn log_diff_exp(x: f64, y: f64) -> [f64; 2] {
    [(y - x).exp_m1().abs().recip(), -(x - y).exp_m1().recip()]
}

/// The shares of eˣ and eʸ in their sum.
pub(super) fn log_sum_exp(x: f64, y: f64) -> [f64; 2] {
    // Equal infinities have no difference.
    if x == y { [0.5, 0.5] } else { [logistic(x - y), logistic(y - x)] }
}

/// y xʸ⁻¹ and xʸ ln x
pub(super) fn pow(x: f64, y: f64) -> [f64; 2] {
    let of_base = if y == 0.0 { 0.0 } else { y * x.powf(y - 1.0) };
    // xʸ is 0 for every positive y, and the logarithm −∞.
    let of_exponent = if x == 0.0 && y > 0.0 { 0.0 } else { x.powf(y) * x.ln() };
    [of_base, of_exponent]
}

/// (x, y)/√(x² + y²); 0 at the origin, the middle of its kink.
pub(super) fn hypot(x: f64, y: f64) -> [f64; 2] {
    match x.hypot(y) {
        0.0 => [0.0, 0.0],
        radius => [x / radius, y / radius],
    }
}

/// (x, −y)/(x² + y²), without overflow of the squares.
pub(super) fn atan2(y: f64, x: f64) -> [f64; 2] {
    let radius = x.hypot(y);
    [x / radius / radius, -y / radius / radius]
}

/// x − n y has the derivatives 1 and −n, n the quotient without its fraction.
pub(super) fn fmod(x: f64, y: f64) -> [f64; 2] {
    [1.0, -((x - x % y) / y).round()]
}

/// That of the lesser.
pub(super) fn min(x: f64, y: f64) -> [f64; 2] {
    choice(x, y, x <= y)
}

/// That of the greater.
pub(super) fn max(x: f64, y: f64) -> [f64; 2] {
    choice(x, y, x >= y)
}

fn choice(x: f64, y: f64, first: bool) -> [f64; 2] {
    match (x.is_nan() || y.is_nan(), first) {
        (true, _) => [f64::NAN, f64::NAN],
        (false, true) => [1.0, 0.0],
        (false, false) => [0.0, 1.0],
    }
}

/// ψ(a) − ψ(a + b) and ψ(b) − ψ(a + b)
pub(super) fn lbeta(a: f64, b: f64) -> [f64; 2] {
    if a >= 0.0 && b >= 0.0 { [-digamma_rise(a, b), -digamma_rise(b, a)] } else { [f64::NAN, f64::NAN] }
}

/// ψ(n + 1) − ψ(n − k + 1) and ψ(n − k + 1) − ψ(k + 1); 0 beyond n, where the value is −∞ throughout.
pub(super) fn lchoose(n: f64, k: f64) -> [f64; 2] {
    if k > n && n >= 0.0 {
        return [0.0, 0.0];
    }
    if !(n >= 0.0 && k >= 0.0) {
        return [f64::NAN, f64::NAN];
    }
    let rest = n - k;
    let of_k = if rest >= k { digamma_rise(k + 1.0, rest - k) } else { -digamma_rise(rest + 1.0, k - rest) };
    [digamma_rise(rest + 1.0, k), of_k]
}
