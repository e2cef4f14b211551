//! Anchors without a network against exact posteriors, where those are at hand (`../shared/oracle`): the share of data sets
//! certified, effective draws, the gap to the exact log posterior in nats, and time.
//!
//! `cargo bench --bench oracle [-- PROGRAM [CASES]]`
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, missing_docs)]

use std::path::PathBuf;
use std::time::Instant;

use unmask::density::CompileOptions;
use unmask::infer::anchors::{Anchors, Decoded, Shares, Walk, prior_draws};
use unmask::infer::{InferOptions, Method, StreamPurpose, stream};
use unmask::{Data, Model};

const DRAWS: usize = 2_500;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let only = arguments.first().cloned();
    let cases: usize = arguments.get(1).map_or(200, |n| n.parse().unwrap());
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let folder = root.join("../shared/oracle");
    let Ok(programs) = std::fs::read_to_string(folder.join("programs.json")) else {
        println!("skipped: there is no {}", folder.display());
        return;
    };
    let programs: serde_json::Value = serde_json::from_str(&programs).unwrap();
    println!("{:26} certified   ESS/S  median k̂    gap (± se)     draws/ms  |z|>3  evidence |z|>3", "program");
    for name in programs.as_object().unwrap().keys() {
        if only.as_ref().is_some_and(|o| o != name) {
            continue;
        }
        let model = Model::from_file(root.join(format!("examples/{name}.ppl"))).unwrap();
        let text = std::fs::read_to_string(folder.join(format!("{name}.jsonl"))).unwrap();
        let (mut certified, mut ess, mut k_hats, mut gaps) = (0, 0.0, Vec::new(), Vec::new());
        let (mut means, mut far, mut evidences, mut far_evidence, mut seconds) = (0, 0, 0, 0, 0.0);
        let mut total = 0;
        for (i, line) in text.lines().take(cases).enumerate() {
            let exact: serde_json::Value = serde_json::from_str(line).unwrap();
            let data = Data::new().with_json_line(format!("{name}.jsonl"), text.clone(), i + 1);
            let options = InferOptions {
                method: Method::named("laplace").unwrap(),
                draws: Some(DRAWS),
                seed: 1 + i as u64,
                ..InferOptions::default()
            };
            total += 1;
            let start = Instant::now();
            let Ok(inferred) = model.infer(&data, &options) else { continue };
            seconds += start.elapsed().as_secs_f64();
            certified += usize::from(inferred.certified);
            ess += unmask::infer::weights_ess(&inferred.posterior.weights) / DRAWS as f64;
            k_hats.push(inferred.k_hat.unwrap_or(f64::NEG_INFINITY));
            if inferred.certified {
                for (latent, mean) in exact["mean"].as_object().unwrap() {
                    let (mean, found) = (mean.as_f64().unwrap(), inferred.variable(latent).unwrap());
                    means += 1;
                    far += usize::from((found.mean - mean).abs() > 3.0 * found.mcse + 1e-9 + 1e-6 * mean.abs());
                }
                evidences += 1;
                let wanted = exact["log_evidence"].as_f64().unwrap();
                let (found, error) = (inferred.log_evidence.unwrap(), inferred.log_evidence_error.unwrap());
                far_evidence += usize::from((found - wanted).abs() > 3.0 * error + 1e-6);
            }
            gaps.extend(gap(&model, &data, &exact));
        }
        k_hats.sort_by(f64::total_cmp);
        let n = gaps.len() as f64;
        let gap = gaps.iter().sum::<f64>() / n;
        let error = (gaps.iter().map(|g| (g - gap).powi(2)).sum::<f64>() / (n * (n - 1.0))).sqrt();
        println!(
            "{name:26} {:7.1} %  {:6.2}    {:6.2}  {gap:7.4} ± {error:.4}  {:8.0}  {far}/{means}  {far_evidence}/{evidences}",
            100.0 * f64::from(certified as u32) / f64::from(total as u32),
            ess / f64::from(total as u32),
            k_hats.get(k_hats.len() / 2).copied().unwrap_or(f64::NAN),
            f64::from((total * DRAWS) as u32) / seconds / 1e3,
        );
    }
}

/// Exact log posterior of the true latents less their log density under the anchors alone; for real latents.
fn gap(model: &Model, data: &Data, exact: &serde_json::Value) -> Option<f64> {
    let target = model.target(data).unwrap();
    let options = CompileOptions { split: true, max_paths: 64 };
    let compiled = target.borrow().compile(options).ok()?;
    let mut rng = stream(1, StreamPurpose::Start, 0);
    let prior = prior_draws(&target.borrow(), &compiled, 48, &mut rng).ok()?;
    let anchors = Anchors::new(&compiled, &prior).ok()?;
    let mut walk = Walk::new(&anchors, Shares::NONE);
    let value = |name: &str| exact["latent"].get(name).and_then(serde_json::Value::as_f64);
    let values: Option<Vec<Decoded>> = anchors
        .elements()
        .iter()
        .map(|element| {
            let x = value(&element.name)?;
            Some(if element.coordinate.is_some() { Decoded::Real(x) } else { Decoded::Int(x as i64) })
        })
        .collect();
    // Of a bounded variable the coordinate is not the value.
    let real = model.name() != "conditional_independence_p";
    real.then(|| Some(exact["log_posterior"].as_f64()? - walk.log_density(&values?))).flatten()
}
