//! The No-U-Turn Sampler on a log density, by the crate `nuts-rs`.
//!
//! Hoffman & Gelman (2014), with multinomial sampling of trajectories (Betancourt 2017, "A conceptual introduction to
//! Hamiltonian Monte Carlo", appendix A) and a mass matrix estimated from draws and gradients (Seyboldt, Carlson &
//! Carpenter 2026, "Preconditioning Hamiltonian Monte Carlo by minimizing Fisher divergence"). Each chain is sequential and
//! has a random stream of its own, so results do not depend on the number of threads.
//!
//! Chains of `nuts-rs` cannot move between threads. So a thread owns its chains for as long as they live, and is told how
//! far to go on: that is how draws are added later without another warm-up.

use std::collections::HashMap;
use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use nuts_rs::{
    Chain, CpuLogpFunc, CpuMath, CpuMathError, DiagNutsSettings, EuclideanAdaptOptions, HasDims, LogpError,
    LowRankNutsSettings, SamplerStats, Settings,
};
use rand::RngExt as _;
use serde::Serialize;

use super::deadline::Deadline;
use super::engine::Progress;
use super::error::InferError;
use super::stream::{Stream, StreamPurpose, stream};
use crate::density::{Evaluator, LogDensity};

/// The engine's name, in messages.
const NAME: &str = "nuts";

/// How often a chain tells how far it is.
const TOLD_EVERY: Duration = Duration::from_millis(100);

/// What the mass matrix can express.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MassMatrix {
    /// A scale for each coordinate.
    #[default]
    Diagonal,
    /// Scales, and the directions in which the posterior is far longer or shorter than they say.
    LowRank,
}

/// How to sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NutsSettings {
    /// What the mass matrix can express.
    pub mass_matrix: MassMatrix,
    /// Draws of each chain in which it adapts, and which are dropped.
    pub warmup: usize,
    /// Draws of each chain that are kept at first.
    pub draws: usize,
    /// Mean acceptance statistic that the step size is adapted to, in (0, 1).
    pub target_acceptance: f64,
    /// Doublings of a trajectory, at most.
    pub max_tree_depth: u32,
    /// The step size from which the search for one begins, in the coordinates that are sampled in.
    pub initial_step: f64,
    /// When to end with the draws that there are.
    pub deadline: Deadline,
}

impl Default for NutsSettings {
    fn default() -> Self {
        Self {
            mass_matrix: MassMatrix::Diagonal,
            warmup: 1_000,
            draws: 1_000,
            target_acceptance: 0.8,
            max_tree_depth: 10,
            initial_step: 0.1,
            deadline: Deadline::default(),
        }
    }
}

/// What the sampler says about one draw.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DrawStatistics {
    /// Log density at the draw, in unconstrained coordinates.
    pub log_density: f64,
    /// Mean acceptance probability over the trajectory.
    pub acceptance: f64,
    /// Step size, in the coordinates that were sampled in: by the engine `nuts` those in which the anchors' draws have unit
    /// covariance, where there are such.
    pub step_size: f64,
    /// Doublings of the trajectory.
    pub tree_depth: u32,
    /// Leapfrog steps, and so gradients.
    pub leapfrog_steps: u32,
    /// Whether the trajectory ended because its energy went astray.
    pub divergent: bool,
    /// Whether it ended because it had doubled as often as it may.
    pub saturated: bool,
    /// Energy at the draw: kinetic energy less log density.
    pub energy: f64,
}

/// The draws of all chains.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NutsDraws {
    /// By chain, draw and unconstrained coordinate.
    pub chains: Vec<Vec<Vec<f64>>>,
    /// By chain and draw.
    pub statistics: Vec<Vec<DrawStatistics>>,
}

impl NutsDraws {
    /// Draws of each chain.
    pub fn draws(&self) -> usize {
        self.chains.first().map_or(0, Vec::len)
    }

    /// The same draws in other coordinates.
    pub fn moved(&self, to: impl Fn(&[f64]) -> Vec<f64>) -> Self {
        let chains = self.chains.iter().map(|chain| chain.iter().map(|z| to(z)).collect()).collect();
        Self { chains, statistics: self.statistics.clone() }
    }
}

