//! Generates the parser from `grammar/ppl.lalrpop`, and tables of programs: the standard library (`stdlib`) and the posteriors of
//! posteriordb (`examples/posteriordb`).

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
    programs("stdlib", ".ppl", "stdlib.rs")?;
    programs("examples/posteriordb", "", "posteriordb.rs")
}

/// Writes a slice of name and text of the programs of a folder, in order of the names, which end in `ending`.
fn programs(folder: &str, ending: &str, output: &str) -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed={folder}");
    let folder = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join(folder);
    let mut entries = Vec::new();
    if folder.is_dir() {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|e| e == "ppl") {
                let stem = path.file_stem().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
                entries.push(format!("({:?}, include_str!({path:?}))", format!("{stem}{ending}")));
            }
        }
    }
    entries.sort();
    fs::write(Path::new(&env::var("OUT_DIR")?).join(output), format!("&[{}]", entries.join(", ")))?;
    Ok(())
}
