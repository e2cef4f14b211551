//! Fine-tuning: gradient steps towards the posterior of one query.
//!
//! The objective is half the variance of the log weights of draws from the network, whose gradient is that of the evidence
//! lower bound by the score-function estimator with a leave-one-out baseline (Richter et al. 2020, "VarGrad", equation 9);
//! where weights are good enough to say where the posterior is, also the forward divergence, on the weighted draws. Anchors
//! stay, and only the decoder and the head learn, so the query is encoded once a step.

use super::decode::Recorded;
use super::error::FoundationError;
use super::feature::push_components;
use super::head::OUTPUTS;
use super::weights::{Decode, Foundation};
use crate::infer::anchors::Anchors;
use crate::infer::{Query, pareto_smooth, weights_ess};
use crate::network::{Adam, AdamOptions, Batch, Seeds};

/// How to fine-tune.
#[derive(Clone, Debug, PartialEq)]
pub struct TuneOptions {
    /// Steps.
    pub steps: u64,
    /// Draws a step.
    pub draws: usize,
    /// The largest learning rate.
    pub rate: f64,
    /// Layers of the encoder that learn, from the top.
    pub layers: usize,
    /// Seed of the draws.
    pub seed: u64,
}

impl Default for TuneOptions {
    fn default() -> Self {
        Self { steps: 150, draws: 64, rate: 2e-3, layers: 0, seed: 1 }
    }
}

/// What a step of fine-tuning saw.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TuneReport {
    /// The step, from 1.
    pub step: u64,
    /// The evidence lower bound, over draws of positive density.
    pub bound: f64,
    /// The variance of their log weights.
    pub variance: f64,
    /// Effective draws of those drawn.
    pub ess: f64,
}

/// Effective draws from which on weights say where the posterior is.
const ENOUGH: f64 = 20.0;

/// Log weights further from the mean than this pull no harder.
const LARGEST: f64 = 20.0;

impl Foundation {
    /// Weights for one query: steps go on until `more` says no.
    ///
    /// # Errors
    /// Where the query cannot be read or has no anchors.
    pub fn tune(
        &self,
        query: &Query<'_>,
        options: &TuneOptions,
        mut more: impl FnMut(&TuneReport) -> bool,
    ) -> Result<Self, FoundationError> {
        let anchors = Anchors::new(&query.compiled, &query.prior)?;
        let mut tuned = Self {
            network: self.network.duplicate()?,
            encoding: self.encoding.clone(),
            anchors: self.anchors,
            decode: Decode::Light,
            limit: self.limit,
            familiarity: self.familiarity.clone(),
        };
        tuned.network.train_layers(Some(options.layers));
        let schedule = AdamOptions { rate: options.rate, warmup: 5, total: options.steps + 1, clip: 1.0 };
        let mut adam = Adam::new(&tuned.network, schedule);
        for step in 0..options.steps {
            let prepared = tuned.prepare(query)?;
            let recorded = prepared.record(&anchors, options.draws, (options.seed, TUNING + step))?;
            let (factors, mut report) = factors(&recorded);
            let batch = batch(&prepared, &anchors, &recorded)?;
            drop(prepared);
            report.step = step + 1;
            let pass = tuned.network.forward(&batch)?;
            let Some(outputs) = pass.head() else { return Err(FoundationError::NothingMasked) };
            let mut gradient = vec![0.0; outputs.len()];
            let mut at = 0;
            for (draw, factor) in recorded.iter().zip(&factors) {
                for answered in &draw.answered {
                    let end = at + answered.candidates.components.len() * OUTPUTS;
                    let own = &outputs[at..end];
                    if *factor != 0.0 {
                        let adjusted = answered.candidates.adjusted(own);
                        adjusted.gradient(answered.value, own, *factor, &mut gradient[at..end]);
                    }
                    at = end;
                }
            }
            let seeds = Seeds { head: Some(gradient), ..Seeds::default() };
            let gradients = pass.backward(seeds)?;
            adam.step(&mut tuned.network, &gradients)?;
            if !more(&report) {
                break;
            }
        }
        tuned.network.train_layers(None);
        Ok(tuned)
    }
}

/// Rounds of draws that are for fine-tuning: apart from those of answers.
const TUNING: u64 = 1 << 20;

/// The factor of each draw's ∇ ln q in the gradient of the loss.
fn factors(recorded: &[Recorded]) -> (Vec<f64>, TuneReport) {
    let log_weights: Vec<f64> = recorded.iter().map(|r| r.log_weight).collect();
    let finite: Vec<f64> = log_weights.iter().copied().filter(|w| w.is_finite()).collect();
    let n = finite.len() as f64;
    let mean = finite.iter().sum::<f64>() / n.max(1.0);
    let variance = finite.iter().map(|w| (w - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
    let smoothed = pareto_smooth(&log_weights).map(|p| p.weights).unwrap_or_default();
    let ess = if smoothed.is_empty() { 0.0 } else { weights_ess(&smoothed) };
    let factor = |(i, w): (usize, &f64)| {
        let reverse = if w.is_finite() { -(w - mean).clamp(-LARGEST, LARGEST) / (n - 1.0).max(1.0) } else { 0.0 };
        let forward = if ess >= ENOUGH { -smoothed.get(i).copied().unwrap_or(0.0) } else { 0.0 };
        reverse + forward
    };
    let factors = log_weights.iter().enumerate().map(factor).collect();
    (factors, TuneReport { step: 0, bound: mean, variance, ess })
}

/// The program once, and the elements of all draws.
fn batch(
    prepared: &super::decode::Prepared<'_>,
    anchors: &Anchors<'_>,
    recorded: &[Recorded],
) -> Result<Batch, FoundationError> {
    let rows = prepared.rows(anchors)?;
    let sequence = prepared.sequence();
    let mut batch = Batch {
        tokens: sequence.tokens.clone(),
        positions: sequence.positions.clone(),
        features: sequence.features.clone(),
        ..Batch::default()
    };
    for draw in recorded {
        for answered in &draw.answered {
            let element = batch.element_rows.len() as u32;
            batch.element_rows.push(rows[answered.index]);
            batch.element_features.extend(answered.element);
            let (owners, features) = (&mut batch.component_elements, &mut batch.component_features);
            push_components(element, &answered.candidates, owners, features);
        }
        // Every draw reads the tokens of the first.
        batch.offsets.push(batch.tokens.len());
        batch.memory.extend(&sequence.memory);
        batch.memory_offsets.push(batch.memory.len());
        batch.element_offsets.push(batch.element_rows.len());
    }
    Ok(batch)
}
