//! Anchors: where the posterior of each variable may be, given what was decoded before it.
//!
//! Newton steps on the compiled density find the joint modes of every path once for a query, each with its curvature. A
//! decoded value conditions the normal approximation at a mode by one more row of a triangular factor; where the true
//! density then departs from the approximation, one more Newton step is taken on the variables still to come. All this is a
//! function of the program, what is known, and the values decoded so far, and of nothing else: so the density of a whole
//! draw is exact, whichever mode it came from.

mod conditional;
mod mixture;
mod newton;
mod order;
mod prior;
mod slices;

pub(in crate::infer) use conditional::reals;
pub use conditional::{Conditional, Decoded, Drawn, Paused, Presence, Walk};
pub use mixture::{Anchor, Mixture, Shares, interval_normal, log_interval, log_normal, own_log_density, pick};
pub use newton::{Derivatives, Mode, maximise};
pub use prior::{PriorDraw, PriorDraws, prior_draws};

use rustc_hash::FxHashMap;

use self::order::decoding_order;
use self::slices::close_gaps;
use super::deadline::Deadline;
use crate::density::{Compiled, Density, Evaluator as _, LatentKey, OwnDistributionAt, PathStructure, TapeEvaluator};

/// Modes less likely than the best by this factor (as a logarithm) are dropped.
const LEAST_LOG_EVIDENCE: f64 = -23.0;

/// Modes nearer than this (squared Mahalanobis distance) are one.
const SAME: f64 = 0.01;

/// Coordinates up to which modes are sought: a Hessian takes twice as many gradients, and its factor cubic time.
pub const MOST_COORDINATES: usize = 300;

/// Starts of Newton steps for each path, and for all paths together.
const STARTS: usize = 6;
const ALL_STARTS: usize = 256;

/// One element of the decoding order: a discrete variable, or a coordinate of a real one.
#[derive(Clone, Debug, PartialEq)]
pub struct Element {
    /// The variable.
    pub key: LatentKey,
    /// As written, with subscripts.
    pub name: String,
    /// The coordinate among those of the compiled density; `None` of a discrete variable.
    pub coordinate: Option<usize>,
}

/// What a path contributes.
#[derive(Debug)]
pub(super) struct AnchorPath<'c> {
    /// Its log density as if its conditions held everywhere, over its coordinates in decoding order.
    pub density: Density<'c>,
    /// The outputs of `density` alone.
    pub outputs: Density<'c>,
    /// By place in the path's decoding order: the coordinate among all.
    pub coordinates: Vec<usize>,
    /// By place in the path's decoding order: its own distribution, if it has one.
    pub own: Vec<Option<OwnDistributionAt>>,
    /// By place: the interval of the coordinate that belongs to this path.
    pub pieces: Vec<(f64, f64)>,
    /// Conditions that are no pieces: which output, the outcome, and after how many coordinates it is settled.
    pub conditions: Vec<(usize, bool, usize)>,
    /// The outcomes of all conditions, by output.
    pub outcomes: Vec<bool>,
    /// Values of the discrete variables.
    pub held: FxHashMap<LatentKey, i64>,
}

/// A mode of a path.
#[derive(Clone, Debug)]
pub(in crate::infer) struct AnchorMode {
    pub path: usize,
    pub mode: Mode,
    /// By place: the interval of the coordinate that it stands for.
    pub pieces: Vec<(f64, f64)>,
    /// Its Laplace evidence (with the mass of its pieces), the best one's 0.
    pub log_evidence: f64,
}

impl AnchorMode {
    /// The Laplace evidence of a mode times the mass of its pieces, each by its own marginal.
    pub fn laplace_evidence(&self) -> f64 {
        let log_mass =
            |(i, piece): (usize, &(f64, f64))| log_interval(*piece, self.mode.location[i], self.mode.marginal_scale(i));
        self.mode.log_evidence() + self.pieces.iter().enumerate().map(log_mass).sum::<f64>()
    }

