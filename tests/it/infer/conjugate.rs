//! Programs whose posterior is known in closed form: every engine within its standard error, by its own account of it.

use unmask::infer::{ENGINES, InferOptions, Inferred, Method};
use unmask::{Data, Model};

/// A program, its data, and exact means and sds by name, and the log evidence.
struct Case {
    name: &'static str,
    source: &'static str,
    data: &'static [&'static str],
    exact: Vec<(&'static str, f64, f64)>,
    log_evidence: f64,
}

fn ln_gamma(x: f64) -> f64 {
    statrs::function::gamma::ln_gamma(x)
}

fn log_normal(x: f64, m: f64, s: f64) -> f64 {
    -0.5 * ((x - m) / s).powi(2) - s.ln() - 0.5 * (2.0 * std::f64::consts::PI).ln()
}

fn cases() -> Vec<Case> {
    // Normal mean: prior N(1, 2²), three observations with sd 1.5.
    let y = [2.0, 3.5, 1.0];
    let precision = 1.0 / 4.0 + 3.0 / 2.25;
    let mean = (1.0 / 4.0 + y.iter().sum::<f64>() / 2.25) / precision;
    // log p(y) = log p(y, m) − log p(m | y) at any m.
    let joint = log_normal(0.0, 1.0, 2.0) + y.iter().map(|y| log_normal(*y, 0.0, 1.5)).sum::<f64>();
    let normal_evidence = joint - log_normal(0.0, mean, precision.powf(-0.5));
    // Beta–binomial: Beta(2, 3), 7 of 10.
    let (a, b) = (9.0_f64, 6.0_f64);
    let log_beta = |a: f64, b: f64| ln_gamma(a) + ln_gamma(b) - ln_gamma(a + b);
    let log_choose = ln_gamma(11.0) - ln_gamma(8.0) - ln_gamma(4.0);
    // Gamma–Poisson: Gamma(3, 2), counts 4, 1, 3.
    let (shape, rate) = (11.0_f64, 5.0_f64);
    let gamma_evidence = 3.0 * 2.0_f64.ln() - ln_gamma(3.0) + ln_gamma(shape)
        - shape * rate.ln()
        - (ln_gamma(5.0) + ln_gamma(2.0) + ln_gamma(4.0));
    // Two components with known parameters and an unknown assignment.
    let (p0, p1) = (0.3 * log_normal(1.0, 0.0, 1.0).exp(), 0.7 * log_normal(1.0, 3.0, 1.0).exp());
    let share = p1 / (p0 + p1);
    // Truncated normal: N(0, 1) below 0.5 … by a hard condition; the mean is −φ(c)/Φ(c).
    let c = 0.5_f64;
    let cdf = 0.5 * (1.0 + statrs::function::erf::erf(c / 2.0_f64.sqrt()));
    let hazard = log_normal(c, 0.0, 1.0).exp() / cdf;
    // A branch: x is N(−2, 1) or N(2, 1) by a coin, y ~ N(x, 1): two normals with weights.
    let weigh = |m: f64| 0.5 * log_normal(0.5, m, 2.0_f64.sqrt()).exp();
    let (left, right) = (weigh(-2.0), weigh(2.0));
    let (m_left, m_right, v) = ((-2.0 + 0.5) / 2.0, (2.0 + 0.5) / 2.0, 0.5);
    let w = right / (left + right);
    let mixture_mean = (1.0 - w) * m_left + w * m_right;
    let mixture_variance = v + (1.0 - w) * (m_left - mixture_mean).powi(2) + w * (m_right - mixture_mean).powi(2);
    // Geometric number of failures given a noisy look: sums over counts.
    let mass = |n: i32| 0.5_f64.powi(n + 1) * log_normal(2.0, f64::from(n), 1.0).exp();
    let total: f64 = (0..200).map(mass).sum();
    let count_mean: f64 = (0..200).map(|n| f64::from(n) * mass(n)).sum::<f64>() / total;
    let count_square: f64 = (0..200).map(|n| f64::from(n).powi(2) * mass(n)).sum::<f64>() / total;
    vec![
        Case {
            name: "normal mean",
            source: "model m { sample a ~ normal(1, 2); for i in 0..3 { observe y[i] ~ normal(a, 1.5); } }",
            data: &["y=[2.0, 3.5, 1.0]"],
            exact: vec![("a", mean, precision.powf(-0.5))],
            log_evidence: normal_evidence,
        },
        Case {
            name: "normal mean in other units",
            source: "model m { sample a ~ normal(1e6, 2e6); for i in 0..3 { observe y[i] ~ normal(a, 1.5e6); } }",
            data: &["y=[2e6, 3.5e6, 1e6]"],
            exact: vec![("a", mean * 1e6, precision.powf(-0.5) * 1e6)],
            log_evidence: normal_evidence - 3.0 * 1e6_f64.ln(),
        },
        Case {
            name: "beta and binomial",
            source: "model m { sample p ~ beta(2, 3); observe k ~ binomial(10, p); }",
            data: &["k=7"],
            exact: vec![("p", a / (a + b), (a * b / ((a + b).powi(2) * (a + b + 1.0))).sqrt())],
            log_evidence: log_choose + log_beta(a, b) - log_beta(2.0, 3.0),
        },
        Case {
            name: "gamma and poisson",
            source: "model m { sample r ~ gamma(3, 2); for i in 0..3 { observe k[i] ~ poisson(r); } }",
            data: &["k=[4, 1, 3]"],
            exact: vec![("r", shape / rate, shape.sqrt() / rate)],
            log_evidence: gamma_evidence,
        },
        Case {
            name: "an assignment",
            source: "model m { sample z ~ bernoulli(0.7); observe y ~ normal(if z then 3.0 else 0.0, 1); }",
            data: &["y=1"],
            exact: vec![("z", share, (share * (1.0 - share)).sqrt())],
            log_evidence: (p0 + p1).ln(),
        },
        Case {
            name: "a hard condition",
            source: "model m { sample a ~ normal(0, 1); observe below = a < 0.5; }",
            data: &["below=true"],
            exact: vec![("a", -hazard, (1.0 - c * hazard - hazard.powi(2)).sqrt())],
            log_evidence: cdf.ln(),
        },
        Case {
            name: "a branch",
            source: "model m {
                sample heads ~ bernoulli(0.5);
                if heads { sample x ~ normal(2, 1); } else { sample x ~ normal(-2, 1); }
                observe y ~ normal(x, 1);
            }",
            data: &["y=0.5"],
            exact: vec![("x", mixture_mean, mixture_variance.sqrt()), ("heads", w, (w * (1.0 - w)).sqrt())],
            log_evidence: (left + right).ln(),
        },
        Case {
            name: "recursion",
            source: "model chain -> int {
                sample stop ~ bernoulli(0.5);
                if stop { return 0; } else { sample rest ~ chain(); return rest + 1; }
            }
            model m { sample n ~ chain(); let count = n + 0; observe y ~ normal(n, 1); }",
            data: &["y=2"],
            exact: vec![("count", count_mean, (count_square - count_mean.powi(2)).sqrt())],
            log_evidence: total.ln(),
        },
        Case {
            name: "an improper prior with something to simulate from",
            source: "model m { sample a ~ flat() simulate normal(0, 5); observe y ~ normal(a, 2); }",
            data: &["y=3"],
            exact: vec![("a", 3.0, 2.0)],
            log_evidence: 0.0,
        },
    ]
}

