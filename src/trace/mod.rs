//! Traces: executions of a program with all that they drew, what of it is masked, and the annotated program that says so.
//!
//! An execution draws every random variable. A [`Mask`] decides which of them are known; the annotated program
//! ([`annotate`]) is then a function of what is known, and what was masked is what a network learns to fill in.

mod execution;
mod mask;
mod minibatch;

pub use crate::runtime::{Annotated, Line, MAX_LINES, NotAnnotated, annotate};
pub use execution::{Choice, Trace, Tracer};
pub use mask::{Mask, open};
pub use minibatch::{NoMinibatch, Plate, Statement, first_subscript, take_statements};
