//! What users see when something is wrong: programs in `tests/ui` with the command in their first line, and what it must
//! print to standard error beside them. `UPDATE=1 cargo test --test it ui` writes what is printed now.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|e| e == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Runs the binary from the repository's root.
fn unmask(arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_unmask"));
    let output = command.args(arguments).current_dir(root()).env_remove("UNMASK_LIB").output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().expect("no signal"), text(output.stdout), text(output.stderr))
}

#[test]
fn mistakes_are_told_as_the_stored_text_says() {
    let mut wrong = Vec::new();
    let programs = files(&root().join("tests/ui"), "ppl");
    assert!(programs.len() > 80, "the programs of tests/ui were not found");
    for path in programs {
        let text = fs::read_to_string(&path).unwrap();
        let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
        let command =
            text.lines().next().unwrap().strip_prefix("// run: ").unwrap_or_else(|| panic!("{name} has no command"));
        let arguments: Vec<&str> = command.split(' ').map(|a| if a == "FILE" { &*name } else { a }).collect();
        let (code, stdout, stderr) = unmask(&arguments);
        let printed = if stdout.is_empty() { String::new() } else { format!("{stdout}---\n") };
        let found = format!("exit status {code}\n{printed}{stderr}");
        let stored = path.with_extension("stderr");
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&stored, &found).unwrap();
        } else if fs::read_to_string(&stored).unwrap_or_default() != found {
            wrong.push(format!("{name}:\n{found}"));
        }
        assert!(!stderr.contains("panicked"), "{name}: {stderr}");
    }
    assert!(wrong.is_empty(), "{} programs print something else now:\n{}", wrong.len(), wrong.join("\n\n"));
}

/// Every `"E0123"` and `"W0123"` of a text.
fn codes(text: &str) -> BTreeSet<String> {
    let is_code = |piece: &&str| {
        piece.len() == 5 && piece.starts_with(['E', 'W']) && piece[1..].bytes().all(|b| b.is_ascii_digit())
    };
    text.split(|c: char| !c.is_ascii_alphanumeric()).filter(is_code).map(str::to_owned).collect()
}

#[test]
fn every_diagnostic_code_has_a_test_that_produces_it() {
    let mut produced = BTreeSet::new();
    for path in files(&root().join("src"), "rs") {
        let text = fs::read_to_string(path).unwrap();
        let code: Vec<&str> = text.lines().filter(|l| !l.trim_start().starts_with("//")).collect();
        produced.extend(codes(&code.join("\n")));
    }
    assert!(produced.len() > 80, "the codes were not found");
    let mut tested = BTreeSet::new();
    for path in files(&root().join("tests/ui"), "stderr").into_iter().chain(files(&root().join("tests/it"), "rs")) {
        tested.extend(codes(&fs::read_to_string(path).unwrap()));
    }
    for path in files(&root().join("tests/syntax"), "snap") {
        tested.extend(codes(&fs::read_to_string(path).unwrap()));
    }
    // A bug of the checker: no program produces it.
    tested.insert("E0699".into());
    let missing: Vec<&String> = produced.difference(&tested).collect();
    assert!(missing.is_empty(), "codes without a test: {missing:?}");
}

#[test]
fn examples_check_format_and_simulate() {
    for path in files(&root().join("examples"), "ppl") {
        let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
        let (code, _, stderr) = unmask(&["check", &name]);
        assert_eq!((code, &*stderr), (0, ""), "check {name}");
        let (code, stdout, stderr) = unmask(&["fmt", "--check", &name]);
        assert_eq!(code, 0, "fmt --check {name}: {stdout}{stderr}");
        let mut arguments = vec!["simulate", &name, "-n", "3"];
        let mut data = path.with_extension("json");
        if path.parent().unwrap().ends_with("posteriordb") {
            // Their data are not part of this repository.
            let Some(found) = super::posteriordb::data_of(path.file_stem().unwrap().to_str().unwrap()) else {
                eprintln!("skipped: simulate {name}, whose data are not at hand");
                continue;
            };
            data = found;
        }
        let data = data.to_str().unwrap();
        if Path::new(data).exists() {
            arguments.extend(["-d", data]);
        }
        let (code, stdout, stderr) = unmask(&arguments);
        assert_eq!((code, &*stderr), (0, ""), "simulate {name}");
        assert_eq!(stdout.lines().count(), 3, "simulate {name}");
    }
}

