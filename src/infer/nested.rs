//! `infer` expressions: the language's own way to ask.

use std::sync::Arc;

use super::engine::{InferOptions, Method, Silent};
use super::error::InferError;
use super::ladder::infer_borrowed;
use super::target::TargetRef;
use crate::check::INFER_OPTIONS;
use crate::check::core::{ModelId, Program, Type};
use crate::diagnostic::Diagnostic;
use crate::runtime::{Conditions, Inference, Query, Runtime, Supplied};
use crate::value::{Base, Posterior, Value};

/// Answers `infer` expressions with the engines of this module.
#[derive(Clone, Debug, Default)]
pub struct Engines {
    /// The seed of expressions that name none.
    pub seed: u64,
}

impl Inference for Engines {
    fn infer(&self, runtime: &Runtime, query: &Query) -> Result<Posterior, Diagnostic> {
        answer(self.seed, runtime, query).map_err(|error| Diagnostic::from(&error))
    }
}

fn answer(seed: u64, runtime: &Runtime, query: &Query) -> Result<Posterior, InferError> {
    // Inside a model the answer must be a function of the query alone.
    let mut options = read_options(&query.options)?;
    if !query.options.iter().any(|(name, _)| &**name == "seed") {
        options.seed = if query.nested { 1 } else { seed };
    }
    if query.nested && options.budget.is_none() {
        // A bound in seconds would make the answer depend on the machine.
        options.budget = Some(f64::INFINITY);
    }
    let conditions = bind(&runtime.program, query);
    let target = TargetRef { runtime, model: query.model, conditions: &conditions };
    let inferred = infer_borrowed(&target, &options, &mut Silent)?;
    Ok(Arc::unwrap_or_clone(inferred.posterior))
}

fn read_options(given: &[(Arc<str>, Value)]) -> Result<InferOptions, InferError> {
    let mut options = InferOptions::default();
    for (name, value) in given {
        // The checker knows the names.
        let Some((name, _)) = INFER_OPTIONS.iter().find(|(option, _)| *option == &**name) else { continue };
        let invalid = |expected| InferError::InvalidOption { name, expected, found: value.to_string() };
        let count = || match value {
            Value::Int(i) => usize::try_from(*i).map_err(|_| invalid("an int that is not negative")),
            Value::Bool(_)
            | Value::Real(_)
            | Value::Array(_)
            | Value::Str(_)
            | Value::Record(_)
            | Value::Posterior(_)
            | Value::Marginal(_) => Err(invalid("an int that is not negative")),
        };
        match *name {
            "method" => {
                let Value::Str(text) = value else { return Err(invalid("the name of a method, as text")) };
                options.method = Method::named(text)?;
            }
            "draws" => options.draws = Some(count()?),
            "warmup" => options.warmup = Some(count()?),
            "chains" => options.chains = Some(count()?),
            "seed" => options.seed = count()? as u64,
            _ => options.budget = Some(value.as_f64().ok_or_else(|| invalid("a number of seconds"))?),
        }
    }
    Ok(options)
}

/// Arguments and data of the expression as conditions of its model.
fn bind(program: &Program, query: &Query) -> Conditions {
    let mut conditions = Conditions::new();
    let model = program.model(query.model);
    for (parameter, value) in model.parameters.iter().zip(&query.arguments) {
        conditions.supply(parameter.name.clone(), Supplied::Value(value.clone().promote(parameter.ty.base)));
    }
    for (name, value) in &query.data {
        let (base, indices) = split_subscripts(name);
        let value = value.clone().map(|value| value.promote(base_of(program, query.model, base)));
        match (indices.is_empty(), value) {
            (true, Some(value)) => conditions.supply(base, Supplied::Value(value)),
            (true, None) => conditions.supply(base, Supplied::Masked),
            (false, value) => conditions.supply_element(base, indices, value),
        }
    }
    for source in &model.size_sources {
        if !conditions.mentions(&source.size)
            && let Some(Supplied::Value(value)) = conditions.get(&source.array)
            && let Some(size) = value.shape().get(source.axis)
        {
            let size = Value::Int(*size as i64);
            conditions.supply(source.size.clone(), Supplied::Value(size));
        }
    }
    conditions
}

/// `s[0].theta[2]` as `s.theta` and `[0, 2]`.
fn split_subscripts(name: &str) -> (&str, Vec<i64>) {
    match name.split_once('[') {
        None => (name, Vec::new()),
        Some((base, rest)) => {
            let indices = rest.trim_end_matches(']').split(',').filter_map(|i| i.trim().parse().ok()).collect();
            (base, indices)
        }
    }
}

/// The kind of a variable's scalars; the checker knows that it is data.
fn base_of(program: &Program, model: ModelId, name: &str) -> Base {
    match program.variable(model, name).map(|(variable, _)| variable.ty) {
        Some(Type::Data(ty)) => ty.base,
        Some(Type::Str | Type::Record { .. } | Type::Posterior(_) | Type::Marginal(_) | Type::Nothing) | None => {
            Base::Real
        }
    }
}
