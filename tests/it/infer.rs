//! Engines against exact posteriors, diagnostics against reference values, and kernels against the prior (Geweke).

mod advi;
mod calibration;
mod certificate;
mod certified;
mod conjugate;
mod counts;
mod densities;
mod diagnostics;
mod geweke;
mod gradient;
mod nuts;
mod patches;
mod proposals;
mod semantics;
mod silent;
mod slices;
mod smc;
