//! What inference is asked: a model of a program, and what is known.

use std::sync::Arc;

use super::counts;
use crate::check::core::ModelId;
use crate::density::{CompileError, CompileOptions, Compiled};
use crate::runtime::{Conditions, Machine, Purpose, Runtime};

/// A posterior that is asked for. Cheap to clone but for the conditions.
#[derive(Clone, Debug)]
pub struct Target {
    /// The program and its surroundings.
    pub runtime: Arc<Runtime>,
    /// The model.
    pub model: ModelId,
    /// Known values and masks.
    pub conditions: Conditions,
}

impl Target {
    /// The name of the model.
    pub fn model_name(&self) -> &Arc<str> {
        &self.runtime.program.model(self.model).name
    }

    /// The same, borrowed.
    pub fn borrow(&self) -> TargetRef<'_> {
        TargetRef { runtime: &self.runtime, model: self.model, conditions: &self.conditions }
    }
}

/// A borrowed [`Target`]: nested inference has the runtime only by reference.
#[derive(Clone, Copy, Debug)]
pub struct TargetRef<'a> {
    /// The program and its surroundings.
    pub runtime: &'a Runtime,
    /// The model.
    pub model: ModelId,
    /// Known values and masks.
    pub conditions: &'a Conditions,
}

impl<'a> TargetRef<'a> {
    /// A machine whose executions hold everything known.
    pub fn machine(&self) -> Machine<'a> {
        Machine::new(self.runtime, self.model, self.conditions, Purpose::Infer)
    }

    /// Its compiled density; of discrete variables with many values, over those that count.
    ///
    /// # Errors
    /// Why it can only be interpreted.
    pub fn compile(&self, options: CompileOptions) -> Result<Compiled, CompileError> {
        counts::compile(self, options)
    }
}
