//! Adam and checkpoints.

use std::collections::BTreeMap;

use unmask::network::{
    Adam, AdamOptions, Batch, Network, NetworkError, checkpoint_from_bytes, checkpoint_to_bytes, load_checkpoint,
    save_checkpoint,
};

use super::{Norm, batch, config, loss_and_gradients, sequences};

fn options() -> AdamOptions {
    AdamOptions { rate: 3e-3, warmup: 5, total: 400, clip: 1.0 }
}

fn train(network: &mut Network, adam: &mut Adam, batches: &[Batch]) {
    for batch in batches {
        let (_, gradients) = loss_and_gradients(network, batch);
        assert!(adam.step(network, &gradients).unwrap().taken);
    }
}

fn values(network: &Network) -> Vec<Vec<f32>> {
    network.names().map(|n| network.parameter(n).unwrap().values).collect()
}

#[test]
fn one_batch_is_learnt_by_heart() {
    let config = config(Norm::Pre);
    let mut network = Network::new(config.clone(), 1).unwrap();
    let mut adam = Adam::new(&network, AdamOptions { total: 300, rate: 1e-2, ..options() });
    let batch = batch(&sequences(&config, &[9, 5, 12], 8));
    let seeds = || unmask::network::Seeds { language: Some(1.0), ..Default::default() };
    let mut losses = Vec::new();
    for _ in 0..300 {
        let pass = network.forward(&batch).unwrap();
        losses.push(pass.language_loss().unwrap());
        let gradients = pass.backward(seeds()).unwrap();
        adam.step(&mut network, &gradients).unwrap();
    }
    assert!(losses[0] > 2.0 && losses[299] < 0.02, "{} to {}", losses[0], losses[299]);
}

/// The first step of Adam is the learning rate times the gradient's sign; the rate warms up.
#[test]
fn the_first_step_is_as_long_as_the_rate() {
    let config = config(Norm::Pre);
    let mut network = super::network(config.clone(), 1);
    let mut adam = Adam::new(&network, options());
    let (_, gradients) = loss_and_gradients(&network, &batch(&sequences(&config, &[9, 5], 8)));
    let before = values(&network);
    let step = adam.step(&mut network, &gradients).unwrap();
    assert_eq!(step.rate, 3e-3 / 5.0);
    assert!((step.norm - gradients.norm()).abs() < 1e-12 && step.norm > 1.0);
    for ((before, after), gradient) in before.iter().zip(values(&network)).zip(gradients.iter()) {
        for ((a, b), g) in before.iter().zip(after).zip(gradient) {
            if g.abs() > 1e-2 {
                assert!((f64::from(a - b) - 6e-4 * f64::from(g.signum())).abs() < 1e-6, "{a} {b} {g}");
            }
        }
    }
}

#[test]
fn gradients_that_are_not_finite_change_nothing() {
    let config = config(Norm::Pre);
    let mut network = super::network(config.clone(), 1);
    let mut adam = Adam::new(&network, options());
    let pass = network.forward(&batch(&sequences(&config, &[9], 8))).unwrap();
    let seeds = unmask::network::Seeds { language: Some(f32::NAN), ..Default::default() };
    let gradients = pass.backward(seeds).unwrap();
    let before = values(&network);
    assert!(!adam.step(&mut network, &gradients).unwrap().taken);
    assert_eq!(before, values(&network));
}

#[test]
fn training_resumes_bit_for_bit() {
    for norm in [Norm::Pre, Norm::Post] {
        let config = config(norm);
        let batches: Vec<Batch> = (0..6).map(|i| batch(&sequences(&config, &[9, 5, 11], i))).collect();
        let mut network = super::network(config.clone(), 1);
        let mut adam = Adam::new(&network, options());
        train(&mut network, &mut adam, &batches[..3]);
        let texts = BTreeMap::from([("random".to_owned(), "state".to_owned()), ("a".to_owned(), "b".to_owned())]);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights.safetensors");
        save_checkpoint(&path, &network, Some(&adam), &texts).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file is left");
        train(&mut network, &mut adam, &batches[3..]);

        let mut resumed = load_checkpoint(&path).unwrap();
        resumed.expect(&config).unwrap();
        assert_eq!(resumed.texts, texts);
        let mut resumed_adam = resumed.adam.take().unwrap();
        assert_eq!(resumed_adam.steps(), 3);
        train(&mut resumed.network, &mut resumed_adam, &batches[3..]);
        assert_eq!(resumed_adam, adam);
        let bytes = |network, adam| checkpoint_to_bytes(network, Some(adam), &texts).unwrap();
        assert!(bytes(&network, &adam) == bytes(&resumed.network, &resumed_adam));
    }
}

