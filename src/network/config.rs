//! Sizes and forms of networks, and the presets.

use serde::{Deserialize, Serialize};

use super::error::NetworkError;

/// Where a layer normalises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Norm {
    /// Before each half, and once more after the last layer.
    Pre,
    /// After each half's residual, and after the embeddings: RoBERTa.
    Post,
}

/// The encoder: token and position embeddings, features, layers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EncoderConfig {
    /// Number of tokens in the vocabulary.
    pub vocabulary: usize,
    /// Rows of the position embedding: positions of a batch, plus `first_position`, stay below it.
    pub positions: usize,
    /// Position 0 of a batch is this row of the position embedding (RoBERTa: 2).
    pub first_position: usize,
    /// Whether an embedding of token type 0 is added (RoBERTa: yes).
    pub token_type: bool,
    /// Numeric features of a token, projected and added; may be 0.
    pub features: usize,
    /// Width of a row.
    pub width: usize,
    /// Number of layers.
    pub layers: usize,
    /// Attention heads; divides `width`.
    pub heads: usize,
    /// Width of the feed-forward map.
    pub inner: usize,
    /// Where layers normalise.
    pub norm: Norm,
    /// The ε of all normalisations.
    pub epsilon: f32,
}

/// The light decoder: layers of causal self-attention, cross-attention and feed-forward maps, normalised before each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DecoderConfig {
    /// Numeric features of an element; at least 1.
    pub features: usize,
    /// Width of a row.
    pub width: usize,
    /// Number of layers.
    pub layers: usize,
    /// Attention heads; divides `width`.
    pub heads: usize,
    /// Width of the feed-forward map.
    pub inner: usize,
}

/// The head: from a decoded element and the features of a component to a few numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeadConfig {
    /// Numeric features of a component; at least 1.
    pub features: usize,
    /// Width of the layer between.
    pub hidden: usize,
    /// Numbers for each component (3: offset, log-scale, logit).
    pub outputs: usize,
}

/// A whole network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NetworkConfig {
    /// The encoder.
    pub encoder: EncoderConfig,
    /// Whether there is a language-model head: dense, GELU, normalisation, and the token embedding transposed, plus bias.
    pub language: bool,
    /// The decoder, if any.
    pub decoder: Option<DecoderConfig>,
    /// The head on the decoder, if any.
    pub head: Option<HeadConfig>,
}

impl EncoderConfig {
    /// The preset that trains on a laptop: 4 layers of width 128, 4 heads, normalised before each half.
    ///
    /// ```
    /// use unmask::network::EncoderConfig;
    /// let encoder = EncoderConfig::compact(500, 256, 11);
    /// assert_eq!((encoder.layers, encoder.width, encoder.inner), (4, 128, 512));
    /// ```
    pub fn compact(vocabulary: usize, positions: usize, features: usize) -> Self {
        Self {
            vocabulary,
            positions,
            first_position: 0,
            token_type: false,
            features,
            width: 128,
            layers: 4,
            heads: 4,
            inner: 512,
            norm: Norm::Pre,
            epsilon: 1e-5,
        }
    }

    /// RoBERTa's base model: 12 layers of width 768 (Liu et al. 2019, table 9).
    pub fn roberta_base() -> Self {
        Self {
            vocabulary: 50_265,
            positions: 514,
            first_position: 2,
            token_type: true,
            features: 0,
            width: 768,
            layers: 12,
            heads: 12,
            inner: 3_072,
            norm: Norm::Post,
            epsilon: 1e-5,
        }
    }

    /// Positions that a sequence may have.
    pub fn context(&self) -> usize {
        self.positions.saturating_sub(self.first_position)
    }
}

impl DecoderConfig {
    /// The preset: 2 layers of width 64, 4 heads.
    pub fn light(features: usize) -> Self {
        Self { features, width: 64, layers: 2, heads: 4, inner: 256 }
    }
}

impl NetworkConfig {
    /// Checks what the shapes rest on.
    ///
    /// # Errors
    ///
    /// [`NetworkError::Config`] names the field.
    pub fn validate(&self) -> Result<(), NetworkError> {
        let encoder = &self.encoder;
        positive("encoder.vocabulary", encoder.vocabulary)?;
        positive("encoder.positions", encoder.context())?;
        positive("encoder.width", encoder.width)?;
        positive("encoder.inner", encoder.inner)?;
        divides("encoder.heads", encoder.heads, encoder.width)?;
        if let Some(decoder) = &self.decoder {
            positive("decoder.features", decoder.features)?;
            positive("decoder.width", decoder.width)?;
            positive("decoder.inner", decoder.inner)?;
            divides("decoder.heads", decoder.heads, decoder.width)?;
        }
        if let Some(head) = &self.head {
            positive("head.features", head.features)?;
            positive("head.hidden", head.hidden)?;
            positive("head.outputs", head.outputs)?;
            if self.decoder.is_none() {
                let rule = "a head needs a decoder";
                return Err(NetworkError::Config { field: "decoder", value: "absent".to_owned(), rule });
            }
        }
        if encoder.epsilon.is_nan() || encoder.epsilon <= 0.0 {
            let rule = "must be positive";
            return Err(NetworkError::Config { field: "encoder.epsilon", value: encoder.epsilon.to_string(), rule });
        }
        Ok(())
    }
}

fn positive(field: &'static str, value: usize) -> Result<(), NetworkError> {
    if value > 0 {
        return Ok(());
    }
    Err(NetworkError::Config { field, value: value.to_string(), rule: "must be positive" })
}

fn divides(field: &'static str, value: usize, width: usize) -> Result<(), NetworkError> {
    if value > 0 && width.is_multiple_of(value) {
        return Ok(());
    }
    Err(NetworkError::Config { field, value: value.to_string(), rule: "must divide the width" })
}