    /// Whether two climbs led to one mode.
    pub fn is_same(&self, other: &Self) -> bool {
        self.path == other.path && self.pieces == other.pieces && self.mode.distance(&other.mode.location) < SAME
    }
}

/// The anchors of a query.
#[derive(Debug)]
pub struct Anchors<'c> {
    compiled: &'c Compiled,
    pub(super) paths: Vec<AnchorPath<'c>>,
    elements: Vec<Element>,
    modes: Vec<AnchorMode>,
    /// Of paths on which no climb found a mode: slices, or their prior where the density is largest.
    elsewhere: Vec<AnchorMode>,
    /// What draws are made of: the modes, or slices of the posterior.
    pub(super) components: Vec<AnchorMode>,
    /// When to look for no more.
    pub(in crate::infer) deadline: Deadline,
}

/// Why a query has no anchors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoAnchors {
    /// No start led to a mode.
    #[error("no mode was found")]
    NoMode,
    /// Too many coordinates.
    #[error("it has more than {MOST_COORDINATES} coordinates")]
    TooLarge,
    /// The deadline passed.
    #[error("time was up before all modes were found")]
    OutOfTime,
}

impl<'c> Anchors<'c> {
    /// Finds the modes of every path, from executions of the prior and their middle.
    ///
    /// # Errors
    /// Where there is none, or the query is too large for Hessians.
    pub fn new(compiled: &'c Compiled, prior: &PriorDraws) -> Result<Self, NoAnchors> {
        Self::until(Deadline::default(), compiled, prior)
    }

    /// The same, if it does not take too long.
    ///
    /// # Errors
    /// As [`Anchors::new`], and where the deadline passes.
    pub(in crate::infer) fn until(
        deadline: Deadline,
        compiled: &'c Compiled,
        prior: &PriorDraws,
    ) -> Result<Self, NoAnchors> {
        if compiled.dimension() > MOST_COORDINATES {
            return Err(NoAnchors::TooLarge);
        }
        let structures: Vec<_> = (0..compiled.paths()).map(|path| compiled.structure(path)).collect();
        let elements = decoding_order(&structures);
        let path = |(path, structure)| AnchorPath::new(compiled, path, structure, &elements);
        let paths: Vec<AnchorPath<'c>> = structures.iter().enumerate().map(path).collect();
        let mut anchors = Self {
            compiled,
            paths,
            elements,
            modes: Vec::new(),
            elsewhere: Vec::new(),
            components: Vec::new(),
            deadline,
        };
        let starts = (ALL_STARTS / anchors.paths.len().max(1)).clamp(1, STARTS);
        for path in 0..anchors.paths.len() {
            anchors.climb(path, prior, starts);
            anchors.in_time()?;
        }
        for path in 0..anchors.paths.len() {
            anchors.in_time()?;
            if anchors.modes.iter().all(|mode| mode.path != path) {
                anchors.elsewhere.extend(anchors.without_mode(path, prior));
            }
        }
        anchors.settle();
        if anchors.components.is_empty() { Err(NoAnchors::NoMode) } else { Ok(anchors) }
    }

    fn in_time(&self) -> Result<(), NoAnchors> {
        if self.deadline.has_passed() { Err(NoAnchors::OutOfTime) } else { Ok(()) }
    }

