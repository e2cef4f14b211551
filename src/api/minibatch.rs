//! Inference on plated programs from minibatches: a few iterations at a time, and products of what these say.

use std::sync::Arc;
use std::time::Instant;

use nalgebra::{DMatrix, DVector};
use rand::RngExt as _;
use rand::seq::SliceRandom as _;
use rand_distr::StandardNormal;
use rustc_hash::{FxHashMap, FxHashSet};

use super::{Data, Error, Model};
use crate::diagnostic::Diagnostic;
use crate::dist::Support;
use crate::foundation::FoundationError;
use crate::infer::{InferOptions, Inferred, Method, Progress, Stream, Target, VariableSummary};
use crate::runtime::{Addresses, Handler, Law, Outcome, Site, Stop, random_stream};
use crate::span::{SourceMap, Span};
use crate::trace::{Line, NoMinibatch, NotAnnotated, Plate, Tracer, annotate, open};
use crate::value::{Column, Posterior, Value};

/// Random streams of what minibatches hold: apart from those of draws.
const CHOICE: u64 = 0x6d69_6e69_6261_7463;

/// Draws of the prior, of which its moments are taken: many, since their errors are multiplied by the number of experts.
const PRIOR: usize = 100_000;

/// The same where there are data outside the plate.
const BASE: usize = 10_000;

/// Minibatches that share what is left of the time, at most: an engine can do nothing with next to none.
const MOST_SHARES: u64 = 8;

/// Executions that must agree on where the variables outside the plate can be.
const EXECUTIONS: usize = 16;

/// Draws of a product where the caller names no number.
const DRAWS: usize = 1_000;

/// How to infer from minibatches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MinibatchOptions {
    /// Iterations of the plate in each.
    pub k: usize,
    /// How many minibatches ([`Plated::minibatch`]).
    pub experts: usize,
    /// Whether what every expert has in it (the prior, and data outside the plate) is taken out of all but one, and what data occur
    /// in several counts less; otherwise the plain product, as in the paper.
    pub corrected: bool,
}

/// A query on a plated program, of which minibatches can be taken.
#[derive(Debug)]
pub struct Plated {
    model: Model,
    /// The lines of what is random and masked.
    masked: Vec<Line>,
    plate: Plate,
}

/// A minibatch as a query of its own.
#[derive(Debug)]
pub struct Minibatch {
    /// The program: straight lines, with the data in it.
    pub model: Model,
    /// The iterations of the whole that it has, by their numbers in it.
    pub chosen: Vec<i64>,
}

/// A normal distribution over coordinates.
#[derive(Clone, Debug, PartialEq)]
pub struct NormalExpert {
    /// Its mean.
    pub mean: DVector<f64>,
    /// The inverse of its covariance.
    pub precision: DMatrix<f64>,
    /// Effective draws that its moments are of: infinitely many where they are exact.
    pub ess: f64,
}

/// A variable outside the plate, and its support.
pub type Outside = (Arc<str>, Support<f64>);

/// The product of what minibatches say of the variables outside the plate.
#[derive(Clone, Debug)]
pub struct Product {
    /// The variables, with the support by which each becomes coordinates.
    pub variables: Vec<Outside>,
    /// What is known without the plate: the prior, given data outside of it.
    pub base: NormalExpert,
    /// One a minibatch.
    pub experts: Vec<NormalExpert>,
    /// Iterations of a minibatch, and of the whole.
    pub sizes: (usize, usize),
    /// How many iterations are in some minibatch.
    pub seen: usize,
    /// How many experts are posteriors that were not certified, and why the first was not.
    pub uncertified: Option<(usize, String)>,
    /// Why the base is not certified, where it is a posterior and is not.
    pub base_uncertified: Option<String>,
}

/// A failure that has no place in a source.
fn wrong(message: String) -> Error {
    Error::without_source(Diagnostic::error("E0736", message))
}

impl NormalExpert {
    /// The normal distribution with the moments of weighted points, `[draws][coordinates]`, of which `ess` are effective; `None`
    /// where these have no spread.
    pub fn of_moments(points: &[Vec<f64>], weights: &[f64], ess: f64) -> Option<Self> {
        let n = points.first()?.len();
        let total: f64 = weights.iter().sum();
        let mut mean = DVector::zeros(n);
        for (point, weight) in points.iter().zip(weights) {
            mean += DVector::from_column_slice(point) * (weight / total);
        }
        let mut covariance = DMatrix::zeros(n, n);
        for (point, weight) in points.iter().zip(weights) {
            let away = DVector::from_column_slice(point) - &mean;
            covariance += &away * away.transpose() * (weight / total);
        }
        let precision = covariance.cholesky()?.inverse();
        precision.iter().chain(mean.iter()).all(|x| x.is_finite()).then_some(Self { mean, precision, ess })
    }

