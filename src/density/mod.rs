//! Log densities over unconstrained coordinates: what gradient engines see, and the compiled form of a program.

mod target;

pub use target::{Evaluator, LogDensity};