#[test]
fn damaged_and_foreign_files_are_errors() {
    let config = config(Norm::Pre);
    let network = super::network(config.clone(), 1);
    let bytes = checkpoint_to_bytes(&network, None, &BTreeMap::new()).unwrap();
    for n in [0, 7, 100, bytes.len() / 2, bytes.len() - 1] {
        let error = checkpoint_from_bytes(&bytes[..n]).unwrap_err();
        assert!(matches!(error, NetworkError::Damaged { .. }), "{n}: {error}");
    }
    // The header names another width: then tensors have other shapes.
    let header = |from: &str, to: &str| {
        assert_eq!(from.len(), to.len());
        let at = bytes.windows(from.len()).position(|w| w == from.as_bytes()).unwrap();
        let mut changed = bytes.clone();
        changed[at..at + to.len()].copy_from_slice(to.as_bytes());
        checkpoint_from_bytes(&changed).unwrap_err()
    };
    let wide = header("\\\"inner\\\":20", "\\\"inner\\\":21");
    assert!(matches!(wide, NetworkError::Shape { .. }), "{wide}");
    let shallow = header("\\\"layers\\\":2", "\\\"layers\\\":1");
    assert!(matches!(shallow, NetworkError::Unexpected { .. }), "{shallow}");
    let deep = header("\\\"layers\\\":2", "\\\"layers\\\":3");
    assert!(matches!(deep, NetworkError::Missing { .. }), "{deep}");
    let kind = header("\"F32\"", "\"I32\"");
    assert!(matches!(kind, NetworkError::Kind { .. }), "{kind}");
    let heads = header("\\\"heads\\\":3", "\\\"heads\\\":5");
    assert!(matches!(heads, NetworkError::Config { .. }), "{heads}");
    let version = header("\\\"version\\\":1", "\\\"version\\\":9");
    assert!(matches!(version, NetworkError::Damaged { .. }), "{version}");

    let mut other = config;
    other.head.as_mut().unwrap().outputs = 6;
    let mismatch = checkpoint_from_bytes(&bytes).unwrap().expect(&other).unwrap_err();
    assert!(matches!(mismatch, NetworkError::Mismatch { part: "head", .. }), "{mismatch}");
    let gone = load_checkpoint(std::path::Path::new("/no/such/file")).unwrap_err();
    assert!(matches!(gone, NetworkError::File { .. }), "{gone}");
}

#[test]
fn batches_that_do_not_fit_are_errors() {
    let mut config = config(Norm::Pre);
    let good = batch(&sequences(&config, &[9, 5], 8));
    let network = super::network(config.clone(), 1);
    let error = |change: &dyn Fn(&mut Batch)| {
        let mut batch = good.clone();
        change(&mut batch);
        network.evaluate(&batch).err().unwrap()
    };
    let tokens = error(&|b| b.tokens[3] = 17);
    assert!(matches!(tokens, NetworkError::Index { what: "token", index: 17, limit: 17 }), "{tokens}");
    let features = error(&|b| b.features.truncate(4));
    assert!(matches!(features, NetworkError::Length { what: "features", expected: 42, found: 4 }), "{features}");
    let offsets = error(&|b| b.offsets[1] = 20);
    assert!(matches!(offsets, NetworkError::Offsets { what: "tokens", rows: 14 }), "{offsets}");
    let pass = network.evaluate(&good).unwrap();
    assert!(matches!(pass.backward(Default::default()), Err(NetworkError::NotRecorded)));
    let pass = network.forward(&good).unwrap();
    let short = unmask::network::Seeds { head: Some(vec![1.0]), ..Default::default() };
    assert!(matches!(pass.backward(short), Err(NetworkError::Length { what: "head", .. })));
    config.language = false;
    config.head = None;
    let smaller = Network::new(config, 1).unwrap();
    assert!(matches!(smaller.evaluate(&good), Err(NetworkError::NoPart { part: "language head" })));
}
