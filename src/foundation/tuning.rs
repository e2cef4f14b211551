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
use crate::infer::{PartialDensity, Query, Target, pareto_smooth, weights_ess};
use crate::network::{Adam, AdamOptions, Batch, Gradients, Seeds};

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
        let mut tuned = self.duplicate()?;
        tuned.network.train_layers(Some(options.layers));
        let schedule = AdamOptions { rate: options.rate, warmup: 5, total: options.steps + 1, clip: 1.0 };
        let mut adam = Adam::new(&tuned.network, schedule);
        for step in 0..options.steps {
            let prepared = tuned.prepare(query)?;
            let recorded = prepared.record(&anchors, options.draws, (options.seed, TUNING + step))?;
            let log_weights: Vec<f64> = recorded.iter().map(|r| r.log_weight).collect();
            let (factors, mut report) = factors(&log_weights, (LARGEST, true));
            report.step = step + 1;
            let batch = batch(&prepared, &anchors, &recorded)?;
            drop(prepared);
            let gradients = gradients(&tuned, &batch, &recorded, &factors)?;
            adam.step(&mut tuned.network, &gradients)?;
            if !more(&report) {
                break;
            }
        }
        tuned.network.train_layers(None);
        Ok(tuned)
    }
}

/// Minibatches of a plate, from which weights learn the posterior of the whole.
pub struct Minibatches<'m> {
    /// Minibatch number so many as a query.
    pub make: &'m mut dyn FnMut(u64) -> Result<Target, FoundationError>,
    /// Iterations of the whole for each of a minibatch, n/k.
    pub scale: f64,
    /// Whether a variable (dotted, without subscripts) is of the plate. All else, and factors, count once.
    pub is_local: &'m dyn Fn(&str) -> bool,
    /// Minibatches a step.
    pub batch: usize,
}

impl Foundation {
    /// Weights for one plated query that see a few of its iterations at a time: the evidence lower bound with what is of the
    /// plate scaled by n/k (equation 4 and A.8 of the paper), by the score-function estimator with a leave-one-out baseline
    /// within each minibatch. Steps go on until `more` says no.
    ///
    /// # Errors
    /// As [`Foundation::tune`].
    pub fn tune_plated(
        &self,
        minibatches: &mut Minibatches<'_>,
        options: &TuneOptions,
        mut more: impl FnMut(&TuneReport) -> bool,
    ) -> Result<Self, FoundationError> {
        let mut tuned = self.duplicate()?;
        tuned.network.train_layers(Some(options.layers));
        let schedule = AdamOptions { rate: options.rate, warmup: 5, total: options.steps + 1, clip: 1.0 };
        let mut adam = Adam::new(&tuned.network, schedule);
        let size = minibatches.batch.max(1);
        for step in 0..options.steps {
            let mut sum: Option<Gradients> = None;
            let mut mean = TuneReport { step: step + 1, bound: 0.0, variance: 0.0, ess: 0.0 };
            for index in step * size as u64..(step + 1) * size as u64 {
                let target = (minibatches.make)(index)?;
                let query = Query::for_anchors::<FoundationError>(target.borrow(), options.seed)?;
                let anchors = Anchors::new(&query.compiled, &query.prior)?;
                let prepared = tuned.prepare(&query)?;
                let recorded = prepared.record(&anchors, options.draws, (options.seed, TUNING + index))?;
                let addresses = query.compiled.addresses();
                let is_local: Vec<bool> = anchors
                    .elements()
                    .iter()
                    .map(|element| (minibatches.is_local)(addresses.name(element.key.0)))
                    .collect();
                let mut density = PartialDensity::new(&query, &anchors);
                let mut scaled = |draw: &Recorded| -> Result<f64, FoundationError> {
                    let log_target = density.log_density(&draw.values, &|name| !(minibatches.is_local)(name))?;
                    Ok(draw.scaled(minibatches.scale, &is_local, log_target))
                };
                let log_weights: Vec<f64> = recorded.iter().map(&mut scaled).collect::<Result<_, _>>()?;
                let (mut factors, report) = factors(&log_weights, (LARGEST * minibatches.scale.max(1.0), false));
                factors.iter_mut().for_each(|f| *f /= size as f64);
                mean.bound += report.bound / size as f64;
                mean.variance += report.variance / size as f64;
                mean.ess += report.ess / size as f64;
                let batch = batch(&prepared, &anchors, &recorded)?;
                drop(prepared);
                let found = gradients(&tuned, &batch, &recorded, &factors)?;
                match &mut sum {
                    Some(sum) => sum.add(&found),
                    None => sum = Some(found),
                }
            }
            if let Some(gradients) = sum {
                adam.step(&mut tuned.network, &gradients)?;
            }
            if !more(&mean) {
                break;
            }
        }
        tuned.network.train_layers(None);
        Ok(tuned)
    }

    /// Weights of their own with the same values.
    fn duplicate(&self) -> Result<Self, FoundationError> {
        Ok(Self {
            network: self.network.duplicate()?,
            encoding: self.encoding.clone(),
            anchors: self.anchors,
            decode: Decode::Light,
            limit: self.limit,
            familiarity: self.familiarity.clone(),
        })
    }
}

impl Recorded {
    /// The log weight of a draw for the whole plate: what is of the plate counts so many times, and what is outside, of which
    /// `log_target` is the log density, once.
    fn scaled(&self, scale: f64, is_local: &[bool], log_target: f64) -> f64 {
        if self.log_weight == f64::NEG_INFINITY {
            return self.log_weight;
        }
        let outside = self.log_network.iter().zip(is_local).filter(|(_, local)| !**local);
        scale * self.log_weight + (1.0 - scale) * (log_target - outside.map(|(log, _)| log).sum::<f64>())
    }
}

/// Gradients of the loss whose derivative with respect to each draw's ln q is its factor.
fn gradients(
    tuned: &Foundation,
    batch: &Batch,
    recorded: &[Recorded],
    factors: &[f64],
) -> Result<Gradients, FoundationError> {
    let pass = tuned.network.forward(batch)?;
    let Some(outputs) = pass.head() else { return Err(FoundationError::NothingMasked) };
    let mut gradient = vec![0.0; outputs.len()];
    let mut at = 0;
    for (draw, factor) in recorded.iter().zip(factors) {
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
    Ok(pass.backward(Seeds { head: Some(gradient), ..Seeds::default() })?)
}

/// Rounds of draws that are for fine-tuning: apart from those of answers.
const TUNING: u64 = 1 << 20;

/// The factor of each draw's ∇ ln q in the gradient of the loss. Log weights further than `largest` from the mean pull no
/// harder; `forward`: whether the weights, where they are good enough, say where the posterior is.
fn factors(log_weights: &[f64], (largest, forward): (f64, bool)) -> (Vec<f64>, TuneReport) {
    let finite: Vec<f64> = log_weights.iter().copied().filter(|w| w.is_finite()).collect();
    let n = finite.len() as f64;
    let mean = finite.iter().sum::<f64>() / n.max(1.0);
    let variance = finite.iter().map(|w| (w - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
    let smoothed = pareto_smooth(log_weights).map(|p| p.weights).unwrap_or_default();
    let ess = if smoothed.is_empty() { 0.0 } else { weights_ess(&smoothed) };
    let factor = |(i, w): (usize, &f64)| {
        let reverse = if w.is_finite() { -(w - mean).clamp(-largest, largest) / (n - 1.0).max(1.0) } else { 0.0 };
        let forward = if forward && ess >= ENOUGH { -smoothed.get(i).copied().unwrap_or(0.0) } else { 0.0 };
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
