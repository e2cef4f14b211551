//! Discrete variables with infinitely many values: the exact posterior by sums, whatever engine answers.

use unmask::infer::{InferOptions, Method};
use unmask::{Data, Inferred, Model};

fn answer(body: &str, method: &str) -> Result<Inferred, unmask::Error> {
    let model = Model::from_source("m.ppl", &format!("model m {{ {body} }}")).unwrap();
    let options = InferOptions { method: Method::named(method).unwrap(), ..InferOptions::default() };
    model.infer(&Data::new(), &options)
}

/// Mean, standard deviation and log evidence of log joint densities at 0, 1, ….
fn exact(log_joint: impl Fn(f64) -> f64) -> (f64, f64, f64) {
    let terms: Vec<(f64, f64)> = (0..2_000).map(|k| (f64::from(k), log_joint(f64::from(k)))).collect();
    let top = terms.iter().map(|(_, t)| *t).fold(f64::NEG_INFINITY, f64::max);
    let total: f64 = terms.iter().map(|(_, t)| (t - top).exp()).sum();
    let moment = |p: i32| terms.iter().map(|(k, t)| k.powi(p) * (t - top).exp()).sum::<f64>() / total;
    (moment(1), (moment(2) - moment(1).powi(2)).sqrt(), top + total.ln())
}

fn ln_gamma(x: f64) -> f64 {
    statrs::function::gamma::ln_gamma(x)
}

fn ln_choose(n: f64, k: f64) -> f64 {
    ln_gamma(n + 1.0) - ln_gamma(k + 1.0) - ln_gamma(n - k + 1.0)
}

type LogJoint = Box<dyn Fn(f64) -> f64>;

/// Programs with a count `k`, and its log joint density with the data.
fn programs() -> Vec<(&'static str, LogJoint)> {
    let poisson = |k: f64, rate: f64| k * rate.ln() - rate - ln_gamma(k + 1.0);
    let normal = |x: f64, m: f64, s: f64| -0.5 * ((x - m) / s).powi(2) - s.ln() - 0.5 * std::f64::consts::TAU.ln();
    let impossible = |k: f64, least: f64, log: f64| if k < least { f64::NEG_INFINITY } else { log };
    vec![
        (
            "sample k ~ poisson(50); observe y ~ binomial(k, 0.3) @ 12;",
            Box::new(move |k| {
                let log = poisson(k, 50.0) + ln_choose(k, 12.0) + 12.0 * 0.3_f64.ln() + (k - 12.0) * 0.7_f64.ln();
                impossible(k, 12.0, log)
            }),
        ),
        // The rate integrated out: a negative binomial with r = 2 and p = 1/11.
        (
            "sample rate ~ gamma(2, 0.1); sample k ~ poisson(rate); observe y ~ normal(k, 2) @ 23.4;",
            Box::new(move |k| {
                let log = ln_choose(k + 1.0, k) + 2.0 * (0.1_f64 / 1.1).ln() + k * (1.0_f64 / 1.1).ln();
                log + normal(23.4, k, 2.0)
            }),
        ),
        // Far above all executions of the prior: the data are impossible there. The probability integrated out: beta-binomial.
        (
            "sample k ~ poisson(50); sample p ~ beta(2, 5); observe y ~ binomial(k, p) @ 85;",
            Box::new(move |k| {
                let ln_beta = |a: f64, b: f64| ln_gamma(a) + ln_gamma(b) - ln_gamma(a + b);
                let log = poisson(k, 50.0) + ln_choose(k, 85.0) + ln_beta(87.0, k - 80.0) - ln_beta(2.0, 5.0);
                impossible(k, 85.0, log)
            }),
        ),
        // Possible below, but far likelier above what the prior draws.
        (
            "sample k ~ geometric(0.3); observe y ~ normal(k, 1) @ 40;",
            Box::new(move |k| 0.3_f64.ln() + k * 0.7_f64.ln() + normal(40.0, k, 1.0)),
        ),
        // Far from where the prior draws, beyond a gap in which the data are all but impossible.
        (
            "sample k ~ geometric(0.1); let f = (k - 5) * (150 - k) / 10.0 + 6 * (150 - k) / 145.0; observe y ~ normal(f, 1) @ 0;",
            Box::new(move |k| {
                let f = (k - 5.0) * (150.0 - k) / 10.0 + 6.0 * (150.0 - k) / 145.0;
                0.1_f64.ln() + k * 0.9_f64.ln() + normal(0.0, f, 1.0)
            }),
        ),
        // A finite support with too many values for a path each.
        (
            "sample k ~ binomial(4000, 0.01); observe y ~ normal(k, 3) @ 55;",
            Box::new(move |k| {
                let log = ln_choose(4_000.0, k) + k * 0.01_f64.ln() + (4_000.0 - k) * 0.99_f64.ln();
                log + normal(55.0, k, 3.0)
            }),
        ),
    ]
}

