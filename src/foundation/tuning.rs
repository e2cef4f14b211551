//! Fine-tuning: gradient steps towards the posterior of one query.
//!
//! The objective is half the variance of the log weights of draws from the network, whose gradient is that of the evidence
//! lower bound by the score-function estimator with a leave-one-out baseline (Richter et al. 2020, "VarGrad", equation 9);
//! where weights are good enough to say where the posterior is, also the forward divergence, on the weighted draws. Anchors
//! stay; the decoder and the head learn, and layers of the encoder where that is asked for. The query is encoded once a step.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::decode::Recorded;
use super::error::FoundationError;
use super::feature::push_components;
use super::head::OUTPUTS;
use super::weights::{Decode, Foundation};
use crate::infer::anchors::{Anchors, Decoded, Element};
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
            let gradients = gradients(&tuned, &batch, &recorded, &|draw, _| factors[draw])?;
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
    /// Weights that give the posterior of the whole plate for what is outside of it, while they read `prompt`: all of a query, or
    /// one of its minibatches.
    ///
    /// The evidence lower bound sees a few iterations at a time, scaled by n/k (equation 4 and A.8 of the paper), by the
    /// score-function estimator with a leave-one-out baseline. What is outside the plate is drawn as the network says of `prompt`,
    /// whatever the minibatch: a distribution that could read the minibatch would learn the posterior of n/k copies of it. What is
    /// of the plate is drawn given that, as these weights say of the minibatch, not the new ones; these learn what is of the plate in
    /// `prompt`. Steps go on until `more` says no.
    ///
    /// # Errors
    /// As [`Foundation::tune`].
    pub fn tune_plated(
        &self,
        prompt: &Target,
        minibatches: &mut Minibatches<'_>,
        options: &TuneOptions,
        mut more: impl FnMut(&TuneReport) -> bool,
    ) -> Result<Self, FoundationError> {
        let query = Query::for_anchors::<FoundationError>(prompt.borrow(), options.seed)?;
        let anchors = Anchors::new(&query.compiled, &query.prior)?;
        let mut outside = Outside::new(&query, &anchors, minibatches.is_local);
        let mut tuned = self.duplicate()?;
        tuned.network.train_layers(Some(options.layers));
        let schedule = AdamOptions { rate: options.rate, warmup: 5, total: options.steps + 1, clip: 1.0 };
        let mut adam = Adam::new(&tuned.network, schedule);
        let size = minibatches.batch.max(1);
        for step in 0..options.steps {
            let prepared = tuned.prepare(&query)?;
            let recorded = prepared.record(&anchors, options.draws, (options.seed, TUNING + step))?;
            let values: Vec<FxHashMap<Part, Decoded>> = recorded.iter().map(|draw| outside.values(draw)).collect();
            let mut log_weights = Vec::with_capacity(recorded.len());
            for draw in &recorded {
                log_weights.push(outside.log_target(draw)? - outside.log_network(draw));
            }
            let inside: Vec<f64> = recorded.iter().zip(&log_weights).map(|(draw, own)| draw.inside(*own)).collect();
            let (of_plate, _) = factors(&inside, (LARGEST, false));
            for index in step * size as u64..(step + 1) * size as u64 {
                let minibatch = (minibatches.make)(index)?;
                let inside =
                    log_inside(self, &minibatch, minibatches.is_local, &values, (options.seed, PLATED + index))?;
                for (log_weight, inside) in log_weights.iter_mut().zip(inside) {
                    *log_weight += minibatches.scale / size as f64 * inside;
                }
            }
            let (of_outside, report) = factors(&log_weights, (LARGEST * minibatches.scale.max(1.0), false));
            let batch = batch(&prepared, &anchors, &recorded)?;
            drop(prepared);
            let gradients = gradients(&tuned, &batch, &recorded, &|draw, element| {
                if outside.has(element) { of_outside[draw] } else { of_plate[draw] }
            })?;
            adam.step(&mut tuned.network, &gradients)?;
            if !more(&TuneReport { step: step + 1, ..report }) {
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

/// An element whatever the program: its variable, and which of its coordinates.
type Part = (Arc<str>, Vec<i64>, usize);

/// What is outside a plate.
struct Outside<'q, 'f> {
    density: PartialDensity<'q>,
    is_local: &'f dyn Fn(&str) -> bool,
    /// By element; `None` of the plate.
    parts: Vec<Option<Part>>,
}

impl<'q, 'f> Outside<'q, 'f> {
    fn new(query: &Query<'q>, anchors: &Anchors<'_>, is_local: &'f dyn Fn(&str) -> bool) -> Self {
        let addresses = anchors.compiled().addresses();
        let mut coordinates: FxHashMap<(Arc<str>, Vec<i64>), usize> = FxHashMap::default();
        let part = |element: &Element| {
            let (variable, indices) = &element.key;
            let name = addresses.name(*variable).clone();
            if is_local(&name) {
                return None;
            }
            let count = coordinates.entry((name.clone(), indices.to_vec())).or_default();
            *count += 1;
            Some((name, indices.to_vec(), *count))
        };
        let parts = anchors.elements().iter().map(part).collect();
        Self { density: PartialDensity::new(query, anchors), is_local, parts }
    }

    fn has(&self, element: usize) -> bool {
        self.parts.get(element).is_some_and(Option::is_some)
    }

    /// What a draw has outside.
    fn values(&self, draw: &Recorded) -> FxHashMap<Part, Decoded> {
        let own = self.parts.iter().zip(&draw.values);
        own.filter_map(|(part, value)| Some((part.clone()?, *value))).collect()
    }

    /// ln of the density of what is outside, masked or known, over coordinates.
    fn log_target(&mut self, draw: &Recorded) -> Result<f64, FoundationError> {
        if draw.log_weight == f64::NEG_INFINITY {
            return Ok(f64::NEG_INFINITY);
        }
        let is_local = self.is_local;
        Ok(self.density.log_density(&draw.values, &|name| !is_local(name))?)
    }

    /// ln of the density with which the network drew what is outside.
    fn log_network(&self, draw: &Recorded) -> f64 {
        self.parts.iter().zip(&draw.log_network).filter(|(part, _)| part.is_some()).map(|(_, log)| log).sum()
    }
}

impl Recorded {
    /// ln of target over proposal of what is of the plate, given that of what is outside.
    fn inside(&self, outside: f64) -> f64 {
        if self.log_weight == f64::NEG_INFINITY { self.log_weight } else { self.log_weight - outside }
    }
}

/// By draw of what is outside the plate: ln of target over proposal of what is in a minibatch.
fn log_inside(
    weights: &Foundation,
    minibatch: &Target,
    is_local: &dyn Fn(&str) -> bool,
    values: &[FxHashMap<Part, Decoded>],
    stream: (u64, u64),
) -> Result<Vec<f64>, FoundationError> {
    let query = Query::for_anchors::<FoundationError>(minibatch.borrow(), stream.0)?;
    let anchors = Anchors::new(&query.compiled, &query.prior)?;
    let mut outside = Outside::new(&query, &anchors, is_local);
    let given = |values: &FxHashMap<Part, Decoded>| -> Vec<Option<Decoded>> {
        outside.parts.iter().map(|part| values.get(part.as_ref()?).copied()).collect()
    };
    let given = values.iter().map(given).collect();
    let recorded = weights.prepare(&query)?.record_given(&anchors, given, stream)?;
    let mut inside = Vec::with_capacity(recorded.len());
    for draw in &recorded {
        inside.push(draw.inside(outside.log_target(draw)? - outside.log_network(draw)));
    }
    Ok(inside)
}

/// Gradients of the loss whose derivative with respect to ln q of each draw and element is its factor.
fn gradients(
    tuned: &Foundation,
    batch: &Batch,
    recorded: &[Recorded],
    factor: &dyn Fn(usize, usize) -> f64,
) -> Result<Gradients, FoundationError> {
    let pass = tuned.network.forward(batch)?;
    let Some(outputs) = pass.head() else { return Err(FoundationError::NothingMasked) };
    let mut gradient = vec![0.0; outputs.len()];
    let mut at = 0;
    for (i, draw) in recorded.iter().enumerate() {
        for answered in &draw.answered {
            let end = at + answered.candidates.components.len() * OUTPUTS;
            let own = &outputs[at..end];
            let factor = factor(i, answered.index);
            if factor != 0.0 {
                let adjusted = answered.candidates.adjusted(own);
                adjusted.gradient(answered.value, own, factor, &mut gradient[at..end]);
            }
            at = end;
        }
    }
    Ok(pass.backward(Seeds { head: Some(gradient), ..Seeds::default() })?)
}

/// Rounds of draws that are for fine-tuning, and for what is of a minibatch there: apart from those of answers.
const TUNING: u64 = 1 << 20;
const PLATED: u64 = 1 << 21;

/// The factor of each draw's ∇ ln q in the gradient of the loss. Log weights further than `largest` from the mean pull no
/// harder; `forward`: whether the weights, where they are good enough, say where the posterior is.
fn factors(log_weights: &[f64], (largest, forward): (f64, bool)) -> (Vec<f64>, TuneReport) {
    let finite: Vec<f64> = log_weights.iter().copied().filter(|w| w.is_finite()).collect();
    let n = finite.len() as f64;
    let mean = if finite.is_empty() { f64::NEG_INFINITY } else { finite.iter().sum::<f64>() / n };
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
