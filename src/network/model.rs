//! The network: parameters, and the forward pass over a batch by fused operations.

use dfdx::tensor::CpuError;

use super::arena::Arena;
use super::attend::{AttendForm, AttendNodes, attend};
use super::attention::{AttentionMap, Form, Sequences};
use super::batch::{Batch, Sequence};
use super::config::{NetworkConfig, Norm};
use super::error::NetworkError;
use super::feed::{FeedNodes, feed};
use super::layout::{AttendLayout, FeedLayout, Layout, Pair};
use super::operation::{EmbedNodes, activate, affine, cross_entropy, embed, gather, normalise, sum};
use super::parameters::{Declared, Part};
use super::pass::{Output, Outputs, Pass};
use super::record::{Matrix, Node, Recorder};

/// A network with its parameters.
#[derive(Debug)]
pub struct Network {
    pub(super) config: NetworkConfig,
    pub(super) layout: Layout,
    pub(super) tensors: Vec<Matrix>,
    /// Which parameters train.
    pub(super) trained: Vec<bool>,
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

/// A pass of fused operations.
struct Recording {
    recorder: Recorder,
    leaves: Vec<Node>,
    trained: Vec<bool>,
    outputs: Vec<(Output, Node)>,
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

    /// The attention of each layer of the encoder in one sequence, from the first layer on.
    ///
    /// # Errors
    ///
    /// What [`Batch::validate`] finds.
    ///
    /// ```
    /// use unmask::network::{EncoderConfig, Network, NetworkConfig, Sequence};
    /// let config = NetworkConfig { encoder: EncoderConfig::compact(9, 8, 0), language: true, decoder: None, head: None };
    /// let sequence = Sequence { tokens: vec![3, 1], positions: vec![0, 1], ..Sequence::default() };
    /// let maps = Network::new(config, 1)?.attention_maps(&sequence)?;
    /// assert!((maps[0].values[..2].iter().sum::<f32>() - 1.0).abs() < 1e-5);
    /// # Ok::<(), unmask::network::NetworkError>(())
    /// ```
    pub fn attention_maps(&self, sequence: &Sequence) -> Result<Vec<AttentionMap>, NetworkError> {
        let batch = Batch::of_text(sequence);
        batch.validate(&self.config)?;
        let mut recorder = Recorder::new(self.arena.clone(), false);
        recorder.maps = Some(Vec::new());
        let leaves: Vec<Node> = self.tensors.iter().map(|tensor| recorder.leaf(tensor, false)).collect();
        let mut flow = Flow { network: self, batch: &batch, leaves, recorder };
        flow.encode()?;
        Ok(flow.recorder.maps.take().unwrap_or_default())
    }

    pub(super) fn pass(&self, batch: &Batch, tape: bool) -> Result<Pass, NetworkError> {
        batch.validate(&self.config)?;
        let mut recorder = Recorder::new(self.arena.clone(), tape);
        let pairs = self.tensors.iter().zip(&self.trained);
        let leaves: Vec<Node> = pairs.map(|(tensor, &trained)| recorder.leaf(tensor, trained)).collect();
        let mut flow = Flow { network: self, batch, leaves, recorder };
        let mut outputs = Vec::new();
        let encoded = flow.encode()?;
        if let Some((logits, loss)) = flow.language(&encoded)? {
            outputs.extend([(Output::Logits, logits), (Output::Loss, loss)]);
        }
        if let Some(decoded) = flow.decode(&encoded)? {
            outputs.extend(flow.head(&decoded)?.map(|head| (Output::Head, head)));
            outputs.push((Output::Decoded, decoded));
        }
        outputs.push((Output::Encoded, encoded));
        let Flow { leaves, recorder, .. } = flow;
        Ok(Pass::new(Recording { recorder, leaves, trained: self.trained.clone(), outputs }))
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

impl Recording {
    fn find(&self, output: Output) -> Option<&Node> {
        self.outputs.iter().find(|(own, _)| *own == output).map(|(_, node)| node)
    }
}

impl Outputs for Recording {
    fn records(&self) -> bool {
        self.recorder.records()
    }

    fn shape(&self, output: Output) -> Option<(usize, usize)> {
        self.find(output).map(Node::shape)
    }

    fn values(&self, output: Output) -> Option<Vec<f32>> {
        self.find(output).map(|node| self.recorder.values(node).into_vec())
    }

    fn backward(self: Box<Self>, seeds: Vec<(Output, Vec<f32>)>) -> Result<Vec<Vec<f32>>, NetworkError> {
        let seeds = seeds.into_iter().filter_map(|(output, seed)| Some((self.find(output)?.clone(), seed))).collect();
        let Self { recorder, leaves, trained, .. } = *self;
        let mut recorded = recorder.backward(seeds)?;
        let mut values = Vec::with_capacity(leaves.len());
        for (leaf, trained) in leaves.iter().zip(trained) {
            values.push(if trained { recorded.take(leaf)? } else { Vec::new() });
        }
        Ok(values)
    }
}
