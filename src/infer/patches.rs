//! Patches: components added to a proposal where its weights are largest.
//!
//! Incremental mixture importance sampling (Raftery & Bao 2010, "Estimating and projecting trends in HIV/AIDS generalized
//! epidemics using incremental mixture importance sampling", §2.2): the draw of the largest weight is where the proposal lacks
//! most; a component is put there, drawn from, and all draws are weighed anew by the whole mixture. A component is a Student-t
//! with the density's curvature at its centre. What was learned from is then thrown away: the final draws are fresh ones of a
//! mixture that no longer changes, with exact densities, and are judged like any others.

use nalgebra::{DMatrix, DVector, SymmetricEigen};
use rand::RngExt as _;
use rand_distr::{ChiSquared, Distribution as _, StandardNormal};

use super::anchors::{Anchors, Decoded, Derivatives, Drawn, PriorDraws, Shares, Walk, pick, reals};
use super::importance::judge;
use super::laplace::log_weights;
use super::stream::{Stream, StreamPurpose, stream};
use crate::dist::{HALF_LN_TWO_PI, log_sum_exp};

/// Rounds, components of each, and draws of each component.
const ROUNDS: u64 = 6;
const EACH: usize = 3;
const DRAWS: usize = 160;

/// Degrees of freedom of a component, and how much wider it is than the curvature says.
const FREEDOM: f64 = 5.0;
const WIDER: f64 = 1.3;

/// Squared Mahalanobis distance within which a component serves another draw as well.
const SERVED: f64 = 1.0;

/// The share of the final draws that the components have at most.
const SHARE: f64 = 0.7;

/// Random streams of the draws to which patches are added: apart from those of other draws.
pub(super) const PATCHED: u64 = 1 << 21;

/// Coordinates up to which Hessians at many places are quick.
const MOST_COORDINATES: usize = 24;

