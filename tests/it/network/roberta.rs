//! RoBERTa in Hugging Face's format, against values that `tests/golden/network/generate.py` stored.

use std::path::{Path, PathBuf};

use safetensors::SafeTensors;
use unmask::network::{Batch, Network, NetworkError, Norm, Seeds, Sequence};

use super::assert_close;

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/network")
}

fn words(tensors: &SafeTensors<'_>, name: &str) -> Vec<[u8; 4]> {
    tensors.tensor(name).unwrap().data().as_chunks::<4>().0.to_vec()
}

fn floats(tensors: &SafeTensors<'_>, name: &str) -> Vec<f32> {
    words(tensors, name).into_iter().map(f32::from_le_bytes).collect()
}

fn integers(tensors: &SafeTensors<'_>, name: &str) -> Vec<i32> {
    words(tensors, name).into_iter().map(i32::from_le_bytes).collect()
}

#[test]
fn logits_and_gradients_equal_those_of_transformers() {
    let network = Network::from_hugging_face(&golden().join("roberta"), None, None, 0).unwrap();
    assert_eq!(network.config().encoder.norm, Norm::Post);
    let bytes = std::fs::read(golden().join("reference.safetensors")).unwrap();
    let reference = SafeTensors::deserialize(&bytes).unwrap();
    let (tokens, labels) = (integers(&reference, "tokens"), integers(&reference, "labels"));
    let lengths = integers(&reference, "lengths");
    let make = |every_row: bool| {
        let (mut batch, mut first) = (Batch::default(), 0);
        for &n in &lengths {
            let rows = first..first + n as usize;
            let chosen: Vec<usize> = rows.clone().filter(|&r| every_row || labels[r] >= 0).collect();
            batch.push(&Sequence {
                tokens: rows.clone().map(|r| tokens[r] as u32).collect(),
                positions: (0..n as u32).collect(),
                language_rows: chosen.iter().map(|&r| (r - first) as u32).collect(),
                language_targets: chosen.iter().map(|&r| labels[r].max(0) as u32).collect(),
                ..Sequence::default()
            });
            first = rows.end;
        }
        batch
    };
    let pass = network.evaluate(&make(true)).unwrap();
    assert_close(&pass.language_logits().unwrap(), &floats(&reference, "logits"), 1e-4, "logits");

    let pass = network.forward(&make(false)).unwrap();
    assert_close(&[pass.language_loss().unwrap()], &floats(&reference, "loss"), 1e-4, "loss");
    let gradients = pass.backward(Seeds { language: Some(1.0), ..Seeds::default() }).unwrap();
    let mut compared = 0;
    for (name, found) in network.names().zip(gradients.iter()) {
        let (path, kind) = name.rsplit_once('.').unwrap();
        let layered = path.strip_prefix("encoder.layer.").map(|rest| rest.split_once('.').unwrap());
        let theirs = match (layered, path) {
            (Some((i, part)), _) => {
                let part = match part {
                    "attention.query" => vec!["attention.self.query"],
                    "attention.key_value" => vec!["attention.self.key", "attention.self.value"],
                    "attention.projection" => vec!["attention.output.dense"],
                    "attention.norm" => vec!["attention.output.LayerNorm"],
                    "feed.inner" => vec!["intermediate.dense"],
                    "feed.outer" => vec!["output.dense"],
                    "feed.norm" => vec!["output.LayerNorm"],
                    other => panic!("{other}"),
                };
                part.into_iter().map(|p| format!("roberta.encoder.layer.{i}.{p}")).collect()
            }
            (None, "encoder.token") => vec!["roberta.embeddings.word_embeddings".to_owned()],
            (None, "encoder.position") => vec!["roberta.embeddings.position_embeddings".to_owned()],
            (None, "encoder.token_type") => vec!["roberta.embeddings.token_type_embeddings".to_owned()],
            (None, "encoder.norm") => vec!["roberta.embeddings.LayerNorm".to_owned()],
            (None, "language.dense") => vec!["lm_head.dense".to_owned()],
            (None, "language.norm") => vec!["lm_head.layer_norm".to_owned()],
            (None, "language") => vec!["lm_head".to_owned()],
            (None, other) => panic!("{other}"),
        };
        let expected: Vec<f32> =
            theirs.iter().flat_map(|t| floats(&reference, &format!("gradient.{t}.{kind}"))).collect();
        let largest = expected.iter().fold(0.0_f32, |m, v| m.max(v.abs()));
        assert!(largest > 0.0, "{name}");
        assert_close(found, &expected, 1e-4, name);
        compared += 1;
    }
    let stored = reference.names().into_iter().filter(|n| n.starts_with("gradient.")).count();
    assert_eq!(compared, stored - 4, "keys and values are one parameter here: 2 layers, weight and bias");
}

#[test]
fn other_models_and_missing_files_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let missing = Network::from_hugging_face(folder.path(), None, None, 0).unwrap_err();
    assert!(matches!(missing, NetworkError::File { .. }), "{missing}");
    std::fs::copy(golden().join("roberta/model.safetensors"), folder.path().join("model.safetensors")).unwrap();
    let config = std::fs::read_to_string(golden().join("roberta/config.json")).unwrap();
    let with = |from: &str, to: &str| {
        assert!(config.contains(from));
        std::fs::write(folder.path().join("config.json"), config.replace(from, to)).unwrap();
        Network::from_hugging_face(folder.path(), None, None, 0).unwrap_err()
    };
    let other = with("\"roberta\"", "\"bert\"");
    assert!(matches!(other, NetworkError::HuggingFace { field: "model_type", .. }), "{other}");
    let tanh = with("\"gelu\"", "\"gelu_new\"");
    assert!(matches!(tanh, NetworkError::HuggingFace { field: "hidden_act", .. }), "{tanh}");
    let wider = with("\"intermediate_size\": 64", "\"intermediate_size\": 65");
    assert!(matches!(wider, NetworkError::Shape { .. }), "{wider}");
    let deeper = with("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3");
    assert!(matches!(deeper, NetworkError::Missing { .. }), "{deeper}");
    let heads = with("\"num_attention_heads\": 4", "\"num_attention_heads\": 5");
    assert!(matches!(heads, NetworkError::Config { field: "encoder.heads", .. }), "{heads}");
}

#[test]
fn an_encoder_without_language_head_takes_a_decoder() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = std::fs::read(golden().join("roberta/model.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let bare = tensors
        .tensors()
        .into_iter()
        .filter_map(|(name, view)| name.strip_prefix("roberta.").map(|n| (n.to_owned(), view)));
    let bare = safetensors::serialize(bare, None).unwrap();
    std::fs::write(folder.path().join("model.safetensors"), bare).unwrap();
    std::fs::copy(golden().join("roberta/config.json"), folder.path().join("config.json")).unwrap();
    let decoder = unmask::network::DecoderConfig::light(3);
    let network = Network::from_hugging_face(folder.path(), Some(decoder), None, 0).unwrap();
    assert!(!network.config().language);
    assert_eq!(network.parameter("decoder.variable.weight").unwrap().shape, [64, 32]);
    let whole = Network::from_hugging_face(&golden().join("roberta"), None, None, 0).unwrap();
    let name = "encoder.layer.1.attention.key_value.weight";
    assert_eq!(network.parameter(name), whole.parameter(name));
}
