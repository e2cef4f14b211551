//! The conditional of one coordinate: a mixture over the modes that are still possible.

use rand::{Rng, RngExt as _};
use rand_distr::{StandardNormal, StudentT as StudentTDraw};

use crate::dist::{Distribution, HALF_LN_TWO_PI, Point, log_sum_exp};

/// The heavy-tailed component of an anchor: degrees of freedom, and scale in units of the anchor's.
const HEAVY_FREEDOM: f64 = 5.0;
const HEAVY_SCALE: f64 = 1.5;

/// Where the next coordinate may be: one component of its conditional.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Anchor {
    /// Unconstrained.
    pub location: f64,
    /// ln of the scale.
    pub log_scale: f64,
    /// ln of the Laplace evidence of the mode given what was decoded; the best one's is 0.
    pub log_evidence: f64,
    /// The interval that the coordinate is in.
    pub lo: f64,
    /// Its upper end.
    pub hi: f64,
}

/// How much of each conditional goes to components that are there for safety.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shares {
    /// To a Student-t (5 degrees of freedom, 1.5 times the scale) at each anchor.
    pub heavy: f64,
    /// To the variable's own distribution; to discrete values all alike.
    pub own: f64,
}

impl Default for Shares {
    fn default() -> Self {
        Self { heavy: 0.05, own: 0.05 }
    }
}

impl Shares {
    /// The anchors alone.
    pub const NONE: Self = Self { heavy: 0.0, own: 0.0 };

    /// Values with normalised log masses, a share of which goes to all alike.
    pub(super) fn smoothed(self, mut table: Vec<(i64, f64)>) -> Vec<(i64, f64)> {
        let share = if table.len() > 1 { self.own } else { 0.0 };
        let uniform = share / table.len() as f64;
        table.iter_mut().for_each(|(_, mass)| *mass = ((1.0 - share) * mass.exp() + uniform).ln());
        table
    }
}

/// A mixture of the anchors' components and of the variable's own distribution.
#[derive(Clone, Debug)]
pub struct Mixture {
    /// One a mode that is still possible.
    pub anchors: Vec<Anchor>,
    pub(super) own: Vec<Option<Distribution<f64>>>,
    /// ln of the normalised weights of the modes.
    pub(super) log_weights: Vec<f64>,
    pub(super) shares: Shares,
}

impl Mixture {
    /// Of each anchor: the distribution of the variable itself, where it has one of one coordinate.
    pub fn own(&self) -> &[Option<Distribution<f64>>] {
        &self.own
    }

    /// ln of the normalised weights of the anchors.
    pub fn log_weights(&self) -> &[f64] {
        &self.log_weights
    }

    /// The same anchors with other shares for safety.
    #[must_use]
    pub(super) fn with_shares(&self, shares: Shares) -> Self {
        Self { shares, ..self.clone() }
    }

    /// The log density at `z`.
    pub fn log_density(&self, z: f64) -> f64 {
        let mut terms: smallvec::SmallVec<[f64; 24]> = smallvec::SmallVec::new();
        // Modes often share their own distribution.
        let mut last: Option<(&Distribution<f64>, f64)> = None;
        for ((anchor, own), log_weight) in self.anchors.iter().zip(&self.own).zip(&self.log_weights) {
            let own_share = if own.is_some() { self.shares.own } else { 0.0 };
            let (scale, piece) = (anchor.log_scale.exp(), (anchor.lo, anchor.hi));
            if z >= piece.0 && z <= piece.1 {
                let narrow = 1.0 - self.shares.heavy - own_share;
                terms.push(
                    log_weight + narrow.ln() + log_normal(z, anchor.location, scale)
                        - log_interval(piece, anchor.location, scale),
                );
                if self.shares.heavy > 0.0 {
                    terms.push(log_weight + self.shares.heavy.ln() + heavy_log_density(z, anchor));
                }
            }
            if let (Some(own), true) = (own, own_share > 0.0) {
                let density = match last {
                    Some((other, density)) if other == own => density,
                    _ => own_log_density(own, z),
                };
                last = Some((own, density));
                terms.push(log_weight + own_share.ln() + density);
            }
        }
        log_sum_exp(&terms)
    }

