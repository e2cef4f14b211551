//! From text to tokens and comments.
//!
//! The lexer never gives up: what it cannot read becomes a [`LexError`] and, where the intent is plain (a number without
//! digits before its point, a string that is not closed), a token as well, so that the parser can go on.

use logos::Logos;
use thiserror::Error;

use super::token::Token;
use crate::diagnostic::Diagnostic;
use crate::span::{FileId, Span};

/// The longest text that is read, in bytes.
pub const MAX_TEXT: usize = 64 << 20;

/// Something that is no lexeme.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum LexError {
    /// A character with no meaning in the language.
    #[error("unknown character `{}`", .character.escape_debug())]
    UnknownCharacter {
        /// The character.
        character: char,
        /// Its place.
        span: Span,
    },
    /// A name with letters that are not ASCII.
    #[error("the name `{name}` has letters beyond ASCII")]
    NameNotAscii {
        /// The name.
        name: String,
        /// Its place.
        span: Span,
    },
    /// A string whose line ends before it is closed.
    #[error("this string is not closed")]
    UnterminatedString {
        /// From its opening quote to the end of the line.
        span: Span,
    },
    /// A backslash in a string with something unknown after it.
    #[error("unknown escape `{escape}` in a string")]
    BadEscape {
        /// The escape as written.
        escape: String,
        /// Its place.
        span: Span,
    },
    /// An integer beyond 64 bits.
    #[error("the integer `{spelling}` is too large")]
    IntOutOfRange {
        /// As written.
        spelling: String,
        /// Its place.
        span: Span,
    },
    /// A real beyond the largest double.
    #[error("the number `{spelling}` is too large")]
    RealOutOfRange {
        /// As written.
        spelling: String,
        /// Its place.
        span: Span,
    },
    /// `1.` or `.5`.
    #[error("`{spelling}` needs digits on both sides of the point")]
    DigitsMissing {
        /// As written.
        spelling: String,
        /// Its place.
        span: Span,
    },
    /// `/*`, which does not begin a comment here.
    #[error("comments are written `// …`, to the end of the line")]
    BlockComment {
        /// The sign.
        span: Span,
    },
    /// More text than positions are kept for.
    #[error("this file has {length} bytes, more than {MAX_TEXT}")]
    TextTooLong {
        /// In bytes.
        length: usize,
        /// The start of the file.
        span: Span,
    },
}

impl LexError {
    /// Where it is.
    pub fn span(&self) -> Span {
        match self {
            Self::UnknownCharacter { span, .. }
            | Self::NameNotAscii { span, .. }
            | Self::UnterminatedString { span }
            | Self::BadEscape { span, .. }
            | Self::IntOutOfRange { span, .. }
            | Self::RealOutOfRange { span, .. }
            | Self::DigitsMissing { span, .. }
            | Self::BlockComment { span }
            | Self::TextTooLong { span, .. } => *span,
        }
    }
}

/// What is written here in place of a character that looks much like it.
fn look_alike(character: char) -> Option<&'static str> {
    Some(match character {
        '−' | '–' | '—' => "-",
        '×' | '·' | '∗' => "*",
        '÷' => "/",
        '≤' => "<=",
        '≥' => ">=",
        '≠' => "!=",
        '∼' | '˜' | '～' => "~",
        '“' | '”' | '„' | '\'' | '‘' | '’' | '`' => "\"",
        '∧' | '&' => "&&",
        '∨' | '|' => "||",
        '¬' => "!",
        '→' => "->",
        '…' => "..",
        '∞' => "inf",
        '#' => "//",
        '，' => ",",
        '；' => ";",
        '：' => ":",
        '（' => "(",
        '）' => ")",
        _ => return None,
    })
}

