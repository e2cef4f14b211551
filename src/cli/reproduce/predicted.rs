//! What a program's embedding tells of NUTS before it runs (A.1): step size, mixing, and the posterior's standard deviations as a mass
//! matrix; learned on random programs, and tried on posteriordb.

use nalgebra::{DMatrix, DVector};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::helped::{CHAINS, Enough, MOST, costs, until_enough};
use super::posteriordb::{Input, inputs};
use super::scale::Scale;
use super::study::Study;
use super::toy::{failed, shown};
use super::{Findings, Table};
use crate::api::{Data, Model};
use crate::cli::console::Failure;
use crate::density::CompileOptions;
use crate::foundation::{Embedding, Foundation, FoundationError, cases_of};
use crate::generator::generate;
use crate::infer::{
    Deadline, NormalApproximation, NormalScale, NutsDraws, NutsSettings, Query, Silent, StreamPurpose, Target,
    ess_bulk, r_hat, sample_nuts, stream, uniform_start,
};
use crate::trace::Mask;

/// The experiment's name.
pub(super) const NAME: &str = "predicted";

/// Seeds of random programs: apart from those of training.
const PROGRAMS: u64 = 0x7072_6564_6963_7421;

/// Chains of a random program, with draws and warm-up of each, doublings of a trajectory at most, and what counts as mixed.
const LEARNED_CHAINS: u64 = 2;
const LEARNED_DRAWS: usize = 300;
const LEARNED_DEPTH: u32 = 8;
const MIXED: f64 = 1.05;

/// Seconds for the chains of a posterior, and where nothing is to be shown.
const SECONDS: f64 = 30.0;
const SMOKE_SECONDS: f64 = 3.0;

fn patience(scale: Scale) -> f64 {
    if scale == Scale::Smoke { SMOKE_SECONDS } else { SECONDS }
}

/// Parts in cross-validation.
const FOLDS: usize = 5;

/// Penalties of ridge regression that are tried: of the squared weights of standardised features, beside the sum of squared errors.
const PENALTIES: [f64; 6] = [1e-1, 1.0, 1e1, 1e2, 1e3, 1e4];

fn programs(scale: Scale) -> u64 {
    match scale {
        Scale::Smoke => 40,
        Scale::Laptop => 3_000,
        Scale::Paper => 20_000,
    }
}

/// A program as it is told: its embedding, and of each coordinate the embedding where it is asked for and ln of its prior's scale.
struct Told {
    program: Vec<f64>,
    coordinates: Vec<(Vec<f64>, f64)>,
}

impl Told {
    fn of(query: &Query<'_>, foundation: &Foundation) -> Result<Self, FoundationError> {
        let Embedding { program, masked, .. } = foundation.embed(&query.target)?;
        let wide = |row: &[f32]| -> Vec<f64> { row.iter().map(|x| f64::from(*x)).collect() };
        let infos = query.compiled.coordinate_info();
        let coordinates = infos.iter().zip(&query.prior.scales).map(|(info, scale)| {
            let whole = info.name.split('[').next().unwrap_or_default();
            let named = |wanted: &str| masked.iter().find(|(name, _)| name == wanted);
            // An array by one statement, or an iteration that was not read, has a row of the variable's.
            let like = || masked.iter().find(|(name, _)| name.split('[').next() == Some(whole));
            let row = named(&info.name).or_else(|| named(whole)).or_else(like);
            (wide(row.map_or(&program, |(_, row)| row)), scale.ln())
        });
        let coordinates = coordinates.collect();
        Ok(Self { program: wide(&program), coordinates })
    }
}

/// What NUTS found out: ln of each coordinate's standard deviation, ln of the step size, ln of effective draws a gradient.
struct Found {
    log_sds: Vec<f64>,
    log_step: f64,
    log_mixing: f64,
}

impl Found {
    fn of(draws: &NutsDraws, largest: f64) -> Option<Self> {
        let d = draws.chains.first()?.first()?.len();
        let (mut log_sds, mut least) = (Vec::with_capacity(d), f64::INFINITY);
        for i in 0..d {
            let columns: Vec<Vec<f64>> = draws.chains.iter().map(|c| c.iter().map(|z| z[i]).collect()).collect();
            let views: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
            if r_hat(&views)? > largest {
                return None;
            }
            least = least.min(ess_bulk(&views)?);
            let all = columns.concat();
            let mean = all.iter().sum::<f64>() / all.len() as f64;
            log_sds.push(0.5 * (all.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / all.len() as f64).ln());
        }
        let statistics = || draws.statistics.iter().flatten();
        let (n, steps): (f64, f64) =
            (statistics().count() as f64, statistics().map(|s| f64::from(s.leapfrog_steps)).sum());
        let log_step = statistics().map(|s| s.step_size.ln()).sum::<f64>() / n;
        let found = Self { log_sds, log_step, log_mixing: (least / steps).ln() };
        let finite = found.log_sds.iter().chain([&found.log_step, &found.log_mixing]).all(|x| x.is_finite());
        finite.then_some(found)
    }
}

