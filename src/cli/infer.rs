//! `unmask infer`: the posterior of a model, as a table or as JSON, and its draws.

use std::io::{self, IsTerminal};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::console::{Failure, Status, make_folder, note, plain, tell, write_file, write_folder, write_output};
use super::draws::Draws;
use super::evaluate::foundation;
use super::explain::Explained;
use super::stan_csv::stan_csv;
use super::zarr::{self, Observed};
use super::{DecodeArg, InferArgs, json, report};
use crate::api::{Data, MinibatchOptions, Model, VariableInfo};
use crate::check::core::VariableKind;
use crate::diagnostic::Diagnostic;
use crate::infer::{InferOptions, Inferred, Method, Progress, Silent, Weights};
use crate::plot::{Figure, Histograms, Panel, PlotError};
use crate::runtime::Supplied;
use crate::syntax::ast::Role;
use crate::value::unravel;

pub(super) fn infer(arguments: &InferArgs) -> Result<Status, Failure> {
    let method = Method::named(&arguments.method).map_err(|error| plain("E0705", Diagnostic::from(&error).message))?;
    let count = |n: Option<u64>| n.and_then(|n| usize::try_from(n).ok());
    let options = InferOptions {
        method,
        draws: count(arguments.draws),
        warmup: count(arguments.warmup),
        chains: count(arguments.chains),
        seed: arguments.seed,
        budget: arguments.budget,
        weights: weights(arguments.weights.as_deref(), arguments.decode)?,
    };
    let model = arguments.program.model()?;
    let data = arguments.data.read()?;
    let answer = show_progress(arguments.quiet, |progress| match arguments.plate_k {
        None => model.infer_with(&data, &options, progress),
        Some(k) => {
            let minibatches = MinibatchOptions {
                k: k as usize,
                experts: arguments.experts as usize,
                corrected: !arguments.plain_product,
            };
            let inferred = model.infer_minibatches(&data, &options, &minibatches, progress)?;
            Ok((inferred, model.script().sources().clone()))
        }
    });
    let (inferred, sources) = answer?;
    tell(&inferred.warnings, &sources);
    let explained = match arguments.explain {
        true => Some(Explained::new(&model, &data, &options, &inferred)?),
        false => None,
    };
    let text = if arguments.json {
        json::json(&inferred, explained.as_ref())
    } else {
        report::table(&inferred, arguments.all) + &explained.map_or_else(String::new, |explained| explained.text())
    };
    if let Some(folder) = &arguments.plot {
        plot(&inferred, folder)?;
    }
    let mut reported = false;
    for path in &arguments.output {
        match path.extension().and_then(|e| e.to_str()) {
            Some("csv") => write_stan_csv(path, &Draws::new(&inferred))?,
            Some("zarr") => {
                let observed = observed(&model, &data)?;
                write_folder(path, ".zgroup", &zarr::store(&Draws::new(&inferred), &observed))?;
            }
            Some(_) | None => {
                write_file(path, |to| Ok(to.write_all(text.as_bytes())?))?;
                reported = true;
            }
        }
    }
    if !reported {
        write_text(None, &text)?;
    }
    Ok(if inferred.certified { Status::Fine } else { Status::NotCertified })
}

/// Histograms that are drawn at most.
const MOST_PANELS: usize = 60;

/// Histograms of the scalars, choices first, in one picture.
fn plot(inferred: &Inferred, folder: &Path) -> Result<(), Failure> {
    let mut panels = Vec::new();
    let weights = &inferred.posterior.weights;
    for variable in Draws::new(inferred).variables {
        let name = &variable.name;
        let rows: Vec<Vec<f64>> = (0..weights.len()).map(|draw| variable.numbers(draw)).collect();
        for element in 0..variable.size() {
            let at: Vec<String> = unravel(&variable.shape, element).iter().map(ToString::to_string).collect();
            let title = if at.is_empty() { name.clone() } else { format!("{name}[{}]", at.join(",")) };
            let values = rows.iter().map(|row| row[element]).collect();
            panels.push(Panel { title, values, weights: weights.clone() });
        }
        if panels.len() > MOST_PANELS {
            note(&format!("the picture shows {MOST_PANELS} of the scalars"));
            panels.truncate(MOST_PANELS);
            break;
        }
    }
    let verdict = if inferred.certified { "certified" } else { "NOT CERTIFIED" };
    let title = format!("{} · {} · {verdict}", inferred.model, inferred.method);
    let figure = Figure::Histograms(Histograms { title, axis: String::new(), panels });
    let drawn = |error: PlotError| plain("E0909", error.to_string());
    let files =
        [("posterior.svg", figure.svg().map_err(drawn)?.into_bytes()), ("posterior.png", figure.png().map_err(drawn)?)];
    make_folder(folder)?;
    for (name, bytes) in files {
        write_file(&folder.join(name), |to| Ok(to.write_all(&bytes)?))?;
    }
    Ok(())
}

