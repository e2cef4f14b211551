//! `unmask attend`: attention between the lines, or the tokens, of a query's text.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::console::{Failure, Status, of_network, plain, write_file};
use super::evaluate::foundation;
use super::infer::write_text;
use super::{DataArgs, ModelArgs, json as answers};
use crate::foundation::Attention;
use crate::plot::{Figure, HeatMap};

/// Lines that are named of what a masked value reads.
const NAMED: usize = 5;

#[derive(Debug, Args)]
pub(super) struct AttendArgs {
    #[command(flatten)]
    program: ModelArgs,
    #[command(flatten)]
    data: DataArgs,
    /// Weights, in place of those built in
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// This layer of the encoder alone, from 0 [the mean over all]
    #[arg(long, value_name = "N")]
    layer: Option<usize>,
    /// This head alone, from 0 [the mean over all]
    #[arg(long, value_name = "N")]
    head: Option<usize>,
    /// Token against token in the picture, in place of line against line
    #[arg(long)]
    tokens: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Write a picture (`.svg`, `.png`); any other name: write there instead of to standard output. May be repeated
    #[arg(short, long, value_name = "FILE")]
    output: Vec<PathBuf>,
}

pub(super) fn attend(arguments: &AttendArgs) -> Result<Status, Failure> {
    const OTHERS: [&str; 5] = ["pdf", "jpg", "jpeg", "gif", "webp"];
    let extension = |path: &PathBuf| path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_lowercase();
    if let Some(path) = arguments.output.iter().find(|path| OTHERS.contains(&&*extension(path))) {
        return Err(plain("E0909", format!("`{}` cannot be drawn: pictures are `.svg` or `.png`", path.display())));
    }
    let weights = foundation(arguments.weights.as_deref())?;
    let model = arguments.program.model()?;
    let target = model.target(&arguments.data.read()?)?;
    let wrong = |reason: String| plain("E0737", format!("`{}` has no attention to show: {reason}", model.name()));
    let attention =
        weights.attention(&target.borrow()).map_err(|e| of_network(&model, "E0737", "has no attention to show", &e))?;
    let (layers, heads) = (attention.maps.len(), attention.heads());
    let outside = |asked: Option<usize>, count: usize| asked.is_some_and(|n| n >= count);
    if outside(arguments.layer, layers) || outside(arguments.head, heads) {
        return Err(wrong(format!(
            "the encoder has layers 0 to {} of heads 0 to {}",
            layers.max(1) - 1,
            heads.max(1) - 1
        )));
    }
    let between_lines = attention.between_lines(arguments.layer, arguments.head);
    if between_lines.len() != attention.lines.len() * attention.lines.len() {
        return Err(wrong("the encoder has no layers".to_owned()));
    }
    let text = if arguments.json {
        as_json(&attention, &between_lines, arguments)
    } else {
        described(&attention, &between_lines)
    };
    let mut reported = false;
    for path in &arguments.output {
        let drawn = |error: crate::plot::PlotError| plain("E0909", error.to_string());
        let bytes = match &*extension(path) {
            "svg" => figure(&attention, &between_lines, arguments, model.name()).svg().map_err(drawn)?.into_bytes(),
            "png" => figure(&attention, &between_lines, arguments, model.name()).png().map_err(drawn)?,
            _ => {
                reported = true;
                text.clone().into_bytes()
            }
        };
        write_file(path, |to| Ok(to.write_all(&bytes)?))?;
    }
    if !reported {
        write_text(None, &text)?;
    }
    Ok(Status::Fine)
}

/// What each masked value reads most.
fn described(attention: &Attention, between_lines: &[f64]) -> String {
    let n = attention.lines.len();
    let mut text = String::new();
    for (i, line) in attention.lines.iter().enumerate().filter(|(_, line)| line.masked) {
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by(|a, b| between_lines[i * n + b].total_cmp(&between_lines[i * n + a]));
        let named = order.iter().take(NAMED);
        let named: Vec<String> =
            named.map(|j| format!("{} {:.3}", attention.lines[*j].name, between_lines[i * n + j])).collect();
        text.push_str(&format!("{} reads {}\n", line.name, named.join(", ")));
    }
    if text.is_empty() {
        text.push_str("nothing is masked: name something with --mask\n");
    }
    text
}

fn as_json(attention: &Attention, between_lines: &[f64], arguments: &AttendArgs) -> String {
    let rows = |values: &[f64], n: usize| -> Vec<Vec<f64>> { values.chunks(n.max(1)).map(<[f64]>::to_vec).collect() };
    let lines: Vec<_> = attention
        .lines
        .iter()
        .map(|l| json!({"name": l.name, "masked": l.masked, "row": l.row, "tokens": [l.tokens.start, l.tokens.end]}))
        .collect();
    let between = attention.between_tokens(arguments.layer, arguments.head);
    answers::text(&json!({
        "layers": attention.maps.len(), "heads": attention.heads(), "layer": arguments.layer, "head": arguments.head,
        "tokens": attention.tokens, "lines": lines,
        "between_tokens": rows(&between, attention.tokens.len()),
        "between_lines": rows(between_lines, attention.lines.len()),
    }))
}

fn figure(attention: &Attention, between_lines: &[f64], arguments: &AttendArgs, model: &str) -> Figure {
    let names: Vec<String> = if arguments.tokens {
        attention.tokens.clone()
    } else {
        attention.lines.iter().map(|l| if l.masked { format!("{} ?", l.name) } else { l.name.clone() }).collect()
    };
    let values = if arguments.tokens {
        attention.between_tokens(arguments.layer, arguments.head)
    } else {
        between_lines.to_vec()
    };
    let title = format!("{model}: rows read columns");
    Figure::HeatMap(HeatMap { title, rows: names.clone(), columns: names, values })
}
