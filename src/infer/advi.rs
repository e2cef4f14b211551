//! Automatic differentiation variational inference: the normal distribution nearest to a log density over ℝᵈ.
//!
//! Kucukelbir, Tran, Ranganath, Gelman & Blei (2017), "Automatic differentiation variational inference", JMLR 18: the
//! evidence lower bound (ELBO) of a mean-field or full-rank normal is climbed along reparameterised gradients. Two things
//! differ from the paper:
//!
//! - Gradients leave out the score of q, which has mean zero (Roeder, Wu & Duvenaud 2017, "Sticking the landing"): their
//!   noise vanishes where q is right.
//! - They are taken in the coordinates η in which q is standard normal, and divided by the Fisher information there (the
//!   natural gradient: Khan & Nielsen 2018). A step of length ρ ≤ 1 then fits any model in any units, where the paper's
//!   (eq. 10) has a constant in the units of the gradient and is searched for. ρ is halved whenever the ELBO stops rising.
//!
//! The ELBO does not say how good q is. Draws come with the exact log q, so that importance weights can (Yao, Vehtari,
//! Simpson & Gelman 2018, "Yes, but did it work?").

use rand::RngExt as _;
use rand_distr::StandardNormal;
use rayon::prelude::*;

use super::engine::Progress;
use super::error::InferError;
use super::stream::{Stream, StreamPurpose, stream};
use crate::density::{Evaluator, LogDensity};
use crate::dist::HALF_LN_TWO_PI;

/// Steps over which the ELBO is averaged before it is compared.
const EPOCH: usize = 100;

/// ρ at first, and the one after which there is no smaller.
const FIRST_STEP: f64 = 0.2;
const LAST_STEP: f64 = 0.003;

/// The most that a location moves in one step, in standard deviations of q, and that a scale changes, in logarithms.
const FARTHEST: f64 = 10.0;
const MOST_SCALED: f64 = 0.25;

/// Root mean square of gradients in η that count as small: so far, in standard deviations of q, is the best location.
const SMALL: f64 = 0.01;

/// What a scale is multiplied by where every draw has density zero: nearer to the location, which has not.
const SHRINK: f64 = 0.8;

/// Draws of one random stream: results do not depend on the number of threads.
const CHUNK: usize = 256;

/// Which normal distributions are searched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum NormalFamily {
    /// Independent coordinates.
    #[default]
    MeanField,
    /// Any covariance. Starts from the best of independent coordinates.
    FullRank,
}

/// How to search.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdviSettings {
    /// Which normal distributions are searched.
    pub family: NormalFamily,
    /// Draws whose gradients are averaged for a step; full-rank takes at least half the dimension.
    pub draws_per_step: usize,
    /// Steps, at most.
    pub max_steps: usize,
    /// Relative change of the ELBO up to which it counts as still. Less than the noise of its estimate always does.
    pub tolerance: f64,
}

impl Default for AdviSettings {
    fn default() -> Self {
        Self { family: NormalFamily::MeanField, draws_per_step: 10, max_steps: 10_000, tolerance: 1e-4 }
    }
}

/// The scale of a normal distribution: its draws are location + scale · η, with η standard normal.
#[derive(Clone, Debug, PartialEq)]
pub enum NormalScale {
    /// Standard deviations.
    Diagonal(Vec<f64>),
    /// The lower Cholesky factor of the covariance, d × d by rows, zeros above the diagonal.
    Cholesky(Vec<f64>),
}

/// A normal distribution over ℝᵈ.
#[derive(Clone, Debug, PartialEq)]
pub struct NormalApproximation {
    /// The mean, d coordinates.
    pub location: Vec<f64>,
    /// The scale.
    pub scale: NormalScale,
}

/// What the search found.
#[derive(Clone, Debug, PartialEq)]
pub struct AdviFit {
    /// The normal distribution.
    pub approximation: NormalApproximation,
    /// The ELBO, in nats, up to the constant of the log density; its draws of density zero are left out.
    pub elbo: f64,
    /// Standard error of that estimate.
    pub elbo_error: f64,
    /// Steps taken.
    pub steps: usize,
    /// Whether the ELBO stopped rising before the steps ran out.
    pub converged: bool,
}

/// Draws of q with what importance sampling needs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WeightedDraws {
    /// By draw and unconstrained coordinate.
    pub draws: Vec<Vec<f64>>,
    /// log q, exact.
    pub log_proposal: Vec<f64>,
    /// log p − log q; −∞ where the density is zero.
    pub log_weights: Vec<f64>,
}

