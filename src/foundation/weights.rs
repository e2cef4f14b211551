//! Weights: a network, the encoding that it reads, and the anchors that it was trained on.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::encoding::{Encoding, Stored, TextVocabulary};
use super::error::FoundationError;
use super::familiarity::Familiarity;
use super::feature::{COMPONENT_FEATURES, ELEMENT_FEATURES};
use super::head::{AnchorKind, OUTPUTS};
use crate::network::{
    Adam, Checkpoint, DecoderConfig, EncoderConfig, HeadConfig, Network, NetworkConfig, checkpoint_from_bytes,
    load_checkpoint, save_checkpoint,
};

/// The key of what is kept beside the parameters.
const KEY: &str = "foundation";

/// The form of it.
const VERSION: u32 = 2;

/// The form before: heads without anchors had other bounds, all else is the same.
const NARROW: u32 = 1;

/// What is built in.
const BUNDLED: &[u8] = include_bytes!("../../weights/foundation.safetensors");

/// The decoder and the head of all weights.
fn on_top() -> (DecoderConfig, HeadConfig) {
    (DecoderConfig::light(ELEMENT_FEATURES), HeadConfig { features: COMPONENT_FEATURES, hidden: 64, outputs: OUTPUTS })
}

/// How the values of a draw are decoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Decode {
    /// One encoding of the query, and a light autoregressive decoder on it.
    #[default]
    Light,
    /// Each value is put into the text, which is then encoded anew: the paper's way, for comparison.
    Reencode,
}

/// The form of an encoder that starts from nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// The preset `compact` with another width, number of layers, and number of positions.
    Compact {
        /// Width of a row.
        width: usize,
        /// Layers.
        layers: usize,
        /// Tokens that a program may have.
        context: usize,
    },
    /// RoBERTa's base model.
    RobertaBase,
}

/// Weights that answer queries.
#[derive(Debug)]
pub struct Foundation {
    pub(super) decode: Decode,
    pub(super) network: Network,
    pub(super) encoding: Encoding,
    pub(super) anchors: AnchorKind,
    /// Tokens that a program may have, where these are fewer than positions.
    pub(super) limit: Option<usize>,
    /// Where the texts lie that they were trained on, once they were.
    pub(super) familiarity: Option<Familiarity>,
}

/// Weights from a checkpoint, and what else it has.
pub(super) struct Restored {
    pub foundation: Foundation,
    pub adam: Option<Adam>,
    pub texts: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
struct Metadata {
    version: u32,
    vocabulary: Stored,
    anchors: AnchorKind,
    #[serde(default)]
    limit: Option<usize>,
    #[serde(default)]
    familiarity: Option<Familiarity>,
}

impl Foundation {
    fn new(network: Network, encoding: Encoding, anchors: AnchorKind) -> Self {
        Self { network, encoding, anchors, decode: Decode::Light, limit: None, familiarity: None }
    }

    /// Untrained weights: what the anchors say, all but unchanged.
    ///
    /// # Errors
    /// [`FoundationError::Network`] for sizes that do not go together.
    pub fn untrained(
        encoding: Encoding,
        anchors: AnchorKind,
        shape: Shape,
        seed: u64,
    ) -> Result<Self, FoundationError> {
        let encoder = match shape {
            Shape::Compact { width, layers, context } => EncoderConfig {
                width,
                layers,
                inner: 4 * width,
                ..EncoderConfig::compact(encoding.len(), context, encoding.features())
            },
            Shape::RobertaBase => EncoderConfig {
                vocabulary: encoding.len(),
                features: encoding.features(),
                ..EncoderConfig::roberta_base()
            },
        };
        let (decoder, head) = on_top();
        let config = NetworkConfig { encoder, language: true, decoder: Some(decoder), head: Some(head) };
        Ok(Self::new(Network::new(config, seed)?, encoding, anchors))
    }

    /// RoBERTa or CodeBERT from a folder in Hugging Face's form, tokenizer and all, with an untrained decoder and head; programs
    /// may be written [`dense`](super::dense)ly.
    ///
    /// # Errors
    /// Where the folder has no such model.
    pub fn from_hugging_face(
        folder: &Path,
        anchors: AnchorKind,
        dense: bool,
        seed: u64,
    ) -> Result<Self, FoundationError> {
        let encoding = Encoding::Text(Box::new(TextVocabulary::from_folder(folder)?.with_dense(dense)));
        let (decoder, head) = on_top();
        let network = Network::from_hugging_face(folder, Some(decoder), Some(head), seed)?;
        let vocabulary = network.config().encoder.vocabulary;
        if encoding.len() > vocabulary {
            let reason = format!("the tokenizer has {} tokens, the model {vocabulary}", encoding.len());
            return Err(FoundationError::Weights { reason });
        }
        Ok(Self::new(network, encoding, anchors))
    }

