//! The `lexeme` encoding: one token a lexeme of the language, one token a number.

use rustc_hash::FxHashMap;

use super::Encoded;
use crate::builtin::Builtin;
use crate::check::core::Summary;
use crate::dist::Family;
use crate::foundation::error::FoundationError;
use crate::foundation::feature::{NUMBER_FEATURES, number_features};
use crate::span::{FileId, Span};
use crate::syntax::{KEYWORDS, SYMBOLS, Token, lex};

/// Names of one program that have tokens of their own.
pub const MOST_NAMES: usize = 96;

/// Library functions of one program that the weights do not know.
const MOST_LIBRARY: usize = 8;

/// Powers of ten of numbers that have tokens of their own; others take the nearest.
const EXPONENTS: std::ops::RangeInclusive<i32> = -4..=7;

/// The tokens that weights know, in order: their number is their token.
#[derive(Clone, Debug, PartialEq)]
pub struct Vocabulary {
    entries: Vec<String>,
    index: FxHashMap<String, u32>,
}

impl Vocabulary {
    /// The vocabulary of the language: every keyword, sign, family and built-in function, names by the order in which they
    /// come, and numbers to two significant digits.
    pub fn lexeme(library: &[&str]) -> Self {
        let mut entries: Vec<String> = vec!["<unknown>".into()];
        entries.extend(KEYWORDS.iter().chain(SYMBOLS).map(ToString::to_string));
        entries.extend(["bool", "int", "real", "pi", "inf", "log_density"].map(str::to_owned));
        entries.extend(Family::ALL.iter().map(|f| format!("{}(", f.name())));
        entries.extend(Builtin::ALL.iter().map(|b| format!("{}(", b.name())));
        entries.extend(Summary::ALL.iter().map(|(name, _)| format!("{name}(")));
        entries.extend(library.iter().map(|name| format!("library {name}(")));
        entries.extend((0..MOST_LIBRARY).map(|k| format!("library {k}(")));
        entries.extend((0..MOST_NAMES).map(|k| format!("name {k}")));
        entries.push("0".into());
        for sign in ["", "-"] {
            for exponent in EXPONENTS {
                entries.extend((10..100).map(|m| format!("{sign}{}.{}e{exponent}", m / 10, m % 10)));
            }
        }
        let mut seen = rustc_hash::FxHashSet::default();
        entries.retain(|e| seen.insert(e.clone()));
        Self::new(entries)
    }

    /// A vocabulary of these tokens.
    pub fn new(entries: Vec<String>) -> Self {
        let index = entries.iter().enumerate().map(|(i, e)| (e.clone(), i as u32)).collect();
        Self { entries, index }
    }

    /// How many tokens there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What the tokens stand for, in order.
    pub fn entries(&self) -> &[String] {
        &self.entries
    }

    fn token(&self, entry: &str) -> u32 {
        self.index.get(entry).copied().unwrap_or(0)
    }

    /// The token of `?`.
    pub fn mask(&self) -> u32 {
        self.token("?")
    }

    /// The token of a number.
    pub fn number(&self, x: f64) -> u32 {
        if x == 0.0 {
            return self.token("0");
        }
        if x.is_nan() {
            return 0;
        }
        if x.is_infinite() {
            return self.token("inf");
        }
        let sign = if x < 0.0 { "-" } else { "" };
        let written = format!("{:.1e}", x.abs());
        let (mantissa, exponent) = written.split_once('e').unwrap_or((&written, "0"));
        let exponent: i32 = exponent.parse().unwrap_or(0);
        let exponent = exponent.clamp(*EXPONENTS.start(), *EXPONENTS.end());
        self.token(&format!("{sign}{mantissa}e{exponent}"))
    }

    /// Encodes an annotated program. `names` says which token the first, second, … name of the program takes.
    ///
    /// # Errors
    /// [`FoundationError::TooManyNames`].
    pub fn encode(&self, text: &str, names: &[u32]) -> Result<Encoded, FoundationError> {
        let lexed = lex(FileId::default(), text);
        let mut out = Encoded::default();
        let mut slots: FxHashMap<&str, usize> = FxHashMap::default();
        let mut library: FxHashMap<&str, usize> = FxHashMap::default();
        let mut negative = false;
        let signs = signs(&lexed.tokens);
        for (i, (token, _)) in lexed.tokens.iter().enumerate() {
            let next = lexed.tokens.get(i + 1).map(|(t, _)| *t);
            if signs[i] {
                negative = true;
                continue;
            }
            let (id, number) = if let Token::Int(text) | Token::Real(text) = token {
                let x: f64 = text.parse().unwrap_or(f64::NAN);
                let x = if std::mem::take(&mut negative) { -x } else { x };
                (self.number(x), Some(x))
            } else if let Token::Name(name) = token {
                let called = next == Some(Token::LeftParen);
                let entry = if called { format!("{name}(") } else { (*name).to_owned() };
                let known = self.index.get(&entry).or_else(|| self.index.get(&format!("library {entry}")));
                let id = match known {
                    Some(id) => *id,
                    None if called && !slots.contains_key(name) => {
                        let count = library.len();
                        let k = *library.entry(name).or_insert(count);
                        self.token(&format!("library {}(", k.min(MOST_LIBRARY - 1)))
                    }
                    None => {
                        let count = slots.len();
                        let k = *slots.entry(name).or_insert(count);
                        let Some(slot) = names.get(k) else {
                            return Err(FoundationError::TooManyNames { limit: names.len() });
                        };
                        self.token(&format!("name {slot}"))
                    }
                };
                (id, None)
            } else {
                (self.token(token.text()), None)
            };
            if i > 0 && lexed.tokens[i - 1].0 == Token::At
                || (i > 1 && lexed.tokens[i - 1].0 == Token::Minus && lexed.tokens[i - 2].0 == Token::At)
            {
                out.values.push(out.tokens.len() as u32);
            }
            out.tokens.push(id);
            match number {
                Some(x) => out.features.extend(number_features(x)),
                None => out.features.extend([0.0; NUMBER_FEATURES]),
            }
        }
        Ok(out)
    }
}

/// Which lexemes are minus signs that belong to the number behind them.
fn signs(tokens: &[(Token<'_>, Span)]) -> Vec<bool> {
    let mut operand = false; // whether a minus sign that follows is between two operands
    let sign = |(i, (token, _)): (usize, &(Token<'_>, Span))| {
        let next = tokens.get(i + 1).map(|(t, _)| *t);
        if *token == Token::Minus && !operand && matches!(next, Some(Token::Int(_) | Token::Real(_))) {
            return true;
        }
        operand = matches!(
            token,
            Token::Name(_) | Token::Int(_) | Token::Real(_) | Token::RightParen | Token::RightBracket | Token::Question
        );
        false
    };
    tokens.iter().enumerate().map(sign).collect()
}

/// The text of each token.
pub(super) fn spelling(text: &str) -> Vec<String> {
    let lexed = lex(FileId::default(), text);
    let signs = signs(&lexed.tokens);
    let mut pieces = Vec::with_capacity(lexed.tokens.len());
    let mut sign = "";
    for ((_, span), is_sign) in lexed.tokens.iter().zip(signs) {
        if is_sign {
            sign = "-";
        } else {
            pieces.push(format!("{}{}", std::mem::take(&mut sign), &text[span.range()]));
        }
    }
    pieces
}
