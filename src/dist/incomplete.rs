//! The incomplete gamma and beta functions in log space, for both tails.
//!
//! Series and continued fractions are evaluated in doubles; derivatives with respect to every argument come from running
//! the same code on [`Dual`] numbers. The work grows with the square root of the largest shape; shapes beyond about 1e11
//! reach the limit of [`MOST_ITERATIONS`] and lose digits.

use super::{Dual, Scalar};

const MOST_ITERATIONS: u32 = 1 << 20;

/// Smallest denominator of Lentz's algorithm, in place of 0.
const TINY: f64 = 1e-290;

/// (ln P(a, x), ln Q(a, x)), the regularised lower and upper incomplete gamma functions, for a > 0 and x ≥ 0.
pub(super) fn ln_gamma_tails<S: Scalar>(a: S, x: S) -> (S, S) {
    let (p, q) = gamma_tails(a.value(), x.value());
    let partials = || gamma_partials(a.value(), x.value());
    (S::combine(p, [a, x], || partials().0), S::combine(q, [a, x], || partials().1))
}

fn gamma_partials(a: f64, x: f64) -> ([f64; 2], [f64; 2]) {
    let by_a = gamma_tails(Dual::variable(a), Dual::constant(x));
    let by_x = gamma_tails(Dual::constant(a), Dual::variable(x));
    ([by_a.0.derivative, by_x.0.derivative], [by_a.1.derivative, by_x.1.derivative])
}

fn gamma_tails<S: Scalar>(a: S, x: S) -> (S, S) {
    if x.value() <= 0.0 {
        return (S::constant(f64::NEG_INFINITY), S::constant(0.0));
    }
    if !x.is_finite() {
        return (S::constant(0.0), S::constant(f64::NEG_INFINITY));
    }
    // xᵃ e⁻ˣ / Γ(a + 1)
    let prefactor = if a.value() >= 10.0 {
        -a.deviance(x) - a.stirling_error() - (a * std::f64::consts::TAU).ln() * 0.5
    } else {
        a * x.ln() - x - (a + 1.0).ln_gamma()
    };
    if x.value() < a.value() + 1.0 {
        // Abramowitz & Stegun 6.5.29.
        let mut term = S::constant(1.0);
        let mut sum = S::constant(1.0);
        let mut n = 0.0;
        iterate(|| {
            n += 1.0;
            term = term * x / (a + n);
            sum = sum + term;
            term.value() < sum.value() * f64::EPSILON * 0.1
        });
        let p = (prefactor + sum.ln()).min(S::constant(0.0));
        (p, p.ln_1m_exp())
    } else {
        // Abramowitz & Stegun 6.5.31, even part, by Lentz's algorithm.
        let mut b = x - a + 1.0;
        let mut c = S::constant(1.0 / TINY);
        let mut d = b.recip();
        let mut h = d;
        let mut n = 0.0;
        iterate(|| {
            n += 1.0;
            let an = (a - n) * n;
            b = b + 2.0;
            d = nonzero(an * d + b).recip();
            c = nonzero(an / c + b);
            let factor = c * d;
            h = h * factor;
            (factor.value() - 1.0).abs() < f64::EPSILON
        });
        let q = (prefactor + a.ln() + h.ln()).min(S::constant(0.0));
        (q.ln_1m_exp(), q)
    }
}

/// (ln Iₓ(a, b), ln (1 − Iₓ(a, b))), the regularised incomplete beta function, at x given as ln x and ln(1 − x).
pub(super) fn ln_beta_tails<S: Scalar>(a: S, b: S, ln_x: S, ln_y: S) -> (S, S) {
    let values = [a, b, ln_x, ln_y].map(S::value);
    let (below, above) = beta_tails(values);
    let partials = |upper: bool| {
        std::array::from_fn(|i| {
            let mut inputs = values.map(Dual::constant);
            if let Some(input) = inputs.get_mut(i) {
                input.derivative = 1.0;
            }
            let (below, above) = beta_tails(inputs);
            if upper { above.derivative } else { below.derivative }
        })
    };
    let inputs = [a, b, ln_x, ln_y];
    (S::combine(below, inputs, || partials(false)), S::combine(above, inputs, || partials(true)))
}

