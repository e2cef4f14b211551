//! Speed of the language: executions a second of the toy programs, and checking a long file.
//!
//! `cargo bench` prints the time of 4,096 executions a program; the README says how to read it.

#![allow(clippy::expect_used, clippy::panic)]

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use unmask::runtime::{Batch, Conditions, Runtime, Simulator};

/// Executions per measured batch.
const BATCH: usize = 4_096;

const TOYS: [&str; 6] = ["latent", "clustering", "hierarchical", "multilevel", "milky_way", "rosenbrock"];

fn simulate(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("simulate");
    group.throughput(Throughput::Elements(BATCH as u64)).measurement_time(Duration::from_secs(3));
    for name in TOYS {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/").to_owned() + name + ".ppl";
        let model = unmask::Model::from_file(&path).expect("the examples check");
        let runtime: &Runtime = model.runtime();
        let conditions = Conditions::new();
        let mut simulator = Simulator::new(runtime, model.id(), &conditions, 1);
        group.bench_function(name, |bencher| {
            bencher.iter(|| match simulator.batch(BATCH).expect("the toy programs simulate") {
                Batch::Columns(columns) => black_box(columns.lanes[0][0]),
                Batch::Executions(_) => panic!("the toy programs are columnar"),
            });
        });
    }
    group.finish();
}

fn check(criterion: &mut Criterion) {
    // Models of ten lines, as people write them, up to 10,000 lines.
    let mut text = String::new();
    for i in 0..1_000 {
        text.push_str(&format!(
            "/// Model {i}.\nmodel m{i} {{\n    given n: int;\n    sample mu ~ normal(0, 10);\n    sample tau ~ half_cauchy(5);\n    \
             plate i in 0..n {{\n        sample theta[i] ~ normal(mu, tau);\n        observe y[i] ~ normal(theta[i] * 2 + 1, exp(0.5));\n    }}\n}}\n"
        ));
    }
    criterion.bench_function("check 10,000 lines", |bencher| {
        bencher.iter(|| {
            unmask::Script::from_source("long.ppl", black_box(&text)).expect("it checks").program().models.len()
        });
    });
}

criterion_group!(benches, simulate, check);
criterion_main!(benches);