/// What there is to learn of a random program with simulated data; `None` where NUTS cannot run or has not mixed.
fn learned(index: u64, foundation: &Foundation, seed: u64) -> Option<(Told, Found)> {
    let model = Model::from_source("generated.ppl", &generate(seed ^ PROGRAMS, index, None).source).ok()?;
    let target = model.target(&Data::new()).ok()?;
    let case = cases_of(&target, Mask::Role, None, 1, seed ^ PROGRAMS ^ index).ok()?.pop()?;
    let target: &Target = &case.target;
    let compiled = target.borrow().compile(CompileOptions::default()).ok()?;
    let query = Query::new(target.borrow(), compiled, seed).ok()?;
    let told = Told::of(&query, foundation).ok()?;
    let density = query.compiled.density()?;
    let starts: Option<Vec<Vec<f64>>> = (0..LEARNED_CHAINS)
        .map(|chain| uniform_start(&density, &mut stream(seed ^ index, StreamPurpose::Start, chain)))
        .collect();
    let settings = NutsSettings {
        warmup: LEARNED_DRAWS,
        draws: LEARNED_DRAWS,
        max_tree_depth: LEARNED_DEPTH,
        ..NutsSettings::default()
    };
    let drawn = sample_nuts(&density, &starts?, &settings, seed, &mut Silent, &mut |_| 0).ok()?;
    Found::of(&drawn, MIXED).map(|found| (told, found))
}

/// Ridge regression: the middle, and a weight for what each feature is away from its mean.
#[derive(Serialize, Deserialize)]
struct Ridge {
    mean: Vec<f64>,
    weights: Vec<f64>,
    middle: f64,
}

/// A prediction that was learned: what is asked, from what, and how good it is on other random programs.
#[derive(Serialize, Deserialize)]
struct Fit {
    asked: usize,
    from: usize,
    ridge: Ridge,
    quality: Value,
}

impl Ridge {
    fn fit(features: &[Vec<f64>], answers: &[f64], penalty: f64) -> Option<Self> {
        let (n, d) = (features.len() as f64, features.first()?.len());
        let mean: Vec<f64> = (0..d).map(|j| features.iter().map(|x| x[j]).sum::<f64>() / n).collect();
        let variance = |j: usize| features.iter().map(|x| (x[j] - mean[j]).powi(2)).sum::<f64>() / n;
        // What never changes says nothing.
        let inverse: Vec<f64> =
            (0..d).map(|j| variance(j).sqrt()).map(|s| if s > 1e-9 { 1.0 / s } else { 0.0 }).collect();
        let middle = answers.iter().sum::<f64>() / n;
        let x = DMatrix::from_fn(features.len(), d, |i, j| (features[i][j] - mean[j]) * inverse[j]);
        let y = DVector::from_fn(answers.len(), |i, _| answers[i] - middle);
        let normal = x.tr_mul(&x) + DMatrix::identity(d, d) * penalty;
        let weights = normal.cholesky()?.solve(&x.tr_mul(&y));
        let weights = weights.iter().zip(&inverse).map(|(w, s)| w * s).collect();
        Some(Self { mean, weights, middle })
    }

    fn predict(&self, x: &[f64]) -> f64 {
        let terms = x.iter().zip(&self.mean).zip(&self.weights);
        self.middle + terms.map(|((x, mean), weight)| (x - mean) * weight).sum::<f64>()
    }

