//! Sequential Monte Carlo where chains fail: several modes, discrete structure, branches, funnels.

use unmask::infer::{InferOptions, Inferred, Method};
use unmask::{Data, Model};

fn infer(source: &str, data: &[&str], method: &str, draws: usize, seed: u64) -> Inferred {
    let data = data.iter().fold(Data::new(), |data, d| data.with_assignment(*d));
    let method = Method::named(method).unwrap();
    let options = InferOptions { method, draws: Some(draws), seed, ..InferOptions::default() };
    Model::from_source("smc.ppl", source).unwrap().infer(&data, &options).unwrap()
}

/// Modes at ±8 with standard deviation 0.5 that differ in mass by how likely the second observation makes them.
const TWO_MODES: &str = "model m {
    sample a ~ normal(0, 10);
    observe y ~ normal(a * a, 8);
    observe u ~ normal(a, 10);
}";

#[test]
fn modes_get_their_mass() {
    // By quadrature over a fine grid.
    let density = |a: f64| {
        let normal = |x: f64, m: f64, s: f64| (-0.5 * ((x - m) / s).powi(2)).exp() / s / 2.506_628_274_631_000_5;
        normal(a, 0.0, 10.0) * normal(64.0, a * a, 8.0) * normal(3.0, a, 10.0)
    };
    let grid = (-300_000..300_000).map(|i| f64::from(i) * 1e-4);
    let (mut total, mut mean) = (0.0, 0.0);
    for a in grid {
        total += density(a) * 1e-4;
        mean += a * density(a) * 1e-4;
    }
    mean /= total;
    for seed in 1..4 {
        let found = infer(TWO_MODES, &["y=64", "u=3"], "smc", 4_000, seed);
        let a = found.variable("a").unwrap();
        assert!(found.certified, "{}", found.reason);
        // The masses of the modes are those of resampled particles: the error is of √(runs × particles) coins, and then some.
        assert!((a.mean - mean).abs() < 5.0 * a.mcse.max(8.0 / 4_000_f64.sqrt()), "{} ± {} for {mean}", a.mean, a.mcse);
        let (evidence, error) = (found.log_evidence.unwrap(), found.log_evidence_error.unwrap());
        assert!((evidence - total.ln()).abs() < 5.0 * error, "{evidence} ± {error} for {}", total.ln());
    }
}

/// Twelve causes: 4,096 combinations are too many to compile, and few enough to enumerate.
const CAUSES: &str = "model m {
    plate i in 0..12 { sample z[i] ~ bernoulli(0.2 + 0.02 * i); }
    let n = z[0] + z[1] + z[2] + z[3] + z[4] + z[5] + 2 * (z[6] + z[7] + z[8]) + 3 * (z[9] + z[10] + z[11]);
    observe y ~ normal(n, 0.8);
    observe u ~ bernoulli(if z[0] && z[11] then 0.9 else 0.1);
}";

#[test]
fn many_discrete_causes_agree_with_enumeration() {
    let exact = infer(CAUSES, &["y=9", "u=true"], "enumerate", 1, 1);
    let found = infer(CAUSES, &["y=9", "u=true"], "smc", 8_000, 5);
    assert!(found.certified, "{}", found.reason);
    for i in 0..12 {
        let name = format!("z[{i}]");
        let (mean, z) = (exact.mean(&name).unwrap(), found.variable(&name).unwrap());
        assert!((z.mean - mean).abs() < 5.0 * z.mcse.max(0.006), "{name}: {} ± {} for {mean}", z.mean, z.mcse);
    }
    let (evidence, error) = (found.log_evidence.unwrap(), found.log_evidence_error.unwrap());
    let wanted = exact.log_evidence.unwrap();
    assert!((evidence - wanted).abs() < 5.0 * error, "{evidence} ± {error} for {wanted}");
}

#[test]
fn a_branch_with_variables_of_its_own_and_a_hard_condition() {
    let source = "model m {
        sample coin ~ bernoulli(0.3);
        sample x ~ exponential(if coin then 1 else 0.2);
        if coin {
            sample extra ~ normal(0, 1);
            observe y ~ normal(x + extra, 0.5);
        } else {
            observe y ~ normal(x, 0.5);
        }
        observe inside ~ bernoulli(if x < 6 then 1 else 0);
    }";
    let model = Model::from_source("branch.ppl", source).unwrap();
    let data = Data::new().with_assignment("y=2.5").with_assignment("inside=true");
    let by = |method: &str, draws: usize| {
        let method = Method::named(method).unwrap();
        model.infer(&data, &InferOptions { method, draws: Some(draws), ..InferOptions::default() }).unwrap()
    };
    let (long, found) = (by("importance", 400_000), by("smc", 8_000));
    assert!(found.certified, "{}", found.reason);
    for name in ["coin", "x"] {
        let (a, b) = (long.variable(name).unwrap(), found.variable(name).unwrap());
        let error = a.mcse.hypot(b.mcse.max(b.sd / 4_000_f64.sqrt()));
        assert!((a.mean - b.mean).abs() < 5.0 * error, "{name}: {} and {} ± {error}", a.mean, b.mean);
    }
    let error = long.log_evidence_error.unwrap().hypot(found.log_evidence_error.unwrap());
    assert!((long.log_evidence.unwrap() - found.log_evidence.unwrap()).abs() < 5.0 * error);
}

#[test]
fn a_funnel_is_as_its_prior_says() {
    let source = "model m { sample v ~ normal(0, 2); plate i in 0..3 { sample x[i] ~ normal(0, exp(v / 2)); } }";
    let found = infer(source, &[], "smc", 8_000, 2);
    let v = found.variable("v").unwrap();
    // Without anything known no variable is asked of the density: it is drawn from its own distribution.
    assert!((v.mean).abs() < 5.0 * v.mcse.max(2.0 / 8_000_f64.sqrt()), "{} ± {}", v.mean, v.mcse);
    assert!((v.sd / 2.0 - 1.0).abs() < 0.06, "{}", v.sd);
}

#[test]
fn the_seed_decides_all_and_nothing_else() {
    let run = |threads: usize, seed: u64| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| infer(TWO_MODES, &["y=64", "u=3"], "smc", 800, seed).mean("a").unwrap())
    };
    assert_eq!(run(1, 3), run(3, 3));
    assert_ne!(run(1, 3), run(1, 4));
}

#[test]
fn runs_that_disagree_are_refused() {
    // So few particles end in one mode or the other.
    let found = infer(TWO_MODES, &["y=64", "u=3"], "smc", 24, 1);
    assert!(!found.certified, "{}", found.reason);
}
