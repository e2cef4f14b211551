//! Draws of a foundation posterior, as experiments on posteriordb take them.

use std::time::Instant;

use serde_json::{Value, json};

use super::cost::errors;
use super::posteriordb::Input;
use super::toy::failed;
use crate::cli::console::Failure;
use crate::foundation::{Foundation, FoundationError};
use crate::infer::anchors::Anchors;
use crate::infer::{Drawer as _, Query, WeightedPoints, pareto_smooth, weights_ess};

/// Draws of what weights say of a posterior.
pub(super) struct FoundationDraws {
    /// By coordinates, with smoothed weights.
    pub draws: WeightedPoints,
    pub log_weights: Vec<f64>,
    /// From text to draws, wall-clock.
    pub seconds: f64,
}

/// What draws come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DrawnBy {
    /// All from the network.
    Network,
    /// Some from the anchors, as the foundation rung has it: half where the network has read a part.
    Rung,
}

impl FoundationDraws {
    /// # Errors
    /// Where the network cannot read the program, or no draw has positive density.
    pub fn of(
        input: &Input,
        foundation: &Foundation,
        n: usize,
        (drawn_by, seed): (DrawnBy, u64),
    ) -> Result<Self, Failure> {
        let wrong = |e: &dyn std::fmt::Display| failed(&input.posterior.name, e);
        let start = Instant::now();
        let target = input.posterior.model()?.target(&input.data)?;
        let query = Query::for_anchors::<FoundationError>(target.borrow(), seed).map_err(|e| wrong(&e))?;
        let anchors = Anchors::new(&query.compiled, &query.prior).map_err(|e| wrong(&e))?;
        let prepared = foundation.prepare(&query).map_err(|e| wrong(&e))?;
        let defence = match drawn_by {
            DrawnBy::Network => None,
            DrawnBy::Rung => prepared.defence(),
        };
        let drawn = prepared.draw(&anchors, n, defence, (seed, 0)).map_err(|e| wrong(&e))?;
        let log_weights: Vec<f64> =
            drawn.iter().map(|d| d.target.map_or(f64::NEG_INFINITY, |(t, _)| t - d.log_proposal)).collect();
        let smoothed = pareto_smooth(&log_weights).ok_or_else(|| wrong(&"no draw has positive density"))?;
        let points = drawn.iter().map(|d| d.point(anchors.elements())).collect();
        let draws = WeightedPoints { points, weights: smoothed.weights };
        Ok(Self { draws, log_weights, seconds: start.elapsed().as_secs_f64() })
    }

    /// How far they are from the reference, as they come and weighted ([`errors`]); and what their weights say of them.
    ///
    /// # Errors
    /// Where the program has another structure than the reference.
    pub fn judged(&self, input: &Input, seed: u64) -> Result<Value, Failure> {
        let wrong = |e: &dyn std::fmt::Display| failed(&input.posterior.name, e);
        let target = input.posterior.model()?.target(&input.data)?;
        let mut query = Query::for_anchors::<FoundationError>(target.borrow(), seed).map_err(|e| wrong(&e))?;
        let possible: Vec<usize> = (0..self.log_weights.len()).filter(|i| self.log_weights[*i].is_finite()).collect();
        let points: Vec<(usize, Vec<f64>)> = possible.iter().map(|i| (0, self.draws.points[*i].clone())).collect();
        let record = query.record(&points).map_err(|e| wrong(&e))?;
        let name = input.posterior.name.as_str().into();
        let by = |weights: &[f64]| {
            let posterior = record.posterior(&name, "draws", weights, None, false);
            errors(&posterior, &input.reference).map_err(|reason| wrong(&reason))
        };
        let equal = vec![1.0 / points.len() as f64; points.len()];
        let weights: Vec<f64> = possible.iter().map(|i| self.draws.weights[*i]).collect();
        let k_hat = pareto_smooth(&self.log_weights).and_then(|p| p.k_hat);
        Ok(json!({
            "seconds": self.seconds, "plain": by(&equal)?, "weighted": by(&weights)?, "k_hat": k_hat,
            "draws": self.log_weights.len(), "possible": points.len(), "ess": weights_ess(&self.draws.weights),
        }))
    }
}