    /// ln of its density.
    pub fn log_density(&self, z: &[f64]) -> f64 {
        let away = DVector::from_column_slice(z) - &self.mean;
        let log_det = self.precision.clone().cholesky().map_or(f64::NAN, |c| 2.0 * c.l().diagonal().map(f64::ln).sum());
        let n = z.len() as f64;
        0.5 * (log_det - (away.transpose() * &self.precision * &away)[0]) - n * crate::dist::HALF_LN_TWO_PI
    }
}

impl Product {
    /// The product of the experts: means weighted by precisions, which add up (A.8 of the paper).
    ///
    /// Corrected, each expert counts as what its data add to the base, so that the base is there once; the n_e experts of k
    /// iterations together count as no more than the n iterations that there are, by a factor n/(n_e k) where that is below 1.
    /// `None` where the result has no density.
    pub fn normal(&self, corrected: bool) -> Option<NormalExpert> {
        let dimension = self.base.mean.len();
        let (mut precision, mut weighted) = (DMatrix::zeros(dimension, dimension), DVector::zeros(dimension));
        for (expert, exponent) in self.factors(corrected) {
            precision += &expert.precision * exponent;
            weighted += &expert.precision * &expert.mean * exponent;
        }
        let covariance = precision.clone().cholesky()?.inverse();
        let mean = &covariance * weighted;
        // The covariance of the mean's error, to first order, where the moments are of so many draws of normal distributions.
        let mut of_weighted = DMatrix::zeros(dimension, dimension);
        for (expert, exponent) in self.factors(corrected) {
            let away = &expert.mean - &mean;
            let pull = &expert.precision * &away;
            let own = &expert.precision * (1.0 + pull.dot(&away)) + &pull * pull.transpose();
            of_weighted += own * (exponent * exponent / expert.ess);
        }
        let of_mean = &covariance * of_weighted * &covariance;
        let ess = (0..dimension).map(|i| covariance[(i, i)] / of_mean[(i, i)]).fold(f64::INFINITY, f64::min);
        Some(NormalExpert { mean, precision, ess })
    }

    /// What is multiplied, each with its exponent.
    fn factors(&self, corrected: bool) -> impl Iterator<Item = (&NormalExpert, f64)> {
        let (k, n) = self.sizes;
        let temper = if corrected { (n as f64 / (self.experts.len() * k) as f64).min(1.0) } else { 1.0 };
        let once = if corrected { 1.0 - temper * self.experts.len() as f64 } else { 0.0 };
        std::iter::once((&self.base, once)).chain(self.experts.iter().map(move |expert| (expert, temper)))
    }

    /// The share of the experts' precision that the correction takes out again, of the coordinate that loses most.
    fn share_taken_out(&self) -> f64 {
        let share = |i: usize| {
            let at = |(expert, exponent): (&NormalExpert, f64)| expert.precision[(i, i)] * exponent;
            let (mut given, mut taken) = (0.0, 0.0);
            self.factors(true).map(at).for_each(|x| if x > 0.0 { given += x } else { taken -= x });
            taken / given
        };
        (0..self.base.mean.len()).map(share).fold(0.0, f64::max)
    }

    /// Coordinates of values of the variables, and ln of the Jacobian determinant from coordinates to values.
    pub fn coordinates(&self, values: &[Value]) -> (Vec<f64>, f64) {
        let mut z = Vec::new();
        let mut log_jacobian = 0.0;
        for ((_, support), value) in self.variables.iter().zip(values) {
            let own = support.unconstrain(&value.to_f64s());
            log_jacobian += support.constrain(&own).1;
            z.extend(own);
        }
        (z, log_jacobian)
    }
}

/// Supports of the variables of an execution of the prior.
struct Supports {
    rng: Stream,
    found: FxHashMap<Arc<str>, Support<f64>>,
    /// Whether something is observed, or a factor.
    conditioned: bool,
}