fn beta_tails<S: Scalar>([a, b, ln_x, ln_y]: [S; 4]) -> (S, S) {
    if ln_x.value() == f64::NEG_INFINITY {
        return (S::constant(f64::NEG_INFINITY), S::constant(0.0));
    }
    if ln_y.value() == f64::NEG_INFINITY {
        return (S::constant(0.0), S::constant(f64::NEG_INFINITY));
    }
    let (av, bv) = (a.value(), b.value());
    if ln_x.value().exp() <= (av + 1.0) / (av + bv + 2.0) {
        let p = beta_fraction(a, b, ln_x, ln_y).min(S::constant(0.0));
        (p, p.ln_1m_exp())
    } else {
        let q = beta_fraction(b, a, ln_y, ln_x).min(S::constant(0.0));
        (q.ln_1m_exp(), q)
    }
}

/// ln Iₓ(a, b) for x below the mean (Abramowitz & Stegun 26.5.8, by Lentz's algorithm).
fn beta_fraction<S: Scalar>(a: S, b: S, ln_x: S, ln_y: S) -> S {
    let x = ln_x.exp();
    let prefactor = ln_beta_weight(a, b, ln_x, ln_y) - a.ln();
    let total = a + b;
    let mut c = S::constant(1.0);
    let mut d = nonzero(-(total * x / (a + 1.0)) + 1.0).recip();
    let mut h = d;
    let mut m = 0.0;
    iterate(|| {
        m += 1.0;
        let even = (b - m) * x * m / ((a + (2.0 * m - 1.0)) * (a + 2.0 * m));
        d = nonzero(even * d + 1.0).recip();
        c = nonzero(even / c + 1.0);
        h = h * d * c;
        let odd = -((a + m) * (total + m) * x) / ((a + 2.0 * m) * (a + (2.0 * m + 1.0)));
        d = nonzero(odd * d + 1.0).recip();
        c = nonzero(odd / c + 1.0);
        let factor = c * d;
        h = h * factor;
        (factor.value() - 1.0).abs() < f64::EPSILON
    });
    prefactor + h.ln()
}

/// a ln x + b ln(1 − x) − ln B(a, b), without cancellation for large shapes.
pub(super) fn ln_beta_weight<S: Scalar>(a: S, b: S, ln_x: S, ln_y: S) -> S {
    let n = a + b;
    if a.value() >= 10.0 && b.value() >= 10.0 {
        let deviances = a.deviance(n * ln_x.exp()) + b.deviance(n * ln_y.exp());
        if deviances.is_finite() {
            let errors = n.stirling_error() - a.stirling_error() - b.stirling_error();
            return (a.ln() + b.ln() - n.ln() - std::f64::consts::TAU.ln()) * 0.5 + errors - deviances;
        }
    }
    a * ln_x + b * ln_y - ln_beta(a, b)
}

/// ln B(a, b) = ln Γ(a) + ln Γ(b) − ln Γ(a + b).
pub(super) fn ln_beta<S: Scalar>(a: S, b: S) -> S {
    let (small, large) = if a.value() <= b.value() { (a, b) } else { (b, a) };
    small.ln_gamma() - ln_gamma_ratio(large, small)
}

/// ln Γ(x + d) − ln Γ(x) for x > 0 and x + d > 0, without cancellation where x is large.
pub(super) fn ln_gamma_ratio<S: Scalar>(x: S, d: S) -> S {
    if x.value() >= 10.0 && (x + d).value() >= 10.0 {
        let end = x + d;
        (x - 0.5) * (d / x).ln_1p() + d * end.ln() - d + end.stirling_error() - x.stirling_error()
    } else {
        (x + d).ln_gamma() - x.ln_gamma()
    }
}

fn nonzero<S: Scalar>(x: S) -> S {
    if x.value().abs() < TINY { x + TINY } else { x }
}

/// Runs `step` until it says that the value has converged, and then a quarter longer: derivatives follow a little later.
fn iterate(mut step: impl FnMut() -> bool) {
    for done in 1..=MOST_ITERATIONS {
        if step() {
            for _ in 0..done / 4 + 4 {
                step();
            }
            return;
        }
    }
}
