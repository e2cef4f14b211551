//! Training: it learns, goes on bit for bit, and weights are checked before they are used.

use unmask::foundation::{
    AnchorKind, Encoding, Example, ExampleOptions, Foundation, FoundationError, TextVocabulary, TrainOptions, Trainer,
    Vocabulary,
};
use unmask::network::{EncoderConfig, Network, NetworkConfig, checkpoint_to_bytes};
use unmask::runtime::random_stream;
use unmask::trace::Mask;

use super::{PROGRAMS, SMALL, options, small, target};

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
fn a_cut_text_loses_iterations_and_keeps_its_targets() {
    let source = "model m { sample a ~ normal(0, 3); plate i in 0..12 { observe y[i] ~ normal(a, 1); } }";
    let encoding = Encoding::Lexeme(Vocabulary::lexeme(&[]));
    let whole = ExampleOptions { anchors: AnchorKind::Laplace, mask: Some(Mask::Role), corrupted: 0.0, cut: 0.0 };
    let draw = |source: &str, cut: f64, seed: u64| {
        let options = ExampleOptions { cut, ..whole };
        Example::draw(&target(source, &[]), &encoding, 512, &options, &mut random_stream(seed, 0)).unwrap()
    };
    let mut lengths = std::collections::BTreeSet::new();
    for seed in 0..20 {
        let (whole, cut) = (draw(source, 0.0, seed), draw(source, 1.0, seed));
        assert!(cut.sequence.tokens.len() < whole.sequence.tokens.len());
        lengths.insert(cut.sequence.tokens.len());
        // The anchors are those of all observations.
        let middle = |example: &Example| example.targets[0].0.components[0].location;
        assert!(whole.targets.len() == 1 && whole.targets[0].1 == cut.targets[0].1);
        assert!((middle(&whole) - middle(&cut)).abs() < 1e-9);
    }
    assert!(lengths.len() > 4, "{lengths:?}");
    // Coefficients are no iterations, and of what is asked for each variable keeps a line.
    let coefficients = "model m { let x = [1, 2, 3, 1, 2, 3, 1, 2, 3, 1]; for k in 0..3 { sample b[k] ~ normal(0, 1); } \
         plate i in 0..10 { observe y[i] ~ normal(b[0] + b[1] * x[i] + b[2], 1); } }";
    let groups = "model m { sample a ~ normal(0, 1); plate i in 0..6 { sample t[i] ~ normal(a, 1); observe y[i] ~ \
         normal(t[i], 1); } }";
    for seed in 0..20 {
        let example = draw(coefficients, 1.0, seed);
        let rows: std::collections::BTreeSet<u32> = example.sequence.element_rows.iter().copied().collect();
        assert_eq!((example.targets.len(), rows.len()), (3, 3));
        assert_eq!(draw(groups, 1.0, seed).targets.len(), 7);
    }
    // What has no loops stays as it is.
    let source = "model m { sample a ~ normal(0, 3); observe y ~ normal(a, 1); }";
    assert_eq!(draw(source, 0.0, 1).sequence.tokens, draw(source, 1.0, 1).sequence.tokens);
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
    // Stopped within batches that were made together.
    let options = TrainOptions { buckets: 2, ..options(6, 0.003) };
    let mut whole = Trainer::new(small(AnchorKind::Laplace, 4), targets.clone(), options.clone()).unwrap();
    through(0..6, &mut whole);
    let mut first = Trainer::new(small(AnchorKind::Laplace, 4), targets.clone(), options).unwrap();
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
    // So are those of the same names that say something else.
    let changed = vec![target(&PROGRAMS[0].replacen("normal(0", "normal(1", 1), &[]), target(PROGRAMS[1], &[])];
    let changed = Trainer::resume(&path, changed, &names);
    assert!(matches!(changed, Err(FoundationError::Weights { reason }) if reason.contains("changed")));
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
    // One bit that changed, and numbers that are none.
    let damaged = |at: usize, with: &[u8]| {
        let mut damaged = bytes.clone();
        damaged[at..at + with.len()].copy_from_slice(with);
        Foundation::from_bytes(&damaged).unwrap_err().to_string()
    };
    let end = bytes.len();
    assert!(damaged(end - 10, &[bytes[end - 10] ^ 1]).contains("not those that were written"));
    assert!(damaged(end - 4, &f32::NAN.to_le_bytes()).contains("not finite"));
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
    let foundation = Foundation::untrained(encoding, AnchorKind::Laplace, SMALL, 3).unwrap();
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

#[test]
fn training_that_is_killed_goes_on_to_the_same_weights() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("skewed.ppl");
    std::fs::write(&program, "model skewed { sample s ~ half_normal(2); observe y ~ normal(0, s); }").unwrap();
    let command = |output: &str, resume: bool| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_unmask"));
        command.arg("train").arg(&program).arg("-o").arg(folder.path().join(output)).arg("-q");
        command.args(["--steps", "75", "--batch", "4", "--heldout", "8", "--width", "16", "--layers", "1"]);
        if resume {
            command.arg("--resume");
        }
        command.stderr(std::process::Stdio::null());
        command
    };
    assert!(command("whole.safetensors", false).status().unwrap().success());
    let checkpoint = folder.path().join("killed.safetensors.checkpoint");
    // Twice: somewhere after the first checkpoint, and soon after it went on.
    for resume in [false, true] {
        let mut child = command("killed.safetensors", resume).spawn().unwrap();
        while !checkpoint.exists() && child.try_wait().unwrap().is_none() {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert!(command("killed.safetensors", true).status().unwrap().success());
    let bytes = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    for file in ["safetensors", "safetensors.checkpoint"] {
        assert!(bytes(&format!("whole.{file}")) == bytes(&format!("killed.{file}")), "{file} differs");
    }
}

#[test]
fn options_that_do_not_go_together_are_refused() {
    let train = |options: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_unmask"));
        let output = command.args(["train", "none.ppl", "-o", "none.safetensors"]).args(options).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    for (options, reason) in [
        (&["--epochs", "3"][..], "--epochs needs --examples"),
        (&["--preset", "roberta-base", "--width", "64"], "--width and --layers are of the preset `compact`"),
        (&["--lr=-1"], "a positive number is expected"),
        (&["--width", "31"], "a multiple of 4 from 8 to 4096 is expected"),
        (&["--steps", "5", "--epochs", "3", "--examples", "9"], "cannot be used with"),
    ] {
        let (code, told) = train(options);
        assert!(code == Some(2) && told.contains(reason), "{options:?}: {told}");
    }
    // Data are named with their program.
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("m.ppl"),
        "model m { given n: int; sample a ~ normal(n, 1); observe y ~ normal(a, 1); }",
    )
    .unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_unmask"));
    let output = command.args(["train", "m.ppl", "-o", "w"]).current_dir(folder.path()).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && told.contains("FILE=DATA.json"), "{told}");
    // A build without CUDA says so.
    #[cfg(not(feature = "cuda"))]
    {
        std::fs::write(folder.path().join("m.ppl"), "model m { sample a ~ normal(0, 1); observe y ~ normal(a, 1); }")
            .unwrap();
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_unmask"));
        let output =
            command.args(["train", "m.ppl", "-o", "w", "--device", "cuda"]).current_dir(folder.path()).output();
        let output = output.unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(1) && told.contains("--features cuda"), "{told}");
        assert!(!folder.path().join("w").exists());
    }
    // The paper's preset has a number of executions: epochs count.
    let (code, told) = train(&["--preset", "paper", "--epochs", "3"]);
    assert!(code == Some(1) && told.contains("none.ppl"), "{told}");
}

