//! Particles among the coordinates of a compiled density, moved by Hamiltonian trajectories.

use nalgebra::{DMatrix, DVector};
use rand::RngExt as _;
use rand_distr::StandardNormal;

use super::reference::Reference;
use super::{Population, log_share, time_is_up};
use crate::density::{Density, Evaluator as _, LogDensity as _, TapeEvaluator};
use crate::infer::deadline::Deadline;
use crate::infer::error::InferError;
use crate::infer::stream::Stream;

/// The acceptance that the step size is adapted to, for trajectories of random length (Beskos et al. 2013 give 0.651 for long
/// ones in many dimensions; more is safe in few).
const ACCEPTANCE: f64 = 0.75;

/// Draws of the reference for each particle, at most, until one has a density.
const TRIES: usize = 200;

/// The share of trajectories with steps of full length; the others are shorter by a factor down to 10^−SHORTER.
const FULL: f64 = 0.5;
const SHORTER: f64 = 1.5;

/// Coordinates up to which a covariance is taken, and particles that it takes for each.
const DENSE: usize = 100;
const EACH: usize = 4;

/// Leapfrog steps of a trajectory, at most.
const LEAPS: usize = 16;

/// A particle.
#[derive(Clone)]
struct Particle {
    z: Vec<f64>,
    /// ln p and ln r there.
    target: f64,
    reference: f64,
}

/// A diagonal matrix, row-major.
fn diagonal(scales: &[f64]) -> Vec<f64> {
    let n = scales.len();
    let mut matrix = vec![0.0; n * n];
    for (i, scale) in scales.iter().enumerate() {
        matrix[i * n + i] = *scale;
    }
    matrix
}

pub(super) struct Points<'d> {
    reference: &'d Reference,
    evaluator: TapeEvaluator<'d>,
    points: Vec<Particle>,
    /// ln of the share of the reference where the target has a density.
    log_possible: f64,
    /// Whether each particle was accepted anywhere since adaptation ended.
    moved: Vec<bool>,
    step: f64,
    adapting: bool,
    /// The lower triangular L, row-major, with L Lᵀ the covariance of the particles (shrunk), in whose units they move.
    factor: Vec<f64>,
    gradient: Vec<f64>,
    momentum: Vec<f64>,
}

impl<'d> Points<'d> {
    /// Particles of the reference where the target has a density.
    ///
    /// # Errors
    /// Where too few are found, in time.
    pub fn new(
        density: &'d Density<'d>,
        reference: &'d Reference,
        n: usize,
        rng: &mut Stream,
        deadline: Deadline,
    ) -> Result<Self, InferError> {
        let dimension = density.dimension();
        let mut evaluator = density.on_tape();
        let mut points = Vec::with_capacity(n);
        let mut tried = 0;
        let mut gradient = vec![0.0; dimension];
        while points.len() < n && tried < n * TRIES {
            tried += 1;
            if tried % 64 == 0 && deadline.has_passed() {
                return Err(time_is_up(0.0));
            }
            let z = reference.draw(rng);
            let target = evaluator.gradient(&z, &mut gradient);
            if target > f64::NEG_INFINITY {
                let reference = reference.log_density(&z, 0.0, &mut gradient);
                points.push(Particle { z, target, reference });
            }
        }
        if points.len() < n {
            return Err(InferError::NoDrawSurvived { tried: tried as u64, reason: None });
        }
        Ok(Self {
            reference,
            evaluator,
            points,
            log_possible: log_share(n, tried),
            moved: vec![false; n],
            step: 0.5,
            adapting: true,
            factor: diagonal(&vec![1.0; dimension]),
            gradient,
            momentum: vec![0.0; dimension],
        })
    }

    /// ln of the share of the reference where the target has a density.
    pub fn log_possible(&self) -> f64 {
        self.log_possible
    }

    pub fn into_points(self) -> Vec<Vec<f64>> {
        self.points.into_iter().map(|p| p.z).collect()
    }

    /// Takes the covariance of the particles: correlations shrunk as those of so few should be, and none where they are too few.
    fn measure(&mut self) {
        let (n, dimension) = (self.points.len(), self.gradient.len());
        let mean: Vec<f64> =
            (0..dimension).map(|i| self.points.iter().map(|p| p.z[i]).sum::<f64>() / n as f64).collect();
        let scale = |i: usize| {
            let variance = self.points.iter().map(|p| (p.z[i] - mean[i]).powi(2)).sum::<f64>() / n as f64;
            if variance > 0.0 && variance.is_finite() { variance.sqrt() } else { self.factor[i * dimension + i] }
        };
        let scales: Vec<f64> = (0..dimension).map(scale).collect();
        self.factor = diagonal(&scales);
        if !(2..=DENSE).contains(&dimension) || n < EACH * dimension {
            return;
        }
        let mut correlation = DMatrix::<f64>::zeros(dimension, dimension);
        for point in &self.points {
            let u = DVector::from_fn(dimension, |i, _| (point.z[i] - mean[i]) / scales[i]);
            correlation.ger(1.0 / (n + dimension) as f64, &u, &u, 1.0);
        }
        correlation.fill_diagonal(1.0);
        if let Some(factor) = correlation.cholesky().map(|c| c.l()) {
            for i in 0..dimension {
                for j in 0..=i {
                    self.factor[i * dimension + j] = scales[i] * factor[(i, j)];
                }
            }
        }
    }

