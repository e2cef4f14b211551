//! Results do not depend on threads or on what else is in a batch.

use super::{Norm, assert_close, batch, config, loss_and_gradients, network, sequences};

#[test]
fn results_are_the_same_on_any_number_of_threads() {
    for norm in [Norm::Pre, Norm::Post] {
        let config = config(norm);
        let network = network(config.clone(), 5);
        // More rows than one block has.
        let lengths: Vec<usize> = (0..40).map(|i| 3 + (i * 7) % 30).collect();
        let batch = batch(&sequences(&config, &lengths, 2));
        let on = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let (loss, gradients) = loss_and_gradients(&network, &batch);
                (loss.to_bits(), gradients)
            })
        };
        let one = on(1);
        assert!(one == on(2) && one == on(5), "{norm:?}");
    }
}

#[test]
fn a_ragged_batch_is_its_sequences_one_at_a_time() {
    for norm in [Norm::Pre, Norm::Post] {
        let config = config(norm);
        let network = network(config.clone(), 5);
        let sequences = sequences(&config, &[5, 1, 17, 8, 30], 2);
        let together = network.evaluate(&batch(&sequences)).unwrap();
        let (mut encoded, mut decoded, mut head, mut logits) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for sequence in &sequences {
            let pass = network.evaluate(&batch(std::slice::from_ref(sequence))).unwrap();
            encoded.extend(pass.encoded());
            decoded.extend(pass.decoded().unwrap());
            head.extend(pass.head().unwrap());
            logits.extend(pass.language_logits().unwrap());
        }
        assert_close(&together.encoded(), &encoded, 1e-5, "encoded");
        assert_close(&together.decoded().unwrap(), &decoded, 1e-5, "decoded");
        assert_close(&together.head().unwrap(), &head, 1e-5, "head");
        assert_close(&together.language_logits().unwrap(), &logits, 1e-5, "logits");
    }
}
