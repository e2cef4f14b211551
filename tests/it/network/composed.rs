//! The operations that a GPU runs against the fused ones, results and gradients: on the processor, and with
//! `UNMASK_GPU` set (in a build with the feature `cuda`) on the GPU.

use unmask::network::{
    Adam, AdamOptions, Batch, DecoderConfig, Device, EncoderConfig, Gradients, HeadConfig, Network, NetworkConfig,
    NetworkError, Norm, Pass, Placement, Seeds, Sequence,
};

use super::{assert_close, config, loss, network, sequences};

/// Devices, and how far from the fused operations they may be, relative to the largest number.
fn devices() -> Vec<(Device, f32)> {
    let gpu = std::env::var_os("UNMASK_GPU").map(|_| (Device::Cuda, 1e-3));
    [(Device::Composed, 3e-5)].into_iter().chain(gpu).collect()
}

/// Sequences of different lengths, some without elements, language rows or tokens.
fn ragged(config: &NetworkConfig, seed: u64) -> Batch {
    let mut sequences = sequences(config, &[5, 9, 1, 14], seed);
    let quiet = Sequence {
        language_rows: Vec::new(),
        language_targets: Vec::new(),
        element_rows: Vec::new(),
        element_features: Vec::new(),
        component_elements: Vec::new(),
        component_features: Vec::new(),
        ..sequences[3].clone()
    };
    sequences.insert(1, quiet);
    sequences.insert(2, Sequence::default());
    super::batch(&sequences)
}

/// The whole loss's gradient, and that of each of its parts.
fn gradients(pass: impl Fn() -> Pass) -> Vec<(&'static str, Gradients)> {
    let Seeds { language, head, decoded, encoded } = loss(&pass()).1;
    let parts = [
        ("language", Seeds { language, ..Seeds::default() }),
        ("head", Seeds { head: head.clone(), ..Seeds::default() }),
        ("decoded", Seeds { decoded: decoded.clone(), ..Seeds::default() }),
        ("encoded", Seeds { encoded: encoded.clone(), ..Seeds::default() }),
        ("all", Seeds { language, head, decoded, encoded }),
        ("nothing", Seeds::default()),
    ];
    let exists = |seeds: &Seeds| *seeds != Seeds::default();
    let parts = parts.into_iter().filter(|(what, seeds)| exists(seeds) || *what == "nothing");
    parts.map(|(what, seeds)| (what, pass().backward(seeds).unwrap())).collect()
}

/// All results and gradients are those of the fused operations.
fn assert_same(network: &Network, batch: &Batch, what: &str) {
    for (device, tolerance) in devices() {
        let what = format!("{what} on {device:?}");
        let placement = Placement::new(device, network).unwrap();
        let (pass, fused) = (placement.evaluate(network, batch).unwrap(), network.evaluate(batch).unwrap());
        assert_close(&pass.encoded(), &fused.encoded(), tolerance, &format!("{what}: encoded"));
        let pairs = [
            ("logits", pass.language_logits(), fused.language_logits()),
            ("loss", pass.language_loss().map(|l| vec![l]), fused.language_loss().map(|l| vec![l])),
            ("decoded", pass.decoded(), fused.decoded()),
            ("head", pass.head(), fused.head()),
        ];
        for (part, found, expected) in pairs {
            assert_eq!(found.is_some(), expected.is_some(), "{what}: {part}");
            if let (Some(found), Some(expected)) = (found, expected) {
                assert_close(&found, &expected, tolerance, &format!("{what}: {part}"));
            }
        }
        assert!(matches!(pass.backward(Seeds::default()), Err(NetworkError::NotRecorded)));
        let found = gradients(|| placement.forward(network, batch).unwrap());
        let expected = gradients(|| network.forward(batch).unwrap());
        for ((part, found), (_, expected)) in found.iter().zip(&expected) {
            for ((name, found), expected) in network.names().zip(found.iter()).zip(expected.iter()) {
                assert_close(found, expected, tolerance, &format!("{what}: gradient of {part} at {name}"));
            }
        }
    }
}

#[test]
fn composed_operations_equal_fused_ones() {
    for norm in [Norm::Pre, Norm::Post] {
        let config = config(norm);
        let network = network(config.clone(), 7);
        assert_same(&network, &ragged(&config, 4), &format!("{norm:?}"));
        assert_same(&network, &super::batch(&sequences(&config, &[11], 5)), &format!("{norm:?}, one sequence"));
    }
}

/// Rows wider than a GPU's blocks of threads, and sequences longer.
#[test]
fn composed_operations_equal_fused_ones_at_the_size_of_the_preset() {
    let config = NetworkConfig {
        encoder: EncoderConfig::compact(200, 160, 3),
        language: true,
        decoder: Some(DecoderConfig::light(5)),
        head: Some(HeadConfig { features: 4, hidden: 64, outputs: 5 }),
    };
    let network = network(config.clone(), 7);
    assert_same(&network, &super::batch(&sequences(&config, &[150, 3, 70], 5)), "preset");
}

