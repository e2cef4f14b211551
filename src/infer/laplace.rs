//! Draws from the anchors alone: sequential normal approximations at every mode, with heavy tails, weighted.
//!
//! The same conditionals are what a network starts from; without one they are an engine of their own, and the proposal that
//! seeds the others.

use std::convert::Infallible;

use rayon::prelude::*;

use super::anchors::{Anchors, Decoded, Drawn, NoAnchors, PriorDraws, Shares, Walk};
use super::counts::cut_off;
use super::deadline::Deadline;
use super::diagnostics::{K_HAT_LIMIT, pareto_smooth, weights_ess};
use super::engine::{Engine, InferOptions, Progress, Sampled};
use super::error::InferError;
use super::importance::{ENOUGH, judge, weigh};
use super::modes::{Neighbourhood, missed_modes, more_evidence, too_few};
use super::patches::{PATCHED, Source, patched};
use super::query::Query;
use super::stream::{StreamPurpose, stream};
use super::target::TargetRef;
use super::trace::Ledger;

pub(super) const ENGINE: Engine =
    Engine { name: "laplace", summary: "draws from normal approximations at all modes, weighted", run };

/// Draws where the caller names no number.
const DRAWS: usize = 2_500;

/// Draws of one random stream.
const CHUNK: usize = 64;

/// Draws that show whether more are worth it: k̂ above which, and effective draws below which, they are not.
const PILOT: usize = 512;
const HOPELESS: f64 = 1.0;
const FEWEST: f64 = 6.0;

/// Work, in numbers computed, up to which modes are refined without asking whether that is worth it.
const LITTLE_WORK: f64 = 2e7;

/// The same, of draws to which patches are added.
const PATCHED_WORK: f64 = 2e8;

/// Effective draws a draw from which on the normal approximations as they are will do.
const GOOD: f64 = 0.5;

/// How many times as many effective draws as the certificate asks for are planned: those of a pilot are an estimate.
const MARGIN: f64 = 1.5;

/// How often modes that the draws miss may join the anchors.
const ROUNDS: u64 = 3;

fn run(target: &TargetRef<'_>, options: &InferOptions, progress: &mut dyn Progress) -> Result<Sampled, InferError> {
    let mut query = Query::by_pieces(*target, ENGINE.name, options.seed)?;
    query.deadline = Deadline::after(options.budget);
    let n = options.draws.unwrap_or(DRAWS);
    sample(&mut query, n, n, progress)
}

/// Weighted draws from the anchors, certified: `n`, or up to `most` where a few draws say that so many will do. Where these
/// are hopeless, and no mode that they miss is the reason, they are the answer.
///
/// # Errors
/// Where there are no anchors, or no draw has a density above zero.
pub(super) fn sample(
    query: &mut Query<'_>,
    n: usize,
    most: usize,
    progress: &mut dyn Progress,
) -> Result<Sampled, InferError> {
    let seed = query.seed;
    certified(query, ENGINE.name, n, progress, |prior, anchors, round| {
        Ok(Attempt { prior, n, most, seed, round, patches: true }.draw(anchors))
    })
}