fn infer(case: &Case, options: &InferOptions) -> Result<Inferred, unmask::Error> {
    let data = case.data.iter().fold(Data::new(), |data, d| data.with_assignment(*d));
    Model::from_source("case.ppl", case.source).unwrap().infer(&data, options)
}

#[test]
fn every_engine_agrees_with_the_exact_posterior_within_its_error() {
    for engine in ENGINES.iter().filter(|e| e.name != "prior") {
        let mut answered = 0;
        for case in cases() {
            let options = InferOptions {
                method: Method::named(engine.name).unwrap(),
                draws: Some(20_000),
                seed: 11,
                ..InferOptions::default()
            };
            let inferred = match infer(&case, &options) {
                Ok(inferred) => inferred,
                Err(error) => {
                    // Not for this engine, which says so; those that interpret take any program.
                    assert_eq!(error.diagnostics()[0].code, "E0702", "{} on {}", engine.name, case.name);
                    assert!(!["importance", "mh"].contains(&engine.name), "{} refused {}", engine.name, case.name);
                    continue;
                }
            };
            answered += 1;
            for (name, mean, sd) in &case.exact {
                let found = inferred.variable(name).unwrap_or_else(|| panic!("{}: {name} is not reported", case.name));
                let context =
                    format!("{} on {}: {name} is {} ± {}, not {mean}", engine.name, case.name, found.mean, found.mcse);
                assert!((found.mean - mean).abs() <= 4.5 * found.mcse + 1e-12 * mean.abs(), "{context}");
                assert!((found.sd / sd - 1.0).abs() < 0.06, "{}: sd {} is not {sd}", context, found.sd);
                assert!(found.mcse < 0.06 * sd, "{context}: the error is too large to tell");
            }
            if let (Some(evidence), Some(error)) = (inferred.log_evidence, inferred.log_evidence_error) {
                let gap = (evidence - case.log_evidence).abs();
                assert!(
                    gap <= 4.5 * error + 1e-9,
                    "{} on {}: log evidence {evidence} ± {error}, not {}",
                    engine.name,
                    case.name,
                    case.log_evidence
                );
            }
        }
        assert!(answered > 0, "{} answered nothing", engine.name);
    }
}

