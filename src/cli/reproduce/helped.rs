//! Inference that is helped by the foundation posterior (A.1): what its draws are worth as starts, mass matrix and proposals.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use serde_json::{Value, json};

use super::draws::{DrawnBy, FoundationDraws};
use super::posteriordb::{Input, inputs};
use super::scale::Scale;
use super::study::Study;
use super::toy::{failed, shown};
use super::{Findings, Table};
use crate::cli::console::Failure;
use crate::density::{CompileOptions, Evaluator, LogDensity};
use crate::foundation::Foundation;
use crate::infer::{
    AdviSettings, Deadline, NormalApproximation, NormalFamily, NutsDraws, NutsSettings, Silent, Stream, StreamPurpose,
    Whitened, ess_bulk, find_start, fit_advi, pareto_smooth, r_hat, sample_nuts, stream, uniform_start,
};

/// The experiment's name.
pub(super) const NAME: &str = "helped";

pub(super) const CHAINS: usize = 4;

/// What chains must reach, in every coordinate (Vehtari et al. 2021; A.1 leaves it open).
const ENOUGH: f64 = 400.0;
const MIXED: f64 = 1.01;

/// Draws of the foundation posterior.
const DRAWS: usize = 1_000;

/// Draws after which chains are looked at, of each, and the most of them.
const ROUND: usize = 25;
pub(super) const MOST: usize = 20_000;

/// Seconds after which chains are given up.
const PATIENCE: f64 = 120.0;

/// Draws tried as a start.
const TRIES: usize = 100;

/// Steps of ADVI, at most.
const ADVI_STEPS: usize = 10_000;

/// A log density that counts how often its gradient is asked for.
struct Counted<'d> {
    density: &'d dyn LogDensity,
    gradients: AtomicU64,
}

impl LogDensity for Counted<'_> {
    fn dimension(&self) -> usize {
        self.density.dimension()
    }

    fn evaluator(&self) -> Box<dyn Evaluator + Send + '_> {
        Box::new(CountedEvaluator { evaluator: self.density.evaluator(), gradients: &self.gradients })
    }
}

struct CountedEvaluator<'d> {
    evaluator: Box<dyn Evaluator + Send + 'd>,
    gradients: &'d AtomicU64,
}

impl Evaluator for CountedEvaluator<'_> {
    fn value(&mut self, z: &[f64]) -> f64 {
        self.evaluator.value(z)
    }

    fn gradient(&mut self, z: &[f64], gradient: &mut [f64]) -> f64 {
        self.gradients.fetch_add(1, Ordering::Relaxed);
        self.evaluator.gradient(z, gradient)
    }
}

/// Where NUTS takes something from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Taken {
    /// Starts as in Stan: uniform on (−2, 2), unconstrained.
    Nothing,
    /// Starts are draws of the foundation posterior.
    Starts,
    /// And the mass matrix: its variances.
    Variances,
    /// And the mass matrix: its covariances.
    Covariances,
}

/// How NUTS is run: its name, what it takes, and its warm-up.
const WAYS: [(&str, Taken, usize); 7] = [
    ("default", Taken::Nothing, 1_000),
    ("default, short", Taken::Nothing, 200),
    ("starts", Taken::Starts, 1_000),
    ("starts, short", Taken::Starts, 200),
    ("variances, short", Taken::Variances, 50),
    ("covariances, short", Taken::Covariances, 50),
    ("covariances, shortest", Taken::Covariances, 20),
];

/// The share of draws that Metropolis–Hastings accepts, each as the proposal after the one before, whatever the state
/// (Tierney 1994, the independence chain).
fn acceptance(log_weights: &[f64], rng: &mut Stream) -> f64 {
    use rand::RngExt as _;
    let mut at = log_weights.first().copied().unwrap_or(f64::NEG_INFINITY);
    let mut accepted = 0;
    for proposed in log_weights.iter().skip(1) {
        if at == f64::NEG_INFINITY || rng.random::<f64>() < (proposed - at).exp() {
            at = *proposed;
            accepted += 1;
        }
    }
    f64::from(accepted) / (log_weights.len() - 1) as f64
}

/// Whether chains have mixed, and have draws enough.
fn suffices(draws: &NutsDraws) -> bool {
    let d = draws.chains.first().and_then(|chain| chain.first()).map_or(0, Vec::len);
    (0..d).all(|i| {
        let columns: Vec<Vec<f64>> = draws.chains.iter().map(|c| c.iter().map(|z| z[i]).collect()).collect();
        let views: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
        r_hat(&views).is_some_and(|r| r <= MIXED) && ess_bulk(&views).is_some_and(|ess| ess >= ENOUGH)
    })
}

