//! Real functions of one and two real arguments, one `fn` for each built-in.
//!
//! Outside their domain they give NaN or an infinity as IEEE 754 does, never an error: a log density that reads them can
//! reject such a point. Free functions of plain names, so that the table in [`super`] can name them.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI, LN_2, PI};

use statrs::function::gamma as statrs_gamma;

/// ½ ln 2π
const HALF_LN_2_PI: f64 = 0.918_938_533_204_672_741_780_329_736_406;
/// Euler's constant.
const EULER: f64 = 0.577_215_664_901_532_860_606_512_090_082;

macro_rules! methods {
    ($($name:ident = $method:ident),+ $(,)?) => {
        $(pub(super) fn $name(x: f64) -> f64 {
            x.$method()
        })+
    };
}

methods! {
    exp = exp, expm1 = exp_m1, log = ln, log1p = ln_1p, log2 = log2, log10 = log10, sqrt = sqrt, cbrt = cbrt, inv = recip,
    abs = abs, floor = floor, ceil = ceil, round = round, trunc = trunc, sin = sin, cos = cos, tan = tan, asin = asin,
    acos = acos, atan = atan, sinh = sinh, cosh = cosh, tanh = tanh, asinh = asinh, acosh = acosh,
}

/// By the magnitude, because the standard library's formula cancels near −1.
pub(super) fn atanh(x: f64) -> f64 {
    x.abs().atanh().copysign(x)
}

pub(super) fn square(x: f64) -> f64 {
    x * x
}

pub(super) fn sign(x: f64) -> f64 {
    if x == 0.0 || x.is_nan() { x } else { x.signum() }
}

pub(super) fn pow(x: f64, y: f64) -> f64 {
    x.powf(y)
}

pub(super) fn hypot(x: f64, y: f64) -> f64 {
    x.hypot(y)
}

pub(super) fn atan2(y: f64, x: f64) -> f64 {
    y.atan2(x)
}

pub(super) fn fmod(x: f64, y: f64) -> f64 {
    x % y
}

/// Unlike [`f64::min`], NaN where either is: a NaN must not vanish on its way to a log density.
pub(super) fn min(x: f64, y: f64) -> f64 {
    if x.is_nan() || y.is_nan() { f64::NAN } else { x.min(y) }
}

/// NaN where either is.
pub(super) fn max(x: f64, y: f64) -> f64 {
    if x.is_nan() || y.is_nan() { f64::NAN } else { x.max(y) }
}

/// 1/(1 + e⁻ˣ), without overflow on either side.
pub(super) fn sigmoid(x: f64) -> f64 {
    if x >= 0.0 {
        1.0 / (1.0 + (-x).exp())
    } else {
        let e = x.exp();
        e / (1.0 + e)
    }
}

/// ln(p/(1−p)). Near ½ the quotient minus one is formed first, because both logarithms would cancel.
pub(super) fn logit(p: f64) -> f64 {
    if (0.25..=0.75).contains(&p) { ((2.0 * p - 1.0) / (1.0 - p)).ln_1p() } else { p.ln() - (-p).ln_1p() }
}

/// ln(1 + eˣ)
pub(super) fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// ln(1/(1 + e⁻ˣ))
pub(super) fn log_sigmoid(x: f64) -> f64 {
    -softplus(-x)
}

pub(super) fn log1m(x: f64) -> f64 {
    (-x).ln_1p()
}

/// ln(1 − eˣ). The split at −ln 2 is that of Mächler, *Accurately computing log(1 − exp(−|a|))* (2012), equation 7.
pub(super) fn log1m_exp(x: f64) -> f64 {
    if x > -LN_2 { (-x.exp_m1()).ln() } else { (-x.exp()).ln_1p() }
}

/// ln(eˣ − eʸ); NaN where x < y.
pub(super) fn log_diff_exp(x: f64, y: f64) -> f64 {
    if x == y && x < f64::INFINITY { f64::NEG_INFINITY } else { x + log1m_exp(y - x) }
}