impl NormalApproximation {
    /// Draws a point into `z`, with its log density.
    pub fn draw(&self, rng: &mut Stream, z: &mut [f64]) -> f64 {
        let eta: Vec<f64> = (0..self.location.len()).map(|_| rng.sample(StandardNormal)).collect();
        self.place(&eta, z)
    }

    /// The point at `eta` into `z`, with its log density.
    pub(super) fn place(&self, eta: &[f64], z: &mut [f64]) -> f64 {
        let d = self.location.len();
        match &self.scale {
            NormalScale::Diagonal(sd) => {
                for i in 0..d {
                    z[i] = self.location[i] + sd[i] * eta[i];
                }
            }
            NormalScale::Cholesky(lower) => {
                for i in 0..d {
                    let row = &lower[i * d..=i * d + i];
                    z[i] = self.location[i] + row.iter().zip(eta).map(|(l, e)| l * e).sum::<f64>();
                }
            }
        }
        -0.5 * eta.iter().map(|e| e * e).sum::<f64>() - d as f64 * HALF_LN_TWO_PI - self.log_determinant()
    }

    fn log_determinant(&self) -> f64 {
        match &self.scale {
            NormalScale::Diagonal(sd) => sd.iter().map(|s| s.ln()).sum(),
            NormalScale::Cholesky(lower) => lower.iter().step_by(self.location.len() + 1).map(|s| s.ln()).sum(),
        }
    }

    /// The gradient by η of a function of z whose gradient is `gradient`, into `whitened`.
    pub(super) fn pull_back(&self, gradient: &[f64], whitened: &mut [f64]) {
        let d = self.location.len();
        match &self.scale {
            NormalScale::Diagonal(sd) => {
                for i in 0..d {
                    whitened[i] = sd[i] * gradient[i];
                }
            }
            NormalScale::Cholesky(lower) => {
                whitened.fill(0.0);
                for i in 0..d {
                    for (w, l) in whitened.iter_mut().zip(&lower[i * d..=i * d + i]) {
                        *w += l * gradient[i];
                    }
                }
            }
        }
    }

    fn shrink(&mut self) {
        match &mut self.scale {
            NormalScale::Diagonal(scale) | NormalScale::Cholesky(scale) => scale.iter_mut().for_each(|s| *s *= SHRINK),
        }
    }

    /// The same distribution with a Cholesky factor.
    fn to_full_rank(&self) -> Self {
        let d = self.location.len();
        let scale = match &self.scale {
            NormalScale::Diagonal(sd) => {
                let mut lower = vec![0.0; d * d];
                lower.iter_mut().step_by(d + 1).zip(sd).for_each(|(l, s)| *l = *s);
                lower
            }
            NormalScale::Cholesky(lower) => lower.clone(),
        };
        Self { location: self.location.clone(), scale: NormalScale::Cholesky(scale) }
    }
}

/// Searches from `start` (d coordinates, of positive density) with unit scales.
///
/// # Errors
/// Where the log density at `start` is not finite.
pub fn fit_advi(
    density: &dyn LogDensity,
    start: &[f64],
    settings: &AdviSettings,
    seed: u64,
    progress: &mut dyn Progress,
) -> Result<AdviFit, InferError> {
    let mut evaluator = density.evaluator();
    if start.len() != density.dimension() || !evaluator.value(start).is_finite() {
        let reason = "the density at the start is zero".into();
        return Err(InferError::SamplerFailed { engine: "advi", reason });
    }
    progress.start("advi", settings.max_steps as u64);
    let scale = NormalScale::Diagonal(vec![1.0; start.len()]);
    let approximation = NormalApproximation { location: start.to_vec(), scale };
    let mut search = Search::new(evaluator, approximation, settings, seed);
    search.climb(settings, progress);
    if settings.family == NormalFamily::FullRank {
        search.widen();
        search.climb(settings, progress);
    }
    let (elbo, elbo_error) = search.last;
    let converged = search.steps < settings.max_steps;
    Ok(AdviFit { approximation: search.approximation, elbo, elbo_error, steps: search.steps, converged })
}