    /// With the penalty that does best in cross-validation, and the predictions there, each by the other parts. Rows of one program
    /// (`groups`) are in one part.
    fn chosen(features: &[Vec<f64>], answers: &[f64], groups: &[usize]) -> Option<(Self, Vec<f64>)> {
        let crossed = |penalty: f64| -> Option<(f64, f64, Vec<f64>)> {
            let mut predicted = vec![f64::NAN; answers.len()];
            for fold in 0..FOLDS {
                let kept: Vec<usize> = (0..answers.len()).filter(|i| groups[*i] % FOLDS != fold).collect();
                let own: Vec<Vec<f64>> = kept.iter().map(|i| features[*i].clone()).collect();
                let ridge = Self::fit(&own, &kept.iter().map(|i| answers[*i]).collect::<Vec<_>>(), penalty)?;
                for i in (0..answers.len()).filter(|i| groups[*i] % FOLDS == fold) {
                    predicted[i] = ridge.predict(&features[i]);
                }
            }
            let error = predicted.iter().zip(answers).map(|(p, a)| (p - a).powi(2)).sum();
            Some((error, penalty, predicted))
        };
        let all: Vec<(f64, f64, Vec<f64>)> = PENALTIES.par_iter().filter_map(|penalty| crossed(*penalty)).collect();
        let (_, penalty, predicted) = all.into_iter().min_by(|a, b| a.0.total_cmp(&b.0))?;
        Some((Self::fit(features, answers, penalty)?, predicted))
    }
}

/// Of what a prediction is made.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Basis {
    /// Nothing: the mean of what was seen.
    Nothing,
    /// The scale of the coordinate's prior.
    Prior,
    /// The embedding.
    Embedding,
    /// Both.
    Both,
}

const FROM: [(Basis, &str); 4] = [
    (Basis::Nothing, "nothing (their mean)"),
    (Basis::Prior, "the prior's scale"),
    (Basis::Embedding, "the embedding"),
    (Basis::Both, "both"),
];

impl Basis {
    fn of_coordinate(self, told: &Told, i: usize) -> Vec<f64> {
        let (row, prior) = &told.coordinates[i];
        match self {
            Self::Nothing => vec![0.0],
            Self::Prior => vec![*prior],
            Self::Embedding => [&told.program[..], row].concat(),
            Self::Both => [&told.program[..], row, &[*prior]].concat(),
        }
    }

    fn of_program(self, told: &Told) -> Vec<f64> {
        let n = told.coordinates.len() as f64;
        let priors = || told.coordinates.iter().map(|(_, prior)| *prior);
        let prior = [priors().sum::<f64>() / n, priors().fold(f64::INFINITY, f64::min), n.ln()];
        match self {
            Self::Nothing => vec![0.0],
            Self::Prior => prior.to_vec(),
            Self::Embedding => told.program.clone(),
            Self::Both => [&told.program[..], &prior].concat(),
        }
    }
}

/// What is predicted.
const ASKED: [&str; 3] = ["ln sd of a coordinate", "ln step size", "ln effective draws a gradient"];

/// Rows to learn from, or to predict: what is told by each way, and the answers.
#[derive(Default)]
struct Rows {
    features: Vec<Vec<f64>>,
    answers: Vec<f64>,
    /// The program of each.
    groups: Vec<usize>,
}

impl Rows {
    fn of<'r>(pairs: impl Iterator<Item = (&'r Told, &'r Found)>, asked: usize, from: Basis) -> Self {
        let mut rows = Self::default();
        for (group, (told, found)) in pairs.enumerate() {
            let own: Vec<(Vec<f64>, f64)> = match asked {
                0 => found.log_sds.iter().enumerate().map(|(i, y)| (from.of_coordinate(told, i), *y)).collect(),
                1 => vec![(from.of_program(told), found.log_step)],
                _ => vec![(from.of_program(told), found.log_mixing)],
            };
            for (x, y) in own {
                rows.features.push(x);
                rows.answers.push(y);
                rows.groups.push(group);
            }
        }
        rows
    }
}

/// The share of the variance that predictions explain, and the root mean square of their errors.
fn quality(predicted: &[f64], answers: &[f64]) -> Value {
    let n = answers.len() as f64;
    let mean = answers.iter().sum::<f64>() / n;
    let error = predicted.iter().zip(answers).map(|(p, a)| (p - a).powi(2)).sum::<f64>() / n;
    let variance = answers.iter().map(|a| (a - mean).powi(2)).sum::<f64>() / n;
    json!({ "r2": 1.0 - error / variance, "error": error.sqrt(), "rows": answers.len() })
}

/// What is predicted of a posterior by embedding and prior.
struct Predicted {
    log_sds: Vec<f64>,
    log_step: f64,
}

/// A posterior of the database: what is told of it, what NUTS by default finds, and what runs cost.
struct Tried<'i> {
    input: &'i Input,
    told: Told,
    found: Option<Found>,
    runs: Value,
}

