//! Special functions of doubles that keep their digits where the textbook formulas lose them: near a cancellation, for
//! large arguments, far in the tails.

/// ½ ln 2π
pub(crate) const HALF_LN_TWO_PI: f64 = 0.918_938_533_204_672_8;

/// Coefficients of Stirling's series in 1/x, 1/x³, …: B₂ₙ/(2n (2n − 1)) (Abramowitz & Stegun 6.1.40).
const STIRLING: [f64; 9] = [
    1.0 / 12.0,
    -1.0 / 360.0,
    1.0 / 1260.0,
    -1.0 / 1680.0,
    1.0 / 1188.0,
    -691.0 / 360_360.0,
    1.0 / 156.0,
    -3617.0 / 122_400.0,
    43_867.0 / 244_188.0,
];

/// From here on Stirling's series with the terms above is exact to the last digit.
const STIRLING_FROM: f64 = 10.0;

pub(super) fn ln_gamma(x: f64) -> f64 {
    if x >= STIRLING_FROM {
        (x - 0.5) * x.ln() - x + HALF_LN_TWO_PI + stirling_error(x)
    } else {
        statrs::function::gamma::ln_gamma(x)
    }
}

pub(super) fn stirling_error(x: f64) -> f64 {
    if x >= STIRLING_FROM {
        let (inverse, square) = (1.0 / x, 1.0 / (x * x));
        STIRLING.iter().rev().fold(0.0, |sum, c| sum * square + c) * inverse
    } else {
        statrs::function::gamma::ln_gamma(x) - (x - 0.5) * x.ln() + x - HALF_LN_TWO_PI
    }
}

pub(crate) fn stirling_error_derivative(x: f64) -> f64 {
    if x >= STIRLING_FROM {
        let square = 1.0 / (x * x);
        let terms = STIRLING.iter().enumerate().rev();
        -terms.fold(0.0, |sum, (i, c)| sum * square + (2 * i + 1) as f64 * c) * square
    } else {
        digamma(x) - x.ln() + 0.5 / x
    }
}

pub(super) fn digamma(mut x: f64) -> f64 {
    let mut shift = 0.0;
    while x < STIRLING_FROM {
        shift -= 1.0 / x;
        x += 1.0;
    }
    shift + x.ln() - 0.5 / x + stirling_error_derivative(x)
}

pub(crate) fn trigamma(mut x: f64) -> f64 {
    let mut shift = 0.0;
    while x < STIRLING_FROM {
        shift += 1.0 / (x * x);
        x += 1.0;
    }
    let square = 1.0 / (x * x);
    let terms = STIRLING.iter().enumerate().rev();
    let tail = terms.fold(0.0, |sum, (i, c)| sum * square + ((2 * i + 1) * (2 * i + 2)) as f64 * c);
    shift + 1.0 / x + 0.5 * square + tail * square / x
}

/// x ln(x/m) + m − x (Loader, "Fast and accurate computation of binomial probabilities", 2000, `bd0`).
pub(super) fn deviance(x: f64, m: f64) -> f64 {
    if x == 0.0 {
        return m;
    }
    let d = x - m;
    if d.abs() < 0.1 * (x + m) {
        let v = d / (x + m);
        let square = v * v;
        let mut sum = d * v;
        let mut term = 2.0 * x * v;
        for j in 1..1000 {
            term *= square;
            let next = sum + term / f64::from(2 * j + 1);
            if next == sum {
                break;
            }
            sum = next;
        }
        sum
    } else if x < m {
        // The larger of the two comes first, so that a mean that overflows gives ∞ and not NaN.
        m - x * ((m / x).ln() + 1.0)
    } else {
        x * ((x / m).ln() - 1.0) + m
    }
}

pub(super) fn mul_ln(a: f64, x: f64) -> f64 {
    if a == 0.0 { 0.0 } else { a * x.ln() }
}

pub(super) fn sigmoid(x: f64) -> f64 {
    if x >= 0.0 {
        1.0 / (1.0 + (-x).exp())
    } else {
        let e = x.exp();
        e / (1.0 + e)
    }
}

pub(super) fn ln_1p_exp(x: f64) -> f64 {
    if x > 0.0 { x + (-x).exp().ln_1p() } else { x.exp().ln_1p() }
}

/// ln(1 − eˣ) for x ≤ 0 (Mächler, "Accurately computing log(1 − exp(−|a|))", 2012).
pub(super) fn ln_1m_exp(x: f64) -> f64 {
    if x > -std::f64::consts::LN_2 { (-x.exp_m1()).ln() } else { (-x.exp()).ln_1p() }
}

pub(super) fn log_add_exp(a: f64, b: f64) -> f64 {
    let (low, high) = if a < b { (a, b) } else { (b, a) };
    if high == f64::NEG_INFINITY || low == high && high == f64::INFINITY { high } else { high + ln_1p_exp(low - high) }
}

pub(super) fn erf(x: f64) -> f64 {
    statrs::function::erf::erf(x)
}

pub(super) fn erfc(x: f64) -> f64 {
    statrs::function::erf::erfc(x)
}

/// Below this ln Φ is taken from its asymptotic series, above from erfc.
const PHI_SERIES_BELOW: f64 = -12.0;

pub(super) fn log_phi(x: f64) -> f64 {
    if x < PHI_SERIES_BELOW {
        -0.5 * x * x - (-x).ln() - HALF_LN_TWO_PI + mills_series(x).ln()
    } else if x < 0.0 {
        (0.5 * erfc(-x * std::f64::consts::FRAC_1_SQRT_2)).ln()
    } else {
        (-0.5 * erfc(x * std::f64::consts::FRAC_1_SQRT_2)).ln_1p()
    }
}

/// φ(x)/Φ(x)
pub(super) fn log_phi_derivative(x: f64) -> f64 {
    if x < PHI_SERIES_BELOW { -x / mills_series(x) } else { (-0.5 * x * x - HALF_LN_TWO_PI - log_phi(x)).exp() }
}

/// 1 − 1/x² + 3/x⁴ − 15/x⁶ + … (Abramowitz & Stegun 26.2.12).
fn mills_series(x: f64) -> f64 {
    let square = 1.0 / (x * x);
    let mut sum = 1.0;
    let mut term = 1.0;
    for n in 0..20 {
        term *= -f64::from(2 * n + 1) * square;
        sum += term;
    }
    sum
}
