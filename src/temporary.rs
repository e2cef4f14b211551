//! Temporary files that become what the user asked for.

use std::io;
use std::path::Path;

use tempfile::NamedTempFile;

/// A temporary file beside `path`, to be renamed to it once whole. Temporary files are private; this one has the permissions
/// of the file that it replaces, or the usual ones.
///
/// # Errors
/// Where the folder cannot be written.
pub(crate) fn temporary_beside(path: &Path) -> io::Result<NamedTempFile> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".unmask-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(path).map_or(0o666, |m| m.permissions().mode());
        builder.permissions(std::fs::Permissions::from_mode(mode));
    }
    builder.tempfile_in(folder)
}
