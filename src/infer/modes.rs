//! The look for modes that a proposal misses: weights cannot tell of places where no draw ever was.

use rand::RngExt as _;
use rand_distr::StandardNormal;
use statrs::distribution::{ChiSquared, ContinuousCDF};

use super::anchors::{AnchorMode, Anchors, Drawn, Mode, prior_draws};
use super::error::InferError;
use super::stream::{Stream, StreamPurpose, stream};
use super::target::TargetRef;
use crate::density::Evaluator as _;
use crate::dist::log_sum_exp;

/// Newton ascents from the prior; fewer where a Hessian takes many gradients.
const ASCENTS: usize = 32;
const MANY: usize = 64;

/// The share of the evidence that a mode must have to count.
const COUNTS: f64 = 0.01;

/// The neighbourhood of a mode: squared Mahalanobis distance up to 9, or in many dimensions, where that would hold hardly
/// any of its mass, up to two standard deviations beyond the mean of a χ² of that many degrees.
fn near(dimension: usize) -> f64 {
    let d = dimension as f64;
    (d + 2.0 * (2.0 * d).sqrt()).max(9.0)
}

/// The part of its mass that the draws must have in its neighbourhood.
const ENOUGH: f64 = 1.0 / 3.0;

/// Draws by which the mass near a mode is estimated.
const PROBES: usize = 256;

/// Weighted draws, by path.
pub(super) struct Neighbourhood {
    /// A point in the order of the path's coordinates and its normalised weight.
    draws: Vec<Vec<(Vec<f64>, f64)>>,
    log_evidence: f64,
}

impl Neighbourhood {
    /// Of draws from anchors.
    pub fn of_draws(anchors: &Anchors<'_>, drawn: &[Drawn], log_weights: &[f64]) -> Self {
        let total = log_sum_exp(log_weights);
        let mut draws = vec![Vec::new(); anchors.compiled().paths()];
        for (draw, log_weight) in drawn.iter().zip(log_weights) {
            if let Some((_, path)) = draw.target {
                let weight = (log_weight - total).exp();
                draws[path].push((draw.decoded_point(), weight));
            }
        }
        Self { draws, log_evidence: total - (log_weights.len() as f64).ln() }
    }

    /// The mass of the draws near a mode.
    fn mass(&self, anchor: &AnchorMode) -> f64 {
        let limit = near(anchor.mode.location.len());
        let near = self.draws[anchor.path].iter().filter(|(z, _)| anchor.mode.distance(z) <= limit);
        near.map(|(_, weight)| weight).sum()
    }
}

/// Modes with a good part of the evidence that the draws hardly visit.
///
/// # Errors
/// A mistake in the program.
pub(super) fn look_for_modes(
    target: &TargetRef<'_>,
    anchors: &Anchors<'_>,
    draws: &Neighbourhood,
    seed: u64,
) -> Result<Vec<AnchorMode>, InferError> {
    let ascents = if anchors.compiled().dimension() > MANY { ASCENTS / 4 } else { ASCENTS };
    let mut rng = stream(seed, StreamPurpose::Modes, 0);
    let prior = prior_draws(target, anchors.compiled(), ascents, &mut rng)?;
    let mut found: Vec<AnchorMode> = Vec::new();
    for draw in &prior.draws {
        let z = prior.filled(draw);
        for path in anchors.paths_of(draw, &z) {
            let Some(mode) = anchors.ascend(path, &z, &prior.scales) else { continue };
            if !found.iter().any(|other| other.is_same(&mode)) {
                found.push(mode);
            }
        }
    }
    // Those that are known count too: the draws may have lost one.
    for mode in anchors.known() {
        if !found.iter().any(|other| other.is_same(mode)) {
            found.push(mode.clone());
        }
    }
    found.retain(|anchor| {
        let share = relative(anchor.laplace_evidence() - draws.log_evidence);
        if !(share.is_finite() && share >= COUNTS) {
            return false;
        }
        let (has, inside) = (draws.mass(anchor), near_mass(anchor.mode.location.len()));
        // Along a bend there is less than the normal approximation says.
        has < ENOUGH * share * inside && {
            let near = relative(log_mass_near(anchors, anchor, &mut rng) - draws.log_evidence);
            near >= COUNTS * inside && has < ENOUGH * near
        }
    });
    Ok(found)
}

/// The share of all that there is, with this part (as the log of its ratio to what was there), at most 1.
fn relative(log_ratio: f64) -> f64 {
    if log_ratio > 0.0 { 1.0 / (1.0 + (-log_ratio).exp()) } else { log_ratio.exp() }
}

/// ln of the integral of the density over the neighbourhood of a mode, by importance sampling from its normal approximation.
fn log_mass_near(anchors: &Anchors<'_>, anchor: &AnchorMode, rng: &mut Stream) -> f64 {
    let Mode { location, factor, .. } = &anchor.mode;
    let n = location.len();
    let path = &anchors.paths[anchor.path];
    let mut evaluator = path.density.on_tape();
    let log_volume = anchor.mode.log_evidence() - anchor.mode.log_density;
    let (mut standard, mut z) = (vec![0.0; n], vec![0.0; n]);
    let mut log_weights = vec![f64::NEG_INFINITY; PROBES];
    for log_weight in &mut log_weights {
        standard.iter_mut().for_each(|e| *e = rng.sample(StandardNormal));
        let square: f64 = standard.iter().map(|e| e * e).sum();
        if square > near(n) {
            continue;
        }
        for i in 0..n {
            z[i] = location[i] + factor[i * n..=i * n + i].iter().zip(&standard).map(|(l, e)| l * e).sum::<f64>();
        }
        let value = evaluator.value(&z);
        let within = z.iter().zip(&anchor.pieces).all(|(z, (low, high))| z >= low && z <= high);
        if within && path.conditions_hold(&evaluator) && !value.is_nan() {
            *log_weight = value + 0.5 * square + log_volume;
        }
    }
    log_sum_exp(&log_weights) - (PROBES as f64).ln()
}

/// The mass of a normal distribution within the neighbourhood of its mode.
fn near_mass(dimension: usize) -> f64 {
    ChiSquared::new(dimension.max(1) as f64).map_or(1.0, |d| if dimension == 0 { 1.0 } else { d.cdf(near(dimension)) })
}
