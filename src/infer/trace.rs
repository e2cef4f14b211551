//! Traces: what one execution chose and what it computed, and the handler that generates one.

use rustc_hash::FxHashMap;

use super::error::InferError;
use super::proposal::{Guide, Proposal, drawable};
use super::stream::Stream;
use crate::dist::Support;
use crate::runtime::{AddressId, Addresses, Handler, Law, Machine, Outcome, RuntimeError, Site, Stop};
use crate::span::Span;
use crate::syntax::ast::Role;
use crate::value::Value;

/// A random choice of an execution: a masked variable and its value.
#[derive(Clone, Debug)]
pub struct Choice {
    /// Which; valid with the machine that made the trace.
    pub address: AddressId,
    /// Its role in the program.
    pub role: Role,
    /// Its distribution in this execution.
    pub law: Law,
    /// What to simulate from instead, where the statement says.
    pub simulate: Option<Law>,
    /// Its value.
    pub value: Value,
    /// Its log density under `law`, in its own units; 0 for a posterior of reals, which is its own proposal.
    pub log_density: f64,
    /// The statement.
    pub span: Span,
}

/// What one execution chose and computed, in program order.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// The masked variables.
    pub choices: Vec<Choice>,
    /// Deterministic lines that depend on them.
    pub reported: Vec<(AddressId, Value)>,
    /// The log density of all that is known: observations, factors, conditions.
    pub log_likelihood: f64,
    /// Whether anything known was reached that counts in the density.
    pub observed: bool,
    /// Position of a choice by [`AddressId`], or `ABSENT`.
    positions: Vec<u32>,
}

const ABSENT: u32 = u32::MAX;

impl Trace {
    /// Makes it empty again, in time proportional to its length.
    pub fn clear(&mut self) {
        for choice in &self.choices {
            if let Some(position) = self.positions.get_mut(choice.address.0 as usize) {
                *position = ABSENT;
            }
        }
        self.choices.clear();
        self.reported.clear();
        self.log_likelihood = 0.0;
        self.observed = false;
    }

    /// Adds a choice.
    pub fn push(&mut self, choice: Choice) {
        let at = choice.address.0 as usize;
        if self.positions.len() <= at {
            self.positions.resize(at + 1, ABSENT);
        }
        self.positions[at] = self.choices.len() as u32;
        self.choices.push(choice);
    }

    /// Where the choice at `address` is.
    pub fn position(&self, address: AddressId) -> Option<usize> {
        self.positions.get(address.0 as usize).filter(|p| **p != ABSENT).map(|p| *p as usize)
    }

    /// log p(observed, choices), up to what improper distributions leave open.
    pub fn log_density(&self) -> f64 {
        self.log_likelihood + self.choices.iter().map(|c| c.log_density).sum::<f64>()
    }
}

impl Trace {
    /// log p − log of the density with which executions are drawn, as far as that depends on the choices: what is known, and
    /// improper distributions that are drawn from elsewhere.
    pub(super) fn log_gain(&self) -> f64 {
        let improper = |c: &Choice| c.log_density - drawn_log_density(&c.law, c.simulate.as_ref(), &c.value);
        self.log_likelihood + self.choices.iter().filter(|c| c.simulate.is_some()).map(improper).sum::<f64>()
    }

    /// log of r^(1−t) p^t, where r is what executions are drawn from.
    pub(super) fn tempered(&self, temperature: f64) -> f64 {
        let log_density = self.log_density();
        if temperature == 1.0 { log_density } else { log_density - (1.0 - temperature) * self.log_gain() }
    }
}

/// log density with which a choice is drawn.
pub(super) fn drawn_log_density(law: &Law, simulate: Option<&Law>, value: &Value) -> f64 {
    drawable(law, simulate).and_then(|law| law.log_density(value)).unwrap_or(0.0)
}

/// Values that engines keep while executions come and go: why they were rejected, and what is known.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    rejections: FxHashMap<Span, (String, u64)>,
    /// What is known and has density zero, by statement: the first such value, in words, and how often.
    impossible: FxHashMap<Span, (String, u64)>,
    /// Known values by address, in the order of first use.
    pub(super) known: Vec<(AddressId, Value)>,
    seen: Vec<bool>,
}