/// Chains that suffice.
pub(super) struct Enough {
    /// Gradients, warm-up and all.
    pub gradients: u64,
    pub draws: NutsDraws,
    pub seconds: f64,
}

/// Gives a start.
type Start<'s> = dyn FnMut(&dyn LogDensity, &mut Stream) -> Option<Vec<f64>> + 's;

/// Chains until they suffice; `None` where they did not before their deadline. They run in the coordinates in which `normal` is standard, from
/// starts that `start` gives in those of the density.
pub(super) fn until_enough(
    density: &dyn LogDensity,
    normal: Option<&NormalApproximation>,
    settings: NutsSettings,
    seed: u64,
    start: &mut Start<'_>,
) -> Result<Option<Enough>, String> {
    let begun = Instant::now();
    let counted = Counted { density, gradients: AtomicU64::new(0) };
    let whitened = normal.map(|normal| Whitened { density: &counted, normal });
    let target: &dyn LogDensity = whitened.as_ref().map_or(&counted, |whitened| whitened);
    let mut starts = Vec::with_capacity(CHAINS);
    for chain in 0..CHAINS as u64 {
        let mut rng = stream(seed, StreamPurpose::Start, chain);
        let start = start(&counted, &mut rng).ok_or("no start was found")?;
        starts.push(normal.map_or_else(|| start.clone(), |normal| normal.whiten(&start)));
    }
    let settings = NutsSettings { draws: 4 * ROUND, ..settings };
    let mut enough = false;
    let drawn = sample_nuts(target, &starts, &settings, seed, &mut Silent, &mut |draws| {
        enough = normal.map_or_else(|| suffices(draws), |normal| suffices(&draws.moved(|eta| normal.at(eta))));
        if enough || draws.draws() >= MOST { 0 } else { ROUND.max(draws.draws() / 10) }
    });
    let drawn = drawn.map_err(|e| e.to_string())?;
    let draws = normal.map_or_else(|| drawn.clone(), |normal| drawn.moved(|eta| normal.at(eta)));
    let (gradients, seconds) = (counted.gradients.load(Ordering::Relaxed), begun.elapsed().as_secs_f64());
    Ok(enough.then_some(Enough { gradients, draws, seconds }))
}

/// Gradients until chains suffice, and whether they did.
fn nuts(
    density: &dyn LogDensity,
    amortized: &FoundationDraws,
    (from, warmup): (Taken, usize),
    seed: u64,
) -> Result<Option<Value>, String> {
    let family = if from == Taken::Covariances { NormalFamily::FullRank } else { NormalFamily::MeanField };
    let normal = match from {
        Taken::Nothing | Taken::Starts => None,
        Taken::Variances | Taken::Covariances => {
            Some(amortized.draws.normal(family).ok_or("the draws have no spread")?)
        }
    };
    let deadline = Deadline::after(Some(PATIENCE));
    let settings = NutsSettings { warmup, deadline, ..NutsSettings::default() };
    let enough = until_enough(density, normal.as_ref(), settings, seed, &mut |density, rng| match from {
        Taken::Nothing => uniform_start(density, rng),
        Taken::Starts | Taken::Variances | Taken::Covariances => {
            let picked = |rng: &mut Stream| amortized.draws.pick(rng).map(<[f64]>::to_vec).unwrap_or_default();
            find_start(density, rng, TRIES, &mut |rng| picked(rng))
        }
    })?;
    Ok(enough.map(|Enough { gradients, draws, seconds }| {
        let divergences = draws.statistics.iter().flatten().filter(|s| s.divergent).count();
        json!({ "gradients": gradients, "draws": draws.draws(), "divergences": divergences, "seconds": seconds })
    }))
}

