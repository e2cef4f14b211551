//! Plated item response (A.8): an ability from minibatches of answers, by the network alone, by products of experts, and by
//! fine-tuning; beside the exact posterior by quadrature.

use std::sync::Arc;

use rayon::prelude::*;
use serde_json::{Value, json};

use super::paper::TABLE5;
use super::scale::{Form, Scale};
use super::study::{Group, Study};
use super::toy::{failed, mean_with_error, shown, with_error};
use super::{Findings, Table};
use crate::api::{Data, Minibatch, MinibatchOptions, Model};
use crate::cli::console::Failure;
use crate::foundation::{
    Case, EvaluateOptions, Foundation, Judged, Minibatches, Truth, TuneOptions, cases_of, evaluate,
};
use crate::infer::{InferOptions, Method, Silent, Weights};
use crate::network::Device;
use crate::plot::{Figure, Lines, Series};
use crate::trace::Mask;
use crate::value;

const PROGRAM: &str = "rasch";
const QUESTIONS: usize = 30;
const SIZES: [(usize, &str, &str); 3] =
    [(1, "irt-k1", "{\"n\": 1}"), (2, "irt-k2", "{\"n\": 2}"), (5, "irt-k5", "{\"n\": 5}")];
const ALL: &str = "{\"n\": 30}";

/// Seeds of test programs: apart from those of training.
const TESTS: u64 = 0x6974_656d_2072_6573;

/// How much is done at a scale.
struct Effort {
    tests: usize,
    experts: usize,
    tune: TuneOptions,
    batch: usize,
}

fn effort(scale: Scale) -> Effort {
    let tune = |steps, draws, rate, layers| TuneOptions { steps, draws, rate, layers, seed: 1 };
    match scale {
        Scale::Smoke => Effort { tests: 2, experts: 2, tune: tune(2, 4, 2e-3, 1), batch: 2 },
        Scale::Laptop => Effort { tests: 20, experts: 10, tune: tune(600, 32, 4e-3, 6), batch: 4 },
        Scale::Paper => Effort { tests: 100, experts: 10, tune: tune(1_000, 64, 4e-3, 6), batch: 4 },
    }
}

/// A student: the ability, and the answers.
struct Student {
    ability: f64,
    truth: Truth,
}

fn students(study: &Study<'_>, n: usize) -> Result<(Model, Vec<Student>), Failure> {
    let (model, target) = study.target(PROGRAM, Some(ALL))?;
    let cases = cases_of(&target, Mask::Role, None, n, study.arguments.seed ^ TESTS).map_err(|e| failed(PROGRAM, e))?;
    let student = |case: Case| {
        let ability = case.truth.iter().find(|((name, _), _)| &**name == "ability");
        let ability = ability.and_then(|(_, value)| value.as_f64()).unwrap_or(f64::NAN);
        Student { ability, truth: case.truth }
    };
    Ok((model, cases.into_iter().map(student).collect()))
}

impl Student {
    /// Answers to the questions of a minibatch.
    fn answers(&self, chosen: &[i64]) -> Vec<bool> {
        let answer = |j: &i64| {
            let found = self.truth.iter().find(|((name, at), _)| &**name == "response" && at[..] == [*j]);
            found.and_then(|(_, value)| value.as_int()) == Some(1)
        };
        chosen.iter().map(answer).collect()
    }

    /// The answers as data for the program.
    fn data(&self) -> Data {
        let all: Vec<i64> = (0..QUESTIONS as i64).collect();
        let answers: Vec<i64> = self.answers(&all).into_iter().map(i64::from).collect();
        Data::new().with("n", QUESTIONS as i64).with("response", answers)
    }

    /// A minibatch as a case: the true values, renumbered as the minibatch is.
    fn case(&self, minibatch: &Minibatch) -> Result<Case, Failure> {
        let mut truth = Vec::new();
        for ((name, at), value) in &self.truth {
            match at[..] {
                [] => truth.push(((name.clone(), Vec::new()), value.clone())),
                [j] => {
                    if let Some(new) = minibatch.chosen.iter().position(|c| *c == j) {
                        truth.push(((name.clone(), vec![new as i64]), value.clone()));
                    }
                }
                _ => {}
            }
        }
        Ok(Case { target: minibatch.model.target(&Data::new())?, truth, log_posterior: Some(f64::NAN) })
    }

