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
            // NaN stands for an element that the execution did not reach.
            if !self.indices.is_empty() && value.as_f64().is_some_and(f64::is_nan) {
                return None;
            }
            Some((value, *weight))
        })
    }
}

impl Marginal {
    /// Weighted mean, element by element; of truth values, the probability of `true`. `None` without draws.
    pub fn mean(&self) -> Option<Value> {
        self.reduce(|draws| {
            let total: f64 = draws.iter().map(|(_, w)| w).sum();
            draws.iter().map(|(x, w)| x * w).sum::<f64>() / total
        })
    }

    /// Weighted standard deviation, element by element (equal weights: divided by n − 1; an exact posterior's: by the
    /// total).
    pub fn sd(&self) -> Option<Value> {
        let exact = self.posterior.exact;
        self.reduce(|draws| {
            let total: f64 = draws.iter().map(|(_, w)| w).sum();
            let mean = draws.iter().map(|(x, w)| x * w).sum::<f64>() / total;
            let square = draws.iter().map(|(x, w)| w * (x - mean).powi(2)).sum::<f64>() / total;
            let effective = total * total / draws.iter().map(|(_, w)| w * w).sum::<f64>();
            let correction = if exact || effective <= 1.0 { 1.0 } else { effective / (effective - 1.0) };
            (square * correction).sqrt()
        })
    }

    /// The smallest drawn value at which the weighted distribution function reaches `level`, element by element.
    pub fn quantile(&self, level: f64) -> Option<Value> {
        self.reduce(|draws| weighted_quantile(draws, level))
    }

    /// The share of the draws that equal `value`.
    pub fn probability(&self, value: &Value) -> Option<f64> {
        let wanted = value.to_f64s();
        let (mut mass, mut total) = (0.0, 0.0);
        for (drawn, weight) in self.draws() {
            total += weight;
            if drawn.to_f64s() == wanted {
                mass += weight;
            }
        }
        (total > 0.0).then(|| mass / total)
    }

    /// As many draws as there are, of equal weight: as they are where weights are equal, else resampled systematically.
    pub fn unweighted(&self) -> Option<Value> {
        let draws: Vec<(Value, f64)> = self.draws().collect();
        let total: f64 = draws.iter().map(|(_, w)| w).sum();
        let (first, n) = (draws.first()?, draws.len());
        let element = first.0.data_type()?;
        let equal = draws.iter().all(|(_, w)| (w - first.1).abs() <= 1e-12 * total);
        let values: Vec<Value> = if equal {
            draws.into_iter().map(|(v, _)| v).collect()
        } else {
            let mut picked = Vec::with_capacity(n);
            let mut reached = 0.0;
            for (value, weight) in draws {
                reached += weight / total * n as f64;
                while picked.len() < n && (picked.len() as f64 + 0.5) < reached {
                    picked.push(value.clone());
                }
            }
            picked
        };
        super::Array::stack(&values, element).ok().map(Value::array)
    }

    /// Applies `f` to the weighted draws of each element; the result has the shape of the variable.
    fn reduce(&self, f: impl Fn(&[(f64, f64)]) -> f64) -> Option<Value> {
        let draws: Vec<(Value, f64)> = self.draws().filter(|(_, w)| *w > 0.0).collect();
        let shape = draws.first()?.0.shape().to_vec();
        let columns: Vec<Vec<f64>> = draws.iter().map(|(v, _)| v.to_f64s()).collect();
        let size: usize = shape.iter().product();
        if columns.iter().any(|c| c.len() != size) {
            return None;
        }
        let reduced: Vec<f64> = (0..size)
            .map(|e| f(&columns.iter().zip(&draws).map(|(c, (_, w))| (c[e], *w)).collect::<Vec<_>>()))
            .collect();
        match shape.is_empty() {
            true => reduced.first().copied().map(Value::Real),
            false => super::Array::new(shape, super::Elements::Real(reduced)).map(Value::array),
        }
    }
}

/// The smallest value at which the weighted distribution function of `(value, weight)` pairs reaches `level`.
pub fn weighted_quantile(draws: &[(f64, f64)], level: f64) -> f64 {
    let mut sorted = draws.to_vec();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let target = level * sorted.iter().map(|(_, w)| w).sum::<f64>();
    let mut reached = 0.0;
    for (value, weight) in &sorted {
        reached += weight;
        // Rounding must not carry the target past its value.
        if reached >= target * (1.0 - 1e-12) {
            return *value;
        }
    }
    sorted.last().map_or(f64::NAN, |(value, _)| *value)
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
