//! Simulation-based calibration: engines that are exact pass it, engines that are wrong do not.

use std::sync::Arc;

use unmask::infer::{
    Calibration, CalibrationOptions, InferError, InferOptions, Inferred, LOG_LIKELIHOOD, Method, Silent, Target,
    Verdict, calibrate, calibrate_with, infer,
};
use unmask::runtime::Conditions;
use unmask::value::{Column, Posterior, Value};
use unmask::{Data, Model};

const NORMAL: &str = "model m { sample a ~ normal(0, 2); plate i in 0..3 { observe y[i] ~ normal(a, 1); } }";

const DISCRETE: &str = "model m {
    sample z ~ bernoulli(0.3);
    sample n ~ discrete_uniform(0, 4);
    observe y ~ normal(2 * z + n, 1);
}";

fn target(source: &str) -> Target {
    let model = Model::from_source("calibration.ppl", source).unwrap();
    Target { runtime: model.runtime().clone(), model: model.id(), conditions: Conditions::new() }
}

fn options(method: &str, simulations: usize) -> CalibrationOptions {
    let method = Method::named(method).unwrap();
    CalibrationOptions { method, simulations, seed: 11, ..CalibrationOptions::default() }
}

#[track_caller]
fn assert_holds(label: &str, found: &Calibration) {
    let p_values: Vec<(&str, f64)> = found.quantities.iter().map(|q| (&*q.name, q.p_value)).collect();
    assert_ne!(found.verdict(), Verdict::Refuted, "{label}: {p_values:?}");
    assert_eq!(found.failed, 0, "{label}: {:?}", found.first_failure);
}

fn names(found: &Calibration) -> Vec<&str> {
    found.quantities.iter().map(|q| &*q.name).collect()
}

#[test]
fn exact_engines_are_calibrated() {
    for (method, source, simulations) in [
        ("enumerate", DISCRETE, 1_000),
        ("importance", NORMAL, 200),
        ("importance", DISCRETE, 200),
        ("laplace", NORMAL, 100),
        ("laplace", DISCRETE, 100),
        ("nuts", NORMAL, 20),
        ("smc", NORMAL, 20),
        ("smc", DISCRETE, 20),
        ("mh", NORMAL, 20),
    ] {
        let found = calibrate(&target(source), &options(method, simulations), &mut Silent).unwrap();
        assert_holds(method, &found);
        assert_eq!(found.starved, 0);
        assert_eq!(found.engines, [(method, simulations)]);
        for quantity in &found.quantities {
            assert_eq!(quantity.ranks.len(), simulations);
            assert!(quantity.ranks.iter().all(|rank| *rank <= 99));
            for coverage in quantity.coverage {
                let off = (coverage.share - coverage.level).abs();
                assert!(off < 4.5 * coverage.error, "{method}, {}: {coverage:?}", quantity.name);
            }
        }
    }
}

#[test]
fn p_values_of_an_exact_engine_are_uniform() {
    let target = target(DISCRETE);
    let runs = 40;
    let mut p_values: Vec<f64> = (0..runs)
        .flat_map(|seed| {
            let options = CalibrationOptions { seed, ..options("enumerate", 100) };
            calibrate(&target, &options, &mut Silent).unwrap().quantities.into_iter().map(|q| q.p_value)
        })
        .collect();
    p_values.sort_by(f64::total_cmp);
    // The statistic of Kolmogorov and Smirnov, whose 99.9 % point is 1.95/√n.
    let n = p_values.len() as f64;
    let distance = p_values.iter().zip(1..).map(|(p, i)| (p - f64::from(i) / n).abs()).fold(0.0, f64::max);
    assert!(distance < 1.95 / n.sqrt(), "{distance}: {p_values:?}");
}

/// The answer with the draws of `a` and the weights changed.
fn changed(
    of_draw: impl Fn(f64) -> f64 + Sync,
    of_weight: impl Fn(f64) -> f64 + Sync,
) -> impl Fn(&Target, &InferOptions) -> Result<Inferred, InferError> + Sync {
    move |target, options| {
        let mut inferred = infer(target, options, &mut Silent)?;
        let posterior: &Posterior = &inferred.posterior;
        let mean = inferred.mean("a").unwrap_or(0.0);
        let columns = posterior.columns.iter().map(|column| {
            let values = column.values.iter().map(|value| match value {
                Some(Value::Real(x)) if &*column.name == "a" => Some(Value::Real(mean + of_draw(x - mean))),
                other => other.clone(),
            });
            Column { name: column.name.clone(), values: values.collect() }
        });
        let weights: Vec<f64> = posterior.weights.iter().map(|w| of_weight(*w)).collect();
        let total: f64 = weights.iter().sum();
        inferred.posterior = Arc::new(Posterior {
            columns: columns.collect(),
            weights: weights.into_iter().map(|w| w / total).collect(),
            ..posterior.clone()
        });
        Ok(inferred)
    }
}

