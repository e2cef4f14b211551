//! Mixtures on anchors: they are densities, their draws are of them, and their gradients are right.

use rand::RngExt as _;

use unmask::foundation::{AnchorKind, Candidates, Encoding, Example, ExampleOptions, OUTPUTS, Vocabulary};
use unmask::runtime::random_stream;

use super::{PROGRAMS, target};

/// Elements of executions of the test programs, with random outputs of a network.
fn elements(kind: AnchorKind) -> Vec<(Candidates, f64, Vec<f32>)> {
    let encoding = Encoding::Lexeme(Vocabulary::lexeme(&[]));
    let options = ExampleOptions { anchors: kind, mask: None, corrupted: 0.0, cut: 0.0 };
    let mut found = Vec::new();
    for (i, source) in PROGRAMS.iter().enumerate() {
        let target = target(source, &[]);
        for seed in 0..10 {
            let mut rng = random_stream(seed, i as u64);
            let Ok(example) = Example::draw(&target, &encoding, 512, &options, &mut rng) else { continue };
            for (candidates, value) in example.targets {
                let n = candidates.components.len() * OUTPUTS;
                let outputs = (0..n).map(|_| 3.0 * rng.random::<f32>() - 1.5).collect();
                found.push((candidates, value, outputs));
            }
        }
    }
    assert!(found.len() > 30, "{} elements", found.len());
    assert!(found.iter().any(|(c, ..)| c.discrete));
    found
}

#[test]
fn gradients_are_those_of_differences() {
    for (_, kind, _) in AnchorKind::ALL {
        for (candidates, value, outputs) in elements(kind) {
            let at = |outputs: &[f32]| candidates.adjusted(outputs).log_probability(value);
            let mut gradient = vec![0.0; outputs.len()];
            let log_density = candidates.adjusted(&outputs).gradient(value, &outputs, 1.0, &mut gradient);
            assert!((log_density - at(&outputs)).abs() < 1e-9);
            for i in 0..outputs.len() {
                let (mut up, mut down) = (outputs.clone(), outputs.clone());
                up[i] += 1e-3;
                down[i] -= 1e-3;
                let step = f64::from(up[i]) - f64::from(down[i]);
                let difference = (at(&up) - at(&down)) / step;
                let tolerance = 5e-4 * difference.abs().max(1.0);
                assert!((difference - f64::from(gradient[i])).abs() < tolerance, "{i}: {difference} {}", gradient[i]);
            }
        }
    }
}

#[test]
fn adjusted_mixtures_are_densities() {
    for (candidates, _, outputs) in elements(AnchorKind::Laplace) {
        let adjusted = candidates.adjusted(&outputs);
        let total: f64 = if candidates.discrete {
            candidates.components.iter().map(|c| adjusted.log_mass(c.location as i64).exp()).sum()
        } else {
            // Over a sinh grid, for narrow and wide parts alike.
            let best = candidates.best().unwrap();
            let scale = candidates.components.iter().map(|c| c.log_scale).fold(best.log_scale, f64::min).exp();
            let n = 200_000;
            let reach = 22.0;
            let step = 2.0 * reach / f64::from(n);
            let term = |i: i32| {
                let u = -reach + (f64::from(i) + 0.5) * step;
                (adjusted.log_density(best.location + scale * u.sinh())).exp() * scale * u.cosh() * step
            };
            (0..n).map(term).sum()
        };
        assert!((total - 1.0).abs() < 2e-3, "{total}");
    }
}

#[test]
fn draws_are_of_the_density() {
    for (candidates, _, outputs) in elements(AnchorKind::Laplace) {
        let adjusted = candidates.adjusted(&outputs);
        let base = candidates.adjusted(&vec![0.0; outputs.len()]);
        let mut rng = random_stream(9, 1);
        // The mean of a ratio of densities is one.
        let n = 4_000;
        let ratios: Vec<f64> = (0..n)
            .map(|_| {
                if candidates.discrete {
                    let value = adjusted.draw_value(&mut rng);
                    (base.log_mass(value) - adjusted.log_mass(value)).exp()
                } else {
                    let z = adjusted.draw(&mut rng);
                    // Of the half of both: bounded.
                    let (p, q) = (base.log_density(z).exp(), adjusted.log_density(z).exp());
                    2.0 * p / (p + q)
                }
            })
            .collect();
        let mean = ratios.iter().sum::<f64>() / n as f64;
        let variance = ratios.iter().map(|r| (r - mean).powi(2)).sum::<f64>() / n as f64;
        if candidates.discrete {
            // Values of less than a thousandth may not be drawn at all.
            assert!((mean - 1.0).abs() < 5.0 * (variance / n as f64).sqrt() + 2e-3, "{mean}");
            continue;
        }
        // The same from draws of the other side: E_q[2p/(p+q)] + E_p[2q/(p+q)] = 2.
        let others: Vec<f64> = (0..n)
            .map(|_| {
                let z = base.draw(&mut rng);
                let (p, q) = (base.log_density(z).exp(), adjusted.log_density(z).exp());
                2.0 * p / (p + q)
            })
            .collect();
        let other = others.iter().sum::<f64>() / n as f64;
        let spread = others.iter().map(|r| (r - other).powi(2)).sum::<f64>() / n as f64;
        // E_q[2p/(p+q)] = E_p[2q/(p+q)] = 2 − E_p[2p/(p+q)].
        let error = ((variance + spread) / n as f64).sqrt();
        assert!((mean - (2.0 - other)).abs() < 5.0 * error + 1e-9, "{mean} {other} {error}");
    }
}

#[test]
fn without_a_network_anchors_stay_as_they_are() {
    for (candidates, value, outputs) in elements(AnchorKind::Laplace) {
        let adjusted = candidates.adjusted(&vec![0.0; outputs.len()]);
        if candidates.discrete {
            let own = candidates.components.iter().find(|c| c.location == value).unwrap();
            assert!((adjusted.log_mass(value as i64) - own.log_weight).abs() < 1e-9);
        } else {
            let (base, _) = candidates.base_at(value);
            // The first parts hold 1 / (1 + 2 e⁻⁶ + 2 e⁻⁶·⁵) of the mass; the others can only add.
            assert!(adjusted.log_density(value) > base - 0.009);
        }
    }
}
