//! Log densities over unconstrained coordinates, with gradients: the compiled form of a program.
//!
//! [`compile`] executes a program symbolically: what is known is a value, a masked real is a coordinate or several, and the
//! log density becomes a graph of scalars. Where the structure depends on something masked there is a path for each
//! outcome. A graph is evaluated on a tape, where equal operations are one loop over contiguous numbers; derivatives are
//! reverse mode. Gradient engines see a [`LogDensity`]. Programs that are not compiled are interpreted by the machine.

mod block;
mod compile;
mod compiled;
mod graph;
mod kernel;
mod law;
mod lower;
mod reverse;
mod schedule;
mod structure;
mod tape;
mod target;

pub use compile::{CompileError, CompileOptions, Window, Windows, compile};
pub use compiled::{Compiled, CoordinateInfo, Density, Edge, Reader, ReaderScratch, Side, TapeEvaluator};
pub use structure::{ConditionStructure, LatentKey, LatentStructure, OwnDistributionAt, PathStructure};
pub use target::{Evaluator, LogDensity};
