//! The answer as a table for people.

use std::fmt::Write as _;

use crate::infer::{Inferred, Rung, VariableSummary};

/// Rows of one variable beyond which the rest is left out.
const MOST_ROWS: usize = 40;

/// Share of the posterior below which a row is left out.
const RARE: f64 = 0.01;

const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The whole report. With `all`, no row is left out.
pub(super) fn table(inferred: &Inferred, all: bool) -> String {
    let mut text = String::new();
    let verdict = if inferred.certified { "certified" } else { "NOT CERTIFIED" };
    if !inferred.certified {
        line(&mut text, "NOT CERTIFIED: do not rely on these numbers.");
    }
    let head = format!("{} · {} · {verdict}", inferred.model, inferred.method);
    let draws = inferred.posterior.weights.len();
    line(
        &mut text,
        &format!(
            "{head}    {} · {} draws · {}",
            minus(&inferred.reason),
            thousands(draws as f64),
            time(inferred.seconds)
        ),
    );
    if inferred.ladder.len() > 1 {
        let width = inferred.ladder.iter().map(|r| r.rung.len()).max().unwrap_or(0);
        for rung in &inferred.ladder {
            let verdict = match (rung.held, rung.tried) {
                (true, _) => "held   ",
                (false, true) => "refused",
                (false, false) => "–      ",
            };
            line(
                &mut text,
                &format!("  {:width$}  {verdict}  {}    {}", rung.rung, minus(&rung.reason), time(rung.seconds)),
            );
        }
    }
    for remark in inferred.ladder.iter().filter_map(Rung::remark) {
        line(&mut text, &format!("  {remark}"));
    }
    line(&mut text, "");
    rows(&mut text, &inferred.variables, all);
    if let Some(evidence) = inferred.log_evidence {
        line(&mut text, "");
        let error = match inferred.log_evidence_error {
            Some(0.0) => ", exact".to_owned(),
            Some(error) => format!(" ± {}", digits(error, decimals(error, 2))),
            None => String::new(),
        };
        let places = inferred.log_evidence_error.filter(|e| *e > 0.0).map_or(4, |e| decimals(e, 2));
        line(&mut text, &format!("log evidence {}{error}", digits(evidence, places)));
    }
    text
}

pub(super) fn line(text: &mut String, content: &str) {
    text.push_str(content.trim_end());
    text.push('\n');
}

fn rows(text: &mut String, variables: &[VariableSummary], all: bool) {
    if variables.is_empty() {
        line(text, "  nothing was asked: no variable is masked");
        return;
    }
    let with_r_hat = variables.iter().any(|v| v.r_hat.is_some());
    let with_ess = variables.iter().any(|v| v.ess.is_some());
    let mut header = vec!["".to_owned(), "mean".into(), "sd".into(), "5%".into(), "50%".into(), "95%".into()];
    if with_ess {
        header.push("ESS".into());
    }
    if with_r_hat {
        header.push("R̂".into());
    }
    let mut cells: Vec<(Vec<String>, String)> = vec![(header, String::new())];
    // Index of the row before which deterministic lines begin.
    let mut rule = None;
    let mut notes = Vec::new();
    let mut shown_of: Vec<(&str, usize, usize)> = Vec::new();
    let mut rare = 0;
    for v in variables {
        if !all && v.exists.is_some_and(|share| share < RARE) {
            rare += 1;
            continue;
        }
        let stem = v.name.split('[').next().unwrap_or(&v.name);
        match shown_of.last_mut() {
            Some((last, shown, left)) if *last == stem => {
                if !all && *shown >= MOST_ROWS {
                    *left += 1;
                    continue;
                }
                *shown += 1;
            }
            _ => shown_of.push((stem, 1, 0)),
        }
        if v.deterministic && rule.is_none() {
            rule = Some(cells.len());
        }
        let places = decimals(v.sd, 3);
        let number = |x: f64| digits(x, places);
        let mut row = vec![v.name.clone(), number(v.mean), number(v.sd), number(v.q5), number(v.q50), number(v.q95)];
        if with_ess {
            row.push(v.ess.map_or("–".into(), thousands));
        }
        if with_r_hat {
            row.push(v.r_hat.map_or("–".into(), |r| format!("{r:.2}")));
        }
        cells.push((row, remark(v)));
    }
    for (stem, shown, left) in shown_of {
        if left > 0 {
            notes.push(format!(
                "  {stem}: {left} more rows after the first {shown} (--all shows them, --json has them)"
            ));
        }
    }
    if rare > 0 {
        notes.push(format!("  {rare} more rows exist in less than 1 % (--all shows them, --json has them)"));
    }
    let columns = cells.iter().map(|(row, _)| row.len()).max().unwrap_or(0);
    let widths: Vec<usize> =
        (0..columns).map(|c| cells.iter().map(|(row, _)| width(&row[c])).max().unwrap_or(0)).collect();
    for (i, (row, remark)) in cells.iter().enumerate() {
        if rule == Some(i) {
            let total: usize = widths.iter().map(|w| w + 2).sum();
            line(text, &format!("  {}", "─".repeat(total.saturating_sub(2))));
        }
        let mut out = String::new();
        for (c, cell) in row.iter().enumerate() {
            let pad = " ".repeat(widths[c] - width(cell));
            let _ = if c == 0 { write!(out, "  {cell}{pad}") } else { write!(out, "  {pad}{cell}") };
        }
        if !remark.is_empty() {
            let _ = write!(out, "   {remark}");
        }
        line(text, &out);
    }
    for note in notes {
        line(text, &note);
    }
}