    /// A draw.
    pub fn draw(&self, rng: &mut impl Rng) -> f64 {
        let chosen = pick(&self.log_weights, rng);
        let anchor = &self.anchors[chosen];
        let (scale, piece) = (anchor.log_scale.exp(), (anchor.lo, anchor.hi));
        let own = self.own[chosen].as_ref();
        let own_share = if own.is_some() { self.shares.own } else { 0.0 };
        let u: f64 = rng.random();
        if let (Some(own), true) = (own, u < own_share) {
            let drawn = own.sample(rng).ok().and_then(|v| v.as_f64());
            return drawn.and_then(|x| own.support().unconstrain_scalar(x)).unwrap_or(f64::NAN);
        }
        let heavy = u < own_share + self.shares.heavy;
        if piece.0 == f64::NEG_INFINITY && piece.1 == f64::INFINITY {
            if heavy {
                let t: f64 = StudentTDraw::new(HEAVY_FREEDOM).map_or(0.0, |t| rng.sample(t));
                return anchor.location + HEAVY_SCALE * scale * t;
            }
            return anchor.location + scale * rng.sample::<f64, _>(StandardNormal);
        }
        interval_normal(piece, anchor.location, if heavy { WIDE * scale } else { scale }, rng)
    }
}

/// Of the heavy component within a piece: a normal of this many times the scale.
const WIDE: f64 = 2.5;

fn heavy_log_density(z: f64, anchor: &Anchor) -> f64 {
    let scale = anchor.log_scale.exp();
    if anchor.lo == f64::NEG_INFINITY && anchor.hi == f64::INFINITY {
        let r = (z - anchor.location) / (HEAVY_SCALE * scale);
        // ln Γ(3) − ln Γ(5/2) − ½ ln 5π, of five degrees of freedom.
        const CONSTANT: f64 = -0.968_619_589_054_728_1;
        return CONSTANT - (HEAVY_SCALE * scale).ln() - 3.0 * (r * r / HEAVY_FREEDOM).ln_1p();
    }
    let wide = WIDE * scale;
    log_normal(z, anchor.location, wide) - log_interval((anchor.lo, anchor.hi), anchor.location, wide)
}

/// The density of a variable's own distribution over its coordinate.
pub fn own_log_density(own: &Distribution<f64>, z: f64) -> f64 {
    match own.support().constrain_scalar(z) {
        Some((x, log_jacobian)) => own.log_density(&Point::Scalar(x)) + log_jacobian,
        None => f64::NEG_INFINITY,
    }
}

/// ln of a normal density.
pub fn log_normal(z: f64, m: f64, s: f64) -> f64 {
    let r = (z - m) / s;
    -0.5 * r * r - s.ln() - HALF_LN_TWO_PI
}

/// ln of the probability that a normal is in an interval.
pub fn log_interval((low, high): (f64, f64), m: f64, s: f64) -> f64 {
    use crate::dist::Scalar as _;
    let (a, b) = ((low - m) / s, (high - m) / s);
    match (low == f64::NEG_INFINITY, high == f64::INFINITY) {
        (true, true) => 0.0,
        (true, false) => b.log_phi(),
        (false, true) => (-a).log_phi(),
        // In the tail where both are small.
        (false, false) if a > 0.0 => (-a).log_phi().log_sub_exp((-b).log_phi()),
        (false, false) => b.log_phi().log_sub_exp(a.log_phi()),
    }
}

/// A normal given that it is in an interval.
pub fn interval_normal(piece: (f64, f64), m: f64, s: f64, rng: &mut impl Rng) -> f64 {
    use crate::dist::{Argument, Family};
    for _ in 0..16 {
        let z = m + s * rng.sample::<f64, _>(StandardNormal);
        if z >= piece.0 && z <= piece.1 {
            return z;
        }
    }
    // By inversion, far out.
    let normal = Distribution::new(Family::Normal, [Argument::Scalar(m), Argument::Scalar(s)]);
    let truncated = normal.and_then(|normal| {
        let normal = Argument::Distribution(Box::new(normal));
        Distribution::new(Family::Truncated, [normal, Argument::Scalar(piece.0), Argument::Scalar(piece.1)])
    });
    let drawn = truncated.ok().and_then(|d| d.sample(rng).ok()).and_then(|v| v.as_f64());
    drawn.unwrap_or(if piece.0.is_finite() { piece.0 } else { piece.1 })
}

/// An index, drawn by log weights that are normalised.
pub fn pick(log_weights: &[f64], rng: &mut impl Rng) -> usize {
    if log_weights.len() == 1 {
        return 0;
    }
    let mut rest: f64 = rng.random();
    let mut last = 0;
    for (i, log_weight) in log_weights.iter().enumerate() {
        let weight = log_weight.exp();
        if weight > 0.0 {
            last = i;
            rest -= weight;
            if rest < 0.0 {
                break;
            }
        }
    }
    last
}