#[test]
fn counts_have_their_exact_posterior() {
    for (body, log_joint) in programs() {
        let (mean, sd, log_evidence) = exact(log_joint);
        let real = body.matches("sample").count() > 1;
        for method in ["auto", "laplace", "foundation", "nuts"] {
            if method == "nuts" && !real {
                continue;
            }
            let found = answer(body, method).unwrap();
            assert!(found.certified, "{body} {method}: {}", found.reason);
            let k = found.variable("k").unwrap();
            let tolerance = |mcse: f64| 5.0 * mcse + 1e-9;
            assert!((k.mean - mean).abs() < tolerance(k.mcse), "{body} {method}: {} {mean}", k.mean);
            assert!((k.sd / sd - 1.0).abs() < 0.15, "{body} {method}: {} {sd}", k.sd);
            if let (Some(evidence), Some(error)) = (found.log_evidence, found.log_evidence_error) {
                assert!(
                    (evidence - log_evidence).abs() < tolerance(error),
                    "{body} {method}: {evidence} {log_evidence}"
                );
            }
        }
    }
}

#[test]
fn several_counts_are_held_together() {
    // Given the total, the first is binomial: mean 7 · 2/5.
    let body = "sample a ~ poisson(2); sample b ~ poisson(3); observe total = a + b @ 7;";
    let found = answer(body, "laplace").unwrap();
    assert!(found.certified, "{}", found.reason);
    let a = found.variable("a").unwrap();
    assert!((a.mean - 2.8).abs() < 5.0 * a.mcse, "{}", a.mean);
}

#[test]
fn a_count_beyond_all_windows_is_not_certified() {
    let body = "sample k ~ neg_binomial(3, 0.5); observe y ~ normal(k, 0.5) @ 4000;";
    for method in ["laplace", "foundation"] {
        if let Ok(found) = answer(body, method) {
            assert!(!found.certified, "{method}: {} {:?}", found.reason, found.variable("k"));
        }
    }
}

#[test]
fn a_tail_too_long_for_windows_is_refused() {
    let found = answer("sample k ~ geometric(0.03); observe y ~ normal(k, 100) @ 340;", "laplace").unwrap();
    assert!(!found.certified && found.reason.contains("`k` may be above"), "{}", found.reason);
}

#[test]
fn impossible_counts_are_refused_at_once() {
    for body in [
        "sample k ~ binomial(300, 0.1); observe y ~ binomial(k, 0.5) @ 400;",
        "sample k ~ poisson(3); observe y ~ binomial(k, 0.5) @ 20000;",
    ] {
        assert!(answer(body, "laplace").is_err(), "{body}");
    }
}

#[test]
fn counts_too_many_to_be_held_together_are_left_to_other_engines() {
    let body = "sample rate ~ gamma(5, 0.5);
        plate i in 0..4 { sample n[i] ~ poisson(rate); observe y[i] ~ binomial(n[i], 0.5) @ [4, 6, 3, 5][i]; }";
    let refused = answer(body, "laplace").unwrap_err().to_string();
    assert!(refused.contains("`n`") && refused.contains("too many"), "{refused}");
    assert!(answer(body, "auto").is_ok());
}
