//! Trace-based Metropolis–Hastings: one random choice at a time, on any program.
//!
//! Each update picks one masked choice of the current execution, proposes a value, and executes the program again with all
//! other choices as they were. Choices that appear are drawn from their own distribution, choices that vanish are forgotten,
//! and both enter the acceptance ratio together with the numbers of choices (Wingate, Stuhlmüller & Goodman 2011, with the
//! correction of Kiselyov 2016). Continuous values move in unconstrained coordinates, with the Jacobian.
//!
//! Where there is a proposal for whole executions whose density can be told, some updates take all choices from it.

mod chains;

pub(super) use chains::Chains;

use std::sync::Arc;

use rand::RngExt as _;
use rand_distr::StandardNormal;
use rustc_hash::FxHashMap;

use super::engine::Engine;
use super::error::InferError;
use super::proposal::{OwnDistribution, Proposal, drawable};
use super::stream::Stream;
use super::target::TargetRef;
use super::trace::{Choice, Generator, Ledger, Trace, add_likelihood, drawn_log_density, known_log_density};
use crate::dist::Support;
use crate::runtime::{AddressId, Addresses, Handler, Law, Machine, Outcome, RuntimeError, Site, Stop};
use crate::span::Span;
use crate::value::{Base, Value};

pub(super) const ENGINE: Engine = Engine {
    name: "mh",
    summary: "Metropolis–Hastings, one choice at a time and whole executions, on any program",
    run: chains::run,
};

/// Executions from the prior among which a chain's start is picked, and how many to try for one of positive density.
const STARTS: usize = 100;
const TRIES: usize = 20_000;

/// Acceptance rates that the scale of a random walk is adapted to (Roberts & Rosenthal 2001), for one and more dimensions.
const ACCEPT_ONE: f64 = 0.44;
const ACCEPT_MANY: f64 = 0.234;

/// Which proposals an update may make.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Kernel {
    /// Random walks and draws from the choice's own distribution, at random.
    #[default]
    Mixed,
    /// Draws from the choice's own distribution alone.
    Resimulation,
    /// Random walks alone, where the choice has unconstrained coordinates or neighbours.
    RandomWalk,
}

impl Kernel {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Mixed, Self::Resimulation, Self::RandomWalk];
}

/// The scale of the random walk of one choice.
#[derive(Clone, Copy, Debug)]
struct Scale {
    log: f64,
    updates: u32,
}

/// A Markov chain over the executions of a target.
pub struct MarkovChain<'a> {
    machine: Machine<'a>,
    kernel: Kernel,
    current: Trace,
    spare: Trace,
    ledger: Ledger,
    /// By address.
    scales: Vec<Option<Scale>>,
    /// Whether scales still adapt: only before draws are kept.
    adapting: bool,
    /// The power of the target in what the chain leaves invariant; the rest is the distribution that executions are drawn
    /// from.
    temperature: f64,
}

impl<'a> MarkovChain<'a> {
    /// A chain that starts from an execution picked by its weight among some from the prior.
    ///
    /// # Errors
    /// A mistake in the program or its data; no execution of positive density.
    pub fn from_prior(target: &TargetRef<'a>, kernel: Kernel, rng: &mut Stream) -> Result<Self, InferError> {
        Self::from_proposal(target, kernel, &OwnDistribution, rng)
    }

