//! Executions of the prior as points among the coordinates: where climbs start, and in what units.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::super::coordinates::Coordinates;
use super::super::error::InferError;
use super::super::proposal::OwnDistribution;
use super::super::stream::Stream;
use super::super::target::TargetRef;
use super::super::trace::{Generator, Ledger, Trace};
use crate::density::Compiled;
use crate::runtime::Addresses;

/// One execution.
#[derive(Clone, Debug, Default)]
pub struct PriorDraw {
    /// Over the coordinates; NaN where the execution did not reach a variable.
    pub z: Vec<f64>,
    /// The values of discrete variables, by dotted name and subscripts.
    pub discrete: FxHashMap<(Arc<str>, Vec<i64>), i64>,
}

/// Draws of the prior over the coordinates of a compiled density.
#[derive(Clone, Debug)]
pub struct PriorDraws {
    /// One a draw.
    pub draws: Vec<PriorDraw>,
    /// The median of each coordinate; 0 where there is none.
    pub middle: Vec<f64>,
    /// Half the distance between the quantiles of a normal's ± one standard deviation; 1 where there is none.
    pub scales: Vec<f64>,
}

impl PriorDraw {
    /// What an execution chose.
    pub fn of(trace: &Trace, addresses: &Addresses, coordinates: &Coordinates) -> Self {
        let (z, _) = coordinates.of(trace, addresses);
        let discrete = trace.choices.iter().filter_map(|choice| {
            let (variable, indices) = addresses.parts(choice.address)?;
            Some(((addresses.name(variable).clone(), indices.to_vec()), choice.value.as_int()?))
        });
        Self { z, discrete: discrete.collect() }
    }
}

impl PriorDraws {
    /// Without draws: the origin, and units of 1.
    pub fn origin(dimension: usize) -> Self {
        Self { draws: Vec::new(), middle: vec![0.0; dimension], scales: vec![1.0; dimension] }
    }

    /// A draw with the middle in place of what it does not have.
    pub fn filled(&self, draw: &PriorDraw) -> Vec<f64> {
        draw.z.iter().zip(&self.middle).map(|(z, middle)| if z.is_finite() { *z } else { *middle }).collect()
    }
}

/// Draws `n` executions of the prior (observations do not count). Where that is not possible, because a distribution is
/// improper, the origin.
///
/// # Errors
/// A mistake in the program or its data.
pub fn prior_draws(
    target: &TargetRef<'_>,
    compiled: &Compiled,
    n: usize,
    rng: &mut Stream,
) -> Result<PriorDraws, InferError> {
    let coordinates = Coordinates::new(compiled);
    let dimension = compiled.dimension();
    let mut generator = Generator { engine: "prior", proposal: &OwnDistribution, weigh: false, choices: None };
    let mut machine = target.machine();
    let (mut trace, mut ledger) = (Trace::default(), Ledger::default());
    let mut draws = Vec::with_capacity(n);
    for _ in 0..n {
        match generator.run(&mut machine, rng, &mut trace, &mut ledger) {
            Ok(log_weight) => {
                draws.push(PriorDraw::of(&trace, machine.addresses(), &coordinates));
                // On one path all executions choose the same variables, and observations after the last do not count here.
                if log_weight > f64::NEG_INFINITY && compiled.paths() == 1 {
                    generator.choices = Some(trace.choices.len());
                }
            }
            Err(InferError::Improper { .. }) => return Ok(PriorDraws::origin(dimension)),
            Err(error) => return Err(error),
        }
    }
    let mut prior = PriorDraws::origin(dimension);
    for i in 0..dimension {
        let mut column: Vec<f64> = draws.iter().map(|d| d.z[i]).filter(|z| z.is_finite()).collect();
        if column.is_empty() {
            continue;
        }
        column.sort_by(f64::total_cmp);
        let quantile = |share: f64| column[((share * column.len() as f64) as usize).min(column.len() - 1)];
        prior.middle[i] = quantile(0.5);
        let scale = 0.5 * (quantile(0.84) - quantile(0.16));
        if scale > 0.0 && scale.is_finite() {
            prior.scales[i] = scale;
        }
    }
    prior.draws = draws;
    Ok(prior)
}
