//! What particles among coordinates start from: the prior's middle and scales, and the modes, all with heavy tails.

use rand::RngExt as _;
use rand_distr::{ChiSquared, StandardNormal, StudentT};
use smallvec::{SmallVec, smallvec};
use statrs::function::gamma::ln_gamma;

use crate::dist::log_sum_exp;
use crate::infer::anchors::{Anchors, PriorDraws};
use crate::infer::stream::Stream;

/// Degrees of freedom, and scales in units of those of the prior and of the modes.
const FREEDOM: f64 = 4.0;
const WIDER: f64 = 1.5;

/// The share of the prior where there are modes: they may not be all there is.
const PRIOR: f64 = 0.5;

/// Modes that count, the best first.
const MOST: usize = 16;

/// A multivariate Student-t at a mode.
struct Local {
    log_share: f64,
    /// By place: which coordinate.
    coordinates: Vec<usize>,
    location: Vec<f64>,
    /// Lower triangular, row-major: L Lᵀ is its scale matrix.
    factor: Vec<f64>,
    log_constant: f64,
}

impl Local {
    /// (z − location) in units of the factor, into `standardised`; the log density.
    fn log_density(&self, z: &[f64], standardised: &mut [f64]) -> f64 {
        let n = self.location.len();
        for i in 0..n {
            let row = &self.factor[i * n..=i * n + i];
            let mean: f64 = row[..i].iter().zip(&*standardised).map(|(l, e)| l * e).sum();
            standardised[i] = (z[self.coordinates[i]] - self.location[i] - mean) / row[i];
        }
        let square: f64 = standardised.iter().map(|e| e * e).sum();
        self.log_constant - 0.5 * (FREEDOM + n as f64) * (square / FREEDOM).ln_1p()
    }

    /// Adds `share` of the gradient of the log density, where `standardised` is as [`Local::log_density`] left it (and is used
    /// up), to `gradient`.
    fn add_gradient(&self, share: f64, standardised: &mut [f64], gradient: &mut [f64]) {
        let n = self.location.len();
        let square: f64 = standardised.iter().map(|e| e * e).sum();
        let slope = -share * (FREEDOM + n as f64) / (FREEDOM + square);
        // L⁻ᵀ e.
        for i in (0..n).rev() {
            let later: f64 = (i + 1..n).map(|j| self.factor[j * n + i] * standardised[j]).sum();
            standardised[i] = (standardised[i] - later) / self.factor[i * n + i];
            gradient[self.coordinates[i]] += slope * standardised[i];
        }
    }
}

/// Independent Student-t coordinates around the middle of the prior, mixed with multivariate ones at the modes.
pub(super) struct Reference {
    middle: Vec<f64>,
    scales: Vec<f64>,
    log_prior: f64,
    locals: Vec<Local>,
}

impl Reference {
    /// Of the prior, and of the modes that have all coordinates.
    pub fn new(prior: &PriorDraws, anchors: Option<&Anchors<'_>>) -> Self {
        let n = prior.middle.len();
        let mut locals: Vec<Local> = Vec::new();
        for (coordinates, known) in anchors.into_iter().flat_map(Anchors::places).take(MOST) {
            if known.mode.location.len() != n || n == 0 {
                continue;
            }
            let factor: Vec<f64> = known.mode.factor.iter().map(|l| WIDER * l).collect();
            let log_volume: f64 = (0..n).map(|i| factor[i * n + i].ln()).sum();
            let d = n as f64;
            let log_constant = ln_gamma(0.5 * (FREEDOM + d))
                - ln_gamma(0.5 * FREEDOM)
                - 0.5 * d * (FREEDOM * std::f64::consts::PI).ln()
                - log_volume;
            locals.push(Local {
                log_share: known.log_evidence,
                coordinates: coordinates.to_vec(),
                location: known.mode.location.clone(),
                factor,
                log_constant,
            });
        }
        let total = log_sum_exp(&locals.iter().map(|l| l.log_share).collect::<Vec<f64>>());
        locals.iter_mut().for_each(|l| l.log_share += (1.0 - PRIOR).ln() - total);
        let log_prior = if locals.is_empty() { 0.0 } else { PRIOR.ln() };
        Self {
            middle: prior.middle.clone(),
            scales: prior.scales.iter().map(|s| WIDER * s).collect(),
            log_prior,
            locals,
        }
    }

