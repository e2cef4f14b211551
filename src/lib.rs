//! unmask: a small probabilistic programming language whose inference is unmasking.

pub mod api;
pub mod builtin;
pub mod check;
pub mod cli;
pub mod data;
pub mod diagnostic;
pub mod dist;
pub mod infer;
pub mod runtime;
pub mod span;
pub mod syntax;
pub mod value;

pub use api::{Builder, Data, Draws, Error, Model, Script, VariableInfo};
pub use runtime::{HostFunction, Limits};
