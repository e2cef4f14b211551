//! The search for modes: Newton ascents from many places, as many as are cheap, and more where modes keep turning up.
//!
//! Half of the ascents start from executions of the prior, half from around the modes that are known: executions of the prior
//! hardly reach where the data are far from it.

use rand::RngExt as _;
use rand_distr::StudentT;
use rayon::prelude::*;

use super::anchors::{AnchorMode, Anchors, PriorDraw, prior_draws};
use super::error::InferError;
use super::query::Query;
use super::stream::{Stream, StreamPurpose, stream};
use crate::density::TapeEvaluator;

/// Ascents between two looks at what they found; fewer where each takes long.
const BATCH: std::ops::RangeInclusive<usize> = 12..=64;

/// Ascents after which it ends where nothing new turns up, and where something does.
const ENOUGH: usize = 1_024;
const MOST: usize = 8_192;

/// The same in numbers computed.
const ENOUGH_WORK: usize = 20_000_000;
const MOST_WORK: usize = 160_000_000;

/// Newton steps that an ascent is taken to need, before any was seen.
const STEPS: usize = 10;

/// The share of starts that lead to modes not seen yet, as estimated, up to which nothing new is expected.
const UNSEEN: f64 = 0.003;

/// The share of the evidence from which on a mode counts.
pub(super) const COUNTS: f64 = 0.01;

/// How far from a mode ascents start: the scale of the prior or so many of the mode's, with the degrees of freedom of a
/// Student-t; from how many modes, the best first.
const JUMP_SCALES: f64 = 3.0;
const JUMP_FREEDOM: f64 = 3.0;
const SOURCES: usize = 64;

/// One jump in so many goes further, by a factor of up to so many powers of ten: where prior and noise have heavy tails, data far
/// from the prior have a mode of their own there.
const FAR: usize = 4;
const DECADES: f64 = 6.0;

/// Ascents of one thread before it looks for other work.
const TOGETHER: usize = 8;

/// A mode, and how many ascents led to it.
#[derive(Clone, Debug)]
struct Found {
    mode: AnchorMode,
    times: u32,
}

/// What ascents found.
#[derive(Clone, Debug)]
pub(super) struct Search {
    found: Vec<Found>,
    /// Ascents that led anywhere.
    arrived: usize,
    /// Whether it ended before its time.
    cut: bool,
}

impl Search {
    /// Looks for the modes of anchors' density, those that they have among them. A path without coordinates is a mode that needs
    /// no search.
    ///
    /// # Errors
    /// A mistake in the program.
    pub fn new(query: &Query<'_>, anchors: &Anchors<'_>) -> Result<Self, InferError> {
        let found = anchors.known().iter().map(|mode| Found { mode: mode.clone(), times: 1 }).collect();
        let mut search = Self { found, arrived: 0, cut: false };
        if anchors.paths.iter().all(|path| path.coordinates.is_empty()) {
            return Ok(search);
        }
        let each = anchors.paths.iter().map(|path| 2 * STEPS * path.coordinates.len() * path.density.size());
        let batch = (ENOUGH_WORK / each.max().unwrap_or(0).max(1)).clamp(*BATCH.start(), *BATCH.end());
        let (mut started, mut work) = (0, 0);
        while !search.is_over(started, work) {
            if query.deadline.has_passed() {
                search.cut = true;
                break;
            }
            let mut rng = stream(query.seed, StreamPurpose::Modes, 1 + started as u64);
            let executions = prior_draws(&query.target, anchors.compiled(), batch / 2, &mut rng)?;
            let starts = search.starts(query, anchors, &executions.draws, batch, &mut rng);
            let ascended: Vec<(Option<AnchorMode>, usize)> = starts
                .par_chunks(TOGETHER)
                .flat_map_iter(|starts| {
                    let mut evaluators: Vec<Option<TapeEvaluator<'_>>> = anchors.paths.iter().map(|_| None).collect();
                    let ascend = move |(path, z): &(usize, Vec<f64>)| {
                        let evaluator = evaluators[*path].get_or_insert_with(|| anchors.paths[*path].density.on_tape());
                        anchors.ascend_on(evaluator, *path, z, &query.prior.scales)
                    };
                    starts.iter().map(ascend).collect::<Vec<_>>()
                })
                .collect();
            started += batch;
            for (mode, evaluations) in ascended {
                work += evaluations;
                if let Some(mode) = mode {
                    search.arrived += 1;
                    search.add(mode);
                }
            }
        }
        Ok(search)
    }

