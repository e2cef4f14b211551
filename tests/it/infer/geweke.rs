//! Geweke's (2004) joint-distribution test of every kernel, on programs with discrete, transformed and structure-changing
//! variables, and of kernels that are wrong.

use unmask::infer::{
    Geweke, GewekeOptions, InferError, Kernel, Latents, Silent, Stream, Target, TargetRef, geweke, geweke_with,
    metropolis_hastings,
};
use unmask::runtime::{Conditions, Known, Supplied};
use unmask::value::Value;
use unmask::{Data, Model};

const PROGRAMS: [(&str, &str); 6] = [
    ("real", "model m { sample a ~ normal(0.5, 1.5); sample b ~ normal(a, 1); observe y ~ normal(b, 1); }"),
    (
        "positive and bounded",
        "model m {
        sample s ~ gamma(2, 1);
        sample p ~ beta(2, 2);
        sample u ~ uniform(-1, 3);
        observe y ~ normal(u, s + 0.5);
        observe k ~ binomial(5, p);
    }",
    ),
    (
        "discrete",
        "model m {
        sample z ~ bernoulli(0.3);
        sample n ~ poisson(4);
        sample c ~ categorical([0.2, 0.5, 0.3]);
        observe y ~ normal(z * 2 + 0.5 * n - c, 1.5);
    }",
    ),
    (
        "vectors",
        "model m {
        sample w ~ dirichlet([2.0, 3.0, 1.5]);
        sample v ~ multi_normal([0.0, 1.0], [[1.0, 0.6], [0.6, 2.0]]);
        sample o ~ ordered(normal(0, 1), 2);
        observe c ~ categorical(w);
        observe y ~ normal(v[0] + v[1] + o[1] - o[0], 1);
    }",
    ),
    (
        "branches",
        "model m {
        sample heads ~ bernoulli(0.4);
        if heads { sample x ~ normal(2, 1); } else { sample t ~ gamma(2, 2); sample x ~ normal(-t, 0.5); }
        observe y ~ normal(x, 1);
    }",
    ),
    (
        "recursion",
        "model chain -> int {
        sample stop ~ bernoulli(0.5);
        if stop { return 0; } else { sample rest ~ chain(); return rest + 1; }
    }
    model m { sample n ~ chain(); let count = n + 0; observe y ~ normal(n, 1.5); }",
    ),
];

fn target(source: &str) -> Target {
    let model = Model::from_source("geweke.ppl", source).unwrap();
    Target { runtime: model.runtime().clone(), model: model.id(), conditions: Conditions::new() }
}

fn options(iterations: usize) -> GewekeOptions {
    GewekeOptions { iterations, seed: 5 }
}

#[track_caller]
fn assert_holds(label: &str, found: &Geweke, scores: usize) {
    assert!(found.scores() >= scores, "{label}: the scalars were not found: {found:#?}");
    assert!(!found.refuted(), "{label}: {found:#?}");
}

#[test]
fn every_kernel_leaves_the_joint_distribution_as_it_is() {
    for (name, source) in PROGRAMS {
        for kernel in Kernel::ALL {
            // A random walk alone never leaves a branch whose other side has other addresses but by flipping its coin,
            // which it does.
            let found = geweke(&target(source), kernel, &options(6_000), &mut Silent).unwrap();
            assert_holds(&format!("{kernel:?} on {name}"), &found, 2);
        }
    }
}

/// The kernel, told that `y` is something else.
fn distorted(
    distort: impl Fn(f64) -> f64,
) -> impl Fn(&TargetRef<'_>, &Latents, usize, &mut Stream) -> Result<Latents, InferError> {
    move |target, values, updates, rng| {
        let Known::Value(y) = target.conditions.lookup("y", &[]) else { panic!("y is not held") };
        let mut conditions = target.conditions.clone();
        conditions.supply("y", Supplied::Value(Value::Real(distort(y.as_f64().unwrap()))));
        metropolis_hastings(&TargetRef { conditions: &conditions, ..*target }, Kernel::Mixed, values, updates, rng)
    }
}

