//! Reference posteriors: the moments of reference draws, by scalar.

use serde_json::{Map, Value};

use super::database::kind;
use super::scalar_name;
use crate::infer::{ess_bulk, mcse_mean, mcse_sd};
use crate::value::weighted_quantile;

/// What is known of a posterior from long runs of Stan.
#[derive(Clone, Debug, PartialEq)]
pub struct Reference {
    /// One a scalar, in the database's order. It need not be all parameters, and may be transformed ones.
    pub scalars: Vec<ReferenceScalar>,
    /// Draws that it is made of.
    pub draws: usize,
}

/// The reference posterior of one scalar.
#[derive(Clone, Debug, PartialEq)]
pub struct ReferenceScalar {
    /// Its name in our program: subscripts from 0.
    pub name: String,
    /// Posterior mean.
    pub mean: f64,
    /// Posterior standard deviation.
    pub sd: f64,
    /// Quantiles at 5 %, 50 % and 95 %.
    pub quantiles: [f64; 3],
    /// Effective sample size (bulk).
    pub ess: f64,
    /// Monte Carlo standard error of the mean.
    pub mcse_mean: f64,
    /// The same of the standard deviation: as of draws of a normal distribution where there are no draws to tell.
    pub mcse_sd: f64,
    /// Reference draws in increasing order; empty where there are only moments.
    pub draws: Vec<f64>,
}

impl Reference {
    /// The scalar of that name in our program.
    pub fn scalar(&self, name: &str) -> Option<&ReferenceScalar> {
        self.scalars.iter().find(|s| s.name == name)
    }

    /// From the repository's draws: an array of chains, each an object of arrays of equal length by scalar.
    ///
    /// # Errors
    /// What is not so, in words.
    pub(super) fn from_draws(text: &str) -> Result<Self, String> {
        let value: Value = serde_json::from_str(text).map_err(|e| e.to_string())?;
        let Value::Array(chains) = &value else {
            return Err(format!("wanted is an array of chains, found {}", kind(&value)));
        };
        let as_chain = |(i, chain): (usize, &Value)| match chain {
            Value::Object(columns) => Ok(columns.clone()),
            other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
                Err(format!("chain {}: wanted is an object of arrays, found {}", i + 1, kind(other)))
            }
        };
        let chains: Vec<Map<String, Value>> = chains.iter().enumerate().map(as_chain).collect::<Result<_, _>>()?;
        let Some(first) = chains.first().filter(|c| !c.is_empty()) else { return Err("it has no draws".into()) };
        let mut length = None;
        let mut scalars = Vec::with_capacity(first.len());
        for name in first.keys() {
            let own = scalar_name(name).ok_or_else(|| format!("`{name}` is not the name of a scalar"))?;
            let mut columns: Vec<Vec<f64>> = Vec::with_capacity(chains.len());
            for (i, chain) in chains.iter().enumerate() {
                let column = column(chain, name).map_err(|reason| format!("chain {}: {reason}", i + 1))?;
                let wanted = *length.get_or_insert(column.len());
                if column.len() != wanted || wanted < 4 {
                    let of = if wanted < 4 { "at least 4".to_owned() } else { wanted.to_string() };
                    return Err(format!("chain {}: `{name}` has {} draws, not {of}", i + 1, column.len()));
                }
                columns.push(column);
            }
            scalars.push(ReferenceScalar::from_chains(own, &columns));
        }
        if let Some(i) = chains.iter().position(|c| c.len() != first.len()) {
            return Err(format!("chain {} has {} scalars, and chain 1 has {}", i + 1, chains[i].len(), first.len()));
        }
        Ok(Self { scalars, draws: chains.len() * length.unwrap_or(0) })
    }

    /// From an index's `summary` of draws: an object of moments by scalar.
    ///
    /// # Errors
    /// What is not so, in words.
    pub(super) fn from_summary(reference: &Value) -> Result<Self, String> {
        let Some(Value::Object(summary)) = reference.get("summary") else {
            return Err("`reference` has no object `summary`".into());
        };
        let scalar = |(name, moments): (&String, &Value)| {
            let own = scalar_name(name).ok_or_else(|| format!("`{name}` is not the name of a scalar"))?;
            let number = |key: &str| {
                let found = moments.get(key).and_then(Value::as_f64).filter(|x| x.is_finite());
                found.ok_or_else(|| format!("`{name}` has no number `{key}`"))
            };
            let (sd, ess) = (number("sd")?, number("ess_bulk")?);
            Ok(ReferenceScalar {
                name: own,
                mean: number("mean")?,
                sd,
                quantiles: [number("q5")?, number("q50")?, number("q95")?],
                ess,
                mcse_mean: number("mcse_mean")?,
                mcse_sd: normal_mcse_sd(sd, ess),
                draws: Vec::new(),
            })
        };
        let scalars: Vec<ReferenceScalar> = summary.iter().map(scalar).collect::<Result<_, String>>()?;
        if scalars.is_empty() {
            return Err("its `summary` has no scalars".into());
        }
        let draws = reference.get("n_draws_original").and_then(Value::as_u64).unwrap_or(0);
        Ok(Self { scalars, draws: usize::try_from(draws).unwrap_or(usize::MAX) })
    }
}