impl Handler for Supports {
    fn choose(&mut self, site: &Site<'_>, addresses: &Addresses) -> Result<Value, Stop> {
        if let (Some((variable, [])), Law::Family(distribution)) = (addresses.parts(site.address), site.law) {
            self.found.insert(addresses.name(variable).clone(), distribution.support());
        }
        site.simulate.unwrap_or(site.law).sample(&mut self.rng).map_err(|_| Stop::Reject)
    }

    fn observe(&mut self, _: &Site<'_>, _: &Value, _: bool, _: &Addresses) -> Result<(), Stop> {
        self.conditioned = true;
        Ok(())
    }

    fn factor(&mut self, _: f64, _: Span) -> Result<(), Stop> {
        self.conditioned = true;
        Ok(())
    }
}

impl Model {
    /// The query as one of which minibatches can be taken.
    ///
    /// # Errors
    /// Where it has no straight-line form, or no plate with observations.
    pub fn plated(&self, data: &Data) -> Result<Plated, Error> {
        self.cut(data, |target| {
            let annotated = annotate(&target.runtime, target.model, &target.conditions)?;
            Ok((Plate::of(&target.runtime.program, target.model, &annotated), annotated.lines))
        })
    }

    /// The program as one of which minibatches can be taken to learn from: what it draws is open, whatever the data say of what is
    /// observed.
    ///
    /// # Errors
    /// As [`Model::plated`]; where the program cannot be simulated.
    pub fn plated_lesson(&self, data: &Data) -> Result<Plated, Error> {
        self.cut(data, |target| {
            let mut tracer = Tracer::new(&target.runtime, target.model, &target.conditions, None);
            let mut rng: Stream = random_stream(CHOICE, 0);
            let conditions = open(&tracer.execution(&mut rng)?, &target.conditions);
            let annotated = annotate(&target.runtime, target.model, &conditions)?;
            Ok((Plate::with_roles(&target.runtime.program, target.model, &annotated), annotated.lines))
        })
    }

    fn cut(
        &self,
        data: &Data,
        cut: impl FnOnce(&Target) -> Result<(Result<Plate, NoMinibatch>, Vec<Line>), NotAnnotated>,
    ) -> Result<Plated, Error> {
        let ((plate, mut lines), ..) = self.on_target(data, cut)?;
        let plate = plate.map_err(|error| Error::without_source(Diagnostic::from(&error)))?;
        lines.retain(|line| line.random && line.value.is_none());
        Ok(Plated { model: self.clone(), masked: lines, plate })
    }

    /// What minibatches of a plated query say of the variables outside the plate: each is inferred by itself, by the method of
    /// `options`, and becomes a normal distribution over unconstrained coordinates.
    ///
    /// # Errors
    /// As [`Model::plated`]; where a variable outside the plate is discrete or an array of several statements; where a minibatch
    /// cannot be inferred.
    pub fn experts(
        &self,
        data: &Data,
        options: &InferOptions,
        minibatches: &MinibatchOptions,
        progress: &mut dyn Progress,
    ) -> Result<Product, Error> {
        let plated = self.plated(data)?;
        let globals = plated.globals()?;
        // A size that cannot be is told first.
        plated.minibatch(minibatches.k, options.seed, 0)?;
        let (start, seed) = (Instant::now(), options.seed);
        let of = |index: u64| InferOptions {
            // Errors of Monte Carlo that experts have in common would add up.
            seed: seed ^ index.rotate_left(32),
            // A share of the time that is left: one that is hard does not take it from all others.
            budget: options.budget.map(|budget| {
                let shares = (minibatches.experts as u64 + 1).saturating_sub(index).clamp(1, MOST_SHARES);
                (budget - start.elapsed().as_secs_f64()).max(0.0) / shares as f64
            }),
            ..options.clone()
        };
        let base = plated.outside()?;
        let (variables, conditioned) = supports(&base, &globals, options.seed)?;
        let of_base = if conditioned {
            InferOptions { draws: Some(options.draws.unwrap_or(0).max(BASE)), ..of(0) }
        } else {
            let prior = Method::named("prior").map_err(|error| Error::without_source(Diagnostic::from(&error)))?;
            InferOptions { method: prior, draws: Some(PRIOR), ..of(0) }
        };
        let base = base.infer(&Data::new(), &of_base)?;
        let base_uncertified = (conditioned && !base.certified).then(|| base.reason.clone());
        let base = expert(&base, &variables)?;
        progress.start("minibatches", minibatches.experts as u64);
        let mut experts = Vec::with_capacity(minibatches.experts);
        let mut uncertified: Option<(usize, String)> = None;
        let mut seen: FxHashSet<i64> = FxHashSet::default();
        for index in 0..minibatches.experts as u64 {
            let options = of(index + 1);
            if options.budget == Some(0.0) && !experts.is_empty() {
                break;
            }
            let minibatch = plated.minibatch(minibatches.k, seed, index)?;
            seen.extend(&minibatch.chosen);
            let inferred = minibatch.model.infer(&Data::new(), &options)?;
            if !inferred.certified {
                uncertified.get_or_insert_with(|| (0, inferred.reason.clone())).0 += 1;
            }
            experts.push(expert(&inferred, &variables)?);
            progress.advance(1);
        }
        let (sizes, seen) = ((minibatches.k, plated.len()), seen.len());
        Ok(Product { variables, base, experts, sizes, seen, uncertified, base_uncertified })
    }

