//! NUTS on log densities whose moments are known.

use rand::RngExt as _;
use unmask::density::{Evaluator, LogDensity};
use unmask::infer::{
    InferOptions, MassMatrix, Method, NormalApproximation, NormalFamily, NutsDraws, NutsSettings, Silent,
    StreamPurpose, Whitened, effective_sample_size, find_start, r_hat, sample_nuts, stream,
};
use unmask::{Data, Model};

use super::densities::{ByHand, autoregression, banana, eight_schools, funnel, half, log_gamma};

fn starts(density: &dyn LogDensity, chains: usize, seed: u64) -> Vec<Vec<f64>> {
    let mut rng = stream(seed, StreamPurpose::Start, 0);
    let n = density.dimension();
    (0..chains)
        .map(|_| {
            let mut jitter = |rng: &mut unmask::infer::Stream| (0..n).map(|_| rng.random_range(-2.0..2.0)).collect();
            find_start(density, &mut rng, 100, &mut jitter).unwrap()
        })
        .collect()
}

fn sample(density: &dyn LogDensity, settings: &NutsSettings, seed: u64) -> NutsDraws {
    sample_nuts(density, &starts(density, 4, seed), settings, seed, &mut Silent, &mut |_| 0).unwrap()
}

/// Mean and its Monte Carlo error of a function of the draws, which must have mixed.
fn expectation(draws: &NutsDraws, of: impl Fn(&[f64]) -> f64) -> (f64, f64) {
    let chains: Vec<Vec<f64>> = draws.chains.iter().map(|c| c.iter().map(|z| of(z)).collect()).collect();
    let views: Vec<&[f64]> = chains.iter().map(Vec::as_slice).collect();
    assert!(r_hat(&views).unwrap() < 1.02, "R-hat {:?}", r_hat(&views));
    let all: Vec<f64> = chains.concat();
    let mean = all.iter().sum::<f64>() / all.len() as f64;
    let variance = all.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (all.len() - 1) as f64;
    (mean, (variance / effective_sample_size(&views).unwrap()).sqrt())
}

#[track_caller]
fn close(draws: &NutsDraws, of: impl Fn(&[f64]) -> f64, exact: f64) {
    let (mean, error) = expectation(draws, of);
    assert!((mean - exact).abs() < 4.5 * error, "{mean} ± {error}, not {exact}");
}

fn count(draws: &NutsDraws, which: impl Fn(&unmask::infer::DrawStatistics) -> bool) -> usize {
    draws.statistics.iter().flatten().filter(|s| which(s)).count()
}

#[test]
fn moments_of_a_correlated_normal_in_any_units() {
    let dimension = 10;
    for mass_matrix in [MassMatrix::Diagonal, MassMatrix::LowRank] {
        for units in [1.0, 1e-6, 1e6] {
            let mean: Vec<f64> = (0..dimension).map(|i| units * (i as f64 - 3.0)).collect();
            // Every other coordinate is a thousand times larger.
            let scale: Vec<f64> = (0..dimension).map(|i| units * if i % 2 == 0 { 1.0 } else { 1e3 }).collect();
            let density = autoregression(mean.clone(), scale.clone(), 0.9);
            let settings = NutsSettings { mass_matrix, ..NutsSettings::default() };
            let draws = sample(&density, &settings, 3);
            assert_eq!(count(&draws, |s| s.divergent), 0, "{mass_matrix:?} {units}");
            for i in 0..dimension {
                let u = |z: &[f64], i: usize| (z[i] - mean[i]) / scale[i];
                close(&draws, |z| u(z, i), 0.0);
                close(&draws, |z| u(z, i).powi(2), 1.0);
                if i > 0 {
                    close(&draws, |z| u(z, i) * u(z, i - 1), 0.9);
                }
            }
        }
    }
}

