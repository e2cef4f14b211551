//! Draws from the anchors as a [`Proposal`]: whole executions, with their exact density.

use std::sync::{Arc, Mutex};

use rustc_hash::{FxHashMap, FxHashSet};

use super::anchors::{Anchors, Decoded, PriorDraw, Shares, Walk};
use super::coordinates::Coordinates;
use super::deadline::Deadline;
use super::error::InferError;
use super::proposal::{Guide, NoDraw, OwnDistribution, Proposal, Proposed};
use super::query::{Query, compile_pieces};
use super::stream::Stream;
use super::target::TargetRef;
use super::trace::{Trace, drawn_log_density};
use crate::runtime::{Addresses, Law, Site};
use crate::value::Value;

/// A variable by dotted name and subscripts.
type Key = (Arc<str>, Vec<i64>);

/// Masked variables from the anchors; those that the compiled density left out (barren ones) from their own distribution.
pub(super) struct AnchorProposal<'a> {
    anchors: &'a Anchors<'a>,
    coordinates: Coordinates,
    /// By element: its variable.
    keys: Vec<Key>,
    elements: FxHashSet<Key>,
    /// What threads draw with, when none of them does.
    walks: Mutex<Vec<Walk<'a>>>,
}

impl<'a> AnchorProposal<'a> {
    pub fn new(anchors: &'a Anchors<'a>) -> Self {
        let compiled = anchors.compiled();
        let key = |element: &super::anchors::Element| -> Key {
            let (variable, indices) = &element.key;
            (compiled.addresses().name(*variable).clone(), indices.to_vec())
        };
        let keys: Vec<Key> = anchors.elements().iter().map(key).collect();
        Self {
            anchors,
            coordinates: Coordinates::new(compiled),
            elements: keys.iter().cloned().collect(),
            keys,
            walks: Mutex::default(),
        }
    }

    fn with_walk<T>(&self, f: impl FnOnce(&mut Walk<'a>) -> T) -> T {
        let taken = self.walks.lock().ok().and_then(|mut walks| walks.pop());
        let mut walk = taken.unwrap_or_else(|| Walk::new(self.anchors, Shares::default()));
        let result = f(&mut walk);
        if let Ok(mut walks) = self.walks.lock() {
            walks.push(walk);
        }
        result
    }
}

impl Proposal for AnchorProposal<'_> {
    fn begin<'a>(&'a self, rng: &mut Stream) -> Box<dyn Guide + 'a> {
        let drawn = self.with_walk(|walk| walk.draw(rng));
        let mut values: FxHashMap<&Key, Vec<Decoded>> = FxHashMap::default();
        for (key, value) in self.keys.iter().zip(&drawn.values) {
            values.entry(key).or_default().push(*value);
        }
        // Where the target has no density, no execution has these values: its weight is zero.
        let log_density = if drawn.target.is_some() { drawn.log_proposal } else { f64::INFINITY };
        Box::new(Draw { values, log_density })
    }

    fn log_density(&self, trace: &Trace, addresses: &Addresses) -> Option<f64> {
        let draw = PriorDraw::of(trace, addresses, &self.coordinates);
        let (_, log_jacobian) = self.coordinates.of(trace, addresses);
        let decoded = |(element, key): (&super::anchors::Element, &Key)| match element.coordinate {
            Some(coordinate) if draw.z[coordinate].is_nan() => Decoded::Absent,
            Some(coordinate) => Decoded::Real(draw.z[coordinate]),
            None => draw.discrete.get(key).map_or(Decoded::Absent, |value| Decoded::Int(*value)),
        };
        let values: Vec<Decoded> = self.anchors.elements().iter().zip(&self.keys).map(decoded).collect();
        let joint = self.with_walk(|walk| walk.log_density(&values));
        let own = trace.choices.iter().filter(|choice| {
            let key = addresses.parts(choice.address).map(|(v, i)| (addresses.name(v).clone(), i.to_vec()));
            key.is_none_or(|key| !self.elements.contains(&key))
        });
        let barren: f64 = own.map(|c| drawn_log_density(&c.law, c.simulate.as_ref(), &c.value)).sum();
        Some(joint - log_jacobian + barren)
    }
}

/// One draw, handed out.
struct Draw<'a> {
    values: FxHashMap<&'a Key, Vec<Decoded>>,
    /// Of all of it, until the first variable is asked for.
    log_density: f64,
}

impl Guide for Draw<'_> {
    fn propose(&mut self, site: &Site<'_>, addresses: &Addresses, rng: &mut Stream) -> Result<Proposed, NoDraw> {
        let all = std::mem::take(&mut self.log_density);
        let key = addresses.parts(site.address).map(|(v, i)| (addresses.name(v).clone(), i.to_vec()));
        let found = key.and_then(|key| self.values.get(&key)).and_then(|values| value_of(values, site));
        let proposed = match found {
            Some(proposed) => proposed,
            None => OwnDistribution.propose(site, addresses, rng)?,
        };
        Ok(Proposed { log_density: proposed.log_density + all, ..proposed })
    }
}

/// The value of a variable, and less its log Jacobian.
fn value_of(values: &[Decoded], site: &Site<'_>) -> Option<Proposed> {
    let Law::Family(distribution) = site.law else { return None };
    if let [Decoded::Int(k)] = values {
        return Some(Proposed { value: Value::Int(*k), log_density: 0.0 });
    }
    let real = |value: &Decoded| match value {
        Decoded::Real(z) => Some(*z),
        Decoded::Int(_) | Decoded::Absent => None,
    };
    let z: Option<Vec<f64>> = values.iter().map(real).collect();
    let support = distribution.support();
    match (support.is_scalar(), &z?[..]) {
        (true, [z]) => {
            let (x, log_jacobian) = support.constrain_scalar(*z)?;
            Some(Proposed { value: Value::Real(x), log_density: -log_jacobian })
        }
        (true, _) => None,
        (false, z) => {
            let (x, log_jacobian) = support.constrain(z);
            Some(Proposed { value: Value::reals(x), log_density: -log_jacobian })
        }
    }
}

/// Calls `f` with draws from the anchors as a proposal, where a target has anchors, and they are found in time.
///
/// # Errors
/// A mistake in the program, and those of `f`.
pub(super) fn with_anchor_proposal<T>(
    target: &TargetRef<'_>,
    seed: u64,
    deadline: Deadline,
    f: impl FnOnce(Option<&dyn Proposal>) -> Result<T, InferError>,
) -> Result<T, InferError> {
    let Ok(compiled) = compile_pieces(target) else { return f(None) };
    let mut query = Query::new(*target, compiled, seed)?;
    query.deadline = deadline;
    match query.anchors() {
        Ok(anchors) => f(Some(&AnchorProposal::new(&anchors))),
        Err(_) => f(None),
    }
}