#[test]
fn wrong_engines_are_refuted() {
    let refuted = |method: &str, source: &str, answer: &unmask::infer::Answer<'_>, guilty: &str| {
        let found = calibrate_with(&target(source), &options(method, 120), answer, &mut Silent).unwrap();
        assert_eq!(found.verdict(), Verdict::Refuted, "{:?}", found.quantities);
        let quantity = found.quantities.iter().find(|q| q.name == guilty).unwrap();
        assert_eq!(found.verdict_of(quantity), Verdict::Refuted, "{guilty}: {}", quantity.p_value);
        assert!(quantity.differences.iter().any(|d| d.abs() >= 1.0), "{guilty}: {:?}", quantity.differences);
        found
    };
    let keep = |w: f64| w;
    // Overconfident, and so with intervals that hold too little; timid; shifted.
    let found = refuted("importance", NORMAL, &changed(|d| 0.6 * d, keep), "a");
    let [half, most] = found.quantities[0].coverage;
    assert!(half.share + 3.0 * half.error < 0.5 && most.share + 3.0 * most.error < 0.9, "{half:?} {most:?}");
    let found = refuted("importance", NORMAL, &changed(|d| 1.7 * d, keep), "a");
    assert!(found.quantities[0].coverage[0].share > 0.6);
    refuted("importance", NORMAL, &changed(|d| d + 0.3, keep), "a");
    // Probabilities too near to 0 and 1.
    refuted("enumerate", DISCRETE, &changed(|d| d, |w| w.powi(3)), LOG_LIKELIHOOD);
    // Draws from the prior have uniform ranks among parameters, but explain the data less than the truth.
    let found = calibrate(&target(NORMAL), &options("prior", 120), &mut Silent).unwrap();
    assert_eq!(found.verdict(), Verdict::Refuted);
    assert_eq!(found.verdict_of(&found.quantities[0]), Verdict::Holds);
    assert_eq!(found.uncertified, 120);
}

#[test]
fn failures_and_uncertified_answers_are_counted() {
    let target = target(NORMAL);
    let answer = |target: &Target, options: &InferOptions| {
        let mut inferred = infer(target, options, &mut Silent)?;
        match options.seed % 4 {
            0 => return Err(InferError::NoDrawSurvived { tried: 7, reason: None }),
            1 => inferred.certified = false,
            _ => {}
        }
        Ok(inferred)
    };
    let found = calibrate_with(&target, &options("importance", 100), &answer, &mut Silent).unwrap();
    assert!((10..45).contains(&found.failed), "{}", found.failed);
    assert!((10..45).contains(&found.uncertified), "{}", found.uncertified);
    assert!(found.first_failure.is_some());
    assert_eq!(found.quantities[0].ranks.len(), 100 - found.failed);
    assert!(found.quantities.iter().all(|q| q.p_value_certified.is_some_and(|p| p > 1e-4)));
    let always = |_: &Target, _: &InferOptions| Err(InferError::NoDrawSurvived { tried: 7, reason: None });
    let error = calibrate_with(&target, &options("importance", 10), &always, &mut Silent).unwrap_err();
    assert!(matches!(error, InferError::NoDrawSurvived { .. }));
    for wrong in [options("auto", 0), CalibrationOptions { draws: 0, ..options("auto", 5) }] {
        let error = calibrate(&target, &wrong, &mut Silent).unwrap_err();
        assert!(matches!(error, InferError::InvalidOption { .. }), "{error}");
    }
}

