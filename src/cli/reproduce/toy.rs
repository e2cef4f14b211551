//! The toy programs: table 4, table 3, figure 8, scientific notation, and what anchors are worth.

use serde_json::{Map, Value, json};

use super::paper::{Reported, TABLE3, TABLE4};
use super::scale::Form;
use super::study::{Group, Study};
use super::{Findings, Table};
use crate::cli::console::{Failure, plain};
use crate::foundation::{Case, EvaluateOptions, Judged, TextVocabulary, cases_of, evaluate, exact_log_posterior};
use crate::network::Device;
use crate::plot::{Figure, Histograms, Lines, Panel, Series};
use crate::trace::Mask;

const TOYS: Group = Group {
    name: "toys",
    programs: &["latent", "clustering", "hierarchical", "multilevel", "milky_way", "rosenbrock"],
    inputs: None,
};

pub(super) const INDEPENDENCES: Group = Group {
    name: "independences",
    programs: &["independent_gaussians", "conditional_independence", "conditional_independence_p", "common_effect"],
    inputs: None,
};

const OURS: Form = Form::Ours { anchors: "laplace" };
const PAPER: Form = Form::Paper { head: "gaussian", language: true };

/// Seeds of executions that are measured: apart from those of training.
const CASES: u64 = 0x7265_7072_6f64_7563;

/// Variances beyond this are left out of the paper's figure 8.
const LARGEST: f64 = 1_000.0;

pub(super) fn failed(program: &str, error: impl std::fmt::Display) -> Failure {
    plain("E0735", format!("`{program}` cannot be evaluated: {error}"))
}

/// Held-out executions of a program with their exact log posterior densities; those without one are left out. Reals have four
/// digits, so that networks that read digits are asked the same.
fn cases(study: &Study<'_>, program: &str) -> Result<Vec<Case>, Failure> {
    let (_, target) = study.target(program, None)?;
    let seed = study.arguments.seed;
    let digits = Some(TextVocabulary::DIGITS);
    let cases = cases_of(&target, Mask::Role, digits, study.sizes.cases, seed ^ CASES);
    let cases = cases.map_err(|e| failed(program, e))?;
    let exact = study.piece(&format!("exact-{program}"), || {
        let of = |case: &Case| exact_log_posterior(case, seed).map(|(log_posterior, _)| log_posterior);
        use rayon::prelude::*;
        Ok(json!(cases.par_iter().map(of).collect::<Vec<Option<f64>>>()))
    })?;
    let exact = exact.as_array().cloned().unwrap_or_default();
    let known = |(case, exact): (Case, &Value)| Some(Case { log_posterior: Some(exact.as_f64()?), ..case });
    Ok(cases.into_iter().zip(&exact).filter_map(known).collect())
}

/// What weights of a form make of a program.
fn measured(study: &Study<'_>, form: &Form, group: Group, program: &'static str, seed: u64) -> Result<Value, Failure> {
    let group = if study.sizes.jointly { group } else { group.only(program) };
    let trained = study.trained(form, group, seed, &[])?;
    study.piece(&format!("measured-{program}-{}-{}-{seed}", group.name, form.key()), || {
        let cases = cases(study, program)?;
        let options =
            EvaluateOptions { seed: study.arguments.seed, judged: Judged::Variances, device: Device::Processor };
        let found = evaluate(&trained.foundation, &cases, options).map_err(|e| failed(program, e))?;
        let (mean, median, variances) = found.var_log_iw.unwrap_or((f64::NAN, f64::NAN, Vec::new()));
        Ok(json!({
            "cases": found.cases, "without_reference": study.sizes.cases - cases.len(), "missed": found.missed,
            "decoded": found.variables.len(), "log_density": found.log_density, "exact": found.exact,
            "gap": found.gap.0, "gap_error": found.gap.1, "anchors_gap": found.anchors_gap.0,
            "anchors_gap_error": found.anchors_gap.1, "var_log_iw_mean": mean, "var_log_iw_median": median,
            "var_log_iw": variances, "log_iw": found.log_iw, "zero_density": found.zero_density,
        }))
    })
}

