//! The paper's experiment on posteriordb (A.9): pretraining on the training posteriors by minibatches, zero-shot answers on the test
//! posteriors, and fine-tuning on each of these.

use std::time::Instant;

use serde_json::{Value, json};

use super::cost::{self, Curve};
use super::draws::{DrawnBy, FoundationDraws};
use super::posteriordb::{Input, chosen, inputs_of};
use super::scale::{Form, Scale};
use super::study::{Course, Study};
use super::toy::{failed, shown};
use super::{Findings, Table};
use crate::api::posteriordb::{Posterior, Split, posteriors};
use crate::cli::console::Failure;
use crate::cli::train::{Program, lesson};
use crate::foundation::{
    AnchorKind, Foundation, FoundationError, Minibatches, Shape, TuneOptions, TuneReport, tokens_of, try_examples,
};
use crate::infer::Query;

/// The experiment's name.
pub(super) const NAME: &str = "pretrained";

/// Observations of a minibatch, and tokens that the network reads (A.9).
const MINIBATCH: usize = 5;
const CONTEXT: usize = 512;

/// Examples of a program that must be there before it is learned.
const TRIED: u64 = 64;

/// Draws that are judged.
const DRAWS: usize = 1_000;

/// How long pretraining is, and after how many steps of fine-tuning its weights are judged.
struct Effort {
    train: &'static [&'static str],
    steps: &'static [u64],
    draws: usize,
}

fn effort(scale: Scale) -> Effort {
    match scale {
        Scale::Smoke => Effort {
            train: &[
                "--width",
                "16",
                "--layers",
                "1",
                "--steps",
                "3",
                "--warmup",
                "1",
                "--heldout",
                "4",
                "--batch",
                "4",
            ],
            steps: &[1, 2],
            draws: 4,
        },
        Scale::Laptop => Effort {
            train: &["--steps", "3000", "--warmup", "300", "--heldout", "256", "--batch", "4"],
            steps: &[10, 100, 1_000],
            draws: 32,
        },
        Scale::Paper => Effort {
            train: &["--preset", "paper", "--examples", "380000", "--epochs", "50", "--batch", "4"],
            steps: &[10, 100, 1_000],
            draws: 64,
        },
    }
}

/// Weights that are compared: their names for files and for people, anchors, and whether the families of the test posteriors are
/// learned too.
struct Way {
    key: &'static str,
    label: &'static str,
    anchors: &'static str,
    families: bool,
}

const PRETRAINED: Way = Way { key: "posteriordb", label: "pretrained", anchors: "laplace", families: true };
const OTHER_FAMILIES: Way = Way {
    key: "posteriordb-other-families",
    label: "pretrained, without families of the test posteriors",
    anchors: "laplace",
    families: false,
};
const WITHOUT_ANCHORS: Way =
    Way { key: "posteriordb", label: "pretrained, without anchors", anchors: "none", families: true };

/// What is learned, and what of it cannot be.
struct Lessons<'i> {
    inputs: Vec<&'i Input>,
    /// Of names of what was learned from them: nothing where that is all that there is.
    suffix: String,
    left_out: Vec<String>,
}

/// A network that learned nothing.
fn untrained() -> Result<Foundation, Failure> {
    let wrong = |e: FoundationError| failed(NAME, e);
    let bundled = Foundation::bundled().map_err(wrong)?;
    let shape = Shape::Compact { width: 16, layers: 1, context: CONTEXT };
    Foundation::untrained(bundled.encoding().clone(), AnchorKind::Laplace, shape, 0).map_err(wrong)
}

impl<'i> Lessons<'i> {
    fn of(inputs: &'i [Input], suffix: String, seed: u64) -> Result<Self, Failure> {
        let untrained = untrained()?;
        let mut lessons = Self { inputs: Vec::new(), suffix, left_out: Vec::new() };
        for input in inputs.iter().filter(|input| input.posterior.split == Split::Train) {
            let (model, data) = (input.posterior.model()?, input.data.clone());
            let target = model.target(&data)?;
            let tried = tokens_of(&target, untrained.encoding()).and_then(|length| {
                let wanted = (length > CONTEXT).then_some((MINIBATCH, &untrained));
                try_examples(lesson(Program { model, data, target }, wanted).0, &untrained, TRIED, seed)
            });
            match tried {
                Ok(()) => lessons.inputs.push(input),
                Err(error) => lessons.left_out.push(format!("`{}`: {error}", input.posterior.name)),
            }
        }
        Ok(lessons)
    }

