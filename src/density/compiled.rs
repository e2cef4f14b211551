//! The compiled density of a model: its paths, its coordinates, and how to evaluate and read it.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::graph::{Graph, Node};
use super::lower::{Path, Symbol};
use super::tape::{Scratch, Tape};
use super::{Evaluator, LogDensity};
use crate::dist::Support;
use crate::runtime::{AddressId, Addresses, VariableId};
use crate::value::{Array, Base, Elements, Value};

/// The density of a model given what is known: a sum over paths, each a function of unconstrained coordinates. Masked
/// variables on which nothing known depends (*barren* ones) are left out.
#[derive(Debug)]
pub struct Compiled {
    pub(super) graph: Graph,
    pub(super) addresses: Addresses,
    pub(super) paths: Vec<CompiledPath>,
    /// ln Σ over paths.
    pub(super) root: Node,
    /// The graph's coordinates that count, ascending: the coordinates of the density.
    pub(super) coordinates: Vec<usize>,
    pub(super) constrained: FxHashMap<Node, (usize, Support<Node>)>,
    pub(super) barren: bool,
    /// The end of a window beyond which values may count.
    pub(super) beyond: Option<Edge>,
}

/// One path of a [`Compiled`].
#[derive(Debug)]
pub(super) struct CompiledPath {
    pub path: Path,
    /// The log density, whether or not the path's conditions hold.
    pub total: Node,
    /// The same, −∞ where they do not.
    pub guarded: Node,
    /// Its coordinates in the graph, ascending.
    pub coordinates: Vec<usize>,
}

/// An end of a window, with values of the variable beyond it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edge {
    /// The variable, dotted, without subscripts.
    pub variable: Arc<str>,
    /// The last value within.
    pub value: i64,
    /// Where the others are.
    pub side: Side,
}

/// Which end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Values below the first.
    Below,
    /// Values above the last.
    Above,
}

/// A coordinate's variable, and which of its coordinates it is.
#[derive(Clone, Debug, PartialEq)]
pub struct CoordinateInfo {
    /// Dotted, without subscripts.
    pub variable: Arc<str>,
    /// All subscripts.
    pub indices: Vec<i64>,
    /// As written, with subscripts: `theta[2]`.
    pub name: String,
    /// Which of the variable's coordinates.
    pub element: usize,
}

impl Compiled {
    /// The number of coordinates, over all paths.
    pub fn dimension(&self) -> usize {
        self.coordinates.len()
    }

    /// Numbers that an execution computes, about: nodes of the graph for each path.
    pub fn work(&self) -> usize {
        self.graph.len() / self.paths.len().max(1)
    }

    /// The number of paths: combinations of discrete values and outcomes of conditions.
    pub fn paths(&self) -> usize {
        self.paths.len()
    }

    /// The ends of windows that a path is at: its variables may have values beyond them, which no path holds.
    pub fn edges(&self, path: usize) -> &[Edge] {
        self.paths.get(path).map_or(&[], |path| &path.path.edges)
    }

    /// The end of a window beyond which values may count that no path holds, if that is known.
    pub fn beyond(&self) -> Option<&Edge> {
        self.beyond.as_ref()
    }

    /// Says that values beyond this end may count.
    pub fn leave_beyond(&mut self, edge: Option<Edge>) {
        self.beyond = edge;
    }

    /// Whether every path has all coordinates, so that the sum over paths is one density over ℝᵈ.
    pub fn is_uniform(&self) -> bool {
        self.paths.iter().all(|p| p.coordinates.len() == self.coordinates.len())
    }

    /// Whether masked variables were left out because nothing known depends on them.
    pub fn has_barren(&self) -> bool {
        self.barren
    }

    /// The variable behind each coordinate.
    pub fn coordinate_info(&self) -> Vec<CoordinateInfo> {
        let mut infos: FxHashMap<usize, CoordinateInfo> = FxHashMap::default();
        for latent in self.paths.iter().flat_map(|p| &p.path.latents) {
            for (element, coordinate) in latent.coordinates.iter().enumerate() {
                infos.entry(*coordinate).or_insert_with(|| CoordinateInfo {
                    variable: self.addresses.name(latent.variable).clone(),
                    indices: latent.indices.to_vec(),
                    name: self.addresses.display_parts(latent.variable, &latent.indices),
                    element,
                });
            }
        }
        self.coordinates.iter().filter_map(|c| infos.remove(c)).collect()
    }

    /// The density summed over all paths, over all coordinates; `None` where paths differ in their coordinates.
    pub fn density(&self) -> Option<Density<'_>> {
        let totals: Vec<Node> = self.paths.iter().map(|p| p.guarded).collect();
        let outputs = if totals.len() > 1 { &totals[..] } else { &[] };
        self.is_uniform().then(|| Density {
            graph: &self.graph,
            tape: Tape::new(&self.graph, self.root, &self.coordinates, outputs),
        })
    }

    /// What reads the values of variables off coordinates.
    pub fn readers(&mut self) -> Vec<Reader> {
        (0..self.paths.len()).map(|path| Reader::new(self, path)).collect()
    }

    /// The addresses that [`Reader::read`] speaks of.
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// Known elements of arrays of which others are masked.
    pub fn known_elements(&mut self) -> Vec<(AddressId, Value)> {
        let mut found = Vec::new();
        let mut seen: FxHashSet<AddressId> = FxHashSet::default();
        for path in &self.paths {
            for (variable, indices, value) in &path.path.given {
                let address = self.addresses.address(*variable, indices);
                if seen.insert(address) {
                    found.push((address, value.clone()));
                }
            }
        }
        found
    }
}

