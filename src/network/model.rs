//! The network: parameters, the forward pass over a batch, and gradients of a loss that others define.

use dfdx::tensor::CpuError;

use super::arena::Arena;
use super::attend::{AttendForm, AttendNodes, attend};
use super::attention::{Form, Sequences};
use super::batch::Batch;
use super::config::{NetworkConfig, Norm};
use super::error::NetworkError;
use super::feed::{FeedNodes, feed};
use super::layout::{AttendLayout, FeedLayout, Layout, Pair};
use super::operation::{EmbedNodes, activate, affine, cross_entropy, embed, gather, normalise, sum};
use super::parameters::{Declared, Part};
use super::record::{Matrix, Node, Recorder};

/// A network with its parameters.
#[derive(Debug)]
pub struct Network {
    pub(super) config: NetworkConfig,
    pub(super) layout: Layout,
    pub(super) tensors: Vec<Matrix>,
    /// Which parameters train.
    trained: Vec<bool>,
    pub(super) arena: Arena,
}

/// A parameter by name.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// Its name, as in weights files.
    pub name: String,
    /// Its shape: `[out, in]` of weights, `[width]` of biases.
    pub shape: Vec<usize>,
    /// Its values, row by row.
    pub values: Vec<f32>,
}

/// Gradients of a loss, one vector a parameter in the order of [`Network::names`]; empty where the parameter is frozen.
#[derive(Clone, Debug, PartialEq)]
pub struct Gradients {
    pub(super) values: Vec<Vec<f32>>,
}

/// A forward pass: its results, and what gradients need.
pub struct Pass {
    recorder: Recorder,
    leaves: Vec<Node>,
    trained: Vec<bool>,
    encoded: Node,
    logits: Option<Node>,
    loss: Option<Node>,
    decoded: Option<Node>,
    head: Option<Node>,
}

/// The gradient of the loss with respect to results of a pass; `None` where the loss does not depend on it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seeds {
    /// The factor of the language loss.
    pub language: Option<f32>,
    /// ∂loss/∂head outputs, `[C, outputs]`.
    pub head: Option<Vec<f32>>,
    /// ∂loss/∂decoder outputs, `[E, width]`.
    pub decoded: Option<Vec<f32>>,
    /// ∂loss/∂encoder outputs, `[T, width]`.
    pub encoded: Option<Vec<f32>>,
}

impl Network {
    /// A network with random parameters, a function of configuration and seed.
    ///
    /// # Errors
    ///
    /// [`NetworkError::Config`] if the configuration is inconsistent.
    ///
    /// ```
    /// use unmask::network::{EncoderConfig, Network, NetworkConfig};
    /// let encoder = EncoderConfig::compact(100, 64, 0);
    /// let network = Network::new(NetworkConfig { encoder, language: true, decoder: None, head: None }, 1)?;
    /// assert_eq!(network.parameter("language.bias").unwrap().shape, [100]);
    /// # Ok::<(), unmask::network::NetworkError>(())
    /// ```
    pub fn new(config: NetworkConfig, seed: u64) -> Result<Self, NetworkError> {
        Self::with(config, |index, declared| Ok(declared.initial(seed, index)))
    }

    /// A network whose parameters come from a function.
    pub(super) fn with(
        config: NetworkConfig,
        mut values: impl FnMut(usize, &Declared) -> Result<Vec<f32>, NetworkError>,
    ) -> Result<Self, NetworkError> {
        config.validate()?;
        let layout = Layout::new(&config);
        let mut tensors = Vec::with_capacity(layout.declared.len());
        for (index, declared) in layout.declared.iter().enumerate() {
            tensors.push(declared.tensor(values(index, declared)?)?);
        }
        let trained = vec![true; tensors.len()];
        Ok(Self { config, layout, tensors, trained, arena: Arena::default() })
    }

    /// A network of its own with the same parameters.
    ///
    /// # Errors
    ///
    /// [`NetworkError::Memory`] if there is no memory for it.
    pub fn duplicate(&self) -> Result<Self, NetworkError> {
        Self::with(self.config.clone(), |index, _| Ok(self.values(index)))
    }

    /// The configuration.
    pub fn config(&self) -> &NetworkConfig {
        &self.config
    }

