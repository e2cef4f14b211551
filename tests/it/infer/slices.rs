//! Posteriors that bend: slices of the coordinate decoded first, against quadrature.

use unmask::infer::{InferOptions, Inferred, Method};
use unmask::{Data, Model};

fn normal(x: f64, m: f64, s: f64) -> f64 {
    (-0.5 * ((x - m) / s).powi(2)).exp() / s / (2.0 * std::f64::consts::PI).sqrt()
}

fn infer(source: &str, data: &[&str]) -> Inferred {
    let data = data.iter().fold(Data::new(), |data, d| data.with_assignment(*d));
    let method = Method::named("laplace").unwrap();
    let options = InferOptions { method, draws: Some(2_500), seed: 3, ..InferOptions::default() };
    Model::from_source("slices.ppl", source).unwrap().infer(&data, &options).unwrap()
}

#[track_caller]
fn assert_close(found: &Inferred, name: &str, mean: f64) {
    let found = found.variable(name).unwrap();
    assert!((found.mean - mean).abs() < 4.5 * found.mcse, "{name}: {} ± {} for {mean}", found.mean, found.mcse);
}

/// A banana, and its two tips: y tells b − a²/2 precisely, and nothing else of either.
#[test]
fn a_banana_is_certified() {
    let source = "model m {
        sample a ~ normal(0.5, 2);
        sample b ~ normal(0, 3);
        observe y ~ normal(b - 0.5 * a * a, 0.05);
    }";
    let found = infer(source, &["y=-1"]);
    assert!(found.certified, "{}", found.reason);
    let effective = unmask::infer::weights_ess(&found.posterior.weights);
    assert!(effective > 0.6 * 2_500.0, "{effective}");
    // b given a is normal: its sum with the noise is seen at y.
    let (mut total, mut mean_a, mut mean_b) = (0.0, 0.0, 0.0);
    let spread = 9.0_f64 + 0.05 * 0.05;
    for i in -200_000..200_000 {
        let a = f64::from(i) * 1e-4;
        let middle = -1.0 + 0.5 * a * a;
        let weight = normal(a, 0.5, 2.0) * normal(middle, 0.0, spread.sqrt()) * 1e-4;
        total += weight;
        mean_a += weight * a;
        mean_b += weight * middle * 9.0 / spread;
    }
    assert_close(&found, "a", mean_a / total);
    assert_close(&found, "b", mean_b / total);
    let (evidence, error) = (found.log_evidence.unwrap(), found.log_evidence_error.unwrap());
    assert!((evidence - total.ln()).abs() < 4.5 * error, "{evidence} ± {error} for {}", total.ln());
}

/// Two arms that meet, and a long way from the prior to either.
#[test]
fn arms_are_followed_where_newton_steps_do_not_lead() {
    let source = "model m {
        sample a ~ normal(0, 3);
        sample b ~ normal(0, 2);
        let r = (1 - a) * (1 - a) + 100 * (b - a * a) * (b - a * a);
        observe y ~ normal(r, 2);
    }";
    let found = infer(source, &["y=4000"]);
    assert!(found.certified, "{}", found.reason);
    // Over b on each arm, in steps of the noise, for each a.
    let (mut total, mut mean_a, mut mean_b) = (0.0, 0.0, 0.0);
    for i in -4_000..4_000 {
        let a = f64::from(i) * 2e-3;
        for j in -200..=200 {
            let r = 4_000.0 + f64::from(j) * 0.1;
            let square = (r - (1.0 - a).powi(2)) / 100.0;
            if square <= 0.0 {
                continue;
            }
            for side in [-1.0, 1.0] {
                let b = a * a + side * square.sqrt();
                // db = dr / (200 √square).
                let step = 0.1 / (200.0 * square.sqrt()) * 2e-3;
                let weight = normal(a, 0.0, 3.0) * normal(b, 0.0, 2.0) * normal(4_000.0, r, 2.0) * step;
                total += weight;
                mean_a += weight * a;
                mean_b += weight * b;
            }
        }
    }
    assert_close(&found, "a", mean_a / total);
    assert_close(&found, "b", mean_b / total);
    let (evidence, error) = (found.log_evidence.unwrap(), found.log_evidence_error.unwrap());
    assert!((evidence - total.ln()).abs() < 4.5 * error + 1e-3, "{evidence} ± {error} for {}", total.ln());
}
