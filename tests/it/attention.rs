//! Attention of the encoder: probabilities of the pass itself, between the lines of a query's text.

use std::process::Command;

use serde_json::Value;
use unmask::foundation::{AnchorKind, Foundation};
use unmask::network::{EncoderConfig, Network, NetworkConfig, Sequence};
use unmask::{Data, Model};

use super::foundation::small;

#[test]
fn attention_is_uniform_without_queries_and_sharp_with_large_ones() {
    let config =
        NetworkConfig { encoder: EncoderConfig::compact(30, 16, 0), language: true, decoder: None, head: None };
    let mut network = Network::new(config, 3).unwrap();
    let tokens = vec![3, 1, 4, 1, 5];
    let sequence = Sequence { positions: (0..5).collect(), tokens, ..Sequence::default() };
    let maps = network.attention_maps(&sequence).unwrap();
    assert_eq!(maps.len(), network.config().encoder.layers);
    for map in &maps {
        assert_eq!((map.queries, map.keys, map.values.len()), (5, 5, map.heads * 25));
        assert!(map.values.chunks(5).all(|row| (row.iter().sum::<f32>() - 1.0).abs() < 1e-5));
    }
    assert!(maps[0].values.iter().any(|p| (p - 0.2).abs() > 1e-3));
    // Queries of zero tell no keys apart; those a thousand times as large see one.
    let names: Vec<String> = network.names().filter(|n| n.contains("query")).map(str::to_owned).collect();
    assert!(names.len() >= 2 * maps.len(), "{:?}", network.names().collect::<Vec<_>>());
    let before: Vec<Vec<f32>> = names.iter().map(|n| network.parameter(n).unwrap().values).collect();
    for (name, values) in names.iter().zip(&before) {
        network.set_parameter(name, &vec![0.0; values.len()]).unwrap();
    }
    let flat = network.attention_maps(&sequence).unwrap();
    assert!(flat.iter().flat_map(|m| &m.values).all(|p| (p - 0.2).abs() < 1e-5));
    for (name, values) in names.iter().zip(&before) {
        network.set_parameter(name, &values.iter().map(|x| 1e3 * x).collect::<Vec<f32>>()).unwrap();
    }
    let sharp = network.attention_maps(&sequence).unwrap();
    let largest = |row: &[f32]| row.iter().copied().fold(0.0, f32::max);
    let mean = |values: &[f32]| values.chunks(5).map(largest).sum::<f32>() / (values.len() / 5) as f32;
    assert!(mean(&sharp[0].values) > mean(&maps[0].values) + 0.2);
}

#[test]
fn lines_share_the_attention_of_their_tokens() {
    let source =
        "model m { given s ~ uniform(1, 3); sample g ~ normal(-2, 5); let h = 2 * g; observe y ~ normal(h, s); }";
    let model = Model::from_source("m.ppl", source).unwrap();
    let target = model.target(&Data::new().with("s", 2.0).with("y", -1.5)).unwrap();
    let foundation: Foundation = small(AnchorKind::None, 1);
    let attention = foundation.attention(&target.borrow()).unwrap();
    let names: Vec<(&str, bool)> = attention.lines.iter().map(|l| (l.name.as_str(), l.masked)).collect();
    assert_eq!(names, [("s", false), ("g", true), ("h", true), ("y", false)]);
    for line in &attention.lines {
        let text = attention.tokens[line.tokens.clone()].join(" ");
        assert!(text.starts_with(&line.name) && text.ends_with(';'), "{text}");
        assert!(line.masked == (attention.tokens[line.row] == "?"), "{text}");
    }
    // A minus sign that belongs to a number is no token of its own.
    assert!(attention.tokens.contains(&"-2".to_owned()) && attention.tokens.contains(&"-1.5".to_owned()));
    let between = attention.between_lines(None, None);
    let head: usize = attention.lines[0].tokens.start;
    let n = attention.tokens.len();
    let tokens = attention.between_tokens(None, None);
    for (i, line) in attention.lines.iter().enumerate() {
        let shared: f64 = between[i * 4..(i + 1) * 4].iter().sum();
        let row = &tokens[line.row * n..(line.row + 1) * n];
        let outside: f64 = row[..head].iter().sum::<f64>() + row[n - 1];
        assert!((shared + outside - 1.0).abs() < 1e-5);
    }
    assert!(attention.between_lines(Some(9), None).is_empty());
}

#[test]
fn attend_prints_what_masked_values_read() {
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_unmask"));
        command.current_dir(env!("CARGO_MANIFEST_DIR")).args(["attend", "examples/milky_way.ppl"]);
        command.args(["-d", "examples/milky_way.json"]).args(arguments).output().unwrap()
    };
    let text = String::from_utf8(run(&[]).stdout).unwrap();
    assert!(text.lines().count() == 5 && text.starts_with("m0 reads "), "{text}");
    let answer: Value = serde_json::from_slice(&run(&["--json", "--layer", "0", "--head", "1"]).stdout).unwrap();
    let (lines, tokens) = (answer["lines"].as_array().unwrap().len(), answer["tokens"].as_array().unwrap().len());
    assert_eq!(answer["between_lines"].as_array().unwrap().len(), lines);
    let row = answer["between_tokens"][tokens - 1].as_array().unwrap();
    assert!((row.iter().map(|x| x.as_f64().unwrap()).sum::<f64>() - 1.0).abs() < 1e-5);
}

#[test]
fn embeddings_are_of_the_program_and_of_what_is_asked_for() {
    let foundation: Foundation = small(AnchorKind::None, 1);
    let embed = |source: &str, y: f64| {
        let model = Model::from_source("m.ppl", source).unwrap();
        foundation.embed(&model.target(&Data::new().with("y", y)).unwrap().borrow()).unwrap()
    };
    let source = "model m { sample g ~ normal(-2, 5); sample h ~ normal(g, 1); observe y ~ normal(h, 2); }";
    let found = embed(source, 1.5);
    let names: Vec<&str> = found.masked.iter().map(|(name, _)| &**name).collect();
    assert_eq!((names, found.read), (vec!["g", "h"], found.tokens));
    let width = foundation.network().config().encoder.width;
    assert!(found.program.len() == width && found.masked.iter().all(|(_, row)| row.len() == width));
    assert_ne!(found.masked[0].1, found.masked[1].1);
    // Names do not matter, data do.
    let renamed = embed(&source.replace('g', "other"), 1.5);
    assert_eq!(renamed.program, found.program);
    assert_ne!(embed(source, 2.5).program, found.program);
}