/// Steps of mean-field ADVI until the ELBO stands still, from a start as in Stan, and from the foundation posterior.
fn advi(density: &dyn LogDensity, amortized: &FoundationDraws, seed: u64) -> Result<Value, String> {
    let settings = AdviSettings { max_steps: ADVI_STEPS, ..AdviSettings::default() };
    let mut rng = stream(seed, StreamPurpose::Start, 0);
    let uniform = uniform_start(density, &mut rng);
    let by_default = fit_advi(density, &uniform.ok_or("no start was found")?, &settings, seed, &mut Silent);
    let normal = amortized.draws.normal(NormalFamily::MeanField).ok_or("the draws have no spread")?;
    let whitened = Whitened { density, normal: &normal };
    let log_scale: f64 = match &normal.scale {
        crate::infer::NormalScale::Diagonal(sd) => sd.iter().map(|s| s.ln()).sum(),
        crate::infer::NormalScale::Cholesky(_) => f64::NAN,
    };
    let helped = fit_advi(&whitened, &vec![0.0; density.dimension()], &settings, seed, &mut Silent);
    let (by_default, helped) = (by_default.map_err(|e| e.to_string())?, helped.map_err(|e| e.to_string())?);
    Ok(json!({
        "default": {"steps": by_default.steps, "elbo": by_default.elbo, "converged": by_default.converged},
        "helped": {"steps": helped.steps, "elbo": helped.elbo + log_scale, "converged": helped.converged},
    }))
}

fn run(study: &Study<'_>, input: &Input, foundation: &Foundation) -> Result<Value, Failure> {
    let seed = study.arguments.seed;
    let wrong = |e: &dyn std::fmt::Display| failed(&input.posterior.name, e);
    let amortized = match FoundationDraws::of(input, foundation, DRAWS, (DrawnBy::Rung, seed)) {
        Ok(amortized) => amortized,
        // What the network cannot read is part of the answer.
        Err(Failure::Told(error)) => {
            let reason = error.diagnostics().first().map(|d| d.message.clone());
            let (posterior, split) = (&input.posterior.name, input.posterior.split.name());
            return Ok(json!({ "posterior": posterior, "split": split, "failed": reason }));
        }
        Err(failure) => return Err(failure),
    };
    let target = input.posterior.model()?.target(&input.data)?;
    let compiled = target.borrow().compile(CompileOptions::default()).map_err(|e| wrong(&e))?;
    let density = compiled.density().ok_or_else(|| wrong(&"its structure depends on other variables"))?;
    let mut ways = serde_json::Map::new();
    for (name, from, warmup) in WAYS {
        let found = match nuts(&density, &amortized, (from, warmup), seed) {
            Ok(found) => found.unwrap_or(Value::Null),
            Err(reason) => json!({ "failed": reason }),
        };
        ways.insert(name.to_owned(), found);
    }
    let mut rng = stream(seed, StreamPurpose::Picks, 0);
    let k_hat = pareto_smooth(&amortized.log_weights).and_then(|p| p.k_hat);
    Ok(json!({
        "posterior": input.posterior.name, "split": input.posterior.split.name(), "coordinates": density.dimension(),
        "foundation_seconds": amortized.seconds, "k_hat": k_hat,
        "acceptance": acceptance(&amortized.log_weights, &mut rng), "ess": crate::infer::weights_ess(&amortized.draws.weights),
        "nuts": ways, "advi": advi(&density, &amortized, seed).unwrap_or_else(|reason| json!({ "failed": reason })),
    }))
}

