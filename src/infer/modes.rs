//! What draws miss: weights cannot tell of places where no draw ever was.

use rand::RngExt as _;
use rand_distr::StandardNormal;
use statrs::distribution::{ChiSquared, ContinuousCDF};

use super::anchors::{AnchorMode, Anchors, Drawn, Mode, PriorDraw, PriorDraws};
use super::coordinates::Coordinates;
use super::diagnostics::weights_ess;
use super::error::InferError;
use super::importance::{log_mean_exp, prior_evidence};
use super::laplace;
use super::query::{Query, compile_pieces};
use super::search::COUNTS;
use super::stream::{Stream, StreamPurpose, stream};
use super::target::TargetRef;
use crate::density::Evaluator as _;
use crate::dist::log_sum_exp;

/// The share of the evidence that modes must have together to count, where each is too small to; of how many, the largest.
const TOGETHER: f64 = 0.05;
const MOST_SMALL: usize = 64;

/// The neighbourhood of a mode: squared Mahalanobis distance up to 9, or in many dimensions, where that would hold hardly
/// any of its mass, up to two standard deviations beyond the mean of a χ² of that many degrees.
fn near(dimension: usize) -> f64 {
    let d = dimension as f64;
    (d + 2.0 * (2.0 * d).sqrt()).max(9.0)
}

/// The part of its mass that the draws must have in its neighbourhood.
const ENOUGH: f64 = 1.0 / 3.0;

/// The part that they must have where both are known so well: within so many standard errors.
const MOST: f64 = 0.8;

/// ln of the largest ratio that is told from larger ones.
const MOST_NATS: f64 = 100.0;

/// The share of draws near a mode that says what the evidence is.
const SEEN: f64 = 0.1;

/// Standard errors within which masses count as known.
const ERRORS: f64 = 4.0;

/// Draws by which the mass near a mode is estimated: at first, and at most where it may be that the others lack part of it.
const PROBES: usize = 256;
const MOST_PROBES: usize = 16_384;

/// Draws of normal approximations by which the evidence is estimated once more.
const CHECKED: usize = 1_000;

/// Executions of the prior that do the same: at the least, at most, and the numbers that they may compute.
const FEWEST_PRIOR: usize = 200;
const MOST_PRIOR: usize = 2_000;
const PRIOR_WORK: usize = 400_000;

/// The standard error of their estimate, in nats, at which there is no need of the other.
const PRECISE: f64 = 0.1;

/// Nats, and standard errors, by which either may be above.
const MORE: f64 = 0.05;
const MORE_ERRORS: f64 = 3.0;

/// Weighted draws, by path.
pub(super) struct Neighbourhood {
    /// A point in the order of the path's coordinates and its normalised weight.
    draws: Vec<Vec<(Vec<f64>, f64)>>,
    log_evidence: f64,
    /// Its standard error, and the effective draws.
    evidence_error: f64,
    ess: f64,
}

impl Neighbourhood {
    fn new(draws: Vec<Vec<(Vec<f64>, f64)>>, log_weights: &[f64]) -> Self {
        let (log_evidence, evidence_error) = log_mean_exp(log_weights);
        let total = log_sum_exp(log_weights);
        let weights: Vec<f64> = log_weights.iter().map(|w| (w - total).exp()).collect();
        Self { draws, log_evidence, evidence_error, ess: weights_ess(&weights) }
    }

    /// ln of the evidence, and its standard error.
    pub fn evidence(&self) -> (f64, f64) {
        (self.log_evidence, self.evidence_error)
    }

    /// The share that a part with this ln of its mass has of all that there is with it. Everything, where the draws have nothing.
    fn share(&self, log_mass: f64) -> f64 {
        let log_ratio = log_mass - self.log_evidence;
        if log_ratio.is_nan() {
            f64::from(u8::from(log_mass > f64::NEG_INFINITY))
        } else {
            1.0 / (1.0 + (-log_ratio).exp())
        }
    }

