//! `unmask reproduce`: the tables and figures of Wu and Goodman (2022), and our ablation, as commands.
//!
//! Most experiments train weights, measure them on executions that these were not trained on, beside the exact posterior, and
//! write a folder. What was trained and measured is kept, so that a run that was interrupted goes on.

mod attention;
mod cost;
mod draws;
mod helped;
mod irt;
mod paper;
mod posteriordb;
mod predicted;
mod pretrained;
mod scale;
mod study;
mod toy;

use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser};
use serde_json::{Value, json};

use super::console::{Failure, Status, make_folder, note, plain, write_file};
use super::named;
use crate::network::Device;
use crate::plot::Figure;
use scale::Scale;
use study::Study;

#[derive(Debug, Args)]
#[command(
    after_help = "DIR/NAME holds results.json, README.md and the pictures; DIR/weights, DIR/pieces and DIR/programs what they were made from. A run that was interrupted goes on."
)]
pub(super) struct ReproduceArgs {
    /// An experiment
    #[arg(value_parser = names(), hide_possible_values = false)]
    name: String,
    /// Posteriors, such as `nes1976-nes` (posteriordb, cost, pretrained, helped, predicted) [default: all that there are programs for; of `cost`, those to test on]. Of `pretrained`, those to learn from and those to test on: where only test posteriors are named, all others are learned
    #[arg(value_name = "POSTERIOR")]
    posteriors: Vec<String>,
    /// A clone of https://github.com/stan-dev/posteriordb, or a folder with `index.json` and `data/` (posteriordb, cost, pretrained, helped, predicted)
    #[arg(long, value_name = "DIR")]
    db: Option<PathBuf>,
    /// How much: seconds, an hour on two cores, or the paper's own settings, for a GPU
    #[arg(long, value_enum, default_value = "laptop")]
    scale: Scale,
    /// Where the results go
    #[arg(short, long, value_name = "DIR", default_value = "reproduced")]
    output: PathBuf,
    /// Weights of RoBERTa or CodeBERT in a folder of Hugging Face's, to start from too (table4). May be repeated
    #[arg(long, value_name = "DIR")]
    init: Vec<PathBuf>,
    /// Where networks are trained
    #[arg(long, default_value = "cpu", value_parser = named(Device::ALL))]
    device: Device,
    /// Same seed, same results
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Say nothing while it runs
    #[arg(short, long)]
    quiet: bool,
}

