//! Posteriors of posteriordb by this project, where their data are at hand (`../shared/posteriordb`): gradients a second of the
//! compiled density, NUTS (four chains of 1,000 draws after 1,000 of warm-up), and the time from text to a certified answer.
//! `benches/posteriors.py` gives the same columns for Stan, nutpie and NumPyro.
//!
//! `cargo bench --bench posteriors`
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, missing_docs)]

use std::hint::black_box;
use std::path::PathBuf;
use std::time::Instant;

use unmask::density::{CompileOptions, LogDensity as _};
use unmask::infer::{InferOptions, Method};
use unmask::{Data, Script};

fn column(data: &serde_json::Value, name: &str) -> Vec<f64> {
    data[name].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

/// Data in the model's own variables.
fn data(name: &str, json: &serde_json::Value) -> serde_json::Value {
    let mut json = json.clone();
    if name == "earnings" {
        json["log_earn"] = column(&json, "earn").iter().map(|x| x.ln()).collect();
        for unused in ["earn", "male"] {
            json.as_object_mut().unwrap().remove(unused);
        }
    }
    if name == "nes" {
        for (age, k) in [("age30_44", 2.0), ("age45_64", 3.0), ("age65up", 4.0)] {
            let is = column(&json, "age_discrete").iter().map(|x| f64::from(u8::from(*x == k))).collect();
            json[age] = is;
        }
        for unused in ["age_discrete", "year"] {
            json.as_object_mut().unwrap().remove(unused);
        }
    }
    if name == "kidiq" {
        for unused in ["mom_hs_new", "mom_iq_new"] {
            json.as_object_mut().unwrap().remove(unused);
        }
    }
    json
}

fn main() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let folder = root.join("../shared/posteriordb/data");
    let file = root.join("benches/posteriors/models.ppl");
    println!("{:14} gradients/s   nuts s  min-ESS  min-ESS/s   text to certified (ms, method)", "unmask");
    for (name, source) in [
        ("eight_schools", "eight_schools"),
        ("kidiq", "kidiq"),
        ("earnings", "earnings"),
        ("nes", "nes1976"),
        ("hierarchical", ""),
    ] {
        let text = match source {
            "" => "{\"z1\": 1.5, \"z2\": -0.5}".to_owned(),
            _ => match std::fs::read_to_string(folder.join(format!("{source}.json"))) {
                Ok(text) => data(name, &serde_json::from_str(&text).unwrap()).to_string(),
                Err(_) => {
                    println!("{name}: skipped, there is no {}", folder.display());
                    continue;
                }
            },
        };
        let data = Data::from_json(text);
        let model = Script::from_file(&file).unwrap().model(Some(name)).unwrap();
        let target = model.target(&data).unwrap();
        let compiled = target.borrow().compile(CompileOptions::default()).unwrap();
        let density = compiled.density().unwrap();
        let mut evaluator = density.evaluator();
        let mut z: Vec<f64> = (0..density.dimension()).map(|i| 0.1 + 0.01 * i as f64).collect();
        let mut gradient = vec![0.0; z.len()];
        let (mut count, start) = (0_u64, Instant::now());
        while start.elapsed().as_secs_f64() < 1.0 {
            for _ in 0..64 {
                z[0] += 1e-9;
                black_box(evaluator.gradient(black_box(&z), &mut gradient));
                count += 1;
            }
        }
        let rate = count as f64 / start.elapsed().as_secs_f64();
        let nuts = InferOptions {
            method: Method::named("nuts").unwrap(),
            draws: Some(4_000),
            warmup: Some(1_000),
            chains: Some(4),
            ..InferOptions::default()
        };
        let start = Instant::now();
        let sampled = model.infer(&data, &nuts).unwrap();
        let seconds = start.elapsed().as_secs_f64();
        let ess =
            sampled.variables.iter().filter(|v| !v.deterministic).filter_map(|v| v.ess).fold(f64::INFINITY, f64::min);
        let start = Instant::now();
        let fresh = Script::from_file(&file).unwrap().model(Some(name)).unwrap();
        let answer = fresh.infer(&data, &InferOptions::default()).unwrap();
        let certified = start.elapsed().as_secs_f64() * 1e3;
        println!(
            "{name:14} {rate:11.0} {seconds:8.2} {ess:8.0} {:10.0}   {certified:6.0} {}{}",
            ess / seconds,
            answer.method,
            if answer.certified { "" } else { " (not certified)" },
        );
    }
}