#[test]
fn a_program_that_gives_no_example_now_and_then_does_not_end_training() {
    use unmask::foundation::{Lesson, Lessons, RandomPrograms, try_examples};
    let coin = target("model m { sample a ~ normal(0, 1); observe y ~ normal(a, 1); }", &[]);
    let part = |is_there: fn(u64) -> bool| {
        let own = coin.clone();
        Lesson::parts(coin.clone(), move |_, number| {
            let missing = || FoundationError::Minibatch { reason: "it is not there".into() };
            is_there(number).then(|| own.clone()).ok_or_else(missing)
        })
    };
    let (now_and_then, never) = (part(|number| number % (1 << 40) == 0), part(|_| false));
    let small = || small(AnchorKind::Laplace, 2);
    let lessons = |second: &Lesson| vec![Lesson::whole(coin.clone()), second.clone()];
    let mut trainer = Trainer::new(small(), lessons(&now_and_then), options(4, 0.01)).unwrap();
    let instead: Vec<usize> = (0..4).map(|_| trainer.step().unwrap().instead).collect();
    // Every other example is of the second program, of which only the first can be made.
    let batch = options(4, 0.01).batch;
    assert_eq!(instead.iter().sum::<usize>(), 4 * batch / 2 - 1);
    // Whatever the share of random programs, each is tried at the start; and these have stand-ins too.
    let random = |share| Some(RandomPrograms::new(share, |_, _| None));
    for share in [0.0, 0.9] {
        let lessons = Lessons::from(lessons(&never)).with_random(random(share));
        let refused = Trainer::new(small(), lessons, options(4, 0.01)).unwrap_err();
        assert!(
            matches!(&refused, FoundationError::NoExamples { reason, .. } if reason.contains("not there")),
            "{refused}"
        );
    }
    let only_random = Lessons::from(vec![Lesson::whole(coin.clone())]).with_random(random(1.0));
    let mut trainer = Trainer::new(small(), only_random, options(4, 0.01)).unwrap();
    assert_eq!(trainer.step().unwrap().instead, batch);
    assert!(try_examples(lessons(&never)[0].clone(), &small(), 8, 1).is_ok());
    assert!(try_examples(now_and_then.clone(), &small(), 1, 1).is_ok());
    assert!(try_examples(now_and_then, &small(), 2, 1).is_err());
}