/// The weights that are asked for; `none` for none.
pub(super) fn weights(path: Option<&Path>, decode: DecodeArg) -> Result<Weights, Failure> {
    match (path, decode) {
        (None, DecodeArg::Light) => Ok(Weights::Bundled),
        (Some(path), _) if path == Path::new("none") => Ok(Weights::None),
        (_, decode) => Ok(Weights::Of(Arc::new(foundation(path)?.with_decode(decode.into())))),
    }
}

/// Does some work that tells its progress, with bars where somebody is looking.
pub(super) fn show_progress<T>(quiet: bool, work: impl FnOnce(&mut dyn Progress) -> T) -> T {
    if quiet || !io::stderr().is_terminal() {
        return work(&mut Silent);
    }
    let mut bar = Bar { bar: None };
    let result = work(&mut bar);
    bar.clear();
    result
}

/// Writes a report to a file, or to standard output.
pub(super) fn write_text(path: Option<&Path>, text: &str) -> Result<(), Failure> {
    write_output(path, |to| Ok(to.write_all(text.as_bytes())?))
}

/// One file a chain: `fit_1.csv`, `fit_2.csv`, ... for `fit.csv`, as CmdStan names them; the name itself for one chain.
fn write_stan_csv(path: &Path, draws: &Draws<'_>) -> Result<(), Failure> {
    for chain in 0..draws.chains.len() {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let own = if draws.chains.len() == 1 {
            path.to_path_buf()
        } else {
            path.with_file_name(format!("{stem}_{}.csv", chain + 1))
        };
        write_file(&own, |to| Ok(to.write_all(stan_csv(draws, chain).as_bytes())?))?;
    }
    Ok(())
}

/// The observations that the data name as a whole.
fn observed(model: &Model, data: &Data) -> Result<Vec<Observed>, Failure> {
    let conditions = model.target(data)?.conditions;
    let is_observed = |v: &VariableInfo| match v.kind {
        VariableKind::Random(Role::Observe) | VariableKind::Condition => true,
        VariableKind::Random(Role::Given | Role::Sample)
        | VariableKind::Parameter
        | VariableKind::Deterministic
        | VariableKind::Submodel(_) => false,
    };
    let value = |v: VariableInfo| match conditions.get(&v.name) {
        Some(Supplied::Value(value)) => Some(Observed { name: v.name.to_string(), value: value.clone() }),
        Some(Supplied::Partial { .. } | Supplied::Masked) | None => None,
    };
    Ok(model.variables().into_iter().filter(is_observed).filter_map(value).collect())
}

/// A bar for each stage.
struct Bar {
    bar: Option<ProgressBar>,
}

impl Bar {
    fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

impl Progress for Bar {
    fn start(&mut self, stage: &str, total: u64) {
        self.clear();
        let bar = if total == 0 { ProgressBar::new_spinner() } else { ProgressBar::new(total) };
        let template =
            if total == 0 { "{prefix} {spinner} {pos}" } else { "{prefix} {bar:30} {pos}/{len} {eta} left  {msg}" };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_prefix(stage.to_owned());
        bar.enable_steady_tick(Duration::from_millis(200));
        self.bar = Some(bar);
    }

    fn advance(&mut self, steps: u64) {
        if let Some(bar) = &self.bar {
            bar.inc(steps);
        }
    }

    fn remark(&mut self, remark: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(remark.to_owned());
        }
    }
}