impl Ledger {
    /// Counts a rejection that latents caused.
    pub fn count(&mut self, reason: &RuntimeError) {
        let diagnostic = crate::diagnostic::Diagnostic::from(reason);
        let span = diagnostic.labels.first().map_or(Span::default(), |l| l.span);
        self.rejections.entry(span).or_insert_with(|| (diagnostic.message, 0)).1 += 1;
    }

    /// Counts an execution that ended at a known value of density zero.
    fn count_impossible(&mut self, site: &Site<'_>, value: &Value, addresses: &Addresses) {
        let describe = || {
            let name = addresses.display(site.address);
            let text = match (value.shape(), length(site.law)) {
                ([], _) => format!("`{name}` is {value}, which has density zero there"),
                ([found], Some(wanted)) if *found != wanted => {
                    format!("`{name}` has {found} elements, and what it is drawn from {wanted}")
                }
                (_, _) => format!("`{name}` has density zero there"),
            };
            (text, 0)
        };
        self.impossible.entry(site.span).or_insert_with(describe).1 += 1;
    }

    /// Remembers a known value.
    pub fn know(&mut self, address: AddressId, value: &Value) {
        let at = address.0 as usize;
        if self.seen.len() <= at {
            self.seen.resize(at + 1, false);
        }
        if !self.seen[at] {
            self.seen[at] = true;
            self.known.push((address, value.clone()));
        }
    }

    /// Adds another's counts of rejections.
    pub fn absorb(&mut self, other: &Self) {
        for (span, (text, count)) in &other.rejections {
            self.rejections.entry(*span).or_insert_with(|| (text.clone(), 0)).1 += count;
        }
        for (span, (text, count)) in &other.impossible {
            self.impossible.entry(*span).or_insert_with(|| (text.clone(), 0)).1 += count;
        }
    }

    /// How many executions invalid parameters rejected.
    pub fn rejected(&self) -> u64 {
        self.rejections.values().map(|(_, count)| count).sum()
    }

    /// The most frequent reason for which invalid parameters rejected executions, how often, and where.
    pub fn main_reason(&self) -> Option<(String, u64, Span)> {
        most_frequent(&self.rejections)
    }

    /// The most frequent reason why executions have density zero: invalid parameters, or else something known that cannot be.
    pub fn why_none(&self) -> Option<(String, u64, Span)> {
        self.main_reason().or_else(|| most_frequent(&self.impossible))
    }
}

/// How many numbers a draw of a vector distribution has.
fn length(law: &Law) -> Option<usize> {
    let Law::Family(distribution) = law else { return None };
    match distribution.support() {
        Support::Simplex(n) | Support::Vector(n) | Support::Ordered { n, .. } => Some(n),
        Support::Real
        | Support::LowerBounded(_)
        | Support::UpperBounded(_)
        | Support::Interval(..)
        | Support::Integers { .. } => None,
    }
}

fn most_frequent(reasons: &FxHashMap<Span, (String, u64)>) -> Option<(String, u64, Span)> {
    reasons
        .iter()
        .max_by(|(a, (_, m)), (b, (_, n))| m.cmp(n).then_with(|| (b.file, b.start).cmp(&(a.file, a.start))))
        .map(|(span, (text, count))| (text.clone(), *count, *span))
}

/// Generates a trace from a proposal, and the importance weight of it.
struct Generate<'a> {
    trace: &'a mut Trace,
    ledger: &'a mut Ledger,
    guide: Box<dyn Guide + 'a>,
    rng: &'a mut Stream,
    log_proposal: f64,
    /// Whether the density of what is known decides about going on; without, observations are not weighed.
    weigh: bool,
    choices: Option<usize>,
    improper: Option<(String, Span)>,
}