    /// Names of the parameters, in the order of gradients.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.layout.declared.iter().map(|d| d.name.as_str())
    }

    /// Number of parameters, all elements counted.
    pub fn size(&self) -> usize {
        self.layout.declared.iter().map(Declared::len).sum()
    }

    /// A copy of a parameter by name.
    pub fn parameter(&self, name: &str) -> Option<Parameter> {
        let index = self.names().position(|n| n == name)?;
        let declared = &self.layout.declared[index];
        Some(Parameter { name: name.to_owned(), shape: declared.shape.clone(), values: self.values(index) })
    }

    /// Replaces the values of a parameter.
    ///
    /// # Errors
    ///
    /// [`NetworkError::Unexpected`] for an unknown name, [`NetworkError::Length`] for another number of values.
    pub fn set_parameter(&mut self, name: &str, values: &[f32]) -> Result<(), NetworkError> {
        let Some(index) = self.names().position(|n| n == name) else {
            return Err(NetworkError::Unexpected { name: name.to_owned() });
        };
        let expected = self.layout.declared[index].len();
        if values.len() != expected {
            return Err(NetworkError::Length { what: "parameter", expected, found: values.len() });
        }
        self.tensors[index].copy_from(values);
        Ok(())
    }

    pub(super) fn values(&self, index: usize) -> Vec<f32> {
        let mut values = vec![0.0; self.layout.declared[index].len()];
        self.tensors[index].copy_into(&mut values);
        values
    }

    /// Trains only the top layers of the encoder (and the heads and the decoder), the embeddings frozen; `None` trains
    /// everything.
    pub fn train_layers(&mut self, layers: Option<usize>) {
        let first = layers.map(|n| self.config.encoder.layers.saturating_sub(n));
        for (trained, declared) in self.trained.iter_mut().zip(&self.layout.declared) {
            *trained = match (first, declared.part) {
                (None, _) | (Some(_), Part::Top) => true,
                (Some(_), Part::Embedding) => false,
                (Some(first), Part::Layer(i)) => i >= first,
            };
        }
    }

    /// A forward pass that gradients can be asked of.
    ///
    /// # Errors
    ///
    /// What [`Batch::validate`] finds.
    pub fn forward(&self, batch: &Batch) -> Result<Pass, NetworkError> {
        self.pass(batch, true)
    }

    /// A forward pass without gradients.
    ///
    /// # Errors
    ///
    /// What [`Batch::validate`] finds.
    pub fn evaluate(&self, batch: &Batch) -> Result<Pass, NetworkError> {
        self.pass(batch, false)
    }

    fn pass(&self, batch: &Batch, tape: bool) -> Result<Pass, NetworkError> {
        batch.validate(&self.config)?;
        let mut recorder = Recorder::new(self.arena.clone(), tape);
        let pairs = self.tensors.iter().zip(&self.trained);
        let leaves: Vec<Node> = pairs.map(|(tensor, &trained)| recorder.leaf(tensor, trained)).collect();
        let mut flow = Flow { network: self, batch, leaves, recorder };
        let encoded = flow.encode()?;
        let (logits, loss) = flow.language(&encoded)?.unzip();
        let decoded = flow.decode(&encoded)?;
        let head = match &decoded {
            Some(decoded) => flow.head(decoded)?,
            None => None,
        };
        let Flow { leaves, recorder, .. } = flow;
        let trained = self.trained.clone();
        Ok(Pass { recorder, leaves, trained, encoded, logits, loss, decoded, head })
    }
}

/// A pass that is being made.
struct Flow<'a> {
    network: &'a Network,
    batch: &'a Batch,
    leaves: Vec<Node>,
    recorder: Recorder,
}