    /// The same with executions of a proposal.
    ///
    /// # Errors
    /// As [`MarkovChain::from_prior`].
    pub fn from_proposal(
        target: &TargetRef<'a>,
        kernel: Kernel,
        proposal: &dyn Proposal,
        rng: &mut Stream,
    ) -> Result<Self, InferError> {
        let mut chain = Self::empty(target, kernel);
        let generator = Generator { engine: ENGINE.name, proposal, weigh: true, choices: None };
        let mut log_total = f64::NEG_INFINITY;
        for tried in 0..TRIES {
            let weight = generator.run(&mut chain.machine, rng, &mut chain.spare, &mut chain.ledger)?;
            if weight > f64::NEG_INFINITY {
                // Weighted reservoir sampling: each survivor replaces the last with probability weight / total.
                let largest = log_total.max(weight);
                log_total = largest + ((log_total - largest).exp() + (weight - largest).exp()).ln();
                if rng.random::<f64>() < (weight - log_total).exp() {
                    std::mem::swap(&mut chain.current, &mut chain.spare);
                }
            }
            if tried + 1 >= STARTS && log_total > f64::NEG_INFINITY {
                return Ok(chain);
            }
        }
        Err(InferError::NoDrawSurvived { tried: TRIES as u64, reason: chain.ledger.why_none() })
    }

    /// A chain that starts from given values by address; choices without one are drawn. `None` where that execution has
    /// density zero.
    ///
    /// # Errors
    /// A mistake in the program or its data.
    pub fn from_values(
        target: &TargetRef<'a>,
        kernel: Kernel,
        start: &FxHashMap<String, Value>,
        rng: &mut Stream,
    ) -> Result<Option<Self>, InferError> {
        let mut chain = Self::empty(target, kernel);
        let mut replay = Replay {
            old: &chain.current,
            new: &mut chain.spare,
            proposed: None,
            start: Some(start),
            rng,
            ledger: &mut chain.ledger,
            log_fresh: 0.0,
            redrawn: Vec::new(),
        };
        if chain.machine.run(&mut replay)? == Outcome::Rejected {
            return Ok(None);
        }
        std::mem::swap(&mut chain.current, &mut chain.spare);
        Ok(Some(chain))
    }

    /// A chain without an execution: [`MarkovChain::exchange`] gives it one.
    pub(super) fn empty(target: &TargetRef<'a>, kernel: Kernel) -> Self {
        Self {
            machine: target.machine(),
            kernel,
            current: Trace::default(),
            spare: Trace::default(),
            ledger: Ledger::default(),
            scales: Vec::new(),
            adapting: false,
            temperature: 1.0,
        }
    }

    /// `n` executions of the prior of positive density, and how many were tried.
    ///
    /// # Errors
    /// A mistake in the program or its data; too few executions of positive density.
    pub(super) fn executions_of_prior(
        &mut self,
        engine: &'static str,
        n: usize,
        rng: &mut Stream,
        stop: &dyn Fn() -> bool,
    ) -> Result<(Vec<Trace>, usize), InferError> {
        let generator = Generator { engine, proposal: &OwnDistribution, weigh: true, choices: None };
        let mut traces = Vec::with_capacity(n);
        let most = n.max(TRIES) * 16;
        for tried in 1..=most {
            let mut trace = Trace::default();
            if generator.run(&mut self.machine, rng, &mut trace, &mut self.ledger)? > f64::NEG_INFINITY {
                traces.push(trace);
            }
            if traces.len() == n {
                return Ok((traces, tried));
            }
            if tried % 64 == 0 && stop() {
                let reason = format!("time was up after {tried} executions, of which {} were possible", traces.len());
                return Err(InferError::SamplerFailed { engine, reason });
            }
        }
        Err(InferError::NoDrawSurvived { tried: most as u64, reason: self.ledger.why_none() })
    }

    /// Exchanges the current execution with one of the same machine.
    pub(super) fn exchange(&mut self, trace: &mut Trace) {
        std::mem::swap(&mut self.current, trace);
    }

    /// Whether scales adapt from now on.
    pub(super) fn adapt_from_now(&mut self, adapting: bool) {
        self.adapting = adapting;
    }

    /// The power of the target in what [`MarkovChain::update`] leaves invariant from now on: r^(1−t) p^t, where r is what
    /// executions are drawn from.
    pub fn set_temperature(&mut self, temperature: f64) {
        self.temperature = temperature;
    }

    /// Values that are known.
    pub(super) fn known(&self) -> &[(AddressId, Value)] {
        &self.ledger.known
    }