#[test]
fn library_files_check_and_are_formatted() {
    for path in files(&root().join("stdlib"), "ppl") {
        let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
        assert_eq!(unmask(&["check", &name]).0, 0, "check {name}");
        assert_eq!(unmask(&["fmt", "--check", &name]).0, 0, "fmt --check {name}");
    }
}

#[test]
fn examples_infer_with_their_data() {
    for path in files(&root().join("examples"), "ppl") {
        let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
        let data = path.with_extension("json");
        if !data.exists() {
            continue;
        }
        let (code, stdout, stderr) = unmask(&[
            "infer",
            &name,
            "-d",
            data.to_str().unwrap(),
            "--method",
            "mh",
            "--draws",
            "40",
            "--warmup",
            "10",
            "--json",
        ]);
        // So few draws certify nothing, and discrete programs refuse nothing.
        assert!(code == 0 || code == 3, "infer {name}: {stderr}");
        let answer: serde_json::Value = serde_json::from_str(&stdout).unwrap();
        for key in [
            "method",
            "certified",
            "k_hat",
            "log_evidence",
            "log_evidence_error",
            "seconds",
            "seed",
            "ladder",
            "variables",
        ] {
            assert!(answer.get(key).is_some(), "infer {name}: the answer lacks {key}");
        }
        assert_eq!(
            answer["certified"].as_bool().unwrap(),
            code == 0,
            "infer {name}: exit status and certificate disagree"
        );
    }
}

#[test]
fn calibration_commands_tell_right_engines_from_wrong_ones() {
    let sbc = |arguments: &[&str]| {
        let fixed = ["sbc", "examples/sprinkler.ppl", "-d", "examples/sprinkler.json", "-n", "100"];
        unmask(&[&fixed, arguments].concat())
    };
    let (code, stdout, stderr) = sbc(&["--json"]);
    assert_eq!((code, &*stderr), (0, ""));
    let answer: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(answer["engines"]["enumerate"], 100);
    assert_eq!((&answer["verdict"], &answer["uncertified"]), (&"holds".into(), &0.into()));
    for name in ["cloudy", "watered", "rain", "log likelihood"] {
        let variable = &answer["variables"][name];
        assert_eq!(variable["ranks"].as_array().unwrap().len(), 100, "{name}");
        assert_eq!(variable["histogram"].as_array().unwrap().len(), 20, "{name}");
        assert!(variable["coverage"]["0.9"]["share"].as_f64().unwrap() > 0.7, "{name}");
    }
    let (code, stdout, _) = sbc(&["--method", "prior"]);
    assert_eq!(code, 3);
    assert!(stdout.starts_with("NOT CALIBRATED") && stdout.contains("refuted") && stdout.contains('↓'), "{stdout}");
    assert!(stdout.contains("100 answers are not certified"), "{stdout}");
    let (code, stdout, stderr) = unmask(&["geweke", "examples/hierarchical.ppl", "-n", "1000"]);
    assert_eq!((code, &*stderr), (0, ""));
    assert!(stdout.starts_with("nothing speaks against the kernel"), "{stdout}");
    let (code, stdout, _) = unmask(&["geweke", "examples/hierarchical.ppl", "-n", "1000", "--json"]);
    let answer: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((code, &answer["verdict"]), (0, &"holds".into()));
    assert!(answer["variables"]["t1"]["z_location"].as_f64().unwrap().abs() < 5.0);
    // Too few executions are wrong usage.
    assert_eq!(unmask(&["geweke", "examples/hierarchical.ppl", "-n", "10"]).0, 2);
}

#[test]
fn same_seed_same_output_on_any_number_of_threads() {
    for (method, example) in [
        ("importance", "milky_way"),
        ("mh", "arithmetic"),
        ("prior", "coal"),
        ("nuts", "coal"),
        ("advi", "milky_way"),
        ("laplace", "milky_way"),
    ] {
        let data = format!("examples/{example}.json");
        let program = format!("examples/{example}.ppl");
        let run = |threads: &str, seed: &str| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_unmask"));
            let arguments = [
                "infer", &program, "-d", &data, "--method", method, "--draws", "600", "--warmup", "50", "--json",
                "--seed", seed,
            ];
            let output =
                command.args(arguments).current_dir(root()).env("RAYON_NUM_THREADS", threads).output().unwrap();
            let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
            answer["variables"].to_string()
        };
        let once = run("1", "5");
        assert_eq!(once, run("4", "5"), "{method}");
        assert_ne!(once, run("1", "6"), "{method}");
    }
}