/// Samples `density` with one chain for each of `starts` (each of length d).
///
/// After warm-up and the first draws, `more` is shown all draws and says how many to add to each chain; 0 ends. The draws
/// are the same however they are cut into rounds, but no more are made after the deadline.
///
/// # Errors
/// Where the log density or its gradient at a start is not finite, the gradient there has a coordinate that is zero, or
/// the sampler fails; where the deadline passes before the first draw.
pub fn sample_nuts(
    density: &dyn LogDensity,
    starts: &[Vec<f64>],
    settings: &NutsSettings,
    seed: u64,
    progress: &mut dyn Progress,
    more: &mut dyn FnMut(&NutsDraws) -> usize,
) -> Result<NutsDraws, InferError> {
    let mut draws = NutsDraws { chains: vec![Vec::new(); starts.len()], statistics: vec![Vec::new(); starts.len()] };
    // Inside other parallel work all processors are taken.
    let threads = if rayon::current_thread_index().is_some() { 1 } else { rayon::current_num_threads() };
    let threads = threads.min(starts.len()).max(1);
    std::thread::scope(|scope| {
        let (report, reports) = channel();
        let mut commands = Vec::with_capacity(threads);
        for thread in 0..threads {
            let (command, orders) = channel();
            commands.push(command);
            let report = report.clone();
            let own = starts.iter().enumerate().skip(thread).step_by(threads);
            let own: Vec<(usize, &[f64])> = own.map(|(chain, start)| (chain, &start[..])).collect();
            scope.spawn(move || work(density, &own, settings, seed, &orders, &report));
        }
        drop(report);
        let mut crew = Crew { commands, reports, chains: starts.len(), divergences: 0 };
        if settings.warmup > 0 {
            crew.advance("nuts warm-up", settings.warmup, progress)?;
            crew.divergences = 0;
        }
        let mut wanted = settings.draws;
        while wanted > 0 {
            let rounds = crew.advance(NAME, wanted, progress)?;
            // All chains have equally many draws, also where time was up for some.
            let drawn = rounds.iter().map(|round| round.positions.len()).min().unwrap_or(0);
            for (chain, round) in rounds.into_iter().enumerate() {
                if let (Some(positions), Some(statistics)) =
                    (draws.chains.get_mut(chain), draws.statistics.get_mut(chain))
                {
                    positions.extend(round.positions.into_iter().take(drawn));
                    statistics.extend(round.statistics.into_iter().take(drawn));
                }
            }
            if drawn < wanted && !starts.is_empty() {
                break;
            }
            wanted = more(&draws);
        }
        if settings.deadline.has_passed() && draws.draws() == 0 {
            return Err(failed("time was up before the first draw"));
        }
        Ok(draws)
        // The crew is dropped here, and with it its commands: the threads end.
    })
}

/// A point that a chain can start from: the first that `propose` gives with a finite log density and a finite gradient
/// without zeros (from which the first mass matrix is made). `None` where none of `tries` is.
pub fn find_start(
    density: &dyn LogDensity,
    rng: &mut Stream,
    tries: usize,
    propose: &mut dyn FnMut(&mut Stream) -> Vec<f64>,
) -> Option<Vec<f64>> {
    let mut evaluator = density.evaluator();
    let mut gradient = vec![0.0; density.dimension()];
    (0..tries).map(|_| propose(rng)).find(|z| is_start(&mut *evaluator, z, &mut gradient))
}

/// Points that are tried as a start.
pub(super) const TRIES: usize = 200;

/// A start as Stan takes it, uniform on (−2, 2) in unconstrained coordinates; of more points than Stan tries.
pub fn uniform_start(density: &dyn LogDensity, rng: &mut Stream) -> Option<Vec<f64>> {
    find_start(density, rng, TRIES, &mut |rng| uniform_point(density.dimension(), rng))
}

pub(super) fn uniform_point(dimension: usize, rng: &mut Stream) -> Vec<f64> {
    (0..dimension).map(|_| rng.random_range(-2.0..2.0)).collect()
}

fn is_start(evaluator: &mut dyn Evaluator, z: &[f64], gradient: &mut [f64]) -> bool {
    evaluator.gradient(z, gradient).is_finite() && gradient.iter().all(|g| g.is_finite() && *g != 0.0)
}

/// The threads, as seen from the one that asked for the draws.
struct Crew {
    /// How many draws to add to each chain: one sender a thread.
    commands: Vec<Sender<usize>>,
    reports: Receiver<Report>,
    chains: usize,
    divergences: u64,
}

/// What a chain tells.
enum Report {
    /// So many more draws, of which so many diverged, at this step size.
    Advanced { draws: u64, divergences: u64, step_size: f64 },
    /// All that it was told to.
    Finished { chain: usize, round: Result<Round, InferError> },
}

