//! The compiled density against the machine, which interprets: the same number at the same execution, for every example, and
//! gradients against differences.

use std::path::PathBuf;

use unmask::density::{CompileOptions, Compiled, Evaluator};
use unmask::infer::{Coordinates, Kernel, MarkovChain, StreamPurpose, Target, stream};
use unmask::{Data, Model};

/// Executions of each program.
const EXECUTIONS: usize = 6;

fn target(source: &str, data: &[&str]) -> Target {
    let data = data.iter().fold(Data::new(), |data, d| data.with_assignment(*d));
    Model::from_source("density.ppl", source).unwrap().target(&data).unwrap()
}

/// Executions from the prior: the interpreted log density over coordinates, and the coordinates.
fn executions(target: &Target, compiled: &Compiled) -> Vec<(f64, Vec<f64>)> {
    let coordinates = Coordinates::new(compiled);
    (0..EXECUTIONS as u64)
        .filter_map(|i| {
            let mut rng = stream(5, StreamPurpose::Calibration, i);
            let mut chain = MarkovChain::from_prior(&target.borrow(), Kernel::Mixed, &mut rng).ok()?;
            for _ in 0..50 {
                chain.update(&mut rng).unwrap();
            }
            let (z, log_jacobian) = coordinates.of(chain.trace(), chain.addresses());
            Some((chain.trace().log_density() + log_jacobian, z))
        })
        .collect()
}

fn assert_gradient(evaluator: &mut dyn Evaluator, z: &[f64], name: &str) {
    let mut gradient = vec![0.0; z.len()];
    let value = evaluator.gradient(z, &mut gradient);
    assert!(value.is_finite(), "{name}: no gradient at {z:?}");
    assert!((value - evaluator.value(z)).abs() <= 1e-9 * value.abs().max(1.0), "{name}: two values");
    for i in 0..z.len() {
        let step = 1e-5 * z[i].abs().max(1.0);
        let at = |evaluator: &mut dyn Evaluator, shift: f64| {
            let mut moved = z.to_vec();
            moved[i] += shift;
            evaluator.value(&moved)
        };
        // Five points: the error is of fourth order.
        let difference = (8.0 * (at(evaluator, step) - at(evaluator, -step)) - at(evaluator, 2.0 * step)
            + at(evaluator, -2.0 * step))
            / (12.0 * step);
        let scale = gradient.iter().fold(1.0, |m: f64, g| m.max(g.abs())).max(value.abs());
        assert!(
            (difference - gradient[i]).abs() <= 2e-6 * scale,
            "{name}: coordinate {i}: {} by reverse mode, {difference} by differences",
            gradient[i]
        );
    }
}

#[test]
fn every_example_has_the_density_that_the_machine_computes() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples");
    let (mut compared, mut interpreted) = (0, Vec::new());
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "ppl") {
            continue;
        }
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let Ok(model) = Model::from_file(&path) else { continue };
        let data = match std::fs::read_to_string(path.with_extension("json")) {
            Ok(text) => Data::from_json(text),
            Err(_) => Data::new(),
        };
        let Ok(target) = model.target(&data) else { continue };
        let compiled = match target.borrow().compile(CompileOptions::default()) {
            Ok(compiled) => compiled,
            Err(error) => {
                interpreted.push(format!("{name}: {error}"));
                continue;
            }
        };
        let Some(density) = compiled.density() else {
            interpreted.push(format!("{name}: paths differ in their coordinates"));
            continue;
        };
        let mut evaluator = density.on_tape();
        for (interpreted, z) in executions(&target, &compiled) {
            let value = evaluator.value(&z);
            if compiled.paths() == 1 && !compiled.has_barren() {
                assert!(
                    (value - interpreted).abs() <= 1e-8 * interpreted.abs().max(1.0),
                    "{name}: {value} compiled, {interpreted} interpreted"
                );
                compared += 1;
            } else {
                assert!(compiled.has_barren() || value >= interpreted - 1e-8, "{name}: a sum of less than one term");
            }
            assert_gradient(&mut evaluator, &z, &name);
        }
    }
    interpreted.sort();
    eprintln!("{compared} compared; interpreted: {interpreted:#?}");
    assert!(compared > 60, "only {compared} executions were compared; interpreted: {interpreted:#?}");
}