    /// ln of the exact posterior density of the ability given some answers, difficulties integrated out.
    fn exact(&self, chosen: &[i64]) -> f64 {
        let answers = self.answers(chosen);
        let log_joint = |ability: f64| {
            let right = chance(ability);
            let terms = answers.iter().map(|a| if *a { right.ln() } else { (1.0 - right).ln() });
            -0.5 * ability * ability + terms.sum::<f64>()
        };
        let logs: Vec<f64> = (0..=2 * GRID).map(|i| log_joint(place(i))).collect();
        let largest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = logs.iter().map(|l| (l - largest).exp()).sum();
        log_joint(self.ability) - largest - (sum * (RANGE / GRID as f64)).ln()
    }
}

/// The grid of quadrature: the trapezium rule, which is exact to rounding for such smooth functions that vanish at the ends.
const GRID: usize = 400;
const RANGE: f64 = 8.0;

fn place(i: usize) -> f64 {
    RANGE * (i as f64 / GRID as f64 - 1.0)
}

/// The probability of a right answer, the difficulty integrated out.
fn chance(ability: f64) -> f64 {
    let term = |i: usize| {
        let difficulty = place(i);
        (-0.5 * difficulty * difficulty).exp() / (1.0 + (difficulty - ability).exp())
    };
    (0..=2 * GRID).map(term).sum::<f64>() * (RANGE / GRID as f64) / (2.0 * std::f64::consts::PI).sqrt()
}

/// ln q of the ability in a minibatch: that of what is decoded first, which is its marginal.
fn log_ability(weights: &Arc<Foundation>, case: &Case, seed: u64) -> Result<f64, Failure> {
    let options = EvaluateOptions { seed, judged: Judged::Densities, device: Device::Processor };
    let found = evaluate(weights, std::slice::from_ref(case), options).map_err(|e| failed(PROGRAM, e))?;
    match found.variables.first() {
        Some((name, log_density, _)) if name == "ability" => Ok(*log_density),
        Some(_) | None => Err(failed(PROGRAM, "the ability is not what is decoded first")),
    }
}

/// One student with minibatches of k answers.
fn one(
    weights: &Arc<Foundation>,
    model: &Model,
    student: &Student,
    (k, seed): (usize, u64),
    effort: &Effort,
) -> Result<Value, Failure> {
    let data = student.data();
    let plated = model.plated(&data)?;
    let first = plated.minibatch(k, seed, 0)?;
    let case = student.case(&first)?;
    let zero_shot = log_ability(weights, &case, seed)?;
    let infer = InferOptions {
        method: Method::named("foundation").map_err(|e| failed(PROGRAM, e))?,
        seed,
        weights: Weights::Of(weights.clone()),
        ..InferOptions::default()
    };
    let minibatches = MinibatchOptions { k, experts: effort.experts, corrected: true };
    let product = model.experts(&data, &infer, &minibatches, &mut Silent)?;
    let (z, log_jacobian) = product.coordinates(&[value::Value::Real(student.ability)]);
    let by = |corrected| product.normal(corrected).map(|normal| normal.log_density(&z) - log_jacobian);
    let mut make = |index: u64| plated.minibatch_target(k, seed, index);
    let mut minibatches = Minibatches {
        make: &mut make,
        scale: QUESTIONS as f64 / k as f64,
        is_local: &|name| plated.is_local(name),
        batch: effort.batch,
    };
    let options = TuneOptions { seed, ..effort.tune.clone() };
    let tuned =
        weights.tune_plated(&case.target, &mut minibatches, &options, |_| true).map_err(|e| failed(PROGRAM, e))?;
    let fine_tuned = log_ability(&Arc::new(tuned), &case, seed)?;
    Ok(json!({
        "zero_shot": zero_shot, "plain_product": by(false), "corrected_product": by(true), "fine_tuned": fine_tuned,
        "exact_of_minibatch": student.exact(&first.chosen),
    }))
}

