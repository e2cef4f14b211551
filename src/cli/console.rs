//! Standard output and error, files written whole or not at all, and how commands end.

use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

use super::render::render;
use crate::api::{Error, Model};
use crate::diagnostic::Diagnostic;
use crate::foundation::FoundationError;
use crate::span::SourceMap;
use crate::temporary::temporary_beside;
use crate::trace::NotAnnotated;

/// How a command ended, as an exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// As it should.
    Fine,
    /// The program or its data are wrong, or a file cannot be read or written.
    Wrong,
    /// It ran, but the answer is not certified, or what was put to the test failed it.
    NotCertified,
}

impl Status {
    /// The process's exit code. (2 is wrong usage, which never gets this far.)
    pub fn code(self) -> u8 {
        match self {
            Self::Fine => 0,
            Self::Wrong => 1,
            Self::NotCertified => 3,
        }
    }
}

/// Why a command ends early.
#[derive(Debug)]
pub enum Failure {
    /// What to tell the user.
    Told(Error),
    /// Options that do not go together.
    Usage(&'static str),
    /// Output cannot be written.
    Io(io::Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Told(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// A message without a place in a source.
pub fn plain(code: &'static str, message: impl Into<String>) -> Failure {
    Failure::Told(Error::without_source(Diagnostic::error(code, message)))
}

/// Why the network cannot read or answer a model: a mistake in the program or its data as everywhere, at its place; else what
/// the command could not do, and why.
pub fn of_network(model: &Model, code: &'static str, what: &str, error: &FoundationError) -> Failure {
    let own = Diagnostic::from(error);
    let is_mistake =
        matches!(error, FoundationError::Runtime(_) | FoundationError::NotAnnotated(NotAnnotated::Runtime(_)));
    let message = format!("`{}` {what}: {error}", model.name());
    let told = if is_mistake { own } else { Diagnostic { code, message, ..own } };
    Failure::Told(Error::new(vec![told], model.script().sources().clone()))
}

/// Whether standard error takes colour.
fn colour() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
}

/// Shows messages on standard error. One that cannot be shown is lost: there is nobody to tell.
pub fn tell(diagnostics: &[Diagnostic], sources: &SourceMap) {
    let _ = render(diagnostics, sources, colour(), &mut io::stderr().lock());
}

/// Says something on standard error.
pub fn note(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Standard output, buffered.
pub fn output() -> io::BufWriter<io::StdoutLock<'static>> {
    io::BufWriter::new(io::stdout().lock())
}

/// Reads a file, or standard input for `-`.
pub fn read(path: &Path) -> Result<String, Failure> {
    let text = if path == Path::new("-") {
        let mut text = String::new();
        io::stdin().lock().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(path)
    };
    text.map_err(|error| plain("E0901", format!("cannot read `{}`: {error}", path.display())))
}

/// Writes a regular file through a temporary one beside it, so that it is never there in part.
pub fn write_file(path: &Path, write: impl FnOnce(&mut dyn Write) -> Result<(), Failure>) -> Result<(), Failure> {
    // By its kind: the error itself names the temporary file.
    let fail = |error: io::Error| plain("E0905", format!("cannot write `{}`: {}", path.display(), error.kind()));
    // A device or a pipe is written to; renaming a file over it would destroy it.
    if std::fs::metadata(path).is_ok_and(|m| !m.is_file()) {
        let mut file = io::BufWriter::new(std::fs::OpenOptions::new().write(true).open(path).map_err(fail)?);
        write(&mut file)?;
        return file.flush().map_err(fail);
    }
    // A link is written through, not replaced.
    let path = &path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    let mut file = io::BufWriter::new(temporary_beside(path).map_err(fail)?);
    write(&mut file)?;
    let file = file.into_inner().map_err(|e| fail(e.into_error()))?;
    file.persist(path).map(|_| ()).map_err(|e| fail(e.error))
}

/// Makes a folder, and those above it, unless they are there.
pub fn make_folder(path: &Path) -> Result<(), Failure> {
    let fail = |error: io::Error| plain("E0905", format!("cannot write `{}`: {}", path.display(), error.kind()));
    std::fs::create_dir_all(path).map_err(fail)
}

/// Writes to a file, whole or not at all, or without one to standard output.
pub fn write_output(
    path: Option<&Path>,
    write: impl FnOnce(&mut dyn Write) -> Result<(), Failure>,
) -> Result<(), Failure> {
    match path {
        Some(path) => write_file(path, write),
        None => {
            let mut out = output();
            write(&mut out)?;
            Ok(out.flush()?)
        }
    }
}

/// Writes a folder of files (paths in it, and contents) through a temporary one beside it, so that it is never there in
/// part. What was there is replaced if it is empty or has a file `mark`, as folders of this kind do.
pub fn write_folder(path: &Path, mark: &str, files: &[(PathBuf, Vec<u8>)]) -> Result<(), Failure> {
    let fail = |error: io::Error| plain("E0905", format!("cannot write `{}`: {}", path.display(), error.kind()));
    let there = path.symlink_metadata().is_ok();
    let is_ours =
        || path.join(mark).is_file() || std::fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none());
    if there && !is_ours() {
        let message = format!("cannot write `{}`: something else is there", path.display());
        return Err(plain("E0905", message));
    }
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".unmask-");
    let beside = builder.tempdir_in(folder).map_err(fail)?;
    let (new, old) = (beside.path().join("new"), beside.path().join("old"));
    for (name, content) in files {
        let file = new.join(name);
        std::fs::create_dir_all(file.parent().unwrap_or(&new)).map_err(fail)?;
        std::fs::write(file, content).map_err(fail)?;
    }
    if there {
        std::fs::rename(path, &old).map_err(fail)?;
    }
    if let Err(error) = std::fs::rename(&new, path) {
        if there && std::fs::rename(&old, path).is_err() {
            // It is all that is left of what was there: not to be deleted with the rest.
            let _ = beside.keep();
        }
        return Err(fail(error));
    }
    Ok(())
}
