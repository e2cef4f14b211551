//! Several chains at once, with their warm-up, their draws, and their certificate.

use std::sync::Mutex;

use rayon::prelude::*;

use super::super::anchored::with_anchor_proposal;
use super::super::certificate::certify_chains;
use super::super::deadline::Deadline;
use super::super::engine::{InferOptions, Progress, Sampled};
use super::super::error::InferError;
use super::super::proposal::Proposal;
use super::super::record::{Chunk, Record};
use super::super::stream::{Stream, StreamPurpose, stream};
use super::super::target::TargetRef;
use super::super::trace::Ledger;
use super::{ENGINE, Kernel, MarkovChain};
use crate::diagnostic::Diagnostic;

/// Defaults of the options.
const CHAINS: usize = 4;
const WARMUP: usize = 1_000;
const DRAWS: usize = 4_000;

/// Draws between which chains are told whether time is up.
const ROUND: usize = 16;

/// The states of all chains, so that the ladder can go on where they stopped.
pub(in crate::infer) struct Chains<'a, 'p> {
    chains: Vec<(MarkovChain<'a>, Stream, Vec<Chunk>)>,
    /// Proposes whole executions, once for each draw.
    proposal: Option<&'p dyn Proposal>,
    /// Updates between draws, fixed after warm-up: a number that depended on the state would bias programs whose number
    /// of choices is random.
    thin: usize,
    kept: usize,
}

impl<'a, 'p> Chains<'a, 'p> {
    /// Starts and warms up. Half of the chains start from the proposal, where there is one, and half from the prior: chains that
    /// all start where the proposal is could not tell what it lacks.
    ///
    /// # Errors
    /// A mistake in the program, no execution of positive density, or `stop` says that time is up.
    pub fn start(
        target: &TargetRef<'a>,
        proposal: Option<&'p dyn Proposal>,
        (chains, warmup): (usize, usize),
        seed: u64,
        progress: &mut dyn Progress,
        stop: &(dyn Fn() -> bool + Sync),
    ) -> Result<Self, InferError> {
        progress.start("mh warm-up", (chains * warmup) as u64);
        let progress = Mutex::new(progress);
        let started: Result<Vec<_>, InferError> = (0..chains)
            .into_par_iter()
            .map(|i| {
                let mut rng = stream(seed, StreamPurpose::Chain, i as u64);
                let mut chain = match proposal.filter(|_| i % 2 == 1) {
                    Some(proposal) => MarkovChain::from_proposal(target, Kernel::Mixed, proposal, &mut rng)?,
                    None => MarkovChain::from_prior(target, Kernel::Mixed, &mut rng)?,
                };
                chain.adapting = true;
                let mut updates = 0_usize;
                for sweep in 0..warmup {
                    if sweep % ROUND == 0 && stop() {
                        return Err(time_is_up());
                    }
                    let sites = chain.current.choices.len().max(1);
                    for _ in 0..sites {
                        chain.update(&mut rng)?;
                    }
                    if let Some(proposal) = proposal {
                        chain.propose_execution(proposal, &mut rng)?;
                    }
                    updates += sites;
                    if sweep % 64 == 63
                        && let Ok(mut progress) = progress.lock()
                    {
                        progress.advance(64);
                    }
                }
                chain.adapting = false;
                Ok((updates.div_ceil(warmup.max(1)), (chain, rng, Vec::new())))
            })
            .collect();
        let (sites, chains): (Vec<usize>, Vec<_>) = started?.into_iter().unzip();
        Ok(Self { chains, proposal, thin: sites.into_iter().max().unwrap_or(1).max(1), kept: 0 })
    }

    /// Keeps `draws` more of each chain; fewer, but as many of each, where `stop` says that time is up.
    ///
    /// # Errors
    /// A mistake in the program; time was up before the first draw.
    pub fn extend(
        &mut self,
        draws: usize,
        progress: &mut dyn Progress,
        stop: &(dyn Fn() -> bool + Sync),
    ) -> Result<(), InferError> {
        progress.start("mh", (self.chains.len() * draws) as u64);
        let thin = self.thin;
        let mut kept = 0;
        while kept < draws && !stop() {
            // Chains stop together, so none of them is shorter.
            let round = ROUND.max(draws / 64).min(draws - kept);
            let proposal = self.proposal;
            self.chains
                .par_iter_mut()
                .map(|(chain, rng, chunks)| {
                    let mut chunk = Chunk::default();
                    for _ in 0..round {
                        for _ in 0..thin {
                            chain.update(rng)?;
                        }
                        if let Some(proposal) = proposal {
                            chain.propose_execution(proposal, rng)?;
                        }
                        chunk.push(&chain.current);
                    }
                    chunks.push(chunk);
                    Ok(())
                })
                .collect::<Result<(), InferError>>()?;
            progress.advance((self.chains.len() * round) as u64);
            kept += round;
        }
        self.kept += kept;
        if self.kept == 0 { Err(time_is_up()) } else { Ok(()) }
    }

    /// What the chains have drawn so far, with its certificate.
    pub fn sampled(&mut self) -> Sampled {
        let mut record = Record::default();
        let mut ledger = Ledger::default();
        for (chain, _, chunks) in &mut self.chains {
            let all = Chunk { draws: chunks.drain(..).flat_map(|c| c.draws).collect() };
            record.append(&all, chain.machine.addresses());
            record.know(&chain.ledger.known, chain.machine.addresses());
            chunks.push(all);
            ledger.absorb(&chain.ledger);
        }
        let (held, reason) = certify_chains(&record, self.chains.len(), &[], &|_| false);
        let mut warnings = Vec::new();
        if let Some((text, count, span)) = ledger.main_reason() {
            warnings.push(
                Diagnostic::warning(
                    "W0702",
                    format!("{} proposals were rejected because a parameter was invalid", ledger.rejected()),
                )
                .label(span, format!("{count} times: {text}")),
            );
        }
        Sampled { chains: self.chains.len(), warnings, ..Sampled::new(record, held, reason) }
    }
}

fn time_is_up() -> InferError {
    InferError::SamplerFailed { engine: ENGINE.name, reason: "time was up before the first draw".into() }
}

pub(super) fn run(
    target: &TargetRef<'_>,
    options: &InferOptions,
    progress: &mut dyn Progress,
) -> Result<Sampled, InferError> {
    let deadline = Deadline::after(options.budget);
    let stop = || deadline.has_passed();
    let count = options.chains.unwrap_or(CHAINS).max(1);
    let warmup = options.warmup.unwrap_or(WARMUP);
    with_anchor_proposal(target, options.seed, deadline, |proposal| {
        let mut chains = Chains::start(target, proposal, (count, warmup), options.seed, progress, &stop)?;
        chains.extend(options.draws.unwrap_or(DRAWS).div_ceil(count), progress, &stop)?;
        Ok(chains.sampled())
    })
}