impl From<&LexError> for Diagnostic {
    fn from(error: &LexError) -> Self {
        let message = error.to_string();
        match error {
            LexError::UnknownCharacter { character, span } => {
                let diagnostic = Self::error("E0001", message).label(*span, "not part of the language");
                match look_alike(*character) {
                    Some("//") => diagnostic.help("comments start with `//`"),
                    Some("\"") => diagnostic.help("strings are written between `\"`"),
                    Some(sign) => diagnostic.help(format!("did you mean `{sign}`?")),
                    None => diagnostic,
                }
            }
            LexError::NameNotAscii { span, .. } => Self::error("E0002", message)
                .label(*span, "not a name")
                .help("names are made of the letters a to z and A to Z, digits and `_`"),
            LexError::UnterminatedString { span } => Self::error("E0003", message)
                .label(*span, "opened here, and open until the line ends")
                .help("add the closing `\"`; a line break inside a string is written `\\n`"),
            LexError::BadEscape { span, .. } => Self::error("E0004", message)
                .label(*span, "not an escape")
                .help("the escapes are `\\n`, `\\t`, `\\r`, `\\\\`, `\\\"` and `\\u{1F600}`"),
            LexError::IntOutOfRange { span, .. } => {
                Self::error("E0005", message).label(*span, format!("integers go up to {}", i64::MAX)).help(
                    "for a real, write it with a point or an exponent; the smallest integer is written \
                     -9223372036854775807 - 1",
                )
            }
            LexError::RealOutOfRange { span, .. } => Self::error("E0006", message)
                .label(*span, "reals go up to about 1.8e308")
                .help("infinity is written `inf`"),
            LexError::DigitsMissing { spelling, span } => {
                Self::error("E0007", message).label(*span, "a digit is missing").help(format!(
                    "write `{}{spelling}{}`",
                    if spelling.starts_with('.') { "0" } else { "" },
                    if spelling.ends_with('.') { "0" } else { "" }
                ))
            }
            LexError::BlockComment { span } => Self::error("E0008", message)
                .label(*span, "not a comment")
                .help("start each line of the comment with `//`"),
            LexError::TextTooLong { span, .. } => {
                Self::error("E0009", message).label(*span, "this file").help("give data with `-d`, not in the source")
            }
        }
    }
}

/// A comment and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Comment<'s> {
    /// With its `//` or `///`, without white space at its end.
    pub text: &'s str,
    /// Its first byte.
    pub start: usize,
    /// The first byte of its line.
    pub line_start: usize,
}

/// The result of [`lex`].
#[derive(Clone, Debug, Default)]
pub struct Lexed<'s> {
    /// The lexemes with their places, in order.
    pub tokens: Vec<(Token<'s>, Span)>,
    /// The comments, in order.
    pub comments: Vec<Comment<'s>>,
    /// What could not be read, in order.
    pub errors: Vec<LexError>,
}

/// How many lexemes a text has.
pub fn lexemes(text: &str) -> usize {
    lex(FileId::default(), text).tokens.len()
}

/// Cuts `text` into tokens and comments. Never fails: errors are part of the result.
///
/// ```
/// use unmask::{span::FileId, syntax::{Token, lex}};
/// let lexed = lex(FileId(0), "0..n // range");
/// let tokens: Vec<Token> = lexed.tokens.iter().map(|(token, _)| *token).collect();
/// assert_eq!(tokens, [Token::Int("0"), Token::DotDot, Token::Name("n")]);
/// assert_eq!(lexed.comments[0].text, "// range");
/// ```
pub fn lex(file: FileId, text: &str) -> Lexed<'_> {
    let mut lexed = Lexed::default();
    if text.len() > MAX_TEXT {
        lexed.errors.push(LexError::TextTooLong { length: text.len(), span: Span::new(file, 0, 0) });
        return lexed;
    }
    let mut lexer = Token::lexer(text);
    while let Some(result) = lexer.next() {
        let start = lexer.span().start;
        let token = match result {
            Ok(token) => token,
            Err(()) => {
                let spelling = lexer.slice();
                for (offset, character) in spelling.char_indices() {
                    let at = start + offset;
                    let span = Span::new(file, at, at + character.len_utf8());
                    lexed.errors.push(LexError::UnknownCharacter { character, span });
                }
                if spelling == "#" {
                    // A comment in many languages: its words would only give more errors.
                    let line = lexer.remainder();
                    lexer.bump(line.find('\n').unwrap_or(line.len()));
                }
                continue;
            }
        };
        let token = mend_number(token, &mut lexer, text, start);
        let span = Span::new(file, start, lexer.span().end);
        check(token, span, &mut lexed.errors);
        if token == Token::Slash
            && lexer.remainder().starts_with('*')
            && !matches!(lexed.errors.last(), Some(LexError::BlockComment { .. }))
        {
            lexed.errors.push(LexError::BlockComment { span });
        }
        lexed.tokens.push((token, span));
    }
    let mut line_start = 0;
    let mut seen = 0;
    for range in std::mem::take(&mut lexer.extras.comments) {
        if let Some(newline) = text[seen..range.start].rfind('\n') {
            line_start = seen + newline + 1;
        }
        seen = range.start;
        lexed.comments.push(Comment { text: text[range.clone()].trim_end(), start: range.start, line_start });
    }
    lexed
}

