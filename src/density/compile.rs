//! From a model and what is known of it to its compiled density: the paths, and what each of them needs.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::compiled::{Compiled, CompiledPath};
use super::graph::{Graph, Node, Op};
use super::lower::{Context, Decisions, Guard, NotCompiled, Path};
use crate::check::core::ModelId;
use crate::runtime::{Conditions, Indices, Runtime, VariableId};
use crate::span::Span;
use crate::syntax::ast::BinaryOp;

/// Paths that a program may have: values of its finite discrete variables times outcomes of its conditions.
pub(super) const MAX_PATHS: usize = 1024;

/// Nodes of a graph over all its paths, in whole paths: more take too long to be worth it.
const MAX_WORK: usize = 4_000_000;

/// How the structure is taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompileOptions {
    /// Decide conditions on reals by path even where an expression could select between both sides.
    pub split: bool,
    /// Paths beyond which the program is not compiled.
    pub max_paths: usize,
}

impl Default for CompileOptions {
    fn default() -> Self {
        Self { split: false, max_paths: 256 }
    }
}

/// The values that paths hold of a discrete variable with many or infinitely many: those from the first to the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The smallest.
    pub first: i64,
    /// The largest.
    pub last: i64,
}

/// Windows by the dotted name of the variable.
pub type Windows = FxHashMap<Arc<str>, Window>;

/// Why a program has no compiled density.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// A construct that is only interpreted.
    #[error("{0} is only interpreted")]
    Unsupported(&'static str),
    /// A masked variable has more values than paths can hold, and what is known depends on it.
    #[error("`{name}` is discrete and has too many values")]
    ManyValues {
        /// The variable, dotted, without subscripts.
        name: Arc<str>,
        /// Its statement.
        span: Span,
    },
    /// More paths than may be walked.
    #[error("its discrete variables and branches have too many combinations")]
    TooManyPaths,
    /// No path has a density above zero.
    #[error("no combination of its discrete variables and branches has a density above zero")]
    Impossible,
}

/// Compiles the density of `model` under `conditions`. Of a variable in `windows` that has many values, the density is that of
/// the values in its window; [`Compiled::edges`] tells which paths are at the ends of one.
///
/// # Errors
/// Why the program can only be interpreted. The program has run before: mistakes in it are the machine's to report.
pub fn compile(
    runtime: &Runtime,
    model: ModelId,
    conditions: &Conditions,
    options: CompileOptions,
    windows: &Windows,
) -> Result<Compiled, CompileError> {
    let mut held: FxHashSet<Arc<str>> = FxHashSet::default();
    loop {
        let mut context = Context::new(runtime, model, conditions);
        context.split = options.split;
        context.held.clone_from(&held);
        context.windows.clone_from(windows);
        let found = walk(&mut context, options.max_paths).and_then(|paths| finish(context, paths));
        match found {
            Ok(compiled) => return Ok(compiled),
            Err(NotCompiled::Hold(names)) => {
                let before = held.len();
                held.extend(names);
                if held.len() == before {
                    return Err(CompileError::Unsupported("this structure"));
                }
            }
            Err(NotCompiled::Unsupported(what)) => return Err(CompileError::Unsupported(what)),
            Err(NotCompiled::ManyValues { name, span }) => return Err(CompileError::ManyValues { name, span }),
            Err(NotCompiled::TooManyPaths) => return Err(CompileError::TooManyPaths),
            Err(NotCompiled::Impossible) => return Err(CompileError::Impossible),
        }
    }
}

/// All paths of positive density.
fn walk(context: &mut Context<'_>, max_paths: usize) -> Result<Vec<(Path, Vec<usize>)>, NotCompiled> {
    let mut decisions = Decisions::default();
    let mut paths = Vec::new();
    let mut walked = 0;
    let max_paths = max_paths.min(MAX_PATHS);
    loop {
        walked += 1;
        match context.path(&mut decisions) {
            Ok(path) => paths.push((path, decisions.taken.iter().map(|(at, _)| *at).collect())),
            Err(NotCompiled::Impossible) => {}
            Err(other) => return Err(other),
        }
        if walked > 4 * max_paths || paths.len() > max_paths || context.graph.len() > MAX_WORK {
            return Err(NotCompiled::TooManyPaths);
        }
        if !decisions.advance() {
            break;
        }
        // Once the number of paths is in sight, there is no need to walk them to know that they are too many.
        let width = decisions.taken.iter().fold(1_usize, |n, (_, options)| n.saturating_mul(*options));
        if walked == 1 && width > 4 * max_paths && decisions.taken.iter().all(|(at, _)| *at <= 1) {
            return Err(NotCompiled::TooManyPaths);
        }
    }
    if paths.is_empty() { Err(NotCompiled::Impossible) } else { Ok(paths) }
}

/// Which latents of a path count: what is known, or a condition, depends on them. The others are barren: their own
/// distributions integrate to 1 wherever they are valid, which is one more condition where that depends on others.
fn settle(context: &mut Context<'_>, path: &mut Path) -> Result<Vec<bool>, NotCompiled> {
    let mut kept = vec![false; path.latents.len()];
    loop {
        let (needed, seen) = needed(&context.graph, path, &kept);
        let mut conditions = Vec::new();
        let mut changed = false;
        for (i, latent) in path.latents.iter().enumerate().filter(|(i, _)| !needed[*i]) {
            match context.validity(&latent.law) {
                Some(valid) => conditions.extend(valid),
                None => (kept[i], changed) = (true, true),
            }
        }
        for node in path.fallible.iter().filter(|node| !seen[node.0 as usize]) {
            conditions.push(context.is_number(*node, BinaryOp::LessEqual));
        }
        for condition in conditions {
            let guard = Guard { condition, holds: true };
            if path.guards.contains(&guard) {
                continue;
            }
            if context.graph.value(condition) == Some(0.0) {
                return Err(NotCompiled::Impossible);
            }
            if context.depends_on_opaque(condition) {
                return Err(NotCompiled::Hold(context.opaque_behind(&[condition])));
            }
            path.guards.push(guard);
            changed = true;
        }
        if !changed {
            return Ok(needed);
        }
    }
}

