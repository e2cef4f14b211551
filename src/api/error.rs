//! Why something did not work, in a form that can be shown without a terminal.

use std::fmt;

use crate::diagnostic::{Diagnostic, Severity};
use crate::span::SourceMap;

/// A program, data or run that failed: one or more messages, and the texts that they point at.
///
/// `Display` renders all messages as plain text with places (`model.ppl:2:16`).
#[derive(Clone, Debug)]
pub struct Error {
    diagnostics: Vec<Diagnostic>,
    sources: Box<SourceMap>,
}

impl Error {
    /// An error of `diagnostics`, whose labels are places of `sources`.
    pub fn new(diagnostics: Vec<Diagnostic>, sources: SourceMap) -> Self {
        Self { diagnostics, sources: Box::new(sources) }
    }

    /// An error without places.
    pub fn without_source(diagnostic: Diagnostic) -> Self {
        Self::new(vec![diagnostic], SourceMap::default())
    }

    /// The messages: errors and warnings.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// The texts.
    pub fn sources(&self) -> &SourceMap {
        &self.sources
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, diagnostic) in self.diagnostics.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            let kind = match diagnostic.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            };
            write!(f, "{kind}[{}]: {}", diagnostic.code, diagnostic.message)?;
            for label in &diagnostic.labels {
                let Some(file) = self.sources.get(label.span.file) else { continue };
                let (line, column) = self.sources.line_column(label.span);
                write!(f, "\n  {}:{line}:{column}: {}", file.name, label.text)?;
            }
            if let Some(help) = &diagnostic.help {
                write!(f, "\n  help: {help}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Error {}