fn number(value: &Value, key: &str) -> f64 {
    value.get(key).and_then(Value::as_f64).unwrap_or(f64::NAN)
}

fn numbers(value: &Value, key: &str) -> Vec<f64> {
    let all = value.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    all.iter().map(|x| x.as_f64().unwrap_or(f64::INFINITY)).collect()
}

/// Mean, with its standard error where there are several values.
pub(super) fn mean_with_error(values: &[f64]) -> (f64, Option<f64>) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (mean, (values.len() > 1).then(|| (variance / n).sqrt()))
}

/// A number with three digits after the point, or two in all where it is large or small.
pub(super) fn shown(x: f64) -> String {
    if !x.is_finite() {
        "–".to_owned()
    } else if x == 0.0 || (1e-3..1e4).contains(&x.abs()) {
        format!("{x:.3}").replace('-', "−")
    } else {
        format!("{x:.1e}").replace('-', "−")
    }
}

pub(super) fn with_error(x: f64, error: f64) -> String {
    if error.is_finite() { format!("{} ± {}", shown(x), shown(error)) } else { shown(x) }
}

/// Programs against forms: a table, a picture of the gaps, and all numbers.
fn compared(
    study: &Study<'_>,
    (group, forms, seeds): (Group, &[Form], u64),
    reported: &[Reported],
    title: &str,
) -> Result<Findings, Failure> {
    let mut head = vec!["program".to_owned(), "exact ln p(z∣x)".to_owned()];
    for form in forms {
        head.push(format!("{}: gap in nats", form.label()));
        head.push("var ln w, median (mean)".to_owned());
    }
    let with_anchors = forms.iter().position(|form| *form == OURS);
    if with_anchors.is_some() {
        head.push("anchors alone: gap".to_owned());
    }
    if !reported.is_empty() {
        head.push("paper: ln p(z∣x), var ln w".to_owned());
    }
    let (mut rows, mut results) = (Vec::new(), Map::new());
    let mut series: Vec<Series> =
        forms.iter().map(|f| Series { name: f.label(), points: Vec::new(), joined: false }).collect();
    let (mut skipped, mut impossible) = (Vec::new(), Vec::new());
    for (place, program) in group.programs.iter().enumerate() {
        let mut row = vec![(*program).to_owned()];
        let mut of_program = Map::new();
        let mut anchors = None;
        for (place_of_form, (form, series)) in forms.iter().zip(&mut series).enumerate() {
            let mut found = Vec::new();
            for seed in 0..seeds {
                found.push(measured(study, form, group, program, study.arguments.seed.wrapping_add(seed))?);
            }
            let over = |key: &str| mean_with_error(&found.iter().map(|v| number(v, key)).collect::<Vec<_>>());
            let (gap, between) = over("gap");
            let error = between.unwrap_or_else(|| found.first().map_or(f64::NAN, |v| number(v, "gap_error")));
            if row.len() == 1 {
                row.push(shown(over("exact").0));
                let without = found.first().map_or(0.0, |v| number(v, "without_reference"));
                if without > 0.0 {
                    skipped.push(format!("{program}: {without}"));
                }
            }
            if with_anchors == Some(place_of_form) {
                let alone = found.first().map(|v| (number(v, "anchors_gap"), number(v, "anchors_gap_error")));
                anchors = alone.map(|(gap, error)| with_error(gap, error));
            }
            row.push(with_error(gap, error));
            let zero = over("zero_density").0;
            if zero > 0.0 {
                impossible.push(format!("{program} {:.1} % ({})", 100.0 * zero, form.label()));
            }
            row.push(format!("{} ({})", shown(over("var_log_iw_median").0), shown(over("var_log_iw_mean").0)));
            series.points.push((place as f64, gap, error));
            of_program.insert(form.key(), json!(found));
        }
        row.extend(anchors);
        if let Some(r) = reported.iter().find(|r| r.program == *program) {
            row.push(format!("{}, {}", shown(r.log_density), shown(r.variance)));
        }
        rows.push(row);
        results.insert((*program).to_owned(), Value::Object(of_program));
    }
    let figure = Figure::Lines(Lines {
        title: title.to_owned(),
        x: String::new(),
        y: "gap to the exact posterior, nats".to_owned(),
        categories: group.programs.iter().map(|p| (*p).to_owned()).collect(),
        series,
    });
    let mut notes = vec![
        "The gap is the exact ln p(z∣x) minus ln q(z∣x) of the true values, jointly over all latents, in nats; cases are \
         executions that no network was trained on, all `sample` hidden, their numbers with four digits (more where the noise of \
         a variable is finer than that). ± is the standard error over cases, or over \
         seeds where several were trained. var ln w is the variance of 100 log importance weights of a case (A.5); – where nothing \
         known depends on what is hidden, which is then drawn from its own distribution."
            .to_owned(),
        "Ours and the paper's form have the same light decoder and the same corrupted examples for the language loss; text, number \
         format, head and anchors differ."
            .to_owned(),
        if study.sizes.jointly {
            "Choice: one network learns all programs of the table at once. The appendix does not say whether each has its own."
        } else {
            "Choice: each program has a network of its own. The appendix does not say whether one learns all."
        }
        .to_owned(),
    ];
    if !impossible.is_empty() {
        notes.push(format!(
            "Draws of density zero are not in var ln w, which with them is infinite; their shares: {}.",
            impossible.join(", ")
        ));
    }
    if !skipped.is_empty() {
        notes.push(format!(
            "Cases without a certified reference, which are left out everywhere: {}.",
            skipped.join(", ")
        ));
    }
    let table = Table { title: title.to_owned(), head, rows };
    Ok(Findings {
        results: Value::Object(results),
        tables: vec![table],
        figures: vec![("gaps".to_owned(), figure)],
        notes,
    })
}