/// Draws number 0 to `draws` of `approximation`, weighted by `density`, in parallel.
pub fn weighted_draws(
    density: &dyn LogDensity,
    approximation: &NormalApproximation,
    draws: usize,
    seed: u64,
) -> WeightedDraws {
    let chunks: Vec<WeightedDraws> = (0..draws.div_ceil(CHUNK))
        .into_par_iter()
        .map(|chunk| {
            let mut evaluator = density.evaluator();
            let mut rng = stream(seed, StreamPurpose::Draws, chunk as u64);
            let mut weighted = WeightedDraws::default();
            for _ in 0..CHUNK.min(draws - chunk * CHUNK) {
                let mut z = vec![0.0; approximation.location.len()];
                let log_q = approximation.draw(&mut rng, &mut z);
                weighted.log_weights.push(evaluator.value(&z) - log_q);
                weighted.log_proposal.push(log_q);
                weighted.draws.push(z);
            }
            weighted
        })
        .collect();
    let mut all = WeightedDraws::default();
    for chunk in chunks {
        all.draws.extend(chunk.draws);
        all.log_proposal.extend(chunk.log_proposal);
        all.log_weights.extend(chunk.log_weights);
    }
    all
}

/// The search, with all memory that a step needs.
struct Search<'a> {
    evaluator: Box<dyn Evaluator + Send + 'a>,
    approximation: NormalApproximation,
    rng: Stream,
    draws: usize,
    steps: usize,
    /// ELBO of the last epoch, and its standard error.
    last: (f64, f64),
    eta: Vec<f64>,
    z: Vec<f64>,
    gradient: Vec<f64>,
    /// ∂(log p − log q)/∂η of one draw.
    whitened: Vec<f64>,
    /// Its mean and standard deviation over the draws.
    shift: Vec<f64>,
    spread: Vec<f64>,
    /// The sum of shifts and of their squares over the steps of an epoch.
    drift: Vec<(f64, f64)>,
    /// The mean of its products with η: d of them, or d × d by rows.
    stretch: Vec<f64>,
    /// A row of the Cholesky factor.
    row: Vec<f64>,
}

impl<'a> Search<'a> {
    fn new(
        evaluator: Box<dyn Evaluator + Send + 'a>,
        approximation: NormalApproximation,
        settings: &AdviSettings,
        seed: u64,
    ) -> Self {
        let d = approximation.location.len();
        Self {
            evaluator,
            approximation,
            rng: stream(seed, StreamPurpose::Fit, 0),
            draws: settings.draws_per_step.max(2),
            steps: 0,
            last: (f64::NEG_INFINITY, f64::INFINITY),
            eta: vec![0.0; d],
            z: vec![0.0; d],
            gradient: vec![0.0; d],
            whitened: vec![0.0; d],
            shift: vec![0.0; d],
            spread: vec![0.0; d],
            drift: vec![(0.0, 0.0); d],
            stretch: vec![0.0; d],
            row: vec![0.0; d],
        }
    }

    /// Goes on with any covariance.
    fn widen(&mut self) {
        let d = self.eta.len();
        self.approximation = self.approximation.to_full_rank();
        self.stretch = vec![0.0; d * d];
        // A mean of fewer outer products than that is too far from the identity for steps of this length.
        self.draws = self.draws.max(d / 2);
    }

    /// Steps until the ELBO stands still at the smallest ρ, or the steps run out.
    fn climb(&mut self, settings: &AdviSettings, progress: &mut dyn Progress) {
        let mut step = FIRST_STEP;
        let mut before = (f64::NEG_INFINITY, f64::INFINITY);
        while step >= LAST_STEP && self.steps < settings.max_steps {
            let count = EPOCH.min(settings.max_steps - self.steps);
            self.last = self.epoch(count, step);
            progress.advance(count as u64);
            progress.remark(&format!("ELBO {:.2}", self.last.0));
            let noise = 2.0 * self.last.1.hypot(before.1);
            let still = settings.tolerance * self.last.0.abs().max(1.0);
            let still = if noise.is_finite() { still.max(noise) } else { still };
            // Where no draw had a density there is nothing to compare.
            if self.last.0.is_finite() && self.last.0 - before.0 <= still && !self.drifts(count) {
                step *= 0.5;
            }
            before = self.last;
        }
    }

    /// Whether the location still moves in a direction, by the mean gradients of the last epoch, of `count` steps: they are
    /// not small, and Σ t² is beyond three standard deviations of its law without a direction, χ² with d degrees of freedom.
    /// This sees slow directions long before the ELBO does.
    fn drifts(&self, count: usize) -> bool {
        let (n, d) = (count as f64, self.drift.len() as f64);
        let (mut size, mut evidence) = (0.0, 0.0);
        for (sum, square) in &self.drift {
            let mean = sum / n;
            let variance = square / n - mean * mean;
            size += mean * mean;
            evidence += if variance > 0.0 { n * mean * mean / variance } else { 0.0 };
        }
        size > SMALL * SMALL * d && evidence > d + 3.0 * (2.0 * d).sqrt()
    }