    /// The standard error of a mass that the draws say, with that of the evidence.
    fn error_of(&self, mass: f64) -> f64 {
        (mass * (1.0 - mass).max(0.0) / self.ess).sqrt().hypot(mass * self.evidence_error)
    }

    /// Of draws from anchors.
    pub fn of_draws(anchors: &Anchors<'_>, drawn: &[Drawn], log_weights: &[f64]) -> Self {
        let total = log_sum_exp(log_weights);
        let mut draws = vec![Vec::new(); anchors.compiled().paths()];
        for (draw, log_weight) in drawn.iter().zip(log_weights) {
            if let Some((_, path)) = draw.target {
                let weight = (log_weight - total).exp();
                draws[path].push((draw.decoded_point(), weight));
            }
        }
        Self::new(draws, log_weights)
    }

    /// Of draws from anything, as points among the coordinates.
    fn of_points(anchors: &Anchors<'_>, prior: &PriorDraws, points: &[PriorDraw], log_weights: &[f64]) -> Self {
        let total = log_sum_exp(log_weights);
        let mut draws = vec![Vec::new(); anchors.compiled().paths()];
        let mut evaluators = anchors.evaluators();
        for (point, log_weight) in points.iter().zip(log_weights).filter(|(_, w)| **w > f64::NEG_INFINITY) {
            let z = prior.filled(point);
            for path in anchors.paths_of(&mut evaluators, point, &z) {
                draws[path].push((anchors.paths[path].local(&z), (log_weight - total).exp()));
            }
        }
        Self::new(draws, log_weights)
    }

    /// Of weighted draws on their paths (those of positive weight, all log weights).
    pub fn of_weighted(anchors: &Anchors<'_>, points: &[(usize, Vec<f64>)], log_weights: &[f64]) -> Self {
        let total = log_sum_exp(log_weights);
        let mut draws = vec![Vec::new(); anchors.compiled().paths()];
        let positive = log_weights.iter().filter(|w| **w > f64::NEG_INFINITY);
        for ((path, z), log_weight) in points.iter().zip(positive) {
            draws[*path].push((anchors.paths[*path].local(z), (log_weight - total).exp()));
        }
        Self::new(draws, log_weights)
    }

    /// Of equally weighted draws on their paths, which tell nothing of the evidence: it follows from the mass near the mode
    /// that most of them are near. `None` where that is too few to tell. `effective` of the draws are.
    pub fn of_chains(
        anchors: &Anchors<'_>,
        points: &[(usize, Vec<f64>)],
        effective: f64,
        rng: &mut Stream,
    ) -> Option<Self> {
        let unknown = (0.0, 0.0);
        let mut found = Self { ess: effective, ..Self::of_paths(anchors, points, unknown) };
        let masses = anchors.known().iter().map(|anchor| (found.mass(anchor), anchor));
        let (seen, most) = masses.max_by(|a, b| a.0.total_cmp(&b.0)).filter(|(seen, _)| *seen > SEEN)?;
        let (log_mass, error) = log_mass_near(anchors, most, MOST_PROBES / 4, rng);
        found.log_evidence = log_mass - seen.ln();
        found.evidence_error = error.hypot(((1.0 - seen) / seen / effective).sqrt());
        Some(found)
    }

    /// Of equally weighted draws on their paths, which tell the evidence otherwise (with its standard error).
    pub fn of_paths(
        anchors: &Anchors<'_>,
        points: &[(usize, Vec<f64>)],
        (log_evidence, evidence_error): (f64, f64),
    ) -> Self {
        let mut draws = vec![Vec::new(); anchors.compiled().paths()];
        let weight = 1.0 / points.len().max(1) as f64;
        for (path, z) in points {
            draws[*path].push((anchors.paths[*path].local(z), weight));
        }
        Self { draws, log_evidence, evidence_error, ess: points.len() as f64 }
    }

