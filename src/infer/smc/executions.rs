//! Particles that are executions, moved one choice at a time.

use rustc_hash::FxHashMap;

use super::{Population, log_share, time_is_up};
use crate::infer::deadline::Deadline;
use crate::infer::error::InferError;
use crate::infer::mh::{Kernel, MarkovChain};
use crate::infer::record::{Chunk, Record};
use crate::infer::stream::Stream;
use crate::infer::target::TargetRef;
use crate::infer::trace::Trace;
use crate::runtime::AddressId;
use crate::value::Value;

/// Particles at the start that must have had a value for it to count as tried, and values told apart.
const TRIED: usize = 5;
const VALUES: usize = 32;

/// Choices of an execution, on average and rounded up; at least 1.
fn mean_choices(traces: &[Trace]) -> usize {
    traces.iter().map(|t| t.choices.len()).sum::<usize>().div_ceil(traces.len().max(1)).max(1)
}

pub(super) struct Executions<'a> {
    /// Its current execution is that of the particle that moves.
    chain: MarkovChain<'a>,
    traces: Vec<Trace>,
    log_possible: f64,
    /// Updates of each particle in a sweep: fixed from one resampling to the next, so that it does not depend on what moves.
    updates: usize,
    /// Names of choices of which several values were among the particles at the start.
    tried: Vec<String>,
}

impl<'a> Executions<'a> {
    /// Executions of the prior under which what is known is possible.
    ///
    /// # Errors
    /// A mistake in the program, or none was found.
    pub fn new(
        target: &TargetRef<'a>,
        n: usize,
        rng: &mut Stream,
        stop: &dyn Fn() -> bool,
    ) -> Result<Self, InferError> {
        let mut chain = MarkovChain::empty(target, Kernel::Mixed);
        let (traces, tries) = chain.executions_of_prior(super::ENGINE.name, n, rng, stop)?;
        chain.adapt_from_now(true);
        let mut counts: FxHashMap<AddressId, Vec<(&Value, usize)>> = FxHashMap::default();
        for choice in traces.iter().flat_map(|trace| &trace.choices) {
            let values = counts.entry(choice.address).or_default();
            match values.iter().position(|(value, _)| **value == choice.value) {
                Some(at) => values[at].1 += 1,
                None if values.len() < VALUES => values.push((&choice.value, 1)),
                None => {}
            }
        }
        let enough = |values: &[(&Value, usize)]| values.iter().filter(|(_, count)| *count >= TRIED).count() > 1;
        let tried = counts.iter().filter(|(_, values)| enough(values));
        let tried = tried.map(|(address, _)| chain.addresses().display(*address).to_string()).collect();
        let updates = mean_choices(&traces);
        Ok(Self { chain, traces, log_possible: log_share(n, tries), updates, tried })
    }

    /// ln of the share of the prior that is possible.
    pub fn log_possible(&self) -> f64 {
        self.log_possible
    }

    /// Names of choices of which several values were among the particles at the start: where one is left, the others lost.
    pub fn tried(&self) -> impl Iterator<Item = String> {
        self.tried.iter().cloned()
    }

    pub fn append_to(self, record: &mut Record) {
        let mut chunk = Chunk::default();
        for trace in &self.traces {
            chunk.push(trace);
        }
        record.append(&chunk, self.chain.addresses());
        record.know(self.chain.known(), self.chain.addresses());
    }
}

impl Population for Executions<'_> {
    fn len(&self) -> usize {
        self.traces.len()
    }

    fn gains(&self, gains: &mut Vec<f64>) {
        gains.clear();
        gains.extend(self.traces.iter().map(Trace::log_gain));
    }

    /// The gains: choices come and go.
    fn columns(&self) -> Vec<Vec<f64>> {
        vec![self.traces.iter().map(Trace::log_gain).collect()]
    }

    fn resample(&mut self, ancestors: &[usize]) {
        self.traces = ancestors.iter().map(|i| self.traces[*i].clone()).collect();
        self.updates = mean_choices(&self.traces);
    }

    fn sweep(&mut self, temperature: f64, rng: &mut Stream, deadline: Deadline) -> Result<(), InferError> {
        self.chain.set_temperature(temperature);
        for trace in &mut self.traces {
            if deadline.has_passed() {
                return Err(time_is_up(temperature));
            }
            self.chain.exchange(trace);
            for _ in 0..self.updates {
                self.chain.update(rng)?;
            }
            self.chain.exchange(trace);
        }
        Ok(())
    }

    fn freeze(&mut self) {
        self.chain.adapt_from_now(false);
    }

    /// Discrete choices may well stay: whether particles forget is told by their gains.
    fn share_stuck(&self) -> f64 {
        0.0
    }
}