    /// The current execution.
    pub fn trace(&self) -> &Trace {
        &self.current
    }

    /// The addresses of its choices.
    pub fn addresses(&self) -> &Addresses {
        self.machine.addresses()
    }

    /// One update of one choice, picked at random. Without choices nothing happens.
    ///
    /// # Errors
    /// A mistake in the program.
    pub fn update(&mut self, rng: &mut Stream) -> Result<(), InferError> {
        let n = self.current.choices.len();
        if n == 0 {
            return Ok(());
        }
        let at = rng.random_range(0..n);
        let scale = self.scale(self.current.choices[at].address);
        let Some(proposal) = propose(&self.current.choices[at], self.kernel, scale, rng) else { return Ok(()) };
        let address = self.current.choices[at].address;
        self.spare.clear();
        let mut replay = Replay {
            old: &self.current,
            new: &mut self.spare,
            proposed: Some((address, &proposal.value)),
            start: None,
            rng,
            ledger: &mut self.ledger,
            log_fresh: 0.0,
            redrawn: Vec::new(),
        };
        let outcome = self.machine.run(&mut replay)?;
        let (log_fresh, redrawn) = (replay.log_fresh, replay.redrawn);
        let log_ratio = if outcome == Outcome::Rejected {
            f64::NEG_INFINITY
        } else {
            // Choices that vanish, or are of another kind now, would have to be drawn again on the way back.
            let log_stale: f64 = self
                .current
                .choices
                .iter()
                .filter(|c| self.spare.position(c.address).is_none() || redrawn.contains(&c.address))
                .map(|c| drawn_log_density(&c.law, c.simulate.as_ref(), &c.value))
                .sum();
            self.spare.tempered(self.temperature) - self.current.tempered(self.temperature)
                + proposal.log_ratio
                + log_stale
                - log_fresh
                + (n as f64).ln()
                - (self.spare.choices.len() as f64).ln()
        };
        let accept = if log_ratio.is_nan() { 0.0 } else { log_ratio.min(0.0).exp() };
        if self.adapting && proposal.walked {
            self.adapt(address, accept, proposal.dimension);
        }
        if rng.random::<f64>() < accept {
            std::mem::swap(&mut self.current, &mut self.spare);
        }
        Ok(())
    }

    /// One update of all choices at once: an execution of the proposal, which knows nothing of the current one (Tierney 1994,
    /// §2.3.3). Nothing happens where it cannot tell the density of the current one. For temperature 1 alone.
    ///
    /// # Errors
    /// A mistake in the program, or a distribution that cannot be drawn from.
    pub fn propose_execution(&mut self, proposal: &dyn Proposal, rng: &mut Stream) -> Result<(), InferError> {
        let Some(log_proposal) = proposal.log_density(&self.current, self.machine.addresses()) else { return Ok(()) };
        let generator = Generator { engine: ENGINE.name, proposal, weigh: true, choices: None };
        let log_weight = generator.run(&mut self.machine, rng, &mut self.spare, &mut self.ledger)?;
        let log_ratio = log_weight - (self.current.log_density() - log_proposal);
        if rng.random::<f64>().ln() < log_ratio {
            std::mem::swap(&mut self.current, &mut self.spare);
        }
        Ok(())
    }

    fn scale(&self, address: AddressId) -> f64 {
        self.scales.get(address.0 as usize).copied().flatten().map_or(1.0, |s| s.log.exp())
    }

    /// Robbins–Monro steps of the log scale towards the wanted acceptance rate (Andrieu & Thoms 2008, §4).
    fn adapt(&mut self, address: AddressId, accept: f64, dimension: usize) {
        let at = address.0 as usize;
        if self.scales.len() <= at {
            self.scales.resize(at + 1, None);
        }
        let scale = self.scales[at].get_or_insert(Scale { log: 0.0, updates: 0 });
        scale.updates += 1;
        let wanted = if dimension > 1 { ACCEPT_MANY } else { ACCEPT_ONE };
        let step = 2.0 / f64::from(scale.updates).powf(0.6);
        scale.log = (scale.log + step * (accept - wanted)).clamp(-30.0, 30.0);
    }
}

