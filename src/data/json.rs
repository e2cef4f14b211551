//! A JSON reader that keeps what data need: whether a number was spelled as an integer, and where each member stands.
//!
//! It takes the extensions that CmdStan takes (`NaN`, `Infinity`, `Inf`, bare or as strings), and `?` for a masked value.

use std::ops::Range;
use std::sync::Arc;

use super::{DataError, Member, RawValue};
use crate::span::{FileId, Span};

/// Text that is not JSON.
#[derive(Debug)]
pub(super) struct JsonError {
    /// What was expected.
    pub message: String,
    /// Where.
    pub span: Span,
}

impl From<JsonError> for DataError {
    fn from(error: JsonError) -> Self {
        Self::Json { message: error.message, span: error.span }
    }
}

/// Arrays and objects in one another.
const MAX_DEPTH: usize = 64;

/// The members of the object that is all of `text[range]`. Spans are of `file`, whose text is `text`.
pub(super) fn object(file: FileId, text: &str, range: Range<usize>) -> Result<Vec<Member>, DataError> {
    let mut reader = Reader { file, text, at: range.start, end: range.end, depth: 0 };
    reader.skip_space();
    let start = reader.at;
    let value = reader.value()?;
    reader.finish()?;
    match value {
        RawValue::Object(members) => Ok(members),
        RawValue::Missing
        | RawValue::Bool(_)
        | RawValue::Int(_)
        | RawValue::Real(_)
        | RawValue::Text(_)
        | RawValue::Array(_) => {
            Err(DataError::NotAnObject { found: value.describe(), span: Span::new(file, start, reader.at) })
        }
    }
}

/// The one value that is all of `text[range]`.
pub(super) fn value(file: FileId, text: &str, range: Range<usize>) -> Result<RawValue, JsonError> {
    let mut reader = Reader { file, text, at: range.start, end: range.end, depth: 0 };
    let value = reader.value()?;
    reader.finish()?;
    Ok(value)
}

