//! The toy programs against exact posteriors computed elsewhere, where these are at hand (`../shared/oracle`): each case is
//! read as data as it stands.

use std::fs;
use std::path::PathBuf;

use unmask::foundation::Evidence;
use unmask::infer::{InferOptions, Method};
use unmask::{Data, Model};

/// Cases of each program.
const CASES: usize = 4;

#[test]
fn toy_programs_agree_with_exact_posteriors() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let folder = root.join("../shared/oracle");
    let Ok(programs) = fs::read_to_string(folder.join("programs.json")) else {
        eprintln!("skipped: there is no {}", folder.display());
        return;
    };
    let programs: serde_json::Value = serde_json::from_str(&programs).unwrap();
    let mut compared = 0;
    for name in programs.as_object().unwrap().keys() {
        let model = Model::from_file(root.join(format!("examples/{name}.ppl"))).unwrap();
        let cases = fs::read_to_string(folder.join(format!("{name}.jsonl"))).unwrap();
        for (i, line) in cases.lines().take(CASES).enumerate() {
            let exact: serde_json::Value = serde_json::from_str(line).unwrap();
            let data = Data::new().with_json_line(format!("{name}.jsonl"), cases.clone(), i + 1);
            let options = InferOptions { draws: Some(10_000), seed: 4, ..InferOptions::default() };
            let method = if name.starts_with("common") || name == "conditional_independence" {
                "enumerate"
            } else {
                "importance"
            };
            let inferred =
                model.infer(&data, &InferOptions { method: Method::named(method).unwrap(), ..options }).unwrap();
            if !inferred.certified {
                // The prior is a poor proposal for some: it says so.
                continue;
            }
            compared += 1;
            for (latent, mean) in exact["mean"].as_object().unwrap() {
                let (mean, found) = (mean.as_f64().unwrap(), inferred.variable(latent).unwrap());
                let allowed = 5.0 * found.mcse + 1e-6 * mean.abs().max(1e-6);
                assert!(
                    (found.mean - mean).abs() <= allowed,
                    "{name}, case {i}: {latent} is {} ± {}, not {mean}",
                    found.mean,
                    found.mcse
                );
            }
            let (found, error) = (inferred.log_evidence.unwrap(), inferred.log_evidence_error.unwrap());
            let wanted = exact["log_evidence"].as_f64().unwrap();
            assert!(
                (found - wanted).abs() <= 5.0 * error + 1e-6,
                "{name}, case {i}: log evidence {found} ± {error}, not {wanted}"
            );
        }
    }
    assert!(compared > 25, "only {compared} cases were certified");
}

#[test]
fn exact_evidences_are_exact() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let folder = root.join("../shared/oracle");
    // Of the others, the evidence is estimated.
    let exact = ["latent", "clustering", "hierarchical", "multilevel", "milky_way"];
    for name in exact.into_iter().chain(["rosenbrock"]) {
        let Ok(cases) = fs::read_to_string(folder.join(format!("{name}.jsonl"))) else {
            eprintln!("skipped: there is no {}", folder.display());
            return;
        };
        let model = Model::from_file(root.join(format!("examples/{name}.ppl"))).unwrap();
        for (i, line) in cases.lines().take(CASES).enumerate() {
            let case: serde_json::Value = serde_json::from_str(line).unwrap();
            let latents = case["latent"].as_object().unwrap().keys();
            let data = Data::new().with_json_line(format!("{name}.jsonl"), cases.clone(), i + 1);
            let data = latents.fold(data, |data, latent| data.mask(latent.clone()));
            let Some(found) = Evidence::of(&model.target(&data).unwrap(), 1) else {
                assert_eq!(name, "rosenbrock");
                continue;
            };
            let wanted = case["log_evidence"].as_f64().unwrap();
            assert_eq!(found.error == 0.0, name != "rosenbrock", "{name}, case {i}: {found:?}");
            assert!((found.log_evidence - wanted).abs() < 5.0 * found.error + 1e-6, "{name}: {found:?}, not {wanted}");
        }
    }
}