/// Warm-up of chains whose mass matrix is predicted.
const WARMUP: usize = 200;

fn try_posterior<'i>(
    study: &Study<'_>,
    input: &'i Input,
    foundation: &Foundation,
    predict: &dyn Fn(&Told) -> Predicted,
) -> Result<Result<Tried<'i>, String>, Failure> {
    let seed = study.arguments.seed;
    let wrong = |e: &dyn std::fmt::Display| failed(&input.posterior.name, e);
    let target = input.posterior.model()?.target(&input.data)?;
    let compiled = target.borrow().compile(CompileOptions::default()).map_err(|e| wrong(&e))?;
    let query = Query::new(target.borrow(), compiled, seed).map_err(|e| wrong(&e))?;
    let told = match Told::of(&query, foundation) {
        Ok(told) => told,
        // What the network cannot read is part of the answer.
        Err(error) => return Ok(Err(format!("`{}`: {error}", input.posterior.name))),
    };
    let runs = study.piece(&format!("{NAME}-{}", input.posterior.name), || {
        let density = query.compiled.density().ok_or_else(|| wrong(&"its structure depends on other variables"))?;
        let sds = |log_sds: &[f64]| NormalApproximation {
            location: vec![0.0; log_sds.len()],
            scale: NormalScale::Diagonal(log_sds.iter().map(|s| s.exp()).collect()),
        };
        let predicted = predict(&told);
        let priors: Vec<f64> = told.coordinates.iter().map(|(_, prior)| *prior).collect();
        let patience = patience(study.arguments.scale);
        let default = NutsSettings::default();
        let short = NutsSettings { warmup: WARMUP, ..default };
        let informed = NutsSettings { initial_step: predicted.log_step.exp(), ..short };
        let mut runs = serde_json::Map::new();
        for (name, normal, settings) in [
            (WAYS[0], None, default),
            (WAYS[1], None, short),
            (WAYS[2], Some(sds(&priors)), short),
            (WAYS[3], Some(sds(&predicted.log_sds)), informed),
        ] {
            let settings = NutsSettings { deadline: Deadline::after(Some(patience)), ..settings };
            let ran =
                until_enough(&density, normal.as_ref(), settings, seed, &mut |_, rng| uniform_start(&density, rng));
            let found = match ran {
                Ok(Some(Enough { gradients, draws, .. })) => {
                    let found = Found::of(&draws, f64::INFINITY);
                    let found = found.map(|f| json!({"sds": f.log_sds, "step": f.log_step, "mixing": f.log_mixing}));
                    json!({ "gradients": gradients, "found": found })
                }
                Ok(None) => Value::Null,
                Err(reason) => json!({ "failed": reason }),
            };
            runs.insert(name.to_owned(), found);
        }
        Ok(Value::Object(runs))
    })?;
    let found = &runs[WAYS[0]]["found"];
    let numbers =
        |key: &str| found[key].as_array().map(|all| all.iter().filter_map(Value::as_f64).collect::<Vec<f64>>());
    let found = numbers("sds").zip(found["step"].as_f64().zip(found["mixing"].as_f64()));
    let found = found.map(|(log_sds, (log_step, log_mixing))| Found { log_sds, log_step, log_mixing });
    Ok(Ok(Tried { input, told, found, runs }))
}

/// How NUTS is run.
const WAYS: [&str; 4] = ["default", "short", "prior, short", "predicted, short"];