    /// The posterior of the variables outside the plate by the product of what minibatches say ([`Model::experts`]): never
    /// certified, since no density that uses all data is looked at.
    ///
    /// # Errors
    /// As [`Model::experts`], and where the product has no density.
    ///
    /// ```
    /// use unmask::infer::{InferOptions, Silent};
    /// use unmask::{Data, MinibatchOptions, Model};
    /// let source = "model m { given n: int; sample a ~ normal(0, 1); plate i in 0..n { observe y[i] ~ normal(a, 1); } }";
    /// let model = Model::from_source("m.ppl", source)?;
    /// let data = Data::new().with("y", vec![1.0, 2.0, 1.5, 0.5]);
    /// let minibatches = MinibatchOptions { k: 4, experts: 1, corrected: true };
    /// let inferred = model.infer_minibatches(&data, &InferOptions::default(), &minibatches, &mut Silent)?;
    /// assert!((inferred.mean("a").unwrap() - 1.0).abs() < 0.1 && !inferred.certified);
    /// # Ok::<(), unmask::Error>(())
    /// ```
    pub fn infer_minibatches(
        &self,
        data: &Data,
        options: &InferOptions,
        minibatches: &MinibatchOptions,
        progress: &mut dyn Progress,
    ) -> Result<Inferred, Error> {
        let start = Instant::now();
        let draws = options.draws.unwrap_or(DRAWS);
        if draws < 2 {
            return Err(wrong(format!("{draws} draws of a product say nothing of its spread: at least 2 are needed")));
        }
        let product = self.experts(data, options, minibatches, progress)?;
        let refused =
            || wrong("the product of these minibatches has no density: more of them, or larger ones, may have".into());
        let normal = product.normal(minibatches.corrected).ok_or_else(refused)?;
        let factor = normal.precision.clone().cholesky().ok_or_else(refused)?;
        let mut rng: Stream = random_stream(options.seed ^ CHOICE, u64::MAX);
        let mut columns: Vec<Vec<Option<Value>>> = vec![Vec::with_capacity(draws); product.variables.len()];
        for _ in 0..draws {
            let noise = DVector::from_fn(normal.mean.len(), |_, _| rng.sample::<f64, _>(StandardNormal));
            let Some(away) = factor.l().transpose().solve_upper_triangular(&noise) else { return Err(refused()) };
            let z = &normal.mean + away;
            let mut at = 0;
            for ((_, support), column) in product.variables.iter().zip(&mut columns) {
                let size = support.dimension();
                let (x, _) = support.constrain(&z.as_slice()[at..at + size]);
                at += size;
                column.push(Some(if support.is_scalar() {
                    Value::Real(x.first().copied().unwrap_or(f64::NAN))
                } else {
                    Value::reals(x)
                }));
            }
        }
        let (k, n) = product.sizes;
        let mut reason = format!(
            "{} product of {} minibatches of {k} of {n} iterations, which have {} of them",
            if minibatches.corrected { "corrected" } else { "plain" },
            product.experts.len(),
            product.seen
        );
        if product.experts.len() < minibatches.experts {
            reason.push_str(&format!("; time was up before the other {}", minibatches.experts - product.experts.len()));
        }
        let mut warnings: Vec<Diagnostic> =
            product.uncertified.iter().map(|found| not_certified(found, product.experts.len())).collect();
        if let Some(reason) = &product.base_uncertified {
            let message = "what is known outside the plate has a posterior that is not certified";
            warnings.push(Diagnostic::warning("W0710", message).help(reason.clone()));
        }
        let share = product.share_taken_out();
        if minibatches.corrected && share > MOST_TAKEN_OUT {
            warnings.push(mostly_taken_out(share));
        }
        // Errors of the product, and of its draws.
        let ess = 1.0 / (1.0 / draws as f64 + 1.0 / normal.ess);
        let mut variables = Vec::new();
        for ((name, support), column) in product.variables.iter().zip(&columns) {
            let rows: Vec<Vec<f64>> = column.iter().flatten().map(Value::to_f64s).collect();
            let size = rows.first().map_or(0, Vec::len);
            for i in 0..size {
                let own: Vec<f64> = rows.iter().filter_map(|row| row.get(i).copied()).collect();
                let name = if support.is_scalar() { name.to_string() } else { format!("{name}[{i}]") };
                let summary = VariableSummary::of_draws(name, &own);
                let mcse = summary.sd / ess.sqrt();
                variables.push(VariableSummary { ess: Some(ess), mcse, ..summary });
            }
        }
        let columns =
            product.variables.iter().zip(columns).map(|((name, _), values)| Column { name: name.clone(), values });
        let posterior = Posterior {
            model: self.name().into(),
            method: METHOD.into(),
            weights: vec![1.0 / draws as f64; draws],
            columns: columns.collect(),
            log_evidence: None,
            exact: false,
        };
        Ok(Inferred {
            model: self.name().into(),
            method: METHOD,
            certified: false,
            reason,
            k_hat: None,
            log_evidence: None,
            log_evidence_error: None,
            seconds: start.elapsed().as_secs_f64(),
            seed: options.seed,
            ladder: Vec::new(),
            variables,
            posterior: Arc::new(posterior),
            chains: 0,
            statistics: Vec::new(),
            warnings,
        })
    }
}

