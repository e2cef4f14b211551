//! Handlers: what an engine does at each random choice. The machine runs the program; handlers give it meaning.
//!
//! This is the only way in which an engine sees a program that it does not compile (Gen's trace interface and WebPPL's
//! coroutines are the models).

use super::address::{AddressId, Addresses};
use super::error::RuntimeError;
use crate::dist::{Distribution, Improper, Point};
use crate::span::Span;
use crate::syntax::ast::Role;
use crate::value::{Base, DataType, Marginal, Value};

/// What a random variable is drawn from, its parameters evaluated.
#[derive(Clone, Debug)]
pub enum Law {
    /// A member of a family.
    Family(Distribution<f64>),
    /// The draws of a nested posterior.
    Marginal(Marginal),
}

/// A random choice that the machine has come to.
#[derive(Debug)]
pub struct Site<'a> {
    /// Which.
    pub address: AddressId,
    /// Its role in the program, whatever is known of it.
    pub role: Role,
    /// What it is drawn from.
    pub law: &'a Law,
    /// What to simulate from instead, where the statement says.
    pub simulate: Option<&'a Law>,
    /// The type of a draw.
    pub ty: DataType,
    /// The statement.
    pub span: Span,
}

/// Why an execution ends early.
#[derive(Debug)]
pub enum Stop {
    /// It has density zero: something known was impossible, or a parameter that depends on latents was invalid.
    Reject,
    /// It failed.
    Error(Box<RuntimeError>),
}

impl From<RuntimeError> for Stop {
    fn from(error: RuntimeError) -> Self {
        Self::Error(Box::new(error))
    }
}

/// What an engine does at each random choice.
pub trait Handler {
    /// A choice whose value is not known: choose one.
    ///
    /// # Errors
    /// [`Stop`] ends the execution.
    fn choose(&mut self, site: &Site<'_>, addresses: &Addresses) -> Result<Value, Stop>;

    /// A choice whose value is known. `counts` is false for a given whose law reads nothing masked: it is outside the
    /// density. The machine calls this also for values outside the support.
    ///
    /// # Errors
    /// [`Stop`] ends the execution.
    fn observe(&mut self, site: &Site<'_>, value: &Value, counts: bool, addresses: &Addresses) -> Result<(), Stop>;

    /// A `factor`, or a hard condition (0 where it holds, −∞ where not): adds to the log density.
    ///
    /// # Errors
    /// [`Stop`] ends the execution.
    fn factor(&mut self, log_weight: f64, span: Span) -> Result<(), Stop>;

    /// A reported deterministic line.
    fn deterministic(&mut self, address: AddressId, value: &Value, depends_on_masked: bool) {
        let _ = (address, value, depends_on_masked);
    }

    /// An input without a distribution.
    fn input(&mut self, address: AddressId, value: &Value) {
        let _ = (address, value);
    }

    /// The execution is about to be rejected because latents made `reason` happen. Engines count these.
    fn rejected(&mut self, reason: &RuntimeError) {
        let _ = reason;
    }
}

impl Law {
    /// Log density (or probability) of `value` in its own units; −∞ outside the support or where the kind of value does
    /// not fit. `None` for a posterior of reals, which has no density.
    pub fn log_density(&self, value: &Value) -> Option<f64> {
        match self {
            Self::Family(d) => Some(family_log_density(d, value)),
            Self::Marginal(m) => {
                let discrete = |v: &Value| v.data_type().is_some_and(|t| t.rank == 0 && t.base != Base::Real);
                let (mut total, mut mass) = (0.0, 0.0);
                for (drawn, weight) in m.draws() {
                    if !discrete(&drawn) {
                        return None;
                    }
                    total += weight;
                    if drawn == *value {
                        mass += weight;
                    }
                }
                Some(f64::ln(mass / total))
            }
        }
    }

    /// One draw.
    ///
    /// # Errors
    /// Where the law is improper.
    pub fn sample(&self, rng: &mut impl rand::Rng) -> Result<Value, Improper> {
        match self {
            Self::Family(d) => d.sample(rng),
            Self::Marginal(m) => {
                use rand::RngExt as _;
                let total: f64 = m.draws().map(|(_, w)| w).sum();
                let mut target = rng.random::<f64>() * total;
                let mut last = Value::Real(f64::NAN);
                for (value, weight) in m.draws() {
                    last = value;
                    target -= weight;
                    if target < 0.0 {
                        break;
                    }
                }
                Ok(last)
            }
        }
    }
}

fn family_log_density(distribution: &Distribution<f64>, value: &Value) -> f64 {
    match value {
        Value::Bool(b) => distribution.log_density(&Point::Int(i64::from(*b))),
        Value::Int(i) => distribution.log_density(&Point::Int(*i)),
        Value::Real(x) => distribution.log_density(&Point::Scalar(*x)),
        Value::Array(array) => match array.reals() {
            Some(reals) => distribution.log_density(&Point::Vector(reals)),
            None => distribution.log_density(&Point::Vector(&array.elements().to_f64s())),
        },
        Value::Record(record) => match &record.returned {
            Some(value) => family_log_density(distribution, value),
            None => f64::NEG_INFINITY,
        },
        Value::Str(_) | Value::Posterior(_) | Value::Marginal(_) => f64::NEG_INFINITY,
    }
}
