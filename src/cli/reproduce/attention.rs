//! What a network attends to, beside what it should: the independences of A.4 as measured statistics.

use std::sync::Arc;

use serde_json::{Value, json};

use super::scale::Form;
use super::study::Study;
use super::toy::{INDEPENDENCES, failed, mean_with_error, shown, with_error};
use super::{Findings, Table};
use crate::cli::console::Failure;
use crate::foundation::{Case, EvaluateOptions, Judged, cases_of, evaluate};
use crate::network::Device;
use crate::plot::{Figure, HeatMap};
use crate::runtime::Supplied;
use crate::trace::Mask;

/// A variable that is asked for while all others are known, and what it depends on.
struct Question {
    program: &'static str,
    asked: &'static str,
    /// Known variables that its posterior depends on, given the rest: its Markov blanket.
    blanket: &'static [&'static str],
    /// Those that it does not depend on.
    rest: &'static [&'static str],
    /// What of it is altered: one of each.
    altered: [&'static str; 2],
}

/// What A.4 expects, of variables that the network is asked for: what nothing known depends on (z1, or x given z) is drawn from its
/// own distribution, whatever the network says, so its parent is asked for.
const QUESTIONS: [Question; 3] = [
    Question {
        program: "independent_gaussians",
        asked: "mu1",
        blanket: &["sigma1", "z1", "z2"],
        rest: &["mu2", "sigma2", "y1", "y2"],
        altered: ["z1", "y1"],
    },
    Question {
        program: "conditional_independence",
        asked: "p",
        blanket: &["z"],
        rest: &["x", "y"],
        altered: ["z", "y"],
    },
    COMMON_EFFECT,
];

const COMMON_EFFECT: Question =
    Question { program: "common_effect", asked: "x", blanket: &["px", "y", "z"], rest: &["py"], altered: ["px", "py"] };

/// Seeds of executions that are measured: apart from those of training.
const CASES: u64 = 0x6174_7465_6e74_696f;

/// The network alone: anchors would know the independences by themselves.
const FORM: Form = Form::Ours { anchors: "none" };

/// Lines of a program with the attention between them.
type Map = (Vec<String>, Vec<f64>);

fn known(study: &Study<'_>, question: &Question, n: usize) -> Result<Vec<Case>, Failure> {
    let (_, target) = study.target(question.program, None)?;
    let cases = cases_of(&target, Mask::None, None, n, study.arguments.seed ^ CASES);
    cases.map_err(|e| failed(question.program, e))
}

/// The case with its variable asked for.
fn asked(case: &Case, question: &Question) -> Case {
    let mut case = case.clone();
    case.target.conditions.supply(Arc::<str>::from(question.asked), Supplied::Masked);
    case
}

/// The same with another execution's value of a variable.
fn altered(case: &Case, question: &Question, name: &str, other: &Case) -> Result<Case, Failure> {
    let mut case = asked(case, question);
    let value = other.truth.iter().find(|((variable, _), _)| &**variable == name);
    let (_, value) = value.ok_or_else(|| failed(question.program, format!("an execution has no `{name}`")))?;
    case.target.conditions.supply(Arc::<str>::from(name), Supplied::Value(value.clone()));
    Ok(case)
}

fn measure(study: &Study<'_>, question: &Question) -> Result<Value, Failure> {
    let weights = study.trained(&FORM, INDEPENDENCES, study.arguments.seed, &[])?.foundation;
    let n = study.sizes.cases;
    let wrong = |error: crate::foundation::FoundationError| failed(question.program, error);
    let cases = known(study, question, n + 1)?;
    let queries: Vec<Case> = cases.iter().take(n).map(|case| asked(case, question)).collect();
    // Attention of the asked value to a token of each group of lines, and the mean map.
    let mut shares = [Vec::new(), Vec::new()];
    let mut names: Vec<String> = Vec::new();
    let mut mean: Vec<f64> = Vec::new();
    let mut averaged = 0.0;
    for query in &queries {
        let attention = weights.attention(&query.target.borrow()).map_err(wrong)?;
        let between = attention.between_lines(None, None);
        let lines = &attention.lines;
        let Some(own) = lines.iter().position(|l| l.name == question.asked) else { continue };
        for (group, shares) in [question.blanket, question.rest].into_iter().zip(&mut shares) {
            let of = || lines.iter().enumerate().filter(|(_, l)| group.contains(&l.name.as_str()));
            let tokens: usize = of().map(|(_, l)| l.tokens.len()).sum();
            let sum: f64 = of().map(|(j, _)| between[own * lines.len() + j]).sum();
            shares.push(sum / tokens.max(1) as f64);
        }
        let own_names: Vec<String> = lines.iter().map(|l| l.name.clone()).collect();
        if names.is_empty() {
            (names, mean) = (own_names.clone(), vec![0.0; between.len()]);
        }
        if names == own_names {
            mean.iter_mut().zip(&between).for_each(|(sum, x)| *sum += x);
            averaged += 1.0;
        }
    }
    mean.iter_mut().for_each(|sum| *sum /= averaged);
    let options = EvaluateOptions { seed: study.arguments.seed, judged: Judged::Densities, device: Device::Processor };
    let densities = |cases: &[Case]| evaluate(&weights, cases, options).map(|e| e.log_densities).map_err(wrong);
    let before = densities(&queries)?;
    let mut changes = Vec::new();
    for name in question.altered {
        let other = |(case, other): (&Case, &Case)| altered(case, question, name, other);
        let after: Vec<Case> = cases.iter().zip(cases.iter().skip(1)).map(other).collect::<Result<_, _>>()?;
        let pairs = before.iter().zip(densities(&after)?);
        changes.push(pairs.map(|(b, a)| (a - b).abs()).filter(|c| c.is_finite()).collect::<Vec<f64>>());
    }
    let [blanket, rest] = shares;
    let [relevant, irrelevant] = [0, 1].map(|i| changes.get(i).cloned().unwrap_or_default());
    Ok(json!({
        "asked": question.asked, "blanket": question.blanket, "rest": question.rest, "altered": question.altered,
        "attention_to_blanket": mean_with_error(&blanket), "attention_to_rest": mean_with_error(&rest),
        "change_by_relevant": mean_with_error(&relevant), "change_by_irrelevant": mean_with_error(&irrelevant),
        "log_density": mean_with_error(&before.iter().copied().filter(|x| x.is_finite()).collect::<Vec<_>>()),
        "lines": names, "map": mean,
    }))
}

