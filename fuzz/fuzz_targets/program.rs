//! Any bytes as a program: parse, format, check, run the script, simulate. Start it from the examples:
//! `cargo fuzz run program examples stdlib`.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use unmask::check::{StandardLibrary, check, dump};
use unmask::runtime::{Conditions, Limits, Runtime, Simulator, run_script};
use unmask::span::FileId;
use unmask::syntax;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let parsed = syntax::parse(FileId(0), text);
    if parsed.errors.is_empty() {
        let once = syntax::print(&parsed.file);
        let again = syntax::parse(FileId(0), &once);
        assert!(again.errors.is_empty() && syntax::same_syntax(&parsed.file, &again.file));
        assert_eq!(once, syntax::print(&again.file));
    }
    let Ok(checked) = check("fuzz.ppl", text, &StandardLibrary) else { return };
    let _ = dump(&checked.program);
    let mut runtime = Runtime::new(Arc::new(checked.program));
    runtime.limits = Limits { depth: 50, iterations: 5_000 };
    let _ = run_script(&runtime, &mut |_| {});
    for id in runtime.program.entry_models.clone() {
        let conditions = Conditions::new();
        let _ = Simulator::new(&runtime, id, &conditions, 1).batch(3);
    }
});
