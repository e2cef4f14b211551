//! The folder of results: pieces that were measured, weights that were trained, and the programs.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Parser as _;
use serde_json::{Value, json};

use super::scale::{Form, Sizes};
use super::{ReproduceArgs, of_database};
use crate::api::{Data, Error, Model};
use crate::cli::console::{Failure, make_folder, plain, read, write_file};
use crate::cli::evaluate::foundation;
use crate::cli::train::train;
use crate::cli::{Cli, Command};
use crate::diagnostic::Diagnostic;
use crate::foundation::{DIVERGED, Foundation};
use crate::infer::Target;
use crate::network::Device;

macro_rules! programs {
    ($($name:literal),*) => { &[$(($name, include_str!(concat!("../../../examples/", $name, ".ppl")))),*] };
}

/// The programs of the paper.
const PROGRAMS: &[(&str, &str)] = programs![
    "latent",
    "clustering",
    "hierarchical",
    "multilevel",
    "milky_way",
    "rosenbrock",
    "independent_gaussians",
    "conditional_independence",
    "conditional_independence_p",
    "common_effect",
    "rasch"
];

/// What is trained together, and its name.
#[derive(Clone, Copy)]
pub(super) struct Group {
    pub name: &'static str,
    pub programs: &'static [&'static str],
    /// Inputs without a prior, as JSON.
    pub inputs: Option<&'static str>,
}

impl Group {
    /// One of its programs.
    pub fn only(self, program: &'static str) -> Self {
        let index = self.programs.iter().position(|p| *p == program).unwrap_or(0);
        Self { name: program, programs: &self.programs[index..=index], ..self }
    }
}

/// A run of experiments.
pub(super) struct Study<'a> {
    pub arguments: &'a ReproduceArgs,
    pub sizes: Sizes,
}

/// What weights learn, and how.
pub(super) struct Course {
    /// For files.
    pub name: String,
    /// Programs: FILE or FILE=DATA.
    pub files: Vec<String>,
    /// The same for people.
    pub shown: String,
    /// Options of `unmask train` from the start, and those that are needed to go on as well.
    pub options: Vec<String>,
    pub always: Vec<String>,
    pub seed: u64,
}

/// Weights, and how they were trained.
pub(super) struct Trained {
    pub foundation: Arc<Foundation>,
    pub training: Value,
}

fn has_diverged(error: &Error) -> bool {
    error.diagnostics().iter().any(|d| d.code == DIVERGED)
}

/// What training writes beside its weights.
fn beside(weights: &Path, what: &str) -> PathBuf {
    PathBuf::from(format!("{}.{what}", weights.display()))
}

fn write_text(path: &Path, text: &str) -> Result<(), Failure> {
    write_file(path, |to| Ok(to.write_all(text.as_bytes())?))
}

impl<'a> Study<'a> {
    /// Opens the folder, which must be of the same settings, or new.
    ///
    /// # Errors
    /// Where it is of others, or cannot be written.
    pub fn open(arguments: &'a ReproduceArgs) -> Result<Self, Failure> {
        let study = Self { arguments, sizes: arguments.scale.sizes() };
        let path = arguments.output.join("settings.json");
        let init: Vec<String> = arguments.init.iter().map(|p| p.display().to_string()).collect();
        let settings = json!({
            "version": env!("CARGO_PKG_VERSION"), "scale": arguments.scale.name(), "seed": arguments.seed, "init": init,
        });
        let found = match path.exists() {
            true => serde_json::from_str(&read(&path)?).unwrap_or(Value::Null),
            false => settings.clone(),
        };
        if found != settings {
            let folder = arguments.output.display();
            let message = if found.is_null() {
                format!("`{folder}` has a `settings.json` that cannot be read")
            } else {
                format!("`{folder}` holds results of other settings: {found}")
            };
            let help = "name another folder with `-o`, or the same scale, seed and initial weights";
            let diagnostic = Diagnostic::error("E0908", message).help(help);
            return Err(Failure::Told(Error::without_source(diagnostic)));
        }
        for folder in ["pieces", "weights", "programs"] {
            make_folder(&arguments.output.join(folder))?;
        }
        write_text(&path, &crate::cli::json::text(&settings))?;
        Ok(study)
    }

    /// The command that gives an experiment, wherever it is written.
    pub fn command(&self, name: &str) -> String {
        let ReproduceArgs { scale, seed, init, .. } = self.arguments;
        let init: String = init.iter().map(|folder| format!(" --init {}", folder.display())).collect();
        let posteriors = if of_database(name) {
            self.arguments.posteriors.iter().map(|p| format!(" {p}")).chain([" --db DIR".into()]).collect()
        } else {
            String::new()
        };
        format!("unmask reproduce {name}{posteriors} --scale {} --seed {seed}{init}", scale.name())
    }

    /// What was measured before under this name, or is now.
    ///
    /// # Errors
    /// Those of `make`, and where it cannot be written.
    pub fn piece(&self, name: &str, make: impl FnOnce() -> Result<Value, Failure>) -> Result<Value, Failure> {
        let path = self.arguments.output.join("pieces").join(format!("{name}.json"));
        if let Some(found) = fs::read_to_string(&path).ok().and_then(|text| serde_json::from_str(&text).ok()) {
            return Ok(found);
        }
        self.say(&format!("  {name}"));
        // Read back, so that a piece is the same whether it was made now or before.
        let text = crate::cli::json::text(&make()?);
        write_text(&path, &text)?;
        serde_json::from_str(&text).map_err(|e| plain("E0901", format!("cannot read `{}`: {e}", path.display())))
    }