/// Weighted draws, by `draw` given the anchors and the round, certified. Modes that they miss join the anchors for the next
/// round.
///
/// # Errors
/// Where there are no anchors, or no draw has a density above zero; those of `draw`.
pub(super) fn certified(
    query: &mut Query<'_>,
    engine: &'static str,
    n: usize,
    progress: &mut dyn Progress,
    mut draw: impl FnMut(&PriorDraws, &mut Anchors<'_>, u64) -> Result<Vec<Drawn>, InferError>,
) -> Result<Sampled, InferError> {
    progress.start(engine, n as u64);
    let (points, log_weights, against) = {
        let refused = |error: NoAnchors| InferError::Refused { engine, reason: error.to_string(), span: None };
        let mut anchors = query.anchors().map_err(refused)?;
        let mut round = 0;
        loop {
            let drawn = draw(&query.prior, &mut anchors, round)?;
            let log_weights = log_weights(&drawn);
            let neighbourhood = Neighbourhood::of_draws(&anchors, &drawn, &log_weights);
            round += 1;
            let found = missed_modes(query, &anchors, &neighbourhood)?;
            let mut against = too_few(found.len()).or(query.search(&anchors)?.doubt());
            let last = round == ROUNDS || query.deadline.has_passed();
            let new = if last { 0 } else { found.into_iter().filter(|mode| anchors.insert(mode.clone())).count() };
            if new == 0 {
                // There is time for no more; or the anchors know them all, and draws of another seed are no better.
                let points = points(&anchors, &drawn);
                if against.is_none() && trust(&drawn).0 == 1.0 {
                    let others = (engine != ENGINE.name).then_some(&mut anchors);
                    against = more_evidence(query, others, neighbourhood.evidence())?;
                }
                break (points, log_weights, against);
            }
        }
    };
    progress.advance(n as u64);
    let record = query.record(&points)?;
    let mut sampled = weigh(record, &log_weights, &Ledger::default())?;
    sampled.refuse(cut_off(&query.compiled, &points));
    sampled.refuse(against);
    Ok(sampled)
}

/// Draws without a certificate, as good as they get.
pub(super) fn draws(anchors: &mut Anchors<'_>, query: &Query<'_>, n: usize) -> Vec<Drawn> {
    Attempt { prior: &query.prior, n, most: n, seed: query.seed, round: ROUNDS, patches: false }.draw(anchors)
}

/// Each draw of positive density: its path and point.
fn points(anchors: &Anchors<'_>, drawn: &[Drawn]) -> Vec<(usize, Vec<f64>)> {
    drawn.iter().filter_map(|d| d.target.map(|(_, path)| (path, d.point(anchors.elements())))).collect()
}

/// Draws that do not hold, or others (if there are any) where they are better.
///
/// # Errors
/// Those of `others`.
pub(super) fn or_better<E>(
    drawn: Vec<Drawn>,
    others: impl FnOnce() -> Result<Option<Vec<Drawn>>, E>,
) -> Result<Vec<Drawn>, E> {
    let held = trust(&drawn);
    if held.0 == 1.0 {
        return Ok(drawn);
    }
    let better = others()?.filter(|others| trust(others) > held);
    Ok(better.unwrap_or(drawn))
}

/// Draws that do not hold, or those that `again` makes of slices where they are better; the anchors stay what these are of.
///
/// # Errors
/// Those of `again`.
pub(super) fn or_sliced<E>(
    anchors: &mut Anchors<'_>,
    prior: &PriorDraws,
    drawn: Vec<Drawn>,
    again: impl FnOnce(&Anchors<'_>) -> Result<Vec<Drawn>, E>,
) -> Result<Vec<Drawn>, E> {
    let held = trust(&drawn);
    if held.0 == 1.0 {
        return Ok(drawn);
    }
    let Some(before) = anchors.slice(prior) else { return Ok(drawn) };
    let sliced = again(anchors)?;
    if trust(&sliced) > held {
        return Ok(sliced);
    }
    anchors.exchange(before);
    Ok(drawn)
}

/// How draws are made of the modes of one round.
struct Attempt<'a> {
    prior: &'a PriorDraws,
    n: usize,
    most: usize,
    seed: u64,
    round: u64,
    /// Whether draws that do not hold are worth patches.
    patches: bool,
}

impl Attempt<'_> {
    /// Draws, few where more would be in vain.
    fn draw(&self, anchors: &mut Anchors<'_>) -> Vec<Drawn> {
        let drawn = match self.cheap(anchors) {
            Some(drawn) => drawn,
            None => self.all(anchors, Modes::Refined, self.n),
        };
        let sliced = |anchors: &Anchors<'_>| Ok::<_, Infallible>(self.all(anchors, Modes::Refined, self.n));
        let patched = |anchors: &Anchors<'_>| match self.patches {
            true => patched(anchors, self.prior, self, self.n, (self.seed, self.round)),
            false => Ok(None),
        };
        let drawn = or_sliced(anchors, self.prior, drawn, sliced);
        match drawn.and_then(|drawn| or_better(drawn, || patched(anchors))) {
            Ok(drawn) => drawn,
            Err(never) => match never {},
        }
    }

    /// What patches are added to: normal approximations as they are, where refined ones take long.
    fn modes(&self, anchors: &Anchors<'_>) -> Modes {
        let is_cheap = self.n as f64 * anchors.cost().refined <= PATCHED_WORK;
        if is_cheap { Modes::Refined } else { Modes::Plain }
    }

    /// Where refined modes take long: from the normal approximations as they are, of modes or of slices, if these are good, or
    /// from what gets to as many effective draws first.
    fn cheap(&self, anchors: &mut Anchors<'_>) -> Option<Vec<Drawn>> {
        if self.n as f64 * anchors.cost().refined <= LITTLE_WORK {
            return None;
        }
        let plain = self.pilot(anchors, Modes::Plain);
        if plain.is_good() {
            return Some(self.many(anchors, Modes::Plain, self.n));
        }
        let plain_cost = anchors.cost().plain;
        let mut sliced = None;
        if let Some(before) = anchors.slice(self.prior) {
            let pilot = self.pilot(anchors, Modes::Plain);
            if pilot.is_good() {
                return Some(self.many(anchors, Modes::Plain, self.n));
            }
            let cost = anchors.cost().plain;
            sliced = Some((pilot, cost, anchors.exchange(before)));
        }
        let refined = self.pilot(anchors, Modes::Refined);
        let refined_cost = anchors.cost().refined;
        let wanted = |pilot: &Pilot| ((MARGIN * ENOUGH / pilot.efficiency) as usize).max(self.n);
        let total = |pilot: &Pilot, cost: f64| {
            let enough = pilot.sound && wanted(pilot) <= self.most;
            if enough { cost * wanted(pilot) as f64 } else { f64::INFINITY }
        };
        let least = total(&plain, plain_cost).min(total(&refined, refined_cost));
        if let Some((pilot, cost, slices)) = sliced
            && total(&pilot, cost) < least
        {
            anchors.exchange(slices);
            return Some(self.many(anchors, Modes::Plain, wanted(&pilot)));
        }
        if total(&plain, plain_cost) < total(&refined, refined_cost) {
            return Some(self.many(anchors, Modes::Plain, wanted(&plain)));
        }
        let n = if least.is_finite() { wanted(&refined) } else { self.n };
        Some(if refined.hopeless { refined.drawn } else { self.many(anchors, Modes::Refined, n) })
    }

    /// Draws, or a few where these are hopeless.
    fn all(&self, anchors: &Anchors<'_>, modes: Modes, n: usize) -> Vec<Drawn> {
        let pilot = self.pilot(anchors, modes);
        if pilot.hopeless { pilot.drawn } else { self.many(anchors, modes, n) }
    }

    fn pilot(&self, anchors: &Anchors<'_>, modes: Modes) -> Pilot {
        Pilot::new(draw(anchors, modes, self.n.min(PILOT), self.seed, 2 * self.round))
    }

    fn many(&self, anchors: &Anchors<'_>, modes: Modes, n: usize) -> Vec<Drawn> {
        draw(anchors, modes, n, self.seed, 2 * self.round + 1)
    }
}