/// Makes one real of `1.` and of `.5`, which [`check`] then complains about.
fn mend_number<'s>(
    token: Token<'s>,
    lexer: &mut logos::Lexer<'s, Token<'s>>,
    text: &'s str,
    start: usize,
) -> Token<'s> {
    let rest = lexer.remainder();
    let is_real = if token == Token::Dot {
        let follows_operand =
            text[..start].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ')' || c == ']' || c == '}');
        if follows_operand {
            false
        } else {
            let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            lexer.bump(digits);
            digits > 0
        }
    } else if let Token::Int(_) = token {
        let lone = rest.starts_with('.') && !rest.starts_with("..");
        lexer.bump(usize::from(lone));
        lone
    } else {
        false
    };
    if is_real { Token::Real(&text[start..lexer.span().end]) } else { token }
}

/// Looks into literals and names.
fn check(token: Token<'_>, span: Span, errors: &mut Vec<LexError>) {
    if let Token::Int(s) = token {
        if s.parse::<i64>().is_err() {
            errors.push(LexError::IntOutOfRange { spelling: s.into(), span });
        }
    } else if let Token::Real(s) = token {
        if s.starts_with('.') || s.ends_with('.') {
            errors.push(LexError::DigitsMissing { spelling: s.into(), span });
        } else if !s.parse::<f64>().is_ok_and(f64::is_finite) {
            errors.push(LexError::RealOutOfRange { spelling: s.into(), span });
        }
    } else if let Token::Name(s) = token {
        if !s.is_ascii() {
            errors.push(LexError::NameNotAscii { name: s.into(), span });
        }
    } else if let Token::Str(s) = token {
        let closed = unescape(s, |escape| {
            let start = span.start as usize + escape.start;
            errors.push(LexError::BadEscape {
                escape: s.get(escape.clone()).unwrap_or_default().into(),
                span: Span::new(span.file, start, start + escape.len()),
            });
        })
        .1;
        if !closed {
            errors.push(LexError::UnterminatedString { span });
        }
    }
}

/// The text that a string literal stands for, and whether it is closed. Calls `complain` with the byte range of each bad
/// escape in `literal`; such an escape is left out.
pub(super) fn unescape(literal: &str, mut complain: impl FnMut(std::ops::Range<usize>)) -> (String, bool) {
    let mut value = String::with_capacity(literal.len());
    let mut characters = literal.char_indices().skip(1);
    while let Some((start, c)) = characters.next() {
        if c == '"' {
            return (value, true);
        }
        if c != '\\' {
            value.push(c);
            continue;
        }
        let Some((at, escaped)) = characters.next() else { break };
        let mut end = at + escaped.len_utf8();
        let meant = match escaped {
            'n' => Some('\n'),
            't' => Some('\t'),
            'r' => Some('\r'),
            '\\' | '"' => Some(escaped),
            'u' => {
                let rest = literal.get(end..).unwrap_or_default();
                let digits = rest.strip_prefix('{').and_then(|r| r.split_once('}')).map(|(digits, _)| digits);
                match digits.filter(|d| (1..=6).contains(&d.len()) && d.bytes().all(|b| b.is_ascii_hexdigit())) {
                    Some(digits) => {
                        for _ in 0..digits.len() + 2 {
                            characters.next();
                        }
                        end += digits.len() + 2;
                        u32::from_str_radix(digits, 16).ok().and_then(char::from_u32)
                    }
                    None => None,
                }
            }
            _ => None,
        };
        match meant {
            Some(c) => value.push(c),
            None => complain(start..end),
        }
    }
    (value, false)
}
