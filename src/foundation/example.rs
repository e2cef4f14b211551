//! Training examples: an execution, masked, as tokens, anchors, and the values that the head must find likely.

use std::sync::Arc;

use rand::RngExt as _;
use rand::seq::SliceRandom as _;
use rustc_hash::{FxHashMap, FxHashSet};

use super::encoding::Encoding;
use super::error::FoundationError;
use super::feature::{Previous, element_features, push_components};
use super::head::{AnchorKind, Candidates};
use super::prompt::{Prompt, names_in_order, shuffled_names};
use crate::infer::anchors::{Anchors, Decoded, Presence, Shares, Walk};
use crate::infer::{Query, Stream, Target, TargetRef};
use crate::network::Sequence;
use crate::runtime::{Addresses, Annotated, Handler, Law, Outcome, RuntimeError, Site, Stop, annotate, random_stream};
use crate::span::Span;
use crate::trace::{Mask, Tracer};
use crate::value::Value;

/// The share of tokens that are hidden in examples for the language head alone.
const CORRUPTED: f64 = 0.15;

/// The smallest part of a text that is cut.
const LEAST_PART: f64 = 0.1;

/// What examples are made of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ExampleOptions {
    /// Which anchors the head has.
    pub anchors: AnchorKind,
    /// What is hidden; `None`: half the time what is sampled, half the time a random subset.
    pub mask: Option<Mask>,
    /// The share of examples with hidden tokens, for the language head alone.
    pub corrupted: f64,
    /// The share of examples of which the network reads a part: their loops lose iterations, which anchors still know, as those
    /// of programs that are longer than the context do.
    pub cut: f64,
}

/// An example.
#[derive(Clone, Debug)]
pub struct Example {
    /// What the network is given.
    pub sequence: Sequence,
    /// For each element of the decoder, what it may be and what it is.
    pub targets: Vec<(Candidates, f64)>,
    /// For each element, its variable as written, and its share of `log_jacobian`.
    pub variables: Vec<(String, f64)>,
    /// ln of the Jacobian determinant from coordinates to the variables' own units: log densities of coordinates minus it are
    /// log densities of values.
    pub log_jacobian: f64,
    /// The log density of barren variables, which are drawn from their own distributions.
    pub log_barren: f64,
    /// The log density of the compiled program at the truth, over its coordinates; `None` where it is zero.
    pub log_target: Option<f64>,
    /// Whether no mode is left at the truth: the rest of it has no candidates, and density zero.
    pub is_impossible: bool,
    /// Whether it stands in for one of another program, which gave none.
    pub is_instead: bool,
}

/// A variable by dotted name and subscripts.
type Key = (Arc<str>, Vec<i64>);

/// The truth of an execution, by variable.
#[derive(Debug, Default)]
struct Truth {
    values: FxHashMap<Key, Value>,
    /// Masked variables that the execution reached.
    reached: FxHashMap<Key, Reached>,
}

/// A true value as the density sees it.
#[derive(Debug)]
struct Reached {
    coordinates: Vec<f64>,
    log_jacobian: f64,
    log_density: f64,
}

impl Handler for Truth {
    fn choose(&mut self, site: &Site<'_>, addresses: &Addresses) -> Result<Value, Stop> {
        let Some((variable, indices)) = addresses.parts(site.address) else { return Err(Stop::Reject) };
        let key = (addresses.name(variable).clone(), indices.to_vec());
        let Some(value) = self.values.get(&key).cloned() else { return Err(Stop::Reject) };
        if let Law::Family(distribution) = site.law {
            let support = distribution.support();
            let coordinates = support.unconstrain(&value.to_f64s());
            let (_, log_jacobian) = support.constrain(&coordinates);
            let log_density = site.law.log_density(&value).unwrap_or(0.0);
            self.reached.insert(key, Reached { coordinates, log_jacobian, log_density });
        }
        Ok(value)
    }

    fn observe(&mut self, _: &Site<'_>, _: &Value, _: bool, _: &Addresses) -> Result<(), Stop> {
        Ok(())
    }

