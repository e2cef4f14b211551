//! Running programs: addresses, what is known, handlers, the machine, and the columnar simulator.
//!
//! [`Machine`] executes any program, one execution at a time, and asks a [`Handler`] at each random choice: every engine
//! that does not compile the program is such a handler. [`Simulator`] executes many at once where the program's
//! structure does not depend on random choices.

mod address;
mod annotate;
mod columnar;
mod conditions;
mod error;
mod expression;
mod frame;
mod handler;
mod host;
mod lower;
mod machine;
mod script;
mod simulate;
mod symbol;

pub use address::{AddressId, Addresses, DisplayAddress, Indices, Path, VariableId};
pub use annotate::{Annotated, Line, MAX_LINES, NotAnnotated, annotate};
pub use conditions::{Conditions, Known, Supplied};
pub use error::RuntimeError;
pub use handler::{Handler, Law, Site, Stop};
pub use host::{HostFunction, HostFunctions};
pub use machine::{Machine, Outcome, Purpose};
pub use script::run_script;
pub use simulate::{Batch, ColumnVariable, Columns, Execution, Simulator, gather, random_stream};

use std::fmt;
use std::sync::{Arc, Mutex};

use rustc_hash::FxHashMap;

use crate::check::core::{ModelId, Program};
use crate::diagnostic::Diagnostic;
use crate::span::Span;
use crate::value::{Posterior, Value};

/// Bounds that keep a program from running away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Nested calls of models and functions.
    pub depth: usize,
    /// Loop iterations in one execution.
    pub iterations: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { depth: 1_000, iterations: 100_000_000 }
    }
}

/// An `infer` expression that was reached.
#[derive(Clone, Debug)]
pub struct Query {
    /// The model.
    pub model: ModelId,
    /// Its arguments, in order.
    pub arguments: Vec<Value>,
    /// Data by dotted, possibly indexed name; `None` masks.
    pub data: Vec<(Arc<str>, Option<Value>)>,
    /// Options by name.
    pub options: Vec<(Arc<str>, Value)>,
    /// Inside a model or function, where the answer must be a deterministic function of the query.
    pub nested: bool,
    /// The expression.
    pub span: Span,
}

/// Answers `infer` expressions. `infer/` implements it; the runtime never names an engine.
pub trait Inference: Send + Sync {
    /// The posterior.
    ///
    /// # Errors
    /// What to tell the user.
    fn infer(&self, runtime: &Runtime, query: &Query) -> Result<Posterior, Diagnostic>;
}

/// A program and all that it needs to run. Shared by all threads of an inference.
pub struct Runtime {
    /// The program.
    pub program: Arc<Program>,
    /// Functions registered from Rust.
    pub host: HostFunctions,
    /// Answers `infer` expressions; without one they fail.
    pub inference: Option<Arc<dyn Inference>>,
    /// Bounds.
    pub limits: Limits,
    /// Answers of nested `infer` expressions by their query.
    memo: Mutex<FxHashMap<String, Arc<Posterior>>>,
}

impl Runtime {
    /// Runs `program` without registered functions or inference.
    pub fn new(program: Arc<Program>) -> Self {
        Self {
            program,
            host: HostFunctions::default(),
            inference: None,
            limits: Limits::default(),
            memo: Mutex::default(),
        }
    }

    /// The answer to `query`, remembered where it is nested.
    fn infer(&self, query: &Query) -> Result<Arc<Posterior>, RuntimeError> {
        let fail =
            |diagnostic: Diagnostic| RuntimeError::Inference { diagnostic: Box::new(diagnostic), span: query.span };
        let Some(inference) = &self.inference else {
            return Err(fail(Diagnostic::error("E0615", "this program was started without inference engines")));
        };
        if !query.nested {
            return inference.infer(self, query).map(Arc::new).map_err(fail);
        }
        let key = format!("{:?} {:?} {:?} {:?}", query.model, query.arguments, query.data, query.options);
        let remembered = |memo: &Mutex<FxHashMap<_, Arc<Posterior>>>| match memo.lock() {
            Ok(memo) => memo.get(&key).cloned(),
            Err(poisoned) => poisoned.into_inner().get(&key).cloned(),
        };
        if let Some(found) = remembered(&self.memo) {
            return Ok(found);
        }
        let answer = inference.infer(self, query).map(Arc::new).map_err(fail)?;
        match self.memo.lock() {
            Ok(mut memo) => memo.insert(key, answer.clone()),
            Err(poisoned) => poisoned.into_inner().insert(key, answer.clone()),
        };
        Ok(answer)
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime").field("limits", &self.limits).finish_non_exhaustive()
    }
}