    /// The modes that were found.
    pub fn modes(&self) -> impl Iterator<Item = &AnchorMode> {
        self.found.iter().map(|found| &found.mode)
    }

    /// What speaks against any answer: modes that count and were not found.
    pub fn doubt(&self) -> Option<String> {
        if self.cut {
            return Some("time was up before all modes were looked for".into());
        }
        let hidden = self.hidden();
        (hidden >= 1.0).then(|| {
            format!("modes of the posterior were found once each: there may be {hidden:.0} that were not found")
        })
    }

    fn is_over(&self, started: usize, work: usize) -> bool {
        if started == 0 {
            return false;
        }
        let enough = started >= ENOUGH || work >= ENOUGH_WORK;
        let most = started >= MOST || work >= MOST_WORK;
        most || enough && self.unseen() <= UNSEEN && self.hidden() < 1.0
    }

    /// The share of starts that lead to modes not seen yet (Good 1953, eq. 9).
    fn unseen(&self) -> f64 {
        self.sought().filter(|found| found.times == 1).count() as f64 / self.arrived.max(1) as f64
    }

    /// How many modes that count were not found, at least (Chao 1984, eq. 3, in the form without bias).
    fn hidden(&self) -> f64 {
        let best = self.modes().map(AnchorMode::laplace_evidence).fold(f64::NEG_INFINITY, f64::max);
        let counts = |found: &&Found| found.mode.laplace_evidence() - best > COUNTS.ln();
        let seen = |times: u32| self.sought().filter(counts).filter(|found| found.times == times).count() as f64;
        let (once, twice) = (seen(1), seen(2));
        once * (once - 1.0) / (2.0 * (twice + 1.0))
    }

    /// Those that only a search tells.
    fn sought(&self) -> impl Iterator<Item = &Found> {
        self.found.iter().filter(|found| !found.mode.mode.location.is_empty())
    }

    fn add(&mut self, mode: AnchorMode) {
        match self.found.iter_mut().find(|found| found.mode.is_same(&mode)) {
            Some(found) => found.times += 1,
            None => self.found.push(Found { mode, times: 1 }),
        }
    }

    /// Paths, and points over all coordinates.
    fn starts(
        &self,
        query: &Query<'_>,
        anchors: &Anchors<'_>,
        executions: &[PriorDraw],
        batch: usize,
        rng: &mut Stream,
    ) -> Vec<(usize, Vec<f64>)> {
        let prior = &query.prior;
        let mut evaluators = anchors.evaluators();
        let mut starts = Vec::with_capacity(batch);
        for draw in executions {
            let z = prior.filled(draw);
            starts.extend(anchors.paths_of(&mut evaluators, draw, &z).into_iter().map(|path| (path, z.clone())));
        }
        let mut sources: Vec<&AnchorMode> = self.modes().filter(|mode| !mode.mode.location.is_empty()).collect();
        sources.sort_by(|a, b| b.laplace_evidence().total_cmp(&a.laplace_evidence()));
        sources.truncate(SOURCES);
        let far = StudentT::new(JUMP_FREEDOM).ok();
        for jump in 0..if sources.is_empty() { 0 } else { batch - batch / 2 } {
            let from = sources[jump % sources.len()];
            let places = &anchors.paths[from.path].coordinates;
            let mut z = prior.middle.clone();
            let further = if jump % FAR == FAR - 1 { 10.0_f64.powf(rng.random_range(0.0..DECADES)) } else { 1.0 };
            let only = (jump / sources.len() % 2 == 1).then(|| rng.random_range(0..places.len()));
            for (place, coordinate) in places.iter().enumerate() {
                z[*coordinate] = from.mode.location[place];
                if only.is_none_or(|only| only == place) {
                    let scale = prior.scales[*coordinate].max(JUMP_SCALES * from.mode.marginal_scale(place));
                    z[*coordinate] += further * scale * far.map_or(0.0, |t| rng.sample(t));
                }
            }
            starts.push((from.path, z));
        }
        starts
    }
}
