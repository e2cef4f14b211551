//! Generates the parser from `grammar/ppl.lalrpop`, and the table of embedded library files from `stdlib/`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=grammar/ppl.lalrpop");
    println!("cargo:rerun-if-changed=stdlib");
    println!("cargo:rerun-if-changed=build.rs");
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    lalrpop::Configuration::new().set_in_dir("grammar").set_out_dir(&out).emit_rerun_directives(true).process()?;
    std::fs::write(out.join("stdlib.rs"), embedded_library()?)?;
    Ok(())
}

/// `&[("stats.ppl", "the text"), ...]`, by name.
fn embedded_library() -> Result<String, Box<dyn std::error::Error>> {
    let folder = Path::new(&std::env::var("CARGO_MANIFEST_DIR")?).join("stdlib");
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "ppl") {
            println!("cargo:rerun-if-changed={}", path.display());
            files.push(path);
        }
    }
    files.sort();
    let mut table = String::from("&[\n");
    for path in files {
        let name = path.file_name().and_then(|n| n.to_str()).ok_or("a library file's name is not UTF-8")?;
        writeln!(table, "    ({name:?}, include_str!({:?})),", path.display().to_string())?;
    }
    table.push_str("]\n");
    Ok(table)
}