const WAYS: [(&str, &str); 4] = [
    ("zero_shot", "zero-shot"),
    ("plain_product", "plain product"),
    ("corrected_product", "corrected product"),
    ("fine_tuned", "fine-tuned"),
];

/// All that was measured, and of each way and k: the mean over test programs, and its standard error over seeds.
struct Measured {
    results: Value,
    /// `[k][way]`
    means: Vec<Vec<(f64, Option<f64>)>>,
    /// The exact posterior given the k of the minibatch.
    exact_of: Vec<f64>,
    exact_all: f64,
    left_out: usize,
    /// Layers of the network.
    layers: usize,
}

fn measure(study: &Study<'_>) -> Result<Measured, Failure> {
    let effort = effort(study.arguments.scale);
    let (model, students) = students(study, effort.tests)?;
    let (form, more): (_, &[&str]) = match study.arguments.scale {
        Scale::Smoke | Scale::Laptop => (Form::Ours { anchors: "none" }, &[]),
        Scale::Paper => (Form::Paper { head: "gaussian", language: true }, &["--context", "512", "--clip", "5"]),
    };
    let all: Vec<i64> = (0..QUESTIONS as i64).collect();
    let exact: Vec<f64> = students.iter().map(|s| s.exact(&all)).collect();
    let (mut results, mut means, mut exact_of) = (serde_json::Map::new(), Vec::new(), Vec::new());
    let (mut left_out, mut layers) = (0, 0);
    for (k, name, inputs) in SIZES {
        let mut by_seed: Vec<Vec<f64>> = vec![Vec::new(); WAYS.len()];
        let mut of_minibatch = Vec::new();
        let mut found = Vec::new();
        for seed in (0..study.sizes.seeds).map(|i| study.arguments.seed.wrapping_add(i)) {
            let group = Group { name, programs: &[PROGRAM], inputs: Some(inputs) };
            let weights = study.trained(&form, group, seed, more)?.foundation;
            layers = weights.layers();
            let measured = |(i, student): (usize, &Student)| {
                study.piece(&format!("{name}-{seed}-student{i}"), || one(&weights, &model, student, (k, seed), &effort))
            };
            let rows: Vec<Value> = students.par_iter().enumerate().map(measured).collect::<Result<_, _>>()?;
            let column = |key: &str| -> Vec<f64> { rows.iter().filter_map(|r| r.get(key)?.as_f64()).collect() };
            for ((key, _), means) in WAYS.iter().zip(&mut by_seed) {
                let values = column(key);
                left_out += rows.len() - values.len();
                means.push(values.iter().sum::<f64>() / values.len() as f64);
            }
            of_minibatch.extend(column("exact_of_minibatch"));
            found.push(json!({ "seed": seed, "programs": rows }));
        }
        means.push(by_seed.iter().map(|values| mean_with_error(values)).collect());
        exact_of.push(mean_with_error(&of_minibatch).0);
        results.insert(name.to_owned(), json!(found));
    }
    let exact_all = mean_with_error(&exact).0;
    let of_student = |(student, exact): (&Student, &f64)| {
        let right = student.answers(&all).into_iter().filter(|right| *right).count();
        json!({ "ability": student.ability, "right": right, "exact": exact })
    };
    let of_students: Vec<Value> = students.iter().zip(&exact).map(of_student).collect();
    results.insert("students".to_owned(), json!(of_students));
    Ok(Measured { results: Value::Object(results), means, exact_of, exact_all, left_out, layers })
}