impl Handler for Generate<'_> {
    fn choose(&mut self, site: &Site<'_>, addresses: &Addresses) -> Result<Value, Stop> {
        let Ok(proposed) = self.guide.propose(site, addresses, self.rng) else {
            self.improper = Some((addresses.display(site.address).to_string(), site.span));
            return Err(Stop::Reject);
        };
        let log_density = site.law.log_density(&proposed.value).unwrap_or(0.0);
        self.log_proposal += proposed.log_density;
        self.trace.push(Choice {
            address: site.address,
            role: site.role,
            law: site.law.clone(),
            simulate: site.simulate.cloned(),
            value: proposed.value.clone(),
            log_density,
            span: site.span,
        });
        // An infinite density is a draw that was rounded onto the edge of its support.
        if log_density.is_finite() { Ok(proposed.value) } else { Err(Stop::Reject) }
    }

    fn observe(&mut self, site: &Site<'_>, value: &Value, counts: bool, addresses: &Addresses) -> Result<(), Stop> {
        if self.choices == Some(self.trace.choices.len()) {
            return Err(Stop::Reject);
        }
        self.trace.observed |= counts;
        self.ledger.know(site.address, value);
        if counts && self.weigh {
            let log_density = known_log_density(site, value)?;
            if log_density.is_nan() || log_density == f64::NEG_INFINITY {
                self.ledger.count_impossible(site, value, addresses);
            }
            add_likelihood(self.trace, log_density, site.span)
        } else {
            Ok(())
        }
    }

    fn factor(&mut self, log_weight: f64, span: Span) -> Result<(), Stop> {
        self.trace.observed = true;
        if self.weigh { add_likelihood(self.trace, log_weight, span) } else { Ok(()) }
    }

    fn deterministic(&mut self, address: AddressId, value: &Value, depends_on_masked: bool) {
        if depends_on_masked {
            self.trace.reported.push((address, value.clone()));
        }
    }

    fn rejected(&mut self, reason: &RuntimeError) {
        self.ledger.count(reason);
    }
}

/// The log density of something known.
///
/// # Errors
/// Where it is a posterior of reals.
pub(super) fn known_log_density(site: &Site<'_>, value: &Value) -> Result<f64, Stop> {
    site.law.log_density(value).ok_or_else(|| RuntimeError::NoDensity { span: site.span }.into())
}

/// Adds to the log density of what is known; −∞ and NaN end the execution.
pub(super) fn add_likelihood(trace: &mut Trace, log_density: f64, span: Span) -> Result<(), Stop> {
    if log_density == f64::INFINITY {
        return Err(RuntimeError::InfiniteDensity { span }.into());
    }
    trace.log_likelihood += log_density;
    if log_density.is_nan() || log_density == f64::NEG_INFINITY { Err(Stop::Reject) } else { Ok(()) }
}

/// What to generate traces with.
pub(super) struct Generator<'p> {
    /// Whose name errors give.
    pub engine: &'static str,
    /// Where values come from.
    pub proposal: &'p dyn Proposal,
    /// Whether what is known adds to the density, and so may reject.
    pub weigh: bool,
    /// After how many choices the execution may end at the next observation, as all has been chosen; the weight is then −∞.
    pub choices: Option<usize>,
}

impl Generator<'_> {
    /// One execution into `trace`, which is cleared first. Its log importance weight log p − log q; −∞ where it has density zero.
    ///
    /// # Errors
    /// A mistake in the program or its data, or an improper distribution that cannot be drawn from.
    pub fn run(
        &self,
        machine: &mut Machine<'_>,
        rng: &mut Stream,
        trace: &mut Trace,
        ledger: &mut Ledger,
    ) -> Result<f64, InferError> {
        trace.clear();
        let guide = self.proposal.begin(rng);
        let (weigh, choices) = (self.weigh, self.choices);
        let mut handler = Generate { trace, ledger, guide, rng, log_proposal: 0.0, weigh, choices, improper: None };
        let outcome = machine.run(&mut handler)?;
        let (log_proposal, improper) = (handler.log_proposal, handler.improper.take());
        drop(handler);
        if let Some((name, span)) = improper {
            return Err(InferError::Improper { engine: self.engine, name, span });
        }
        Ok(match outcome {
            Outcome::Finished { .. } => trace.log_density() - log_proposal,
            Outcome::Rejected => f64::NEG_INFINITY,
        })
    }
}
