//! Reading and printing programs: every form, every mistake, and the laws that hold for all texts and trees.

mod laws;
mod limits;

use std::path::{Path, PathBuf};

use unmask::diagnostic::Diagnostic;
use unmask::span::{FileId, SourceMap, Span};
use unmask::syntax::{Parsed, dump_ast, dump_tokens, format, lex, parse, parse_expression, print, same_syntax};

const FILE: FileId = FileId(0);

fn programs(kind: &str) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/syntax").join(kind);
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|e| e == "ppl"));
    paths.sort();
    assert!(paths.len() > 3);
    paths
        .iter()
        .map(|p| (p.file_stem().unwrap().to_str().unwrap().to_owned(), std::fs::read_to_string(p).unwrap()))
        .collect()
}

/// Diagnostics as text: code, message, then `line:column length` and text of each label, then the help.
fn render(text: &str, errors: &[unmask::syntax::SyntaxError]) -> String {
    let mut map = SourceMap::default();
    map.add("test.ppl", text);
    let mut out = String::new();
    for diagnostic in errors.iter().map(Diagnostic::from) {
        out += &std::format!("error[{}]: {}\n", diagnostic.code, diagnostic.message);
        for label in &diagnostic.labels {
            let (line, column) = map.line_column(label.span);
            out += &std::format!("  {line}:{column} `{}` {}\n", map.text(label.span), label.text);
        }
        if let Some(help) = diagnostic.help {
            out += &std::format!("  help: {help}\n");
        }
    }
    out
}

fn read(text: &str) -> Parsed {
    let parsed = parse(FILE, text);
    assert!(parsed.errors.is_empty(), "{text}\n{}", render(text, &parsed.errors));
    parsed
}

fn snapshot(folder: &str, name: &str, content: &str) {
    insta::with_settings!({
        snapshot_path => std::format!("../syntax/{folder}"), prepend_module_to_snapshot => false, omit_expression => true,
    }, { insta::assert_snapshot!(name, content) });
}

#[test]
fn valid_programs_give_their_trees() {
    for (name, text) in programs("valid") {
        snapshot("valid", &std::format!("{name}.tree"), &dump_ast(&read(&text).file));
    }
}

#[test]
fn valid_programs_are_formatted() {
    for (name, text) in programs("valid") {
        snapshot("valid", &std::format!("{name}.formatted"), &format(&text).unwrap());
    }
}

#[test]
fn invalid_programs_give_their_errors() {
    for (name, text) in programs("invalid") {
        let parsed = parse(FILE, &text);
        assert!(!parsed.errors.is_empty(), "{name} has no errors");
        snapshot("invalid", &name, &render(&text, &parsed.errors));
    }
}

#[test]
fn formatting_is_idempotent_and_keeps_syntax_comments_and_spelling() {
    for (name, text) in programs("valid") {
        let once = format(&text).unwrap();
        assert_eq!(once, format(&once).unwrap(), "{name}");
        assert!(same_syntax(&read(&text).file, &read(&once).file), "{name}");
        let comments = |text: &str| {
            let mut comments: Vec<String> = lex(FILE, text).comments.iter().map(|c| c.text.to_owned()).collect();
            comments.sort();
            comments
        };
        assert_eq!(comments(&text), comments(&once), "{name}");
        let literals = |text: &str| -> Vec<String> {
            let lexed = lex(FILE, text);
            let digits = lexed.tokens.iter().map(|(token, _)| token.text());
            digits.filter(|t| t.starts_with(|c: char| c.is_ascii_digit())).map(str::to_owned).collect()
        };
        assert_eq!(literals(&text), literals(&once), "{name}");
    }
}

#[test]
fn every_code_has_an_invalid_program() {
    let source = ["lexer.rs", "error.rs"].map(|f| std::fs::read_to_string(std::format!("src/syntax/{f}")).unwrap());
    let mut codes: Vec<String> = source
        .iter()
        .flat_map(|s| s.split('"'))
        .filter(|s| s.len() == 5 && s.starts_with("E0") && s[1..].bytes().all(|b| b.is_ascii_digit()))
        .map(str::to_owned)
        .collect();
    codes.sort();
    codes.dedup();
    assert!(codes.len() > 20);
    let mut produced = String::new();
    for (_, text) in programs("invalid") {
        produced += &render(&text, &parse(FILE, &text).errors);
    }
    // Those that need very long texts are in `limits`.
    codes.retain(|code| !["E0009", "E0110", "E0121"].contains(&code.as_str()));
    let missing: Vec<&String> = codes.iter().filter(|code| !produced.contains(code.as_str())).collect();
    assert!(missing.is_empty(), "no program gives {missing:?}");
}

#[test]
fn tokens_are_listed() {
    insta::assert_snapshot!(dump_tokens("sample y[0..n] ~ normal(1e3, .5) @ \"a\\n\"; // c\n€"), @r#"
    0..6 keyword sample
    7..8 name y
    8..9 symbol [
    9..10 int 0
    10..12 symbol ..
    12..13 name n
    13..14 symbol ]
    15..16 symbol ~
    17..23 name normal
    23..24 symbol (
    24..27 real 1e3
    27..28 symbol ,
    29..31 real .5
    31..32 symbol )
    33..34 symbol @
    35..40 string "a\n"
    40..41 symbol ;
    42..46 comment // c
    29..31 error `.5` needs digits on both sides of the point
    47..50 error unknown character `€`
    "#);
}

#[test]
fn expressions_are_read_alone() {
    assert_eq!(unmask::syntax::print_expression(&parse_expression(FILE, "[1,  2.50,-x]").unwrap()), "[1, 2.50, -x]");
    let complaint = |text: &str| render(text, &parse_expression(FILE, text).unwrap_err());
    insta::assert_snapshot!(complaint("1 +"), @r"
    error[E0102]: unexpected end of the text, expected an expression
      1:4 `` expected an expression
    ");
    for (text, code) in [("1; 2", "E0101"), ("", "E0102"), ("f(1", "E0104"), ("a < b < c", "E0108"), ("1.", "E0007")] {
        assert!(complaint(text).starts_with(&std::format!("error[{code}]")), "{text}: {}", complaint(text));
    }
}

#[test]
fn one_mistake_leaves_the_rest_of_the_tree() {
    let parsed = parse(FILE, "model m {\n sample x ~ ;\n sample y ~ normal(0, 1);\n}\nlet z = 3;");
    assert_eq!(parsed.errors.len(), 1);
    insta::assert_snapshot!(print(&parsed.file), @r"
    model m {
        <error>
        sample y ~ normal(0, 1);
    }
    let z = 3;
    ");
}

#[test]
fn spans_cover_whole_constructs() {
    let text = "model m { let x = f(1) + 2; }";
    let file = read(text).file;
    assert_eq!(file.items[0].span, Span::new(FILE, 0, text.len()));
}
