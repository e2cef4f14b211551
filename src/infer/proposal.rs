//! Proposals: where the values of masked variables come from, with their exact density.

use super::stream::Stream;
use super::trace::{Trace, drawn_log_density};
use crate::runtime::{Addresses, Law, Site};
use crate::value::Value;

/// A distribution over the masked variables of a target, sampled along an execution.
///
/// One execution asks for each masked variable that it reaches, in program order. A proposal that draws in another order
/// (a network, an approximation of the joint posterior) draws everything in [`Proposal::begin`] and hands the values out;
/// the densities of one execution must sum to the exact log density of all that was handed out.
pub trait Proposal: Sync {
    /// Starts one execution.
    fn begin<'a>(&'a self, rng: &mut Stream) -> Box<dyn Guide + 'a>;

    /// The log density with which [`Proposal::begin`] gives an execution, in the variables' own units; `None` where that cannot
    /// be told.
    fn log_density(&self, _trace: &Trace, _addresses: &Addresses) -> Option<f64> {
        None
    }
}

/// A draw of one variable.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposed {
    /// The value, of the variable's type.
    pub value: Value,
    /// Its log density under the proposal, in the variable's own units.
    pub log_density: f64,
}

/// The variable cannot be drawn: its distribution is improper, and nothing says what to draw from instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an improper distribution has no draws")]
pub struct NoDraw;

/// A [`Proposal`] during one execution.
pub trait Guide {
    /// A value for the masked variable at `site`.
    ///
    /// # Errors
    /// Where it cannot be drawn.
    fn propose(&mut self, site: &Site<'_>, addresses: &Addresses, rng: &mut Stream) -> Result<Proposed, NoDraw>;
}

/// Each variable from its own distribution given what the execution drew before (or, where that is improper, from what its
/// statement says to simulate from): the proposal of likelihood weighting (Fung & Chang 1990).
#[derive(Clone, Copy, Debug, Default)]
pub struct OwnDistribution;

impl Proposal for OwnDistribution {
    fn begin<'a>(&'a self, _rng: &mut Stream) -> Box<dyn Guide + 'a> {
        Box::new(Self)
    }

    fn log_density(&self, trace: &Trace, _: &Addresses) -> Option<f64> {
        Some(trace.choices.iter().map(|c| drawn_log_density(&c.law, c.simulate.as_ref(), &c.value)).sum())
    }
}

impl Guide for OwnDistribution {
    fn propose(&mut self, site: &Site<'_>, _addresses: &Addresses, rng: &mut Stream) -> Result<Proposed, NoDraw> {
        let law = drawable(site.law, site.simulate).ok_or(NoDraw)?;
        let value = law.sample(rng).map_err(|_| NoDraw)?;
        // A posterior of reals has no density; it is its own proposal, so any constant cancels.
        let log_density = law.log_density(&value).unwrap_or(0.0);
        Ok(Proposed { value, log_density })
    }
}

/// What a variable can be drawn from: its law, or where that is improper, what to simulate from.
pub fn drawable<'a>(law: &'a Law, simulate: Option<&'a Law>) -> Option<&'a Law> {
    if is_proper(law) { Some(law) } else { simulate.filter(|s| is_proper(s)) }
}

/// Whether a law can be normalised.
pub fn is_proper(law: &Law) -> bool {
    match law {
        Law::Family(distribution) => distribution.is_proper(),
        Law::Marginal(_) => true,
    }
}