    /// The density that the anchors are of.
    pub fn compiled(&self) -> &'c Compiled {
        self.compiled
    }

    /// The decoding order.
    pub fn elements(&self) -> &[Element] {
        &self.elements
    }

    /// Adds a mode; `false` where it is known.
    pub(in crate::infer) fn insert(&mut self, mode: AnchorMode) -> bool {
        let new = !self.modes.iter().any(|other| other.is_same(&mode));
        if new {
            self.modes.push(mode);
            self.settle();
        }
        new
    }

    /// The modes, the best first.
    pub(in crate::infer) fn known(&self) -> &[AnchorMode] {
        &self.modes
    }

    /// The modes, each with the coordinates that its places are, among all.
    pub(in crate::infer) fn places(&self) -> impl Iterator<Item = (&[usize], &AnchorMode)> {
        self.modes.iter().map(|mode| (&self.paths[mode.path].coordinates[..], mode))
    }

    /// The mode of a path that a climb from `start` (over all coordinates) leads to, and the numbers that were computed on the
    /// way. The evaluator is the path's.
    pub(in crate::infer) fn ascend_on(
        &self,
        evaluator: &mut TapeEvaluator<'_>,
        path: usize,
        start: &[f64],
        scales: &[f64],
    ) -> (Option<AnchorMode>, usize) {
        let own = &self.paths[path];
        let (start, mut scales) = (own.local(start), own.local(scales));
        let mut derivatives = Derivatives::new(evaluator, start.len());
        let mode = maximise(&mut derivatives, &start, 0, &mut scales);
        let work = derivatives.evaluations() * own.density.size();
        // Relative to the best only after `settle`.
        let log_evidence = f64::NEG_INFINITY;
        (mode.map(|mode| AnchorMode { path, mode, pieces: own.pieces.clone(), log_evidence }), work)
    }

    fn ascend(&self, path: usize, start: &[f64], scales: &[f64]) -> Option<AnchorMode> {
        self.ascend_on(&mut self.paths[path].density.on_tape(), path, start, scales).0
    }

    /// The paths whose discrete values and conditions are those of an execution of the prior (`z`: its coordinates, with
    /// something in every place).
    pub(in crate::infer) fn paths_of(
        &self,
        evaluators: &mut [TapeEvaluator<'_>],
        draw: &PriorDraw,
        z: &[f64],
    ) -> Vec<usize> {
        let addresses = self.compiled.addresses();
        let agrees = |path: &AnchorPath<'_>, evaluator: &mut TapeEvaluator<'_>| {
            let held = path.held.iter().all(|((variable, indices), value)| {
                draw.discrete.get(&(addresses.name(*variable).clone(), indices.to_vec())) == Some(value)
            });
            held && {
                evaluator.value(&path.local(z));
                path.conditions_hold(evaluator)
            }
        };
        let paths = self.paths.iter().zip(evaluators).enumerate();
        paths.filter_map(|(i, (path, evaluator))| agrees(path, evaluator).then_some(i)).collect()
    }

    /// Climbs from the middle of the prior and from the best of its draws.
    fn climb(&mut self, path: usize, prior: &PriorDraws, starts: usize) {
        let own = &self.paths[path];
        let mut evaluator = own.density.on_tape();
        let mut ranked: Vec<(f64, Vec<f64>)> =
            prior.draws.iter().map(|draw| prior.filled(draw)).map(|z| (evaluator.value(&own.local(&z)), z)).collect();
        ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
        drop(evaluator);
        let best = ranked.into_iter().take(starts.saturating_sub(1)).map(|(_, z)| z);
        let starts: Vec<Vec<f64>> = std::iter::once(prior.middle.clone()).chain(best).collect();
        for start in starts {
            if let Some(mode) = self.ascend(path, &start, &prior.scales)
                && !self.modes.iter().any(|other| other.is_same(&mode))
            {
                self.modes.push(mode);
            }
        }
    }

    /// Components of a path on which no climb found a mode: a curve or an edge that slices follow, or where executions of the
    /// prior find the largest density.
    fn without_mode(&self, path: usize, prior: &PriorDraws) -> Vec<AnchorMode> {
        let slices = self.slices_of(path, prior);
        if !slices.is_empty() {
            return slices;
        }
        let own = &self.paths[path];
        let mut evaluator = own.density.on_tape();
        let best = prior
            .draws
            .iter()
            .map(|draw| own.local(&prior.filled(draw)))
            .map(|z| (evaluator.value(&z), z))
            .filter(|(log_density, _)| *log_density > f64::NEG_INFINITY && log_density.is_finite())
            .max_by(|a, b| a.0.total_cmp(&b.0));
        let component = best.map(|(log_density, location)| {
            let (n, scales) = (location.len(), own.local(&prior.scales));
            let mut factor = vec![0.0; n * n];
            for (i, scale) in scales.into_iter().enumerate() {
                factor[i * n + i] = scale;
            }
            let mode = Mode { location, log_density, factor };
            AnchorMode { path, mode, pieces: own.pieces.clone(), log_evidence: f64::NEG_INFINITY }
        });
        component.into_iter().collect()
    }

    /// Orders modes by evidence and drops those that hardly count; draws are made of the modes, and of what stands for modes
    /// where there are none.
    fn settle(&mut self) {
        settle(&mut self.modes);
        self.components.clone_from(&self.modes);
        if !self.elsewhere.is_empty() {
            self.components.extend(self.elsewhere.iter().cloned());
            settle(&mut self.components);
            for (index, path) in self.paths.iter().enumerate() {
                if let Some(whole) = path.pieces.first().filter(|_| self.elsewhere.iter().any(|c| c.path == index)) {
                    close_gaps(&mut self.components, index, *whole);
                }
            }
        }
    }

    /// Evaluators of all paths, for one thread.
    pub(in crate::infer) fn evaluators(&self) -> Vec<TapeEvaluator<'_>> {
        self.paths.iter().map(|p| p.density.on_tape()).collect()
    }
}

