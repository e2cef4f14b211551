//! A pass of dfdx's own operations, generic over dfdx's device: what a GPU runs, and on the processor the reference for the
//! fused operations.
//!
//! Rows stay packed, as in the batch, so each affine map is one product. For attention alone, rows are gathered into
//! `[sequences · heads, length, head width]`, padded to the longest sequence: its products are one batched product each.
//! Gathers go by indices, which also cut rows into heads, so nothing is permuted in memory.
//!
//! The tape is kept in passes without gradients, too: they need the memory of one with them.

mod layout;
mod operation;
mod results;

use dfdx::shapes::HasShape;
use dfdx::tensor::{OwnedTape, Tensor, WithEmptyTape};
use dfdx::tensor_ops::{Device as Kernels, TryAdd};

use super::batch::Batch;
use super::config::Norm;
use super::error::NetworkError;
use super::layout::{AttendLayout, FeedLayout, Pair};
use super::model::Network;
use super::pass::{Output, Pass};
use layout::{Index, Layout};
use operation::{AttendNodes, affine, attention, cross_entropy, gather, gelu, normalise};
use results::Results;

/// A tensor of two dimensions; vectors have one row.
type Matrix<D> = Tensor<(usize, usize), f32, D>;

/// One with the tape of what it was made by.
type Taped<D> = Tensor<(usize, usize), f32, D, OwnedTape<f32, D>>;

/// Logits, and the loss.
type Scored<D> = (Taped<D>, Taped<D>);

/// A network's parameters on a device.
#[derive(Debug)]
pub(super) struct Composed<D: Kernels<f32>> {
    device: D,
    parameters: Vec<Matrix<D>>,
}

/// An error of dfdx's device as one of ours.
fn failed<E: std::fmt::Display>(error: E) -> NetworkError {
    NetworkError::Device { reason: error.to_string() }
}

/// Whether these operations can run a batch: tensors without rows, and attention to nothing, are beyond them.
pub(super) fn suits(batch: &Batch) -> bool {
    let sequences = batch.element_offsets.windows(2).zip(batch.memory_offsets.windows(2));
    let lost = |(elements, memory): (&[usize], &[usize])| elements[0] < elements[1] && memory[0] == memory[1];
    !batch.tokens.is_empty() && !sequences.into_iter().any(lost)
}

impl<D: Kernels<f32>> Composed<D> {
    /// Copies a network's parameters to a device.
    pub(super) fn new(device: D, network: &Network) -> Result<Self, NetworkError> {
        let mut composed = Self { device, parameters: Vec::with_capacity(network.tensors.len()) };
        for index in 0..network.tensors.len() {
            let parameter = composed.parameter(network, index)?;
            composed.parameters.push(parameter);
        }
        Ok(composed)
    }

    /// Copies the parameters that train once more.
    pub(super) fn update(&mut self, network: &Network) -> Result<(), NetworkError> {
        for index in (0..network.tensors.len()).filter(|&i| network.trained[i]) {
            self.parameters[index] = self.parameter(network, index)?;
        }
        Ok(())
    }

    fn parameter(&self, network: &Network, index: usize) -> Result<Matrix<D>, NetworkError> {
        let shape = *network.tensors[index].shape();
        self.device.try_tensor_from_vec(network.values(index), shape).map_err(failed)
    }

    /// A forward pass over a valid batch that [`suits`]; `records`: whether gradients will be asked of it.
    pub(super) fn pass(&self, network: &Network, batch: &Batch, records: bool) -> Result<Pass, NetworkError> {
        let outputs = Flow { composed: self, network, batch }.outputs().map_err(failed)?;
        let leaves = self.parameters.iter().cloned().zip(network.trained.iter().copied()).collect();
        Ok(Pass::new(Results { device: self.device.clone(), outputs, leaves, records }))
    }
}

/// A pass that is being made.
struct Flow<'a, D: Kernels<f32>> {
    composed: &'a Composed<D>,
    network: &'a Network,
    batch: &'a Batch,
}

