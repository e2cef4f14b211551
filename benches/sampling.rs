//! Speed of NUTS and ADVI on log densities written by hand: what the samplers themselves cost, on one thread.
//!
//! A measured run is one chain of 500 draws of warm-up and 500 more, or one fit.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

#[allow(dead_code, reason = "the tests use the others")]
#[path = "../tests/it/infer/densities.rs"]
mod densities;

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use unmask::density::LogDensity;
use unmask::infer::{AdviSettings, MassMatrix, NormalFamily, NutsSettings, Silent, fit_advi, sample_nuts};

use densities::{autoregression, eight_schools};

fn sampling(criterion: &mut Criterion) {
    let normal = autoregression(vec![1.0; 10], vec![2.0; 10], 0.9);
    let schools = eight_schools();
    let densities: [(&str, &dyn LogDensity); 2] = [("normal", &normal), ("eight schools", &schools)];
    let mut group = criterion.benchmark_group("nuts");
    group.measurement_time(Duration::from_secs(5)).sample_size(20);
    for (name, density) in densities {
        for mass_matrix in [MassMatrix::Diagonal, MassMatrix::LowRank] {
            let settings = NutsSettings { mass_matrix, warmup: 500, draws: 500, ..NutsSettings::default() };
            let start = [vec![0.5; density.dimension()]];
            group.bench_function(format!("{name}, {mass_matrix:?}"), |bencher| {
                bencher.iter(|| {
                    let draws = sample_nuts(density, black_box(&start), &settings, 1, &mut Silent, &mut |_| 0);
                    draws.expect("the density is everywhere positive").draws()
                });
            });
        }
    }
    group.finish();
    let mut group = criterion.benchmark_group("advi");
    group.measurement_time(Duration::from_secs(3)).sample_size(20);
    for (name, density) in densities {
        for family in [NormalFamily::MeanField, NormalFamily::FullRank] {
            let settings = AdviSettings { family, ..AdviSettings::default() };
            let start = vec![0.5; density.dimension()];
            group.bench_function(format!("{name}, {family:?}"), |bencher| {
                bencher.iter(|| {
                    let fit = fit_advi(density, black_box(&start), &settings, 1, &mut Silent);
                    fit.expect("the density is everywhere positive").elbo
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, sampling);
criterion_main!(benches);
