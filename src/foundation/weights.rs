//! Weights: a network, the vocabulary that it reads, and the anchors that it was trained on.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::error::FoundationError;
use super::feature::{COMPONENT_FEATURES, ELEMENT_FEATURES, NUMBER_FEATURES};
use super::head::{AnchorKind, OUTPUTS};
use super::lexeme::Vocabulary;
use crate::network::{
    Checkpoint, DecoderConfig, EncoderConfig, HeadConfig, Network, NetworkConfig, checkpoint_from_bytes,
    load_checkpoint, save_checkpoint,
};

/// The key of what is kept beside the parameters.
const KEY: &str = "foundation";

/// The form of it.
const VERSION: u32 = 1;

/// Tokens that a program may have.
const CONTEXT: usize = 1_024;

/// What is built in.
const BUNDLED: &[u8] = include_bytes!("../../weights/foundation.safetensors");

/// Weights that answer queries.
#[derive(Debug)]
pub struct Foundation {
    pub(super) network: Network,
    pub(super) vocabulary: Vocabulary,
    pub(super) anchors: AnchorKind,
}

#[derive(Serialize, Deserialize)]
struct Metadata {
    version: u32,
    vocabulary: Vec<String>,
    anchors: AnchorKind,
}

impl Foundation {
    /// Untrained weights of the preset `compact`, or of another width and depth: what the anchors say, unchanged.
    ///
    /// # Errors
    /// [`FoundationError::Network`] for sizes that do not go together.
    pub fn untrained(
        vocabulary: Vocabulary,
        anchors: AnchorKind,
        (width, layers): (usize, usize),
        seed: u64,
    ) -> Result<Self, FoundationError> {
        let compact = EncoderConfig::compact(vocabulary.len(), CONTEXT, NUMBER_FEATURES);
        let encoder = EncoderConfig { width, layers, inner: 4 * width, ..compact };
        let config = NetworkConfig {
            encoder,
            language: true,
            decoder: Some(DecoderConfig::light(ELEMENT_FEATURES)),
            head: Some(HeadConfig { features: COMPONENT_FEATURES, hidden: 64, outputs: OUTPUTS }),
        };
        Ok(Self { network: Network::new(config, seed)?, vocabulary, anchors })
    }

    /// The network.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The vocabulary.
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// The anchors that the head is placed relative to.
    pub fn anchors(&self) -> AnchorKind {
        self.anchors
    }

    /// Tokens that a program may have.
    pub fn context(&self) -> usize {
        self.network.config().encoder.context()
    }

    /// What is kept in a file beside the parameters.
    pub(super) fn texts(&self) -> BTreeMap<String, String> {
        let vocabulary = self.vocabulary.entries().to_vec();
        let metadata = Metadata { version: VERSION, vocabulary, anchors: self.anchors };
        // Numbers and texts are always JSON.
        let text = serde_json::to_string(&metadata).unwrap_or_default();
        BTreeMap::from([(KEY.to_owned(), text)])
    }

    /// Writes the weights; the file is whole or not there.
    ///
    /// # Errors
    /// [`FoundationError::Network`] where it cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), FoundationError> {
        Ok(save_checkpoint(path, &self.network, None, &self.texts())?)
    }

    /// Reads weights from a file.
    ///
    /// # Errors
    /// [`FoundationError::Network`] for a file that is damaged, [`FoundationError::Weights`] for one of something else.
    pub fn load(path: &Path) -> Result<Self, FoundationError> {
        Self::of_checkpoint(load_checkpoint(path)?).map(|(foundation, _)| foundation)
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
        Self::of_checkpoint(checkpoint_from_bytes(bytes)?).map(|(foundation, _)| foundation)
    }

    /// The weights in a checkpoint, and what else it has.
    pub(super) fn of_checkpoint(
        checkpoint: Checkpoint,
    ) -> Result<(Self, (Option<crate::network::Adam>, BTreeMap<String, String>)), FoundationError> {
        let wrong = |reason: String| FoundationError::Weights { reason };
        let text =
            checkpoint.texts.get(KEY).ok_or_else(|| wrong("the file has a network, but no vocabulary".into()))?;
        let metadata: Metadata = serde_json::from_str(text).map_err(|e| wrong(e.to_string()))?;
        if metadata.version != VERSION {
            return Err(wrong(format!("their form is {}, not {VERSION}", metadata.version)));
        }
        let Checkpoint { network, adam, texts } = checkpoint;
        let config = network.config();
        let expected = [
            ("tokens", config.encoder.vocabulary, metadata.vocabulary.len()),
            ("features of a number", config.encoder.features, NUMBER_FEATURES),
            ("features of an element", config.decoder.as_ref().map_or(0, |d| d.features), ELEMENT_FEATURES),
            ("features of a component", config.head.as_ref().map_or(0, |h| h.features), COMPONENT_FEATURES),
            ("outputs of a component", config.head.as_ref().map_or(0, |h| h.outputs), OUTPUTS),
        ];
        if let Some((what, found, wanted)) = expected.into_iter().find(|(_, found, wanted)| found != wanted) {
            return Err(wrong(format!("{found} {what}, not {wanted}")));
        }
        let vocabulary = Vocabulary::new(metadata.vocabulary);
        Ok((Self { network, vocabulary, anchors: metadata.anchors }, (adam, texts)))
    }
}
