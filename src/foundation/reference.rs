//! The exact log density of a truth, where no case brings it along: its joint density over the evidence.

use super::error::FoundationError;
use crate::infer::anchors::{Anchors, Shares, Walk};
use crate::infer::{InferOptions, Method, Query, Silent, Stream, Target, Weights, infer};
use crate::runtime::random_stream;

/// Draws of the evidence where it is estimated.
const DRAWS: usize = 4_000;

/// Draws that show whether normal approximations are exact.
const FEW: usize = 64;

/// By how much log weights may then differ, in nats.
const EQUAL: f64 = 1e-8;

/// The log evidence of a query.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evidence {
    /// In nats.
    pub log_evidence: f64,
    /// Its standard error; zero where it is exact.
    pub error: f64,
}

impl Evidence {
    /// Of a query that certified draws from its anchors can answer.
    ///
    /// Where the posterior is a mixture of normal distributions, whole or truncated, as many as there are paths, the anchors
    /// are the posterior: all importance weights are equal, and are the evidence. Elsewhere it is their mean.
    pub fn of(target: &Target, seed: u64) -> Option<Self> {
        let options = InferOptions {
            method: Method::named("laplace").ok()?,
            draws: Some(DRAWS),
            seed,
            weights: Weights::None,
            ..InferOptions::default()
        };
        // Its look for modes finds what equal weights alone would not show to be missing.
        let inferred = infer(target, &options, &mut Silent).ok().filter(|inferred| inferred.certified)?;
        let estimated = Self { log_evidence: inferred.log_evidence?, error: inferred.log_evidence_error? };
        Some(Self::exact(target, seed).filter(|e| estimated.agrees(e)).unwrap_or(estimated))
    }

    /// Where the anchors are the posterior.
    fn exact(target: &Target, seed: u64) -> Option<Self> {
        let query = Query::for_anchors::<FoundationError>(target.borrow(), seed).ok()?;
        let anchors = Anchors::new(&query.compiled, &query.prior).ok()?;
        let mut walk = Walk::plain(&anchors, Shares::NONE);
        let mut rng: Stream = random_stream(seed, 0);
        let weights: Vec<f64> = (0..FEW)
            .map(|_| {
                let drawn = walk.draw(&mut rng);
                drawn.target.map(|(log_density, _)| log_density - drawn.log_proposal)
            })
            .collect::<Option<_>>()?;
        let (low, high) = weights.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), w| (l.min(*w), h.max(*w)));
        (high - low < EQUAL).then_some(Self { log_evidence: 0.5 * (low + high), error: 0.0 })
    }

    fn agrees(&self, exact: &Self) -> bool {
        (self.log_evidence - exact.log_evidence).abs() <= 5.0 * self.error + 1e-6
    }
}
