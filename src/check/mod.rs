//! From syntax trees to the core program: names, types and sizes.
//!
//! One pass over each body, in which every mistake is collected and what follows from a mistake is silenced: an expression
//! that cannot be typed is `None`, and whatever reads it is `None` without a word. Bodies are checked when their result is
//! first asked for, so that items may be used before their definition and types need no annotations. Nothing here reads
//! files ([`Files`] does) and nothing runs.

mod calls;
pub mod core;
mod dependence;
mod distributions;
mod dump;
mod error;
mod explain;
mod expressions;
mod imports;
mod infer;
mod items;
mod paths;

mod scope;
mod statements;
mod types;
mod variables;

pub use dump::dump;
pub use error::CheckError;
pub use imports::{Files, ImportError, Loaded, MemoryFiles, STANDARD_LIBRARY, StandardLibrary};
pub use infer::{INFER_OPTIONS, OptionKind};

use crate::diagnostic::Diagnostic;
use crate::span::{SourceMap, Span};

/// A program without errors.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The program.
    pub program: core::Program,
    /// Warnings, by place.
    pub warnings: Vec<Diagnostic>,
    /// The text of all files.
    pub sources: SourceMap,
}

/// A program with errors.
#[derive(Clone, Debug)]
pub struct Rejected {
    /// Errors and warnings, by place: file by file in the order of reading.
    pub diagnostics: Vec<Diagnostic>,
    /// The text of all files.
    pub sources: SourceMap,
}

/// Parses and checks the program `text`, called `name` in messages, and all that it imports.
///
/// # Errors
/// Everything that is wrong with it, in reading and in meaning.
///
/// ```
/// use unmask::check::{StandardLibrary, check};
/// let source = "model m { sample a ~ half_nromal(2); }";
/// let rejected = check("m.ppl", source, &StandardLibrary).unwrap_err();
/// assert_eq!(rejected.diagnostics[0].code, "E0203");
/// assert_eq!(rejected.diagnostics[0].help.as_deref(), Some("did you mean `half_normal(scale)`?"));
/// ```
pub fn check(name: &str, text: &str, files: &dyn Files) -> Result<Checked, Box<Rejected>> {
    let imports::Modules { modules, sources, mut diagnostics } = imports::load(name, text, files);
    let readable = !diagnostics.iter().any(Diagnostic::is_error);
    let (program, mut found) = items::check(&modules, &sources, readable);
    // Where an item could not be read, what is said of its meaning is a consequence.
    let broken = unread_items(&modules, &diagnostics);
    found.retain(|d| !d.is_error() || !primary(d).is_some_and(|at| broken.iter().any(|item| item.contains(at))));
    // Of several mistakes in one place, the more basic one causes the others.
    found.sort_by_key(|d| (primary(d).map(|s| (s.file, s.start, s.end)), d.code));
    found.dedup_by(|later, kept| {
        kept.is_error() && later.is_error() && primary(later) == primary(kept) && primary(kept).is_some()
    });
    diagnostics.extend(found);
    diagnostics.sort_by_key(|d| d.labels.first().map(|l| (l.span.file, l.span.start)));
    match program {
        Some(program) if !diagnostics.iter().any(Diagnostic::is_error) => {
            Ok(Checked { program, warnings: diagnostics, sources })
        }
        Some(_) | None => Err(Box::new(Rejected { diagnostics, sources })),
    }
}

fn primary(diagnostic: &Diagnostic) -> Option<Span> {
    diagnostic.labels.first().map(|l| l.span)
}

/// The items in which something could not be read.
fn unread_items(modules: &[imports::Module], diagnostics: &[Diagnostic]) -> Vec<Span> {
    let errors: Vec<Span> = diagnostics.iter().filter(|d| d.is_error()).filter_map(primary).collect();
    let items = modules.iter().flat_map(|m| &m.file.items).map(|item| item.span);
    items.filter(|item| errors.iter().any(|e| item.contains(*e))).collect()
}

/// Runs a step of a recursion whose depth the program decides, on more stack where needed.
fn deep<R>(step: impl FnOnce() -> R) -> R {
    stacker::maybe_grow(128 * 1024, 2 * 1024 * 1024, step)
}