    /// Moves the momentum by a step times Lᵀ times the gradient.
    fn kick(&mut self, step: f64) {
        let dimension = self.momentum.len();
        for (row, gradient) in self.factor.chunks(dimension.max(1)).zip(&self.gradient) {
            for (momentum, l) in self.momentum.iter_mut().zip(row) {
                *momentum += step * l * gradient;
            }
        }
    }

    /// Moves a place by a step times L times the momentum.
    fn drift(&self, z: &mut [f64], step: f64) {
        for (z, row) in z.iter_mut().zip(self.factor.chunks(self.momentum.len().max(1))) {
            *z += step * row.iter().zip(&self.momentum).map(|(l, p)| l * p).sum::<f64>();
        }
    }

    /// r^(1−t) p^t at `z` with its gradient in `self.gradient`; the two log densities.
    fn evaluate(&mut self, z: &[f64], temperature: f64) -> (f64, f64) {
        let target = self.evaluator.gradient(z, &mut self.gradient);
        self.gradient.iter_mut().for_each(|g| *g *= temperature);
        (target, self.reference.log_density(z, 1.0 - temperature, &mut self.gradient))
    }
}

impl Population for Points<'_> {
    fn len(&self) -> usize {
        self.points.len()
    }

    fn gains(&self, gains: &mut Vec<f64>) {
        gains.clear();
        gains.extend(self.points.iter().map(|p| p.target - p.reference));
    }

    fn columns(&self) -> Vec<Vec<f64>> {
        let coordinates = (0..self.gradient.len()).map(|i| self.points.iter().map(|p| p.z[i]).collect());
        coordinates.chain([self.points.iter().map(|p| p.target - p.reference).collect()]).collect()
    }

    fn resample(&mut self, ancestors: &[usize]) {
        self.points = ancestors.iter().map(|i| self.points[*i].clone()).collect();
        self.measure();
    }

    /// A trajectory for each particle (Duane et al. 1987; Neal 2011, §5.3), in units of the particles' covariance. Some steps are
    /// far shorter than the rest, for places that need it.
    fn sweep(&mut self, temperature: f64, rng: &mut Stream, deadline: Deadline) -> Result<(), InferError> {
        let (mut accepted, mut full_steps) = (0.0, 0.0);
        let mut z = vec![0.0; self.gradient.len()];
        for i in 0..self.points.len() {
            if deadline.has_passed() {
                return Err(time_is_up(temperature));
            }
            z.copy_from_slice(&self.points[i].z);
            let before = temperature * self.points[i].target + (1.0 - temperature) * self.points[i].reference;
            self.momentum.iter_mut().for_each(|p| *p = rng.sample(StandardNormal));
            let kinetic = |momentum: &[f64]| 0.5 * momentum.iter().map(|p| p * p).sum::<f64>();
            let start = before - kinetic(&self.momentum);
            let full = rng.random::<f64>() < FULL;
            let u: f64 = rng.random();
            let step = self.step * if full { 0.8 + 0.4 * u } else { 10.0_f64.powf(-SHORTER * u) };
            let leaps = rng.random_range(1..=LEAPS);
            let (mut target, mut reference) = self.evaluate(&z, temperature);
            for _ in 0..leaps {
                self.kick(0.5 * step);
                self.drift(&mut z, step);
                (target, reference) = self.evaluate(&z, temperature);
                if !target.is_finite() {
                    break;
                }
                self.kick(0.5 * step);
            }
            let end = temperature * target + (1.0 - temperature) * reference - kinetic(&self.momentum);
            let accept = if target.is_finite() && end.is_finite() { (end - start).min(0.0).exp() } else { 0.0 };
            if full {
                accepted += accept;
                full_steps += 1.0;
            }
            if rng.random::<f64>() < accept {
                self.moved[i] = true;
                self.points[i].z.copy_from_slice(&z);
                self.points[i].target = target;
                self.points[i].reference = reference;
            }
        }
        if self.adapting && full_steps > 0.0 {
            let rate = accepted / full_steps;
            self.step = (self.step * (rate - ACCEPTANCE).exp()).clamp(1e-6, 2.0);
        }
        Ok(())
    }

    fn freeze(&mut self) {
        self.adapting = false;
        self.moved.fill(false);
    }

    fn share_stuck(&self) -> f64 {
        self.moved.iter().filter(|moved| !**moved).count() as f64 / self.moved.len().max(1) as f64
    }
}