    fn factor(&mut self, _: f64, _: Span) -> Result<(), Stop> {
        Ok(())
    }
}

/// How a query is read: with which names, and in which order its iterations stay where not all fit.
struct Reading<'a> {
    encoding: &'a Encoding,
    names: Vec<u32>,
    /// Seed of the order of iterations; without one, as they come.
    order: Option<u64>,
}

impl Reading<'_> {
    fn prompt(&self, annotated: &Annotated, context: usize) -> Result<Prompt, FoundationError> {
        Prompt::new(annotated, self.encoding, &self.names, context, |iterations| {
            if let Some(seed) = self.order {
                iterations.shuffle(&mut random_stream(seed, 0));
            }
        })
    }
}

impl Example {
    /// An example of a lesson; a function of the random numbers alone.
    ///
    /// # Errors
    /// Where the program cannot be simulated, or the query that the mask leaves has no anchors or no text.
    pub fn draw(
        lesson: &Target,
        encoding: &Encoding,
        context: usize,
        options: &ExampleOptions,
        rng: &mut Stream,
    ) -> Result<Self, FoundationError> {
        let mut tracer = Tracer::new(&lesson.runtime, lesson.model, &lesson.conditions, encoding.digits());
        let trace = tracer.execution(rng)?;
        let mask = options.mask.unwrap_or(if rng.random::<f64>() < 0.5 { Mask::Role } else { Mask::Random });
        let conditions = mask.conditions(&trace, &lesson.conditions, rng);
        let truth = trace.choices.iter().map(|c| ((c.variable.clone(), c.indices.clone()), c.value.clone()));
        let truth = Truth { values: truth.collect(), ..Truth::default() };
        let computed = trace.computed.iter().cloned();
        let written = trace.choices.iter().map(|c| (c.name.clone(), c.value.clone())).chain(computed).collect();
        let reading = Reading { encoding, names: shuffled_names(rng), order: Some(rng.random()) };
        let target = TargetRef { conditions: &conditions, ..lesson.borrow() };
        let annotated = annotate(target.runtime, target.model, target.conditions)?;
        let mut prompt = reading.prompt(&annotated, context)?;
        if options.cut > 0.0 && rng.random::<f64>() < options.cut {
            let part = (rng.random_range(LEAST_PART..1.0) * prompt.length() as f64) as usize;
            // What has no loops, or must show more, has no such part.
            prompt = reading.prompt(&annotated, part.min(context)).unwrap_or(prompt);
        }
        prompt.ask(encoding, &written);
        if rng.random::<f64>() < options.corrupted {
            prompt.corrupt(encoding, CORRUPTED, rng);
            let sequence = Sequence { memory: Vec::new(), ..prompt.sequence };
            return Ok(Self::without_targets(sequence));
        }
        Self::of(target, &prompt, truth, options.anchors, rng.random())
    }

    /// The example of a query whose answer is known: `values` of all that is masked.
    ///
    /// # Errors
    /// As [`Example::draw`].
    pub fn of_query(
        lesson: &Target,
        values: impl IntoIterator<Item = (Key, Value)>,
        encoding: &Encoding,
        context: usize,
        anchors: AnchorKind,
        seed: u64,
    ) -> Result<Self, FoundationError> {
        let truth = Truth { values: values.into_iter().collect(), ..Truth::default() };
        let reading = Reading { encoding, names: names_in_order(), order: None };
        let annotated = annotate(&lesson.runtime, lesson.model, &lesson.conditions)?;
        let prompt = reading.prompt(&annotated, context)?;
        Self::of(lesson.borrow(), &prompt, truth, anchors, seed)
    }

    fn without_targets(sequence: Sequence) -> Self {
        Self {
            sequence,
            targets: Vec::new(),
            variables: Vec::new(),
            log_jacobian: 0.0,
            log_barren: 0.0,
            log_target: None,
            is_impossible: false,
            is_instead: false,
        }
    }

