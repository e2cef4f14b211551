//! Executions with every value that they drew.

use std::sync::Arc;

use rand::Rng;

use crate::check::core::{ModelId, VariableKind};
use crate::runtime::{
    AddressId, Addresses, Conditions, Handler, Law, Machine, Purpose, Runtime, RuntimeError, Site, Stop,
};
use crate::span::Span;
use crate::syntax::ast::Role;
use crate::value::Value;

/// A random variable (or hard condition) of an execution.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// The variable by its dotted name.
    pub variable: Arc<str>,
    /// All subscripts.
    pub indices: Vec<i64>,
    /// As it is written: `s1.theta[2]`.
    pub name: String,
    /// Its role in the program.
    pub role: Role,
    /// Its value.
    pub value: Value,
    /// Whether the caller said what it is; then no mask hides it.
    pub supplied: bool,
    /// A hard condition, computed and not drawn.
    pub condition: bool,
}

/// One execution: its random variables in program order, and its deterministic lines.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trace {
    /// What was drawn or supplied, and hard conditions.
    pub choices: Vec<Choice>,
    /// Deterministic lines by name, as written.
    pub computed: Vec<(String, Value)>,
}

/// Draws executions of a model; supplied givens and samples are held, observations are drawn anew.
#[derive(Debug)]
pub struct Tracer<'a> {
    runtime: &'a Runtime,
    model: ModelId,
    digits: Option<usize>,
    machine: Machine<'a>,
}

impl<'a> Tracer<'a> {
    /// A tracer of `model`. Each drawn real is rounded to so many significant `digits`, or more where these change its density,
    /// before anything is computed from it.
    pub fn new(runtime: &'a Runtime, model: ModelId, conditions: &'a Conditions, digits: Option<usize>) -> Self {
        let machine = Machine::new(runtime, model, conditions, Purpose::Simulate);
        Self { runtime, model, digits, machine }
    }

    /// The next execution; a function of the random numbers alone.
    ///
    /// # Errors
    /// A mistake in the program or its data, an improper distribution that nothing says how to simulate, a `factor`.
    pub fn execution(&mut self, rng: &mut impl Rng) -> Result<Trace, RuntimeError> {
        let mut draw = Draw { rng, digits: self.digits, trace: Trace::default(), lines: Vec::new() };
        self.machine.run(&mut draw)?;
        let (mut trace, lines) = (draw.trace, draw.lines);
        let addresses = self.machine.addresses();
        for (id, value) in lines {
            let Some((variable, indices)) = addresses.parts(id) else { continue };
            let dotted = addresses.name(variable);
            let kind = self.runtime.program.variable(self.model, dotted).map(|(v, _)| v.kind);
            let name = addresses.display(id).to_string();
            if kind == Some(VariableKind::Condition) {
                trace.choices.push(Choice {
                    variable: dotted.clone(),
                    indices: indices.to_vec(),
                    name,
                    role: Role::Observe,
                    value,
                    supplied: false,
                    condition: true,
                });
            } else {
                trace.computed.push((name, value));
            }
        }
        Ok(trace)
    }
}

struct Draw<'r, R: Rng> {
    rng: &'r mut R,
    digits: Option<usize>,
    trace: Trace,
    lines: Vec<(AddressId, Value)>,
}

impl<R: Rng> Draw<'_, R> {
    fn push(&mut self, site: &Site<'_>, value: &Value, addresses: &Addresses, supplied: bool) {
        let Some((variable, indices)) = addresses.parts(site.address) else { return };
        self.trace.choices.push(Choice {
            variable: addresses.name(variable).clone(),
            indices: indices.to_vec(),
            name: addresses.display(site.address).to_string(),
            role: site.role,
            value: value.clone(),
            supplied,
            condition: false,
        });
    }
}

impl<R: Rng> Handler for Draw<'_, R> {
    fn choose(&mut self, site: &Site<'_>, addresses: &Addresses) -> Result<Value, Stop> {
        let law = site.simulate.unwrap_or(site.law);
        let drawn = law.sample(self.rng);
        let mut value = drawn.map_err(|i| RuntimeError::Improper { family: i.family, span: site.span })?;
        if let Some(digits) = self.digits {
            value = rounded(value, digits, law);
        }
        self.push(site, &value, addresses, false);
        Ok(value)
    }

    fn observe(&mut self, site: &Site<'_>, value: &Value, _: bool, addresses: &Addresses) -> Result<(), Stop> {
        self.push(site, value, addresses, true);
        Ok(())
    }

    fn factor(&mut self, _: f64, span: Span) -> Result<(), Stop> {
        Err(RuntimeError::FactorInSimulation { span }.into())
    }

    fn deterministic(&mut self, address: AddressId, value: &Value, _: bool) {
        self.lines.push((address, value.clone()));
    }
}

/// A real scalar with so many significant digits, or as many more as it takes to hardly change its density: what is rounded to more
/// than the width of its distribution is no draw of it.
fn rounded(value: Value, digits: usize, law: &Law) -> Value {
    let Value::Real(x) = value else { return value };
    let log_density = law.log_density(&value);
    let short = |digits: usize| Value::Real(format!("{x:.*e}", digits.saturating_sub(1)).parse().unwrap_or(x));
    let is_close = |short: &Value| match (law.log_density(short), log_density) {
        (Some(short), Some(exact)) => short > f64::NEG_INFINITY && (short - exact).abs() <= ROUNDING,
        (None, _) | (_, None) => true,
    };
    (digits..MOST_DIGITS).map(short).find(is_close).unwrap_or(value)
}

/// What rounding may change of a log density, in nats.
const ROUNDING: f64 = 0.1;

/// Digits that tell any two doubles apart.
const MOST_DIGITS: usize = 17;
