//! Training: it learns, goes on bit for bit, and weights are checked before they are used.

use unmask::foundation::{AnchorKind, Encoding, Foundation, FoundationError, TextVocabulary, TrainOptions, Trainer};
use unmask::network::{EncoderConfig, Network, NetworkConfig, checkpoint_to_bytes};
use unmask::trace::Mask;

use super::{PROGRAMS, options, small, target};

#[test]
fn a_small_network_learns_a_few_executions_by_heart() {
    let skewed =
        target("model m { sample s ~ half_normal(2); observe y ~ normal(0, s); observe x ~ normal(0, s); }", &[]);
    let by_heart = TrainOptions { examples: Some(4), batch: 4, language: false, ..options(200, 0.02) };
    let mut trainer = Trainer::new(small(AnchorKind::Laplace, 2), vec![skewed], by_heart).unwrap();
    let first = trainer.step().unwrap();
    let last = (0..199).map(|_| trainer.step().unwrap()).last().unwrap();
    assert!(last.adam.taken && last.head < first.head - 1.0, "{first:?} {last:?}");
    // What was learnt by heart is of no use elsewhere.
    let other = trainer.held_out(32, Some(Mask::Role)).unwrap();
    assert!(other.head > other.anchors, "{other:?}");
}

#[test]
fn training_goes_on_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    let targets = vec![target(PROGRAMS[0], &[]), target(PROGRAMS[1], &[])];
    let names = ["test".to_owned()];
    let through = |steps: std::ops::Range<u64>, trainer: &mut Trainer| {
        for _ in steps {
            trainer.step().unwrap();
        }
    };
    let mut whole = Trainer::new(small(AnchorKind::Laplace, 4), targets.clone(), options(6, 0.003)).unwrap();
    through(0..6, &mut whole);
    let mut first = Trainer::new(small(AnchorKind::Laplace, 4), targets.clone(), options(6, 0.003)).unwrap();
    through(0..3, &mut first);
    let path = folder.path().join("w.checkpoint");
    first.save_checkpoint(&path).unwrap();
    drop(first);
    let mut rest = Trainer::resume(&path, targets.clone(), &names).unwrap();
    assert_eq!(rest.steps(), 3);
    through(3..6, &mut rest);
    let (a, b) = (folder.path().join("a"), folder.path().join("b"));
    whole.save_checkpoint(&a).unwrap();
    rest.save_checkpoint(&b).unwrap();
    assert!(std::fs::read(a).unwrap() == std::fs::read(b).unwrap(), "the weights differ");
    // Other programs are another training.
    let other = Trainer::resume(&path, targets, &["other".to_owned()]);
    assert!(matches!(other, Err(FoundationError::Weights { .. })));
}

#[test]
fn weights_are_checked_before_they_are_used() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    let foundation = small(AnchorKind::Laplace, 5);
    foundation.save(&path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let again = Foundation::from_bytes(&bytes).unwrap();
    assert_eq!(again.encoding().encode("model m { a = 2.5 * b @ ?; }", &[3, 1, 2]).unwrap().values, [9]);
    assert_eq!(again.encoding().len(), foundation.encoding().len());
    for cut in [0, 7, 100, bytes.len() / 2, bytes.len() - 1] {
        assert!(Foundation::from_bytes(&bytes[..cut]).is_err(), "{cut} bytes");
    }
    // A network of something else.
    let encoder = EncoderConfig::compact(50, 32, 0);
    let other = Network::new(NetworkConfig { encoder, language: true, decoder: None, head: None }, 1).unwrap();
    let bytes = checkpoint_to_bytes(&other, None, &std::collections::BTreeMap::new()).unwrap();
    assert!(matches!(Foundation::from_bytes(&bytes), Err(FoundationError::Weights { .. })));
    // Finished weights are no state of training.
    assert!(Trainer::resume(&path, vec![target(PROGRAMS[0], &[])], &["test".to_owned()]).is_err());
}

#[test]
fn the_weights_that_are_built_in_can_be_read() {
    let foundation = Foundation::bundled().unwrap();
    assert!(foundation.network().size() > 100_000);
}

#[test]
fn weights_that_read_plain_text_are_trained_kept_and_used() {
    let texts = ["model m {\n    a ~ normal(0, 3) @ 2.5;\n    y ~ normal(a, 1) @ -0.123;\n}\n"; 8];
    let learnt = TextVocabulary::train(texts.into_iter(), 320).unwrap();
    let encoding = Encoding::Text(Box::new(learnt));
    let foundation = Foundation::untrained(encoding, AnchorKind::Laplace, (16, 1), 3).unwrap();
    let coin = target("model m { sample a ~ normal(0, 3); observe y ~ normal(a, 1); }", &[]);
    let mut trainer = Trainer::new(foundation, vec![coin], options(3, 0.01)).unwrap();
    for _ in 0..3 {
        assert!(trainer.step().unwrap().adam.taken);
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("text.safetensors");
    trainer.foundation().save(&path).unwrap();
    let again = Foundation::load(&path).unwrap();
    let text = "a ~ normal(0, 3) @ ?;";
    let tokens = |f: &Foundation| f.encoding().encode(text, &[]).unwrap();
    assert_eq!(tokens(&again), tokens(trainer.foundation()));
}
