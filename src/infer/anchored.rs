//! Executions with values of the anchors' elements: draws as a [`Proposal`], with their exact density, and the density of a part.

use std::sync::{Arc, Mutex};

use rustc_hash::{FxHashMap, FxHashSet};

use super::anchors::{Anchors, Decoded, PriorDraw, Shares, Walk};
use super::coordinates::Coordinates;
use super::deadline::Deadline;
use super::error::InferError;
use super::proposal::{Guide, NoDraw, OwnDistribution, Proposal, Proposed, drawable};
use super::query::{Query, compile_pieces};
use super::stream::{Stream, StreamPurpose, stream};
use super::target::TargetRef;
use super::trace::{Trace, drawn_log_density, known_log_density};
use crate::runtime::{Addresses, Handler, Law, Machine, Outcome, Site, Stop};
use crate::span::Span;
use crate::value::Value;

/// A variable by dotted name and subscripts.
type Key = (Arc<str>, Vec<i64>);

/// The variable of each element.
fn keys(anchors: &Anchors<'_>) -> Vec<Key> {
    let addresses = anchors.compiled().addresses();
    let key = |element: &super::anchors::Element| -> Key {
        let (variable, indices) = &element.key;
        (addresses.name(*variable).clone(), indices.to_vec())
    };
    anchors.elements().iter().map(key).collect()
}

/// The values of each variable.
fn by_variable<'a>(keys: &'a [Key], values: &[Decoded]) -> FxHashMap<&'a Key, Vec<Decoded>> {
    let mut found: FxHashMap<&Key, Vec<Decoded>> = FxHashMap::default();
    for (key, value) in keys.iter().zip(values) {
        found.entry(key).or_default().push(*value);
    }
    found
}

fn key_of(site: &Site<'_>, addresses: &Addresses) -> Option<Key> {
    addresses.parts(site.address).map(|(variable, indices)| (addresses.name(variable).clone(), indices.to_vec()))
}

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
        let keys = keys(anchors);
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
        let values = by_variable(&self.keys, &drawn.values);
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
        let found =
            key_of(site, addresses).and_then(|key| self.values.get(&key)).and_then(|values| value_of(values, site));
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

/// The density of a part of an execution: of those lines whose variable has been asked for.
pub(crate) struct PartialDensity<'t> {
    machine: Machine<'t>,
    rng: Stream,
    keys: Vec<Key>,
}

impl<'t> PartialDensity<'t> {
    pub fn new(query: &Query<'t>, anchors: &Anchors<'_>) -> Self {
        let rng = stream(query.seed, StreamPurpose::Replay, 0);
        Self { machine: query.target.machine(), rng, keys: keys(anchors) }
    }

    /// ln of the density, over the coordinates of what is masked, of an execution with `values` (by element): of lines, masked or
    /// known, whose variable (dotted, without subscripts) `counts`, and of factors. −∞ where the program rejects it.
    ///
    /// # Errors
    /// A mistake in the program.
    pub fn log_density(&mut self, values: &[Decoded], counts: &dyn Fn(&str) -> bool) -> Result<f64, InferError> {
        let values = by_variable(&self.keys, values);
        let mut handler = Partial { values, counts, rng: &mut self.rng, sum: 0.0 };
        Ok(match self.machine.run(&mut handler)? {
            Outcome::Finished { .. } => handler.sum,
            Outcome::Rejected => f64::NEG_INFINITY,
        })
    }
}

/// Sums log densities; what no element stands for is drawn from its own distribution, and cancels.
struct Partial<'a> {
    values: FxHashMap<&'a Key, Vec<Decoded>>,
    counts: &'a dyn Fn(&str) -> bool,
    rng: &'a mut Stream,
    sum: f64,
}

impl Partial<'_> {
    fn counts(&self, site: &Site<'_>, addresses: &Addresses) -> bool {
        addresses.parts(site.address).is_some_and(|(variable, _)| (self.counts)(addresses.name(variable)))
    }
}

impl Handler for Partial<'_> {
    fn choose(&mut self, site: &Site<'_>, addresses: &Addresses) -> Result<Value, Stop> {
        let found = key_of(site, addresses).and_then(|key| self.values.get(&key));
        let Some(found) = found.and_then(|values| value_of(values, site)) else {
            let law = drawable(site.law, site.simulate).ok_or(Stop::Reject)?;
            return law.sample(self.rng).map_err(|_| Stop::Reject);
        };
        if self.counts(site, addresses) {
            self.sum += site.law.log_density(&found.value).unwrap_or(0.0) - found.log_density;
        }
        Ok(found.value)
    }

    fn observe(&mut self, site: &Site<'_>, value: &Value, counts: bool, addresses: &Addresses) -> Result<(), Stop> {
        if counts && self.counts(site, addresses) {
            self.sum += known_log_density(site, value)?;
        }
        Ok(())
    }

    fn factor(&mut self, log_weight: f64, _: Span) -> Result<(), Stop> {
        self.sum += log_weight;
        Ok(())
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