impl Reference {
    /// Adds draws to moments: a CSV table with a column for each scalar, of which those that are missing stay without.
    ///
    /// # Errors
    /// What is not so, in words.
    pub(super) fn with_draws(mut self, table: &str) -> Result<Self, String> {
        let mut lines = table.lines();
        let names: Vec<&str> = lines.next().unwrap_or_default().split(',').collect();
        let mut columns: Vec<Vec<f64>> = vec![Vec::new(); names.len()];
        for (i, line) in lines.enumerate() {
            let cells: Vec<&str> = line.split(',').collect();
            if cells.len() != names.len() {
                return Err(format!("line {} has {} cells, and the first {}", i + 2, cells.len(), names.len()));
            }
            for (column, cell) in columns.iter_mut().zip(cells) {
                let number = cell.trim().parse().ok().filter(|x: &f64| x.is_finite());
                column.push(number.ok_or_else(|| format!("line {}: wanted is a number, found `{cell}`", i + 2))?);
            }
        }
        for (name, mut column) in names.into_iter().zip(columns) {
            column.sort_by(f64::total_cmp);
            let own = scalar_name(name).and_then(|own| self.scalars.iter_mut().find(|s| s.name == own));
            if let Some(scalar) = own {
                scalar.draws = column;
            }
        }
        Ok(self)
    }
}

impl ReferenceScalar {
    fn from_chains(name: String, columns: &[Vec<f64>]) -> Self {
        let views: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
        let all = columns.concat();
        let n = all.len() as f64;
        let mean = all.iter().sum::<f64>() / n;
        let sd = (all.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt();
        // Not defined where all draws are equal.
        let ess = ess_bulk(&views).unwrap_or(n);
        let weighted: Vec<(f64, f64)> = all.iter().map(|x| (*x, 1.0 / n)).collect();
        let quantiles = [0.05, 0.5, 0.95].map(|level| weighted_quantile(&weighted, level));
        let (mcse_mean, mcse_sd) = (mcse_mean(&views).unwrap_or(0.0), mcse_sd(&views).unwrap_or(0.0));
        let mut draws = all;
        draws.sort_by(f64::total_cmp);
        Self { name, mean, sd, quantiles, ess, mcse_mean, mcse_sd, draws }
    }
}

/// The standard error of the standard deviation of `ess` draws of a normal distribution.
fn normal_mcse_sd(sd: f64, ess: f64) -> f64 {
    sd / (2.0 * ess.max(1.0)).sqrt()
}

fn column(chain: &Map<String, Value>, name: &str) -> Result<Vec<f64>, String> {
    let value = chain.get(name).ok_or_else(|| format!("`{name}` is missing"))?;
    let Value::Array(draws) = value else {
        return Err(format!("`{name}`: wanted is an array of numbers, found {}", kind(value)));
    };
    let number = |(i, draw): (usize, &Value)| {
        let found = draw.as_f64().filter(|x| x.is_finite());
        found.ok_or_else(|| format!("`{name}`: draw {}: wanted is a number, found {}", i + 1, kind(draw)))
    };
    draws.iter().enumerate().map(number).collect()
}