/// One of the paper's tables or figures, or an ablation of ours: a row of [`EXPERIMENTS`].
struct Experiment {
    name: &'static str,
    summary: &'static str,
    run: fn(&Study<'_>) -> Result<Findings, Failure>,
    /// Whether it is about posteriors of posteriordb, and needs a database.
    of_database: bool,
}

impl Experiment {
    /// One of the paper's own programs.
    const fn of_programs(
        name: &'static str,
        summary: &'static str,
        run: fn(&Study<'_>) -> Result<Findings, Failure>,
    ) -> Self {
        Self { name, summary, run, of_database: false }
    }

    /// One on posteriors of posteriordb.
    const fn of_posteriors(
        name: &'static str,
        summary: &'static str,
        run: fn(&Study<'_>) -> Result<Findings, Failure>,
    ) -> Self {
        Self { name, summary, run, of_database: true }
    }
}

const EXPERIMENTS: &[Experiment] = &[
    Experiment::of_programs("table4", "six toy programs: log density and variance of log weights (A.6)", toy::table4),
    Experiment::of_programs("table3", "the programs for visualising attention (A.4)", toy::table3),
    Experiment::of_programs("figure8", "log weights with and without the language loss (A.3)", toy::figure8),
    Experiment::of_programs("scientific", "numbers as a × 10ᵇ (A.7)", toy::scientific),
    Experiment::of_programs(
        "attention",
        "attention, and expected independences as measured statistics (A.4)",
        attention::attention,
    ),
    Experiment::of_programs(
        "table5",
        "plated item response: zero-shot, products of experts, fine-tuning (A.8)",
        irt::table5,
    ),
    Experiment::of_programs("figure9", "the same as a picture (A.8)", irt::figure9),
    Experiment::of_programs("anchors", "what anchors are worth: an ablation of ours", toy::anchors),
    Experiment::of_posteriors(
        posteriordb::NAME,
        "NUTS on posteriordb's posteriors, beside the reference draws (needs --db)",
        posteriordb::posteriordb,
    ),
    Experiment::of_posteriors(
        cost::NAME,
        "error against time on posteriordb's test posteriors: NUTS, ADVI and ours (A.9; needs --db)",
        cost::cost,
    ),
    Experiment::of_posteriors(
        pretrained::NAME,
        "pretraining on posteriordb, zero-shot and fine-tuned on its test posteriors, beside NUTS and ADVI (A.9; needs --db)",
        pretrained::pretrained,
    ),
    Experiment::of_posteriors(
        helped::NAME,
        "what foundation draws are worth as starts, mass matrix and proposals, on posteriordb (A.1; needs --db)",
        helped::helped,
    ),
    Experiment::of_posteriors(
        predicted::NAME,
        "what a program's embedding tells of NUTS: step size, mixing, mass matrix (A.1; needs --db)",
        predicted::predicted,
    ),
];

/// Whether an experiment is about posteriors of posteriordb.
fn of_database(name: &str) -> bool {
    EXPERIMENTS.iter().any(|e| e.of_database && e.name == name)
}

/// Every experiment.
const ALL: &str = "all";

/// The names of experiments, with their help.
fn names() -> PossibleValuesParser {
    let all = PossibleValue::new(ALL).help("every one of them (those on posteriordb with --db alone)");
    PossibleValuesParser::new(EXPERIMENTS.iter().map(|e| PossibleValue::new(e.name).help(e.summary)).chain([all]))
}

/// What an experiment found.
struct Findings {
    /// All numbers.
    results: Value,
    tables: Vec<Table>,
    /// Pictures by the name of their files.
    figures: Vec<(String, Figure)>,
    /// What a reader must know, a paragraph each.
    notes: Vec<String>,
}

/// A table for people.
struct Table {
    title: String,
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    fn markdown(&self) -> String {
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let mut text = format!("{}\n\n{}", self.title, line(&self.head));
        text.push_str(&line(&self.head.iter().map(|_| "---".to_owned()).collect::<Vec<_>>()));
        text.extend(self.rows.iter().map(|row| line(row)));
        text
    }
}

pub(super) fn reproduce(arguments: &ReproduceArgs) -> Result<Status, Failure> {
    let of_database = of_database(&arguments.name);
    if of_database && arguments.db.is_none() {
        return Err(Failure::Usage("experiments on posteriordb need `--db DIR`"));
    }
    if !of_database && !arguments.posteriors.is_empty() {
        return Err(Failure::Usage("only experiments on posteriordb take names of posteriors"));
    }
    if !arguments.init.is_empty() && ![ALL, "table4"].contains(&&*arguments.name) {
        return Err(Failure::Usage("only `table4` takes initial weights (--init)"));
    }
    for folder in &arguments.init {
        // Hours of other training come first.
        if let Some(missing) =
            ["config.json", "model.safetensors"].into_iter().find(|name| !folder.join(name).is_file())
        {
            let message = format!("`{}` has no initial weights: `{missing}` is missing", folder.display());
            return Err(plain("E0733", message));
        }
    }
    let study = Study::open(arguments)?;
    for experiment in EXPERIMENTS.iter().filter(|e| arguments.name == ALL || arguments.name == e.name) {
        if experiment.of_database && arguments.db.is_none() {
            study.say(&format!("{}: left out, it needs --db", experiment.name));
            continue;
        }
        let folder = arguments.output.join(experiment.name);
        if is_of(&folder.join(RESULTS), &study.command(experiment.name)) {
            study.say(&format!("{}: already in {}", experiment.name, folder.display()));
            continue;
        }
        study.say(&format!("{}: {}", experiment.name, experiment.summary));
        let findings = (experiment.run)(&study)?;
        write(&study, experiment, &folder, &findings)?;
        study.say(&format!("{}: written to {}", experiment.name, folder.display()));
    }
    Ok(Status::Fine)
}

/// Whether results are there, and those of this command.
fn is_of(results: &Path, command: &str) -> bool {
    let text = std::fs::read_to_string(results).unwrap_or_default();
    serde_json::from_str::<Value>(&text).is_ok_and(|found| found["command"] == command)
}

/// The file that is written last.
const RESULTS: &str = "results.json";

fn write(study: &Study<'_>, experiment: &Experiment, folder: &Path, findings: &Findings) -> Result<(), Failure> {
    make_folder(folder)?;
    let command = study.command(experiment.name);
    let mut text = format!("# {}: {}\n\n```\n{command}\n```\n", experiment.name, experiment.summary);
    for table in &findings.tables {
        text.push_str(&format!("\n{}", table.markdown()));
    }
    for note in &findings.notes {
        text.push_str(&format!("\n{note}\n"));
    }
    let drawn = |error: crate::plot::PlotError| plain("E0909", error.to_string());
    for (name, figure) in &findings.figures {
        let (svg, png) = (figure.svg().map_err(drawn)?, figure.png().map_err(drawn)?);
        write_file(&folder.join(format!("{name}.svg")), |to| Ok(to.write_all(svg.as_bytes())?))?;
        write_file(&folder.join(format!("{name}.png")), |to| Ok(to.write_all(&png)?))?;
        text.push_str(&format!("\n![{name}]({name}.svg)\n"));
    }
    write_file(&folder.join("README.md"), |to| Ok(to.write_all(text.as_bytes())?))?;
    let results = json!({
        "experiment": experiment.name, "command": command, "seed": study.arguments.seed,
        "version": env!("CARGO_PKG_VERSION"), "results": findings.results, "notes": findings.notes,
    });
    let text = super::json::text(&results);
    write_file(&folder.join(RESULTS), |to| Ok(to.write_all(text.as_bytes())?))
}

impl Study<'_> {
    fn say(&self, text: &str) {
        if !self.arguments.quiet {
            note(text);
        }
    }
}
