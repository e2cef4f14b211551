//! RoBERTa (and CodeBERT) from a local folder in Hugging Face's format: `config.json` and `model.safetensors`.
//!
//! Names are those of `transformers`' `RobertaForMaskedLM` (`roberta.encoder.layer.0.…`, `lm_head.…`) or of `RobertaModel`
//! (the same without `roberta.`). Pooler and position ids are not read; of the token types, only type 0 is.

use std::path::Path;

use safetensors::SafeTensors;
use serde::Deserialize;

use super::checkpoint::read;
use super::config::{DecoderConfig, EncoderConfig, HeadConfig, NetworkConfig, Norm};
use super::error::NetworkError;
use super::model::Network;

#[derive(Deserialize)]
struct Config {
    model_type: String,
    vocab_size: usize,
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    max_position_embeddings: usize,
    type_vocab_size: usize,
    layer_norm_eps: f32,
    #[serde(default = "gelu")]
    hidden_act: String,
    #[serde(default = "padding")]
    pad_token_id: usize,
    #[serde(default = "absolute")]
    position_embedding_type: String,
}

fn gelu() -> String {
    "gelu".to_owned()
}

fn padding() -> usize {
    1
}

fn absolute() -> String {
    "absolute".to_owned()
}

/// What of a parameter's rows a stored tensor has.
type Sources = Vec<String>;

impl Network {
    /// Loads the encoder, and the language head if the file has one, from a folder with `config.json` and
    /// `model.safetensors`. A decoder and a head, if asked for, start at random from the seed.
    ///
    /// # Errors
    ///
    /// [`NetworkError::File`] if a file cannot be read, [`NetworkError::HuggingFace`] for a model of another kind,
    /// [`NetworkError::Damaged`], [`NetworkError::Missing`], [`NetworkError::Shape`] or [`NetworkError::Kind`] for weights
    /// that are not those of the configuration.
    pub fn from_hugging_face(
        folder: &Path,
        decoder: Option<DecoderConfig>,
        head: Option<HeadConfig>,
        seed: u64,
    ) -> Result<Self, NetworkError> {
        let open = |name: &str| {
            let path = folder.join(name);
            std::fs::read(&path).map_err(|source| NetworkError::File { path, source })
        };
        let config: Config = serde_json::from_slice(&open("config.json")?)
            .map_err(|e| NetworkError::Damaged { reason: format!("config.json: {e}") })?;
        let bytes = open("model.safetensors")?;
        let tensors = SafeTensors::deserialize(&bytes).map_err(|e| NetworkError::Damaged { reason: e.to_string() })?;
        for (field, found, expected) in [
            ("model_type", &config.model_type, "roberta"),
            ("hidden_act", &config.hidden_act, "gelu"),
            ("position_embedding_type", &config.position_embedding_type, "absolute"),
        ] {
            if found != expected {
                let (expected, found) = (expected.to_owned(), found.clone());
                return Err(NetworkError::HuggingFace { field, expected, found });
            }
        }
        let encoder = EncoderConfig {
            vocabulary: config.vocab_size,
            positions: config.max_position_embeddings,
            first_position: config.pad_token_id + 1,
            token_type: config.type_vocab_size > 0,
            features: 0,
            width: config.hidden_size,
            layers: config.num_hidden_layers,
            heads: config.num_attention_heads,
            inner: config.intermediate_size,
            norm: Norm::Post,
            epsilon: config.layer_norm_eps,
        };
        let has = |name: &str| tensors.tensor(name).is_ok();
        let prefix = if has("roberta.embeddings.word_embeddings.weight") { "roberta." } else { "" };
        let language = has("lm_head.dense.weight");
        let whole = NetworkConfig { encoder, language, decoder, head };
        Network::with(whole, |index, declared| {
            let Some(sources) = sources(&declared.name, prefix) else { return Ok(declared.initial(seed, index)) };
            if declared.name == "encoder.token_type.weight" {
                let all = read(&tensors, &sources[0], &[config.type_vocab_size, config.hidden_size])?;
                return Ok(all[..config.hidden_size].to_vec());
            }
            // Several tensors, one under another.
            let mut shape = declared.shape.clone();
            if let Some(rows) = shape.first_mut() {
                *rows /= sources.len();
            }
            let mut values = Vec::with_capacity(declared.len());
            for source in &sources {
                values.extend(read(&tensors, source, &shape)?);
            }
            Ok(values)
        })
    }
}

/// The stored tensors that make a parameter, one under another; `None` for parts that RoBERTa lacks.
fn sources(name: &str, prefix: &str) -> Option<Sources> {
    let (path, kind) = name.rsplit_once('.')?;
    let one = |path: &str| Some(vec![format!("{path}.{kind}")]);
    if let Some(rest) = path.strip_prefix("encoder.layer.") {
        let (layer, part) = rest.split_once('.')?;
        let layer = format!("{prefix}encoder.layer.{layer}");
        return match part {
            "attention.query" => one(&format!("{layer}.attention.self.query")),
            "attention.key_value" => {
                Some(["key", "value"].map(|k| format!("{layer}.attention.self.{k}.{kind}")).to_vec())
            }
            "attention.projection" => one(&format!("{layer}.attention.output.dense")),
            "attention.norm" => one(&format!("{layer}.attention.output.LayerNorm")),
            "feed.inner" => one(&format!("{layer}.intermediate.dense")),
            "feed.outer" => one(&format!("{layer}.output.dense")),
            "feed.norm" => one(&format!("{layer}.output.LayerNorm")),
            _ => None,
        };
    }
    match path {
        "encoder.token" => one(&format!("{prefix}embeddings.word_embeddings")),
        "encoder.position" => one(&format!("{prefix}embeddings.position_embeddings")),
        "encoder.token_type" => one(&format!("{prefix}embeddings.token_type_embeddings")),
        "encoder.norm" => one(&format!("{prefix}embeddings.LayerNorm")),
        "language.dense" => one("lm_head.dense"),
        "language.norm" => one("lm_head.layer_norm"),
        "language" => one("lm_head"),
        _ => None,
    }
}
