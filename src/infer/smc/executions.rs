//! Particles that are executions, moved one choice at a time.

use super::Population;
use crate::infer::error::InferError;
use crate::infer::mh::{Kernel, MarkovChain};
use crate::infer::record::{Chunk, Record};
use crate::infer::stream::Stream;
use crate::infer::target::TargetRef;
use crate::infer::trace::Trace;

pub(super) struct Executions<'a> {
    /// Its current execution is that of the particle that moves.
    chain: MarkovChain<'a>,
    traces: Vec<Trace>,
    log_started: f64,
}

impl<'a> Executions<'a> {
    /// Executions of the prior under which what is known is possible.
    ///
    /// # Errors
    /// A mistake in the program, or none was found.
    pub fn new(target: &TargetRef<'a>, n: usize, rng: &mut Stream) -> Result<Self, InferError> {
        let mut chain = MarkovChain::nowhere(target, Kernel::Mixed);
        let (traces, log_started) = chain.from_prior_many(super::ENGINE.name, n, rng)?;
        chain.adapt_from_now(true);
        Ok(Self { chain, traces, log_started })
    }

    /// ln of the share of the prior that is possible.
    pub fn log_started(&self) -> f64 {
        self.log_started
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

    fn resample(&mut self, ancestors: &[usize]) {
        self.traces = ancestors.iter().map(|i| self.traces[*i].clone()).collect();
    }

    fn sweep(&mut self, temperature: f64, rng: &mut Stream) -> Result<(), InferError> {
        self.chain.set_temperature(temperature);
        // A number that does not depend on the state; see `Chains`.
        let most = self.traces.iter().map(|t| t.choices.len()).sum::<usize>().div_ceil(self.traces.len().max(1));
        for trace in &mut self.traces {
            self.chain.exchange(trace);
            for _ in 0..most.max(1) {
                self.chain.update(rng)?;
            }
            self.chain.exchange(trace);
        }
        Ok(())
    }

    fn freeze(&mut self) {
        self.chain.adapt_from_now(false);
    }
}
