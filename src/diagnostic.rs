//! What is told to the user about a mistake: plain data, rendered by `cli/` alone.
//!
//! Each layer has its own error enum that carries spans and data; converting it into a [`Diagnostic`] is where prose is
//! written. Codes are stable: `E00xx` lexing, `E01xx` parsing, `E02xx` names, `E03xx` types and sizes, `E04xx` statements,
//! `E05xx` data, `E06xx` run time, `E07xx` inference, `E09xx` files and the command line, `W…` warnings.

use crate::span::Span;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The program or its data cannot be used.
    Error,
    /// It can, but is likely not what was meant.
    Warning,
}

/// A place in the source with a remark.
#[derive(Clone, Debug, PartialEq)]
pub struct Label {
    /// Where.
    pub span: Span,
    /// What about it.
    pub text: String,
}

/// One message to the user.
#[derive(Clone, Debug, PartialEq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// Stable code, such as `E0203`.
    pub code: &'static str,
    /// What is wrong, in one line.
    pub message: String,
    /// Where; the first label is the primary one. Empty for messages that are not about source text.
    pub labels: Vec<Label>,
    /// What to do about it.
    pub help: Option<String>,
}

impl Diagnostic {
    /// An error without labels.
    pub fn error(code: &'static str, message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, code, message: message.into(), labels: Vec::new(), help: None }
    }

    /// A warning without labels.
    pub fn warning(code: &'static str, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, message) }
    }

    /// Adds a labelled place.
    #[must_use]
    pub fn label(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label { span, text: text.into() });
        self
    }

    /// Sets the help line.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Sets the help line to a near miss of `wanted`, where there is one.
    #[must_use]
    pub fn suggest<'a>(self, wanted: &str, candidates: impl IntoIterator<Item = &'a str>) -> Self {
        match near_miss(wanted, candidates) {
            Some(found) => self.help(format!("did you mean `{found}`?")),
            None => self,
        }
    }

    /// Whether this is an error.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// The candidate nearest to `wanted` in edits, if near enough to be a slip (at most a third of its length, at least one edit).
///
/// ```
/// use unmask::diagnostic::near_miss;
/// assert_eq!(near_miss("half_nromal", ["normal", "half_normal"]), Some("half_normal"));
/// assert_eq!(near_miss("zzz", ["normal"]), None);
/// ```
pub fn near_miss<'a>(wanted: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (wanted.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .filter(|c| *c != wanted)
        .map(|c| (strsim::damerau_levenshtein(&wanted.to_lowercase(), &c.to_lowercase()), c))
        .filter(|(distance, c)| *distance <= limit && *distance < c.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, c)| c)
}