/// Something that draws, and tells the density with which it would draw other values.
pub(super) trait Source<E> {
    /// `n` draws; a function of the seed and the round.
    ///
    /// # Errors
    /// Why it cannot.
    fn draw(&self, anchors: &Anchors<'_>, n: usize, round: u64) -> Result<Vec<Drawn>, E>;

    /// The log density of each.
    ///
    /// # Errors
    /// Why it cannot.
    fn log_densities(&self, anchors: &Anchors<'_>, values: &[Vec<Decoded>]) -> Result<Vec<f64>, E>;
}

/// A Student-t over the coordinates of what has the discrete values, and lacks what is absent, as its centre.
struct Patch {
    centre: Vec<Decoded>,
    location: DVector<f64>,
    /// Of its scale matrix: a square root, and its inverse.
    root: DMatrix<f64>,
    inverse: DMatrix<f64>,
    /// ln of its density at the centre.
    log_peak: f64,
}

/// Whether two have the same discrete values, and the same coordinates.
fn alike(a: &[Decoded], b: &[Decoded]) -> bool {
    a.len() == b.len()
        && a.iter().zip(b).all(|pair| match pair {
            (Decoded::Real(_), Decoded::Real(_)) | (Decoded::Absent, Decoded::Absent) => true,
            (Decoded::Int(i), Decoded::Int(j)) => i == j,
            _ => false,
        })
}

impl Patch {
    /// At a draw of a path, by the curvature there, hardly wider than the prior; none where there are no coordinates.
    fn new(anchors: &Anchors<'_>, prior: &PriorDraws, values: &[Decoded], path: usize) -> Option<Self> {
        let own = &anchors.paths[path];
        let z: Vec<f64> = reals(values).collect();
        let n = z.len();
        if n == 0 {
            return None;
        }
        let scales = own.local(&prior.scales);
        let mut evaluator = own.density.on_tape();
        let mut hessian = vec![0.0; n * n];
        if !Derivatives::new(&mut evaluator, n).negative_hessian(&z, 0, &scales, &mut hessian) {
            return None;
        }
        // In units of the prior's scales, where a curvature of one is as wide as the prior.
        let scaled =
            DMatrix::from_fn(n, n, |i, j| 0.5 * (hessian[i * n + j] + hessian[j * n + i]) * scales[i] * scales[j]);
        if scaled.iter().any(|x| !x.is_finite()) {
            return None;
        }
        let SymmetricEigen { eigenvectors, eigenvalues } = SymmetricEigen::new(scaled);
        let widths = eigenvalues.map(|curvature| WIDER / curvature.abs().max(1.0).sqrt());
        let outer = DMatrix::from_diagonal(&DVector::from_vec(scales.clone()));
        let inner = DMatrix::from_diagonal(&DVector::from_vec(scales.iter().map(|s| 1.0 / s).collect()));
        let root = outer * &eigenvectors * DMatrix::from_diagonal(&widths);
        let inverse = DMatrix::from_diagonal(&widths.map(|w| 1.0 / w)) * eigenvectors.transpose() * inner;
        let d = n as f64;
        let log_volume = widths.iter().map(|w| w.ln()).sum::<f64>() + scales.iter().map(|s| s.ln()).sum::<f64>();
        let ln_gamma = statrs::function::gamma::ln_gamma;
        let log_peak = ln_gamma(0.5 * (FREEDOM + d))
            - ln_gamma(0.5 * FREEDOM)
            - d * (HALF_LN_TWO_PI + 0.5 * (0.5 * FREEDOM).ln())
            - log_volume;
        let location = DVector::from_vec(z);
        log_peak.is_finite().then(|| Self { centre: values.to_vec(), location, root, inverse, log_peak })
    }

    /// Squared distance of values from the centre, in units of the scale; infinite where they are of another kind.
    fn distance(&self, values: &[Decoded]) -> f64 {
        if !alike(&self.centre, values) {
            return f64::INFINITY;
        }
        let offset = DVector::from_iterator(self.location.len(), reals(values)) - &self.location;
        (&self.inverse * offset).norm_squared()
    }

    fn log_density(&self, values: &[Decoded]) -> f64 {
        let d = self.location.len() as f64;
        self.log_peak - 0.5 * (FREEDOM + d) * (self.distance(values) / FREEDOM).ln_1p()
    }

    fn draw(&self, rng: &mut Stream) -> Vec<Decoded> {
        let standard = DVector::from_fn(self.location.len(), |_, _| rng.sample::<f64, _>(StandardNormal));
        let spread = ChiSquared::new(FREEDOM).map_or(1.0, |chi| (FREEDOM / chi.sample(rng)).sqrt());
        let z = &self.location + &self.root * standard * spread;
        let mut z = z.iter();
        let place = |value: &Decoded| match value {
            Decoded::Real(_) => Decoded::Real(z.next().copied().unwrap_or(f64::NAN)),
            Decoded::Int(_) | Decoded::Absent => *value,
        };
        self.centre.iter().map(place).collect()
    }
}

/// Draws that were made on the way, each with the densities of all that drew.
#[derive(Default)]
struct Pool {
    drawn: Vec<Drawn>,
    /// Of the source.
    own: Vec<f64>,
    /// By patch.
    patches: Vec<Vec<f64>>,
    /// Draws of the source, then of each patch.
    counts: Vec<usize>,
}

impl Pool {
    /// Weighs all draws by the mixture of all that drew, in proportion to the draws of each.
    fn weigh(&mut self) {
        let total = self.drawn.len() as f64;
        let shares: Vec<f64> = self.counts.iter().map(|count| (*count as f64 / total).ln()).collect();
        for (i, drawn) in self.drawn.iter_mut().enumerate() {
            let patches = self.patches.iter().zip(&shares[1..]).map(|(densities, share)| share + densities[i]);
            let terms: Vec<f64> = std::iter::once(shares[0] + self.own[i]).chain(patches).collect();
            drawn.log_proposal = log_sum_exp(&terms);
        }
    }

    /// The share of the posterior that each is responsible for: a step of expectation-maximisation (Cappé et al. 2008,
    /// "Adaptive importance sampling in general mixture classes", eq. 15).
    fn responsibilities(&self) -> Vec<f64> {
        let log_weights = log_weights(&self.drawn);
        let weights = judge(&log_weights).map_or_else(Vec::new, |judged| judged.weights);
        let total = self.drawn.len() as f64;
        let of = |which: usize| {
            let share = (self.counts[which] as f64 / total).ln();
            let term = |(i, weight): (usize, &f64)| {
                let own = if which == 0 { self.own[i] } else { self.patches[which - 1][i] };
                let responsible = (share + own - self.drawn[i].log_proposal).exp();
                if *weight > 0.0 && responsible.is_finite() { weight * responsible } else { 0.0 }
            };
            weights.iter().enumerate().map(term).sum::<f64>()
        };
        (0..self.counts.len()).map(of).collect()
    }
}

/// `n` draws of a source whose own draws do not hold, with patches where it lacks density; `None` where there are none to add.
///
/// # Errors
/// Those of the source.
pub(super) fn patched<E>(
    anchors: &Anchors<'_>,
    prior: &PriorDraws,
    source: &impl Source<E>,
    n: usize,
    (seed, round): (u64, u64),
) -> Result<Option<Vec<Drawn>>, E> {
    let too_many = anchors.paths.iter().any(|path| path.coordinates.len() > MOST_COORDINATES);
    if too_many || anchors.deadline.has_passed() {
        return Ok(None);
    }
    let drawn = source.draw(anchors, n, 2 * round)?;
    let own = drawn.iter().map(|d| d.log_proposal).collect();
    let mut pool = Pool { counts: vec![drawn.len()], drawn, own, patches: Vec::new() };
    let mut walk = Walk::new(anchors, Shares::default());
    let mut patches: Vec<Patch> = Vec::new();
    for step in 0..ROUNDS {
        let weights = log_weights(&pool.drawn);
        if anchors.deadline.has_passed() || (step > 0 && judge(&weights).is_some_and(|judged| judged.held)) {
            break;
        }
        let added = centres(&pool.drawn, &weights, |values, path| Patch::new(anchors, prior, values, path));
        if added.is_empty() {
            break;
        }
        let mut rng = stream(seed, StreamPurpose::Patches, (round << 32) + step);
        for patch in added {
            pool.patches.push(pool.drawn.iter().map(|d| patch.log_density(&d.values)).collect());
            patches.push(patch);
            let patch = &patches[patches.len() - 1];
            let values: Vec<Vec<Decoded>> = (0..DRAWS).map(|_| patch.draw(&mut rng)).collect();
            pool.own.extend(source.log_densities(anchors, &values)?);
            pool.counts.push(values.len());
            for values in values {
                for (densities, patch) in pool.patches.iter_mut().zip(&patches) {
                    densities.push(patch.log_density(&values));
                }
                let target = walk.target(&values);
                pool.drawn.push(Drawn { values, log_proposal: 0.0, target });
            }
        }
        pool.weigh();
    }
    if patches.is_empty() || anchors.deadline.has_passed() {
        return Ok(None);
    }
    // What the final draws are of, in shares.
    let responsible = pool.responsibilities();
    let sum: f64 = responsible[1..].iter().sum();
    let of_patches = sum.clamp(0.5 * SHARE, SHARE);
    let even = 1.0 / patches.len() as f64;
    let share = |r: &f64| 0.8 * r / sum.max(f64::MIN_POSITIVE) + 0.2 * even;
    let mut shares: Vec<f64> = responsible[1..].iter().map(share).collect();
    let mut rng = stream(seed, StreamPurpose::Patches, (round << 32) + ROUNDS);
    let mut drawn = source.draw(anchors, ((1.0 - of_patches) * n as f64).round() as usize, 2 * round + 1)?;
    // In proportion to what the source had time for.
    let added = (drawn.len() as f64 * of_patches / (1.0 - of_patches)).round() as usize;
    let log_shares: Vec<f64> = shares.iter().map(|share| share.ln()).collect();
    let values: Vec<Vec<Decoded>> = (0..added).map(|_| patches[pick(&log_shares, &mut rng)].draw(&mut rng)).collect();
    let own = drawn.len() as f64 / (drawn.len() + values.len()).max(1) as f64;
    let total: f64 = shares.iter().sum();
    shares.iter_mut().for_each(|share| *share *= (1.0 - own) / total);
    let densities = source.log_densities(anchors, &values)?;
    drawn.extend(values.into_iter().zip(densities).map(|(values, log_proposal)| {
        let target = walk.target(&values);
        Drawn { values, log_proposal, target }
    }));
    let log_shares: Vec<f64> = shares.iter().map(|share| share.ln()).collect();
    for drawn in &mut drawn {
        let terms = patches.iter().zip(&log_shares).map(|(patch, share)| share + patch.log_density(&drawn.values));
        let terms: Vec<f64> = terms.chain([own.ln() + drawn.log_proposal]).collect();
        drawn.log_proposal = log_sum_exp(&terms);
    }
    Ok(Some(drawn))
}

/// Patches at the draws of the largest weights, none of which serves another.
fn centres(
    drawn: &[Drawn],
    log_weights: &[f64],
    mut patch: impl FnMut(&[Decoded], usize) -> Option<Patch>,
) -> Vec<Patch> {
    let mut order: Vec<usize> = (0..drawn.len()).filter(|i| log_weights[*i] > f64::NEG_INFINITY).collect();
    order.sort_by(|a, b| log_weights[*b].total_cmp(&log_weights[*a]));
    let mut patches: Vec<Patch> = Vec::new();
    for i in order.into_iter().take(8 * EACH) {
        if patches.len() == EACH {
            break;
        }
        let Some((_, path)) = drawn[i].target else { continue };
        if patches.iter().all(|other| other.distance(&drawn[i].values) > SERVED) {
            patches.extend(patch(&drawn[i].values, path));
        }
    }
    patches
}
