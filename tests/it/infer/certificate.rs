//! The certificate of NUTS: what it holds for, and each of its warnings.

use unmask::density::LogDensity;
use unmask::infer::{
    DrawStatistics, MassMatrix, NutsCertificate, NutsDraws, NutsSettings, Silent, certify_nuts, sample_nuts,
};

use super::densities::{ByHand, autoregression, eight_schools, funnel};

fn name(at: usize) -> String {
    format!("x[{at}]")
}

fn sample(density: &dyn LogDensity, settings: &NutsSettings, starts: &[f64]) -> NutsDraws {
    let starts: Vec<Vec<f64>> = starts.iter().map(|x| vec![*x; density.dimension()]).collect();
    sample_nuts(density, &starts, settings, 1, &mut Silent, &mut |_| 0).unwrap()
}

fn codes(certificate: &NutsCertificate) -> Vec<&'static str> {
    let warnings = certificate.warnings();
    assert!(warnings.iter().all(|w| !w.is_error() && w.help.is_some()));
    warnings.iter().map(|w| w.code).collect()
}

const STARTS: [f64; 4] = [-1.0, -0.3, 0.4, 1.2];

#[test]
fn well_mixed_chains_are_certified_without_warnings() {
    for density in [&eight_schools() as &dyn LogDensity, &autoregression(vec![2.0; 5], vec![3.0; 5], 0.8)] {
        let settings = NutsSettings { target_acceptance: 0.95, ..NutsSettings::default() };
        let certificate = certify_nuts(&sample(density, &settings, &STARTS), &name);
        assert!(certificate.held, "{}", certificate.reason);
        assert!(codes(&certificate).is_empty(), "{:?}", certificate.warnings());
        assert!(certificate.reason.ends_with("0 divergences"), "{}", certificate.reason);
        assert_eq!((certificate.chains, certificate.draws, certificate.stuck), (4, 4_000, None));
    }
}

#[test]
fn divergences_refuse_w0704() {
    let certificate = certify_nuts(&sample(&funnel(10), &NutsSettings::default(), &STARTS), &name);
    assert!(!certificate.held && certificate.divergences > 0);
    assert!(codes(&certificate).contains(&"W0704"), "{:?}", codes(&certificate));
    assert!(certificate.reason.contains("may not have been reached"), "{}", certificate.reason);
}

#[test]
fn slow_energies_refuse_w0705() {
    // Student t with 1.1 degrees of freedom in 100 dimensions at once: the radius, and so the energy, has heavy tails.
    let density = ByHand {
        dimension: 100,
        function: |z: &[f64], gradient: &mut [f64]| {
            let square = z.iter().map(|x| x * x).sum::<f64>() / 1.1;
            for (g, x) in gradient.iter_mut().zip(z) {
                *g = -101.1 / 1.1 * x / (1.0 + square);
            }
            -0.5 * 101.1 * square.ln_1p()
        },
    };
    let certificate = certify_nuts(&sample(&density, &NutsSettings::default(), &STARTS), &name);
    let (_, value) = certificate.e_bfmi.unwrap();
    assert!(value < 0.3, "{value}");
    assert!(!certificate.held);
    assert!(codes(&certificate).contains(&"W0705"), "{:?}", codes(&certificate));
}

#[test]
fn trajectories_cut_short_are_told_w0706() {
    let density = autoregression(vec![0.0; 3], vec![1.0; 3], 0.999);
    let settings = NutsSettings { max_tree_depth: 3, draws: 2_000, ..NutsSettings::default() };
    let certificate = certify_nuts(&sample(&density, &settings, &STARTS), &name);
    assert!(certificate.saturated > 0);
    assert_eq!(certificate.depth, 3);
    assert!(codes(&certificate).contains(&"W0706"), "{:?}", codes(&certificate));
    // The same with the means to do it.
    let settings = NutsSettings { mass_matrix: MassMatrix::LowRank, ..settings };
    assert_eq!(certify_nuts(&sample(&density, &settings, &STARTS), &name).saturated, 0);
}

#[test]
fn chains_in_different_modes_refuse_w0707() {
    let density = ByHand {
        dimension: 1,
        function: |z: &[f64], gradient: &mut [f64]| {
            let (left, right) = (-0.5 * (z[0] + 20.0).powi(2), -0.5 * (z[0] - 20.0).powi(2));
            let share = 1.0 / (1.0 + (left - right).exp());
            gradient[0] = -(z[0] + 20.0) * (1.0 - share) - (z[0] - 20.0) * share;
            left.max(right) + (-(left - right).abs()).exp().ln_1p()
        },
    };
    let certificate = certify_nuts(&sample(&density, &NutsSettings::default(), &[-19.0, -20.5, 19.0, 20.5]), &name);
    assert!(!certificate.held && certificate.reason.contains("R̂ is above 1.01"), "{}", certificate.reason);
    assert!(codes(&certificate).contains(&"W0707"), "{:?}", codes(&certificate));
}

#[test]
fn few_draws_refuse_w0708() {
    let settings = NutsSettings { draws: 60, ..NutsSettings::default() };
    let certificate = certify_nuts(&sample(&eight_schools(), &settings, &STARTS), &name);
    assert!(!certificate.held, "{}", certificate.reason);
    assert!(codes(&certificate).contains(&"W0708"), "{:?}", codes(&certificate));
    let one = certify_nuts(&sample(&eight_schools(), &NutsSettings::default(), &[0.5]), &name);
    assert_eq!((one.held, &*one.reason), (false, "one chain cannot tell whether it has mixed"));
    let none = certify_nuts(&sample(&eight_schools(), &NutsSettings { draws: 0, ..settings }, &STARTS), &name);
    assert_eq!((none.held, &*none.reason), (false, "there are too few draws to tell"));
}

#[test]
fn chains_that_do_not_move_are_not_certified() {
    let statistics = DrawStatistics {
        log_density: 0.0,
        acceptance: 0.0,
        step_size: 1.0,
        tree_depth: 0,
        leapfrog_steps: 1,
        divergent: false,
        saturated: false,
        energy: 0.0,
    };
    let draws = NutsDraws { chains: vec![vec![vec![1.0, 2.0]; 500]; 4], statistics: vec![vec![statistics; 500]; 4] };
    let certificate = certify_nuts(&draws, &name);
    assert!(!certificate.held && certificate.reason.starts_with("`x[0]` has one value"), "{}", certificate.reason);
}
