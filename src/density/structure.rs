//! What proposals need to know of a path: its variables, what decides about them, and their own distributions.

use rustc_hash::{FxHashMap, FxHashSet};

use super::compiled::{Compiled, CompiledPath, Density};
use super::graph::{Graph, Node, Op};
use super::law::Law;
use super::lower::Symbol;
use super::tape::Tape;
use crate::dist::{Distribution, Support};
use crate::runtime::Indices;
use crate::runtime::VariableId;
use crate::syntax::ast::BinaryOp;

/// A masked variable: the same on all paths that have it.
pub type LatentKey = (VariableId, Indices);

/// The masked variables and conditions of a path.
#[derive(Clone, Debug)]
pub struct PathStructure {
    /// In program order.
    pub latents: Vec<LatentStructure>,
    /// In the order of evaluation.
    pub conditions: Vec<ConditionStructure>,
}

/// A masked variable of a path.
#[derive(Clone, Debug)]
pub struct LatentStructure {
    /// Which.
    pub key: LatentKey,
    /// As written, with subscripts.
    pub name: String,
    /// The value that the path holds, of a discrete variable.
    pub held: Option<i64>,
    /// Positions of its coordinates among those of the [`Compiled`]; none of a discrete variable.
    pub coordinates: Vec<usize>,
    /// Whether it is real and has a bound on one side, as scales have.
    pub half_line: bool,
    /// Positions (in the list of latents) of the variables that its distribution reads.
    pub parents: Vec<usize>,
    /// Its own distribution (or what to simulate from instead), of a scalar with one coordinate.
    pub own: Option<OwnDistributionAt>,
}

/// A condition that a path holds.
#[derive(Clone, Debug)]
pub struct ConditionStructure {
    /// Positions (in the list of latents) of the variables that it reads.
    pub latents: Vec<usize>,
    /// The outcome on this path.
    pub holds: bool,
    /// Where it compares one variable with a constant: its coordinate (position among those of the [`Compiled`]) and the
    /// interval in which it has this outcome.
    pub piece: Option<(usize, f64, f64)>,
}

/// A distribution whose parameters are outputs of a path's density.
#[derive(Clone, Debug)]
pub struct OwnDistributionAt {
    law: Law,
    /// Its parameters are outputs from here on.
    pub first: usize,
    /// How many.
    pub parameters: usize,
    /// Whether they are the same everywhere.
    pub constant: bool,
}

impl OwnDistributionAt {
    /// The distribution with these parameters; `None` where they are invalid.
    pub fn with(&self, parameters: &[f64]) -> Option<Distribution<f64>> {
        self.law.instantiate(parameters).map(|(distribution, _)| distribution)
    }
}

impl Compiled {
    /// The structure of a path.
    pub fn structure(&self, path: usize) -> PathStructure {
        self.structure_with_outputs(path).0
    }