    /// What weights learn: without the families of test posteriors, of those that are named or not, where that is the way.
    fn of_way(&self, way: &Way, tested: &[&Input]) -> Vec<&'i Input> {
        let of_all = posteriors().iter().filter(|p| p.split == Split::Test);
        let tests: Vec<&Posterior> = of_all.chain(tested.iter().map(|t| t.posterior)).collect();
        let of_test = |input: &Input| tests.iter().any(|t| t.family == input.posterior.family);
        self.inputs.iter().copied().filter(|input| way.families || !of_test(input)).collect()
    }

    /// Weights that learned them, trained now unless they were before.
    fn learned(&self, study: &Study<'_>, way: &Way, tested: &[&Input]) -> Result<(Foundation, Value), Failure> {
        let own = self.of_way(way, tested);
        if own.is_empty() {
            return Err(failed(NAME, "there is no training posterior to learn from"));
        }
        let form = Form::Ours { anchors: way.anchors };
        let scale = study.arguments.scale;
        let words = |words: &[&str]| -> Vec<String> { words.iter().map(|w| (*w).to_owned()).collect() };
        let mut options = words(effort(scale).train);
        options.extend(words(&["--context", &CONTEXT.to_string(), "--alpha", "0.001", "--clip", "1"]));
        options.extend(words(&["--anchors", way.anchors]));
        let seed = study.arguments.seed;
        let mut files = Vec::with_capacity(own.len());
        for input in &own {
            let program = study.text(&format!("{}.ppl", input.posterior.program), input.posterior.source())?;
            let data = study.text(&format!("{}.json", input.posterior.data), &input.json)?;
            files.push(format!("{}={}", program.display(), data.display()));
        }
        let course = Course {
            name: format!("{}-{}-{seed}{}", way.key, form.key(), self.suffix),
            shown: own
                .iter()
                .map(|i| format!("{}.ppl={}.json", i.posterior.program, i.posterior.data))
                .collect::<Vec<_>>()
                .join(" "),
            files,
            options,
            always: words(&["--plate-k", &MINIBATCH.to_string()]),
            seed,
        };
        let trained = study.learned(&course)?;
        let foundation = std::sync::Arc::into_inner(trained.foundation);
        Ok((foundation.ok_or_else(|| failed(NAME, "the weights are in use"))?, trained.training))
    }
}

/// Which objective is fine-tuned.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Objective {
    /// Minibatches, each scaled to the whole.
    Minibatches,
    /// All of the data in each step.
    Whole,
}

/// What weights say that were fine-tuned for so many steps; the reason where they say nothing.
fn fine_tuned(input: &Input, weights: &Foundation, how: (Objective, u64, usize), seed: u64) -> Result<Value, Failure> {
    match tuned(input, weights, how, seed) {
        Err(Failure::Told(error)) => Ok(json!({ "failed": error.diagnostics().first().map(|d| d.message.clone()) })),
        found => found,
    }
}

fn tuned(
    input: &Input,
    weights: &Foundation,
    (objective, steps, draws): (Objective, u64, usize),
    seed: u64,
) -> Result<Value, Failure> {
    let wrong = |e: &dyn std::fmt::Display| failed(&input.posterior.name, e);
    let begun = Instant::now();
    let model = input.posterior.model()?;
    let target = model.target(&input.data)?;
    let options = TuneOptions { steps, draws, seed, ..TuneOptions::default() };
    let mut bounds = Vec::new();
    let more = |report: &TuneReport| {
        bounds.push(report.bound);
        true
    };
    let tuned = match objective {
        Objective::Minibatches => {
            let plated = model.plated(&input.data)?;
            let mut make = |index: u64| plated.minibatch_target(MINIBATCH, seed, index);
            let mut minibatches = Minibatches {
                make: &mut make,
                scale: plated.len() as f64 / MINIBATCH as f64,
                is_local: &|name| plated.is_local(name),
                batch: 4,
            };
            weights.tune_plated(&target, &mut minibatches, &options, more)
        }
        Objective::Whole => {
            let query = Query::for_anchors::<FoundationError>(target.borrow(), seed).map_err(|e| wrong(&e))?;
            weights.tune(&query, &options, more)
        }
    };
    let tuned = tuned.map_err(|e| wrong(&e))?;
    let seconds = begun.elapsed().as_secs_f64();
    let mut found = judged(input, &tuned, seed)?;
    let drawn = found["seconds"].as_f64().unwrap_or(f64::NAN);
    found["seconds"] = json!(seconds + drawn);
    found["bound"] = json!(bounds.last());
    Ok(found)
}

