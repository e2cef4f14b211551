//! NUTS on the posteriors of posteriordb, beside the reference posteriors: whether our programs and engines say what Stan says.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::scale::Scale;
use super::study::Study;
use super::{Findings, Table};
use crate::api::posteriordb::{
    Comparison, Database, Difference, Posterior, Reference, Tolerances, compare, posterior, posteriors,
};
use crate::api::{Data, Error};
use crate::cli::console::{Failure, plain};
use crate::cli::report::minus;
use crate::diagnostic::Diagnostic;
use crate::infer::{InferOptions, Inferred, Method};
use crate::span::SourceMap;

/// The experiment's name.
pub(super) const NAME: &str = "posteriordb";

/// The Monte Carlo error of a standard deviation, relative, up to which draws are enough.
const ENOUGH: f64 = 0.0125;

/// How many times as many draws are made where these were not enough, at most.
const MOST_TIMES: usize = 16;

/// A posterior with what the database has of it.
pub(super) struct Input {
    pub posterior: &'static Posterior,
    /// The data as text, and as values.
    pub json: String,
    pub data: Data,
    pub reference: Reference,
}

/// The posteriors that are named, or all.
///
/// # Errors
/// All that is missing or wrong.
pub(super) fn inputs(study: &Study<'_>) -> Result<Vec<Input>, Failure> {
    inputs_of(study, chosen(&study.arguments.posteriors)?)
}

/// Some posteriors.
///
/// # Errors
/// All that is missing or wrong.
pub(super) fn inputs_of(study: &Study<'_>, chosen: Vec<&'static Posterior>) -> Result<Vec<Input>, Failure> {
    let Some(folder) = &study.arguments.db else {
        return Err(Failure::Usage("this experiment needs `--db DIR`"));
    };
    let database = Database::open(folder).map_err(|e| told(vec![Diagnostic::from(&e)]))?;
    // What is missing or wrong is told before hours are spent on the rest.
    let mut broken = Vec::new();
    let mut inputs = Vec::with_capacity(chosen.len());
    for posterior in chosen {
        match (database.json(posterior), database.reference(posterior)) {
            (Ok((path, json)), Ok(reference)) => {
                let data = Data::new().with_json(path.display().to_string(), json.as_str());
                inputs.push(Input { posterior, json, data, reference });
            }
            (data, reference) => {
                broken.extend(data.err().iter().chain(reference.err().iter()).map(Diagnostic::from));
            }
        }
    }
    broken.dedup();
    if !broken.is_empty() {
        return Err(told(broken));
    }
    Ok(inputs)
}

pub(super) fn posteriordb(study: &Study<'_>) -> Result<Findings, Failure> {
    let mut rows = Vec::new();
    for input in inputs(study)? {
        let name = format!("posteriordb-{}", input.posterior.name);
        rows.push(study.piece(&name, || run(study, &input))?);
    }
    Ok(findings(&rows))
}

fn told(diagnostics: Vec<Diagnostic>) -> Failure {
    Failure::Told(Error::new(diagnostics, SourceMap::default()))
}

/// Those that are named, each once, or all.
pub(super) fn chosen(names: &[String]) -> Result<Vec<&'static Posterior>, Failure> {
    if names.is_empty() {
        return Ok(posteriors().iter().collect());
    }
    let mut seen = HashSet::new();
    let names = names.iter().filter(|name| seen.insert(name.as_str()));
    names.map(|name| posterior(name).map_err(|e| told(vec![Diagnostic::from(&e)]))).collect()
}

/// One posterior: draws, more of them where their Monte Carlo error is too large, and the comparison.
fn run(study: &Study<'_>, Input { posterior, data, reference, .. }: &Input) -> Result<Value, Failure> {
    let (draws, most) = match study.arguments.scale {
        Scale::Smoke => (400, 400),
        Scale::Laptop | Scale::Paper => (10_000, 10_000 * MOST_TIMES),
    };
    let model = posterior.model()?;
    let sample = |draws: usize| -> Result<Inferred, Failure> {
        let options = InferOptions {
            method: Method::named("nuts").map_err(|error| plain("E0705", Diagnostic::from(&error).message))?,
            draws: Some(draws),
            seed: study.arguments.seed,
            ..InferOptions::default()
        };
        // What it warns of is in the certificate and the comparison.
        Ok(model.infer(data, &options)?)
    };
    let mut inferred = sample(draws)?;
    let mut seconds = inferred.seconds;
    let wanted = draws_wanted(&inferred, draws).min(most);
    if wanted > draws {
        inferred = sample(wanted)?;
        seconds += inferred.seconds;
    }
    let comparison = compare(&inferred, reference, Tolerances::default());
    Ok(row(posterior, &inferred, &comparison, seconds))
}