    /// The elements of a query that was read, with anchors along the true values.
    fn of(
        target: TargetRef<'_>,
        prompt: &Prompt,
        mut truth: Truth,
        kind: AnchorKind,
        seed: u64,
    ) -> Result<Self, FoundationError> {
        // The true execution, with its distributions.
        let mut machine = target.machine();
        if machine.run(&mut truth).map_err(|error: RuntimeError| FoundationError::from(error))? == Outcome::Rejected {
            return Err(FoundationError::Rejected);
        }
        let query = Query::for_anchors::<FoundationError>(target, seed)?;
        let mut example = Self::without_targets(prompt.sequence.clone());
        if query.compiled.dimension() == 0 && query.compiled.paths() <= 1 {
            // What the only path holds must be so; all else is drawn from its own distribution.
            let addresses = query.compiled.addresses();
            let latents = if query.compiled.paths() == 1 { query.compiled.structure(0).latents } else { Vec::new() };
            let held = latents.iter().filter(|latent| latent.held.is_some());
            let held: FxHashSet<Key> = held.map(|l| (addresses.name(l.key.0).clone(), l.key.1.to_vec())).collect();
            let barren = truth.reached.iter().filter(|(key, _)| !held.contains(*key));
            example.log_barren = barren.map(|(_, reached)| reached.log_density).sum();
            return Ok(example);
        }
        let anchors = Anchors::new(&query.compiled, &query.prior)?;
        let addresses = query.compiled.addresses();
        let rows = prompt.element_rows(anchors.elements(), |element| addresses.name(element.key.0))?;
        let infos = query.compiled.coordinate_info();
        let mut walk = Walk::new(&anchors, Shares::NONE);
        walk.begin();
        let mut previous = Previous::default();
        let elements = anchors.elements();
        let mut decoded: FxHashSet<Key> = FxHashSet::default();
        for (i, element) in elements.iter().enumerate() {
            let key = (addresses.name(element.key.0).clone(), element.key.1.to_vec());
            let Some(reached) = truth.reached.get(&key).filter(|_| walk.next_presence() != Presence::Absent) else {
                walk.decode(Decoded::Absent);
                continue;
            };
            let part = element.coordinate.and_then(|c| infos.get(c)).map_or(0, |info| info.element);
            let (value, x) = match (element.coordinate, truth.values.get(&key).and_then(Value::as_int)) {
                (None, Some(value)) => (Decoded::Int(value), value as f64),
                _ => {
                    let z = reached.coordinates.get(part).copied().unwrap_or(f64::NAN);
                    (Decoded::Real(z), z)
                }
            };
            let Some(conditional) = walk.conditional() else {
                example.is_impossible = true;
                break;
            };
            let prior = element.coordinate.map_or((0.0, 1.0), |c| (query.prior.middle[c], query.prior.scales[c]));
            let candidates = Candidates::of(&conditional, kind, prior);
            let sequence = &mut example.sequence;
            let index = sequence.element_rows.len() as u32;
            sequence.element_rows.push(rows[i]);
            let left = elements.len() - i;
            sequence.element_features.extend(element_features(&previous, &candidates, part, left));
            let (owners, features) = (&mut sequence.component_elements, &mut sequence.component_features);
            push_components(index, &candidates, owners, features);
            previous = match value {
                Decoded::Int(value) => Previous::int(value, &candidates),
                Decoded::Real(z) => Previous::real(z, &candidates),
                Decoded::Absent => previous,
            };
            walk.decode(value);
            // Of several coordinates, the first bears the Jacobian of all.
            let log_jacobian = if decoded.insert(key) { reached.log_jacobian } else { 0.0 };
            example.variables.push((element.name.clone(), log_jacobian));
            example.targets.push((candidates, x));
        }
        let values = walk.values().to_vec();
        example.log_target = walk.target(&values).map(|(log_density, _)| log_density);
        for (key, reached) in &truth.reached {
            if decoded.contains(key) {
                example.log_jacobian += reached.log_jacobian;
            } else {
                example.log_barren += reached.log_density;
            }
        }
        Ok(example)
    }
}