/// A proposed value of one choice.
struct Move {
    value: Value,
    /// log q(old | new) − log q(new | old).
    log_ratio: f64,
    /// Whether the scale made it.
    walked: bool,
    dimension: usize,
}

fn propose(choice: &Choice, kernel: Kernel, scale: f64, rng: &mut Stream) -> Option<Move> {
    let walk = match kernel {
        Kernel::Mixed => rng.random::<f64>() < 0.7,
        Kernel::RandomWalk => true,
        Kernel::Resimulation => false,
    };
    if walk && let Some(found) = random_walk(choice, scale, rng) {
        return Some(found);
    }
    let law = drawable(&choice.law, choice.simulate.as_ref())?;
    let value = law.sample(rng).ok()?;
    let log_ratio = match (law.log_density(&choice.value), law.log_density(&value)) {
        (Some(old), Some(new)) => old - new,
        // A posterior of reals counts as its own proposal: its density cancels.
        _ => 0.0,
    };
    Some(Move { value, log_ratio, walked: false, dimension: 0 })
}

/// A step in unconstrained coordinates, or to another integer.
fn random_walk(choice: &Choice, scale: f64, rng: &mut Stream) -> Option<Move> {
    let Law::Family(distribution) = &choice.law else { return None };
    let support = distribution.support();
    match &support {
        Support::Integers { .. } => integer_walk(choice, distribution.finite_values(), scale, rng),
        Support::Real | Support::LowerBounded(_) | Support::UpperBounded(_) | Support::Interval(..) => {
            let z = support.unconstrain_scalar(choice.value.as_f64()?)?;
            let (_, log_jacobian) = support.constrain_scalar(z)?;
            let moved = z + scale * rng.sample::<f64, _>(StandardNormal);
            let (x, moved_log_jacobian) = support.constrain_scalar(moved)?;
            let log_ratio = moved_log_jacobian - log_jacobian;
            (z.is_finite() && x.is_finite()).then_some(Move {
                value: Value::Real(x),
                log_ratio,
                walked: true,
                dimension: 1,
            })
        }
        Support::Simplex(_) | Support::Vector(_) | Support::Ordered { .. } => {
            let z = support.unconstrain(&choice.value.to_f64s());
            if z.is_empty() || z.iter().any(|z| !z.is_finite()) {
                return None;
            }
            let (_, log_jacobian) = support.constrain(&z);
            let step = scale / (z.len() as f64).sqrt();
            let moved: Vec<f64> = z.iter().map(|z| z + step * rng.sample::<f64, _>(StandardNormal)).collect();
            let (x, moved_log_jacobian) = support.constrain(&moved);
            let log_ratio = moved_log_jacobian - log_jacobian;
            let dimension = z.len();
            x.iter().all(|x| x.is_finite()).then(|| Move { value: Value::reals(x), log_ratio, walked: true, dimension })
        }
    }
}

/// Of few values: any other, all alike. Of many: a step of symmetric length; outside the support it is rejected by its
/// density.
fn integer_walk(choice: &Choice, values: Option<std::ops::Range<i64>>, scale: f64, rng: &mut Stream) -> Option<Move> {
    /// Up to so many values, all others are neighbours.
    const FEW: i64 = 16;
    let old = choice.value.as_int()?;
    let base = choice.value.data_type().map_or(Base::Int, |t| t.base);
    let value = |k: i64| if base == Base::Bool { Value::Bool(k != 0) } else { Value::Int(k) };
    if let Some(range) = &values
        && range.end.saturating_sub(range.start) <= FEW
        && range.contains(&old)
    {
        let others = range.end - range.start - 1;
        if others < 1 {
            return None;
        }
        let picked = range.start + rng.random_range(0..others);
        let new = if picked >= old { picked + 1 } else { picked };
        return Some(Move { value: value(new), log_ratio: 0.0, walked: false, dimension: 0 });
    }
    let size = (scale * rng.sample::<f64, _>(StandardNormal)).abs().ceil().clamp(1.0, 1e15) as i64;
    let new = if rng.random::<bool>() { old.checked_add(size)? } else { old.checked_sub(size)? };
    Some(Move { value: value(new), log_ratio: 0.0, walked: true, dimension: 1 })
}

