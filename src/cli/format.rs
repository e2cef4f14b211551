//! `unmask fmt`.

use std::io::Write;
use std::path::Path;

use super::FormatArgs;
use super::console::{Failure, Status, output, read, tell, write_file};
use crate::diagnostic::Diagnostic;
use crate::span::SourceMap;
use crate::syntax;

pub(super) fn format(arguments: &FormatArgs) -> Result<Status, Failure> {
    let mut status = Status::Fine;
    for path in &arguments.files {
        let text = read(path)?;
        let mut sources = SourceMap::default();
        let file = sources.add(super::shown(path), text.as_str());
        let parsed = syntax::parse(file, &text);
        if !parsed.errors.is_empty() {
            let diagnostics: Vec<Diagnostic> = parsed.errors.iter().map(Diagnostic::from).collect();
            tell(&diagnostics, &sources);
            status = Status::Wrong;
            continue;
        }
        let formatted = syntax::print(&parsed.file);
        if arguments.check {
            if formatted != text {
                writeln!(output(), "{}", super::shown(path))?;
                status = Status::Wrong;
            }
        } else if path == Path::new("-") {
            output().write_all(formatted.as_bytes())?;
        } else if formatted != text {
            write_file(path, |to| Ok(to.write_all(formatted.as_bytes())?))?;
            writeln!(output(), "{}", super::shown(path))?;
        }
    }
    Ok(status)
}
