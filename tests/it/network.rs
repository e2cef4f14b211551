//! The network: against the composed operations of dfdx, finite differences, PyTorch; determinism; files.

mod composed;
mod decoding;
mod exactness;
mod gradients;
mod roberta;
mod training;

use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use unmask::network::{
    Batch, DecoderConfig, EncoderConfig, Gradients, HeadConfig, Network, NetworkConfig, Norm, Seeds, Sequence,
};

pub const VOCABULARY: usize = 17;

/// A small network with every part.
pub fn config(norm: Norm) -> NetworkConfig {
    NetworkConfig {
        encoder: EncoderConfig {
            vocabulary: VOCABULARY,
            positions: 40,
            first_position: if norm == Norm::Post { 2 } else { 0 },
            token_type: norm == Norm::Post,
            features: 3,
            width: 12,
            layers: 2,
            heads: 3,
            inner: 20,
            norm,
            epsilon: 1e-5,
        },
        language: true,
        decoder: Some(DecoderConfig { features: 5, width: 8, layers: 2, heads: 2, inner: 16 }),
        head: Some(HeadConfig { features: 4, hidden: 10, outputs: 3 }),
    }
}

/// A network whose parameters are all far from zero, biases and the head's last map too.
pub fn network(config: NetworkConfig, seed: u64) -> Network {
    let mut network = Network::new(config, seed).unwrap();
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed + 1);
    let names: Vec<String> = network.names().map(str::to_owned).collect();
    for name in names {
        let mut values = network.parameter(&name).unwrap().values;
        for v in &mut values {
            *v += random.random_range(-0.3_f32..0.3);
        }
        network.set_parameter(&name, &values).unwrap();
    }
    network
}

/// Random sequences that use every part.
pub fn sequences(config: &NetworkConfig, lengths: &[usize], seed: u64) -> Vec<Sequence> {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let (g, h) = (config.decoder.as_ref().unwrap().features, config.head.as_ref().unwrap().features);
    let vocabulary = config.encoder.vocabulary as u32;
    let floats = |n: usize, random: &mut Xoshiro256PlusPlus| -> Vec<f32> {
        (0..n).map(|_| random.random_range(-1.0_f32..1.0)).collect()
    };
    let mut made = Vec::new();
    for (i, &n) in lengths.iter().enumerate() {
        let elements = 1 + i % 4;
        let components = 2 * elements;
        let features = floats(n * config.encoder.features, &mut random);
        let element_features = floats(elements * g, &mut random);
        let component_features = floats(components * h, &mut random);
        // Different rows, or no network could learn both targets.
        let language = random.random_range(0..n as u32);
        let row = |random: &mut Xoshiro256PlusPlus| random.random_range(0..n as u32);
        made.push(Sequence {
            tokens: (0..n).map(|_| random.random_range(0..vocabulary)).collect(),
            positions: (0..n as u32).collect(),
            features,
            language_rows: vec![language, (language + 1) % n as u32],
            language_targets: vec![random.random_range(0..vocabulary), random.random_range(0..vocabulary)],
            memory: (0..n as u32).step_by(2).collect(),
            element_rows: (0..elements).map(|_| row(&mut random)).collect(),
            element_features,
            component_elements: (0..components).map(|c| (c / 2) as u32).collect(),
            component_features,
        });
    }
    made
}

pub fn batch(sequences: &[Sequence]) -> Batch {
    let mut batch = Batch::default();
    for sequence in sequences {
        batch.push(sequence);
    }
    batch
}

/// Fixed numbers that stand for the gradient of a loss.
pub fn seed_values(n: usize, seed: u64) -> Vec<f32> {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    (0..n).map(|_| random.random_range(-1.0_f32..1.0)).collect()
}

/// A loss of everything: the language loss, and inner products of the other results with fixed numbers.
pub fn loss_and_gradients(network: &Network, batch: &Batch) -> (f64, Gradients) {
    let pass = network.forward(batch).unwrap();
    let (loss, seeds) = loss(&pass);
    (loss, pass.backward(seeds).unwrap())
}

pub fn loss(pass: &unmask::network::Pass) -> (f64, Seeds) {
    let mut loss = f64::from(pass.language_loss().unwrap_or(0.0));
    let mut weigh = |values: Option<Vec<f32>>, seed| {
        values.map(|values| {
            let weights = seed_values(values.len(), seed);
            loss += values.iter().zip(&weights).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
            weights
        })
    };
    let head = weigh(pass.head(), 1);
    let decoded = weigh(pass.decoded(), 2);
    let encoded = weigh(Some(pass.encoded()), 3);
    let language = pass.language_loss().map(|_| 1.0);
    (loss, Seeds { language, head, decoded, encoded })
}

pub fn assert_close(found: &[f32], expected: &[f32], tolerance: f32, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let scale = expected.iter().fold(1.0_f32, |m, v| m.max(v.abs()));
    for (i, (a, b)) in found.iter().zip(expected).enumerate() {
        assert!((a - b).abs() <= tolerance * scale, "{what}[{i}]: {a} is not {b}");
    }
}
