//! ADVI on log densities whose best normal approximation is known.

use unmask::density::LogDensity;
use unmask::infer::{
    AdviFit, AdviSettings, NormalApproximation, NormalFamily, NormalScale, Silent, StreamPurpose, fit_advi,
    k_hat_threshold, pareto_smooth, stream, weighted_draws, weights_ess,
};

use super::densities::{ByHand, autoregression, banana, eight_schools, funnel, half, log_gamma};

const DRAWS: usize = 4_000;

fn fit(density: &dyn LogDensity, start: f64, family: NormalFamily) -> AdviFit {
    let start = vec![start; density.dimension()];
    let fit = fit_advi(density, &start, &AdviSettings { family, ..AdviSettings::default() }, 1, &mut Silent).unwrap();
    assert!(fit.converged, "{} steps", fit.steps);
    fit
}

/// Standard deviations of the marginals.
fn sds(approximation: &NormalApproximation) -> Vec<f64> {
    let d = approximation.location.len();
    match &approximation.scale {
        NormalScale::Diagonal(sd) => sd.clone(),
        NormalScale::Cholesky(lower) => {
            lower.chunks(d).map(|row| row.iter().map(|l| l * l).sum::<f64>().sqrt()).collect()
        }
    }
}

/// Whether the weights of the draws pass, and the logarithm of their mean.
fn certified(density: &dyn LogDensity, approximation: &NormalApproximation) -> (bool, f64) {
    let log_weights = weighted_draws(density, approximation, DRAWS, 1).log_weights;
    let smoothed = pareto_smooth(&log_weights).unwrap();
    let held = smoothed.k_hat.is_none_or(|k| k < k_hat_threshold(DRAWS)) && weights_ess(&smoothed.weights) >= 400.0;
    (held, (log_weights.iter().map(|w| w.exp()).sum::<f64>() / DRAWS as f64).ln())
}

#[test]
fn full_rank_finds_a_normal_exactly_in_any_units() {
    for units in [1.0, 1e-6, 1e6] {
        let scale: Vec<f64> = (0..8).map(|i| units * if i % 2 == 0 { 1.0 } else { 100.0 }).collect();
        let mean: Vec<f64> = scale.iter().map(|s| 3.0 * s).collect();
        let density = autoregression(mean.clone(), scale.clone(), 0.9);
        let found = fit(&density, 0.0, NormalFamily::FullRank);
        for i in 0..8 {
            assert!((found.approximation.location[i] - mean[i]).abs() < 1e-6 * scale[i], "{units}: {found:?}");
            assert!((sds(&found.approximation)[i] / scale[i] - 1.0).abs() < 1e-6, "{units}: {found:?}");
        }
        // The density is normalised, and q is it.
        assert!(found.elbo.abs() < 1e-6, "{}", found.elbo);
        let weighted = weighted_draws(&density, &found.approximation, 100, 1);
        assert!(weighted.log_weights.iter().all(|w| w.abs() < 1e-6));
    }
}

#[test]
fn mean_field_has_the_conditional_scales_of_a_normal() {
    let correlation: f64 = 0.5;
    let density = autoregression(vec![3.0; 10], vec![1.0; 10], correlation);
    let found = fit(&density, 0.0, NormalFamily::MeanField);
    // The precision of an autoregression is tridiagonal.
    let precision =
        |i: usize| { if i == 0 || i == 9 { 1.0 } else { 1.0 + correlation.powi(2) } } / (1.0 - correlation.powi(2));
    let mut divergence = 4.5 * (1.0 - correlation.powi(2)).ln();
    for i in 0..10 {
        let sd = precision(i).powf(-0.5);
        assert!((found.approximation.location[i] - 3.0).abs() < 0.1, "{found:?}");
        assert!((sds(&found.approximation)[i] / sd - 1.0).abs() < 0.02, "{i}: {found:?}");
        divergence += 0.5 * precision(i).ln();
    }
    assert!((found.elbo + divergence).abs() < 4.5 * found.elbo_error, "{found:?}, not {divergence}");
    // Of more strongly correlated normals the weights know that it is too narrow.
    let density = autoregression(vec![0.0; 10], vec![1.0; 10], 0.9);
    assert!(!certified(&density, &fit(&density, 0.5, NormalFamily::MeanField).approximation).0);
}

#[test]
fn a_skewed_density_has_the_best_normal_of_its_closed_form() {
    // E log p under normal(m, s) is 3 m − 2 exp(m + s²/2), so the ELBO is largest at s² = 1/3, m = log(3/2) − s²/2.
    let (location, sd) = (1.5_f64.ln() - 1.0 / 6.0, 3.0_f64.powf(-0.5));
    for start in [-6.0, 0.0, 6.0] {
        for family in [NormalFamily::MeanField, NormalFamily::FullRank] {
            let found = fit(&log_gamma(3.0, 2.0), start, family);
            assert!((found.approximation.location[0] - location).abs() < 0.04, "from {start}: {found:?}");
            assert!((sds(&found.approximation)[0] / sd - 1.0).abs() < 0.04, "from {start}: {found:?}");
            // Γ(3) / 2³.
            let (_, evidence) = certified(&log_gamma(3.0, 2.0), &found.approximation);
            assert!((evidence - 0.25_f64.ln()).abs() < 0.05, "{evidence}");
        }
    }
}

