//! Engines against exact posteriors, diagnostics against reference values, and kernels against the prior (Geweke).

mod conjugate;
mod diagnostics;
mod geweke;
mod semantics;
