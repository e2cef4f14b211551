//! Finding and reading the files of a program. Reading itself is left to whoever embeds the language, through [`Files`].

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::diagnostic::Diagnostic;
use crate::span::{FileId, SourceMap, Span};
use crate::syntax::{self, ast};

use super::CheckError;

/// The files of the standard library, name and text, in order of their names.
pub const STANDARD_LIBRARY: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/stdlib.rs"));

/// A file that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// Its canonical name, which is shown in messages: two imports with one name are one file.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// Why an import could not be read.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ImportError {
    /// There is no such file.
    #[error("no such file")]
    NotFound {
        /// Where it was looked for, in order.
        tried: Vec<String>,
    },
    /// There is one, but it cannot be read.
    #[error("{reason}")]
    Unreadable {
        /// What the system said.
        reason: String,
    },
}

/// Where imports come from.
pub trait Files {
    /// Finds what `import "path";` means in the file called `importer` (its canonical name).
    ///
    /// # Errors
    /// Where there is no such file, or it cannot be read.
    fn load(&self, importer: &str, path: &str) -> Result<Loaded, ImportError>;
}

/// The name under which a file of the standard library is shown.
fn standard_name(path: &str) -> String {
    format!("<stdlib>/{path}")
}

/// The standard library alone: for programs in one string.
#[derive(Clone, Copy, Debug, Default)]
pub struct StandardLibrary;

impl Files for StandardLibrary {
    fn load(&self, _importer: &str, path: &str) -> Result<Loaded, ImportError> {
        match STANDARD_LIBRARY.iter().find(|(name, _)| *name == path) {
            Some((name, text)) => Ok(Loaded { name: standard_name(name), text: (*text).to_owned() }),
            None => Err(ImportError::NotFound { tried: vec![standard_name(path)] }),
        }
    }
}

/// Files in memory, then the standard library.
///
/// ```
/// use unmask::check::{MemoryFiles, check};
/// let files = MemoryFiles::default().with("twice.ppl", "fn twice(x: real) -> real { return 2 * x; }");
/// let source = "import \"twice.ppl\"; model m { sample a ~ normal(0, 1); let b = twice(a); }";
/// let checked = check("main.ppl", source, &files).unwrap();
/// assert_eq!(checked.program.functions.len(), 1);
/// ```
#[derive(Clone, Debug, Default)]
pub struct MemoryFiles {
    files: BTreeMap<String, String>,
}

impl MemoryFiles {
    /// Adds a file.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, text: impl Into<String>) -> Self {
        self.files.insert(name.into(), text.into());
        self
    }
}

impl Files for MemoryFiles {
    fn load(&self, importer: &str, path: &str) -> Result<Loaded, ImportError> {
        match self.files.get(path) {
            Some(text) => Ok(Loaded { name: path.to_owned(), text: text.clone() }),
            None => StandardLibrary.load(importer, path),
        }
    }
}

/// A file of the program.
pub(super) struct Module {
    pub(super) file: ast::File,
    /// Imported modules, each with the place of its `import`.
    pub(super) imports: Vec<(usize, Span)>,
}

/// All files of a program: what is imported comes before what imports it, so the main file is last.
pub(super) struct Modules {
    pub(super) modules: Vec<Module>,
    pub(super) sources: SourceMap,
    pub(super) diagnostics: Vec<Diagnostic>,
}

enum State {
    /// Its imports are being read.
    Open,
    Done(usize),
}

struct Loader<'f> {
    files: &'f dyn Files,
    result: Modules,
    states: FxHashMap<String, State>,
    /// Names of the open files.
    chain: Vec<String>,
}

/// Reads the main file and all that it imports.
pub(super) fn load(name: &str, text: &str, files: &dyn Files) -> Modules {
    let result = Modules { modules: Vec::new(), sources: SourceMap::default(), diagnostics: Vec::new() };
    let mut loader = Loader { files, result, states: FxHashMap::default(), chain: Vec::new() };
    loader.module(name, text);
    loader.result
}

impl Loader<'_> {
    fn module(&mut self, name: &str, text: &str) -> usize {
        let id = self.result.sources.add(name, text);
        let file = self.parse(id, text);
        self.states.insert(name.to_owned(), State::Open);
        self.chain.push(name.to_owned());
        let mut imports: Vec<(usize, Span)> = Vec::new();
        for item in &file.items {
            let ast::ItemKind::Import(path) = &item.kind else { continue };
            let imported = super::deep(|| self.import(name, &path.node, path.span));
            // The same file twice is the same names twice: harmless.
            if let Some(module) = imported
                && !imports.iter().any(|(m, _)| *m == module)
            {
                imports.push((module, path.span));
            }
        }
        self.chain.pop();
        self.result.modules.push(Module { file, imports });
        let module = self.result.modules.len() - 1;
        self.states.insert(name.to_owned(), State::Done(module));
        module
    }

    fn parse(&mut self, id: FileId, text: &str) -> ast::File {
        let parsed = syntax::parse(id, text);
        self.result.diagnostics.extend(parsed.errors.iter().map(Diagnostic::from));
        parsed.file
    }

    fn import(&mut self, importer: &str, path: &Arc<str>, span: Span) -> Option<usize> {
        let loaded = match self.files.load(importer, path) {
            Ok(loaded) => loaded,
            Err(error) => {
                self.report(&CheckError::Import { path: path.to_string(), error, span });
                return None;
            }
        };
        match self.states.get(&loaded.name) {
            Some(State::Done(module)) => Some(*module),
            Some(State::Open) => {
                let mut chain: Vec<String> =
                    self.chain.iter().skip_while(|name| **name != loaded.name).cloned().collect();
                chain.push(loaded.name.clone());
                self.report(&CheckError::ImportCycle { path: path.to_string(), chain, span });
                None
            }
            None => Some(self.module(&loaded.name, &loaded.text)),
        }
    }

    fn report(&mut self, error: &CheckError) {
        self.result.diagnostics.push(error.into());
    }
}