/// A log density on a tape.
#[derive(Debug)]
pub struct Density<'c> {
    pub(super) graph: &'c Graph,
    pub(super) tape: Tape,
}

impl<'c> Density<'c> {
    /// An evaluator with its own scratch memory.
    pub fn on_tape(&self) -> TapeEvaluator<'_> {
        TapeEvaluator { graph: self.graph, tape: &self.tape, scratch: self.tape.scratch() }
    }
}

impl Density<'_> {
    /// How many loops one evaluation runs.
    pub fn steps(&self) -> usize {
        self.tape.steps.len() + self.tape.fused.len()
    }

    /// How many numbers one evaluation computes.
    pub fn size(&self) -> usize {
        let fused: usize = self.tape.fused.iter().map(|f| f.lanes as usize).sum();
        self.tape.template.len() + fused
    }
}

impl LogDensity for Density<'_> {
    fn dimension(&self) -> usize {
        self.tape.coordinates
    }

    fn evaluator(&self) -> Box<dyn Evaluator + Send + '_> {
        Box::new(self.on_tape())
    }
}

/// Evaluates a [`Density`].
#[derive(Debug)]
pub struct TapeEvaluator<'d> {
    graph: &'d Graph,
    tape: &'d Tape,
    scratch: Scratch,
}

impl TapeEvaluator<'_> {
    /// A further output after an evaluation: of the density of a model the log density of a path, of the density of a path
    /// the value of one of its conditions.
    pub fn output(&self, index: usize) -> f64 {
        self.tape.output(index, &self.scratch)
    }

    /// How many further outputs there are.
    pub fn outputs(&self) -> usize {
        self.tape.outputs.len()
    }
}

impl Evaluator for TapeEvaluator<'_> {
    fn value(&mut self, z: &[f64]) -> f64 {
        self.tape.value(self.graph, z, &mut self.scratch)
    }

    fn gradient(&mut self, z: &[f64], gradient: &mut [f64]) -> f64 {
        self.tape.gradient(self.graph, z, gradient, &mut self.scratch)
    }
}

/// Reads the values of one path's variables off its coordinates.
#[derive(Debug)]
pub struct Reader {
    tape: Tape,
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    address: AddressId,
    deterministic: bool,
    what: What,
}

#[derive(Debug)]
enum What {
    Known(Value),
    /// Outputs of the tape from here on.
    Outputs {
        base: Base,
        shape: Vec<usize>,
        first: usize,
    },
}

impl Reader {
    fn new(compiled: &mut Compiled, path: usize) -> Self {
        let mut outputs: Vec<Node> = Vec::new();
        let mut entries = Vec::new();
        let CompiledPath { path, coordinates, .. } = &compiled.paths[path];
        let latents = path.latents.iter().map(|l| (l.variable, &l.indices, &l.value, false));
        let computed = path.computed.iter().map(|c| (c.variable, &c.indices, &c.value, true));
        let all: Vec<(VariableId, _, &Symbol, bool)> = latents.chain(computed).collect();
        for (variable, indices, value, deterministic) in all {
            let what = match value {
                Symbol::Known { value, .. } => What::Known(value.clone()),
                Symbol::Nodes { base, shape, items } => {
                    let first = outputs.len();
                    outputs.extend_from_slice(items);
                    What::Outputs { base: *base, shape: shape.clone(), first }
                }
                Symbol::Record { .. } => continue,
            };
            let address = compiled.addresses.address(variable, indices);
            entries.push(Entry { address, deterministic, what });
        }
        let tape = Tape::of_outputs(&compiled.graph, coordinates, &outputs);
        Self { tape, entries }
    }

    /// Scratch memory for [`Reader::read`].
    pub fn scratch(&self) -> ReaderScratch {
        ReaderScratch(self.tape.scratch())
    }

    /// Each variable of the path (deterministic lines last) with its value at the path's coordinates `z`: address, whether
    /// it is a deterministic line, value.
    pub fn read(&self, compiled: &Compiled, z: &[f64], scratch: &mut ReaderScratch) -> Vec<(AddressId, bool, Value)> {
        self.tape.value(&compiled.graph, z, &mut scratch.0);
        let read = |entry: &Entry| {
            let value = match &entry.what {
                What::Known(value) => value.clone(),
                What::Outputs { base, shape, first } => {
                    let size: usize = shape.iter().product();
                    let mut outputs = (*first..first + size).map(|i| self.tape.output(i, &scratch.0));
                    if shape.is_empty() {
                        Value::scalar(*base, outputs.next().unwrap_or(f64::NAN))
                    } else {
                        match Array::new(shape.clone(), Elements::from_f64s(*base, outputs)) {
                            Some(array) => Value::array(array),
                            None => Value::Real(f64::NAN),
                        }
                    }
                }
            };
            (entry.address, entry.deterministic, value)
        };
        self.entries.iter().map(read).collect()
    }
}

/// See [`Reader::scratch`].
#[derive(Debug)]
pub struct ReaderScratch(Scratch);