/// How many draws bring the Monte Carlo errors of all standard deviations down to what is enough.
fn draws_wanted(inferred: &Inferred, draws: usize) -> usize {
    let relative = |sd: f64, error: Option<f64>| error.filter(|_| sd > 0.0).map_or(0.0, |error| error / sd);
    let largest = inferred.variables.iter().map(|v| relative(v.sd, v.mcse_sd)).fold(0.0, f64::max);
    let times = (largest / ENOUGH).powi(2).clamp(1.0, MOST_TIMES as f64);
    (draws as f64 * times).ceil() as usize
}

fn row(posterior: &Posterior, inferred: &Inferred, comparison: &Comparison, seconds: f64) -> Value {
    let mut reasons = comparison.reasons.clone();
    if !inferred.certified {
        reasons.insert(0, format!("not certified: {}", inferred.reason));
    }
    let scalar = |d: &Difference| {
        json!({"name": d.name, "mean": d.mean, "mean_error": d.mean_error, "sd": d.sd, "sd_error": d.sd_error,
            "r_hat": d.r_hat, "ess": d.ess})
    };
    let most = |measure: &dyn Fn(&Difference) -> f64| comparison.largest(measure).map(measure);
    json!({
        "posterior": posterior.name, "program": posterior.program, "data": posterior.data, "split": posterior.split.name(),
        "holds": reasons.is_empty(), "reasons": reasons,
        "certified": inferred.certified, "certificate": inferred.reason,
        "draws": inferred.posterior.weights.len(), "seconds": seconds,
        "mean": most(&|d| d.mean.abs()), "mean_of": comparison.largest(|d| d.mean.abs()).map(|d| &d.name),
        "sd": most(&|d| d.sd.abs()), "sd_of": comparison.largest(|d| d.sd.abs()).map(|d| &d.name),
        "r_hat": most(&|d| d.r_hat.unwrap_or(f64::NEG_INFINITY)),
        "ess": most(&|d| -d.ess.unwrap_or(f64::INFINITY)).map(|ess| -ess),
        "scalars": comparison.differences.iter().map(scalar).collect::<Vec<_>>(),
    })
}

fn findings(rows: &[Value]) -> Findings {
    let Tolerances { mean, standard_errors, sd, r_hat } = Tolerances::default();
    let holding = rows.iter().filter(|row| row["holds"] == json!(true)).count();
    let head = ["posterior", "mean", "of", "sd", "of", "R̂", "ESS", "draws", "seconds", ""];
    let cells = |row: &Value| {
        let number = |key: &str| row[key].as_f64().unwrap_or(f64::NAN);
        let word = |key: &str| row[key].as_str().unwrap_or("").to_owned();
        let reasons = row["reasons"].as_array().map_or(&[][..], Vec::as_slice);
        let reasons: Vec<&str> = reasons.iter().filter_map(Value::as_str).collect();
        vec![
            word("posterior"),
            format!("{:.3}", number("mean")),
            word("mean_of"),
            format!("{:.1} %", 100.0 * number("sd")),
            word("sd_of"),
            format!("{:.4}", number("r_hat")),
            format!("{:.0}", number("ess")),
            format!("{:.0}", number("draws")),
            format!("{:.1}", number("seconds")),
            if reasons.is_empty() { "holds".into() } else { minus(&reasons.join("; ")).replace('|', "\\|") },
        ]
    };
    let table = Table {
        title: format!("{holding} of {} posteriors are as the reference posteriors say:", rows.len()),
        head: head.map(str::to_owned).to_vec(),
        rows: rows.iter().map(cells).collect(),
    };
    Findings {
        results: json!({
            "posteriors": rows.len(), "hold": holding, "rows": rows,
            "tolerances": {"mean": mean, "standard_errors": standard_errors, "sd": sd, "r_hat": r_hat},
        }),
        tables: vec![table],
        figures: Vec::new(),
        notes: vec![
            format!(
                "`mean`: the largest difference of a mean from the reference's, in standard deviations of the reference; at most \
                 {mean}, and {standard_errors} standard errors of the difference. `sd`: the largest relative difference of a \
                 standard deviation; at most {:.0} %. R̂: at most {r_hat}. ESS: the smallest.",
                100.0 * sd
            ),
            format!(
                "Of NUTS, four chains; more draws where the standard error of a standard deviation is above {:.2} %. An answer \
                 holds if it is certified, too: a posterior with a mode that chains miss, or with divergences, is named.",
                100.0 * ENOUGH
            ),
        ],
    }
}
