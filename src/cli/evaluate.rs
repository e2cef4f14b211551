//! `unmask evaluate`: the quality of weights on programs, beside the exact posterior.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use serde_json::{Map, Value, json};

use super::console::{Failure, Status, of_network, plain, read, tell};
use super::infer::write_text;
use super::report::{Align, bar, columns};
use super::train::{has_inputs, program};
use super::{DecodeArg, json as answers, named};
use crate::api::{Data, Model};
use crate::foundation::{Case, EvaluateOptions, Evaluated, Foundation, Judged, cases_of, evaluate};
use crate::network::Device;
use crate::trace::Mask;
use crate::value;

/// Decades of the histogram of var ln w: the lowest and the highest; what is beyond them is in the outermost.
const DECADES: (i32, i32) = (-5, 2);

/// Seeds of cases: apart from those of draws.
const CASES: u64 = 0x6361_7365;

/// Variables of a program that are listed.
const MOST_SHOWN: usize = 12;

#[derive(Debug, Args)]
#[command(
    after_help = "ln q: of the true values, jointly, in nats, the mean over cases. exact: the same under the exact posterior, by normal algebra where that is one, else with an evidence that is certified. gap, ±: exact − ln q, and its standard error. Cases without a certified evidence are left out of exact and gap, not of ln q. anchors: the gap without a network. var ln w: the median variance of the log weights of draws, and a histogram over cases by power of ten. ESS/S: effective draws a draw."
)]
pub(super) struct EvaluateArgs {
    /// Programs, each with the inputs that have no prior: FILE or FILE=DATA.json
    #[arg(required = true, value_name = "FILE[=DATA]")]
    files: Vec<String>,
    /// Look for imports in this directory too (also: the path list UNMASK_LIB)
    #[arg(long = "lib", value_name = "DIR")]
    libraries: Vec<PathBuf>,
    /// Weights, in place of those built in
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// Cases with exact answers: a JSON Lines file, or a folder with one of the name of each program (PROGRAM.jsonl). A line:
    /// `{"latent": {...}, "given": {...}, "observed": {...}, "log_posterior": NUMBER}`
    #[arg(long, value_name = "CASES")]
    oracle: Option<PathBuf>,
    /// How many cases of each program
    #[arg(short = 'n', long, value_name = "N", default_value_t = 100,
        value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    cases: u64,
    /// What is hidden of each execution
    #[arg(long, default_value = "role", value_parser = named(Mask::ALL), conflicts_with = "oracle")]
    mask: Mask,
    /// How draws are decoded
    #[arg(long, value_enum, default_value = "light")]
    decode: DecodeArg,
    /// Log densities alone: no draws, no weights
    #[arg(long)]
    no_draws: bool,
    /// Where log densities are computed; draws are decoded on the processor
    #[arg(long, default_value = "cpu", value_parser = named(Device::ALL))]
    device: Device,
    /// Same seed, same answer
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Write to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(super) fn evaluate_programs(arguments: &EvaluateArgs) -> Result<Status, Failure> {
    let foundation = foundation(arguments.weights.as_deref())?;
    let foundation = Arc::new(foundation.with_decode(arguments.decode.into()));
    let judged = if arguments.no_draws { Judged::Densities } else { Judged::Certificates };
    let options = EvaluateOptions { seed: arguments.seed, judged, device: arguments.device };
    let mut found: Vec<(String, Evaluated)> = Vec::new();
    for file in &arguments.files {
        let (model, name, cases) = cases(arguments, file, foundation.encoding().digits())?;
        match evaluate(&foundation, &cases, options) {
            Ok(evaluated) => found.push((name, evaluated)),
            Err(error) => {
                return Err(of_network(&model, "E0735", "cannot be evaluated", &error));
            }
        }
    }
    let text = if arguments.json { answers::text(&as_json(&found)) } else { table(&found) };
    write_text(arguments.output.as_deref(), &text)?;
    Ok(Status::Fine)
}

/// The weights of a file, or those that are built in.
pub(super) fn foundation(path: Option<&Path>) -> Result<Foundation, Failure> {
    match path {
        Some(path) => Foundation::load(path)
            .map_err(|e| plain("E0733", format!("cannot use `{}` as weights: {e}", path.display()))),
        None => Foundation::bundled().map_err(|e| plain("E0733", e.to_string())),
    }
}

/// The cases of a program: from a folder of exact ones where there is one of its name, else its own executions.
fn cases(arguments: &EvaluateArgs, file: &str, digits: Option<usize>) -> Result<(Model, String, Vec<Case>), Failure> {
    let (model, target) = program(&arguments.libraries, file)?;
    let path = file.split_once('=').map_or(file, |(path, _)| path);
    let stem = Path::new(path).file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let n = arguments.cases as usize;
    let Some(folder) = &arguments.oracle else {
        has_inputs(&model, &target)?;
        let cases = cases_of(&target, arguments.mask, digits, n, arguments.seed ^ CASES)
            .map_err(|e| of_network(&model, "E0735", "cannot be evaluated", &e))?;
        return Ok((model, stem, cases));
    };
    let path = if folder.is_dir() { folder.join(format!("{stem}.jsonl")) } else { folder.clone() };
    let text = read(&path)?;
    let wrong = |line: usize, what: &str| plain("E0907", format!("{}:{line}: {what}", path.display()));
    let mut cases = Vec::new();
    for (i, line) in text.lines().enumerate().take(n) {
        let parsed: Value = serde_json::from_str(line).map_err(|e| wrong(i + 1, &e.to_string()))?;
        let mut data = Data::new().with_json_line(path.display().to_string(), text.as_str(), i + 1);
        let latent = parsed.get("latent").and_then(Value::as_object);
        let latent = latent.ok_or_else(|| wrong(i + 1, "a case has no `latent`"))?;
        let mut truth = Vec::new();
        for (name, number) in latent {
            let values: Vec<(Vec<i64>, &Value)> = match number.as_array() {
                Some(values) => values.iter().enumerate().map(|(i, v)| (vec![i as i64], v)).collect(),
                None => vec![(Vec::new(), number)],
            };
            for (indices, number) in values {
                let x = number.as_f64().ok_or_else(|| wrong(i + 1, "a latent that is not a number"))?;
                let integer = number.as_i64().map(value::Value::Int);
                truth.push(((Arc::from(name.as_str()), indices), integer.unwrap_or(value::Value::Real(x))));
            }
            data = data.mask(name.clone());
        }
        let target = model.target(&data)?;
        let log_posterior = parsed.get("log_posterior").and_then(Value::as_f64);
        cases.push(Case { target, truth, log_posterior });
    }
    tell(model.script().warnings(), model.script().sources());
    Ok((model, stem, cases))
}

fn variance(x: f64) -> String {
    if x < 1e3 { format!("{x:.3}") } else { format!("{x:.1e}") }
}

/// Cases by the decade of their var ln w.
fn decades(variances: &[f64]) -> Vec<usize> {
    let mut counts = vec![0; (DECADES.1 - DECADES.0 + 1) as usize];
    for variance in variances {
        let decade = variance.log10().floor().clamp(f64::from(DECADES.0), f64::from(DECADES.1)) as i32;
        counts[(decade - DECADES.0) as usize] += 1;
    }
    counts
}

fn table(found: &[(String, Evaluated)]) -> String {
    let mut rows = vec![
        ["", "cases", "ln q", "exact", "gap", "±", "anchors", "var ln w", "10⁻⁵…10²", "ESS/S", "k̂", "certified"]
            .map(str::to_owned)
            .to_vec(),
    ];
    let optional = |x: Option<f64>, digits: usize| {
        // Minus nothing is nothing.
        let shown = |x: f64| format!("{:.digits$}", if x.abs() < 0.5 * 0.1_f64.powi(digits as i32) { 0.0 } else { x });
        x.filter(|x| !x.is_nan()).map_or_else(|| "–".to_owned(), shown)
    };
    for (name, e) in found {
        let histogram = e.var_log_iw.as_ref().map_or_else(String::new, |(_, _, all)| {
            let counts = decades(all);
            let most = counts.iter().copied().max().unwrap_or(0).max(1) as f64;
            counts.iter().map(|n| if *n == 0 { ' ' } else { bar(*n as f64 / most) }).collect()
        });
        rows.push(vec![
            name.clone(),
            e.cases.to_string(),
            optional(Some(e.log_density), 3),
            optional(Some(e.exact), 3),
            optional(Some(e.gap.0), 4),
            optional(Some(e.gap.1), 4),
            optional(Some(e.anchors_gap.0), 4),
            e.var_log_iw.as_ref().map_or_else(|| "–".to_owned(), |v| variance(v.1)),
            histogram,
            optional(e.ess_fraction, 2),
            optional(e.k_hat, 2),
            e.certified.map_or_else(|| "–".to_owned(), |c| format!("{:.1} %", 100.0 * c)),
        ]);
    }
    let mut text = String::new();
    let place = |column, _| if matches!(column, 0 | 8) { Align::Left } else { Align::Right };
    columns(&mut text, &rows, place);
    for (name, e) in found {
        let (missed, undrawn) = (e.missed, e.undrawn);
        let without = e.cases - missed - e.referenced;
        if without > 0 {
            let _ =
                writeln!(text, "  {name}: {without} cases have no certified reference, and are not in exact and gap");
        }
        let zero = e.zero_density.unwrap_or(0.0);
        if zero > 0.0 {
            let _ = writeln!(
                text,
                "  {name}: {:.1} % of the draws have density zero, and are not in var ln w",
                100.0 * zero
            );
        }
        if missed > 0 {
            let _ = writeln!(text, "  {name}: {missed} cases have density zero under q, and are not in these means");
        }
        if undrawn > 0 {
            let _ = writeln!(text, "  {name}: of {undrawn} cases no draws could be taken");
        }
    }
    text.push('\n');
    let mut rows = vec![["variable", "ln q given those before it", "cases"].map(str::to_owned).to_vec()];
    for (program, e) in found {
        for (name, log_density, cases) in e.variables.iter().take(MOST_SHOWN) {
            rows.push(vec![format!("{program} {name}"), format!("{log_density:.3}"), cases.to_string()]);
        }
        if e.variables.len() > MOST_SHOWN {
            rows.push(vec![format!("{program} … {} more in --json", e.variables.len() - MOST_SHOWN)]);
        }
    }
    columns(&mut text, &rows, |column, _| if column == 0 { Align::Left } else { Align::Right });
    text
}

fn as_json(found: &[(String, Evaluated)]) -> Value {
    let programs: Map<String, Value> = found
        .iter()
        .map(|(name, e)| {
            let (mean, median, all) = match &e.var_log_iw {
                Some((mean, median, all)) => (json!(mean), json!(median), json!(all)),
                None => (Value::Null, Value::Null, Value::Null),
            };
            let variables: Map<String, Value> = e
                .variables
                .iter()
                .map(|(name, log_density, cases)| {
                    (name.clone(), json!({ "log_density": log_density, "cases": cases }))
                })
                .collect();
            let histogram = e.var_log_iw.as_ref().map(|(_, _, all)| decades(all));
            let one = json!({
                "cases": e.cases, "missed": e.missed, "undrawn": e.undrawn, "referenced": e.referenced, "exactly": e.exactly,
                "log_density": e.log_density, "exact": e.exact,
                "gap": e.gap.0, "gap_error": e.gap.1, "anchors_gap": e.anchors_gap.0,
                "anchors_gap_error": e.anchors_gap.1, "var_log_iw_median": median, "var_log_iw_mean": mean,
                "var_log_iw": all, "var_log_iw_decades": {"from": DECADES.0, "cases": histogram},
                "zero_density": e.zero_density, "variables": variables, "ess_fraction": e.ess_fraction,
                "k_hat_median": e.k_hat, "certified": e.certified,
            });
            (name.clone(), one)
        })
        .collect();
    json!({ "programs": programs })
}
