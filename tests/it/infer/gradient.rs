//! NUTS and ADVI on programs: what is summed out, what is left out, and where they start.

use unmask::infer::{InferOptions, Inferred, Method};
use unmask::{Data, Model};

fn infer(method: &str, source: &str, data: &[&str]) -> Inferred {
    let data = data.iter().fold(Data::new(), |data, d| data.with_assignment(*d));
    let options =
        InferOptions { method: Method::named(method).unwrap(), draws: Some(8_000), seed: 2, ..InferOptions::default() };
    Model::from_source("m.ppl", source).unwrap().infer(&data, &options).unwrap()
}

#[track_caller]
fn close(inferred: &Inferred, name: &str, mean: f64, sd: f64) {
    let found = inferred.variable(name).unwrap();
    let context = format!("{name} by {}: {} ± {}, not {mean}", inferred.method, found.mean, found.mcse);
    assert!((found.mean - mean).abs() < 4.5 * found.mcse, "{context}");
    assert!((found.sd / sd - 1.0).abs() < 0.05, "{context}: sd {}, not {sd}", found.sd);
}

#[test]
fn discrete_variables_are_drawn_given_the_others_and_what_nothing_depends_on_from_its_own_distribution() {
    let source = "model m {
        sample z ~ bernoulli(0.3);
        sample a ~ normal(0, 1);
        observe y ~ normal(a + 2 * z, 1);
        sample next ~ normal(a + z, 1);
        sample count ~ poisson(exp(0 * a) + 2);
        let twice = 2 * a;
    }";
    let y: f64 = 1.5;
    let weigh = |z: f64, p: f64| p * (-0.25 * (y - 2.0 * z).powi(2)).exp();
    let p = weigh(1.0, 0.3) / (weigh(1.0, 0.3) + weigh(0.0, 0.7));
    // a given z is normal((y − 2 z) / 2, √0.5); next is a + z + noise.
    let (a0, a1) = (y / 2.0, y / 2.0 - 1.0);
    let mean = (1.0 - p) * a0 + p * a1;
    let variance = 0.5 + p * (1.0 - p);
    for method in ["nuts", "advi"] {
        let inferred = infer(method, source, &["y=1.5"]);
        assert!(inferred.certified, "{}", inferred.reason);
        close(&inferred, "z", p, (p * (1.0 - p)).sqrt());
        close(&inferred, "a", mean, variance.sqrt());
        close(&inferred, "twice", 2.0 * mean, 2.0 * variance.sqrt());
        // a + z: its means given z are y/2 and y/2.
        close(&inferred, "next", y / 2.0, 1.5_f64.sqrt());
        close(&inferred, "count", 3.0, 3.0_f64.sqrt());
        assert!(inferred.variable("twice").unwrap().deterministic);
    }
}

#[test]
fn a_prior_without_draws_or_far_from_the_posterior_is_no_obstacle() {
    let improper =
        "model m { sample a ~ flat(); sample s ~ positive_flat(); for i in 0..4 { observe y[i] ~ normal(a, s); } }";
    let nuts = infer("nuts", improper, &["y=[1.0, 2.0, 4.0, 5.0]"]);
    // Student t with 2 degrees of freedom for the mean: it has no variance, but quantiles.
    let a = nuts.variable("a").unwrap();
    let width = 2.919_985_6 * (10.0_f64 / 2.0 / 4.0).sqrt();
    assert!((a.q50 - 3.0).abs() < 0.15 && (a.q95 - 3.0 - width).abs() < 0.6, "{a:?}");
    let far = "model m { sample a ~ normal(0, 1); observe y ~ normal(a, 0.001); }";
    for method in ["nuts", "advi"] {
        let inferred = infer(method, far, &["y=30.0"]);
        let precision: f64 = 1.0 + 1e6;
        close(&inferred, "a", 30.0 * 1e6 / precision, precision.powf(-0.5));
    }
}

#[test]
fn the_ladder_comes_to_nuts_where_many_scales_are_unknown() {
    let folder = std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples");
    let data = Data::from_json(std::fs::read_to_string(folder.join("rats.json")).unwrap());
    let options = InferOptions { chains: Some(3), ..InferOptions::default() };
    let inferred = Model::from_file(folder.join("rats.ppl")).unwrap().infer(&data, &options).unwrap();
    assert_eq!((inferred.method, inferred.certified, inferred.chains), ("nuts", true, 3), "{}", inferred.reason);
    let rungs: Vec<(&str, bool)> = inferred.ladder.iter().map(|r| (r.rung, r.held)).take(2).collect();
    assert_eq!(rungs, [("foundation", false), ("laplace", false)]);
    assert_eq!(inferred.statistics.len(), inferred.posterior.weights.len());
    assert!(inferred.variables[0].mcse_sd.is_some());
}
