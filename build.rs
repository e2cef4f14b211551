//! Generates the parser from `grammar/ppl.lalrpop`, and the table of the standard library from the folder `stdlib`.

use std::path::Path;
use std::{env, fs};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=grammar/ppl.lalrpop");
    println!("cargo:rerun-if-changed=build.rs");
    lalrpop::Configuration::new()
        .set_in_dir("grammar")
        .set_out_dir(env::var("OUT_DIR")?)
        .emit_rerun_directives(true)
        .process()?;
    standard_library()
}

/// Writes `stdlib.rs`: a slice of name and text, in order of the names.
fn standard_library() -> Result<(), Box<dyn std::error::Error>> {
    let folder = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("stdlib");
    let mut entries = Vec::new();
    if folder.is_dir() {
        println!("cargo:rerun-if-changed=stdlib");
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|e| e == "ppl") {
                let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
                entries.push(format!("({name:?}, include_str!({path:?}))"));
            }
        }
    }
    entries.sort();
    fs::write(Path::new(&env::var("OUT_DIR")?).join("stdlib.rs"), format!("&[{}]", entries.join(", ")))?;
    Ok(())
}
