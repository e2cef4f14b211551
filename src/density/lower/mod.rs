//! Lowering a core program to a graph: one symbolic execution a path.
//!
//! What is known is a value; a masked real is coordinates; loops with known bounds are unrolled and calls inlined. Where the
//! structure depends on something masked, a path holds one outcome: a value of a finite discrete variable, or whether a
//! condition is true. [`super::compile`] walks through the paths. What cannot be lowered ([`NotCompiled`]) is left to the
//! machine, which also reports all mistakes.

mod distribution;
mod expression;
mod statement;
mod symbol;
mod transform;
mod valid;

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use self::symbol::Scope;
pub(super) use self::symbol::Symbol;
use self::valid::Ranges;
use super::compile::Windows;
use super::compiled::Edge;
use super::graph::{Graph, Node};
use super::law::Law;
use crate::check::core::ModelId;
use crate::dist::Support;
use crate::runtime::{Addresses, Conditions, Indices, Known, Runtime, VariableId};
use crate::span::Span;
use crate::value::{DataType, Value};

/// Why a program has no compiled density.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum NotCompiled {
    /// A construct that is only interpreted.
    Unsupported(&'static str),
    /// This variable decides about the structure, so paths must hold it.
    Hold(Vec<Arc<str>>),
    /// This variable has more values than paths can hold, and no window.
    ManyValues { name: Arc<str>, span: Span },
    /// There are more paths than may be walked.
    TooManyPaths,
    /// This path has density zero.
    Impossible,
}

pub(super) type Lowered<T> = Result<T, NotCompiled>;

/// Operations that a density may have, loop iterations and nested calls.
const MAX_NODES: usize = 8_000_000;
const MAX_ITERATIONS: usize = 2_000_000;
const MAX_DEPTH: usize = 200;

/// A masked variable of a path.
#[derive(Clone, Debug)]
pub(super) struct Latent {
    pub variable: VariableId,
    pub indices: Indices,
    pub span: Span,
    pub ty: DataType,
    /// What it is drawn from, and instead where that is improper.
    pub law: Law,
    pub simulate: Option<Law>,
    /// The set its draws are in.
    pub support: Support<Node>,
    /// Its coordinates in the graph (none of a discrete variable).
    pub coordinates: Vec<usize>,
    pub value: Symbol,
    /// Its own log density, in its own units, and the log of the Jacobian determinant.
    pub log_density: Node,
    pub log_jacobian: Node,
    /// Of a variable without coordinates that no path holds: what stands for it.
    pub opaque: Option<Node>,
}

/// A deterministic line that depends on something masked.
#[derive(Clone, Debug)]
pub(super) struct Computed {
    pub variable: VariableId,
    pub indices: Indices,
    pub value: Symbol,
}

/// A condition that holds on a path.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Guard {
    pub condition: Node,
    pub holds: bool,
}

/// One execution's structure.
#[derive(Clone, Debug, Default)]
pub(super) struct Path {
    pub latents: Vec<Latent>,
    pub computed: Vec<Computed>,
    /// Log densities of what is known.
    pub known: Vec<Node>,
    /// Known elements of arrays, which fill the gaps between masked ones.
    pub given: Vec<(VariableId, Indices, Value)>,
    pub guards: Vec<Guard>,
    /// First outputs of blocks that fail on some inputs, and are then no number.
    pub fallible: Vec<Node>,
    /// Whether anything was known that counts in the density.
    pub observed: bool,
    /// Variables of which the path holds the first or last value of a window, where there are values beyond it.
    pub edges: Vec<Edge>,
}

/// The outcomes that a path holds, in the order in which the execution comes to them.
#[derive(Debug, Default)]
pub(super) struct Decisions {
    /// Which option, and how many there are.
    pub taken: Vec<(usize, usize)>,
    next: usize,
}

impl Decisions {
    pub fn restart(&mut self) {
        self.next = 0;
    }

    fn decide(&mut self, options: usize) -> usize {
        if self.next == self.taken.len() {
            self.taken.push((0, options));
        }
        self.next += 1;
        self.taken[self.next - 1].0
    }

    /// The next path, depth first; `false` after the last.
    pub fn advance(&mut self) -> bool {
        self.taken.truncate(self.next);
        while let Some((at, options)) = self.taken.last_mut() {
            *at += 1;
            if *at < *options {
                return true;
            }
            self.taken.pop();
        }
        false
    }
}

