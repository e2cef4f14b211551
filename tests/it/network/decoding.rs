//! Decoding step by step: equal to the teacher-forced pass, and to itself in any company.

use unmask::network::{Decoding, Network, NetworkError, Sequence};

use super::{Norm, assert_close, batch, config, network, seed_values, sequences};

/// The elements' inputs of some draws, `[elements][draws, G]`.
fn features(network: &Network, elements: usize, draws: usize) -> Vec<Vec<f32>> {
    let g = network.config().decoder.as_ref().unwrap().features;
    // A draw's numbers must not depend on how many draws there are.
    let draw = |e: usize, d: usize| seed_values(g, (1000 * e + d) as u64);
    (0..elements).map(|e| (0..draws).flat_map(|d| draw(e, d)).collect()).collect()
}

fn start(network: &Network, sequence: &Sequence, draws: usize) -> Decoding {
    let encoded = network.encode(sequence).unwrap();
    network.decode(encoded, &sequence.memory, draws).unwrap()
}

#[test]
fn steps_equal_the_teacher_forced_pass() {
    let config = config(Norm::Pre);
    let network = network(config.clone(), 11);
    let sequence = sequences(&config, &[4, 4, 4, 19], 6).pop().unwrap();
    let (elements, draws) = (sequence.element_rows.len(), 70);
    assert_eq!(elements, 4);
    let inputs = features(&network, elements, draws);
    let g = config.decoder.as_ref().unwrap().features;
    let d = config.decoder.as_ref().unwrap().width;
    let h = config.head.as_ref().unwrap().features;

    let mut decoding = start(&network, &sequence, draws);
    let outputs: Vec<Vec<f32>> =
        (0..elements).map(|e| decoding.step(sequence.element_rows[e], &inputs[e], None).unwrap()).collect();
    // Two components a draw, for the last element.
    let components: Vec<u32> = (0..2 * draws as u32).map(|c| c / 2).collect();
    let component_features = seed_values(components.len() * h, 9);
    let head = decoding.head(&outputs[elements - 1], &components, &component_features).unwrap();

    for draw in [0, 1, 31, 32, 69] {
        let forced = Sequence {
            element_features: inputs.iter().flat_map(|x| x[draw * g..(draw + 1) * g].to_vec()).collect(),
            component_elements: vec![elements as u32 - 1; 2],
            component_features: component_features[2 * draw * h..2 * (draw + 1) * h].to_vec(),
            ..sequence.clone()
        };
        let pass = network.evaluate(&batch(&[forced])).unwrap();
        let stepped: Vec<f32> = outputs.iter().flat_map(|y| y[draw * d..(draw + 1) * d].to_vec()).collect();
        assert_close(&stepped, &pass.decoded().unwrap(), 1e-5, "decoded");
        assert_close(&head[6 * draw..6 * (draw + 1)], &pass.head().unwrap(), 1e-5, "head");
    }
}

#[test]
fn a_draw_is_the_same_bit_for_bit_in_any_company() {
    let config = config(Norm::Pre);
    let network = network(config.clone(), 11);
    let sequence = sequences(&config, &[4, 4, 4, 19], 6).pop().unwrap();
    let (elements, d) = (sequence.element_rows.len(), config.decoder.as_ref().unwrap().width);
    let h = config.head.as_ref().unwrap().features;
    let run = |draws: usize, threads: usize| -> (Vec<Vec<f32>>, Vec<f32>) {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let inputs = features(&network, elements, draws);
            let mut decoding = start(&network, &sequence, draws);
            let steps = sequence.element_rows.iter().zip(&inputs);
            let outputs: Vec<Vec<f32>> = steps.map(|(&row, x)| decoding.step(row, x, None).unwrap()).collect();
            let components: Vec<u32> = (0..3 * draws as u32).map(|c| c / 3).collect();
            let head = decoding.head(&outputs[0], &components, &seed_values(3 * draws * h, 2)).unwrap();
            (outputs, head)
        })
    };
    let (all, head) = run(100, 2);
    for (draws, threads) in [(1, 1), (2, 3), (33, 1), (99, 5)] {
        let (fewer, fewer_head) = run(draws, threads);
        for (a, b) in all.iter().zip(&fewer) {
            assert!(a[..draws * d] == b[..], "{draws} draws on {threads} threads");
        }
        assert!(head[..fewer_head.len()] == fewer_head[..]);
    }
}

/// A draw's place among the others does not matter either, so it can be scored again alone.
#[test]
fn a_draw_is_the_same_bit_for_bit_in_any_place() {
    let mut config = config(Norm::Pre);
    for (width, heads, inner) in [(8, 2, 16), (64, 4, 256)] {
        let decoder = config.decoder.as_mut().unwrap();
        (decoder.width, decoder.heads, decoder.inner) = (width, heads, inner);
        let network = network(config.clone(), 11);
        let sequence = sequences(&config, &[4, 4, 4, 19], 6).pop().unwrap();
        let g = config.decoder.as_ref().unwrap().features;
        let one = seed_values(g, 5);
        let mut decoding = start(&network, &sequence, 75);
        for &row in &sequence.element_rows {
            let out = decoding.step(row, &one.repeat(75), None).unwrap();
            assert!(out.chunks(width).all(|y| y == &out[..width]));
        }
    }
}

#[test]
fn draws_without_an_element_do_not_see_it() {
    let config = config(Norm::Pre);
    let network = network(config.clone(), 11);
    let sequence = sequences(&config, &[4, 4, 4, 19], 6).pop().unwrap();
    let (rows, d) = (&sequence.element_rows, config.decoder.as_ref().unwrap().width);
    let inputs = features(&network, 3, 2);
    let mut both = start(&network, &sequence, 2);
    both.step(rows[0], &inputs[0], None).unwrap();
    both.step(rows[1], &inputs[1], Some(&[false, true])).unwrap();
    let found = both.step(rows[2], &inputs[2], None).unwrap();
    let mut skipping = start(&network, &sequence, 2);
    skipping.step(rows[0], &inputs[0], None).unwrap();
    let without = skipping.step(rows[2], &inputs[2], None).unwrap();
    let mut whole = start(&network, &sequence, 2);
    let steps = rows.iter().zip(&inputs).map(|(&row, x)| whole.step(row, x, None).unwrap());
    let with = steps.last().unwrap();
    assert_eq!(found[..d], without[..d]);
    assert_eq!(found[d..], with[d..]);
    assert_ne!(with[..d], without[..d]);
}

#[test]
fn what_does_not_fit_is_an_error() {
    let config = config(Norm::Pre);
    let network = network(config.clone(), 11);
    let sequence = sequences(&config, &[6], 6).pop().unwrap();
    let encoded = network.encode(&sequence).unwrap();
    let memory = network.decode(encoded, &[6], 1).unwrap_err();
    assert!(matches!(memory, NetworkError::Index { index: 6, limit: 6, .. }));
    let mut decoding = start(&network, &sequence, 2);
    let short = decoding.step(0, &[0.0; 5], None).unwrap_err();
    assert!(matches!(short, NetworkError::Length { expected: 10, found: 5, .. }));
    let mut long = batch(&[sequence]);
    long.positions[0] = 40;
    let error = network.evaluate(&long).err().unwrap();
    assert!(matches!(error, NetworkError::Index { what: "position", index: 40, limit: 40 }));
}