pub(super) fn table4(study: &Study<'_>) -> Result<Findings, Failure> {
    let mut forms = vec![OURS, PAPER];
    forms.extend(study.arguments.init.iter().cloned().map(Form::From));
    let seeds = if study.sizes.jointly { 1 } else { study.sizes.seeds };
    let mut found = compared(study, (TOYS, &forms, seeds), &TABLE4, "Six toy programs")?;
    let each = TABLE4.iter().filter_map(|r| {
        let measured = found.results.get(r.program)?.get(OURS.key())?.get(0)?;
        let exact = number(measured, "exact") / number(measured, "decoded");
        Some(format!("{} {} ({})", r.program, shown(exact), shown(r.log_density)))
    });
    let each = each.collect::<Vec<_>>().join(", ");
    found.notes.extend([
        format!(
            "The paper's figures are those of its table 4, which starts from CodeBERT; those from RoBERTa are in its main text. No \
             network can exceed the exact posterior but by chance. The paper may average over latents, which it does not say; the exact \
             densities divided by the number of latents, and in brackets the paper's: {each}."
        ),
        "Choice: c1 ~ U(−33) of `latent` is read as U(−3, 3), N(0, 100) of `clustering` as a standard deviation of 10."
            .to_owned(),
    ]);
    Ok(found)
}

pub(super) fn table3(study: &Study<'_>) -> Result<Findings, Failure> {
    let mut found = compared(study, (INDEPENDENCES, &[OURS, PAPER], 1), &TABLE3, "The programs of A.4")?;
    found.notes.push(
        "The paper's figures are those of its table 3. Those of `conditional_independence` and `common_effect` are above zero, \
         the most that the logarithm of a probability can be (read as a density of p, the first could be 0.193), and that of `independent_gaussians` is above its prior, which \
         is its posterior: with nothing observed no network can exceed it. What is masked of conditional independence is not \
         said: z, or p. Both are here."
            .to_owned(),
    );
    Ok(found)
}

pub(super) fn anchors(study: &Study<'_>) -> Result<Findings, Failure> {
    let forms = ["laplace", "prior", "none"].map(|anchors| Form::Ours { anchors });
    compared(study, (TOYS, &forms, 1), &[], "What anchors are worth")
}

