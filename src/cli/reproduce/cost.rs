//! Error against time on posteriors of posteriordb (A.9): NUTS and mean-field ADVI as long as the paper lets them run, beside the
//! foundation posterior.

use std::time::Instant;

use serde_json::{Value, json};

use super::posteriordb::{Input, inputs};
use super::scale::Scale;
use super::study::Study;
use super::toy::{failed, shown};
use super::{Findings, Table};
use crate::api::posteriordb::{Reference, Split};
use crate::cli::console::Failure;
use crate::density::CompileOptions;
use crate::infer::{
    AdviSettings, InferOptions, Method, NormalFamily, NutsSettings, Query, Silent, StreamPurpose, fit_advi,
    sample_nuts, stream, uniform_start, weighted_draws,
};
use crate::plot::{Figure, Lines, Series};
use crate::value::Posterior;

/// The experiment's name.
pub(super) const NAME: &str = "cost";

/// Draws of a chain that are kept, and its warm-up (A.9).
const NUTS: [(usize, usize); 9] = [
    (100, 50),
    (200, 100),
    (500, 200),
    (1_000, 500),
    (2_000, 1_000),
    (5_000, 2_000),
    (10_000, 5_000),
    (20_000, 10_000),
    (50_000, 10_000),
];
const CHAINS: usize = 10;

/// Steps of ADVI (A.9), and the draws of what it finds.
const ADVI: [usize; 8] = [100, 1_000, 5_000, 10_000, 50_000, 100_000, 500_000, 1_000_000];
const ADVI_DRAWS: usize = 10_000;

/// Draws of ours.
const OURS: [usize; 3] = [1_000, 4_000, 16_000];

/// How many settings of each grid a scale has.
fn lengths(scale: Scale) -> (usize, usize) {
    match scale {
        Scale::Smoke => (1, 1),
        Scale::Laptop => (7, 6),
        Scale::Paper => (NUTS.len(), ADVI.len()),
    }
}

/// How far draws are from a reference: root mean squares over scalars of the error of the mean (in standard deviations of the
/// reference) and of the standard deviation (relative), and the mean of Wasserstein's distance W₁ to the reference draws (in the
/// same unit).
pub(super) fn errors(posterior: &Posterior, reference: &Reference) -> Result<Value, String> {
    let columns = scalars(posterior);
    let (mut means, mut sds, mut distances) = (Vec::new(), Vec::new(), Vec::new());
    for scalar in &reference.scalars {
        let found = columns.iter().find(|(name, _)| *name == scalar.name);
        let (_, values) = found.ok_or_else(|| format!("it has no scalar `{}`", scalar.name))?;
        let mut weighted: Vec<(f64, f64)> = values.iter().copied().zip(posterior.weights.iter().copied()).collect();
        let mean: f64 = weighted.iter().map(|(x, w)| x * w).sum();
        let sd = weighted.iter().map(|(x, w)| (x - mean).powi(2) * w).sum::<f64>().sqrt();
        means.push(((mean - scalar.mean) / scalar.sd).powi(2));
        sds.push((sd / scalar.sd - 1.0).powi(2));
        if !scalar.draws.is_empty() {
            weighted.sort_by(|a, b| a.0.total_cmp(&b.0));
            distances.push(wasserstein(&weighted, &scalar.draws) / scalar.sd);
        }
    }
    let average = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    Ok(json!({ "mean": average(&means).sqrt(), "sd": average(&sds).sqrt(), "distance": average(&distances) }))
}

/// The columns of scalars and of vectors, by scalar.
fn scalars(posterior: &Posterior) -> Vec<(String, Vec<f64>)> {
    let mut found = Vec::new();
    for column in &posterior.columns {
        let rows: Vec<Vec<f64>> = column.values.iter().flatten().map(crate::value::Value::to_f64s).collect();
        let is_scalar = column.values.iter().flatten().all(|value| value.as_f64().is_some());
        for i in 0..rows.first().map_or(0, Vec::len) {
            let name = if is_scalar { column.name.to_string() } else { format!("{}[{i}]", column.name) };
            found.push((name, rows.iter().filter_map(|row| row.get(i).copied()).collect()));
        }
    }
    found
}

/// ∫ |F − G| of sorted draws with weights that add up to 1, and sorted draws that all count alike.
fn wasserstein(own: &[(f64, f64)], other: &[f64]) -> f64 {
    let each = 1.0 / other.len() as f64;
    let (mut i, mut j, mut difference, mut sum) = (0, 0, 0.0_f64, 0.0);
    let mut last = None;
    while i < own.len() || j < other.len() {
        let (x, step) = match (own.get(i), other.get(j)) {
            (Some((x, weight)), Some(y)) if x <= y => {
                i += 1;
                (*x, *weight)
            }
            (Some((x, weight)), None) => {
                i += 1;
                (*x, *weight)
            }
            (_, Some(y)) => {
                j += 1;
                (*y, -each)
            }
            (None, None) => break,
        };
        sum += last.map_or(0.0, |last| difference.abs() * (x - last));
        (last, difference) = (Some(x), difference + step);
    }
    sum
}