/// What weights say of a posterior; the reason where they say nothing.
fn judged(input: &Input, weights: &Foundation, seed: u64) -> Result<Value, Failure> {
    match FoundationDraws::of(input, weights, DRAWS, (DrawnBy::Network, seed)) {
        Ok(drawn) => drawn.judged(input, seed),
        Err(Failure::Told(error)) => Ok(json!({ "failed": error.diagnostics().first().map(|d| d.message.clone()) })),
        Err(failure) => Err(failure),
    }
}

/// What was found as a point of a picture: the errors of draws as they come.
fn point(found: &Value) -> Option<Value> {
    let mut point = found["plain"].clone();
    point.is_object().then(|| point["seconds"] = found["seconds"].clone())?;
    Some(point)
}

/// A line of a table: what it is, and what was found.
type Row = (String, Value);

/// All that is measured of one posterior, and the lines of its picture.
fn measured(
    study: &Study<'_>,
    input: &Input,
    (ways, suffix): (&[(&Way, &Foundation)], &str),
) -> Result<(Vec<Row>, Vec<Curve>), Failure> {
    let seed = study.arguments.seed;
    let Effort { steps, draws, .. } = effort(study.arguments.scale);
    let name = &input.posterior.name;
    let piece = |key: String, make: &dyn Fn() -> Result<Value, Failure>| {
        study.piece(&format!("{NAME}-{name}-{key}{suffix}"), make)
    };
    let bundled = Foundation::bundled().map_err(|e| failed(NAME, e))?;
    let untrained = untrained()?;
    let mut rows = vec![
        ("anchors alone".to_owned(), piece("anchors".into(), &|| judged(input, &untrained, seed))?),
        ("weights that are built in".to_owned(), piece("bundled".into(), &|| judged(input, &bundled, seed))?),
    ];
    let mut curves = Vec::new();
    for (way, weights) in ways {
        let key = format!("{}-{}", way.key, way.anchors);
        let found = piece(format!("zero-shot-{key}"), &|| judged(input, weights, seed))?;
        rows.push((format!("{}: zero-shot", way.label), found));
    }
    let tuned = [
        (&PRETRAINED, Objective::Minibatches, "minibatches", "fine-tuned on minibatches"),
        (&PRETRAINED, Objective::Whole, "whole", "fine-tuned on all data"),
        (&WITHOUT_ANCHORS, Objective::Minibatches, "minibatches", "the same without anchors"),
    ];
    for (way, objective, of, label) in tuned {
        let Some((_, weights)) = ways.iter().find(|(own, _)| (own.key, own.anchors) == (way.key, way.anchors)) else {
            continue;
        };
        // No steps are zero-shot.
        let start = format!("{}: zero-shot", way.label);
        let start = rows.iter().find(|(own, _)| *own == start).and_then(|(_, found)| point(found));
        let mut points: Vec<(String, Value)> = start.into_iter().map(|at| ("0".to_owned(), at)).collect();
        for steps in steps {
            let key = format!("tuned-{}-{}-{of}-{steps}", way.key, way.anchors);
            let found = piece(key, &|| fine_tuned(input, weights, (objective, *steps, draws), seed))?;
            points.extend(point(&found).map(|at| (steps.to_string(), at)));
            rows.push((format!("{}: fine-tuned on {of}, {steps} steps", way.label), found));
        }
        curves.push(Curve { name: label, points });
    }
    Ok((rows, curves))
}

