//! What is certified is right, on programs whose structure invites a wrong answer: branches without a smooth mode, parameters
//! that may be invalid, kinks, improper components, many modes. The answers are by quadrature.

use unmask::Model;
use unmask::infer::{InferOptions, Method};

/// From this one on, chains of Metropolis-Hastings alone are not asked: they look for no modes.
const FAR: usize = 11;

/// A program, a variable of it, its posterior mean and standard deviation, and the log evidence.
struct Known {
    source: &'static str,
    name: &'static str,
    mean: f64,
    sd: f64,
    log_evidence: f64,
}

const KNOWN: [Known; 13] = [
    // The density of one branch is largest at an edge.
    Known {
        source: "model m { sample b ~ bernoulli(0.5); if b { sample top ~ exponential(0.2); observe y ~ uniform(0, top) @ 3.0;
            observe z ~ uniform(0, top) @ 2.0; } else { sample rate ~ gamma(2, 2); observe y ~ exponential(rate) @ 3.0;
            observe z ~ exponential(rate) @ 2.0; } }",
        name: "b",
        mean: 0.648_134_3,
        sd: 0.477_55,
        log_evidence: -4.254_228_2,
    },
    // At a kink.
    Known {
        source: "model m { sample b ~ bernoulli(0.5); if b { sample x ~ laplace(0, 1); } else { sample x ~ normal(6, 1); }
            observe y ~ laplace(x, 4) @ 3.0; }",
        name: "b",
        mean: 0.501_744_8,
        sd: 0.5,
        log_evidence: -2.795_089_7,
    },
    // On a flat ridge between two.
    Known {
        source: "model m { sample b ~ bernoulli(0.5); if b { sample x ~ laplace(0, 1); observe y ~ laplace(x, 1) @ 0.3; } else {
            sample u ~ normal(0, 1); observe y ~ normal(u, 1) @ 0.3; } }",
        name: "b",
        mean: 0.466_072_7,
        sd: 0.498_85,
        log_evidence: -1.353_663_7,
    },
    // A variable that nothing known depends on, and whose scale may be invalid.
    Known {
        source: "model m { sample x ~ normal(0, 1); sample y ~ normal(0, x); observe z ~ normal(x, 1) @ 0.0; }",
        name: "x",
        mean: 0.564_189_6,
        sd: 0.426_25,
        log_evidence: -1.958_659_3,
    },
    // A matrix that nothing known depends on, and that may have no Cholesky factor.
    Known {
        source: "model m { sample s ~ normal(0, 1); sample x ~ normal(0, 1); let L = cholesky([[1.0, s], [s, 1.0]]);
            observe y ~ normal(x, 1) @ 0.5; observe u ~ normal(s, 1) @ 0.5; }",
        name: "s",
        mean: 0.125_643_8,
        sd: 0.497,
        log_evidence: -2.858_106_3,
    },
    // Weights that may be negative, and a scale that may be.
    Known {
        source: "model m { sample w ~ uniform(0, 2); observe y ~ mixture([w, 1 - w], [normal(0, 1), normal(3, 1)]) @ 0.5; }",
        name: "w",
        mean: 0.650_858_0,
        sd: 0.239,
        log_evidence: -2.381_645_5,
    },
    Known {
        source: "model m { sample s ~ normal(0, 1); observe y ~ mixture([0.5, 0.5], [normal(0, 1), normal(3, s)]) @ 0.5; }",
        name: "s",
        mean: 0.843_359_1,
        sd: 0.6,
        log_evidence: -2.375_394_6,
    },
    // Values that are in order only where the density says so.
    Known {
        source: "model m { sample x ~ normal(0, 1); sample z ~ normal(0, 1); factor log_density(ordered(normal(0, 1), 2), [x, z]); }",
        name: "x",
        mean: -0.398_942_3,
        sd: 0.584,
        log_evidence: -2.531_024_2,
    },
    // A component that cannot be drawn from.
    Known {
        source: "model m { sample x ~ mixture([0.5, 0.5], [flat(), normal(0, 1)]); observe y ~ normal(x, 1) @ 0.5; }",
        name: "x",
        mean: 0.447_627_9,
        sd: 0.951_633_3,
        log_evidence: -0.458_072_3,
    },
    // A narrow mode far from the other.
    Known {
        source: "model m { sample a ~ normal(0, 5); sample b ~ normal(0, 5); factor log_sum_exp(
            log(0.3) + log_density(normal(a, 0.1), 5.0) + log_density(normal(b, 0.1), 5.0),
            log(0.7) + log_density(normal(a, 1), -3.0) + log_density(normal(b, 1), -3.0)); }",
        name: "a",
        mean: -1.401_317,
        sd: 3.205_399,
        log_evidence: -5.590_334,
    },
    // A frequency: hundreds of narrow modes.
    Known {
        source: "model m { let t = [1.1, 1.84, 2.09, 2.14, 3, 3.75, 3.76, 4.04, 5.23, 5.5, 5.97, 6.36, 6.92, 7.83, 8.13, 8.46, 8.65, 8.76,
                9.42, 10.22, 10.33, 11.25, 11.87, 12, 12.66, 12.89, 13.15, 13.39, 13.6, 13.66, 13.88, 14.57, 15.51, 16.28,
                16.98, 17.24, 17.69, 17.82, 18.48, 19.35];
            let y = [-0.03, 1.35, -1.2, -1.06, 0.39, 1.97, 0.76, 0.49, -0.99, 0.17, 1.8, -1.95, -0.78, 1.03, 0.74, 0.16, 3.05,
                1.26, 0.65, 0.15, 0.84, -1.2, -0.88, -1.04, -0.35, -0.75, -1.02, -3.43, 1.46, 0.82, 1.92, 0.54, -1.73,
                -0.46, -1.05, -0.45, -1.87, 1.54, -0.29, 1];
            sample w ~ uniform(0, 50); sample a ~ normal(0, 1); sample b ~ normal(0, 1);
            plate i in 0..40 { observe v[i] ~ normal(a * sin(w * t[i]) + b * cos(w * t[i]), 1) @ y[i]; } }",
        name: "w",
        mean: 10.021_373,
        sd: 4.937_181,
        log_evidence: -66.905_063,
    },
    // Heavy tails on both sides: the mode at the prior has next to nothing.
    Known {
        source: "model m { sample x ~ student_t(3, 0, 1); observe y ~ student_t(3, x, 1) @ 1000.0;
            observe z ~ student_t(3, x, 1) @ 1000.0; }",
        name: "x",
        mean: 999.997_6,
        sd: 0.774_611_6,
        log_evidence: -27.905_578,
    },
    // The same with a mode at either.
    Known {
        source: "model m { sample x ~ student_t(3, 0, 1); observe y ~ student_t(3, x, 1) @ 100.0; }",
        name: "x",
        mean: 50.0,
        sd: 49.910_492,
        log_evidence: -16.528_814,
    },
];