#[test]
fn what_is_latent_follows_from_the_program_and_the_data() {
    let calibrated = |source: &str, known: &[&str]| {
        let model = Model::from_source("calibration.ppl", source).unwrap();
        let data = known.iter().fold(Data::new(), |data, text| match text.strip_prefix("mask ") {
            Some(name) => data.mask(name),
            None => data.with_assignment(*text),
        });
        let (found, _, _) = model.calibrate(&data, &options("importance", 25), &mut Silent).unwrap();
        assert_holds(source, &found);
        found
    };
    let plate = "model m {
        given n: int;
        given x ~ normal(0, 1);
        sample a ~ normal(x, 2);
        plate i in 0..n { observe y[i] ~ normal(a, 1); }
    }";
    assert_eq!(names(&calibrated(plate, &["n=3"])), ["a", LOG_LIKELIHOOD]);
    // The size is read off the data, of which some stay masked.
    assert_eq!(names(&calibrated(plate, &["y=[1.0, ?, 2.0]"])), ["a", "y[1]", LOG_LIKELIHOOD]);
    assert_eq!(names(&calibrated(plate, &["y=[1.0, 2.0, ?]", "x=1.0"])), ["a", "y[2]", LOG_LIKELIHOOD]);
    assert_eq!(names(&calibrated(plate, &["n=2", "mask x"])), ["x", "a", LOG_LIKELIHOOD]);
    // Nothing is observed.
    assert_eq!(names(&calibrated(plate, &["n=2", "mask y"])), ["a", "y[0]", "y[1]"]);
    let annotated = "model m {
        given k: int @ 4;
        sample scale ~ gamma(2, 1) @ 2.0;
        sample a ~ normal(0, scale);
        observe y ~ normal(a, k) @ 3.0;
        observe hidden ~ normal(a, 1) @ ?;
    }";
    assert_eq!(names(&calibrated(annotated, &[])), ["a", "hidden", LOG_LIKELIHOOD]);
    let structured = "model part(m: real) -> real {
        sample w ~ dirichlet([2.0, 1.0, 1.0]);
        sample more ~ bernoulli(0.5);
        if more { sample extra ~ normal(m, 1); return w[0] + extra; } else { return w[0]; }
    }
    model m {
        plate i in 0..2 { sample s[i] ~ part(i); observe y[i] ~ normal(s[i], 0.5); }
        sample b ~ bernoulli(0.4);
        observe z = if b then 1 else 0;
    }";
    let found = calibrated(structured, &[]);
    assert!(names(&found).contains(&"s[1].w[2]") && names(&found).contains(&"s[0].extra"), "{:?}", names(&found));
    let extra = found.quantities.iter().find(|q| q.name == "s[0].extra").unwrap();
    assert!((0.3..0.7).contains(&extra.exists), "{}", extra.exists);
    let recursive = "model chain -> int {
        sample stop ~ bernoulli(0.6);
        if stop { return 0; } else { sample rest ~ chain(); return rest + 1; }
    }
    model m { sample n ~ chain(); observe y ~ normal(n, 1.5); }";
    let found = calibrated(recursive, &[]);
    assert_eq!(names(&found)[..2], ["n.stop", "n.rest.stop"]);
    assert!(found.rare > 0);
}

#[test]
fn programs_without_draws_from_their_own_distributions_are_refused() {
    let refused = |source: &str, known: &[&str]| {
        let model = Model::from_source("calibration.ppl", source).unwrap();
        let data = known.iter().fold(Data::new(), |data, text| data.with_assignment(*text));
        model.calibrate(&data, &options("auto", 10), &mut Silent).unwrap_err().to_string()
    };
    let chain = "model m { sample a ~ normal(0, 1); sample b ~ normal(a, 1); observe y ~ normal(b, 1); }";
    let error = refused(chain, &["b=1.0"]);
    assert!(error.contains("error[E0711]") && error.contains("`b` is fixed"), "{error}");
    let given = "model m { sample a ~ normal(0, 1); given x ~ normal(a, 1); observe y ~ normal(x, 1); }";
    assert!(refused(given, &["x=1.0"]).contains("`x` is fixed"));
    let improper = "model m { sample a ~ flat() simulate normal(0, 1); observe y ~ normal(a, 1); }";
    assert!(refused(improper, &[]).contains("`a` is simulated from another distribution"));
    assert!(refused("model m { sample a ~ flat(); observe y ~ normal(a, 1); }", &[]).contains("improper"));
    assert!(refused("model m { sample a ~ normal(0, 1); factor a; }", &[]).contains("factor"));
}

#[test]
fn results_do_not_depend_on_threads() {
    let run = |threads: usize, seed: u64| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let options = CalibrationOptions { seed, ..options("importance", 30) };
        pool.install(|| calibrate(&target(NORMAL), &options, &mut Silent).unwrap().quantities)
    };
    assert_eq!(run(1, 3), run(3, 3));
    assert_ne!(run(1, 3), run(1, 4));
}