fn not_certified((uncertified, reason): &(usize, String), experts: usize) -> Diagnostic {
    let message = format!("{uncertified} of the {experts} minibatches have posteriors that are not certified");
    Diagnostic::warning("W0710", message).help(format!("the first: {reason}"))
}

/// The share of the experts' precision up to which the correction takes out little.
const MOST_TAKEN_OUT: f64 = 0.5;

fn mostly_taken_out(share: f64) -> Diagnostic {
    let message = format!("{:.0} % of what the minibatches say is what all of them have in common", 100.0 * share);
    let help = "it is taken out of all but one as a normal distribution, and where it is not normal, what is left may be far off: take \
                larger minibatches, and fewer";
    Diagnostic::warning("W0711", message).help(help)
}

/// What the report calls it.
const METHOD: &str = "experts";

impl Plated {
    /// Iterations of the plate.
    pub fn len(&self) -> usize {
        self.plate.iterations.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.plate.iterations.is_empty()
    }

    /// Whether a variable (dotted, without subscripts) is of the plate.
    pub fn is_local(&self, variable: &str) -> bool {
        self.plate.has(variable)
    }

    /// Minibatch number `index` of a seed: `k` iterations, drawn without replacement. Those of a pass through the plate, as many as
    /// it has without overlap, have none in common; then the next pass begins (random reshuffling).
    ///
    /// # Errors
    /// Where there are fewer, or something outside the plate reads all of it.
    pub fn minibatch(&self, k: usize, seed: u64, index: u64) -> Result<Minibatch, Error> {
        let mut order = self.plate.iterations.clone();
        let n = order.len();
        let size = |error: NoMinibatch| Error::without_source(Diagnostic::from(&error));
        if k == 0 || k > n {
            return Err(size(NoMinibatch::Size { k, n }));
        }
        let of_a_pass = (n / k) as u64;
        order.shuffle(&mut random_stream(seed ^ CHOICE, index / of_a_pass));
        let from = (index % of_a_pass) as usize * k;
        let mut chosen = order[from..from + k].to_vec();
        chosen.sort_unstable();
        let text = self.plate.minibatch(&chosen).map_err(size)?;
        Ok(Minibatch { model: self.model.sibling("minibatch.ppl", &text)?, chosen })
    }

    /// The program without the plate.
    ///
    /// # Errors
    /// Where something outside the plate reads it.
    fn outside(&self) -> Result<Model, Error> {
        let text = self.plate.minibatch(&[]);
        let text = text.map_err(|error| Error::without_source(Diagnostic::from(&error)))?;
        self.model.sibling("outside.ppl", &text)
    }