#[test]
fn a_kernel_for_another_posterior_is_refuted() {
    for (place, wrong) in [(0, (|y| 0.6 * y) as fn(f64) -> f64), (1, |y| y + 1.0), (4, |y| y + 1.0), (5, |y| y - 1.0)] {
        let (name, source) = PROGRAMS[place];
        let found = geweke_with(&target(source), &distorted(wrong), &options(6_000), &mut Silent).unwrap();
        assert!(found.refuted(), "{name}: {found:#?}");
        let found = geweke_with(&target(source), &distorted(|y| y), &options(6_000), &mut Silent).unwrap();
        assert!(!found.refuted(), "{name}: {found:#?}");
    }
}

#[test]
fn a_kernel_without_its_jacobian_is_refuted() {
    // A random walk of the logarithm that weighs as if it were one of the variable itself.
    let target = target("model m { sample s ~ gamma(2, 1); observe y ~ normal(0, s); }");
    let step = |target: &TargetRef<'_>, values: &Latents, _: usize, rng: &mut Stream| {
        let Known::Value(y) = target.conditions.lookup("y", &[]) else { panic!("y is not held") };
        let (y, s) = (y.as_f64().unwrap(), values[0].1.as_f64().unwrap());
        let log_density = |s: f64| s.ln() - s - s.ln() - 0.5 * (y / s).powi(2);
        let moved = s * (rand::RngExt::random::<f64>(rng) - 0.5).exp();
        let accept = (log_density(moved) - log_density(s)).exp();
        let s = if rand::RngExt::random::<f64>(rng) < accept { moved } else { s };
        Ok(vec![(values[0].0.clone(), Value::Real(s))])
    };
    assert!(geweke_with(&target, &step, &options(20_000), &mut Silent).unwrap().refuted());
}

#[test]
fn data_that_latents_depend_on_and_givens_are_simulated_as_they_should_be() {
    let cases = [
        // A prediction depends on the data: it is drawn again with them.
        (
            "prediction",
            "model m {
            sample a ~ normal(0, 2);
            observe y ~ normal(a, 1);
            sample next ~ normal(0.8 * y, 1);
            sample after ~ normal(next, 1);
        }",
            &[][..],
        ),
        // One given is an input; the other depends on a latent and so is data.
        (
            "givens",
            "model m {
            given x ~ normal(0, 1);
            sample slope ~ normal(x, 1);
            given z ~ normal(slope, 1);
            observe y ~ normal(slope * x + z, 1);
        }",
            &[],
        ),
        (
            "masked observation",
            "model m {
            sample a ~ normal(0, 2);
            plate i in 0..3 { observe y[i] ~ normal(a, 1); }
            sample b ~ normal(y[2], 1);
        }",
            &["y=[0.0, 0.0, ?]"],
        ),
        (
            "fixed",
            "model m {
            sample scale ~ gamma(2, 1);
            sample a ~ normal(0, scale);
            observe y ~ normal(a, 1);
        }",
            &["scale=2.0"],
        ),
        (
            "hard condition",
            "model m {
            sample p ~ beta(2, 2);
            sample b ~ bernoulli(p);
            sample c ~ bernoulli(0.5);
            observe either = if b || c then 1 else 0;
        }",
            &[],
        ),
    ];
    for (name, source, known) in cases {
        let model = Model::from_source("geweke.ppl", source).unwrap();
        let data = known.iter().fold(Data::new(), |data, text| data.with_assignment(*text));
        let (found, _, _) = model.geweke(&data, Kernel::Mixed, &options(6_000), &mut Silent).unwrap();
        assert_holds(name, &found, 2);
    }
}

#[test]
fn results_do_not_depend_on_threads() {
    let run = |threads: usize, seed: u64| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let options = GewekeOptions { iterations: 1_000, seed };
        pool.install(|| geweke(&target(PROGRAMS[2].1), Kernel::Mixed, &options, &mut Silent).unwrap().scalars)
    };
    assert_eq!(run(1, 3), run(3, 3));
    assert_ne!(run(1, 3), run(1, 4));
}