#[test]
fn composed_operations_do_without_parts() {
    let full = config(Norm::Pre);
    let mut sequence = sequences(&full, &[6], 3).remove(0);
    let mut plain = full.clone();
    (plain.language, plain.head) = (false, None);
    plain.encoder.features = 0;
    sequence.features.clear();
    sequence.language_rows.clear();
    sequence.language_targets.clear();
    sequence.component_elements.clear();
    sequence.component_features.clear();
    let batch = super::batch(&[sequence.clone(), sequence.clone()]);
    assert_same(&network(plain.clone(), 2), &batch, "encoder and decoder");
    plain.decoder = None;
    let bare = Sequence { tokens: sequence.tokens, positions: sequence.positions, ..Sequence::default() };
    assert_same(&network(plain, 2), &super::batch(&[bare]), "encoder");
}

/// Elements without memory, and no tokens at all.
#[test]
fn what_composed_operations_cannot_run_is_left_to_fused_ones() {
    let config = config(Norm::Pre);
    let network = network(config.clone(), 7);
    let placement = Placement::new(Device::Composed, &network).unwrap();
    let mut lost = sequences(&config, &[5, 9], 4);
    lost[1].memory.clear();
    for batch in [super::batch(&lost), super::batch(&[Sequence::default()]), Batch::default()] {
        let (pass, fused) = (placement.forward(&network, &batch).unwrap(), network.forward(&batch).unwrap());
        assert_eq!((pass.encoded(), pass.decoded(), pass.head()), (fused.encoded(), fused.decoded(), fused.head()));
    }
    let mut wrong = ragged(&config, 4);
    wrong.tokens[0] = 99;
    assert!(matches!(placement.forward(&network, &wrong), Err(NetworkError::Index { what: "token", .. })));
}

#[test]
fn frozen_parameters_have_no_gradient_on_a_device() {
    let config = config(Norm::Pre);
    let mut network = network(config.clone(), 7);
    network.train_layers(Some(1));
    let batch = ragged(&config, 4);
    assert_same(&network, &batch, "frozen");
    let placement = Placement::new(Device::Composed, &network).unwrap();
    let gradients = placement.forward(&network, &batch).unwrap().backward(Seeds::default()).unwrap();
    let frozen = network.names().zip(gradients.iter()).filter(|(_, g)| g.is_empty()).map(|(name, _)| name);
    let frozen: Vec<&str> = frozen.collect();
    assert!(frozen.len() > 3 && frozen.iter().all(|name| name.starts_with("encoder.")), "{frozen:?}");
}

/// Steps of the optimiser are seen there once they are copied, and not before.
#[test]
fn a_placement_follows_the_network() {
    for (device, tolerance) in devices() {
        let config = config(Norm::Pre);
        let (mut here, mut there) = (network(config.clone(), 7), network(config.clone(), 7));
        let mut placement = Placement::new(device, &there).unwrap();
        let options = AdamOptions { rate: 1e-2, warmup: 0, total: 100, clip: 1.0 };
        let (mut adam, mut adam_there) = (Adam::new(&here, options.clone()), Adam::new(&there, options));
        for step in 0..4 {
            let batch = ragged(&config, step);
            let (pass, other) = (here.forward(&batch).unwrap(), placement.forward(&there, &batch).unwrap());
            let (expected, found) = (loss(&pass).0, loss(&other).0);
            assert!((expected - found).abs() < f64::from(30.0 * tolerance) * expected.abs().max(1.0), "{step}");
            let gradients = pass.backward(loss(&here.evaluate(&batch).unwrap()).1).unwrap();
            adam.step(&mut here, &gradients).unwrap();
            let gradients = other.backward(loss(&here.evaluate(&batch).unwrap()).1).unwrap();
            adam_there.step(&mut there, &gradients).unwrap();
            let stale = loss(&placement.evaluate(&there, &batch).unwrap()).0;
            assert!((stale - found).abs() < 1e-4 * found.abs().max(1.0), "{step}"); // a GPU adds in no fixed order
            placement.update(&there).unwrap();
            assert!((loss(&placement.evaluate(&there, &batch).unwrap()).0 - found).abs() > 1e-3, "{step}");
        }
    }
}

#[cfg(not(feature = "cuda"))]
#[test]
fn a_build_without_cuda_says_how_to_get_it() {
    let network = network(config(Norm::Pre), 7);
    let error = Placement::new(Device::Cuda, &network).unwrap_err();
    assert!(matches!(&error, NetworkError::Device { reason } if reason.contains("--features cuda")), "{error}");
}

#[cfg(feature = "cuda")]
#[test]
fn a_gpu_that_is_not_there_is_an_error() {
    let network = network(config(Norm::Pre), 7);
    let Err(error) = Placement::new(Device::Cuda, &network) else { return };
    assert!(matches!(&error, NetworkError::Device { reason } if reason.starts_with("no GPU can be used")), "{error}");
}