    /// The density of a path as if its conditions held everywhere, over its coordinates in `order` (positions among all). Its
    /// outputs are the conditions, then the parameters of the own distributions.
    pub fn path_density(&self, path: usize, order: &[usize]) -> Density<'_> {
        let (_, outputs) = self.structure_with_outputs(path);
        let order: Vec<usize> = order.iter().map(|i| self.coordinates[*i]).collect();
        Density { graph: &self.graph, tape: Tape::new(&self.graph, self.paths[path].total, &order, &outputs) }
    }

    /// The outputs of [`Compiled::path_density`] alone.
    pub fn path_outputs(&self, path: usize, order: &[usize]) -> Density<'_> {
        let (_, outputs) = self.structure_with_outputs(path);
        let order: Vec<usize> = order.iter().map(|i| self.coordinates[*i]).collect();
        Density { graph: &self.graph, tape: Tape::of_outputs(&self.graph, &order, &outputs) }
    }

    fn structure_with_outputs(&self, path: usize) -> (PathStructure, Vec<Node>) {
        let CompiledPath { path, .. } = &self.paths[path];
        let graph = &self.graph;
        let mut owner: FxHashMap<u32, usize> = FxHashMap::default();
        for (i, latent) in path.latents.iter().enumerate() {
            for coordinate in &latent.coordinates {
                owner.insert(*coordinate as u32, i);
            }
        }
        let mut outputs: Vec<Node> = path.guards.iter().map(|g| g.condition).collect();
        let place = |c: &usize| self.coordinates.binary_search(c).unwrap_or(0);
        let mut latents = Vec::with_capacity(path.latents.len());
        for latent in &path.latents {
            let nodes = latent.law.nodes();
            let held = match &latent.value {
                Symbol::Known { value, .. } if latent.coordinates.is_empty() => value.as_int(),
                Symbol::Known { .. } | Symbol::Nodes { .. } | Symbol::Record { .. } => None,
            };
            let law = if latent.law.is_proper() { Some(&latent.law) } else { latent.simulate.as_ref() };
            let own = law.filter(|_| latent.ty.rank == 0 && latent.coordinates.len() == 1).map(|law| {
                let nodes = law.nodes();
                let own = OwnDistributionAt {
                    law: law.clone(),
                    first: outputs.len(),
                    parameters: nodes.len(),
                    constant: nodes.iter().all(|n| graph.value(*n).is_some()),
                };
                outputs.extend(nodes);
                own
            });
            latents.push(LatentStructure {
                key: (latent.variable, latent.indices.clone()),
                name: self.addresses.display_parts(latent.variable, &latent.indices),
                held,
                coordinates: latent.coordinates.iter().map(place).collect(),
                half_line: matches!(latent.support, Support::LowerBounded(_) | Support::UpperBounded(_)),
                parents: behind(graph, &nodes, &owner),
                own,
            });
        }
        let conditions = path
            .guards
            .iter()
            .map(|guard| ConditionStructure {
                latents: behind(graph, &[guard.condition], &owner),
                holds: guard.holds,
                piece: self.piece(guard.condition, guard.holds),
            })
            .collect();
        (PathStructure { latents, conditions }, outputs)
    }

    /// The interval of a coordinate in which a comparison with a constant has an outcome.
    fn piece(&self, condition: Node, holds: bool) -> Option<(usize, f64, f64)> {
        let Op::Binary(op) = self.graph.op(condition) else { return None };
        let [left, right] = self.graph.arguments(condition) else { return None };
        let (variable, threshold, below) = match (self.graph.value(*left), self.graph.value(*right), op) {
            (None, Some(x), BinaryOp::Less | BinaryOp::LessEqual) => (left, x, true),
            (None, Some(x), BinaryOp::Greater | BinaryOp::GreaterEqual) => (left, x, false),
            (Some(x), None, BinaryOp::Less | BinaryOp::LessEqual) => (right, x, false),
            (Some(x), None, BinaryOp::Greater | BinaryOp::GreaterEqual) => (right, x, true),
            _ => return None,
        };
        let (coordinate, support) = self.constrained.get(variable)?;
        let coordinate = self.coordinates.binary_search(coordinate).ok()?;
        let bound = |node: &Node| self.graph.value(*node);
        let support: Support<f64> = match support {
            Support::Real => Support::Real,
            Support::LowerBounded(lower) => Support::LowerBounded(bound(lower)?),
            Support::UpperBounded(upper) => Support::UpperBounded(bound(upper)?),
            Support::Interval(lower, upper) => Support::Interval(bound(lower)?, bound(upper)?),
            Support::Integers { .. } | Support::Simplex(_) | Support::Vector(_) | Support::Ordered { .. } => {
                return None;
            }
        };
        let (lower, upper) = support.real_bounds()?;
        let z = if lower.is_some_and(|l| threshold <= l) {
            f64::NEG_INFINITY
        } else if upper.is_some_and(|u| threshold >= u) {
            f64::INFINITY
        } else {
            support.unconstrain_scalar(threshold)?
        };
        let falling = matches!(support, Support::UpperBounded(_));
        let z = if falling && z.is_infinite() { -z } else { z };
        let below = below != falling;
        Some(if below == holds { (coordinate, f64::NEG_INFINITY, z) } else { (coordinate, z, f64::INFINITY) })
    }
}

/// The latents (by the owners of their coordinates) from which `nodes` are computed.
fn behind(graph: &Graph, nodes: &[Node], owner: &FxHashMap<u32, usize>) -> Vec<usize> {
    let mut seen = FxHashSet::default();
    let mut todo = nodes.to_vec();
    let mut found = Vec::new();
    while let Some(node) = todo.pop() {
        if !seen.insert(node) {
            continue;
        }
        if let Op::Coordinate(index) = graph.op(node)
            && let Some(latent) = owner.get(&index)
        {
            found.push(*latent);
        }
        todo.extend_from_slice(graph.inputs(node));
    }
    found.sort_unstable();
    found.dedup();
    found
}
