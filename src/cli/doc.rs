//! `unmask doc`: the reference of distributions, built-in functions and the standard library, from their tables.

use std::fmt::Write as _;
use std::io::Write as _;

use super::console::{Failure, Status, output, plain};
use crate::builtin;
use crate::check::{STANDARD_LIBRARY, StandardLibrary, check};
use crate::diagnostic::near_miss;
use crate::dist::Family;

/// One entry of the reference.
struct Entry {
    chapter: String,
    name: String,
    /// How it is written: one or more forms.
    forms: Vec<String>,
    text: String,
}

pub(super) fn doc(name: Option<&str>, markdown: bool) -> Result<Status, Failure> {
    let mut entries = entries();
    if let Some(name) = name {
        let wanted = |e: &Entry| e.name == name || e.chapter.strip_prefix("Library ") == Some(name);
        if !entries.iter().any(wanted) {
            let near = near_miss(name, entries.iter().map(|e| e.name.as_str()));
            let help = near.map_or_else(String::new, |n| format!(": did you mean `{n}`?"));
            return Err(plain("E0908", format!("there is no `{name}` in the reference{help}")));
        }
        entries.retain(wanted);
    }
    let mut text = String::new();
    let mut chapter = String::new();
    for entry in &entries {
        if entry.chapter != chapter {
            chapter.clone_from(&entry.chapter);
            let gap = if text.is_empty() { "" } else { "\n" };
            let _ = writeln!(text, "{gap}{}{chapter}\n", if markdown { "## " } else { "" });
        }
        if markdown {
            let forms: Vec<String> = entry.forms.iter().map(|f| format!("`{f}`")).collect();
            let _ = writeln!(text, "- {}  \n  {}", forms.join(", "), entry.text.replace('\n', "  \n  "));
        } else {
            for form in &entry.forms {
                let _ = writeln!(text, "  {form}");
            }
            for line in entry.text.lines() {
                let _ = writeln!(text, "      {line}");
            }
        }
    }
    let mut out = output();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(Status::Fine)
}

fn entries() -> Vec<Entry> {
    let mut entries: Vec<Entry> = Family::ALL.iter().map(|f| distribution(*f)).collect();
    for (group, infos) in builtin::reference() {
        entries.extend(infos.into_iter().map(|info| Entry {
            chapter: group.title().to_owned(),
            name: info.name.to_owned(),
            forms: info.signatures.iter().map(ToString::to_string).collect(),
            text: info.doc.to_owned(),
        }));
    }
    for (file, source) in STANDARD_LIBRARY {
        // The library is checked by tests; a file that is not valid has no entries.
        let Ok(checked) = check(&format!("<stdlib>/{file}"), source, &StandardLibrary) else { continue };
        let functions = checked.program.functions.iter().map(|f| (&f.name, f.span, &f.doc));
        let models = checked.program.models.iter().map(|m| (&m.name, m.span, &m.doc));
        entries.extend(functions.chain(models).filter(|(_, span, _)| span.file.0 == 0).map(|(name, span, doc)| {
            // The span may be of the name alone: the head is what stands on its line and up to the body.
            let start = source[..span.range().start].rfind('\n').map_or(0, |at| at + 1);
            let head = source[start..].split(['{', ';']).next().unwrap_or("");
            Entry {
                chapter: format!("Library {file}"),
                name: name.to_string(),
                forms: vec![head.split_whitespace().collect::<Vec<_>>().join(" ")],
                text: doc.clone(),
            }
        }));
    }
    entries
}

fn distribution(family: Family) -> Entry {
    let info = family.info();
    let names: Vec<&str> = info.parameters.iter().map(|p| p.name).collect();
    let mut text = format!("{}\nSupport: {}.", info.doc, info.support);
    for parameter in info.parameters {
        let name_of = |i: usize| info.parameters.get(i).map_or("?", |p| p.name);
        let must = parameter.constraint.describe(name_of);
        let _ = write!(text, "\n{}: {} ({must}). {}", parameter.name, parameter.kind, parameter.doc);
    }
    if !info.proper {
        text.push_str("\nImproper: it has a density but no draws.");
    }
    let _ = write!(text, "\nSource: {}", info.source);
    Entry {
        chapter: "Distributions".into(),
        name: info.name.into(),
        forms: vec![format!("{}({})", info.name, names.join(", "))],
        text,
    }
}