pub(super) fn figure8(study: &Study<'_>) -> Result<Findings, Failure> {
    let program = "hierarchical";
    let forms = [PAPER, Form::Paper { head: "gaussian", language: false }];
    let titles = ["with the language loss", "without"];
    let (mut panels, mut rows, mut results) = (Vec::new(), Vec::new(), Map::new());
    let mut weights = Vec::new();
    for (form, title) in forms.iter().zip(titles) {
        let found = measured(study, form, TOYS, program, study.arguments.seed)?;
        let variances = numbers(&found, "var_log_iw");
        let logarithms: Vec<f64> = variances.iter().map(|v| v.log10()).collect();
        let share =
            |limit: f64| variances.iter().filter(|v| **v > limit).count() as f64 / variances.len().max(1) as f64;
        rows.push(vec![
            title.to_owned(),
            variances.len().to_string(),
            shown(number(&found, "var_log_iw_median")),
            shown(number(&found, "var_log_iw_mean")),
            format!("{:.0} %", 100.0 * share(10.0)),
            format!("{:.0} %", 100.0 * share(LARGEST)),
            with_error(number(&found, "gap"), number(&found, "gap_error")),
        ]);
        panels.push(Panel { title: title.to_owned(), values: logarithms, weights: Vec::new() });
        weights.push(Panel { title: title.to_owned(), values: numbers(&found, "log_iw"), weights: Vec::new() });
        results.insert(form.key(), found);
    }
    let head = ["language loss", "cases", "median", "mean", "above 10", "above 1,000", "gap in nats"];
    let table = Table {
        title: format!("Variance of log importance weights on `{program}`"),
        head: head.map(str::to_owned).to_vec(),
        rows,
    };
    let histograms = |title: &str, axis: &str, panels| {
        Figure::Histograms(Histograms { title: title.to_owned(), axis: axis.to_owned(), panels })
    };
    Ok(Findings {
        results: Value::Object(results),
        tables: vec![table],
        figures: vec![
            ("variances".to_owned(), histograms("Variance of log weights, hierarchical", "log10 var ln w", panels)),
            ("log-weights".to_owned(), histograms("Mean log weight of a case, hierarchical", "nats", weights)),
        ],
        notes: vec![
            "Figure 8 of the paper is titled by log weights near zero; the log weight of a case has the log evidence as its \
             mean where inference is exact, and that is no zero, so the variance must be meant: it is what is shown first, \
             as its logarithm: the paper leaves values above 1,000 out of its picture, and at a small scale most are."
                .to_owned(),
        ],
    })
}

pub(super) fn scientific(study: &Study<'_>) -> Result<Findings, Failure> {
    let forms = [PAPER, Form::Paper { head: "scientific", language: true }];
    let mut found = compared(study, (TOYS, &forms, 1), &[], "Numbers directly and as a × 10ᵇ")?;
    let mut rows = Vec::new();
    let mut all = Map::new();
    for form in &forms {
        for program in if study.sizes.jointly { &TOYS.programs[..1] } else { TOYS.programs } {
            let group = if study.sizes.jointly { TOYS } else { TOYS.only(program) };
            let training = study.trained(form, group, study.arguments.seed, &[])?.training;
            rows.push(vec![
                form.label(),
                group.name.to_owned(),
                shown(number(&training, "held_out")),
                shown(number(&training, "loss_sd_of_last_half")),
                shown(number(&training, "steps_not_taken")),
                training.get("stopped").and_then(Value::as_str).unwrap_or("–").to_owned(),
            ]);
            all.insert(format!("{}-{}", form.key(), group.name), training);
        }
    }
    let head = ["head", "trained on", "best held-out loss", "SD of the loss, last half", "steps not taken", "ended by"];
    found.tables.push(Table { title: "Training".to_owned(), head: head.map(str::to_owned).to_vec(), rows });
    found.results = json!({ "programs": found.results, "training": all });
    found.notes.push(
        "Choice: the head says a and its spread for each of seven powers b from −3 to 3, and the weights of these, so an \
         error of one in b costs what its weight says. The paper's head gave one b."
            .to_owned(),
    );
    Ok(found)
}