#[test]
fn what_is_certified_is_right() {
    let mut certified = 0;
    for (i, known) in KNOWN.iter().enumerate() {
        let model = Model::from_source("certified.ppl", known.source).unwrap();
        for (method, seeds) in [
            ("auto", 3),
            ("foundation", 3),
            ("laplace", 3),
            ("importance", 3),
            ("nuts", 1),
            ("smc", 1),
            ("mh", 1),
            ("advi", 1),
        ] {
            for seed in 0..if method == "mh" && i >= FAR { 0 } else { seeds } {
                let engine = Method::named(method).unwrap();
                let options = InferOptions { method: engine, seed, budget: Some(4.0), ..InferOptions::default() };
                let Ok(inferred) = model.infer(&unmask::Data::new(), &options) else { continue };
                if !inferred.certified {
                    continue;
                }
                certified += 1;
                let found = inferred.variable(known.name).unwrap();
                let off = (found.mean - known.mean).abs();
                assert!(
                    off < 0.25 * known.sd || off < 5.0 * found.mcse,
                    "{method} {seed}: {} ± {}, not {}, of {}",
                    found.mean,
                    found.mcse,
                    known.mean,
                    known.source
                );
                if let (Some(log_evidence), Some(error)) = (inferred.log_evidence, inferred.log_evidence_error) {
                    let off = (log_evidence - known.log_evidence).abs();
                    assert!(
                        off < 0.3 || off < 5.0 * error,
                        "{method} {seed}: {log_evidence} ± {error}, not {}, of {}",
                        known.log_evidence,
                        known.source
                    );
                }
            }
        }
    }
    assert!(certified > 60, "{certified} answers were certified");
}

/// Two kinds of distribution at one address: what Metropolis–Hastings draws anew counts in its acceptance.
#[test]
fn a_choice_of_another_kind_is_drawn_anew() {
    let source = "model inner { sample m ~ normal(0, 1); observe y ~ normal(m, 1) @ 0.5; }
        model outer { sample b ~ bernoulli(0.5); if b { sample x ~ normal(0, 0.01); } else {
            let p = infer inner {} with { method: \"laplace\" }; sample x ~ p.m; }
            sample c ~ normal(0, 1); observe d ~ normal(c, 1) @ 0.1; }";
    let model = Model::from_source("kinds.ppl", source).unwrap();
    for method in ["mh", "smc"] {
        let options = InferOptions { method: Method::named(method).unwrap(), seed: 2, ..InferOptions::default() };
        let inferred = model.infer(&unmask::Data::new(), &options).unwrap();
        let b = inferred.variable("b").unwrap();
        assert!((b.mean - 0.5).abs() < 5.0 * b.mcse, "{method}: {} ± {}", b.mean, b.mcse);
    }
}

#[test]
fn a_handful_of_draws_is_not_certified() {
    let source = "model m { sample x ~ normal(0, 1); observe z ~ normal(x, 0.1) @ 2.0; }";
    let model = Model::from_source("few.ppl", source).unwrap();
    for method in ["laplace", "foundation", "advi"] {
        let options =
            InferOptions { method: Method::named(method).unwrap(), draws: Some(100), ..InferOptions::default() };
        let inferred = model.infer(&unmask::Data::new(), &options).unwrap();
        assert!(!inferred.certified, "{method}: {}", inferred.reason);
    }
}

#[test]
fn draws_that_are_not_finite_are_not_certified_by_chains() {
    let source = "model m { sample x ~ normal(0, 1); let q = log(x); observe z ~ normal(x, 1) @ 0.2; }";
    let model = Model::from_source("log.ppl", source).unwrap();
    let options = InferOptions { method: Method::named("nuts").unwrap(), ..InferOptions::default() };
    let inferred = model.infer(&unmask::Data::new(), &options).unwrap();
    assert!(!inferred.certified && inferred.reason.contains("not finite"), "{}", inferred.reason);
}