/// Gradients that NUTS took, in `row[key][way]["gradients"]`, over those of the first way; with medians.
pub(super) fn costs(rows: &[Value], key: &str, ways: &[&str]) -> Table {
    let gradients = |row: &Value, way: &str| row[key][way]["gradients"].as_f64();
    let (default, others) = (ways.first().copied().unwrap_or_default(), ways.get(1..).unwrap_or_default());
    // What was given up took more than any number.
    let ratio = |row: &Value, way: &str| Some(gradients(row, way).unwrap_or(f64::INFINITY) / gradients(row, default)?);
    let dash = || "–".to_owned();
    let cells = |row: &Value| {
        let mut cells = vec![row["posterior"].as_str().unwrap_or_default().to_owned()];
        cells.push(gradients(row, default).map_or_else(dash, |n| format!("{n:.0}")));
        let alone = |way: &str| gradients(row, way).map_or_else(dash, |n| format!("({n:.0})"));
        cells.extend(others.iter().map(|way| match gradients(row, default) {
            Some(_) => ratio(row, way).map_or_else(dash, shown),
            None => alone(way),
        }));
        cells
    };
    let mut table: Vec<Vec<String>> = rows.iter().map(cells).collect();
    for (label, split) in [("test", "test"), ("training", "train")] {
        let own = || rows.iter().filter(|row| row["split"] == split && gradients(row, default).is_some());
        let mut cells = vec![format!("median of {} {label} posteriors", own().count())];
        cells.push(shown(median(own().filter_map(|row| gradients(row, default)).collect())));
        cells.extend(others.iter().map(|way| shown(median(own().filter_map(|row| ratio(row, way)).collect()))));
        table.push(cells);
    }
    let mut head = vec!["posterior".to_owned(), format!("gradients, {default}")];
    head.extend(others.iter().map(|way| (*way).to_owned()));
    Table {
        title: "NUTS: gradients until R̂ ≤ 1.01 and ESS ≥ 400 in every unconstrained coordinate of the program, warm-up and all, over those by default (where that gave up: their number)"
            .to_owned(),
        head,
        rows: table,
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let n = values.len();
    match n {
        0 => f64::NAN,
        n if n.is_multiple_of(2) => 0.5 * (values[n / 2 - 1] + values[n / 2]),
        n => values[n / 2],
    }
}

pub(super) fn helped(study: &Study<'_>) -> Result<Findings, Failure> {
    let foundation = Foundation::bundled().map_err(|e| failed(NAME, e))?;
    let mut rows = Vec::new();
    for input in inputs(study)? {
        let name = format!("helped-{}", input.posterior.name);
        rows.push(study.piece(&name, || run(study, &input, &foundation))?);
        if study.arguments.scale == Scale::Smoke {
            break;
        }
    }
    let nuts = costs(&rows, "nuts", &WAYS.map(|(name, ..)| name));
    let dash = || "–".to_owned();
    let head = [
        "posterior",
        "MH: proposals accepted",
        "k̂",
        "effective draws of 1,000",
        "ADVI: steps, default",
        "helped",
        "ELBO, default",
        "helped",
    ];
    let cells = |row: &Value| {
        let number = |path: &[&str]| {
            let found = path.iter().try_fold(row, |at, key| at.get(*key)).and_then(Value::as_f64);
            found.map_or_else(dash, shown)
        };
        let steps = |which: &str| {
            let own = &row["advi"][which];
            own["steps"].as_u64().map_or_else(dash, |n| {
                if own["converged"] == json!(true) { n.to_string() } else { format!("{n} (not still)") }
            })
        };
        vec![
            row["posterior"].as_str().unwrap_or_default().to_owned(),
            number(&["acceptance"]),
            number(&["k_hat"]),
            number(&["ess"]),
            steps("default"),
            steps("helped"),
            number(&["advi", "default", "elbo"]),
            number(&["advi", "helped", "elbo"]),
        ]
    };
    let others = Table {
        title:
            "Draws of the foundation posterior as proposals of Metropolis–Hastings, and as the start of mean-field ADVI"
                .to_owned(),
        head: head.map(str::to_owned).to_vec(),
        rows: rows.iter().map(cells).collect(),
    };
    let notes = vec![
        format!(
            "{CHAINS} chains. `default`: starts uniform on (−2, 2) in unconstrained coordinates, as in Stan, and a warm-up of 1,000 draws \
             a chain; `short`: of 200, or of 50 where the foundation posterior gives the mass matrix; `shortest`: of 20. `starts`: \
             weighted draws of the foundation posterior (weights that are built in, {DRAWS} draws, of which as many come from anchors as in the foundation rung: one in 20, half where the program is read in part). `variances`, `covariances`: so are the \
             mass matrix (the chains run in coordinates in which these draws have unit covariance). Chains are looked at every {ROUND} draws or tenth, whichever is more, in the program's unconstrained coordinates, and given up after {MOST} draws or \
             {PATIENCE} s (–)."
        ),
        "The gradients that anchors need for Newton steps (about twice the number of coordinates for each Hessian, some tens of these) are \
         not in these figures; results.json has the seconds of the foundation posterior and of each run."
            .to_owned(),
        "`proposals accepted`: of the independence chain that takes the draws in turn (Tierney 1994). ADVI stands still where the ELBO of \
         a hundred steps rises no more; helped, it starts from the mean and variances of the weighted draws."
            .to_owned(),
    ];
    let failed = rows.iter().filter_map(|row| row["failed"].as_str());
    let notes = notes.into_iter().chain(failed.map(|reason| format!("Not helped: {reason}."))).collect();
    Ok(Findings { results: json!({ "posteriors": rows }), tables: vec![nuts, others], figures: Vec::new(), notes })
}
