//! The language as a Rust library: models, data, simulation, inference and scripts.
//!
//! Everything here can be had from the modules below, with more control; this is the short way. Together with `cli/` it is
//! the only place that opens files: a program and what it imports, and databases of posteriors.

mod calibration;
mod data;
mod error;
mod files;
mod infer;
mod minibatch;
pub mod posteriordb;
mod program;
mod trace;

pub use data::Data;
pub use error::Error;
pub use minibatch::{Minibatch, MinibatchOptions, NormalExpert, Plated, Product};
pub use program::{Builder, Draws, Model, Script, VariableInfo};
pub use trace::{TraceOptions, Traced};
