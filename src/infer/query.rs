//! A target with what engines learn of it once: its compiled density, and executions of its prior.

use std::sync::OnceLock;

use super::anchors::{Anchors, NoAnchors, PriorDraws, prior_draws};
use super::deadline::Deadline;
use super::error::InferError;
use super::record::{Chunk, Record};
use super::replay::Replayer;
use super::search::Search;
use super::stream::{StreamPurpose, stream};
use super::target::TargetRef;
use crate::density::{CompileError, CompileOptions, Compiled, Reader};

/// Paths up to which conditions on reals are decided by path: each piece then has modes of its own.
const SPLIT: usize = 64;

/// Paths up to which a program is compiled.
const PATHS: usize = 256;

/// Executions of the prior.
const PRIOR_DRAWS: usize = 48;

/// Compiles the density for anchors: by pieces, where they are few.
pub(super) fn compile_pieces(target: &TargetRef<'_>) -> Result<Compiled, CompileError> {
    match target.compile(CompileOptions { split: true, max_paths: SPLIT }) {
        Err(CompileError::TooManyPaths | CompileError::ManyValues { .. }) => {
            target.compile(CompileOptions { split: false, max_paths: PATHS })
        }
        other => other,
    }
}

/// A compiled target.
#[derive(Debug)]
pub struct Query<'t> {
    /// What is asked.
    pub target: TargetRef<'t>,
    /// Its density.
    pub compiled: Compiled,
    pub(super) readers: Vec<Reader>,
    /// Executions of its prior.
    pub prior: PriorDraws,
    /// The seed of all that is drawn for it.
    pub seed: u64,
    /// When whoever asks will wait no longer.
    pub(super) deadline: Deadline,
    /// What the search for modes found, once there was one.
    search: OnceLock<Search>,
}

impl<'t> Query<'t> {
    /// Runs the prior of a compiled target.
    ///
    /// # Errors
    /// A mistake in the program or its data.
    pub fn new(target: TargetRef<'t>, mut compiled: Compiled, seed: u64) -> Result<Self, InferError> {
        let readers = compiled.readers();
        let prior = prior_draws(&target, &compiled, PRIOR_DRAWS, &mut stream(seed, StreamPurpose::Start, 0))?;
        let (deadline, search) = (Deadline::default(), OnceLock::new());
        Ok(Self { target, compiled, readers, prior, seed, deadline, search })
    }

    /// Its anchors.
    ///
    /// # Errors
    /// As [`Anchors::until`].
    pub(super) fn anchors(&self) -> Result<Anchors<'_>, NoAnchors> {
        Anchors::until(self.deadline, &self.compiled, &self.prior)
    }

    /// The search for its modes: made once.
    ///
    /// # Errors
    /// A mistake in the program.
    pub(super) fn search(&self, anchors: &Anchors<'_>) -> Result<&Search, InferError> {
        if let Some(search) = self.search.get() {
            return Ok(search);
        }
        let search = Search::new(self, anchors)?;
        Ok(self.search.get_or_init(|| search))
    }

    /// Compiles a target for anchors.
    ///
    /// # Errors
    /// What cannot be compiled; a mistake in the program or its data.
    pub fn for_anchors<E: From<CompileError> + From<InferError>>(target: TargetRef<'t>, seed: u64) -> Result<Self, E> {
        let compiled = compile_pieces(&target)?;
        Ok(Self::new(target, compiled, seed)?)
    }

    /// Compiles a target for an engine.
    ///
    /// # Errors
    /// As [`Query::new`], and where `engine` needs what cannot be compiled.
    pub fn by_pieces(target: TargetRef<'t>, engine: &'static str, seed: u64) -> Result<Self, InferError> {
        let compiled = compile_pieces(&target).map_err(|error| refused(engine, &error))?;
        Self::new(target, compiled, seed)
    }

    /// Draws as a record: each a path and a point among the path's coordinates.
    ///
    /// # Errors
    /// A mistake in the program.
    pub fn record(&mut self, draws: &[(usize, Vec<f64>)]) -> Result<Record, InferError> {
        let mut chunk = Chunk::default();
        let mut scratch: Vec<Option<_>> = self.readers.iter().map(|_| None).collect();
        for (path, z) in draws {
            let reader = &self.readers[*path];
            let scratch = scratch[*path].get_or_insert_with(|| reader.scratch());
            chunk.draws.push(reader.read(&self.compiled, z, scratch));
        }
        if self.compiled.has_barren() {
            return Replayer::new(&self.target, self.seed).record(&chunk, self.compiled.addresses());
        }
        let known = self.compiled.known_elements();
        let mut record = Record::default();
        record.append(&chunk, self.compiled.addresses());
        record.know(&known, self.compiled.addresses());
        Ok(record)
    }
}

/// The engine needs a compiled density, and there is none.
pub(super) fn refused(engine: &'static str, error: &CompileError) -> InferError {
    let span = match error {
        CompileError::ManyValues { span, .. } => Some(*span),
        CompileError::Unsupported(_) | CompileError::TooManyPaths | CompileError::Impossible => None,
    };
    InferError::Refused { engine, reason: error.to_string(), span }
}