impl<D: Kernels<f32>> Flow<'_, D> {
    fn outputs(&self) -> Result<Vec<(Output, Taped<D>)>, D::Err> {
        let mut outputs = Vec::new();
        let encoded = self.encode()?;
        if let Some((logits, loss)) = self.language(&encoded)? {
            outputs.extend([(Output::Logits, logits), (Output::Loss, loss)]);
        }
        if let Some(decoded) = self.decode(&encoded)? {
            outputs.extend(self.head(&decoded)?.map(|head| (Output::Head, head)));
            outputs.push((Output::Decoded, decoded));
        }
        outputs.push((Output::Encoded, encoded));
        Ok(outputs)
    }

    fn leaf(&self, index: usize) -> Taped<D> {
        self.composed.parameters[index].retaped()
    }

    fn pair(&self, [a, b]: Pair) -> [Taped<D>; 2] {
        [self.leaf(a), self.leaf(b)]
    }

    fn index(&self, rows: impl Iterator<Item = usize>) -> Result<Index<D>, D::Err> {
        let rows: Vec<usize> = rows.collect();
        let shape = (rows.len(),);
        self.composed.device.try_tensor_from_vec(rows, shape)
    }

    /// Rows of x by index, `[rows.len(), width]`.
    fn rows(&self, x: &Taped<D>, rows: &[u32]) -> Result<Taped<D>, D::Err> {
        gather(x.with_empty_tape(), &self.index(rows.iter().map(|&r| r as usize))?)
    }

    /// Brings data in, `[values.len() / columns, columns]`.
    fn input(&self, values: &[f32], columns: usize) -> Result<Taped<D>, D::Err> {
        let shape = (values.len() / columns, columns);
        Ok(self.composed.device.try_tensor_from_vec(values.to_vec(), shape)?.retaped())
    }

    fn normalise(&self, x: Taped<D>, pair: Pair) -> Result<Taped<D>, D::Err> {
        normalise(self.network.config.encoder.epsilon, x, self.pair(pair))
    }

    /// Half a layer: x plus f of it, normalised before or after.
    fn half(
        &self,
        norm: Norm,
        x: Taped<D>,
        pair: Pair,
        f: impl FnOnce(Taped<D>) -> Result<Taped<D>, D::Err>,
    ) -> Result<Taped<D>, D::Err> {
        let residual = x.with_empty_tape();
        match norm {
            Norm::Pre => f(self.normalise(x, pair)?)?.try_add(residual),
            Norm::Post => self.normalise(f(x)?.try_add(residual)?, pair),
        }
    }

    /// The attention half of a layer. Keys and values are made of `memory`, or of what queries are made of.
    fn attend(
        &self,
        norm: Norm,
        x: Taped<D>,
        memory: Option<Taped<D>>,
        at: &AttendLayout,
        layout: &Layout<D>,
    ) -> Result<Taped<D>, D::Err> {
        self.half(norm, x, at.norm, |x| {
            let memory = memory.unwrap_or_else(|| x.with_empty_tape());
            let [query, key_value, projection] = [at.query, at.key_value, at.projection].map(|pair| self.pair(pair));
            attention(x, memory, AttendNodes { query, key_value, projection }, layout)
        })
    }

    /// The feed-forward half of a layer.
    fn feed(&self, norm: Norm, x: Taped<D>, at: &FeedLayout) -> Result<Taped<D>, D::Err> {
        self.half(norm, x, at.norm, |x| affine(gelu(affine(x, self.pair(at.inner))?)?, self.pair(at.outer)))
    }

    /// The encoder: `[T, width]`.
    fn encode(&self) -> Result<Taped<D>, D::Err> {
        let (layout, config, batch) = (&self.network.layout, &self.network.config.encoder, self.batch);
        let positions: Vec<u32> = batch.positions.iter().map(|p| p + config.first_position as u32).collect();
        let mut x = self.rows(&self.leaf(layout.token), &batch.tokens)?;
        x = x.try_add(self.rows(&self.leaf(layout.position), &positions)?)?;
        if let Some(index) = layout.token_type {
            x = x.try_add(self.rows(&self.leaf(index), &vec![0; batch.tokens.len()])?)?;
        }
        if let Some(pair) = layout.feature {
            x = x.try_add(affine(self.input(&batch.features, config.features)?, self.pair(pair))?)?;
        }
        if config.norm == Norm::Post {
            x = self.normalise(x, layout.norm)?;
        }
        let own = Layout::new(&self.composed.device, config.heads, [&batch.offsets, &batch.offsets], false)?;
        for (attention, feed) in &layout.layers {
            x = self.attend(config.norm, x, None, attention, &own)?;
            x = self.feed(config.norm, x, feed)?;
        }
        if config.norm == Norm::Pre {
            x = self.normalise(x, layout.norm)?;
        }
        Ok(x)
    }

    /// The language head at the rows asked for: logits `[R, vocabulary]`, and the loss.
    fn language(&self, encoded: &Taped<D>) -> Result<Option<Scored<D>>, D::Err> {
        let Some(language) = &self.network.layout.language else { return Ok(None) };
        if self.batch.language_rows.is_empty() {
            return Ok(None);
        }
        let dense = affine(self.rows(encoded, &self.batch.language_rows)?, self.pair(language.dense))?;
        let normal = self.normalise(gelu(dense)?, language.norm)?;
        let logits = affine(normal, self.pair([self.network.layout.token, language.bias]))?;
        let targets = self.index(self.batch.language_targets.iter().map(|&t| t as usize))?;
        let loss = cross_entropy(logits.with_empty_tape(), targets)?;
        Ok(Some((logits, loss)))
    }

    /// The decoder: `[E, width]`.
    fn decode(&self, encoded: &Taped<D>) -> Result<Option<Taped<D>>, D::Err> {
        let (Some(layout), Some(config)) = (&self.network.layout.decoder, &self.network.config.decoder) else {
            return Ok(None);
        };
        let batch = self.batch;
        if batch.element_rows.is_empty() {
            return Ok(None);
        }
        let features = self.input(&batch.element_features, config.features)?;
        let features = affine(gelu(affine(features, self.pair(layout.feature))?)?, self.pair(layout.feature_outer))?;
        let mut x = affine(self.rows(encoded, &batch.element_rows)?, self.pair(layout.variable))?.try_add(features)?;
        let mut memory = self.rows(encoded, &batch.memory)?;
        let (device, elements) = (&self.composed.device, &batch.element_offsets);
        let own = Layout::new(device, config.heads, [elements, elements], true)?;
        let other = Layout::new(device, config.heads, [elements, &batch.memory_offsets], false)?;
        for (attention, cross, feed) in &layout.layers {
            x = self.attend(Norm::Pre, x, None, attention, &own)?;
            // The first layer takes the tape of the memory along.
            let lent = memory.with_empty_tape();
            x = self.attend(Norm::Pre, x, Some(std::mem::replace(&mut memory, lent)), cross, &other)?;
            x = self.feed(Norm::Pre, x, feed)?;
        }
        Ok(Some(self.normalise(x, layout.norm)?))
    }

    /// The head: `[C, outputs]`.
    fn head(&self, decoded: &Taped<D>) -> Result<Option<Taped<D>>, D::Err> {
        let (Some(layout), Some(config)) = (&self.network.layout.head, &self.network.config.head) else {
            return Ok(None);
        };
        if self.batch.component_elements.is_empty() {
            return Ok(None);
        }
        let element = affine(decoded.with_empty_tape(), self.pair(layout.element))?;
        let rows = self.index(self.batch.component_elements.iter().map(|&e| e as usize))?;
        let component = self.input(&self.batch.component_features, config.features)?;
        let hidden = gather(element, &rows)?.try_add(affine(component, self.pair(layout.component))?)?;
        Ok(Some(affine(gelu(hidden)?, self.pair(layout.out))?))
    }
}