    /// The same weights, decoded in another way.
    #[must_use]
    pub fn with_decode(self, decode: Decode) -> Self {
        Self { decode, ..self }
    }

    /// The same weights, for programs of so many tokens at most.
    #[must_use]
    pub fn with_limit(self, tokens: usize) -> Self {
        Self { limit: Some(tokens), ..self }
    }

    /// The network.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The encoding.
    pub fn encoding(&self) -> &Encoding {
        &self.encoding
    }

    /// The anchors that the head is placed relative to.
    pub fn anchors(&self) -> AnchorKind {
        self.anchors
    }

    /// Layers of the encoder.
    pub fn layers(&self) -> usize {
        self.network.config().encoder.layers
    }

    /// Tokens that a program may have.
    pub fn context(&self) -> usize {
        let positions = self.network.config().encoder.context();
        self.limit.map_or(positions, |limit| limit.min(positions))
    }

    /// What is kept in a file beside the parameters.
    pub(super) fn texts(&self) -> Result<BTreeMap<String, String>, FoundationError> {
        let (vocabulary, anchors, limit) = (self.encoding.store()?, self.anchors, self.limit);
        let metadata = Metadata { version: VERSION, vocabulary, anchors, limit, familiarity: self.familiarity.clone() };
        let text = serde_json::to_string(&metadata)
            .map_err(|e| FoundationError::Weights { reason: format!("they cannot be written: {e}") })?;
        Ok(BTreeMap::from([(KEY.to_owned(), text)]))
    }

    /// Writes the weights; the file is whole or not there.
    ///
    /// # Errors
    /// [`FoundationError::Network`] where it cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), FoundationError> {
        Ok(save_checkpoint(path, &self.network, None, &self.texts()?)?)
    }

    /// Reads weights from a file.
    ///
    /// # Errors
    /// [`FoundationError::Network`] for a file that is damaged, [`FoundationError::Weights`] for one of something else.
    pub fn load(path: &Path) -> Result<Self, FoundationError> {
        Self::of_checkpoint(load_checkpoint(path)?).map(|restored| restored.foundation)
    }

    /// The weights that are built in.
    ///
    /// # Errors
    /// Where there are none.
    pub fn bundled() -> Result<Self, FoundationError> {
        Self::from_bytes(BUNDLED)
    }

    /// Reads weights from the bytes of a file.
    ///
    /// # Errors
    /// As [`Foundation::load`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FoundationError> {
        Self::of_checkpoint(checkpoint_from_bytes(bytes)?).map(|restored| restored.foundation)
    }

    /// The weights in a checkpoint, and what else it has.
    pub(super) fn of_checkpoint(checkpoint: Checkpoint) -> Result<Restored, FoundationError> {
        let wrong = |reason: String| FoundationError::Weights { reason };
        let text =
            checkpoint.texts.get(KEY).ok_or_else(|| wrong("the file has a network, but no vocabulary".into()))?;
        let metadata: Metadata = serde_json::from_str(text).map_err(|e| wrong(e.to_string()))?;
        let has_scale = !matches!(metadata.anchors, AnchorKind::None | AnchorKind::Gaussian);
        if metadata.version != VERSION && !(metadata.version == NARROW && has_scale) {
            return Err(wrong(format!("their form is {}, not {VERSION}", metadata.version)));
        }
        let Metadata { vocabulary, anchors, limit, familiarity, .. } = metadata;
        let encoding = Encoding::restore(vocabulary)?;
        let Checkpoint { network, adam, texts } = checkpoint;
        let config = network.config();
        let expected = [
            ("tokens", encoding.len().max(config.encoder.vocabulary), config.encoder.vocabulary),
            ("features of a number", config.encoder.features, encoding.features()),
            ("features of an element", config.decoder.as_ref().map_or(0, |d| d.features), ELEMENT_FEATURES),
            ("features of a component", config.head.as_ref().map_or(0, |h| h.features), COMPONENT_FEATURES),
            ("outputs of a component", config.head.as_ref().map_or(0, |h| h.outputs), OUTPUTS),
        ];
        if let Some((what, found, wanted)) = expected.into_iter().find(|(_, found, wanted)| found != wanted) {
            return Err(wrong(format!("{found} {what}, not {wanted}")));
        }
        if familiarity.as_ref().is_some_and(|f| !f.fits(network.config().encoder.width)) {
            return Err(wrong("where their texts lie is of another network".into()));
        }
        let foundation = Self { limit, familiarity, ..Self::new(network, encoding, anchors) };
        Ok(Restored { foundation, adam, texts })
    }
}