/// What one chain drew at one command.
#[derive(Default)]
struct Round {
    positions: Vec<Vec<f64>>,
    statistics: Vec<DrawStatistics>,
}

impl Crew {
    /// Has each chain draw `count` times, and waits. Rounds are by chain.
    fn advance(&mut self, stage: &str, count: usize, progress: &mut dyn Progress) -> Result<Vec<Round>, InferError> {
        progress.start(stage, (self.chains * count) as u64);
        for command in &self.commands {
            // A thread that ended has said why.
            let _ = command.send(count);
        }
        let mut rounds: Vec<Round> = (0..self.chains).map(|_| Round::default()).collect();
        let mut left = self.chains;
        while left > 0 {
            match self.reports.recv() {
                Ok(Report::Advanced { draws, divergences, step_size }) => {
                    self.divergences += divergences;
                    progress.advance(draws);
                    progress.remark(&format!("{} divergences · step size {step_size:.2e}", self.divergences));
                }
                Ok(Report::Finished { chain, round }) => {
                    left -= 1;
                    if let Some(place) = rounds.get_mut(chain) {
                        *place = round?;
                    }
                }
                Err(_) => return Err(failed("a thread ended early")),
            }
        }
        Ok(rounds)
    }
}

fn failed(reason: impl Into<String>) -> InferError {
    InferError::SamplerFailed { engine: NAME, reason: reason.into() }
}

/// An error of the sampler's library, which may come with a stack backtrace after its first line.
fn refused(error: impl std::fmt::Display) -> InferError {
    let text = error.to_string();
    failed(text.lines().next().unwrap_or_default())
}

/// A thread: drives its chains until nobody tells it how far any more.
fn work(
    density: &dyn LogDensity,
    own: &[(usize, &[f64])],
    settings: &NutsSettings,
    seed: u64,
    orders: &Receiver<usize>,
    report: &Sender<Report>,
) {
    // The statistics are of types that have no name outside nuts-rs.
    macro_rules! read {
        () => {
            |statistics, divergent| DrawStatistics {
                log_density: statistics.point.logp,
                acceptance: statistics.adapt.step_size.mean_tree_accept,
                step_size: statistics.hamiltonian.step_size,
                tree_depth: u32::try_from(statistics.depth).unwrap_or(u32::MAX),
                leapfrog_steps: u32::try_from(statistics.adapt.step_size.n_steps).unwrap_or(u32::MAX),
                divergent,
                saturated: statistics.maxdepth_reached,
                // The energy of nuts-rs has the log determinant of its mass matrix, which differs between chains.
                energy: statistics.point.kinetic_energy - statistics.point.logp,
            }
        };
    }
    match settings.mass_matrix {
        MassMatrix::Diagonal => {
            let configured = configure(DiagNutsSettings::default(), settings);
            drive(density, own, (configured, settings.deadline), seed, orders, report, read!());
        }
        MassMatrix::LowRank => {
            let configured = configure(LowRankNutsSettings::default(), settings);
            drive(density, own, (configured, settings.deadline), seed, orders, report, read!());
        }
    }
}

fn configure<O: Copy + Debug + Default + Serialize>(
    mut inner: nuts_rs::NutsSettings<EuclideanAdaptOptions<O>>,
    settings: &NutsSettings,
) -> nuts_rs::NutsSettings<EuclideanAdaptOptions<O>> {
    inner.num_tune = settings.warmup as u64;
    inner.maxdepth = u64::from(settings.max_tree_depth);
    inner.adapt_options.step_size_settings.target_accept = settings.target_acceptance;
    inner.adapt_options.step_size_settings.initial_step = settings.initial_step;
    // The kept draws are those of one kernel: nothing about it changes, not even at random.
    inner.adapt_options.step_size_settings.jitter = None;
    // Clipped gradients would make results depend on the units of the variables.
    inner.gradient_clipping = None;
    inner
}

type ChainOf<'a, S> = <S as Settings>::Chain<CpuMath<Adapter<'a>>>;

type StatisticsOf<'a, S> = <ChainOf<'a, S> as SamplerStats<CpuMath<Adapter<'a>>>>::Stats;