    /// So many steps of length `step`; the mean of their ELBO and its standard error.
    fn epoch(&mut self, count: usize, step: f64) -> (f64, f64) {
        self.drift.fill((0.0, 0.0));
        let (mut n, mut mean, mut square) = (0.0, 0.0, 0.0);
        for _ in 0..count {
            self.steps += 1;
            let Some(elbo) = self.estimate() else {
                self.approximation.shrink();
                continue;
            };
            // Welford's update.
            n += 1.0;
            let difference = elbo - mean;
            mean += difference / n;
            square += difference * (elbo - mean);
            self.step(step);
        }
        if n == 0.0 { (f64::NEG_INFINITY, f64::INFINITY) } else { (mean, (square / n / (n - 1.0).max(1.0)).sqrt()) }
    }

    /// Gradients at the mean of some draws, and their ELBO; `None` where all have density zero.
    fn estimate(&mut self) -> Option<f64> {
        let d = self.eta.len();
        self.shift.fill(0.0);
        self.spread.fill(0.0);
        self.stretch.fill(0.0);
        let (mut counted, mut elbo) = (0.0, 0.0);
        for _ in 0..self.draws {
            for e in &mut self.eta {
                *e = self.rng.sample(StandardNormal);
            }
            let log_q = self.approximation.place(&self.eta, &mut self.z);
            let log_p = self.evaluator.gradient(&self.z, &mut self.gradient);
            if log_p == f64::NEG_INFINITY {
                continue;
            }
            counted += 1.0;
            elbo += log_p - log_q;
            self.approximation.pull_back(&self.gradient, &mut self.whitened);
            for i in 0..d {
                // −∂ log q/∂η at fixed q is η.
                self.whitened[i] += self.eta[i];
                self.shift[i] += self.whitened[i];
                self.spread[i] += self.whitened[i].powi(2);
            }
            match self.approximation.scale {
                NormalScale::Diagonal(_) => {
                    for i in 0..d {
                        self.stretch[i] += self.whitened[i] * self.eta[i];
                    }
                }
                NormalScale::Cholesky(_) => {
                    for i in 0..d {
                        for j in 0..=i {
                            self.stretch[i * d + j] += self.whitened[i] * self.eta[j];
                        }
                    }
                }
            }
        }
        if counted == 0.0 {
            return None;
        }
        self.shift.iter_mut().chain(&mut self.spread).chain(&mut self.stretch).for_each(|g| *g /= counted);
        for ((spread, shift), drift) in self.spread.iter_mut().zip(&self.shift).zip(&mut self.drift) {
            *spread = (*spread - shift * shift).max(0.0).sqrt();
            *drift = (drift.0 + shift, drift.1 + shift * shift);
        }
        Some(elbo / counted)
    }

    /// location += scale · ρ shift; scale ← scale · (1 + ρ stretch), with the exponential on the diagonal, where the
    /// Fisher information is 2 (elsewhere 1).
    fn step(&mut self, step: f64) {
        let d = self.eta.len();
        let Self { approximation, shift, spread, stretch, row, .. } = self;
        for (s, spread) in shift.iter_mut().zip(&*spread) {
            // While q is too wide the curvature of log p in η is above 1, and gradients vary as much: a Newton step.
            *s = (step * *s / spread.max(1.0)).clamp(-FARTHEST, FARTHEST);
        }
        let factor = |g: f64| (0.5 * step * g).clamp(-MOST_SCALED, MOST_SCALED).exp();
        match &mut approximation.scale {
            NormalScale::Diagonal(sd) => {
                for i in 0..d {
                    approximation.location[i] += sd[i] * shift[i];
                    sd[i] *= factor(stretch[i]);
                }
            }
            NormalScale::Cholesky(lower) => {
                for i in 0..d {
                    let own = &mut lower[i * d..=i * d + i];
                    approximation.location[i] += own.iter().zip(&*shift).map(|(l, s)| l * s).sum::<f64>();
                    row[..=i].fill(0.0);
                    for (j, l) in own.iter().enumerate() {
                        for k in 0..j {
                            row[k] += l * (step * stretch[j * d + k]).clamp(-MOST_SCALED, MOST_SCALED);
                        }
                        row[j] += l * factor(stretch[j * d + j]);
                    }
                    own.copy_from_slice(&row[..=i]);
                }
            }
        }
    }
}
