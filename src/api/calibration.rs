//! Calibration from Rust: whether inference on a program deserves trust.

use super::infer::built_in;
use super::{Data, Error, Model};
use crate::diagnostic::Diagnostic;
use crate::infer::{self, Calibration, CalibrationOptions, Geweke, GewekeOptions, Kernel, Progress};
use crate::span::SourceMap;

impl Model {
    /// Simulation-based calibration of inference on data that the model itself makes; see [`infer::calibrate`]. What `data`
    /// know of observations says only which there are. Also gives the warnings about the data, and the texts that they
    /// point at.
    ///
    /// # Errors
    /// Where the data do not fit, the program cannot be simulated from its own distributions, or inference always fails.
    ///
    /// ```
    /// use unmask::infer::{CalibrationOptions, Silent, Verdict};
    /// use unmask::{Data, Model};
    /// let model = Model::from_source("m.ppl", "model m { sample p ~ beta(2, 2); observe k ~ binomial(9, p); }")?;
    /// let options = CalibrationOptions { simulations: 50, ..CalibrationOptions::default() };
    /// let (calibration, _, _) = model.calibrate(&Data::new(), &options, &mut Silent)?;
    /// assert_ne!(calibration.verdict(), Verdict::Refuted);
    /// # Ok::<(), unmask::Error>(())
    /// ```
    pub fn calibrate(
        &self,
        data: &Data,
        options: &CalibrationOptions,
        progress: &mut dyn Progress,
    ) -> Result<(Calibration, Vec<Diagnostic>, SourceMap), Error> {
        let options = CalibrationOptions { weights: built_in(&options.weights), ..options.clone() };
        self.on_target(data, |target| infer::calibrate(target, &options, progress))
    }

    /// Geweke's test of a kernel of Metropolis–Hastings on the model; see [`infer::geweke`]. Otherwise as
    /// [`Model::calibrate`].
    ///
    /// # Errors
    /// As [`Model::calibrate`].
    pub fn geweke(
        &self,
        data: &Data,
        kernel: Kernel,
        options: &GewekeOptions,
        progress: &mut dyn Progress,
    ) -> Result<(Geweke, Vec<Diagnostic>, SourceMap), Error> {
        self.on_target(data, |target| infer::geweke(target, kernel, options, progress))
    }
}
