//! `NAME=VALUE` on a command line, and names with dots and subscripts.

use super::{DataError, Member, json};
use crate::span::{FileId, Span};

/// Reads `NAME=VALUE`.
pub(super) fn parse(file: FileId, text: &str) -> Result<Member, DataError> {
    let fail = |message: &str, start: usize, end: usize| DataError::Assignment {
        message: message.into(),
        span: Span::new(file, start, end),
    };
    let Some(equals) = text.find('=') else {
        return Err(fail("expected `NAME=VALUE`", 0, text.len()));
    };
    let name = text[..equals].trim();
    if split_name(name).is_none() {
        return Err(fail("expected a name such as `y`, `y[2]` or `s.x` before `=`", 0, equals));
    }
    if text[equals + 1..].trim().is_empty() {
        return Err(fail("expected a value after `=` (`?` masks)", equals, equals + 1));
    }
    let value = json::value(file, text, equals + 1..text.len())
        .map_err(|error| DataError::Assignment { message: error.message, span: error.span })?;
    Ok(Member { name: name.into(), value, span: Some(Span::new(file, 0, text.len())) })
}

/// Splits `s[0].theta[2, 1]` into the dotted name `s.theta` and all subscripts `[0, 2, 1]`. `None` where it is not of this form.
pub fn split_name(text: &str) -> Option<(String, Vec<i64>)> {
    let (mut name, mut indices) = (String::new(), Vec::new());
    for segment in text.split('.') {
        let mut parts = segment.trim().split('[');
        let word = parts.next()?.trim();
        let starts_well = word.starts_with(|c: char| c.is_alphabetic() || c == '_');
        if !starts_well || !word.chars().all(|c| c.is_alphanumeric() || c == '_') {
            return None;
        }
        if !name.is_empty() {
            name.push('.');
        }
        name.push_str(word);
        for part in parts {
            for index in part.trim().strip_suffix(']')?.split(',') {
                indices.push(index.trim().parse().ok()?);
            }
        }
    }
    Some((name, indices))
}
