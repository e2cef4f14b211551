//! A posterior as a value of the language: weighted draws by variable.

use std::fmt;
use std::sync::Arc;

use super::Value;

/// The draws of one variable.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Dotted name without indices, such as `theta` or `s1.ability`.
    pub name: Arc<str>,
    /// One value a draw (the whole array of an indexed variable); `None` where an execution did not reach it.
    pub values: Vec<Option<Value>>,
}

/// Weighted draws of all reported variables, and how they came about.
#[derive(Clone, Debug, PartialEq)]
pub struct Posterior {
    /// The model.
    pub model: Arc<str>,
    /// The engine that made it, such as `enumerate`.
    pub method: Arc<str>,
    /// Normalised weights, one a draw.
    pub weights: Vec<f64>,
    /// The variables, in program order.
    pub columns: Vec<Column>,
    /// log p(observed | given), where the engine estimates it.
    pub log_evidence: Option<f64>,
    /// Whether the draws are all possible values with their exact probabilities.
    pub exact: bool,
}

impl Posterior {
    /// The column called `name`.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|c| &*c.name == name)
    }
}

impl fmt::Display for Posterior {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "posterior of {} ({}, {} draws)", self.model, self.method, self.weights.len())
    }
}

/// One variable of a posterior, possibly one element of it: `p.x` or `p.theta[3]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Marginal {
    /// The whole posterior.
    pub posterior: Arc<Posterior>,
    /// Which of its columns.
    pub column: usize,
    /// Indices into the variable; empty for all of it.
    pub indices: Vec<usize>,
}

impl Marginal {
    /// The values and weights of the draws in which the variable exists (and has the element).
    pub fn draws(&self) -> impl Iterator<Item = (Value, f64)> + '_ {
        let values = self.posterior.columns.get(self.column).map_or(&[][..], |c| &c.values[..]);
        values.iter().zip(&self.posterior.weights).filter_map(|(value, weight)| {
            let mut value = value.clone()?;
            for i in &self.indices {
                value = value.as_array()?.get(*i)?;
            }
            Some((value, *weight))
        })
    }
}

impl fmt::Display for Marginal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.posterior.columns.get(self.column).map_or("?", |c| &c.name);
        write!(f, "{name}")?;
        for i in &self.indices {
            write!(f, "[{i}]")?;
        }
        write!(f, " of {}", self.posterior)
    }
}