/// The sum over all values of discrete variables, each execution interpreted.
#[test]
fn discrete_variables_are_summed_out() {
    let source = "model m {
        sample k ~ categorical([0.2, 0.5, 0.3]);
        sample flip ~ bernoulli(0.4);
        sample mu ~ normal(0, 2);
        observe y ~ normal(if flip then mu + k else mu - k, 0.7);
    }";
    let compiled = target(source, &["y=1.3"]).borrow().compile(CompileOptions::default()).unwrap();
    assert_eq!(compiled.paths(), 6);
    let density = compiled.density().unwrap();
    let mut evaluator = density.on_tape();
    let log_normal =
        |x: f64, m: f64, s: f64| -0.5 * ((x - m) / s).powi(2) - s.ln() - 0.5 * (2.0 * std::f64::consts::PI).ln();
    for mu in [-3.0, 0.1, 2.5] {
        let mut sum = 0.0;
        for (k, p) in [(0.0, 0.2), (1.0, 0.5), (2.0, 0.3)] {
            sum += p * (0.4 * log_normal(1.3, mu + k, 0.7).exp() + 0.6 * log_normal(1.3, mu - k, 0.7).exp());
        }
        let exact = sum.ln() + log_normal(mu, 0.0, 2.0);
        assert!((evaluator.value(&[mu]) - exact).abs() < 1e-12);
        assert_gradient(&mut evaluator, &[mu], "mixture");
    }
}

#[test]
fn conditions_on_reals_split_into_paths() {
    let source = "model m {
        sample t ~ normal(0, 1);
        sample a ~ normal(0, 1);
        observe y ~ normal(if t > 0.5 then a else 3 - a, 0.5);
    }";
    let options = CompileOptions { split: true, ..CompileOptions::default() };
    let target = target(source, &["y=1"]);
    let split = target.borrow().compile(options).unwrap();
    let whole = target.borrow().compile(CompileOptions::default()).unwrap();
    assert_eq!((split.paths(), whole.paths()), (2, 1));
    let (split, whole) = (split.density().unwrap(), whole.density().unwrap());
    let (mut split, mut whole) = (split.on_tape(), whole.on_tape());
    for z in [[0.2, 0.3], [0.7, 0.3], [-2.0, 1.5], [0.5, 0.0]] {
        assert!((split.value(&z) - whole.value(&z)).abs() < 1e-12);
        assert_gradient(&mut whole, &z.map(|x| x + 1e-3), "select");
        assert_gradient(&mut split, &z.map(|x| x + 1e-3), "paths");
    }
}

#[test]
fn what_nothing_known_depends_on_is_left_out() {
    let source = "model m {
        sample a ~ normal(0, 1);
        observe y ~ normal(a, 1);
        sample next ~ poisson(exp(a));
        sample later ~ normal(next, 1);
    }";
    let compiled = target(source, &["y=1"]).borrow().compile(CompileOptions::default()).unwrap();
    assert!(compiled.has_barren());
    assert_eq!((compiled.dimension(), compiled.paths()), (1, 1));
}

/// Rows of a plate share loops: the tape has as many steps for 1,000 rows as for 10.
#[test]
fn operations_of_a_plate_share_a_loop() {
    let source = "model m {
        given n: int;
        given x: real[n];
        sample a ~ normal(0, 1);
        sample b ~ normal(0, 1);
        sample s ~ half_normal(1);
        plate i in 0..n { observe y[i] ~ normal(a + b * x[i], s); }
    }";
    let steps = |n: usize| {
        let data = Data::new().with("x", (0..n).map(|i| i as f64).collect::<Vec<_>>()).with("y", vec![0.5; n]);
        let target = Model::from_source("m.ppl", source).unwrap().target(&data).unwrap();
        let compiled = target.borrow().compile(CompileOptions::default()).unwrap();
        compiled.density().unwrap().steps()
    };
    assert_eq!(steps(1000), steps(100));
    assert!(steps(1000) < 15, "{} steps", steps(1000));
}