#[test]
fn weights_correct_what_a_normal_misses() {
    let reference: serde_json::Value =
        serde_json::from_str(include_str!("../../golden/infer/eight_schools.json")).unwrap();
    let found = fit(&eight_schools(), 0.5, NormalFamily::FullRank);
    let weighted = weighted_draws(&eight_schools(), &found.approximation, DRAWS, 1);
    let smoothed = pareto_smooth(&weighted.log_weights).unwrap();
    assert!(smoothed.k_hat.unwrap() < k_hat_threshold(DRAWS), "{:?}", smoothed.k_hat);
    let mean = |of: &dyn Fn(&[f64]) -> f64| -> (f64, f64) {
        let pairs = || weighted.draws.iter().zip(&smoothed.weights);
        let mean: f64 = pairs().map(|(z, w)| w * of(z)).sum();
        (mean, pairs().map(|(z, w)| (w * (of(z) - mean)).powi(2)).sum::<f64>().sqrt())
    };
    for (of, exact) in [
        (&(|z: &[f64]| z[0]) as &dyn Fn(&[f64]) -> f64, &reference["mu"]),
        (&|z: &[f64]| z[1].exp(), &reference["tau"]),
        (&|z: &[f64]| z[0] + z[1].exp() * z[2], &reference["theta"][0]),
    ] {
        let ((mean, error), exact) = (mean(of), exact.as_f64().unwrap());
        assert!((mean - exact).abs() < 4.5 * error, "{mean} ± {error}, not {exact}");
    }
}

#[test]
fn what_no_normal_fits_is_refused() {
    for (name, density) in [
        ("funnel", &funnel(10) as &dyn LogDensity),
        ("banana", &banana(1.0, 0.5)),
        ("banana, narrow", &banana(2.0, 0.2)),
    ] {
        for family in [NormalFamily::MeanField, NormalFamily::FullRank] {
            let found = fit(density, 0.3, family);
            assert!(!certified(density, &found.approximation).0, "{name} {family:?}: {found:?}");
        }
    }
}

#[test]
fn draws_of_density_zero_have_no_weight_and_break_nothing() {
    let density = half(3);
    for family in [NormalFamily::MeanField, NormalFamily::FullRank] {
        let found = fit(&density, 0.5, family);
        let weighted = weighted_draws(&density, &found.approximation, DRAWS, 1);
        for ((z, log_q), log_weight) in weighted.draws.iter().zip(&weighted.log_proposal).zip(&weighted.log_weights) {
            assert!(log_q.is_finite());
            assert_eq!(z[0] <= 0.0, *log_weight == f64::NEG_INFINITY);
        }
        let (_, evidence) = certified(&density, &found.approximation);
        assert!(evidence.abs() < 0.1, "{evidence}");
    }
    // From a start beside which nothing has a density, scales shrink until something has.
    let slit = ByHand {
        dimension: 1,
        function: |z: &[f64], gradient: &mut [f64]| {
            gradient[0] = -z[0];
            if z[0].abs() < 1e-4 { -0.5 * z[0] * z[0] } else { f64::NEG_INFINITY }
        },
    };
    let found = fit_advi(&slit, &[0.0], &AdviSettings::default(), 1, &mut Silent).unwrap();
    assert!(found.elbo.is_finite(), "{found:?}");
}

#[test]
fn log_densities_of_draws_are_exact() {
    let scale = NormalScale::Cholesky(vec![2.0, 0.0, -1.5, 0.5]);
    let approximation = NormalApproximation { location: vec![1.0, -1.0], scale };
    let mut rng = stream(1, StreamPurpose::Draws, 0);
    let mut z = [0.0; 2];
    for _ in 0..100 {
        let log_q = approximation.draw(&mut rng, &mut z);
        let first = (z[0] - 1.0) / 2.0;
        let second = (z[1] + 1.0 + 1.5 * first) / 0.5;
        let exact = -0.5 * (first * first + second * second) - (2.0 * std::f64::consts::PI).ln();
        assert!((log_q - exact).abs() < 1e-9, "{log_q}, not {exact}");
    }
}

#[test]
fn same_seed_same_fit_and_draws_on_any_number_of_threads() {
    let density = eight_schools();
    let found = fit(&density, 0.5, NormalFamily::FullRank);
    assert_eq!(found, fit(&density, 0.5, NormalFamily::FullRank));
    let run = |threads: usize, draws: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| weighted_draws(&density, &found.approximation, draws, 3))
    };
    let once = run(1, 1_000);
    assert_eq!(once, run(2, 1_000));
    assert_eq!(once.draws[..300], run(2, 300).draws);
    assert_ne!(once, weighted_draws(&density, &found.approximation, 1_000, 4));
}

#[test]
fn impossible_starts_are_errors_and_odd_dimensions_are_not() {
    let error = fit_advi(&half(2), &[-1.0, 0.0], &AdviSettings::default(), 1, &mut Silent).unwrap_err();
    assert_eq!(error.to_string(), "`advi` failed: the density at the start is zero");
    assert!(fit_advi(&half(2), &[1.0], &AdviSettings::default(), 1, &mut Silent).is_err());
    let nothing = ByHand { dimension: 0, function: |_: &[f64], _: &mut [f64]| -2.0 };
    for family in [NormalFamily::MeanField, NormalFamily::FullRank] {
        assert!((fit(&nothing, 0.0, family).elbo + 2.0).abs() < 1e-12);
    }
}
