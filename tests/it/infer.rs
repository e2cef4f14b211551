//! Engines against exact posteriors, diagnostics against reference values, and kernels against the prior (Geweke).

mod calibration;
mod conjugate;
mod diagnostics;
mod geweke;
mod semantics;
