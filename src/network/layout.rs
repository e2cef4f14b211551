//! Which parameters a configuration has: one list, from which files, optimiser and passes derive theirs.

use super::config::{DecoderConfig, NetworkConfig, Norm};
use super::parameters::{Declared, Index, Part, Start};

/// Weight and bias, or scale and shift.
pub(super) type Pair = [Index; 2];

/// The attention half of a layer.
#[derive(Clone, Debug)]
pub(super) struct AttendLayout {
    pub norm: Pair,
    pub query: Pair,
    pub key_value: Pair,
    pub projection: Pair,
}

/// The feed-forward half of a layer.
#[derive(Clone, Debug)]
pub(super) struct FeedLayout {
    pub norm: Pair,
    pub inner: Pair,
    pub outer: Pair,
}

/// The language head.
#[derive(Clone, Debug)]
pub(super) struct LanguageLayout {
    pub dense: Pair,
    pub norm: Pair,
    pub bias: Index,
}

/// The decoder.
#[derive(Clone, Debug)]
pub(super) struct DecoderLayout {
    pub variable: Pair,
    pub feature: Pair,
    pub feature_outer: Pair,
    pub layers: Vec<(AttendLayout, AttendLayout, FeedLayout)>,
    pub norm: Pair,
}

/// The head on the decoder.
#[derive(Clone, Debug)]
pub(super) struct HeadLayout {
    pub element: Pair,
    pub component: Pair,
    pub out: Pair,
}

/// All of a network's parameters.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub declared: Vec<Declared>,
    pub token: Index,
    pub position: Index,
    pub token_type: Option<Index>,
    pub feature: Option<Pair>,
    /// After the embeddings (`Norm::Post`) or after the last layer (`Norm::Pre`).
    pub norm: Pair,
    pub layers: Vec<(AttendLayout, FeedLayout)>,
    pub language: Option<LanguageLayout>,
    pub decoder: Option<DecoderLayout>,
    pub head: Option<HeadLayout>,
}

/// Declares parameters under a prefix.
struct Scope<'a> {
    declared: &'a mut Vec<Declared>,
    prefix: String,
    part: Part,
    /// Weights start normal with this deviation; `None`: uniform within 1/√in.
    deviation: Option<f32>,
}

impl Scope<'_> {
    fn one(&mut self, name: &str, shape: &[usize], start: Start) -> Index {
        let name = format!("{}{name}", self.prefix);
        self.declared.push(Declared { name, shape: shape.to_vec(), part: self.part, start });
        self.declared.len() - 1
    }

    fn affine(&mut self, name: &str, out: usize, width: usize) -> Pair {
        let start = self.deviation.map_or(Start::Uniform(1.0 / (width as f32).sqrt()), Start::Normal);
        [
            self.one(&format!("{name}.weight"), &[out, width], start),
            self.one(&format!("{name}.bias"), &[out], Start::Zero),
        ]
    }

    fn norm(&mut self, name: &str, width: usize) -> Pair {
        [
            self.one(&format!("{name}.weight"), &[width], Start::One),
            self.one(&format!("{name}.bias"), &[width], Start::Zero),
        ]
    }

    fn attend(&mut self, name: &str, width: usize, memory: usize) -> AttendLayout {
        AttendLayout {
            norm: self.norm(&format!("{name}.norm"), width),
            query: self.affine(&format!("{name}.query"), width, width),
            key_value: self.affine(&format!("{name}.key_value"), 2 * width, memory),
            projection: self.affine(&format!("{name}.projection"), width, width),
        }
    }

    fn feed(&mut self, width: usize, inner: usize) -> FeedLayout {
        FeedLayout {
            norm: self.norm("feed.norm", width),
            inner: self.affine("feed.inner", inner, width),
            outer: self.affine("feed.outer", width, inner),
        }
    }
}

impl Layout {
    /// The parameters of a valid configuration.
    pub(super) fn new(config: &NetworkConfig) -> Self {
        let encoder = &config.encoder;
        let d = encoder.width;
        // RoBERTa starts from N(0, 0.02²); the compact presets from PyTorch's default for affine maps and N(0, 0.05²).
        let (embedding, deviation) = match encoder.norm {
            Norm::Pre => (Start::Normal(0.05), None),
            Norm::Post => (Start::Normal(0.02), Some(0.02)),
        };
        let mut declared = Vec::new();
        let mut scope =
            Scope { declared: &mut declared, prefix: "encoder.".to_owned(), part: Part::Embedding, deviation };
        let token = scope.one("token.weight", &[encoder.vocabulary, d], embedding);
        let position = scope.one("position.weight", &[encoder.positions, d], embedding);
        let token_type = encoder.token_type.then(|| scope.one("token_type.weight", &[1, d], embedding));
        let feature = (encoder.features > 0).then(|| scope.affine("feature", d, encoder.features));
        if encoder.norm == Norm::Pre {
            scope.part = Part::Top;
        }
        let norm = scope.norm("norm", d);
        let mut layers = Vec::new();
        for i in 0..encoder.layers {
            scope.prefix = format!("encoder.layer.{i}.");
            scope.part = Part::Layer(i);
            layers.push((scope.attend("attention", d, d), scope.feed(d, encoder.inner)));
        }
        scope.part = Part::Top;
        let language = config.language.then(|| {
            scope.prefix = "language.".to_owned();
            LanguageLayout {
                dense: scope.affine("dense", d, d),
                norm: scope.norm("norm", d),
                bias: scope.one("bias", &[encoder.vocabulary], Start::Zero),
            }
        });
        scope.deviation = None;
        let decoder = config.decoder.as_ref().map(|decoder| Self::decoder(&mut scope, decoder, d));
        let head = config.head.as_ref().map(|head| {
            scope.prefix = "head.".to_owned();
            let width = config.decoder.as_ref().map_or(0, |d| d.width);
            let layout = HeadLayout {
                element: scope.affine("element", head.hidden, width),
                component: scope.affine("component", head.hidden, head.features),
                out: scope.affine("out", head.outputs, head.hidden),
            };
            // The head's numbers are corrections to anchors: they start at nothing.
            scope.declared[layout.out[0]].start = Start::Zero;
            layout
        });
        Self { declared, token, position, token_type, feature, norm, layers, language, decoder, head }
    }

    fn decoder(scope: &mut Scope<'_>, decoder: &DecoderConfig, memory: usize) -> DecoderLayout {
        let d = decoder.width;
        scope.prefix = "decoder.".to_owned();
        let variable = scope.affine("variable", d, memory);
        let feature = scope.affine("feature.inner", d, decoder.features);
        let feature_outer = scope.affine("feature.outer", d, d);
        let norm = scope.norm("norm", d);
        let mut layers = Vec::new();
        for i in 0..decoder.layers {
            scope.prefix = format!("decoder.layer.{i}.");
            let attention = scope.attend("attention", d, d);
            let cross = scope.attend("cross", d, memory);
            layers.push((attention, cross, scope.feed(d, decoder.inner)));
        }
        DecoderLayout { variable, feature, feature_outer, layers, norm }
    }
}