    /// The same as a target, to learn from.
    ///
    /// # Errors
    /// [`FoundationError::Minibatch`] for those of [`Plated::minibatch`].
    pub fn minibatch_target(&self, k: usize, seed: u64, index: u64) -> Result<Target, FoundationError> {
        let made = self.minibatch(k, seed, index).and_then(|minibatch| minibatch.model.target(&Data::new()));
        made.map_err(|error| FoundationError::Minibatch {
            reason: error.diagnostics().first().map_or_else(String::new, |d| d.message.clone()),
        })
    }

    /// The masked variables outside the plate.
    fn globals(&self) -> Result<Vec<Arc<str>>, Error> {
        let mut globals: Vec<Arc<str>> = Vec::new();
        for line in &self.masked {
            if self.plate.has(&line.variable) {
                continue;
            }
            if !line.indices.is_empty() {
                return Err(wrong(format!(
                    "`{}` cannot have an expert: it is one of an array of variables",
                    line.name
                )));
            }
            if !globals.contains(&line.variable) {
                globals.push(line.variable.clone());
            }
        }
        if globals.is_empty() {
            return Err(wrong("nothing is masked outside the plate: there is nothing that minibatches share".into()));
        }
        Ok(globals)
    }
}

/// Where the variables outside the plate can be, which must be the same in all executions; and whether there are data.
fn supports(model: &Model, globals: &[Arc<str>], seed: u64) -> Result<(Vec<Outside>, bool), Error> {
    let target = model.target(&Data::new())?;
    let target = target.borrow();
    let mut machine = target.machine();
    let rng = random_stream(seed ^ CHOICE, u64::MAX - 1);
    let mut handler = Supports { rng, found: FxHashMap::default(), conditioned: false };
    let mut supports: Vec<Option<Support<f64>>> = vec![None; globals.len()];
    for _ in 0..EXECUTIONS {
        handler.found.clear();
        let ran = machine.run(&mut handler);
        let ran = ran.map_err(|error| Error::new(vec![Diagnostic::from(&error)], SourceMap::default()))?;
        if ran == Outcome::Rejected {
            continue;
        }
        for (name, known) in globals.iter().zip(&mut supports) {
            let no = |why: &str| Err(wrong(format!("`{name}` cannot have an expert: {why}")));
            match handler.found.remove(name) {
                Some(Support::Integers { .. }) => return no("it is not real"),
                Some(own) if known.as_ref().is_some_and(|other| *other != own) => {
                    return no("its bounds depend on other variables");
                }
                Some(own) => *known = Some(own),
                None => return no("it is not real, or not always there"),
            }
        }
    }
    let rejected = || wrong("the program rejects what is drawn from its prior".into());
    let of = |(name, support): (&Arc<str>, Option<_>)| Ok((name.clone(), support.ok_or_else(rejected)?));
    let variables = globals.iter().zip(supports).map(of).collect::<Result<_, Error>>()?;
    Ok((variables, handler.conditioned))
}

/// A posterior as a normal distribution over the coordinates of some variables.
fn expert(inferred: &Inferred, variables: &[Outside]) -> Result<NormalExpert, Error> {
    let posterior = &inferred.posterior;
    let mut points: Vec<Vec<f64>> = vec![Vec::new(); posterior.weights.len()];
    for (name, support) in variables {
        let column = posterior.column(name).ok_or_else(|| wrong(format!("`{name}` is not in the posterior")))?;
        for (point, value) in points.iter_mut().zip(&column.values) {
            let missing = || wrong(format!("`{name}` cannot have an expert: it is not always there"));
            point.extend(support.unconstrain(&value.as_ref().ok_or_else(missing)?.to_f64s()));
        }
    }
    let is_of = |scalar: &VariableSummary, name: &str| {
        scalar.name.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('['))
    };
    let own = inferred.variables.iter().filter(|v| variables.iter().any(|(name, _)| is_of(v, name)));
    // Not defined where nothing can be said of the draws.
    let ess = own.map(|v| v.ess.unwrap_or(if posterior.exact { f64::INFINITY } else { 1.0 }));
    let ess = ess.fold(f64::INFINITY, f64::min);
    NormalExpert::of_moments(&points, &posterior.weights, ess)
        .ok_or_else(|| wrong("the draws of a minibatch have no spread in some direction".into()))
}
