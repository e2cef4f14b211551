//! Exact enumeration of all executions, where every masked variable is finite and discrete.

use super::engine::{Engine, InferOptions, Progress, Sampled};
use super::error::InferError;
use super::record::{Chunk, Record};
use super::target::TargetRef;
use super::trace::{Choice, Ledger, Trace, add_likelihood, known_log_density};
use crate::runtime::{AddressId, Addresses, Handler, Law, Outcome, RuntimeError, Site, Stop};
use crate::span::Span;
use crate::value::{Base, Value};

pub(super) const ENGINE: Engine = Engine {
    name: "enumerate",
    summary: "all values with their exact probabilities, where they are finitely many",
    run,
};

/// Executions that may be visited.
const LIMIT: u64 = 2_000_000;

/// Executions after which the size of the whole tree is estimated.
const GLANCE: u64 = 5_000;

fn run(target: &TargetRef<'_>, _: &InferOptions, progress: &mut dyn Progress) -> Result<Sampled, InferError> {
    enumerate(target, LIMIT, progress)
}

/// Enumerates depth first: each execution follows a path of choices, and the last choice that has more values moves on.
///
/// # Errors
/// Where a masked variable is not finite and discrete, more than `limit` executions are needed, or all have density zero.
pub(super) fn enumerate(
    target: &TargetRef<'_>,
    limit: u64,
    progress: &mut dyn Progress,
) -> Result<Sampled, InferError> {
    progress.start(ENGINE.name, 0);
    let mut machine = target.machine();
    let mut walk =
        Walk { path: Vec::new(), depth: 0, trace: Trace::default(), ledger: Ledger::default(), refused: None };
    let mut chunk = Chunk::default();
    let mut log_weights: Vec<f64> = Vec::new();
    let mut visited = 0;
    loop {
        visited += 1;
        if visited > limit || (visited == GLANCE && walk.hopeless(limit)) {
            return Err(InferError::TooManyExecutions { limit });
        }
        walk.depth = 0;
        walk.trace.clear();
        let outcome = match machine.run(&mut walk) {
            // Some path of choices never ends, so there are infinitely many.
            Err(RuntimeError::RecursionLimit { span, .. }) => {
                let reason = "its recursion has no bound".to_owned();
                return Err(InferError::Refused { engine: ENGINE.name, reason, span: Some(span) });
            }
            outcome => outcome?,
        };
        if let Some((name, span)) = walk.refused.take() {
            let reason = format!("`{name}` is not finite and discrete");
            return Err(InferError::Refused { engine: ENGINE.name, reason, span: Some(span) });
        }
        if outcome != Outcome::Rejected {
            log_weights.push(walk.trace.log_density());
            chunk.push(&walk.trace);
        }
        // Choices that were not reached this time belong to paths that are done.
        walk.path.truncate(walk.depth);
        while let Some((at, values)) = walk.path.last_mut() {
            *at += 1;
            if *at < values.len() {
                break;
            }
            walk.path.pop();
        }
        if walk.path.is_empty() {
            break;
        }
        progress.advance(1);
    }
    let largest = log_weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if largest == f64::NEG_INFINITY {
        return Err(InferError::NoDrawSurvived { tried: visited, reason: walk.ledger.why_none() });
    }
    let total: f64 = log_weights.iter().map(|w| (w - largest).exp()).sum();
    let weights = log_weights.iter().map(|w| (w - largest).exp() / total).collect();
    let mut record = Record::default();
    record.append(&chunk, machine.addresses());
    record.know(&walk.ledger.known, machine.addresses());
    let reason = match visited {
        1 => "exact: one execution".into(),
        n => format!("exact: all {n} executions"),
    };
    Ok(Sampled {
        weights: Some(weights),
        exact: true,
        log_evidence: Some((largest + total.ln(), 0.0)),
        ..Sampled::new(record, true, reason)
    })
}

struct Walk {
    /// Values of each choice on the way, and which of them it takes.
    path: Vec<(usize, Vec<Value>)>,
    depth: usize,
    trace: Trace,
    ledger: Ledger,
    refused: Option<(String, Span)>,
}

impl Walk {
    /// Whether the part of the tree that is done, by what each choice has left, is so small that `limit` executions are far
    /// from enough.
    fn hopeless(&self, limit: u64) -> bool {
        let (mut done, mut width) = (0.0, 1.0);
        for (at, values) in &self.path {
            width /= values.len() as f64;
            done += *at as f64 * width;
        }
        GLANCE as f64 > 100.0 * limit as f64 * done
    }
}

/// All values of a law, if they are finitely many.
fn finite_values(law: &Law, base: Base) -> Option<Vec<Value>> {
    /// A variable with more values than this is not for enumeration.
    const MOST: i64 = 1_000_000;
    match law {
        Law::Family(distribution) => {
            let range = distribution.finite_values()?;
            (range.end.saturating_sub(range.start) <= MOST)
                .then(|| range.map(|k| if base == Base::Bool { Value::Bool(k != 0) } else { Value::Int(k) }).collect())
        }
        Law::Marginal(marginal) => {
            let mut values: Vec<Value> = Vec::new();
            for (value, weight) in marginal.draws() {
                if !matches!(value, Value::Bool(_) | Value::Int(_)) {
                    return None;
                }
                if weight > 0.0 && !values.contains(&value) {
                    values.push(value);
                }
            }
            Some(values)
        }
    }
}

impl Handler for Walk {
    fn choose(&mut self, site: &Site<'_>, addresses: &Addresses) -> Result<Value, Stop> {
        if self.path.len() <= self.depth {
            match finite_values(site.law, site.ty.base) {
                Some(values) if !values.is_empty() => self.path.push((0, values)),
                _ => {
                    self.refused = Some((addresses.display(site.address).to_string(), site.span));
                    return Err(Stop::Reject);
                }
            }
        }
        let Some(value) = self.path.get(self.depth).and_then(|(at, values)| values.get(*at)).cloned() else {
            return Err(Stop::Reject);
        };
        self.depth += 1;
        let log_density = site.law.log_density(&value).unwrap_or(f64::NEG_INFINITY);
        self.trace.push(Choice {
            address: site.address,
            role: site.role,
            law: site.law.clone(),
            simulate: None,
            value: value.clone(),
            log_density,
            span: site.span,
        });
        if log_density == f64::NEG_INFINITY { Err(Stop::Reject) } else { Ok(value) }
    }

    fn observe(&mut self, site: &Site<'_>, value: &Value, counts: bool, _: &Addresses) -> Result<(), Stop> {
        self.ledger.know(site.address, value);
        if counts { add_likelihood(&mut self.trace, known_log_density(site, value)?, site.span) } else { Ok(()) }
    }

    fn factor(&mut self, log_weight: f64, span: Span) -> Result<(), Stop> {
        add_likelihood(&mut self.trace, log_weight, span)
    }

    fn deterministic(&mut self, address: AddressId, value: &Value, depends_on_masked: bool) {
        if depends_on_masked {
            self.trace.reported.push((address, value.clone()));
        }
    }

    fn rejected(&mut self, reason: &RuntimeError) {
        self.ledger.count(reason);
    }
}