/// A posterior, and the steps that were taken to it where they may be fewer than was asked for.
type Given = (Posterior, Option<usize>);

/// Runs something that gives a posterior; its errors and its wall-clock time, with compilation.
fn timed(input: &Input, run: impl FnOnce() -> Result<Given, Failure>) -> Result<Value, Failure> {
    let start = Instant::now();
    let (posterior, steps) = run()?;
    let seconds = start.elapsed().as_secs_f64();
    let found = errors(&posterior, &input.reference);
    let mut found = found.map_err(|reason| failed(&input.posterior.name, reason))?;
    found["seconds"] = json!(seconds);
    found["steps"] = json!(steps);
    found["draws"] = json!(posterior.weights.len());
    Ok(found)
}

/// Points of a compiled density, by an engine that gets a start (uniform on (−2, 2) in unconstrained coordinates, as in Stan) for
/// each of `chains`.
fn classical(
    input: &Input,
    seed: u64,
    chains: usize,
    run: impl FnOnce(&crate::density::Density<'_>, &[Vec<f64>]) -> Result<Vec<Vec<f64>>, crate::infer::InferError>,
) -> Result<Posterior, Failure> {
    let wrong = |e: &dyn std::fmt::Display| failed(&input.posterior.name, e);
    let model = input.posterior.model()?;
    let target = model.target(&input.data)?;
    let compiled = target.borrow().compile(CompileOptions::default()).map_err(|e| wrong(&e))?;
    let mut query = Query::new(target.borrow(), compiled, seed).map_err(|e| wrong(&e))?;
    let points = {
        let density = query.compiled.density().ok_or_else(|| wrong(&"its structure depends on other variables"))?;
        let mut starts = Vec::with_capacity(chains);
        for chain in 0..chains as u64 {
            let mut rng = stream(seed, StreamPurpose::Start, chain);
            let start = uniform_start(&density, &mut rng);
            starts.push(start.ok_or_else(|| wrong(&"no start was found"))?);
        }
        run(&density, &starts).map_err(|e| wrong(&e))?
    };
    let points: Vec<(usize, Vec<f64>)> = points.into_iter().map(|z| (0, z)).collect();
    let record = query.record(&points).map_err(|e| wrong(&e))?;
    let weights = vec![1.0 / points.len() as f64; points.len()];
    Ok(record.posterior(&model.name().into(), NAME, &weights, None, false))
}

fn nuts(input: &Input, (draws, warmup): (usize, usize), seed: u64) -> Result<Given, Failure> {
    let posterior = classical(input, seed, CHAINS, |density, starts| {
        let settings = NutsSettings { warmup, draws, ..NutsSettings::default() };
        let drawn = sample_nuts(density, starts, &settings, seed, &mut Silent, &mut |_| 0)?;
        Ok(drawn.chains.concat())
    })?;
    Ok((posterior, None))
}

fn advi(input: &Input, steps: usize, seed: u64) -> Result<Given, Failure> {
    let mut taken = None;
    let posterior = classical(input, seed, 1, |density, starts| {
        let settings =
            AdviSettings { family: NormalFamily::MeanField, draws_per_step: 1, max_steps: steps, tolerance: 0.0 };
        let fit = fit_advi(density, &starts[0], &settings, seed, &mut Silent)?;
        taken = Some(fit.steps);
        Ok(weighted_draws(density, &fit.approximation, ADVI_DRAWS, seed).draws)
    })?;
    Ok((posterior, taken))
}

fn ours(input: &Input, draws: usize, seed: u64) -> Result<Given, Failure> {
    let method = Method::named("foundation").map_err(|e| failed(&input.posterior.name, e))?;
    let options = InferOptions { method, draws: Some(draws), seed, ..InferOptions::default() };
    let inferred = input.posterior.model()?.infer(&input.data, &options)?;
    Ok(((*inferred.posterior).clone(), None))
}

/// One line of a picture: a method with its settings, each with what it gave.
pub(super) struct Curve {
    pub name: &'static str,
    pub points: Vec<(String, Value)>,
}

pub(super) fn curves(study: &Study<'_>, input: &Input) -> Result<Vec<Curve>, Failure> {
    let seed = study.arguments.seed;
    let (of_nuts, of_advi) = lengths(study.arguments.scale);
    let piece = |way: String, run: &dyn Fn() -> Result<Given, Failure>| -> Result<(String, Value), Failure> {
        let name = format!("cost-{}-{}", input.posterior.name, way.replace([' ', ','], "-"));
        Ok((way, study.piece(&name, || timed(input, run))?))
    };
    let ours_of = |draws: &usize| piece(format!("foundation {draws}"), &|| ours(input, *draws, seed));
    let nuts_of = |(draws, warmup): &(usize, usize)| {
        piece(format!("nuts {draws},{warmup}"), &|| nuts(input, (*draws, *warmup), seed))
    };
    let advi_of = |steps: &usize| piece(format!("advi {steps}"), &|| advi(input, *steps, seed));
    Ok(vec![
        Curve { name: "foundation", points: OURS.iter().map(ours_of).collect::<Result<_, _>>()? },
        Curve { name: "NUTS", points: NUTS.iter().take(of_nuts).map(nuts_of).collect::<Result<_, _>>()? },
        Curve { name: "mean-field ADVI", points: ADVI.iter().take(of_advi).map(advi_of).collect::<Result<_, _>>()? },
    ])
}

/// What is drawn against time.
const MEASURES: [(&str, &str); 3] = [
    ("mean", "log10 error of means, sd"),
    ("sd", "log10 relative error of sds"),
    ("distance", "log10 W₁ of draws, sd"),
];

pub(super) fn figure(posterior: &str, curves: &[Curve]) -> Figure {
    let panel = |(key, label): &(&str, &str)| {
        let number = |value: &Value, key: &str| value[key].as_f64().unwrap_or(f64::NAN);
        let series = curves.iter().map(|curve| Series {
            name: curve.name.to_owned(),
            points: curve
                .points
                .iter()
                .map(|(_, v)| (number(v, "seconds").log10(), number(v, key).log10(), 0.0))
                .collect(),
            joined: true,
        });
        Lines {
            title: posterior.to_owned(),
            x: "log10 seconds".to_owned(),
            y: (*label).to_owned(),
            categories: Vec::new(),
            series: series.collect(),
        }
    };
    Figure::Row(MEASURES.iter().map(panel).collect())
}

pub(super) fn cost(study: &Study<'_>) -> Result<Findings, Failure> {
    let mut inputs = inputs(study)?;
    if study.arguments.posteriors.is_empty() {
        inputs.retain(|input| input.posterior.split == Split::Test);
    }
    let (mut tables, mut figures, mut results) = (Vec::new(), Vec::new(), serde_json::Map::new());
    for input in &inputs {
        let curves = curves(study, input)?;
        let number = |value: &Value, key: &str| value[key].as_f64().map_or_else(|| "–".to_owned(), shown);
        let points = || curves.iter().flat_map(|curve| &curve.points);
        let rows = points().map(|(way, v)| {
            let steps = v["steps"].as_u64().map_or_else(String::new, |steps| format!(" ({steps} taken)"));
            vec![
                format!("{way}{steps}"),
                number(v, "seconds"),
                number(v, "mean"),
                number(v, "sd"),
                number(v, "distance"),
            ]
        });
        let head = ["method", "seconds", "error of means, sd", "relative error of sds", "W₁ of draws, sd"];
        tables.push(Table {
            title: format!("`{}`", input.posterior.name),
            head: head.map(str::to_owned).to_vec(),
            rows: rows.collect(),
        });
        let all: serde_json::Map<String, Value> = points().cloned().collect();
        figures.push((input.posterior.name.clone(), figure(&input.posterior.name, &curves)));
        results.insert(input.posterior.name.clone(), Value::Object(all));
    }
    let notes = vec![
        format!(
            "`foundation N`: N weighted draws of the foundation posterior (weights that are built in), with all checks of its certificate. \
             `nuts D,W`: {CHAINS} chains of D draws after W of warm-up, acceptance 0.8, on as many threads as there are processors; all \
             draws count, where the paper keeps one of ten. `advi S`: at most S steps of two gradients (the paper's has one), fewer where the \
             ELBO stands still within its noise at the shortest steps; one thread, and {ADVI_DRAWS} draws of what they find, without \
             weights. Starts of both as in Stan. Seconds are wall-clock, from text to draws."
        ),
        "Errors are root mean squares over the scalars of the reference: of means, in standard deviations of the reference, and of \
         standard deviations, relative. W₁ is Wasserstein's distance to the reference draws, of each scalar in its standard deviations, \
         averaged. The reference is made of draws itself: 10,000 of them have errors of about 0.01 sd, below which nothing is told apart."
            .to_owned(),
        "The paper's networks read minibatches of five observations; these weights read what fits into 512 tokens, and their anchors \
         all data."
            .to_owned(),
    ];
    Ok(Findings { results: Value::Object(results), tables, figures, notes })
}
