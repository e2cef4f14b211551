//! The look for modes that a proposal misses: weights cannot tell of places where no draw ever was.

use rand::RngExt as _;
use rand_distr::{StandardNormal, StudentT};
use statrs::distribution::{ChiSquared, ContinuousCDF};

use super::anchors::{AnchorMode, Anchors, Drawn, Mode, PriorDraw, PriorDraws, prior_draws};
use super::coordinates::Coordinates;
use super::diagnostics::weights_ess;
use super::error::InferError;
use super::importance::{log_mean_exp, prior_evidence};
use super::laplace;
use super::query::{Query, compile_pieces};
use super::stream::{Stream, StreamPurpose, stream};
use super::target::TargetRef;
use crate::density::Evaluator as _;
use crate::dist::log_sum_exp;

/// Newton ascents from the prior; fewer where a Hessian takes many gradients.
const ASCENTS: usize = 32;
const MANY: usize = 64;

/// Ascents from around known modes: how far from these, in the scales of the prior or so many of the mode's, with the degrees of
/// freedom of a Student-t; how many at the least; and the numbers that may be computed for more, at so many steps each.
const JUMP_SCALES: f64 = 3.0;
const JUMP_FREEDOM: f64 = 3.0;
const FEWEST_JUMPS: usize = 4;
const JUMP_WORK: usize = 5_000_000;
const STEPS: usize = 10;

/// The share of the evidence that a mode must have to count.
const COUNTS: f64 = 0.01;

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
    let Ok(mut anchors) = Anchors::new(&query.compiled, &query.prior) else { return Ok(None) };
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
    let modes = look_for_modes(&query.target, anchors, draws, query.seed)?;
    if !modes.is_empty() {
        return Ok(too_few(modes.len()));
    }
    more_evidence(query, Some(anchors), draws.evidence())
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

/// Modes with a good part of the evidence that the draws hardly visit.
///
/// # Errors
/// A mistake in the program.
pub(super) fn look_for_modes(
    target: &TargetRef<'_>,
    anchors: &Anchors<'_>,
    draws: &Neighbourhood,
    seed: u64,
) -> Result<Vec<AnchorMode>, InferError> {
    let ascents = if anchors.compiled().dimension() > MANY { ASCENTS / 4 } else { ASCENTS };
    let mut rng = stream(seed, StreamPurpose::Modes, 0);
    let prior = prior_draws(target, anchors.compiled(), ascents, &mut rng)?;
    let mut found: Vec<AnchorMode> = Vec::new();
    let mut evaluators = anchors.evaluators();
    for draw in &prior.draws {
        let z = prior.filled(draw);
        for path in anchors.paths_of(&mut evaluators, draw, &z) {
            let Some(mode) = anchors.ascend(path, &z, &prior.scales) else { continue };
            if !found.iter().any(|other| other.is_same(&mode)) {
                found.push(mode);
            }
        }
    }
    // From around the modes that are known as well: executions of the prior hardly reach where the data are far from it.
    let known: Vec<(&[usize], &AnchorMode)> = anchors.places().filter(|(places, _)| !places.is_empty()).collect();
    for jump in 0..jumps(anchors, ascents).min(known.len() * ascents) {
        let (places, from) = known[jump % known.len()];
        let mut z = prior.middle.clone();
        let only = (jump / known.len() % 2 == 1).then(|| rng.random_range(0..places.len()));
        for (place, coordinate) in places.iter().enumerate() {
            z[*coordinate] = from.mode.location[place];
            if only.is_none_or(|only| only == place) {
                let scale = prior.scales[*coordinate].max(JUMP_SCALES * from.mode.marginal_scale(place));
                z[*coordinate] += scale * StudentT::new(JUMP_FREEDOM).map_or(0.0, |t| rng.sample(t));
            }
        }
        if let Some(mode) = anchors.ascend(from.path, &z, &prior.scales)
            && !found.iter().any(|other| other.is_same(&mode))
        {
            found.push(mode);
        }
    }
    // Those that are known count too: the draws may have lost one.
    for mode in anchors.known() {
        if !found.iter().any(|other| other.is_same(mode)) {
            found.push(mode.clone());
        }
    }
    found.retain(|anchor| {
        let inside = near_mass(anchor.mode.location.len());
        if draws.share(anchor.laplace_evidence()) < COUNTS {
            return false;
        }
        // By the density itself: along a bend there is less than the normal approximation says.
        let seen = draws.mass(anchor);
        let mut probes = PROBES;
        loop {
            let (log_mass, error) = log_mass_near(anchors, anchor, probes, &mut rng);
            let share = draws.share(log_mass);
            if share < COUNTS * inside {
                return false;
            }
            let there = (log_mass - draws.log_evidence).min(MOST_NATS).exp();
            let tolerated = seen + ERRORS * draws.error_of(seen);
            if seen < ENOUGH * share || there * (1.0 - ERRORS * error) * MOST > tolerated {
                return true;
            }
            if probes >= MOST_PROBES || there * (1.0 + ERRORS * error) * MOST <= tolerated {
                return false;
            }
            probes *= 4;
        }
    });
    Ok(found)
}

/// How many ascents start around known modes: as many as from the prior, fewer where each takes long.
fn jumps(anchors: &Anchors<'_>, most: usize) -> usize {
    let work = anchors.paths.iter().map(|path| {
        let n = path.coordinates.len();
        STEPS * 2 * n * path.density.size()
    });
    (JUMP_WORK / work.max().unwrap_or(0).max(1)).clamp(most.min(FEWEST_JUMPS), most)
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
