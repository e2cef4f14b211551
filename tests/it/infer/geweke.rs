//! Geweke's (2004) joint-distribution test: alternating a kernel's updates of the latents with fresh data given them must
//! leave the prior in place. Every kernel, on programs with discrete, transformed and structure-changing variables.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use unmask::check::{StandardLibrary, check};
use unmask::infer::{Engines, Kernel, MarkovChain, StreamPurpose, TargetRef, effective_sample_size, stream};
use unmask::runtime::{Batch, Conditions, Runtime, Simulator, Supplied};
use unmask::value::Value;

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

fn runtime(source: &str) -> Runtime {
    let mut runtime = Runtime::new(Arc::new(check("geweke.ppl", source, &StandardLibrary).unwrap().program));
    runtime.inference = Some(Arc::new(Engines::default()));
    runtime
}

/// The observed variables of one execution, and the latents by address.
fn execution(runtime: &Runtime, held: &Conditions, seed: u64) -> Vec<(Arc<str>, Value)> {
    let mut simulator = Simulator::new(runtime, runtime.program.entry_models[0], held, seed);
    match simulator.batch(1).unwrap() {
        Batch::Executions(executions) => executions[0].variables.clone(),
        Batch::Columns(columns) => {
            let value = |v: &unmask::runtime::ColumnVariable| Value::scalar(v.base, columns.lanes[v.first][0]);
            columns.variables.iter().map(|v| (v.name.clone(), value(v))).collect()
        }
    }
}

fn is_observed(runtime: &Runtime, name: &str) -> bool {
    use unmask::check::core::VariableKind;
    let model = runtime.program.entry_models[0];
    let kind = runtime.program.variable(model, name).map(|(v, _)| v.kind);
    matches!(kind, Some(VariableKind::Random(unmask::syntax::ast::Role::Observe)))
}

/// Test functions of an execution's latents: every scalar, its square, and how many choices there are.
fn statistics(variables: &[(Arc<str>, Value)], names: &[Arc<str>]) -> Vec<f64> {
    let mut all = Vec::new();
    for name in names {
        let found = variables.iter().find(|(n, _)| n == name).map(|(_, v)| v.to_f64s());
        // A variable that is not there counts as 0: its presence is part of the distribution.
        for x in found.unwrap_or_else(|| vec![0.0]) {
            all.extend([x, x * x]);
        }
    }
    all.push(variables.len() as f64);
    all
}

/// z-scores of each statistic between the prior and the successive-conditional simulator. `distort` is applied to the data
/// that the kernel sees: a correct test must notice.
fn z_scores(source: &str, kernel: Kernel, n: usize, distort: impl Fn(f64) -> f64) -> Vec<f64> {
    let runtime = runtime(source);
    let model = runtime.program.entry_models[0];
    let names: Vec<Arc<str>> = runtime.program.model(model).variables.iter().map(|v| v.name.clone()).collect();
    let latents = |all: Vec<(Arc<str>, Value)>| -> Vec<(Arc<str>, Value)> {
        all.into_iter().filter(|(name, _)| !is_observed(&runtime, name)).collect()
    };
    let free = Conditions::new();
    let prior: Vec<Vec<f64>> =
        (0..n as u64).map(|i| statistics(&latents(execution(&runtime, &free, 1_000_000 + i)), &names)).collect();

    let mut rng = stream(5, StreamPurpose::Chain, 0);
    let mut state = execution(&runtime, &free, 77);
    let mut simulated = Vec::with_capacity(n);
    for i in 0..n {
        let mut known = Conditions::new();
        for (name, value) in state.iter().filter(|(name, _)| is_observed(&runtime, name)) {
            let value = match value {
                Value::Real(y) => Value::Real(distort(*y)),
                Value::Bool(_)
                | Value::Int(_)
                | Value::Array(_)
                | Value::Str(_)
                | Value::Record(_)
                | Value::Posterior(_)
                | Value::Marginal(_) => value.clone(),
            };
            known.supply(name.clone(), Supplied::Value(value));
        }
        let start: FxHashMap<String, Value> =
            state.iter().map(|(name, value)| (name.to_string(), value.clone())).collect();
        let target = TargetRef { runtime: &runtime, model, conditions: &known };
        let mut chain =
            MarkovChain::from_values(&target, kernel, &start, &mut rng).unwrap().expect("the state is possible");
        for _ in 0..3 {
            chain.update(&mut rng).unwrap();
        }
        let mut held = Conditions::new();
        for choice in &chain.trace().choices {
            let name = chain.addresses().display(choice.address).to_string();
            held.supply(name, Supplied::Value(choice.value.clone()));
        }
        state = execution(&runtime, &held, i as u64);
        simulated.push(statistics(&latents(state.clone()), &names));
    }
    (0..prior[0].len())
        .filter_map(|s| {
            let a: Vec<f64> = prior.iter().map(|p| p[s]).collect();
            let b: Vec<f64> = simulated.iter().map(|p| p.get(s).copied().unwrap_or(0.0)).collect();
            let moments = |x: &[f64]| {
                let m = x.iter().sum::<f64>() / x.len() as f64;
                (m, x.iter().map(|v| (v - m).powi(2)).sum::<f64>() / (x.len() as f64 - 1.0))
            };
            let ((ma, va), (mb, vb)) = (moments(&a), moments(&b));
            let ess = effective_sample_size(&[&b])?;
            Some((ma - mb) / (va / a.len() as f64 + vb / ess).sqrt())
        })
        .collect()
}

fn worst(z: &[f64]) -> f64 {
    z.iter().map(|z| z.abs()).fold(0.0, f64::max)
}

#[test]
fn every_kernel_leaves_the_joint_distribution_as_it_is() {
    for (name, source) in PROGRAMS {
        for kernel in Kernel::ALL {
            // A random walk alone never leaves a branch whose other side has other addresses but by flipping its coin,
            // which it does.
            let z = z_scores(source, kernel, 6_000, |y| y);
            assert!(z.len() >= 3, "{name}: the statistics were not found");
            assert!(worst(&z) < 4.5, "{kernel:?} on {name}: z-scores {z:?}");
        }
    }
}

#[test]
fn the_test_notices_a_kernel_for_another_posterior() {
    let (_, source) = PROGRAMS[0];
    assert!(worst(&z_scores(source, Kernel::Mixed, 6_000, |y| 0.6 * y)) > 6.0);
    let (_, source) = PROGRAMS[4];
    assert!(worst(&z_scores(source, Kernel::Mixed, 6_000, |y| y + 1.0)) > 6.0);
}
