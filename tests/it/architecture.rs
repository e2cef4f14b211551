//! The order of modules in ARCHITECTURE.md is the order of imports.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Modules as the table of ARCHITECTURE.md lists them.
fn order() -> Vec<String> {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let table = text.split("| module | what it does |").nth(1).unwrap();
    let rows = table.lines().skip(2).take_while(|l| l.starts_with("| `"));
    rows.map(|row| row.split('`').nth(1).unwrap().to_owned()).collect()
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// Modules that a source text names by `crate::NAME`.
fn imported(text: &str) -> Vec<&str> {
    let code = text.lines().filter(|l| !l.trim_start().starts_with("//"));
    code.flat_map(|line| line.split("crate::").skip(1))
        .map(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or(""))
        .collect()
}

#[test]
fn modules_import_only_what_stands_above_them() {
    let order = order();
    assert!(order.len() > 8, "the table of modules was not found");
    let position = |name: &str| order.iter().position(|m| m == name);
    let mut files = Vec::new();
    sources(&root().join("src"), &mut files);
    let mut wrong = Vec::new();
    for file in files {
        let relative = file.strip_prefix(root().join("src")).unwrap();
        let module = relative.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs").to_owned();
        if module == "lib" || module == "main" {
            continue;
        }
        let Some(own) = position(&module) else {
            wrong.push(format!("`{module}` is not in ARCHITECTURE.md"));
            continue;
        };
        for name in imported(&fs::read_to_string(&file).unwrap()) {
            if position(name).is_some_and(|at| at > own) {
                wrong.push(format!("{}: `{module}` imports `{name}`, which stands below it", relative.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
