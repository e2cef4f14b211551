//! Convergence diagnostics and Pareto smoothing against ArviZ (`tests/golden/infer/diagnostics.py`).

use serde_json::Value;
use unmask::infer::{
    InferOptions, Method, e_bfmi, effective_sample_size, ess_bulk, ess_quantile, ess_tail, k_hat_threshold, mcse_mean,
    mcse_quantile, mcse_sd, pareto_smooth, r_hat, weights_ess,
};
use unmask::{Data, Model};

fn reference() -> Value {
    serde_json::from_str(include_str!("../../golden/infer/diagnostics.json")).unwrap()
}

fn uniforms(seed: u64, n: usize) -> Vec<f64> {
    let mut state = seed;
    let next = |_| {
        state = state * 48_271 % 2_147_483_647;
        state as f64 / 2_147_483_647.0
    };
    (0..n).map(next).collect()
}

fn chains(seed: u64, correlation: f64, shift: f64) -> Vec<Vec<f64>> {
    let chain = |c: usize| {
        let mut x = 0.0;
        let u = uniforms(seed + 1_000 * c as u64, 1_500);
        let step = |u: &[f64]| {
            x = correlation * x + u[0] + u[1] + u[2] - 1.5;
            x + c as f64 * shift
        };
        u.chunks(3).map(step).collect()
    };
    (0..4).map(chain).collect()
}

#[test]
fn convergence_diagnostics_agree_with_arviz() {
    for case in reference()["chains"].as_array().unwrap() {
        let number = |key: &str| case[key].as_f64().unwrap();
        let chains = chains(case["seed"].as_u64().unwrap(), number("correlation"), number("shift"));
        let views: Vec<&[f64]> = chains.iter().map(Vec::as_slice).collect();
        for (key, found) in [
            ("r_hat", r_hat(&views)),
            ("bulk", ess_bulk(&views)),
            ("tail", ess_tail(&views)),
            ("mean", effective_sample_size(&views)),
            ("quantile", ess_quantile(&views, 0.25)),
            ("mcse_mean", mcse_mean(&views)),
            ("mcse_sd", mcse_sd(&views)),
            ("mcse_median", mcse_quantile(&views, 0.5)),
            ("mcse_quantile", mcse_quantile(&views, 0.95)),
        ] {
            let (found, wanted) = (found.unwrap(), number(key));
            assert!((found / wanted - 1.0).abs() < 1e-6, "{key} of {case}: {found}, not {wanted}");
        }
        for (chain, wanted) in views.iter().zip(case["bfmi"].as_array().unwrap()) {
            let (found, wanted) = (e_bfmi(chain).unwrap(), wanted.as_f64().unwrap());
            assert!((found / wanted - 1.0).abs() < 1e-9, "E-BFMI of {case}: {found}, not {wanted}");
        }
    }
}

#[test]
fn pareto_smoothing_agrees_with_arviz() {
    for case in reference()["weights"].as_array().unwrap() {
        let (power, n) = (case["power"].as_f64().unwrap(), case["n"].as_u64().unwrap() as usize);
        let log_weights: Vec<f64> =
            uniforms(case["seed"].as_u64().unwrap(), n).iter().map(|u| -power * u.ln()).collect();
        let smoothed = pareto_smooth(&log_weights).unwrap();
        let (k, wanted) = (smoothed.k_hat.unwrap(), case["k_hat"].as_f64().unwrap());
        assert!((k - wanted).abs() < 1e-6, "k of {case}: {k}");
        let ess = weights_ess(&smoothed.weights);
        assert!((ess / case["ess"].as_f64().unwrap() - 1.0).abs() < 1e-6, "ess of {case}: {ess}");
        assert!((smoothed.weights.iter().sum::<f64>() - 1.0).abs() < 1e-12);
    }
}

#[test]
fn equal_weights_have_no_tail_and_impossible_ones_no_answer() {
    let equal = pareto_smooth(&[-3.0; 100]).unwrap();
    assert_eq!(equal.k_hat, None);
    assert!((weights_ess(&equal.weights) - 100.0).abs() < 1e-9);
    assert_eq!(pareto_smooth(&[f64::NEG_INFINITY; 10]), None);
    assert_eq!(pareto_smooth(&[0.0, f64::NAN]), None);
}

#[test]
fn one_draw_with_all_the_weight_is_refused() {
    let mut log_weights = vec![-1_000.0; 1_000];
    log_weights[3] = 0.0;
    let smoothed = pareto_smooth(&log_weights).unwrap();
    assert!(smoothed.k_hat.is_some_and(|k| k > 0.7), "{:?}", smoothed.k_hat);
}

#[test]
fn thresholds_are_those_of_the_paper() {
    assert!((k_hat_threshold(100) - 0.5).abs() < 1e-12);
    assert!((k_hat_threshold(1_000) - 2.0 / 3.0).abs() < 1e-12);
    assert!((k_hat_threshold(10_000) - 0.7).abs() < 1e-12);
}

#[test]
fn constant_or_infinite_draws_have_no_diagnostics() {
    let flat = [vec![1.0; 100], vec![1.0; 100]];
    let views: Vec<&[f64]> = flat.iter().map(Vec::as_slice).collect();
    assert_eq!((r_hat(&views), ess_bulk(&views), ess_tail(&views)), (None, None, None));
    assert_eq!((ess_quantile(&views, 0.5), mcse_mean(&views), mcse_sd(&views)), (None, None, None));
    assert_eq!((mcse_quantile(&views, 0.5), e_bfmi(views[0]), e_bfmi(&[])), (None, None, None));
    let infinite = [vec![1.0, f64::INFINITY, 2.0, 3.0, 1.0], vec![1.0, 2.0, 3.0, 4.0, 5.0]];
    let views: Vec<&[f64]> = infinite.iter().map(Vec::as_slice).collect();
    assert_eq!(r_hat(&views), None);
}

#[test]
fn means_that_do_not_exist_are_told() {
    let source = "model m { sample x ~ cauchy(0, 1); sample t ~ student_t(5, 0, 1); sample s ~ half_normal(1);
        observe y ~ bernoulli(if x > 0 then 0.9 else 0.1) @ 1; observe w ~ bernoulli(sigmoid(t + s)) @ 1; }";
    for method in ["importance", "mh"] {
        let method = Method::named(method).unwrap();
        let options = InferOptions { method, ..InferOptions::default() };
        let found = Model::from_source("m.ppl", source).unwrap().infer(&Data::new(), &options).unwrap();
        let tail = |name: &str| found.variable(name).unwrap().tail.unwrap();
        assert!(tail("x") > 0.7, "{} {}", method.name(), tail("x"));
        assert!(tail("t") < 0.6 && tail("s") < 0.4, "{} {} {}", method.name(), tail("t"), tail("s"));
        let warning = found.warnings.iter().find(|w| w.code == "W0709").expect("a warning");
        assert!(warning.message.contains("`x`") && !warning.message.contains("`t`"), "{}", warning.message);
    }
}