impl Source<Infallible> for Attempt<'_> {
    fn draw(&self, anchors: &Anchors<'_>, n: usize, round: u64) -> Result<Vec<Drawn>, Infallible> {
        Ok(draw(anchors, self.modes(anchors), n, self.seed, PATCHED + round))
    }

    fn log_densities(&self, anchors: &Anchors<'_>, values: &[Vec<Decoded>]) -> Result<Vec<f64>, Infallible> {
        let modes = self.modes(anchors);
        let score = |chunk: &[Vec<Decoded>]| {
            let mut walk = modes.walk(anchors);
            chunk.iter().map(|values| walk.log_density(values)).collect::<Vec<_>>()
        };
        Ok(values.par_chunks(CHUNK).flat_map_iter(score).collect())
    }
}

/// What a few draws say of more.
struct Pilot {
    drawn: Vec<Drawn>,
    /// More draws of this kind would not do: the weights have no variance to speak of, or hardly any draw counts.
    hopeless: bool,
    /// Nothing in the weights speaks against more.
    sound: bool,
    /// Effective draws a draw.
    efficiency: f64,
}

impl Pilot {
    fn is_good(&self) -> bool {
        self.sound && self.efficiency >= GOOD
    }

    fn new(drawn: Vec<Drawn>) -> Self {
        match pareto_smooth(&log_weights(&drawn)) {
            None => Self { drawn, hopeless: true, sound: false, efficiency: 0.0 },
            Some(psis) => {
                let ess = weights_ess(&psis.weights);
                let hopeless = psis.k_hat.is_some_and(|k| k > HOPELESS) || ess < FEWEST;
                let sound = !hopeless && psis.k_hat.is_none_or(|k| k < K_HAT_LIMIT);
                Self { hopeless, sound, efficiency: ess / drawn.len() as f64, drawn }
            }
        }
    }
}

/// Whether weights hold (1, else 0), and effective draws.
fn trust(drawn: &[Drawn]) -> (f64, f64) {
    judge(&log_weights(drawn))
        .map_or((0.0, 0.0), |judged| (f64::from(u8::from(judged.held)), weights_ess(&judged.weights)))
}

pub(super) fn log_weights(drawn: &[Drawn]) -> Vec<f64> {
    drawn.iter().map(|d| d.target.map_or(f64::NEG_INFINITY, |(value, _)| value - d.log_proposal)).collect()
}

/// What draws are made of.
#[derive(Clone, Copy, Debug)]
pub(super) enum Modes {
    /// The normal approximations as they are.
    Plain,
    /// Refined where the density departs from them.
    Refined,
}

impl Modes {
    fn walk<'a>(self, anchors: &'a Anchors<'a>) -> Walk<'a> {
        match self {
            Self::Plain => Walk::plain(anchors, Shares::default()),
            Self::Refined => Walk::new(anchors, Shares::default()),
        }
    }
}

/// `n` draws from the anchors, in parallel; a function of the seed and the round, unless there was time for fewer alone.
pub(super) fn draw(anchors: &Anchors<'_>, modes: Modes, n: usize, seed: u64, round: u64) -> Vec<Drawn> {
    let walk = || modes.walk(anchors);
    let chunks: Vec<usize> = (0..n.div_ceil(CHUNK)).collect();
    chunks
        .into_par_iter()
        .map_init(walk, |walk, chunk| {
            let mut rng = stream(seed, StreamPurpose::Draws, (round << 32) + chunk as u64);
            let size = CHUNK.min(n - chunk * CHUNK);
            // Some there must be.
            let size = if chunk > 0 && anchors.deadline.has_passed() { 0 } else { size };
            (0..size).map(|_| walk.draw(&mut rng)).collect::<Vec<_>>()
        })
        .flatten()
        .collect()
}