#[test]
fn a_low_rank_mass_matrix_shortens_trajectories_of_strong_correlation() {
    let density = autoregression(vec![0.0; 20], vec![1.0; 20], 0.99);
    let steps = |mass_matrix| {
        let draws = sample(&density, &NutsSettings { mass_matrix, ..NutsSettings::default() }, 4);
        close(&draws, |z| z[10].powi(2), 1.0);
        draws.statistics.iter().flatten().map(|s| u64::from(s.leapfrog_steps)).sum::<u64>()
    };
    let (diagonal, low_rank) = (steps(MassMatrix::Diagonal), steps(MassMatrix::LowRank));
    assert!(3 * low_rank < diagonal, "{low_rank} and {diagonal}");
}

#[test]
fn the_step_size_is_constant_after_warmup_and_accepts_as_asked() {
    for target_acceptance in [0.6, 0.8, 0.95] {
        let settings = NutsSettings { target_acceptance, ..NutsSettings::default() };
        let draws = sample(&eight_schools(), &settings, 5);
        for chain in &draws.statistics {
            let step = chain[0].step_size;
            assert!(step > 0.0 && chain.iter().all(|s| s.step_size.to_bits() == step.to_bits()));
        }
        let all: Vec<f64> = draws.statistics.iter().flatten().map(|s| s.acceptance).collect();
        let mean = all.iter().sum::<f64>() / all.len() as f64;
        assert!((mean - target_acceptance).abs() < 0.08, "{mean}, not {target_acceptance}");
    }
}

#[test]
fn eight_schools_agree_with_stored_moments() {
    // By quadrature: tests/golden/infer/eight_schools.py.
    let reference: serde_json::Value =
        serde_json::from_str(include_str!("../../golden/infer/eight_schools.json")).unwrap();
    let draws = sample(&eight_schools(), &NutsSettings::default(), 6);
    close(&draws, |z| z[0], reference["mu"].as_f64().unwrap());
    close(&draws, |z| z[1], reference["log_tau"].as_f64().unwrap());
    close(&draws, |z| z[1].exp(), reference["tau"].as_f64().unwrap());
    close(&draws, |z| z[0] + z[1].exp() * z[2], reference["theta"][0].as_f64().unwrap());
}

#[test]
fn a_transformed_variable_has_the_moments_of_its_own_units() {
    let draws = sample(&log_gamma(3.0, 2.0), &NutsSettings::default(), 7);
    close(&draws, |z| z[0].exp(), 1.5);
    close(&draws, |z| z[0].exp().powi(2), 3.0);
    // digamma(3) − log 2.
    close(&draws, |z| z[0], 0.922_784_335_098_467_1 - std::f64::consts::LN_2);
}

#[test]
fn a_banana_has_its_moments_once_steps_are_short_enough_for_its_ends() {
    let sampled = |target_acceptance| {
        let settings = NutsSettings { draws: 4_000, target_acceptance, ..NutsSettings::default() };
        sample(&banana(1.0, 0.5), &settings, 8)
    };
    assert!(count(&sampled(0.8), |s| s.divergent) > 0, "no divergences");
    let draws = sampled(0.99);
    assert_eq!(count(&draws, |s| s.divergent), 0);
    close(&draws, |z| z[0], 0.0);
    close(&draws, |z| z[0] * z[0], 1.0);
    close(&draws, |z| z[1], 1.0);
    close(&draws, |z| (z[1] - z[0] * z[0]).powi(2), 0.25);
}

#[test]
fn a_funnel_is_not_sampled_in_silence() {
    let draws = sample(&funnel(10), &NutsSettings::default(), 9);
    assert!(count(&draws, |s| s.divergent) > 0, "no divergences");
}

#[test]
fn where_the_density_is_zero_trajectories_end_and_moments_hold() {
    let draws = sample(&half(3), &NutsSettings { draws: 4_000, ..NutsSettings::default() }, 10);
    assert!(draws.chains.iter().flatten().all(|z| z[0] > 0.0));
    assert!(count(&draws, |s| s.divergent) > 0, "the edge shows as divergences");
    close(&draws, |z| z[0], (2.0 / std::f64::consts::PI).sqrt());
    close(&draws, |z| z[1].powi(2), 1.0);
}

