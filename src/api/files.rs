//! Where imports come from: beside the importing file, the library directories, the embedded library.

use std::path::{Path, PathBuf};

use crate::check::{Files, ImportError, Loaded, StandardLibrary};

/// Files on disk, then the standard library.
#[derive(Clone, Debug, Default)]
pub(super) struct DiskFiles {
    /// Searched in order, after the importing file's own directory.
    pub libraries: Vec<PathBuf>,
    /// Programs from a string have no directory to look in.
    pub beside: bool,
}

impl Files for DiskFiles {
    fn load(&self, importer: &str, path: &str) -> Result<Loaded, ImportError> {
        let mut tried = Vec::new();
        let embedded = importer.starts_with("<stdlib>");
        let beside = Path::new(importer).parent().filter(|_| self.beside && !embedded);
        for directory in beside.into_iter().chain(self.libraries.iter().map(PathBuf::as_path)) {
            let candidate = directory.join(path);
            match std::fs::read_to_string(&candidate) {
                Ok(text) => return Ok(Loaded { name: shown(&candidate), text }),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    tried.push(candidate.display().to_string());
                }
                Err(error) => {
                    return Err(ImportError::Unreadable { reason: format!("{}: {error}", candidate.display()) });
                }
            }
        }
        StandardLibrary.load(importer, path).map_err(|error| match error {
            ImportError::NotFound { tried: more } => {
                tried.extend(more);
                ImportError::NotFound { tried: std::mem::take(&mut tried) }
            }
            other @ ImportError::Unreadable { .. } => other,
        })
    }
}

/// One name for one file, however it was reached; relative where it lies below the working directory.
pub(super) fn shown(path: &Path) -> String {
    let Ok(full) = path.canonicalize() else { return path.display().to_string() };
    let here = std::env::current_dir().and_then(|d| d.canonicalize());
    let relative = here.ok().and_then(|here| full.strip_prefix(here).ok().map(Path::to_path_buf));
    relative.unwrap_or(full).display().to_string()
}