    /// A file of the folder of programs.
    pub fn text(&self, name: &str, text: &str) -> Result<PathBuf, Failure> {
        let path = self.arguments.output.join("programs").join(name);
        if !path.exists() {
            write_text(&path, text)?;
        }
        Ok(path)
    }

    /// The file of a program of the paper.
    fn program(&self, name: &str) -> Result<PathBuf, Failure> {
        let source = PROGRAMS.iter().find(|(own, _)| *own == name).map_or("", |(_, source)| *source);
        self.text(&format!("{name}.ppl"), source)
    }

    /// A program with the inputs of its group.
    ///
    /// # Errors
    /// Where its file cannot be written or read.
    pub fn target(&self, name: &str, inputs: Option<&str>) -> Result<(Model, Target), Failure> {
        let model = Model::from_file(self.program(name)?)?;
        let data = inputs.map_or_else(Data::new, |text| Data::new().with_json("inputs", text));
        let target = model.target(&data)?;
        Ok((model, target))
    }

    /// Weights that learned the programs of a group, trained now unless they were before.
    ///
    /// # Errors
    /// Where training fails before it has weights.
    pub fn trained(&self, form: &Form, group: Group, seed: u64, more: &[&str]) -> Result<Trained, Failure> {
        let mut files = Vec::new();
        for name in group.programs {
            let file = self.program(name)?.display().to_string();
            files.push(match group.inputs {
                None => file,
                Some(inputs) => format!("{file}={}", self.text(&format!("{}.json", group.name), inputs)?.display()),
            });
        }
        let mut options = form.options(self.arguments.scale);
        options.extend(more.iter().map(|word| (*word).to_owned()));
        self.learned(&Course {
            name: format!("{}-{}-{seed}", group.name, form.key()),
            files,
            shown: format!("{}.ppl", group.programs.join(".ppl ")),
            options,
            always: Vec::new(),
            seed,
        })
    }

    /// Weights that were trained in this way, now unless they were before.
    ///
    /// # Errors
    /// Where training fails before it has weights.
    pub fn learned(&self, course: &Course) -> Result<Trained, Failure> {
        let name = &course.name;
        let weights = self.arguments.output.join("weights").join(format!("{name}.safetensors"));
        let training = self.piece(&format!("train-{name}"), || self.train(course, &weights))?;
        // Only now: until what was measured is written, an interrupted run goes on from it.
        let checkpoint = beside(&weights, "checkpoint");
        if checkpoint.exists() {
            fs::remove_file(&checkpoint)?;
        }
        Ok(Trained { foundation: Arc::new(foundation(Some(&weights))?), training })
    }

    fn train(&self, course: &Course, weights: &Path) -> Result<Value, Failure> {
        let checkpoint = beside(weights, "checkpoint");
        let device =
            Device::ALL.iter().find(|(_, own, _)| *own == self.arguments.device).map_or("cpu", |(name, ..)| name);
        let mut options = course.options.clone();
        options.extend(course.always.iter().cloned());
        options.extend(["--seed".to_owned(), course.seed.to_string()]);
        let shown = format!("unmask train {} {}", course.shown, options.join(" "));
        let mut words = vec!["unmask".to_owned(), "train".to_owned()];
        words.extend(course.files.iter().cloned());
        words.extend(["-q".to_owned(), "--device".to_owned(), device.to_owned()]);
        words.extend(["-o".to_owned(), weights.display().to_string()]);
        if checkpoint.exists() {
            words.push("--resume".to_owned());
            words.extend(course.always.iter().cloned());
        } else {
            words.extend(options);
        }
        let parsed = Cli::try_parse_from(&words).map_err(|e| plain("E0734", e.to_string()))?;
        let Command::Train(arguments) = parsed.command else {
            return Err(plain("E0734", "the options of training are not understood"));
        };
        let stopped = match train(&arguments) {
            Ok(_) => None,
            // What diverges has the best weights up to there.
            Err(Failure::Told(error)) if weights.exists() && has_diverged(&error) => {
                error.diagnostics().first().map(|d| d.message.clone())
            }
            Err(failure) => return Err(failure),
        };
        let lines = read(&beside(weights, "metrics.jsonl"))?;
        let lines: Vec<Value> = lines.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let numbers = |key: &str| -> Vec<f64> { lines.iter().filter_map(|line| line.get(key)?.as_f64()).collect() };
        let steps = lines.iter().filter_map(|line| line.get("step")?.as_u64()).max();
        let held_out: Vec<&Value> = lines.iter().filter_map(|line| line.get("held_out")).collect();
        let best = |key: &str| held_out.iter().filter_map(|h| h.get(key)?.as_f64()).fold(f64::INFINITY, f64::min);
        let refused = lines.iter().filter(|line| line.get("taken").and_then(Value::as_bool) == Some(false)).count();
        let losses = numbers("head");
        let last = losses.split_at(losses.len() / 2).1;
        let mean = last.iter().sum::<f64>() / last.len().max(1) as f64;
        let spread = (last.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / last.len().max(1) as f64).sqrt();
        Ok(json!({
            "command": shown, "steps": steps, "stopped": stopped, "held_out": best("head"),
            "held_out_anchors": best("anchors"), "steps_not_taken": refused, "loss_sd_of_last_half": spread,
        }))
    }
}