#[test]
fn same_seed_same_draws_on_any_number_of_threads_and_in_any_rounds() {
    let density = eight_schools();
    let settings = NutsSettings { warmup: 200, draws: 50, ..NutsSettings::default() };
    let starts = starts(&density, 5, 1);
    let run = |settings: NutsSettings, rounds: &[usize], seed: u64| {
        let mut rounds = rounds.iter().copied();
        let mut more = |_: &NutsDraws| rounds.next().unwrap_or(0);
        sample_nuts(&density, &starts, &settings, seed, &mut Silent, &mut more).unwrap()
    };
    let once = run(settings, &[], 1);
    assert_eq!(once.draws(), 50);
    // Inside a thread pool the sampler takes one thread; outside, all.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    assert_eq!(once, pool.install(|| run(settings, &[], 1)));
    assert_eq!(once, run(NutsSettings { draws: 20, ..settings }, &[25, 5], 1));
    assert_ne!(once, run(settings, &[], 2));
    let chains: Vec<&Vec<f64>> = once.chains.iter().map(|c| &c[0]).collect();
    assert!((1..5).all(|c| chains[c] != chains[0]), "chains share a stream");
}

#[test]
fn starts_of_density_zero_are_errors_and_are_not_proposed() {
    let density = half(2);
    let sampled =
        sample_nuts(&density, &[vec![-1.0, 0.5]], &NutsSettings::default(), 1, &mut Silent, &mut |_| 0).unwrap_err();
    assert_eq!(sampled.to_string(), "`nuts` failed: chain 0 cannot start where it was put");
    assert_eq!(unmask::diagnostic::Diagnostic::from(&sampled).code, "E0707");
    let mut rng = stream(1, StreamPurpose::Start, 0);
    assert_eq!(find_start(&density, &mut rng, 10, &mut |_| vec![-1.0, 0.5]), None);
    assert!(starts(&density, 50, 1).iter().all(|z| z[0] > 0.0));
    // A stationary point says nothing about scales.
    assert_eq!(find_start(&funnel(3), &mut rng, 10, &mut |_| vec![0.0, 0.0, 0.0]), None);
}

#[test]
fn a_panic_of_the_density_is_an_error() {
    struct Faulty;
    impl LogDensity for Faulty {
        fn dimension(&self) -> usize {
            1
        }
        fn evaluator(&self) -> Box<dyn Evaluator + Send + '_> {
            struct Panics(usize);
            impl Evaluator for Panics {
                fn value(&mut self, z: &[f64]) -> f64 {
                    -z[0] * z[0]
                }
                fn gradient(&mut self, z: &[f64], gradient: &mut [f64]) -> f64 {
                    self.0 += 1;
                    assert!(self.0 < 100, "this message is part of the test");
                    gradient[0] = -2.0 * z[0];
                    -z[0] * z[0]
                }
            }
            Box::new(Panics(0))
        }
    }
    let starts = [vec![1.0], vec![1.0], vec![0.5]];
    let sampled = sample_nuts(&Faulty, &starts, &NutsSettings::default(), 1, &mut Silent, &mut |_| 0);
    assert!(sampled.unwrap_err().to_string().contains("bug"));
}

#[test]
fn odd_dimensions_and_short_runs() {
    let nothing = ByHand { dimension: 0, function: |_: &[f64], _: &mut [f64]| 0.0 };
    for mass_matrix in [MassMatrix::Diagonal, MassMatrix::LowRank] {
        for (warmup, draws) in [(0, 0), (0, 3), (1, 1), (3, 0), (7, 5)] {
            let settings = NutsSettings { mass_matrix, warmup, draws, ..NutsSettings::default() };
            let sampled = sample_nuts(&nothing, &[vec![], vec![]], &settings, 1, &mut Silent, &mut |_| 0).unwrap();
            assert_eq!(sampled.draws(), draws);
            let density = autoregression(vec![0.0], vec![1.0], 0.0);
            let sampled = sample_nuts(&density, &[vec![0.3]], &settings, 1, &mut Silent, &mut |_| 0).unwrap();
            assert_eq!((sampled.chains.len(), sampled.draws(), sampled.statistics[0].len()), (1, draws, draws));
        }
    }
    let none = sample_nuts(&nothing, &[], &NutsSettings::default(), 1, &mut Silent, &mut |_| 0).unwrap();
    assert_eq!(none, NutsDraws { chains: vec![], statistics: vec![] });
}

