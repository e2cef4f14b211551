//! Inference from Rust.

use std::sync::{Arc, OnceLock};

use super::{Data, Error, Model};
use crate::diagnostic::Diagnostic;
use crate::foundation::Foundation;
use crate::infer::{InferError, InferOptions, Inferred, Progress, Proposal, Silent, Target, Weights};
use crate::span::SourceMap;

impl Model {
    /// The model with what is known of it: what engines work on.
    ///
    /// # Errors
    /// Where the data do not fit.
    pub fn target(&self, data: &Data) -> Result<Target, Error> {
        let (bound, _) = self.bind(data)?;
        Ok(Target { runtime: self.runtime().clone(), model: self.id(), conditions: bound.conditions })
    }

    /// The posterior of what is not known, given what is.
    ///
    /// # Errors
    /// Where the data do not fit, an observation is missing, or no engine can answer. A result that is not certified is not
    /// an error: see [`Inferred::certified`].
    pub fn infer(&self, data: &Data, options: &InferOptions) -> Result<Inferred, Error> {
        self.infer_with(data, options, &mut Silent).map(|(inferred, _)| inferred)
    }

    /// As [`Model::infer`], telling `progress` how far it is; also gives the texts that warnings point at.
    ///
    /// # Errors
    /// As [`Model::infer`].
    pub fn infer_with(
        &self,
        data: &Data,
        options: &InferOptions,
        progress: &mut dyn Progress,
    ) -> Result<(Inferred, SourceMap), Error> {
        let options = &InferOptions { weights: built_in(&options.weights), ..options.clone() };
        self.answer(data, |target| crate::infer::infer(target, options, progress))
    }

    /// The posterior by importance sampling from a proposal of one's own; otherwise as [`Model::infer`].
    ///
    /// # Errors
    /// As [`Model::infer`].
    pub fn infer_from(&self, data: &Data, proposal: &dyn Proposal, options: &InferOptions) -> Result<Inferred, Error> {
        let run = |target: &Target| crate::infer::infer_from(target, proposal, options, &mut Silent);
        self.answer(data, run).map(|(inferred, _)| inferred)
    }

    fn answer(
        &self,
        data: &Data,
        run: impl FnOnce(&Target) -> Result<Inferred, InferError>,
    ) -> Result<(Inferred, SourceMap), Error> {
        let (mut inferred, warnings, sources) = self.on_target(data, run)?;
        inferred.warnings.splice(0..0, warnings);
        Ok((inferred, sources))
    }

    /// Does something with the model and what is known of it; also gives the warnings about the data, and the texts that
    /// they point at.
    pub(super) fn on_target<T, E>(
        &self,
        data: &Data,
        run: impl FnOnce(&Target) -> Result<T, E>,
    ) -> Result<(T, Vec<Diagnostic>, SourceMap), Error>
    where
        for<'e> Diagnostic: From<&'e E>,
    {
        let (bound, sources) = self.bind(data)?;
        let target = Target { runtime: self.runtime().clone(), model: self.id(), conditions: bound.conditions };
        match run(&target) {
            Ok(result) => Ok((result, bound.warnings, sources)),
            Err(error) => {
                let mut diagnostics = bound.warnings;
                diagnostics.push(Diagnostic::from(&error));
                Err(Error::new(diagnostics, sources))
            }
        }
    }
}

/// The weights that are built in, where these are asked for.
pub(super) fn built_in(weights: &Weights) -> Weights {
    static BUNDLED: OnceLock<Option<Arc<Foundation>>> = OnceLock::new();
    match weights {
        Weights::Bundled => {
            let bundled = BUNDLED.get_or_init(|| Foundation::bundled().ok().map(Arc::new));
            bundled.clone().map_or(Weights::None, |foundation| Weights::Of(foundation))
        }
        Weights::None | Weights::Of(_) => weights.clone(),
    }
}