fn drive<'a, S: Settings>(
    density: &'a dyn LogDensity,
    own: &[(usize, &[f64])],
    (settings, deadline): (S, Deadline),
    seed: u64,
    orders: &Receiver<usize>,
    report: &Sender<Report>,
    read: fn(&StatisticsOf<'a, S>, bool) -> DrawStatistics,
) {
    let mut chains: Vec<(usize, ChainOf<'a, S>)> = Vec::with_capacity(own.len());
    for (number, start) in own {
        match guarded(|| begin(density, *number, start, settings, seed)) {
            Ok(chain) => chains.push((*number, chain)),
            Err(error) => {
                // Whoever waits for draws is told once, and stops.
                let _ = report.send(Report::Finished { chain: *number, round: Err(error) });
                return;
            }
        }
    }
    let mut drawn = 0;
    for count in orders {
        let keep = drawn >= settings.hint_num_tune();
        for (number, chain) in &mut chains {
            let round = guarded(|| advance(chain, count, (keep, deadline), report, read));
            let ended = round.is_err();
            if report.send(Report::Finished { chain: *number, round }).is_err() || ended {
                return;
            }
        }
        drawn += count;
    }
}

fn begin<'a, S: Settings>(
    density: &'a dyn LogDensity,
    number: usize,
    start: &[f64],
    settings: S,
    seed: u64,
) -> Result<ChainOf<'a, S>, InferError> {
    let mut evaluator = density.evaluator();
    if !is_start(&mut *evaluator, start, &mut vec![0.0; density.dimension()]) {
        return Err(failed(format!("chain {number} cannot start where it was put")));
    }
    let math = CpuMath::new(Adapter { evaluator, dimension: density.dimension() });
    let mut rng = stream(seed, StreamPurpose::Chain, number as u64);
    let mut chain = settings.new_chain(number as u64, math, &mut rng).map_err(refused)?;
    chain.set_position(start).map_err(refused)?;
    Ok(chain)
}

/// Runs code that should never panic, of which some is not ours.
fn guarded<T>(run: impl FnOnce() -> Result<T, InferError>) -> Result<T, InferError> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| Err(failed("it panicked, which is a bug")))
}

fn advance<M: nuts_rs::Math, C: Chain<M>>(
    chain: &mut C,
    count: usize,
    (keep, deadline): (bool, Deadline),
    report: &Sender<Report>,
    read: fn(&C::Stats, bool) -> DrawStatistics,
) -> Result<Round, InferError> {
    let room = if keep { count } else { 0 };
    let mut round = Round { positions: Vec::with_capacity(room), statistics: Vec::with_capacity(room) };
    let (mut draws, mut divergences, mut told) = (0, 0, Instant::now());
    for left in (0..count).rev() {
        if deadline.has_passed() {
            break;
        }
        let (position, _, statistics, progress) = chain.expanded_draw().map_err(refused)?;
        if keep {
            round.positions.push(position.into_vec());
            round.statistics.push(read(&statistics, progress.diverging));
        }
        draws += 1;
        divergences += u64::from(progress.diverging);
        if left == 0 || told.elapsed() >= TOLD_EVERY {
            let step_size = progress.step_size;
            // Without a listener there is nothing to sample for.
            if report.send(Report::Advanced { draws, divergences, step_size }).is_err() {
                break;
            }
            (draws, divergences, told) = (0, 0, Instant::now());
        }
    }
    Ok(round)
}

/// A log density as nuts-rs wants it.
struct Adapter<'a> {
    evaluator: Box<dyn Evaluator + Send + 'a>,
    dimension: usize,
}

/// The log density is −∞, or its gradient is not finite: the trajectory ends there.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the log density is not finite")]
struct NotFinite;

impl LogpError for NotFinite {
    fn is_recoverable(&self) -> bool {
        true
    }
}

impl HasDims for Adapter<'_> {
    fn dim_sizes(&self) -> HashMap<String, u64> {
        HashMap::from([("unconstrained_parameter".to_owned(), self.dimension as u64)])
    }
}

impl CpuLogpFunc for Adapter<'_> {
    type LogpError = NotFinite;
    type FlowParameters = ();
    type ExpandedVector = ();

    fn dim(&self) -> usize {
        self.dimension
    }

    fn logp(&mut self, position: &[f64], gradient: &mut [f64]) -> Result<f64, NotFinite> {
        let value = self.evaluator.gradient(position, gradient);
        if value.is_finite() { Ok(value) } else { Err(NotFinite) }
    }

    fn expand_vector<R: rand::Rng + ?Sized>(&mut self, _: &mut R, _: &[f64]) -> Result<(), CpuMathError> {
        Ok(())
    }
}
