//! Diagnostics on a terminal: the only user of ariadne.

use std::fmt::{self, Display};
use std::io::{self, Write};
use std::sync::Arc;

use ariadne::{Cache, Color, Config, IndexType, Label, Report, ReportKind, Source};
use rustc_hash::FxHashMap;

use crate::diagnostic::{Diagnostic, Severity};
use crate::span::{FileId, SourceMap, Span};

/// Longer lines (data in one line) are not shown: a place is named instead.
const LONGEST_LINE: usize = 240;

/// Writes all messages, each with the source that it points at.
///
/// # Errors
/// Where `to` cannot be written to.
pub fn render(diagnostics: &[Diagnostic], sources: &SourceMap, colour: bool, to: &mut dyn Write) -> io::Result<()> {
    let mut files = Files { sources, loaded: FxHashMap::default() };
    for diagnostic in diagnostics {
        one(diagnostic, &mut files, colour, to)?;
    }
    Ok(())
}

fn one(diagnostic: &Diagnostic, files: &mut Files<'_>, colour: bool, to: &mut dyn Write) -> io::Result<()> {
    let (word, shade) = match diagnostic.severity {
        Severity::Error => ("error", Color::Red),
        Severity::Warning => ("warning", Color::Yellow),
    };
    let head = format!("{word}[{}]", diagnostic.code);
    let (mut shown, mut named) = (Vec::new(), Vec::new());
    for label in &diagnostic.labels {
        match visible(files.sources, label.span) {
            Some(span) => shown.push((span, &label.text)),
            None => named.extend(place(files.sources, label.span).map(|p| format!("{p}: {}", label.text))),
        }
    }
    let Some(((file, range), _)) = shown.first().cloned() else {
        let (on, off) =
            if colour { (if word == "error" { "\x1b[31m" } else { "\x1b[33m" }, "\x1b[0m") } else { ("", "") };
        writeln!(to, "{on}{head}{off}: {}", diagnostic.message)?;
        for place in named {
            writeln!(to, "  at {place}")?;
        }
        if let Some(help) = &diagnostic.help {
            writeln!(to, "  help: {help}")?;
        }
        return Ok(());
    };
    let config = Config::default().with_color(colour).with_index_type(IndexType::Byte).with_tab_width(4);
    let mut report = Report::build(ReportKind::Custom(&head, shade), (file, range))
        .with_config(config)
        .with_message(&diagnostic.message);
    // Ariadne joins labels of one file under one heading only where they come in the order of the text.
    let mut tinted: Vec<_> =
        shown.into_iter().enumerate().map(|(i, label)| (if i == 0 { shade } else { Color::Cyan }, label)).collect();
    tinted.sort_by_key(|(_, ((label_file, span), _))| (*label_file != file, label_file.0, span.start));
    for (i, (tint, (span, text))) in tinted.into_iter().enumerate() {
        report = report.with_label(Label::new(span).with_message(text).with_color(tint).with_order(i as i32));
    }
    for place in named {
        report = report.with_note(format!("at {place}"));
    }
    if let Some(help) = &diagnostic.help {
        report = report.with_help(help);
    }
    let mut text = Vec::new();
    report.finish().write(files, &mut text)?;
    // Ariadne pads lines up to their labels, and colours the head whatever its configuration says.
    for line in String::from_utf8_lossy(&text).lines() {
        let line = if colour { line.to_owned() } else { without_colour(line) };
        writeln!(to, "{}", line.trim_end())?;
    }
    Ok(())
}

/// `line` without escape sequences of the form `ESC [ … m`.
fn without_colour(line: &str) -> String {
    let mut parts = line.split("\x1b[");
    let first = parts.next().unwrap_or("").to_owned();
    parts.fold(first, |text, part| text + part.split_once('m').map_or("", |(_, rest)| rest))
}

/// The part of `span` to show: on character boundaries, cut to its first line where it has many. `None` where its line is too
/// long, or there is no such place.
fn visible(sources: &SourceMap, span: Span) -> Option<(FileId, std::ops::Range<usize>)> {
    let text = &sources.get(span.file)?.text;
    let start = boundary(text, span.start as usize);
    let mut end = boundary(text, span.end as usize).max(start);
    let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
    let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
    if line_end - line_start > LONGEST_LINE || text.is_empty() {
        return None;
    }
    if text[start..end].lines().count() > 4 {
        end = line_end;
    }
    Some((span.file, start..end))
}

fn boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn place(sources: &SourceMap, span: Span) -> Option<String> {
    let file = sources.get(span.file)?;
    let (line, column) = sources.line_column(span);
    Some(format!("{}:{line}:{column}", file.name))
}

struct Files<'a> {
    sources: &'a SourceMap,
    loaded: FxHashMap<FileId, Source<Arc<str>>>,
}

impl Cache<FileId> for &mut Files<'_> {
    type Storage = Arc<str>;

    fn fetch(&mut self, id: &FileId) -> Result<&Source<Arc<str>>, impl fmt::Debug> {
        let Some(file) = self.sources.get(*id) else { return Err("no such file") };
        Ok(self.loaded.entry(*id).or_insert_with(|| Source::from(file.text.clone())))
    }

    fn display<'a>(&self, id: &'a FileId) -> Option<impl Display + 'a> {
        self.sources.get(*id).map(|f| f.name.to_string())
    }
}