fn notes(study: &Study<'_>, measured: &Measured) -> Vec<String> {
    let effort = effort(study.arguments.scale);
    let mut notes = vec![
        format!(
            "ln q of the true ability, the mean over {} test programs of {QUESTIONS} answers{}. The exact posterior given all answers has {}; no way can exceed it but by chance. \
             Exact: quadrature, difficulties integrated out.",
            effort.tests,
            match study.sizes.seeds {
                0 | 1 => String::new(),
                seeds => format!("; ± is the standard error over {seeds} seeds of training and of minibatches"),
            },
            shown(measured.exact_all)
        ),
        format!(
            "Choices: the network has no anchors, and learns `rasch` with n = k, which is what a minibatch of k is. Experts are \
             the posteriors of {} minibatches by `foundation` (weighted draws), as normal distributions; the plain product is the \
             paper's, the corrected one counts the prior once, and its experts by n/(n_e k) where that is below 1. Fine-tuning: \
             {} steps of {} minibatches with {} draws each, rate {}, {} layers from the top with decoder and head; the appendix says \
             neither how many draws a minibatch has, nor how a gradient comes through them: it is the score-function estimator. \
             Its 5,000 steps of warm-up exceed its 1,000 steps; here there are five. It clips no gradient; here their norm is \
             clipped at 1, without which the estimator's rare large ones decide. In training half of the executions have \
             all that is sampled masked, half a random subset; in the tests the ability and the difficulties are masked, where the \
             appendix masks the ability alone.",
            effort.experts,
            effort.tune.steps,
            effort.batch,
            effort.tune.draws,
            effort.tune.rate,
            effort.tune.layers.min(measured.layers)
        ),
        "The plain product, which counts the prior once for each expert, is in table 5 alone, not in the picture."
            .to_owned(),
        format!(
            "The paper's figures (its table 5) are above zero, while the exact posterior given all answers has {}: they cannot be log \
             densities of the ability in its own units.",
            shown(measured.exact_all)
        ),
    ];
    if measured.left_out > 0 {
        notes.push(format!("{} of these numbers are not finite, and are left out of their means.", measured.left_out));
    }
    notes
}

fn cell((mean, error): (f64, Option<f64>)) -> String {
    with_error(mean, error.unwrap_or(f64::NAN))
}

pub(super) fn table5(study: &Study<'_>) -> Result<Findings, Failure> {
    let measured = measure(study)?;
    let mut rows = Vec::new();
    for (i, (k, ..)) in SIZES.iter().enumerate() {
        let mut row = vec![k.to_string(), shown(measured.exact_of[i])];
        row.extend(measured.means[i].iter().map(|mean| cell(*mean)));
        row.push(TABLE5[i].map(shown).join(", "));
        rows.push(row);
    }
    let mut head = vec!["k".to_owned(), "exact given k".to_owned()];
    head.extend(WAYS.iter().map(|(_, label)| (*label).to_owned()));
    head.push("paper: zero-shot, product, fine-tuned".to_owned());
    let table = Table { title: format!("ln q(ability), exact given all {}", shown(measured.exact_all)), head, rows };
    let (notes, figures) = (notes(study, &measured), vec![figure(&measured)]);
    Ok(Findings { results: measured.results, tables: vec![table], figures, notes })
}

pub(super) fn figure9(study: &Study<'_>) -> Result<Findings, Failure> {
    let measured = measure(study)?;
    let (notes, figures) = (notes(study, &measured), vec![figure(&measured)]);
    Ok(Findings { results: measured.results, tables: Vec::new(), figures, notes })
}

fn figure(measured: &Measured) -> (String, Figure) {
    let mut series: Vec<Series> = WAYS
        .iter()
        .enumerate()
        .filter(|(_, (key, _))| *key != "plain_product")
        .map(|(way, (_, label))| Series {
            name: (*label).to_owned(),
            points: SIZES
                .iter()
                .zip(&measured.means)
                .map(|((k, ..), means)| (*k as f64, means[way].0, means[way].1.unwrap_or(0.0)))
                .collect(),
            joined: true,
        })
        .collect();
    let flat = |value: f64| SIZES.iter().map(|(k, ..)| (*k as f64, value, 0.0)).collect();
    series.push(Series { name: "exact, all answers".to_owned(), points: flat(measured.exact_all), joined: true });
    let exact = SIZES.iter().zip(&measured.exact_of).map(|((k, ..), exact)| (*k as f64, *exact, 0.0)).collect();
    series.push(Series { name: "exact, k answers".to_owned(), points: exact, joined: true });
    let lines = Lines {
        title: "Ability from minibatches of k answers".to_owned(),
        x: "k".to_owned(),
        y: "ln q(ability)".to_owned(),
        categories: Vec::new(),
        series,
    };
    ("abilities".to_owned(), Figure::Lines(lines))
}