    /// Whether they have too little of a mode that counts.
    fn lack(&self, anchors: &Anchors<'_>, anchor: &AnchorMode, rng: &mut Stream) -> bool {
        let inside = near_mass(anchor.mode.location.len());
        let seen = self.mass(anchor);
        let mut probes = PROBES;
        loop {
            // By the density itself: along a bend there is less than the normal approximation says.
            let (log_mass, error) = log_mass_near(anchors, anchor, probes, rng);
            let share = self.share(log_mass);
            if share < COUNTS * inside {
                return false;
            }
            let there = (log_mass - self.log_evidence).min(MOST_NATS).exp();
            let tolerated = seen + ERRORS * self.error_of(seen);
            if seen < ENOUGH * share || there * (1.0 - ERRORS * error) * MOST > tolerated {
                return true;
            }
            if probes >= MOST_PROBES || there * (1.0 + ERRORS * error) * MOST <= tolerated {
                return false;
            }
            probes *= 4;
        }
    }

    /// The mass of the draws near a mode.
    fn mass(&self, anchor: &AnchorMode) -> f64 {
        let limit = near(anchor.mode.location.len());
        let near = self.draws[anchor.path].iter().filter(|(z, _)| anchor.mode.distance(z) <= limit);
        near.map(|(_, weight)| weight).sum()
    }
}

/// What the draws of a proposal leave out: modes with a good part of the evidence that they hardly visit, or more than normal
/// approximations find. `None` where it is nothing, or the program has no compiled density to look at. `points` gives the draws
/// among the coordinates.
///
/// # Errors
/// A mistake in the program.
pub(super) fn left_out_by_proposal(
    target: &TargetRef<'_>,
    seed: u64,
    log_weights: &[f64],
    points: impl FnOnce(&Coordinates) -> Result<Vec<PriorDraw>, InferError>,
) -> Result<Option<String>, InferError> {
    let Ok(compiled) = compile_pieces(target) else { return Ok(None) };
    let query = Query::new(*target, compiled, seed)?;
    let Ok(mut anchors) = query.anchors() else { return Ok(None) };
    let points = points(&Coordinates::new(&query.compiled))?;
    let neighbourhood = Neighbourhood::of_points(&anchors, &query.prior, &points, log_weights);
    left_out(&query, &mut anchors, &neighbourhood)
}

/// What draws leave out, by modes and by the evidence of normal approximations.
///
/// # Errors
/// A mistake in the program.
pub(super) fn left_out(
    query: &Query<'_>,
    anchors: &mut Anchors<'_>,
    draws: &Neighbourhood,
) -> Result<Option<String>, InferError> {
    let missed = missed_modes(query, anchors, draws)?;
    match too_few(missed.len()).or(query.search(anchors)?.doubt()) {
        Some(reason) => Ok(Some(reason)),
        None => more_evidence(query, Some(anchors), draws.evidence()),
    }
}

/// What speaks against draws that find less of the evidence (ln of it, with its error) than normal approximations do (where
/// they are no draws of these), or executions of the prior.
///
/// # Errors
/// A mistake in the program.
pub(super) fn more_evidence(
    query: &Query<'_>,
    anchors: Option<&mut Anchors<'_>>,
    found: (f64, f64),
) -> Result<Option<String>, InferError> {
    let by_prior = match (PRIOR_WORK / query.compiled.work().max(1)).min(MOST_PRIOR) {
        0..FEWEST_PRIOR => None,
        n => prior_evidence(&query.target, n, query.seed)?,
    };
    // One that is good enough will do.
    let anchors = anchors.filter(|_| by_prior.is_none_or(|(_, error)| error > PRECISE));
    let by_anchors =
        anchors.map(|anchors| log_mean_exp(&laplace::log_weights(&laplace::draws(anchors, query, CHECKED))));
    let others = [("executions of the prior find", by_prior), ("normal approximations find", by_anchors)];
    // An estimate that is too high is one of few: its mean is the evidence.
    Ok(others.into_iter().find_map(|(who, other)| {
        let (log_evidence, error) = other?;
        let above = log_evidence - found.0 - MORE_ERRORS * error.hypot(found.1);
        let more = 100.0 * (log_evidence - found.0).exp_m1();
        (above > MORE).then(|| format!("{who} {more:.0} % more of the posterior than these draws"))
    }))
}