impl Flow<'_> {
    fn pair(&self, [a, b]: Pair) -> [Node; 2] {
        [self.leaves[a].clone(), self.leaves[b].clone()]
    }

    fn affine(&mut self, x: &Node, pair: Pair) -> Result<Node, CpuError> {
        let nodes = self.pair(pair);
        affine(&mut self.recorder, x, &nodes)
    }

    fn normalise(&mut self, x: &Node, pair: Pair) -> Result<Node, CpuError> {
        let nodes = self.pair(pair);
        normalise(&mut self.recorder, self.network.config.encoder.epsilon, x, &nodes)
    }

    fn attend_nodes(&self, layout: &AttendLayout) -> AttendNodes {
        AttendNodes {
            norm: self.pair(layout.norm),
            query: self.pair(layout.query),
            key_value: self.pair(layout.key_value),
            projection: self.pair(layout.projection),
        }
    }

    fn feed_nodes(&self, layout: &FeedLayout) -> FeedNodes {
        FeedNodes { norm: self.pair(layout.norm), inner: self.pair(layout.inner), outer: self.pair(layout.outer) }
    }

    /// The encoder: `[T, width]`.
    fn encode(&mut self) -> Result<Node, CpuError> {
        let (layout, config) = (&self.network.layout, &self.network.config.encoder);
        let nodes = EmbedNodes {
            token: self.leaves[layout.token].clone(),
            position: self.leaves[layout.position].clone(),
            token_type: layout.token_type.map(|i| self.leaves[i].clone()),
            feature: layout.feature.map(|pair| self.pair(pair)),
        };
        let first = config.first_position as u32;
        let positions: Vec<u32> = self.batch.positions.iter().map(|p| p + first).collect();
        let mut x = embed(&mut self.recorder, &self.batch.tokens, &positions, &self.batch.features, &nodes)?;
        if config.norm == Norm::Post {
            x = self.normalise(&x, layout.norm)?;
        }
        let attention = Form { width: config.width, heads: config.heads, causal: false };
        let form = AttendForm { norm: config.norm, epsilon: config.epsilon, attention };
        let offsets = &self.batch.offsets;
        for (attention, feed_layout) in &layout.layers {
            let sequences = Sequences { queries: offsets.clone(), keys: offsets.clone() };
            let nodes = self.attend_nodes(attention);
            x = attend(&mut self.recorder, form, sequences, &x, None, &nodes)?;
            let nodes = self.feed_nodes(feed_layout);
            x = feed(&mut self.recorder, config.norm, config.epsilon, &x, &nodes)?;
        }
        if config.norm == Norm::Pre {
            x = self.normalise(&x, layout.norm)?;
        }
        Ok(x)
    }

    /// The language head at the rows asked for: logits `[R, vocabulary]`, and the loss.
    fn language(&mut self, encoded: &Node) -> Result<Option<(Node, Node)>, CpuError> {
        let Some(language) = &self.network.layout.language else { return Ok(None) };
        if self.batch.language_rows.is_empty() {
            return Ok(None);
        }
        let rows = gather(&mut self.recorder, encoded, &self.batch.language_rows)?;
        let dense = self.affine(&rows, language.dense)?;
        let active = activate(&mut self.recorder, &dense)?;
        let normal = self.normalise(&active, language.norm)?;
        let logits = self.affine(&normal, [self.network.layout.token, language.bias])?;
        let loss = cross_entropy(&mut self.recorder, &logits, &self.batch.language_targets)?;
        Ok(Some((logits, loss)))
    }

    /// The decoder: `[E, width]`.
    fn decode(&mut self, encoded: &Node) -> Result<Option<Node>, CpuError> {
        let (Some(layout), Some(config)) = (&self.network.layout.decoder, &self.network.config.decoder) else {
            return Ok(None);
        };
        let batch = self.batch;
        if batch.element_rows.is_empty() {
            return Ok(None);
        }
        let epsilon = self.network.config.encoder.epsilon;
        let memory = gather(&mut self.recorder, encoded, &batch.memory)?;
        let variable = gather(&mut self.recorder, encoded, &batch.element_rows)?;
        let variable = self.affine(&variable, layout.variable)?;
        let features = self.recorder.input(batch.element_features.clone(), config.features)?;
        let features = self.affine(&features, layout.feature)?;
        let features = activate(&mut self.recorder, &features)?;
        let features = self.affine(&features, layout.feature_outer)?;
        let mut x = sum(&mut self.recorder, &variable, &features)?;
        let attention = Form { width: config.width, heads: config.heads, causal: true };
        let form = AttendForm { norm: Norm::Pre, epsilon, attention };
        let cross_form = AttendForm { attention: Form { causal: false, ..attention }, ..form };
        let elements = &batch.element_offsets;
        for (attention, cross, feed_layout) in &layout.layers {
            let own = Sequences { queries: elements.clone(), keys: elements.clone() };
            let nodes = self.attend_nodes(attention);
            x = attend(&mut self.recorder, form, own, &x, None, &nodes)?;
            let other = Sequences { queries: elements.clone(), keys: batch.memory_offsets.clone() };
            let nodes = self.attend_nodes(cross);
            x = attend(&mut self.recorder, cross_form, other, &x, Some(&memory), &nodes)?;
            let nodes = self.feed_nodes(feed_layout);
            x = feed(&mut self.recorder, Norm::Pre, epsilon, &x, &nodes)?;
        }
        Ok(Some(self.normalise(&x, layout.norm)?))
    }

    /// The head: `[C, outputs]`.
    fn head(&mut self, decoded: &Node) -> Result<Option<Node>, CpuError> {
        let (Some(layout), Some(config)) = (&self.network.layout.head, &self.network.config.head) else {
            return Ok(None);
        };
        if self.batch.component_elements.is_empty() {
            return Ok(None);
        }
        let element = self.affine(decoded, layout.element)?;
        let element = gather(&mut self.recorder, &element, &self.batch.component_elements)?;
        let component = self.recorder.input(self.batch.component_features.clone(), config.features)?;
        let component = self.affine(&component, layout.component)?;
        let hidden = sum(&mut self.recorder, &element, &component)?;
        let hidden = activate(&mut self.recorder, &hidden)?;
        Ok(Some(self.affine(&hidden, layout.out)?))
    }
}