/// To which side of its column a cell is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Right,
}

/// Rows of as many cells each, in columns; `align` is asked for the number of a column and how many there are.
pub(super) fn columns(text: &mut String, rows: &[Vec<String>], align: fn(usize, usize) -> Align) {
    let n_columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..n_columns)
        .map(|c| rows.iter().filter_map(|row| row.get(c)).map(|cell| width(cell)).max().unwrap_or(0))
        .collect();
    for row in rows {
        let mut out = String::new();
        for (c, (cell, wanted)) in row.iter().zip(&widths).enumerate() {
            let pad = " ".repeat(wanted - width(cell));
            let _ = match align(c, n_columns) {
                Align::Left => write!(out, "  {cell}{pad}"),
                Align::Right => write!(out, "  {pad}{cell}"),
            };
        }
        line(text, &out);
    }
}

/// A histogram, or the probabilities of a discrete variable, and how often it exists.
fn remark(v: &VariableSummary) -> String {
    let mut remark = match &v.probabilities {
        Some(probabilities) if probabilities.len() <= 8 => {
            probabilities.iter().map(|(value, p)| format!("{value}: {}", digits(*p, 4))).collect::<Vec<_>>().join("  ")
        }
        Some(_) | None => v.histogram.iter().map(|h| bar(*h)).collect(),
    };
    if let Some(share) = v.exists {
        let _ = write!(remark, "{}exists {:.1} %", if remark.is_empty() { "" } else { "  " }, 100.0 * share);
    }
    remark
}

/// A bar of a height from 0 to 1.
pub(super) fn bar(height: f64) -> char {
    let at = (height * (BARS.len() - 1) as f64).round() as usize;
    BARS.get(at).copied().unwrap_or('█')
}

/// Columns that a text takes; the hat of R̂ takes none.
fn width(text: &str) -> usize {
    text.chars().filter(|c| *c != '\u{302}').count()
}

/// Decimal places that show `significant` digits of `scale`.
pub(super) fn decimals(scale: f64, significant: i32) -> usize {
    if scale > 0.0 && scale.is_finite() {
        (significant - 1 - scale.log10().floor() as i32).clamp(0, 12) as usize
    } else {
        4
    }
}

/// A number with a true minus sign; very large ones with an exponent.
pub(super) fn digits(x: f64, places: usize) -> String {
    if x.is_nan() {
        return "–".into();
    }
    let text = if x.is_infinite() {
        if x > 0.0 { "inf".to_owned() } else { "-inf".to_owned() }
    } else if x.abs() >= 1e9 {
        format!("{x:.3e}")
    } else {
        format!("{x:.places$}")
    };
    // Rounding may leave a minus without digits behind it.
    let text = match text.strip_prefix('-') {
        Some(rest) if rest.chars().all(|c| c == '0' || c == '.') => rest.to_owned(),
        _ => text,
    };
    text.replace('-', "−")
}

/// `text` with true minus signs before its negative numbers.
pub(super) fn minus(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut before = ' ';
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let negative = c == '-' && !before.is_alphanumeric() && rest.peek().is_some_and(char::is_ascii_digit);
        result.push(if negative { '−' } else { c });
        before = c;
    }
    result
}

/// A count with thousands separators.
pub(super) fn thousands(x: f64) -> String {
    let plain = format!("{x:.0}");
    let mut text = String::new();
    for (i, c) in plain.chars().enumerate() {
        if i > 0 && (plain.len() - i).is_multiple_of(3) && c.is_ascii_digit() {
            text.push(',');
        }
        text.push(c);
    }
    text
}

pub(super) fn time(seconds: f64) -> String {
    if seconds < 1.0 { format!("{:.0} ms", seconds * 1e3) } else { format!("{seconds:.1} s") }
}