    pub fn draw(&self, rng: &mut Stream) -> Vec<f64> {
        let mut left = rng.random::<f64>() - self.log_prior.exp();
        for local in &self.locals {
            if left < 0.0 {
                break;
            }
            left -= local.log_share.exp();
            if left < 0.0 {
                let n = local.location.len();
                let e: Vec<f64> = (0..n).map(|_| rng.sample(StandardNormal)).collect();
                let square = ChiSquared::new(FREEDOM).map_or(FREEDOM, |c| rng.sample(c));
                let heavy = (FREEDOM / square).sqrt();
                let mut z = vec![0.0; n];
                for i in 0..n {
                    let step: f64 = local.factor[i * n..=i * n + i].iter().zip(&e).map(|(l, e)| l * e).sum();
                    z[local.coordinates[i]] = local.location[i] + heavy * step;
                }
                return z;
            }
        }
        let mut t = || StudentT::new(FREEDOM).map_or(0.0, |t| rng.sample(t));
        self.middle.iter().zip(&self.scales).map(|(m, s)| m + s * t()).collect()
    }

    /// The log density at `z`; adds `share` of its gradient to `gradient`.
    pub fn log_density(&self, z: &[f64], share: f64, gradient: &mut [f64]) -> f64 {
        // ln Γ(5/2) − ln Γ(2) − ½ ln 4π, of four degrees of freedom.
        const CONSTANT: f64 = -0.980_829_253_011_726_2;
        let mut prior = self.log_prior;
        for (i, z) in z.iter().enumerate() {
            let r = (z - self.middle[i]) / self.scales[i];
            prior += CONSTANT - self.scales[i].ln() - 0.5 * (FREEDOM + 1.0) * (r * r / FREEDOM).ln_1p();
        }
        let n = z.len();
        let mut standardised: SmallVec<[f64; 64]> = smallvec![0.0; self.locals.len() * n];
        let mut terms: SmallVec<[f64; 8]> = smallvec![prior];
        for (local, standardised) in self.locals.iter().zip(standardised.chunks_mut(n.max(1))) {
            terms.push(local.log_share + local.log_density(z, standardised));
        }
        let total = log_sum_exp(&terms);
        if share == 0.0 || !total.is_finite() {
            return total;
        }
        let prior_share = share * (prior - total).exp();
        for (i, g) in gradient.iter_mut().enumerate() {
            let r = (z[i] - self.middle[i]) / self.scales[i];
            *g -= prior_share * (FREEDOM + 1.0) * r / (FREEDOM + r * r) / self.scales[i];
        }
        for ((local, standardised), term) in self.locals.iter().zip(standardised.chunks_mut(n.max(1))).zip(&terms[1..])
        {
            local.add_gradient(share * (term - total).exp(), standardised, gradient);
        }
        total
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::infer::stream::{StreamPurpose, stream};

    fn reference() -> Reference {
        let mut prior = PriorDraws::origin(2);
        prior.middle = vec![1.0, -1.0];
        let mut reference = Reference::new(&prior, None);
        let factor = vec![0.5, 0.0, 0.8, 0.3];
        // ln Γ(3) − ln Γ(2) − ln 4π − ln |L|.
        let log_constant = 2.0_f64.ln() - (4.0 * std::f64::consts::PI).ln() - 0.15_f64.ln();
        let (log_share, coordinates, location) = (0.5_f64.ln(), vec![1, 0], vec![2.0, 0.5]);
        reference.locals.push(Local { log_share, coordinates, location, factor, log_constant });
        reference.log_prior = 0.5_f64.ln();
        reference
    }

    #[test]
    fn its_gradient_is_that_of_its_density() {
        let reference = reference();
        for z in [[0.3, 1.7], [4.0, -2.0], [1.0, -1.0]] {
            let mut gradient = [0.0; 2];
            reference.log_density(&z, 1.0, &mut gradient);
            for i in 0..2 {
                let (mut above, mut below) = (z, z);
                above[i] += 1e-5;
                below[i] -= 1e-5;
                let slope =
                    (reference.log_density(&above, 0.0, &mut []) - reference.log_density(&below, 0.0, &mut [])) / 2e-5;
                assert!((slope - gradient[i]).abs() < 1e-6, "{slope} {} at {z:?}", gradient[i]);
            }
        }
    }

    #[test]
    fn its_draws_have_its_density() {
        // The mean of another density over this one, of draws from this one, is 1.
        let reference = reference();
        let mut rng = stream(1, StreamPurpose::Particles, 0);
        for (m, s) in [([0.5, 2.0], 0.4), ([1.0, -1.0], 1.0)] {
            let n = 200_000;
            let ratio = |z: Vec<f64>| {
                let square: f64 = z.iter().zip(m).map(|(z, m)| ((z - m) / s).powi(2)).sum();
                (-0.5 * square - (2.0 * std::f64::consts::PI * s * s).ln() - reference.log_density(&z, 0.0, &mut []))
                    .exp()
            };
            let mean = (0..n).map(|_| ratio(reference.draw(&mut rng))).sum::<f64>() / f64::from(n);
            assert!((mean - 1.0).abs() < 0.02, "{mean} of a normal at {m:?}");
        }
    }
}