impl Pass {
    fn copy(&self, node: Option<&Node>) -> Option<Vec<f32>> {
        node.map(|n| self.recorder.values(n).into_vec())
    }

    /// The encoder's rows, `[T, width]`.
    pub fn encoded(&self) -> Vec<f32> {
        self.recorder.values(&self.encoded).into_vec()
    }

    /// The language head's logits at the rows asked for, `[R, vocabulary]`; `None` if none were.
    pub fn language_logits(&self) -> Option<Vec<f32>> {
        self.copy(self.logits.as_ref())
    }

    /// The language loss: the mean over rows of −log p(target), in nats.
    pub fn language_loss(&self) -> Option<f32> {
        self.copy(self.loss.as_ref()).map(|loss| loss[0])
    }

    /// The decoder's outputs, `[E, width]`; `None` without elements.
    pub fn decoded(&self) -> Option<Vec<f32>> {
        self.copy(self.decoded.as_ref())
    }

    /// The head's outputs, `[C, outputs]`; `None` without components.
    pub fn head(&self) -> Option<Vec<f32>> {
        self.copy(self.head.as_ref())
    }

    /// Gradients of the loss, given its gradient with respect to the results.
    ///
    /// # Errors
    ///
    /// [`NetworkError::NotRecorded`] on a pass of [`Network::evaluate`], [`NetworkError::NoPart`] for a result that this
    /// pass does not have, [`NetworkError::Length`] for a gradient of another length.
    pub fn backward(self, seeds: Seeds) -> Result<Gradients, NetworkError> {
        if !self.recorder.records() {
            return Err(NetworkError::NotRecorded);
        }
        let pairs = [
            ("language loss", self.loss, seeds.language.map(|scale| vec![scale])),
            ("head", self.head, seeds.head),
            ("decoder output", self.decoded, seeds.decoded),
            ("encoder output", Some(self.encoded), seeds.encoded),
        ];
        let mut given = Vec::new();
        for (part, node, seed) in pairs {
            let Some(seed) = seed else { continue };
            let Some(node) = node else { return Err(NetworkError::NoPart { part }) };
            let expected = node.shape().0 * node.shape().1;
            if seed.len() != expected {
                return Err(NetworkError::Length { what: part, expected, found: seed.len() });
            }
            given.push((node, seed));
        }
        let mut recorded = self.recorder.backward(given)?;
        let mut values = Vec::with_capacity(self.leaves.len());
        for (leaf, trained) in self.leaves.iter().zip(self.trained) {
            values.push(if trained { recorded.take(leaf)? } else { Vec::new() });
        }
        Ok(Gradients { values })
    }
}

impl Gradients {
    /// The gradient of each parameter, in the order of [`Network::names`]; empty where it is frozen.
    pub fn iter(&self) -> impl Iterator<Item = &[f32]> {
        self.values.iter().map(Vec::as_slice)
    }

    /// The Euclidean norm of all of them together.
    pub fn norm(&self) -> f64 {
        let squares = |values: &Vec<f32>| values.iter().map(|&g| f64::from(g) * f64::from(g)).sum::<f64>();
        self.values.iter().map(squares).sum::<f64>().sqrt()
    }

    /// Adds other gradients: batches in parts.
    pub fn add(&mut self, other: &Gradients) {
        for (mine, theirs) in self.values.iter_mut().zip(&other.values) {
            super::simd::vectorised(|| super::simd::add(mine, theirs));
        }
    }
}
