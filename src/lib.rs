//! unmask: a small probabilistic programming language whose inference is unmasking.

pub mod builtin;
pub mod check;
pub mod diagnostic;
pub mod dist;
pub mod infer;
pub mod runtime;
pub mod span;
pub mod syntax;
pub mod value;