#[test]
fn a_whitened_density_is_the_same_in_other_coordinates() {
    let density = banana(0.3, 2.0);
    let mut rng = stream(1, StreamPurpose::Draws, 0);
    let points: Vec<Vec<f64>> = (0..50)
        .map(|_| {
            let x: f64 = rng.random_range(-1.0..1.0);
            vec![3.0 + 2.0 * x, 40.0 * x + rng.random_range(-1.0..1.0)]
        })
        .collect();
    for family in [NormalFamily::MeanField, NormalFamily::FullRank] {
        let normal = NormalApproximation::of_points(&points, &vec![0.02; 50], family).unwrap();
        let whitened = Whitened { density: &density, normal: &normal };
        let (mut inner, mut outer) = (density.evaluator(), whitened.evaluator());
        let eta = normal.whiten(&points[7]);
        assert!(normal.at(&eta).iter().zip(&points[7]).all(|(a, b)| (a - b).abs() < 1e-9));
        let mut gradient = vec![0.0; 2];
        let value = outer.gradient(&eta, &mut gradient);
        assert!((value - inner.value(&points[7])).abs() < 1e-9 * value.abs());
        for i in 0..2 {
            let mut moved = |by: f64| {
                let mut eta = eta.clone();
                eta[i] += by;
                outer.value(&eta)
            };
            let slope = (moved(1e-5) - moved(-1e-5)) / 2e-5;
            assert!((slope - gradient[i]).abs() < 1e-5 * (1.0 + slope.abs()), "{slope} {}", gradient[i]);
        }
    }
    // Points without spread in a direction have no such coordinates.
    let flat: Vec<Vec<f64>> = points.iter().map(|z| vec![z[0], z[0]]).collect();
    assert!(NormalApproximation::of_points(&flat, &vec![0.02; 50], NormalFamily::FullRank).is_none());
}

#[test]
fn anchors_spare_nuts_what_correlations_cost() {
    // Far from zero, the intercept and the slope are correlated by −0.999.
    let source = "model m { given n: int; given x: real[n]; sample a ~ normal(0, 50); sample b ~ normal(0, 5);
        sample s ~ half_normal(2); plate i in 0..n { observe y[i] ~ normal(a + b * x[i], s); } }";
    let x: Vec<f64> = (0..40).map(|i| 60.0 + 0.1 * f64::from(i)).collect();
    let y: Vec<f64> = x.iter().enumerate().map(|(i, x)| 0.4 * x - 20.0 + (7.3 * i as f64).sin()).collect();
    let data = Data::new().with("x", x).with("y", y);
    let model = Model::from_source("m.ppl", source).unwrap();
    let answer = |method: &str| {
        let options = InferOptions { method: Method::named(method).unwrap(), ..InferOptions::default() };
        model.infer(&data, &options).unwrap()
    };
    let (nuts, laplace) = (answer("nuts"), answer("laplace"));
    assert!(nuts.certified && laplace.certified, "{} {}", nuts.reason, laplace.reason);
    let steps: u32 = nuts.statistics.iter().map(|s| s.leapfrog_steps).sum();
    let each = f64::from(steps) / nuts.statistics.len() as f64;
    assert!(each < 10.0, "{each} gradients a draw");
    for name in ["a", "b", "s"] {
        let (one, other) = (nuts.variable(name).unwrap(), laplace.variable(name).unwrap());
        assert!((one.mean - other.mean).abs() < 5.0 * one.mcse.hypot(other.mcse), "{name}");
        assert!((one.sd / other.sd - 1.0).abs() < 0.1, "{name}");
    }
}