/// ln(eˣ + eʸ)
pub(super) fn log_sum_exp(x: f64, y: f64) -> f64 {
    if x == y { x + LN_2 } else { max(x, y) + (-(x - y).abs()).exp().ln_1p() }
}

/// Where erfc is read off the continued fraction. Below, 1 − erf x loses at most two digits and a half.
const ERFC_TAIL: f64 = 2.0;

/// e^(−factor x²), with the rounding error of the square made good; `factor` is a power of 2.
pub(super) fn exp_minus(factor: f64, x: f64) -> f64 {
    let square = x * x;
    let value = (-factor * square).exp();
    // Where the square overflows, its error does not exist.
    if value == 0.0 { value } else { value * (-factor * x.mul_add(x, -square)).exp() }
}

/// Abramowitz & Stegun 7.1.6, whose terms have one sign, and from 2 on the complement. (statrs has no more than eleven
/// digits.)
pub(super) fn erf(x: f64) -> f64 {
    if x.abs() >= ERFC_TAIL {
        return x.signum() * (1.0 - erfc_tail(x.abs()));
    }
    let (mut term, mut sum, mut k) = (x, x, 1.0);
    while term.abs() > 1e-17 * sum.abs() {
        k += 2.0;
        term *= 2.0 * x * x / k;
        sum += term;
    }
    FRAC_2_SQRT_PI * exp_minus(1.0, x) * sum
}

pub(super) fn erfc(x: f64) -> f64 {
    if x >= ERFC_TAIL { erfc_tail(x) } else { 1.0 - erf(x) }
}

/// erfc x for x ≥ 2: the continued fraction of Abramowitz & Stegun 7.1.14, from its far end; it needs fewer terms the
/// larger x is.
fn erfc_tail(x: f64) -> f64 {
    if x > 28.0 {
        return 0.0;
    }
    let n_terms = (20.0 + 400.0 / (x * x)) as u32;
    let fraction = (1..=n_terms).rev().fold(x, |below, k| x + 0.5 * f64::from(k) / below);
    0.5 * FRAC_2_SQRT_PI * exp_minus(1.0, x) / fraction
}

/// The standard normal distribution function, accurate in the lower tail.
pub(super) fn phi(x: f64) -> f64 {
    0.5 * erfc(-x * FRAC_1_SQRT_2)
}

/// ζ(k) − 1 for k = 2, 3, …: the coefficients of the series below.
const ZETA_MINUS_ONE: [f64; 29] = [
    0.6449340668482264,
    0.2020569031595943,
    0.08232323371113819,
    0.03692775514336993,
    0.01734306198444914,
    0.008349277381922827,
    0.00407735619794434,
    0.0020083928260822143,
    0.0009945751278180853,
    0.0004941886041194645,
    0.0002460865533080483,
    0.00012271334757848915,
    6.124813505870483e-05,
    3.058823630702049e-05,
    1.528225940865187e-05,
    7.637197637899763e-06,
    3.81729326499984e-06,
    1.908212716553939e-06,
    9.539620338727962e-07,
    4.769329867878064e-07,
    2.38450502727733e-07,
    1.1921992596531106e-07,
    5.960818905125948e-08,
    2.980350351465228e-08,
    1.4901554828365043e-08,
    7.45071178983543e-09,
    3.725334024788457e-09,
    1.862659723513049e-09,
    9.313274324196682e-10,
];

/// ln Γ(1 + x) for |x| ≤ ½: Abramowitz & Stegun 6.1.33. Exact at its zeros x = 0 and, after one step of the recurrence,
/// at 1, where general approximations lose all relative accuracy.
fn log_gamma_near_one(x: f64) -> f64 {
    let series = ZETA_MINUS_ONE.iter().enumerate().rev().fold(0.0, |sum, (i, zeta)| {
        let k = i as f64 + 2.0;
        let sign = if i % 2 == 0 { 1.0 } else { -1.0 };
        sum * x + sign * zeta / k
    });
    x * ((1.0 - EULER) + x * series) - x.ln_1p()
}

