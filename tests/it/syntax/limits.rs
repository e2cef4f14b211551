//! Deep, long and strange texts: a clear error, never a crash.

use unmask::diagnostic::Diagnostic;
use unmask::syntax::{MAX_ERRORS, MAX_TEXT, format, parse, parse_expression};

use super::{FILE, read};

fn codes(text: &str) -> Vec<&'static str> {
    parse(FILE, text).errors.iter().map(|e| Diagnostic::from(e).code).collect()
}

#[test]
fn nesting_up_to_the_limit_is_read_and_printed() {
    for text in [
        std::format!("let x = {};", vec!["1"; 256].join(" + ")),
        std::format!("let x = {}1{};", "(".repeat(255), ")".repeat(255)),
        std::format!("let x = {}y;", "-".repeat(255)),
        std::format!("let x = y{};", "[0]".repeat(255)),
        std::format!("{}{}", "if a {".repeat(256), "}".repeat(256)),
        std::format!("if a {{}}{}", " else if a {}".repeat(255)),
        std::format!("let x = {}3;", "2 ^ ".repeat(255)),
    ] {
        read(&text);
        let once = format(&text).unwrap();
        assert_eq!(once, format(&once).unwrap());
    }
}

#[test]
fn nesting_beyond_the_limit_is_one_error() {
    for n in [257, 10_000] {
        for text in [
            std::format!("let x = {};", vec!["1"; n].join(" + ")),
            std::format!("let x = {}1{};", "(".repeat(n), ")".repeat(n)),
            std::format!("let x = {}1{};", "[".repeat(n), "]".repeat(n)),
            std::format!("let x = {}y;", "-".repeat(n)),
            std::format!("let x = y{};", "[0]".repeat(n)),
            std::format!("let x = y{};", ".a".repeat(n)),
            std::format!("let x = {}3;", "2 ^ ".repeat(n)),
            std::format!("let x = {}z;", "if a then b else ".repeat(n)),
            std::format!("let x = {}1{};", "f(".repeat(n), ")".repeat(n)),
            std::format!("{}{}", "if a {".repeat(n), "}".repeat(n)),
            std::format!("model m {{ {}{} }}", "for i in 0..2 {".repeat(n), "}".repeat(n)),
            std::format!("if a {{}}{}", " else if a {}".repeat(n)),
        ] {
            assert_eq!(codes(&text), ["E0110"], "{} …", &text[..40]);
        }
    }
    assert!(parse_expression(FILE, &vec!["1"; 10_000].join(" * ")).is_err());
}

#[test]
fn unclosed_nesting_is_no_crash() {
    for open in ["(", "[", "{", "f(", "if a {", "infer m { x: ", "model m { ", "fn f(", "x[", "else if a {"] {
        assert!(!codes(&open.repeat(10_000)).is_empty(), "{open}");
    }
    for close in [")", "]", "}", ";", "else", "@ ?", "~"] {
        let n = codes(&close.repeat(2_000)).len();
        assert!((1..=MAX_ERRORS + 1).contains(&n), "{close}");
    }
}

#[test]
fn many_errors_are_cut_short() {
    let codes = codes(&"let x = ;\n".repeat(1_000));
    assert_eq!(codes.len(), MAX_ERRORS + 1);
    assert_eq!(codes.last(), Some(&"E0121"));
}

#[test]
fn texts_that_are_too_long_are_refused() {
    assert_eq!(codes(&" ".repeat(MAX_TEXT + 1)), ["E0009"]);
}

#[test]
fn a_long_program_is_read_in_linear_time() {
    let lines = |n: usize| {
        let line = "    observe y[i] ~ normal(a + b * x[i], 1.5) @ 2.25; // datum\n";
        std::format!("model m {{\n{}}}\n", line.repeat(n))
    };
    let time = |n: usize| {
        let text = lines(n);
        let start = std::time::Instant::now();
        assert_eq!(read(&text).file.items.len(), 1);
        start.elapsed()
    };
    time(100);
    // A quadratic step would take a hundred times as long for ten times the text.
    let (short, long) = (time(1_000), time(10_000));
    assert!(long < short * 40, "{short:?} {long:?}");
}