/// Executes with the choices of another execution.
struct Replay<'a> {
    old: &'a Trace,
    new: &'a mut Trace,
    proposed: Option<(AddressId, &'a Value)>,
    /// Values by address as text, for the start of a chain.
    start: Option<&'a FxHashMap<String, Value>>,
    rng: &'a mut Stream,
    ledger: &'a mut Ledger,
    /// Log density with which the choices that are new were drawn.
    log_fresh: f64,
    /// Addresses of the old execution at which there is another choice now.
    redrawn: Vec<AddressId>,
}

impl Replay<'_> {
    /// The value of the old execution. One drawn from a nested posterior of reals has no density to weigh it by: unless it
    /// is the same posterior, it is drawn again, from which the two densities cancel.
    fn kept(&self, site: &Site<'_>) -> Option<Value> {
        let choice = &self.old.choices[self.old.position(site.address)?];
        let same = match (&choice.law, site.law) {
            (Law::Marginal(old), Law::Marginal(new)) => {
                (Arc::ptr_eq(&old.posterior, &new.posterior) && old.column == new.column && old.indices == new.indices)
                    || site.law.log_density(&choice.value).is_some()
            }
            (Law::Family(_), Law::Family(_)) => true,
            (Law::Family(_), Law::Marginal(_)) | (Law::Marginal(_), Law::Family(_)) => false,
        };
        same.then(|| choice.value.clone())
    }
}

impl Handler for Replay<'_> {
    fn choose(&mut self, site: &Site<'_>, addresses: &Addresses) -> Result<Value, Stop> {
        let kept = match self.proposed {
            Some((address, value)) if address == site.address => Some(value.clone()),
            _ => match self.start {
                Some(start) => start.get(&addresses.display(site.address).to_string()).cloned(),
                None => self.kept(site),
            },
        };
        let value = match kept {
            Some(value) => value,
            None => {
                let law = drawable(site.law, site.simulate);
                let drawn = law.and_then(|law| law.sample(self.rng).ok());
                // The start of the chain could draw everything, so this is a choice that only later executions reach.
                let Some(value) = drawn else { return Err(Stop::Reject) };
                self.log_fresh += drawn_log_density(site.law, site.simulate, &value);
                if self.old.position(site.address).is_some() {
                    self.redrawn.push(site.address);
                }
                value
            }
        };
        let log_density = site.law.log_density(&value).unwrap_or(0.0);
        self.new.push(Choice {
            address: site.address,
            role: site.role,
            law: site.law.clone(),
            simulate: site.simulate.cloned(),
            value: value.clone(),
            log_density,
            span: site.span,
        });
        if log_density.is_finite() { Ok(value) } else { Err(Stop::Reject) }
    }

    fn observe(&mut self, site: &Site<'_>, value: &Value, counts: bool, _: &Addresses) -> Result<(), Stop> {
        if counts { add_likelihood(self.new, known_log_density(site, value)?, site.span) } else { Ok(()) }
    }

    fn factor(&mut self, log_weight: f64, span: Span) -> Result<(), Stop> {
        add_likelihood(self.new, log_weight, span)
    }

    fn deterministic(&mut self, address: AddressId, value: &Value, depends_on_masked: bool) {
        if depends_on_masked {
            self.new.reported.push((address, value.clone()));
        }
    }

    fn rejected(&mut self, reason: &RuntimeError) {
        self.ledger.count(reason);
    }
}