pub(super) fn predicted(study: &Study<'_>) -> Result<Findings, Failure> {
    let foundation = Foundation::bundled().map_err(|e| failed(NAME, e))?;
    let seed = study.arguments.seed;
    let inputs = inputs(study)?;
    let learned = study.piece(&format!("{NAME}-learned"), || {
        let indices = 0..programs(study.arguments.scale);
        let examples: Vec<(Told, Found)> =
            indices.into_par_iter().filter_map(|index| learned(index, &foundation, seed)).collect();
        let mut fits = Vec::new();
        for asked in 0..ASKED.len() {
            for (from, (basis, _)) in FROM.into_iter().enumerate() {
                let rows = Rows::of(examples.iter().map(|(told, found)| (told, found)), asked, basis);
                let (ridge, crossed) = Ridge::chosen(&rows.features, &rows.answers, &rows.groups)
                    .ok_or_else(|| failed(NAME, "there are too few random programs to learn from"))?;
                fits.push(Fit { asked, from, ridge, quality: quality(&crossed, &rows.answers) });
            }
        }
        Ok(json!({ "programs": examples.len(), "fits": fits }))
    })?;
    let fits: Vec<Fit> = Vec::deserialize(&learned["fits"]).map_err(|e| failed(NAME, e))?;
    let fit = |asked: usize, basis: Basis| {
        let found = fits.iter().find(|fit| fit.asked == asked && FROM.get(fit.from).is_some_and(|own| own.0 == basis));
        found.ok_or_else(|| failed(NAME, "what was learned is not all there"))
    };
    let (sds, step) = (&fit(0, Basis::Both)?.ridge, &fit(1, Basis::Both)?.ridge);
    let predict = |told: &Told| Predicted {
        log_sds: (0..told.coordinates.len()).map(|i| sds.predict(&Basis::Both.of_coordinate(told, i))).collect(),
        log_step: step.predict(&Basis::Both.of_program(told)),
    };
    let (mut tried, mut left_out) = (Vec::new(), Vec::new());
    for input in &inputs {
        match try_posterior(study, input, &foundation, &predict)? {
            Ok(one) => tried.push(one),
            Err(reason) => left_out.push(reason),
        }
    }
    let found = || tried.iter().filter_map(|t| Some((&t.told, t.found.as_ref()?)));
    let mut rows = Vec::new();
    let mut qualities = Vec::new();
    for (asked, name) in ASKED.iter().enumerate() {
        for (from, label) in FROM {
            let Fit { ridge, quality: on_random, .. } = fit(asked, from)?;
            let of_database = Rows::of(found(), asked, from);
            let predicted: Vec<f64> = of_database.features.iter().map(|x| ridge.predict(x)).collect();
            let on_database = quality(&predicted, &of_database.answers);
            let number = |quality: &Value, key: &str| shown(quality[key].as_f64().unwrap_or(f64::NAN));
            rows.push(vec![
                (*name).to_owned(),
                label.to_owned(),
                number(on_random, "r2"),
                number(on_random, "error"),
                number(&on_database, "r2"),
                number(&on_database, "error"),
            ]);
            qualities.push(json!({ "asked": name, "from": label, "random": on_random, "posteriordb": on_database }));
        }
    }
    let head = ["predicted", "from", "random programs: R²", "error", "posteriordb: R²", "error"];
    let quality = Table {
        title: format!(
            "Ridge regression on {} random programs, judged on those of other parts in {FOLDS}-fold cross-validation; and its predictions \
             of {} posteriors of posteriordb",
            learned["programs"],
            found().count()
        ),
        head: head.map(str::to_owned).to_vec(),
        rows,
    };
    let runs: Vec<Value> = tried
        .iter()
        .map(|t| json!({"posterior": t.input.posterior.name, "split": t.input.posterior.split.name(), "runs": t.runs}))
        .collect();
    let tables = vec![quality, costs(&runs, "runs", &WAYS)];
    let patience = patience(study.arguments.scale);
    let mut notes = vec![
        format!(
            "Random programs (`unmask generate`) with simulated data: {LEARNED_CHAINS} chains of {LEARNED_DRAWS} draws after as many of \
             warm-up, where R̂ is at most {MIXED}; penalties are those of the least error in the same parts. `the embedding`: the encoder's mean row (`unmask embed`) and, for \
             a coordinate, its row where the coordinate is asked for. Standard deviations are of unconstrained coordinates; errors are \
             root mean squares, in nats: 0.7 is a factor of two."
        ),
        format!(
            "NUTS: {CHAINS} chains from starts as in Stan, until R̂ ≤ 1.01 and ESS ≥ 400, or given up (–) after {patience} s or {MOST} draws of each. `short`: a warm-up of {WARMUP} in place of 1,000; \
             `prior`: in coordinates scaled by the prior's (`simulate`, where that is improper); `predicted`: by the predictions of both, and \
             with the predicted step size to begin with (the sampler doubles or halves it until one step is accepted as wanted, and adapts it \
             from there; so little but the standard deviations is left of what was predicted). Medians are over posteriors where the \
             default suffices."
        ),
    ];
    notes.extend(left_out.iter().map(|reason| format!("Not predicted: {reason}.")));
    let results = json!({ "programs": learned["programs"], "quality": qualities, "posteriors": runs });
    Ok(Findings { results, tables, figures: Vec::new(), notes })
}