/// P(x = 1) where y = 0 and z = 1: then x must be 1.
fn explained(study: &Study<'_>) -> Result<Option<Value>, Failure> {
    let question = &COMMON_EFFECT;
    let weights = study.trained(&FORM, INDEPENDENCES, study.arguments.seed, &[])?.foundation;
    let mut found = Vec::new();
    for case in known(study, question, 10 * study.sizes.cases)? {
        let is = |name: &str, wanted: i64| {
            case.truth.iter().any(|((variable, _), value)| &**variable == name && value.as_int() == Some(wanted))
        };
        if is("y", 0) && is("z", 1) && found.len() < study.sizes.cases {
            found.push(asked(&case, question));
        }
    }
    if found.is_empty() {
        return Ok(None);
    }
    let options = EvaluateOptions { seed: study.arguments.seed, judged: Judged::Densities, device: Device::Processor };
    let evaluated = evaluate(&weights, &found, options).map_err(|e| failed(question.program, e))?;
    let chances: Vec<f64> = evaluated.log_densities.iter().filter(|x| !x.is_nan()).map(|x| x.exp()).collect();
    Ok(Some(json!({ "cases": found.len(), "probability": mean_with_error(&chances) })))
}

pub(super) fn attention(study: &Study<'_>) -> Result<Findings, Failure> {
    let (mut rows, mut figures) = (Vec::new(), Vec::new());
    let mut results = serde_json::Map::new();
    for question in &QUESTIONS {
        let found = study.piece(&format!("attention-{}", question.program), || measure(study, question))?;
        let pair = |key: &str| {
            let number = |i: usize| found.get(key).and_then(|pair| pair.get(i)).and_then(Value::as_f64);
            with_error(number(0).unwrap_or(f64::NAN), number(1).unwrap_or(f64::NAN))
        };
        rows.push(vec![
            format!("{}: {} ?", question.program, question.asked),
            format!("{} ({})", pair("attention_to_blanket"), question.blanket.join(", ")),
            format!("{} ({})", pair("attention_to_rest"), question.rest.join(", ")),
            format!("{} ({})", pair("change_by_relevant"), question.altered[0]),
            format!("{} ({})", pair("change_by_irrelevant"), question.altered[1]),
        ]);
        let texts = found.get("lines").and_then(Value::as_array).cloned().unwrap_or_default();
        let names: Vec<String> = texts.iter().filter_map(|t| t.as_str().map(str::to_owned)).collect();
        let numbers = found.get("map").and_then(Value::as_array).cloned().unwrap_or_default();
        let map: Map = (names, numbers.iter().filter_map(Value::as_f64).collect());
        figures.push((
            question.program.to_owned(),
            Figure::HeatMap(HeatMap {
                title: format!("{}: rows read columns", question.program),
                rows: map.0.clone(),
                columns: map.0,
                values: map.1,
            }),
        ));
        results.insert(question.program.to_owned(), found);
    }
    let explained = study.piece("attention-explained", || Ok(json!(explained(study)?)))?;
    let chance = explained.get("probability").and_then(|p| p.get(0)).and_then(Value::as_f64);
    let mut notes = vec![
        "One variable is asked for, all others are known. Attention is that of its value's row, the mean over layers, heads and \
         held-out executions, to one token of the lines of its Markov blanket and of the rest: alike where the network reads \
         everything alike. The change is that of its predicted ln density, in nats, where one value is exchanged for another \
         execution's: it must be zero for what it does not depend on. The network has no anchors, which would know the \
         independences without it. What nothing known depends on (z1 of `independent_gaussians`, x of `conditional_independence` given z) \
         is drawn from its own distribution without the network, so their parents are asked for."
            .to_owned(),
        "The paper shows maps and says what is expected; it measures neither. Attention is no proof of use: the change of the \
         density is."
            .to_owned(),
    ];
    if let Some(chance) = chance {
        notes.push(format!(
            "In `common_effect` with y = 0 and z = 1 x must be 1; its probability is {}, which the compiled program knows by itself.",
            shown(chance)
        ));
    }
    results.insert("common_effect_explained".to_owned(), explained);
    let head =
        ["asked", "attention to the blanket", "to the rest", "change by a relevant value", "by an irrelevant one"];
    let table = Table { title: "Attention and independence".to_owned(), head: head.map(str::to_owned).to_vec(), rows };
    Ok(Findings { results: Value::Object(results), tables: vec![table], figures, notes })
}
