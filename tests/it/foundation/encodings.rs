//! Programs as tokens.

use std::path::{Path, PathBuf};

use unmask::foundation::{Encoding, FoundationError, MOST_NAMES, NUMBER_FEATURES, TextVocabulary, Vocabulary, dense};

fn lexeme() -> Vocabulary {
    Vocabulary::lexeme(&["rosenbrock"])
}

fn names() -> Vec<u32> {
    (0..MOST_NAMES as u32).collect()
}

fn shown(vocabulary: &Vocabulary, text: &str) -> Vec<String> {
    let encoded = vocabulary.encode(text, &names()).unwrap();
    encoded.tokens.iter().map(|t| vocabulary.entries()[*t as usize].clone()).collect()
}

#[test]
fn a_lexeme_is_a_token_and_a_number_is_one() {
    let vocabulary = lexeme();
    let found = shown(&vocabulary, "s.a[2] ~ normal(b - 3, 0.5) @ -12.345;");
    let expected = [
        "name 0", ".", "name 1", "[", "2.0e0", "]", "~", "normal(", "(", "name 2", "-", "3.0e0", ",", "5.0e-1", ")",
        "@", "-1.2e1", ";",
    ];
    assert_eq!(found, expected);
    let encoded = vocabulary.encode("s ~ normal(0, 1) @ -12.345; r = rosenbrock(s, f(s)) @ ?;", &names()).unwrap();
    assert_eq!(encoded.features.len(), NUMBER_FEATURES * encoded.tokens.len());
    // The rows of the value and of the question mark; the exact value is among the features.
    assert_eq!(encoded.values.len(), 2);
    let row = encoded.values[0] as usize;
    let magnitude = encoded.features[row * NUMBER_FEATURES + 2];
    assert!((f64::from(magnitude) * 5.0 - (12.345_f64 + 1e-4).ln()).abs() < 1e-5);
    assert_eq!(encoded.tokens[encoded.values[1] as usize], vocabulary.mask());
    let found = shown(&vocabulary, "rosenbrock(a, other(a))");
    assert_eq!(found[0], "library rosenbrock(");
    assert_eq!(found[4], "library 0(");
}

#[test]
fn names_take_the_tokens_that_are_given() {
    let vocabulary = lexeme();
    let encoded = vocabulary.encode("b = a + b;", &[7, 3]).unwrap();
    let shown: Vec<&str> = encoded.tokens.iter().map(|t| vocabulary.entries()[*t as usize].as_str()).collect();
    assert_eq!(shown, ["name 7", "=", "name 3", "+", "name 7", ";"]);
    let many: String = (0..=MOST_NAMES).map(|i| format!("a{i} = 1;")).collect();
    assert!(matches!(vocabulary.encode(&many, &names()), Err(FoundationError::TooManyNames { .. })));
}

#[test]
fn numbers_of_any_size_have_tokens() {
    let vocabulary = lexeme();
    let token = |x: f64| vocabulary.entries()[vocabulary.number(x) as usize].clone();
    assert_eq!(token(0.0), "0");
    assert_eq!(token(-0.0), "0");
    assert_eq!(token(9.96), "1.0e1");
    assert_eq!(token(-3.1499), "-3.1e0");
    assert_eq!(token(1e300), "1.0e7");
    assert_eq!(token(1e-300), "1.0e-4");
    assert_eq!(token(f64::INFINITY), "inf");
    assert_eq!(token(f64::NAN), "<unknown>");
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/network/tokenizer")
}

#[test]
fn texts_have_the_tokens_that_transformers_gives_them() {
    let vocabulary = TextVocabulary::from_folder(&folder()).unwrap();
    let text = std::fs::read_to_string(folder().join("reference.json")).unwrap();
    let cases: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
    assert!(cases.len() > 5);
    for case in cases {
        let ids: Vec<u32> = case["ids"].as_array().unwrap().iter().map(|i| i.as_u64().unwrap() as u32).collect();
        let text = case["text"].as_str().unwrap();
        assert_eq!(vocabulary.encode(text).unwrap().tokens, ids, "{text}");
    }
}

#[test]
fn masks_of_texts_are_where_values_are_asked_for() {
    let vocabulary = TextVocabulary::from_folder(&folder()).unwrap();
    let encoded = vocabulary.encode("model m {\n    a ~ normal(0, 1) @ ?;\n    b ~ normal(a, 1) @ 2.5;\n}\n").unwrap();
    assert_eq!(encoded.values.len(), 2);
    assert_eq!(encoded.tokens[encoded.values[0] as usize], vocabulary.mask());
    assert_eq!(encoded.tokens[encoded.values[1] as usize], vocabulary.number(2.5));
    assert_ne!(vocabulary.number(2.5), vocabulary.number(-2.5));
}

#[test]
fn a_vocabulary_of_ones_own_is_learnt_and_kept() {
    let texts = ["model m {\n    a ~ normal(0, 1) @ 2.5;\n}\n"; 20];
    let learnt = TextVocabulary::train(texts.into_iter(), 300).unwrap();
    assert!(learnt.len() <= 300 && learnt.len() > 256, "{}", learnt.len());
    let text = "    a ~ normal(0, 1) @ 2.5;";
    let encoded = learnt.encode(text).unwrap();
    assert!(encoded.tokens.len() < text.len(), "{:?}", encoded.tokens);
    let encoding = Encoding::Text(Box::new(learnt));
    assert_eq!((encoding.features(), encoding.digits()), (0, Some(4)));
}

#[test]
fn dense_text_has_the_same_tokens() {
    let examples = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/examples")).unwrap();
    let mut programs = 0;
    for path in examples.map(|entry| entry.unwrap().path()).filter(|p| p.extension().is_some_and(|e| e == "ppl")) {
        let text = std::fs::read_to_string(path).unwrap();
        let tokens = |text: &str| -> Vec<String> {
            let lexed = unmask::syntax::lex(unmask::span::FileId::default(), text).tokens;
            lexed.iter().map(|(_, span)| text[span.range()].to_owned()).collect()
        };
        let packed = dense(&text);
        assert_eq!(tokens(&text), tokens(&packed));
        assert_eq!(dense(&packed), packed);
        programs += 1;
    }
    assert!(programs > 10);
}

#[test]
fn values_are_found_in_dense_text_too() {
    let text = "model m { a ~ normal(0, 1) @ ?; b = 2.5 * a @ -1.25; }";
    let learnt = TextVocabulary::train([text, &dense(text)].into_iter(), 300).unwrap().with_dense(true);
    let encoded = learnt.encode(text).unwrap();
    assert_eq!(encoded.values.len(), 2);
    assert_eq!(encoded.tokens[encoded.values[0] as usize], learnt.mask());
    assert_eq!(encoded.tokens[encoded.values[1] as usize], learnt.number(-1.25));
    assert!(encoded.tokens.len() < learnt.with_dense(false).encode(text).unwrap().tokens.len());
}
