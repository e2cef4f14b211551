//! What commands say of costs: of an answer beside NUTS, and of families of random programs.

use std::path::Path;
use std::process::{Command, Output};

const SOURCE: &str =
    "model m { sample a ~ normal(0, 2); sample b ~ normal(a, 1); observe y ~ normal(b, 0.5) @ 1.2; let t = a * b; }";

fn run(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_unmask"));
    command.current_dir(folder).env_remove("UNMASK_LIB").args(arguments).output().unwrap()
}

#[test]
fn an_answer_says_what_it_cost_beside_nuts() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("m.ppl"), SOURCE).unwrap();
    let told = run(folder.path(), &["infer", "m.ppl", "-q", "--explain", "--json"]);
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    let told: serde_json::Value = serde_json::from_slice(&told.stdout).unwrap();
    let explained = &told["explained"];
    assert_eq!(explained["answer"]["seconds"], told["seconds"]);
    let least = told["variables"].as_object().unwrap().values().filter(|v| v["deterministic"].is_null());
    let least = least.filter_map(|v| v["ess"].as_f64()).min_by(f64::total_cmp);
    assert_eq!(explained["answer"]["effective_draws"].as_f64(), least);
    assert!(explained["nuts"]["seconds"].as_f64().unwrap() > 0.0);
    assert!(explained["times_as_long"].as_f64().unwrap() > 0.0 && explained["times_as_many"].as_f64().unwrap() > 0.0);
    let told = run(folder.path(), &["infer", "m.ppl", "-q", "--explain"]);
    let told = String::from_utf8(told.stdout).unwrap();
    assert!(
        told.contains("this answer  ") && told.contains("NUTS         ") && told.contains(" a draw: NUTS takes "),
        "{told}"
    );
    // What NUTS cannot do is told as well.
    std::fs::write(
        folder.path().join("d.ppl"),
        "model d { sample k ~ bernoulli(0.3); observe j ~ bernoulli(0.2 + 0.5 * k) @ 1; }",
    )
    .unwrap();
    let told = run(folder.path(), &["infer", "d.ppl", "-q", "--explain"]);
    let told = String::from_utf8(told.stdout).unwrap();
    assert!(told.contains("an exact answer") && told.contains("NUTS         has no answer: "), "{told}");
}

#[test]
fn the_difficulty_of_families_is_measured() {
    let folder = tempfile::tempdir().unwrap();
    let told = run(folder.path(), &["generate", "--difficulty", "-n", "2", "--family", "shares"]);
    let told = String::from_utf8(told.stdout).unwrap();
    assert!(told.starts_with("  family  programs  certified\n  shares         2 "), "{told}");
}