/// What lasts from path to path.
pub(super) struct Context<'p> {
    pub runtime: &'p Runtime,
    pub model: ModelId,
    pub conditions: &'p Conditions,
    pub graph: Graph,
    pub addresses: Addresses,
    /// Variables (by dotted name) that paths hold.
    pub held: FxHashSet<Arc<str>>,
    /// Values that paths hold of variables that have many, by dotted name.
    pub windows: Windows,
    /// Whether conditions on reals within expressions are decided by path too, instead of selecting.
    pub split: bool,
    /// Coordinates by variable, subscripts and element.
    pub coordinates: FxHashMap<(VariableId, Indices, usize), usize>,
    /// By opaque node: the variable it stands for.
    pub opaque: FxHashMap<Node, Arc<str>>,
    /// By node of a constrained scalar: its coordinate and support.
    pub constrained: FxHashMap<Node, (usize, Support<Node>)>,
    /// Where the values of nodes are, as far as that was asked.
    ranges: Ranges,
    /// Vectors that are simplexes by construction.
    simplexes: FxHashSet<Vec<Node>>,
    /// Whether each node is computed from an opaque one; follows the graph.
    reached: Vec<bool>,
}

impl<'p> Context<'p> {
    pub fn new(runtime: &'p Runtime, model: ModelId, conditions: &'p Conditions) -> Self {
        Self {
            runtime,
            model,
            conditions,
            graph: Graph::default(),
            addresses: Addresses::default(),
            held: FxHashSet::default(),
            windows: Windows::default(),
            split: false,
            coordinates: FxHashMap::default(),
            opaque: FxHashMap::default(),
            constrained: FxHashMap::default(),
            ranges: Ranges::default(),
            simplexes: FxHashSet::default(),
            reached: Vec::new(),
        }
    }

    /// Whether `node` is computed from a variable without coordinates.
    pub fn depends_on_opaque(&mut self, node: Node) -> bool {
        if self.opaque.is_empty() {
            return false;
        }
        for i in self.reached.len()..self.graph.len() {
            let at = Node(i as u32);
            let reached = self.opaque.contains_key(&at)
                || self.graph.inputs(at).iter().any(|a| self.reached.get(a.0 as usize).copied().unwrap_or(false));
            self.reached.push(reached);
        }
        self.reached.get(node.0 as usize).copied().unwrap_or(false)
    }

    /// The variables without coordinates that `node` is computed from.
    pub fn opaque_behind(&self, nodes: &[Node]) -> Vec<Arc<str>> {
        let mut seen = FxHashSet::default();
        let mut todo = nodes.to_vec();
        let mut found: Vec<Arc<str>> = Vec::new();
        while let Some(node) = todo.pop() {
            if !seen.insert(node) {
                continue;
            }
            if let Some(name) = self.opaque.get(&node)
                && !found.contains(name)
            {
                found.push(name.clone());
            }
            todo.extend_from_slice(self.graph.inputs(node));
        }
        found
    }

    /// Executes the model along one path.
    pub fn path(&mut self, decisions: &mut Decisions) -> Lowered<Path> {
        decisions.restart();
        let runtime = self.runtime;
        let model = runtime.program.model(self.model);
        let mut scope = Scope::new(model.frame.len());
        let mut arguments = Vec::with_capacity(model.parameters.len());
        for parameter in &model.parameters {
            match self.conditions.lookup(&parameter.name, &[]) {
                Known::Value(value) => arguments.push(Symbol::known(value)),
                Known::Masked | Known::PartlyMasked | Known::Absent | Known::OutOfRange { .. } => {
                    return Err(NotCompiled::Unsupported("a masked parameter"));
                }
            }
        }
        let mut lowering = Lowering {
            context: self,
            decisions,
            path: Path::default(),
            parent: None,
            prefix: Indices::new(),
            depth: 0,
            iterations: 0,
            control: false,
            branched: false,
            used: FxHashMap::default(),
        };
        lowering.bind_parameters(&mut scope, &model.parameters, &arguments)?;
        lowering.block(&mut scope, &model.body)?;
        lowering.check_all_used(model)?;
        Ok(lowering.path)
    }
}

/// One symbolic execution.
struct Lowering<'c, 'p> {
    context: &'c mut Context<'p>,
    decisions: &'c mut Decisions,
    path: Path,
    parent: Option<VariableId>,
    prefix: Indices,
    depth: usize,
    iterations: usize,
    /// Whether reaching this statement depends on something masked.
    control: bool,
    /// Whether any branch or bound did so far.
    branched: bool,
    /// Supplied elements that were used.
    used: FxHashMap<VariableId, usize>,
}