#[test]
fn programs_longer_than_the_context_are_learned_by_minibatches() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let program = "model m { given n: int; sample a ~ normal(0, 1); plate i in 0..n { observe y[i] ~ normal(a, 1); } }";
    std::fs::write(path("m.ppl"), program).unwrap();
    std::fs::write(path("m.json"), "{\"n\": 60}").unwrap();
    let (file, output) = (format!("{}={}", path("m.ppl"), path("m.json")), path("w.safetensors"));
    let train = |more: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_unmask"));
        command.args(["train", &file, "-q", "-o", &output, "--width", "8", "--layers", "1", "--context", "128"]);
        let steps = if more.contains(&"--resume") { "4" } else { "3" };
        let ran = command.args(["--steps", steps, "--batch", "2", "--heldout", "2"]).args(more).output().unwrap();
        (ran.status.success(), String::from_utf8(ran.stderr).unwrap())
    };
    let tokens = |i: usize| {
        let text = std::fs::read_to_string(path("w.safetensors.metrics.jsonl")).unwrap();
        let line: serde_json::Value = serde_json::from_str(text.lines().nth(i).unwrap()).unwrap();
        line["tokens"].as_u64().unwrap()
    };
    // Without minibatches, what does not fit is told.
    let (fine, stderr) = train(&[]);
    assert!(fine && stderr.contains("`m` has") && stderr.contains("without some of its iterations"), "{stderr}");
    let (fine, stderr) = train(&["--plate-k", "2"]);
    assert!(fine && !stderr.contains("without"), "{stderr}");
    // Two examples of two lines a step.
    assert!(tokens(0) < 120, "{}", tokens(0));
    let (fine, stderr) = train(&["--plate-k", "2", "--resume"]);
    assert!(fine, "{stderr}");
    let (fine, stderr) = train(&["--plate-k", "3", "--resume"]);
    assert!(!fine && stderr.contains("minibatches of 2"), "{stderr}");
}