/// Why draws that hardly visit some modes are not to be trusted.
pub(super) fn too_few(modes: usize) -> Option<String> {
    match modes {
        0 => None,
        1 => Some("1 mode of the posterior has too few draws".into()),
        _ => Some(format!("{modes} modes of the posterior have too few draws")),
    }
}

/// Modes with a good part of the evidence that the draws hardly visit, each or together.
///
/// # Errors
/// A mistake in the program.
pub(super) fn missed_modes(
    query: &Query<'_>,
    anchors: &Anchors<'_>,
    draws: &Neighbourhood,
) -> Result<Vec<AnchorMode>, InferError> {
    let mut rng = stream(query.seed, StreamPurpose::Modes, 0);
    let mut found: Vec<&AnchorMode> = query.search(anchors)?.modes().collect();
    // Those that are known count too: the draws may have lost one.
    for mode in anchors.known() {
        if !found.iter().any(|other| other.is_same(mode)) {
            found.push(mode);
        }
    }
    let (counting, mut small): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|anchor| draws.share(anchor.laplace_evidence()) >= COUNTS);
    let mut missed: Vec<AnchorMode> =
        counting.into_iter().filter(|anchor| draws.lack(anchors, anchor, &mut rng)).cloned().collect();

    let share = |log_masses: &[f64]| draws.share(log_sum_exp(log_masses));
    small.retain(|anchor| draws.mass(anchor) < ENOUGH * draws.share(anchor.laplace_evidence()));
    small.sort_by(|a, b| b.laplace_evidence().total_cmp(&a.laplace_evidence()));
    small.truncate(MOST_SMALL);
    if share(&small.iter().map(|anchor| anchor.laplace_evidence()).collect::<Vec<f64>>()) > TOGETHER {
        let masses: Vec<f64> = small.iter().map(|anchor| log_mass_near(anchors, anchor, PROBES, &mut rng).0).collect();
        if share(&masses) > TOGETHER {
            missed.extend(small.into_iter().cloned());
        }
    }
    Ok(missed)
}

/// ln of the integral of the density over the neighbourhood of a mode, by importance sampling from its normal approximation,
/// and the relative standard error of the integral.
fn log_mass_near(anchors: &Anchors<'_>, anchor: &AnchorMode, probes: usize, rng: &mut Stream) -> (f64, f64) {
    let Mode { location, factor, .. } = &anchor.mode;
    let n = location.len();
    let path = &anchors.paths[anchor.path];
    let mut evaluator = path.density.on_tape();
    let log_volume = anchor.mode.log_evidence() - anchor.mode.log_density;
    let (mut standard, mut z) = (vec![0.0; n], vec![0.0; n]);
    let mut log_weights = vec![f64::NEG_INFINITY; probes];
    for log_weight in &mut log_weights {
        standard.iter_mut().for_each(|e| *e = rng.sample(StandardNormal));
        let square: f64 = standard.iter().map(|e| e * e).sum();
        if square > near(n) {
            continue;
        }
        for i in 0..n {
            z[i] = location[i] + factor[i * n..=i * n + i].iter().zip(&standard).map(|(l, e)| l * e).sum::<f64>();
        }
        let value = evaluator.value(&z);
        let within = z.iter().zip(&anchor.pieces).all(|(z, (low, high))| z >= low && z <= high);
        if within && path.conditions_hold(&evaluator) && !value.is_nan() {
            *log_weight = value + 0.5 * square + log_volume;
        }
    }
    log_mean_exp(&log_weights)
}

/// The mass of a normal distribution within the neighbourhood of its mode.
fn near_mass(dimension: usize) -> f64 {
    ChiSquared::new(dimension.max(1) as f64).map_or(1.0, |d| if dimension == 0 { 1.0 } else { d.cdf(near(dimension)) })
}
