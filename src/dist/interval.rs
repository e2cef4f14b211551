//! The probability of an interval, and draws from it: what `truncated` needs.

use std::f64::consts::LN_2;

use rand::distr::Open01;
use rand::{Rng, RngExt};

use super::{Distribution, Improper, Point, Scalar, Support, log_sum_exp};
use crate::value::Value;

/// The log of the probability that a scalar draw lies between `lower` and `upper`, both included. `None` where the
/// distribution function is not known.
///
/// It is a difference of the smaller tails; where even that would cancel, the interval is so narrow that the density is
/// smooth on it, and it is integrated instead.
pub(super) fn log_mass<S: Scalar>(d: &Distribution<S>, lower: S, upper: S) -> Option<S> {
    if d.support().integer_bounds().is_some() {
        return between(d, S::constant(lower.value().ceil() - 1.0), upper).map(|m| m.log_mass);
    }
    let mass = between(d, lower, upper)?;
    if mass.cancelled { Some(integrate(d, lower, upper)) } else { Some(mass.log_mass) }
}

/// The same for values greater than `lower`: it differs for integers.
pub(super) fn log_mass_above<S: Scalar>(d: &Distribution<S>, lower: S, upper: S) -> Option<S> {
    if d.support().integer_bounds().is_some() {
        return between(d, S::constant(lower.value().floor()), upper).map(|m| m.log_mass);
    }
    log_mass(d, lower, upper)
}

struct Mass<S> {
    log_mass: S,
    /// Whether it is the difference of almost equal numbers.
    cancelled: bool,
    /// Whether the interval is above the median, so that the upper tail is to be used.
    upper: bool,
}

/// A difference that is smaller than its terms by this factor has lost too many digits.
const CANCELLED: f64 = 1e-4;

/// The mass above `lower` up to `upper`.
fn between<S: Scalar>(d: &Distribution<S>, lower: S, upper: S) -> Option<Mass<S>> {
    let (below, not_above) = (d.log_cdf(lower)?, d.log_cdf(upper)?);
    let (not_below, above) = (d.log_survival(lower)?, d.log_survival(upper)?);
    let difference = |large: S, small: S, upper: bool| {
        let log_mass = large.log_sub_exp(small);
        let cancelled = log_mass.value() - large.value() < CANCELLED.ln() || log_mass.value().is_nan();
        Mass { log_mass, cancelled, upper }
    };
    Some(if below.value() > -LN_2 {
        difference(not_below, above, true)
    } else if not_above.value() < -LN_2 {
        difference(not_above, below, false)
    } else {
        let log_mass = below.log_add_exp(above).ln_1m_exp();
        Mass { log_mass, cancelled: log_mass.value() < CANCELLED.ln(), upper: false }
    })
}

/// Nodes and weights of Gauss–Legendre quadrature with five points on [−1, 1] (Abramowitz & Stegun 25.4.29).
const GAUSS: [(f64, f64); 5] = [
    (-0.906_179_845_938_664, 0.236_926_885_056_189_1),
    (-0.538_469_310_105_683_1, 0.478_628_670_499_366_5),
    (0.0, 0.568_888_888_888_888_9),
    (0.538_469_310_105_683_1, 0.478_628_670_499_366_5),
    (0.906_179_845_938_664, 0.236_926_885_056_189_1),
];

fn integrate<S: Scalar>(d: &Distribution<S>, lower: S, upper: S) -> S {
    let half = (upper - lower) * 0.5;
    let terms = GAUSS.map(|(node, weight)| d.log_density(&Point::Scalar(lower + half * (1.0 + node))) + weight.ln());
    log_sum_exp(&terms) + half.ln()
}

/// How often a draw of the whole distribution is tried before the distribution function is inverted.
const TRIES: usize = 16;

/// A draw given that it lies between `lower` and `upper`; `support` is that of the result.
pub(super) fn sample<R: Rng + ?Sized>(
    d: &Distribution<f64>,
    lower: f64,
    upper: f64,
    support: &Support<f64>,
    rng: &mut R,
) -> Result<Value, Improper> {
    for _ in 0..TRIES {
        let value = d.sample(rng)?;
        if let Some(x) = value.as_f64().filter(|x| (lower..=upper).contains(x)) {
            let whole = support.integer_bounds().is_some();
            return Ok(if whole { value } else { Value::Real(support.interior(x)) });
        }
    }
    let u: f64 = rng.sample(Open01);
    let improper = Improper { family: d.family() };
    if let Some((first, last)) = support.integer_bounds() {
        let before = first as f64 - 1.0;
        let crossed = inversion(d, before, upper, u).ok_or(improper)?;
        let last = last.unwrap_or(1 << 62);
        return Ok(Value::Int(bisect(first, last, |k| crossed(k as f64))));
    }
    let (first, last) = support.real_bounds().unwrap_or((None, None));
    let (first, last) = (first.unwrap_or(-f64::MAX), last.unwrap_or(f64::MAX));
    let crossed = inversion(d, first, last, u).ok_or(improper)?;
    let found = bisect(ordinal(first), ordinal(last), |i| crossed(from_ordinal(i)));
    Ok(Value::Real(support.interior(from_ordinal(found))))
}

/// A test whether `x` is at or above the `u`-quantile of the distribution restricted to the interval, in whichever tail
/// is accurate.
fn inversion(d: &Distribution<f64>, lower: f64, upper: f64, u: f64) -> Option<impl Fn(f64) -> bool> {
    let mass = between(d, lower, upper)?;
    let target = if mass.upper {
        d.log_survival(upper)?.log_add_exp((-u).ln_1p() + mass.log_mass)
    } else {
        d.log_cdf(lower)?.log_add_exp(u.ln() + mass.log_mass)
    };
    Some(move |x: f64| {
        if mass.upper {
            d.log_survival(x).is_none_or(|s| s <= target)
        } else {
            d.log_cdf(x).is_none_or(|c| c >= target)
        }
    })
}

/// The first number from `low` to `high` for which a monotone test holds; `high` if it holds for none before.
fn bisect(mut low: i64, mut high: i64, holds: impl Fn(i64) -> bool) -> i64 {
    while low < high {
        let middle = low.midpoint(high);
        // The midpoint rounds towards zero: of two negative neighbours it may be the upper one.
        let middle = if middle == high { middle - 1 } else { middle };
        if holds(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    low
}

/// The position of a double among all doubles: neighbours differ by 1, and order is kept.
fn ordinal(x: f64) -> i64 {
    let bits = x.to_bits() as i64;
    if bits < 0 { i64::MIN.wrapping_sub(bits) } else { bits }
}

fn from_ordinal(i: i64) -> f64 {
    f64::from_bits(if i < 0 { i64::MIN.wrapping_sub(i) } else { i } as u64)
}