/// Orders modes by evidence, relative to the best, and drops those that hardly count.
fn settle(modes: &mut Vec<AnchorMode>) {
    let evidences: Vec<f64> = modes.iter().map(AnchorMode::laplace_evidence).collect();
    let best = evidences.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    for (mode, evidence) in modes.iter_mut().zip(&evidences) {
        mode.log_evidence = evidence - best;
    }
    modes.retain(|m| m.log_evidence > LEAST_LOG_EVIDENCE);
    modes.sort_by(|a, b| b.log_evidence.total_cmp(&a.log_evidence));
}

impl<'c> AnchorPath<'c> {
    fn new(compiled: &'c Compiled, path: usize, structure: &PathStructure, elements: &[Element]) -> Self {
        let own: FxHashMap<&LatentKey, usize> =
            structure.latents.iter().enumerate().map(|(i, l)| (&l.key, i)).collect();
        let mut coordinates = Vec::new();
        let mut latents = Vec::new();
        for element in elements {
            if let (Some(coordinate), Some(latent)) = (element.coordinate, own.get(&element.key)) {
                coordinates.push(coordinate);
                latents.push(*latent);
            }
        }
        let mut pieces = vec![(f64::NEG_INFINITY, f64::INFINITY); coordinates.len()];
        let mut conditions = Vec::new();
        for (output, condition) in structure.conditions.iter().enumerate() {
            let place = condition.piece.and_then(|(c, ..)| coordinates.iter().position(|other| *other == c));
            if let (Some(place), Some((_, low, high))) = (place, condition.piece) {
                let piece = &mut pieces[place];
                *piece = (piece.0.max(low), piece.1.min(high));
                continue;
            }
            let last = |latent: &usize| latents.iter().rposition(|l| l == latent).map_or(0, |place| place + 1);
            let settled = condition.latents.iter().map(last).max().unwrap_or(0);
            conditions.push((output, condition.holds, settled));
        }
        Self {
            density: compiled.path_density(path, &coordinates),
            outputs: compiled.path_outputs(path, &coordinates),
            own: latents.iter().map(|l| structure.latents[*l].own.clone()).collect(),
            coordinates,
            pieces,
            conditions,
            outcomes: structure.conditions.iter().map(|c| c.holds).collect(),
            held: structure.latents.iter().filter_map(|l| Some((l.key.clone(), l.held?))).collect(),
        }
    }

    /// What belongs to this path's coordinates, of numbers for all.
    pub fn local(&self, all: &[f64]) -> Vec<f64> {
        self.coordinates.iter().map(|c| all[*c]).collect()
    }

    /// Whether the conditions had the outcomes of this path at the last evaluation.
    pub fn conditions_hold(&self, evaluator: &TapeEvaluator<'_>) -> bool {
        self.outcomes.iter().enumerate().all(|(i, holds)| (evaluator.output(i) != 0.0) == *holds)
    }
}