#[test]
fn the_ladder_certifies_all_of_them_and_is_right() {
    for case in cases() {
        let inferred = infer(&case, &InferOptions::default()).unwrap();
        assert!(inferred.certified, "{}: {}", case.name, inferred.reason);
        for (name, mean, sd) in &case.exact {
            let found = inferred.variable(name).unwrap();
            assert!((found.mean - mean).abs() < 0.25 * sd, "{}: {name} is {}, not {mean}", case.name, found.mean);
        }
    }
}

#[test]
fn what_is_not_certified_says_so() {
    let source = "model m { sample a ~ normal(0, 1); for i in 0..200 { observe y[i] ~ normal(a, 0.01); } }";
    let data = Data::new().with("y", vec![4.0; 200]);
    let model = Model::from_source("far.ppl", source).unwrap();
    let options =
        InferOptions { method: Method::named("importance").unwrap(), draws: Some(500), ..InferOptions::default() };
    let inferred = model.infer(&data, &options).unwrap();
    assert!(!inferred.certified && !inferred.ladder[0].held);
    let options = InferOptions { method: Method::named("prior").unwrap(), ..options };
    assert!(!model.infer(&data, &options).unwrap().certified, "the prior is not the posterior");
}

#[test]
fn enumeration_is_exact_and_announced() {
    let source = "model m {
        sample a ~ bernoulli(0.2);
        sample b ~ categorical([0.5, 0.3, 0.2]);
        observe c ~ binomial(3, if a then 0.9 else 0.1 * (b + 1));
    }";
    let inferred = Model::from_source("m.ppl", source)
        .unwrap()
        .infer(&Data::new().with_assignment("c=2"), &InferOptions::default())
        .unwrap();
    assert_eq!(
        (inferred.method, inferred.certified, &*inferred.reason),
        ("enumerate", true, "exact: all 6 executions")
    );
    let likelihood = |p: f64| 3.0 * p * p * (1.0 - p);
    let mut joint = Vec::new();
    for (a, pa) in [(0.0, 0.8), (1.0, 0.2)] {
        for (b, pb) in [(0.0, 0.5), (1.0, 0.3), (2.0, 0.2)] {
            joint.push((a, b, pa * pb * likelihood(if a == 1.0 { 0.9 } else { 0.1 * (b + 1.0) })));
        }
    }
    let total: f64 = joint.iter().map(|j| j.2).sum();
    let b: f64 = joint.iter().map(|j| j.1 * j.2).sum::<f64>() / total;
    assert!((inferred.mean("b").unwrap() - b).abs() < 1e-12);
    assert!((inferred.log_evidence.unwrap() - total.ln()).abs() < 1e-12);
    assert_eq!(inferred.variable("a").unwrap().probabilities.as_ref().unwrap().len(), 2);
}