/// sin πx, exact at the integers.
pub(super) fn sin_pi(x: f64) -> f64 {
    let r = x % 2.0;
    let (r, flip) = if r.abs() > 1.0 { (r - r.signum(), -1.0) } else { (r, 1.0) };
    let r = if r.abs() > 0.5 { r.signum() - r } else { r };
    flip * (PI * r).sin()
}

/// ln |Γ(x)|; +∞ at the poles.
pub(super) fn lgamma(x: f64) -> f64 {
    if x.is_nan() {
        x
    } else if x.is_infinite() || (x <= 0.0 && x.fract() == 0.0) {
        f64::INFINITY
    } else if x < 0.0 {
        // Tiny arguments: Γ(x) = Γ(1 + x)/x, where the reflection would lose 1 − x.
        if x > -0.5 { log_gamma_near_one(x) - (-x).ln() } else { (PI / sin_pi(x).abs()).ln() - lgamma(1.0 - x) }
    } else if x < 0.5 {
        log_gamma_near_one(x) - x.ln()
    } else if x <= 1.5 {
        log_gamma_near_one(x - 1.0)
    } else if x <= 2.5 {
        // Γ(x) = (x − 1) Γ(x − 1) with x − 1 = 1 + (x − 2).
        log_gamma_near_one(x - 2.0) + (x - 2.0).ln_1p()
    } else if x < 10.0 {
        statrs_gamma::ln_gamma(x)
    } else {
        (x - 0.5) * x.ln() - x + HALF_LN_2_PI + stirling_correction(x)
    }
}

/// ln Γ(x) − [(x − ½) ln x − x + ½ ln 2π] for x ≥ 10: Abramowitz & Stegun 6.1.41.
fn stirling_correction(x: f64) -> f64 {
    const COEFFICIENTS: [f64; 7] =
        [1.0 / 12.0, -1.0 / 360.0, 1.0 / 1260.0, -1.0 / 1680.0, 1.0 / 1188.0, -691.0 / 360_360.0, 1.0 / 156.0];
    let square = (x * x).recip();
    COEFFICIENTS.iter().rev().fold(0.0, |sum, c| sum * square + c) / x
}

/// d ln Γ(x)/dx; NaN at the poles.
pub(super) fn digamma(x: f64) -> f64 {
    if x <= 0.0 && (x.fract() == 0.0 || x.is_infinite()) { f64::NAN } else { statrs_gamma::digamma(x) }
}

/// ln B(a, b) = ln Γ(a) + ln Γ(b) − ln Γ(a + b), with the leading terms of Stirling's formula cancelled by hand where an
/// argument is large.
pub(super) fn lbeta(a: f64, b: f64) -> f64 {
    let (x, y) = (min(a, b), max(a, b));
    if x.is_nan() || x < 0.0 {
        return f64::NAN;
    }
    if x == 0.0 {
        return f64::INFINITY;
    }
    if y.is_infinite() {
        return f64::NEG_INFINITY;
    }
    let sum = x + y;
    if y < 10.0 {
        lgamma(x) + lgamma(y) - lgamma(sum)
    } else if x < 10.0 {
        let correction = stirling_correction(y) - stirling_correction(sum);
        (y - 0.5) * (-x / sum).ln_1p() + x * (1.0 - sum.ln()) + lgamma(x) + correction
    } else {
        let correction = stirling_correction(x) + stirling_correction(y) - stirling_correction(sum);
        (x - 0.5) * (x / sum).ln() + y * (-x / sum).ln_1p() + HALF_LN_2_PI - 0.5 * y.ln() + correction
    }
}

/// ln (n choose k) of reals 0 ≤ k ≤ n; −∞ for k beyond, NaN for negative arguments.
pub(super) fn lchoose(n: f64, k: f64) -> f64 {
    if n.is_nan() || k.is_nan() || n < 0.0 || k < 0.0 {
        f64::NAN
    } else if k > n {
        f64::NEG_INFINITY
    } else if k == 0.0 || k == n {
        0.0
    } else if k == 1.0 || n - k == 1.0 {
        n.ln()
    } else {
        -n.ln_1p() - lbeta(n - k + 1.0, k + 1.0)
    }
}