/// Which latents something known, a condition, or one of those `kept` depends on, and the nodes behind these.
fn needed(graph: &Graph, path: &Path, kept: &[bool]) -> (Vec<bool>, Vec<bool>) {
    let mut owner: FxHashMap<Node, usize> = FxHashMap::default();
    let mut coordinate_owner: FxHashMap<u32, usize> = FxHashMap::default();
    for (i, latent) in path.latents.iter().enumerate() {
        if let Some(node) = latent.opaque {
            owner.insert(node, i);
        }
        for coordinate in &latent.coordinates {
            coordinate_owner.insert(*coordinate as u32, i);
        }
    }
    let mut needed = vec![false; path.latents.len()];
    let mut seen = vec![false; graph.len()];
    let mut todo: Vec<Node> = path.known.iter().copied().chain(path.guards.iter().map(|g| g.condition)).collect();
    for (i, latent) in path.latents.iter().enumerate() {
        if kept[i] || (latent.coordinates.is_empty() && latent.opaque.is_none()) {
            needed[i] = true;
            todo.extend([latent.log_density, latent.log_jacobian]);
        }
    }
    while let Some(node) = todo.pop() {
        if std::mem::replace(&mut seen[node.0 as usize], true) {
            continue;
        }
        let found = match graph.op(node) {
            Op::Coordinate(index) => coordinate_owner.get(&index).copied(),
            Op::Opaque(_) => owner.get(&node).copied(),
            Op::Constant(_)
            | Op::Builtin(_)
            | Op::Unary(_)
            | Op::Binary(_)
            | Op::Select
            | Op::Sum
            | Op::LogSumExp
            | Op::Density(_)
            | Op::Output { .. } => None,
        };
        if let Some(latent) = found
            && !std::mem::replace(&mut needed[latent], true)
        {
            todo.push(path.latents[latent].log_density);
            todo.push(path.latents[latent].log_jacobian);
        }
        todo.extend_from_slice(graph.inputs(node));
    }
    (needed, seen)
}

fn finish(mut context: Context<'_>, paths: Vec<(Path, Vec<usize>)>) -> Result<Compiled, NotCompiled> {
    // A variable counts on all paths if it does on one.
    let mut counts: FxHashSet<(VariableId, Indices)> = FxHashSet::default();
    let mut hold: Vec<Arc<str>> = Vec::new();
    let mut possible = Vec::with_capacity(paths.len());
    for (mut path, decisions) in paths {
        let needed = match settle(&mut context, &mut path) {
            Ok(needed) => needed,
            Err(NotCompiled::Impossible) => continue,
            Err(other) => return Err(other),
        };
        for (latent, needed) in path.latents.iter().zip(needed) {
            if needed {
                counts.insert((latent.variable, latent.indices.clone()));
                if latent.opaque.is_some() {
                    hold.push(context.addresses.name(latent.variable).clone());
                }
            }
        }
        possible.push((path, decisions));
    }
    if !hold.is_empty() {
        return Err(NotCompiled::Hold(hold));
    }
    if possible.is_empty() {
        return Err(NotCompiled::Impossible);
    }
    let mut barren = false;
    let mut compiled = Vec::with_capacity(possible.len());
    let mut all: FxHashSet<usize> = FxHashSet::default();
    for (mut path, _) in possible {
        let before = path.latents.len();
        path.latents.retain(|l| counts.contains(&(l.variable, l.indices.clone())));
        barren |= path.latents.len() < before;
        let mut terms = path.known.clone();
        let mut coordinates = Vec::new();
        for latent in &path.latents {
            terms.extend([latent.log_density, latent.log_jacobian]);
            coordinates.extend_from_slice(&latent.coordinates);
        }
        coordinates.sort_unstable();
        all.extend(&coordinates);
        let total = flat_sum(&mut context.graph, &terms);
        let guarded = guard(&mut context.graph, total, &path.guards);
        compiled.push(CompiledPath { path, total, guarded, coordinates });
    }
    let mut coordinates: Vec<usize> = all.into_iter().collect();
    coordinates.sort_unstable();
    let guarded: Vec<Node> = compiled.iter().map(|p| p.guarded).collect();
    let root = context.graph.log_sum_exp(&guarded);
    Ok(Compiled {
        graph: context.graph,
        addresses: context.addresses,
        paths: compiled,
        root,
        coordinates,
        constrained: context.constrained,
        barren,
        beyond: None,
    })
}

/// `total` where the conditions have the outcomes of the path, else −∞.
fn guard(graph: &mut Graph, total: Node, guards: &[Guard]) -> Node {
    let nothing = graph.constant(f64::NEG_INFINITY);
    guards.iter().fold(total, |total, guard| {
        let (then, otherwise) = if guard.holds { (total, nothing) } else { (nothing, total) };
        graph.select(guard.condition, then, otherwise)
    })
}

/// The sum of terms, with sums among them taken apart: so all densities are terms of one sum.
fn flat_sum(graph: &mut Graph, terms: &[Node]) -> Node {
    let mut flat = Vec::with_capacity(terms.len());
    for term in terms {
        if graph.op(*term) == Op::Sum {
            flat.extend_from_slice(graph.arguments(*term));
        } else {
            flat.push(*term);
        }
    }
    graph.sum(&flat)
}
