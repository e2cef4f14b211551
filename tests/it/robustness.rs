//! No input makes the lexer, parser, formatter, checker, simulator or machine panic.
//!
//! Programs are the examples and the library with tokens deleted, doubled, swapped or taken from elsewhere: far from
//! random bytes, near enough to what people write to get deep into every stage.

use std::fs;
use std::sync::{Arc, LazyLock};

use proptest::prelude::*;
use unmask::check::{StandardLibrary, check, dump};
use unmask::runtime::{Conditions, Limits, Runtime, Simulator, run_script};
use unmask::span::FileId;
use unmask::syntax;

/// Pieces that mutations insert besides the tokens of the programs.
const SPICE: &[&str] = &[
    "0",
    "-1",
    "1e308",
    "9223372036854775807",
    "0.0",
    "inf",
    "true",
    "?",
    "@",
    "~",
    "..",
    "[",
    "]",
    "(",
    ")",
    "{",
    "}",
    ";",
    "for",
    "if",
    "else",
    "plate",
    "return",
    "factor",
    "infer",
    "simulate",
    "observe",
    "given",
    "let",
    "model",
    "fn",
    "x",
    "n",
    "normal(0, 1)",
    "poisson(1e18)",
    "zeros(9999999999)",
    "div(1, 0)",
    "[1, 2][5]",
    "\"text\"",
    "é",
    "\u{0}",
    "// c\n",
];

static CORPUS: LazyLock<Vec<Vec<String>>> = LazyLock::new(|| {
    let mut programs = Vec::new();
    for folder in ["examples", "stdlib"] {
        let folder = format!("{}/{folder}", env!("CARGO_MANIFEST_DIR"));
        let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
        paths.sort();
        for path in paths.iter().filter(|p| p.extension().is_some_and(|e| e == "ppl")) {
            let text = fs::read_to_string(path).unwrap();
            let code: Vec<&str> = text.lines().filter(|l| !l.trim_start().starts_with("//")).collect();
            programs.push(pieces(&code.join("\n")));
        }
    }
    programs
});

/// Words, numbers and single other characters, with the space before them.
fn pieces(text: &str) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    let word = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
    let mut last: Option<char> = None;
    for c in text.chars() {
        match pieces.last_mut() {
            Some(piece) if last.is_some_and(word) && word(c) => piece.push(c),
            Some(piece) if last.is_some_and(char::is_whitespace) => piece.push(c),
            _ => pieces.push(c.to_string()),
        }
        last = Some(c);
    }
    pieces
}

#[derive(Clone, Debug)]
enum Mutation {
    Delete(prop::sample::Index),
    Double(prop::sample::Index),
    Swap(prop::sample::Index, prop::sample::Index),
    Insert(prop::sample::Index, prop::sample::Index),
    Borrow(prop::sample::Index, prop::sample::Index, prop::sample::Index),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    use prop::sample::Index;
    prop_oneof![
        any::<Index>().prop_map(Mutation::Delete),
        any::<Index>().prop_map(Mutation::Double),
        any::<(Index, Index)>().prop_map(|(a, b)| Mutation::Swap(a, b)),
        any::<(Index, Index)>().prop_map(|(a, b)| Mutation::Insert(a, b)),
        any::<(Index, Index, Index)>().prop_map(|(a, b, c)| Mutation::Borrow(a, b, c)),
    ]
}

fn mutate(mut program: Vec<String>, mutations: &[Mutation]) -> String {
    for mutation in mutations {
        if program.is_empty() {
            break;
        }
        let n = program.len();
        match mutation {
            Mutation::Delete(at) => {
                program.remove(at.index(n));
            }
            Mutation::Double(at) => {
                let piece = program[at.index(n)].clone();
                program.insert(at.index(n), piece);
            }
            Mutation::Swap(a, b) => program.swap(a.index(n), b.index(n)),
            Mutation::Insert(at, what) => program.insert(at.index(n), format!(" {} ", SPICE[what.index(SPICE.len())])),
            Mutation::Borrow(at, other, piece) => {
                let other = &CORPUS[other.index(CORPUS.len())];
                program[at.index(n)] = other[piece.index(other.len())].clone();
            }
        }
    }
    program.concat()
}

/// Every stage, on one text. Returns how far it came, so that the test can tell that mutations reach all stages.
fn exercise(text: &str) -> &'static str {
    let parsed = syntax::parse(FileId(0), text);
    if parsed.errors.is_empty() {
        let once = syntax::print(&parsed.file);
        let again = syntax::parse(FileId(0), &once);
        assert!(again.errors.is_empty(), "the formatter's output does not parse:\n{once}");
        assert!(syntax::same_syntax(&parsed.file, &again.file), "formatting changed the program:\n{text}\n---\n{once}");
        assert_eq!(once, syntax::print(&again.file), "formatting is not idempotent");
    }
    let checked = match check("fuzz.ppl", text, &StandardLibrary) {
        Ok(checked) => checked,
        Err(rejected) => {
            assert!(
                rejected.diagnostics.iter().any(unmask::diagnostic::Diagnostic::is_error),
                "rejected without an error"
            );
            return if parsed.errors.is_empty() { "checked" } else { "parsed" };
        }
    };
    let _ = dump(&checked.program);
    let mut runtime = Runtime::new(Arc::new(checked.program));
    runtime.limits = Limits { depth: 50, iterations: 5_000 };
    let _ = run_script(&runtime, &mut |_| {});
    let mut ran = "accepted";
    for id in runtime.program.entry_models.clone() {
        let conditions = Conditions::new();
        let mut simulator = Simulator::new(&runtime, id, &conditions, 1);
        if simulator.batch(3).is_ok() {
            ran = "simulated";
        }
    }
    ran
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, ..ProptestConfig::default() })]

    #[test]
    fn mutated_programs_never_panic(program in any::<prop::sample::Index>(), mutations in prop::collection::vec(mutation(), 1..6)) {
        let text = mutate(CORPUS[program.index(CORPUS.len())].clone(), &mutations);
        exercise(&text);
    }

    #[test]
    fn arbitrary_text_never_panics(text in "(\\PC|\n){0,200}") {
        exercise(&text);
    }
}

#[test]
fn unmutated_programs_come_to_the_end() {
    let mut simulated = 0;
    for program in CORPUS.iter() {
        let stage = exercise(&program.concat());
        assert!(stage == "accepted" || stage == "simulated", "a program of the corpus was only {stage}");
        simulated += usize::from(stage == "simulated");
    }
    assert!(simulated > 8, "only {simulated} programs of the corpus were simulated");
}