pub(super) fn pretrained(study: &Study<'_>) -> Result<Findings, Failure> {
    let named = &study.arguments.posteriors;
    let mut chosen = chosen(named)?;
    // Where only what is tested on is named, all else is learned.
    let all = chosen.iter().all(|posterior| posterior.split == Split::Test) || named.is_empty();
    if all {
        chosen = posteriors().iter().filter(|p| p.split == Split::Train || chosen.contains(p)).collect();
    }
    let names: Vec<&str> = chosen.iter().map(|p| p.name.as_str()).collect();
    let suffix = if all { String::new() } else { format!("-of-{:08x}", crc32fast::hash(names.join(" ").as_bytes())) };
    let inputs = inputs_of(study, chosen)?;
    let lessons = Lessons::of(&inputs, suffix, study.arguments.seed)?;
    let mut tested: Vec<&Input> = inputs.iter().filter(|input| input.posterior.split == Split::Test).collect();
    if tested.is_empty() {
        tested.clone_from(&lessons.inputs);
    }
    let mut ways = Vec::new();
    let mut training = serde_json::Map::new();
    for way in [&PRETRAINED, &OTHER_FAMILIES, &WITHOUT_ANCHORS] {
        // Of a few posteriors there may be none of other families.
        if way.families || !lessons.of_way(way, &tested).is_empty() {
            let (weights, how) = lessons.learned(study, way, &tested)?;
            training.insert(way.label.to_owned(), how);
            ways.push((way, weights));
        }
    }
    let ways: Vec<(&Way, &Foundation)> = ways.iter().map(|(way, weights)| (*way, weights)).collect();
    let (mut tables, mut figures, mut results) = (Vec::new(), Vec::new(), serde_json::Map::new());
    for input in &tested {
        let name = &input.posterior.name;
        let (rows, mut curves) = measured(study, input, (&ways, &lessons.suffix))?;
        curves.extend(cost::curves(study, input)?);
        figures.push((name.clone(), cost::figure(name, &curves)));
        tables.push(table(name, &rows));
        results.insert(name.clone(), Value::Object(rows.into_iter().collect()));
    }
    let mut notes = vec![
        format!(
            "`pretrained`: on {} training posteriors, by executions of their programs with the data's covariates; of programs that are longer \
             than {CONTEXT} tokens, minibatches of {MINIBATCH} observations, which the network and the anchors see alone. `without families \
             of the test posteriors`: on those of other families. `without anchors`: components are placed as the network says alone.",
            lessons.inputs.len()
        ),
        format!(
            "All then answer on all data: anchors see all, the network what fits into {CONTEXT} tokens. `zero-shot`: {DRAWS} draws as they \
             come (the first three columns of errors) and weighted by the program's density (the next two). `anchors alone`: a network that \
             learned nothing. Draws of density zero are left out of the first three. Errors as in `cost`: root mean squares over scalars of means in reference standard deviations, of standard \
             deviations relative; W₁ in standard deviations."
        ),
        format!(
            "`fine-tuned on minibatches`: the evidence lower bound of four minibatches of {MINIBATCH} observations a step, scaled to all \
             (A.8, A.9); `on whole`: of all data, with the forward divergence beside it (`unmask finetune`). Each number of steps is a run of its own, its rate falling to zero; in the pictures the first point of each line has none. Seconds are \
             wall-clock, from text to draws, fine-tuning and all."
        ),
    ];
    if tested.iter().all(|input| input.posterior.split == Split::Train) {
        notes.push(
            "No test posterior was named: these were learned from, so that no answer here is zero-shot.".to_owned(),
        );
    }
    notes.extend(lessons.left_out.iter().map(|reason| format!("Not learned: {reason}.")));
    Ok(Findings { results: json!({ "training": training, "posteriors": results }), tables, figures, notes })
}

fn table(name: &str, rows: &[Row]) -> Table {
    let head = [
        "weights",
        "seconds",
        "error of means, sd",
        "relative error of sds",
        "W₁ of draws, sd",
        "weighted: means, sd",
        "weighted: sds",
        "effective draws of 1,000",
        "k̂",
    ];
    let cells = |(label, found): &Row| {
        let number = |path: &[&str]| {
            let at = path.iter().try_fold(found, |at, key| at.get(*key)).and_then(Value::as_f64);
            at.map_or_else(|| "–".to_owned(), shown)
        };
        let mut cells = vec![label.clone(), number(&["seconds"])];
        cells.extend(["mean", "sd", "distance"].map(|key| number(&["plain", key])));
        cells.extend(["mean", "sd"].map(|key| number(&["weighted", key])));
        cells.extend([number(&["ess"]), number(&["k_hat"])]);
        cells
    };
    Table { title: format!("`{name}`"), head: head.map(str::to_owned).to_vec(), rows: rows.iter().map(cells).collect() }
}