struct Reader<'a> {
    file: FileId,
    text: &'a str,
    at: usize,
    end: usize,
    depth: usize,
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..self.end).unwrap_or("")
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn skip_space(&mut self) {
        // A byte order mark is what some editors write before the first brace.
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches([' ', '\t', '\n', '\r', '\u{feff}']).len();
    }

    fn take(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.at += wanted.len_utf8();
        }
        found
    }

    fn error(&self, message: impl Into<String>) -> JsonError {
        let width = self.peek().map_or(0, char::len_utf8);
        JsonError { message: message.into(), span: Span::new(self.file, self.at, self.at + width) }
    }

    fn expected(&self, what: &str) -> JsonError {
        match self.peek() {
            Some(c) => self.error(format!("expected {what}, found `{}`", c.escape_debug())),
            None => self.error(format!("expected {what}, found the end")),
        }
    }

    fn finish(&mut self) -> Result<(), JsonError> {
        self.skip_space();
        if self.at < self.end { Err(self.expected("nothing after the value")) } else { Ok(()) }
    }

    fn value(&mut self) -> Result<RawValue, JsonError> {
        self.skip_space();
        match self.peek() {
            Some('{') => self.nested(Self::members),
            Some('[') => self.nested(Self::elements),
            Some('"') => Ok(text_value(&self.string()?)),
            Some('?') => {
                self.at += 1;
                Ok(RawValue::Missing)
            }
            Some(c) if c.is_ascii_alphanumeric() || matches!(c, '-' | '+' | '.') => self.word(),
            Some(_) | None => Err(self.expected("a value")),
        }
    }

    fn nested(&mut self, read: fn(&mut Self) -> Result<RawValue, JsonError>) -> Result<RawValue, JsonError> {
        if self.depth == MAX_DEPTH {
            return Err(self.error(format!("nested more than {MAX_DEPTH} deep")));
        }
        self.depth += 1;
        self.at += 1;
        let value = read(self);
        self.depth -= 1;
        value
    }

    fn elements(&mut self) -> Result<RawValue, JsonError> {
        let mut elements = Vec::new();
        self.skip_space();
        if self.take(']') {
            return Ok(RawValue::Array(elements));
        }
        loop {
            elements.push(self.value()?);
            self.skip_space();
            if self.take(']') {
                return Ok(RawValue::Array(elements));
            }
            if !self.take(',') {
                return Err(self.expected("`,` or `]`"));
            }
        }
    }

    fn members(&mut self) -> Result<RawValue, JsonError> {
        let mut members: Vec<Member> = Vec::new();
        self.skip_space();
        if self.take('}') {
            return Ok(RawValue::Object(members));
        }
        loop {
            self.skip_space();
            if self.peek() != Some('"') {
                return Err(self.expected("a name in double quotes"));
            }
            let from = self.at;
            let name: Arc<str> = self.string()?.into();
            if members.iter().any(|member| member.name == name) {
                let span = Span::new(self.file, from, self.at);
                return Err(JsonError { message: format!("`{name}` is there twice"), span });
            }
            self.skip_space();
            if !self.take(':') {
                return Err(self.expected("`:`"));
            }
            self.skip_space();
            let start = self.at;
            let value = self.value()?;
            members.push(Member { name, value, span: Some(Span::new(self.file, start, self.at)) });
            self.skip_space();
            if self.take('}') {
                return Ok(RawValue::Object(members));
            }
            if !self.take(',') {
                return Err(self.expected("`,` or `}`"));
            }
        }
    }

    /// A number, or a bare word.
    fn word(&mut self) -> Result<RawValue, JsonError> {
        let rest = self.rest();
        let length = rest
            .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '+' | '.' | '_')))
            .unwrap_or(rest.len());
        let word = rest[..length].to_owned();
        let span = Span::new(self.file, self.at, self.at + length);
        let value = match word.as_str() {
            "null" => Some(RawValue::Missing),
            "true" => Some(RawValue::Bool(true)),
            "false" => Some(RawValue::Bool(false)),
            other => special_number(other).map(RawValue::Real).or_else(|| number(other)),
        };
        match value {
            Some(RawValue::Real(x)) if x.is_infinite() && special_number(&word).is_none() => {
                Err(JsonError { message: format!("the number {word} is too large for a double"), span })
            }
            Some(value) => {
                self.at += length;
                Ok(value)
            }
            None => Err(JsonError { message: format!("expected a value, found `{word}`"), span }),
        }
    }

    fn string(&mut self) -> Result<String, JsonError> {
        self.at += 1;
        let mut text = String::new();
        loop {
            let Some(c) = self.peek() else { return Err(self.expected("a closing `\"`")) };
            self.at += c.len_utf8();
            match c {
                '"' => return Ok(text),
                '\\' => text.push(self.escape()?),
                c if c.is_control() => {
                    self.at -= c.len_utf8();
                    return Err(self.expected("a closing `\"`"));
                }
                c => text.push(c),
            }
        }
    }

    fn escape(&mut self) -> Result<char, JsonError> {
        let Some(c) = self.peek() else { return Err(self.expected("an escape")) };
        let plain = match c {
            '"' | '\\' | '/' => c,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                self.at += 1;
                let high = self.hexadecimal()?;
                let code = if (0xD800..0xDC00).contains(&high) && self.rest().starts_with("\\u") {
                    self.at += 2;
                    let low = self.hexadecimal()?;
                    0x10000 + ((high - 0xD800) << 10) + low.wrapping_sub(0xDC00).min(0x3FF)
                } else {
                    high
                };
                return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            _ => return Err(self.expected("one of the escapes of JSON")),
        };
        self.at += 1;
        Ok(plain)
    }

    fn hexadecimal(&mut self) -> Result<u32, JsonError> {
        let digits = self.rest().get(..4).filter(|d| d.chars().all(|c| c.is_ascii_hexdigit()));
        let code = digits.and_then(|d| u32::from_str_radix(d, 16).ok());
        let Some(code) = code else { return Err(self.expected("four hexadecimal digits")) };
        self.at += 4;
        Ok(code)
    }
}

fn text_value(text: &str) -> RawValue {
    match special_number(text) {
        Some(x) => RawValue::Real(x),
        None if text == "?" => RawValue::Missing,
        None => RawValue::Text(text.into()),
    }
}

/// The spellings that CmdStan reads.
fn special_number(text: &str) -> Option<f64> {
    let (sign, magnitude) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    match magnitude {
        "NaN" | "nan" => Some(f64::NAN),
        "Infinity" | "Inf" | "inf" => Some(sign * f64::INFINITY),
        _ => None,
    }
}

fn number(text: &str) -> Option<RawValue> {
    if !text.chars().all(|c| c.is_ascii_digit() || matches!(c, '-' | '+' | '.' | 'e' | 'E')) {
        return None;
    }
    text.parse().map(RawValue::Int).or_else(|_| text.parse().map(RawValue::Real)).ok()
}
