//! Adam with a global-norm clip and a linear schedule (Kingma & Ba 2015, algorithm 1).

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::error::NetworkError;
use super::model::Network;
use super::pass::Gradients;
use super::simd::vectorised;

const BETA_1: f64 = 0.9;
const BETA_2: f64 = 0.999;
const EPSILON: f32 = 1e-8;

/// Elements of one task.
const CHUNK: usize = 16_384;

/// How fast, how long, and how far at most.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AdamOptions {
    /// The largest learning rate.
    pub rate: f64,
    /// Steps w of warm-up: the rate of step s ≤ w is rate · s/w.
    pub warmup: u64,
    /// Steps T in all: after the warm-up the rate is rate · (T − s)/(T − w).
    pub total: u64,
    /// Gradients of a larger norm, over all parameters, are scaled down to it.
    pub clip: f64,
}

impl Default for AdamOptions {
    fn default() -> Self {
        Self { rate: 1e-3, warmup: 100, total: 1_000, clip: 1.0 }
    }
}

impl AdamOptions {
    /// The learning rate of a step, counted from 1; 0 from step T on.
    ///
    /// ```
    /// use unmask::network::AdamOptions;
    /// let options = AdamOptions { rate: 0.1, warmup: 10, total: 110, ..AdamOptions::default() };
    /// assert_eq!([5, 10, 60, 110].map(|s| options.rate_at(s)), [0.05, 0.1, 0.05, 0.0]);
    /// ```
    pub fn rate_at(&self, step: u64) -> f64 {
        if step < self.warmup {
            return self.rate * step as f64 / self.warmup as f64;
        }
        let left = self.total.saturating_sub(step) as f64;
        self.rate * left / (self.total.saturating_sub(self.warmup).max(1) as f64)
    }
}

/// The optimiser's state: two moments a parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct Adam {
    options: AdamOptions,
    /// Steps taken.
    step: u64,
    pub(super) first: Vec<Vec<f32>>,
    pub(super) second: Vec<Vec<f32>>,
}

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamStep {
    /// The gradient's norm before clipping.
    pub norm: f64,
    /// The learning rate.
    pub rate: f64,
    /// False if the gradient was not finite: parameters and moments are as before, and only the step is counted.
    pub taken: bool,
}

impl Adam {
    /// A fresh state for a network.
    pub fn new(network: &Network, options: AdamOptions) -> Self {
        let zeros: Vec<Vec<f32>> = network.layout.declared.iter().map(|d| vec![0.0; d.len()]).collect();
        Self { options, step: 0, first: zeros.clone(), second: zeros }
    }

    pub(super) fn restored(options: AdamOptions, step: u64, first: Vec<Vec<f32>>, second: Vec<Vec<f32>>) -> Self {
        Self { options, step, first, second }
    }

    /// The options.
    pub fn options(&self) -> &AdamOptions {
        &self.options
    }

    /// Changes the options: the schedule's length may be known only after some steps.
    pub fn set_options(&mut self, options: AdamOptions) {
        self.options = options;
    }

    /// Steps taken.
    pub fn steps(&self) -> u64 {
        self.step
    }

    /// One step. Frozen parameters stay as they are.
    ///
    /// # Errors
    ///
    /// [`NetworkError::Length`] if the gradients are of another network.
    pub fn step(&mut self, network: &mut Network, gradients: &Gradients) -> Result<AdamStep, NetworkError> {
        if gradients.values.len() != self.first.len() || network.tensors.len() != self.first.len() {
            let (expected, found) = (self.first.len(), gradients.values.len());
            return Err(NetworkError::Length { what: "gradients", expected, found });
        }
        self.step += 1;
        let norm = gradients.norm();
        let rate = self.options.rate_at(self.step);
        if !norm.is_finite() {
            return Ok(AdamStep { norm, rate, taken: false });
        }
        let clip = if norm > self.options.clip { (self.options.clip / norm) as f32 } else { 1.0 };
        let power = self.step.min(1_000_000) as i32;
        let size = (rate / (1.0 - BETA_1.powi(power))) as f32;
        let correction = (1.0 / (1.0 - BETA_2.powi(power))) as f32;
        let moments = self.first.iter_mut().zip(&mut self.second);
        for ((tensor, gradient), (first, second)) in network.tensors.iter_mut().zip(&gradients.values).zip(moments) {
            if gradient.is_empty() {
                continue;
            }
            if gradient.len() != first.len() {
                let (expected, found) = (first.len(), gradient.len());
                return Err(NetworkError::Length { what: "gradient", expected, found });
            }
            let mut values = network.arena.take(first.len());
            tensor.copy_into(&mut values);
            (
                values.par_chunks_mut(CHUNK),
                gradient.par_chunks(CHUNK),
                first.par_chunks_mut(CHUNK),
                second.par_chunks_mut(CHUNK),
            )
                .into_par_iter()
                .for_each(|(values, gradient, first, second)| {
                    vectorised(
                        #[inline(always)]
                        || {
                            // Locals, not captures: a loop that reads what it might write is not vectorised.
                            let (clip, size, correction) = (clip, size, correction);
                            let moments = first.iter_mut().zip(second);
                            for ((value, g), (m, v)) in values.iter_mut().zip(gradient).zip(moments) {
                                let g = g * clip;
                                *m = BETA_1 as f32 * *m + (1.0 - BETA_1) as f32 * g;
                                *v = BETA_2 as f32 * *v + (1.0 - BETA_2) as f32 * (g * g);
                                *value -= size * *m / ((*v * correction).sqrt() + EPSILON);
                            }
                        },
                    );
                });
            tensor.copy_from(&values);
        }
        Ok(AdamStep { norm, rate, taken: true })
    }
}
