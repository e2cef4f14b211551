//! A training step of the compact preset, and decoding: plain timings, to set beside `benches/network.py`.
//!
//! `cargo bench --bench network -- [threads] [seconds] [sequences] [device]` prints medians. 4 layers, width 128, 4 heads, inner
//! 512, 16 sequences of 128 tokens, a language loss at every seventh token, Adam with a global-norm clip. With a device (`cpu`,
//! `cuda`, or `composed`: the operations of a GPU on the processor) training steps alone are timed, there.

#![allow(clippy::expect_used, clippy::print_stdout)]

use std::time::{Duration, Instant};

use unmask::network::{
    Adam, AdamOptions, Batch, DecoderConfig, Device, EncoderConfig, HeadConfig, Network, NetworkConfig, Placement,
    Seeds, Sequence,
};

const VOCABULARY: usize = 500;
const LENGTH: usize = 128;
const BATCH: usize = 16;
const FEATURES: usize = 11;

/// Numbers between −1 and 1 without pattern.
fn numbers(n: usize) -> Vec<f32> {
    (0..n as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 8) as f32 / (1 << 23) as f32 - 1.0).collect()
}

fn sequence(decoder: bool) -> Sequence {
    let n = LENGTH as u32;
    let elements = if decoder { 4 } else { 0 };
    Sequence {
        tokens: (0..n).map(|i| i.wrapping_mul(40_503) % VOCABULARY as u32).collect(),
        positions: (0..n).collect(),
        features: numbers(LENGTH * FEATURES),
        language_rows: (0..n).step_by(7).collect(),
        language_targets: (0..n).step_by(7).map(|i| i % VOCABULARY as u32).collect(),
        memory: (0..n).step_by(8).collect(),
        element_rows: (0..elements).collect(),
        element_features: numbers(elements as usize * 24),
        component_elements: (0..8 * elements).map(|c| c / 8).collect(),
        component_features: numbers(8 * elements as usize * 26),
    }
}

/// Median, quickest, and number of runs within a time; the tokens of a run, if it has any, by the second.
fn report(what: &str, seconds: f64, tokens: usize, mut run: impl FnMut()) {
    for _ in 0..5 {
        run();
    }
    let until = Instant::now() + Duration::from_secs_f64(seconds);
    let mut times = Vec::new();
    while Instant::now() < until {
        let start = Instant::now();
        run();
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    let median = times[times.len() / 2];
    let rate = if tokens > 0 { format!(", {:.0} tokens/s", 1e3 * tokens as f64 / median) } else { String::new() };
    println!("{what}: median {median:.1} ms, quickest {:.1} ms, {} runs{rate}", times[0], times.len());
}

fn main() {
    let numbers_given: Vec<f64> = std::env::args().filter_map(|a| a.parse().ok()).collect();
    let threads = numbers_given.first().map_or(2, |&t| t as usize);
    let seconds = numbers_given.get(1).copied().unwrap_or(10.0);
    let sequences = numbers_given.get(2).map_or(BATCH, |&n| n as usize);
    let names = Device::ALL.map(|(name, device, _)| (name, device)).into_iter().chain([("composed", Device::Composed)]);
    let device = std::env::args().find_map(|a| names.clone().find(|(name, _)| *name == a));
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
    pool.install(|| all(threads, seconds, sequences, device));
}

fn all(threads: usize, seconds: f64, sequences: usize, device: Option<(&str, Device)>) {
    let encoder = EncoderConfig::compact(VOCABULARY, 256, FEATURES);
    let plain = NetworkConfig { encoder: encoder.clone(), language: true, decoder: None, head: None };
    let decoder = Some(DecoderConfig::light(24));
    let head = Some(HeadConfig { features: 26, hidden: 64, outputs: 9 });
    for (what, config) in
        [("encoder", plain), ("encoder, decoder, head", NetworkConfig { encoder, language: true, decoder, head })]
    {
        let decodes = config.decoder.is_some();
        let mut network = Network::new(config, 1).expect("a network");
        let mut adam = Adam::new(&network, AdamOptions { total: 1_000_000, ..AdamOptions::default() });
        let mut batch = Batch::default();
        (0..sequences).for_each(|_| batch.push(&sequence(decodes)));
        let (place, device) = device.map_or_else(Default::default, |(name, device)| (format!(" and {name}"), device));
        let mut placement = Placement::new(device, &network).expect("a device");
        let what = format!("unmask, {threads} threads{place}, a training step ({what})");
        report(&what, seconds, batch.tokens.len(), || {
            let pass = placement.forward(&network, &batch).expect("a pass");
            let head = pass.head().map(|values| values.iter().map(|v| v * 0.01).collect());
            let seeds = Seeds { language: Some(1.0), head, ..Seeds::default() };
            let gradients = pass.backward(seeds).expect("gradients");
            adam.step(&mut network, &gradients).expect("a step");
            placement.update(&network).expect("a copy");
        });
        if decodes && device == Device::Processor {
            decode(&network, threads, seconds / 3.0);
        }
    }
}

/// One encoding, and 1,000 draws of four elements with eight components each.
fn decode(network: &Network, threads: usize, seconds: f64) {
    let (sequence, draws) = (sequence(true), 1_000);
    report(&format!("unmask, {threads} threads, an encoding of {LENGTH} tokens"), seconds, LENGTH, || {
        network.encode(&sequence).expect("an encoding");
    });
    let features = numbers(draws * 24);
    let components: Vec<u32> = (0..8 * draws as u32).map(|c| c / 8).collect();
    let component_features = numbers(components.len() * 26);
    let encoded = network.encode(&sequence).expect("an encoding");
    report(&format!("unmask, {threads} threads, {draws} draws of 4 elements"), seconds, 0, || {
        let mut decoding = network.decode(encoded.clone(), &sequence.memory, draws).expect("a decoder");
        for &row in &sequence.element_rows {
            let decoded = decoding.step(row, &features, None).expect("a step");
            decoding.head(&decoded, &components, &component_features).expect("a head");
        }
    });
}
