//! From a graph to a [`Tape`]: which operations share a loop, and where everything lies.

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::graph::{Graph, Node, Op};
use super::tape::{Fused, Operand, Operands, Place, Segment, Step, Tape};

/// Lanes that each value of an operand must serve for its own loop to be worth more than a gather.
const WORTH_A_LOOP: usize = 24;

const NOWHERE: u32 = u32::MAX;

/// Builds one tape.
pub(super) struct Schedule<'g> {
    graph: &'g Graph,
    coordinates: usize,
    /// By node: where it is.
    positions: Vec<u32>,
    tape: Tape,
}

/// Nodes that may share a loop: the operation, and the operands that all lanes share.
type Key = (Op, SmallVec<[Option<Node>; 4]>);

impl<'g> Schedule<'g> {
    /// `order` gives the place of each of the graph's coordinates among those of the tape.
    pub fn new(graph: &'g Graph, coordinates: usize, order: &FxHashMap<usize, u32>) -> Self {
        let mut positions = vec![NOWHERE; graph.len()];
        for (i, position) in positions.iter_mut().enumerate() {
            if let Op::Coordinate(index) = graph.op(Node(i as u32))
                && let Some(place) = order.get(&(index as usize))
            {
                *position = *place;
            }
        }
        let tape = Tape {
            coordinates,
            template: vec![0.0; coordinates],
            steps: Vec::new(),
            fused: Vec::new(),
            rest: Vec::new(),
            outputs: Vec::new(),
            most_lanes: 1,
        };
        Self { graph, coordinates, positions, tape }
    }

    /// Without `root`, of the outputs alone.
    pub fn build(mut self, root: Option<Node>, outputs: &[Node]) -> Tape {
        let terms: Vec<Node> = match root {
            None => Vec::new(),
            Some(root) if self.graph.op(root) == Op::Sum => self.graph.arguments(root).to_vec(),
            Some(root) => vec![root],
        };
        let uses = self.uses(&terms, outputs);
        // Equal rows of data are one node, and several terms: lanes of their own.
        let mut times: FxHashMap<Node, u32> = FxHashMap::default();
        for term in &terms {
            *times.entry(*term).or_default() += 1;
        }
        let (fused, rest): (Vec<Node>, Vec<Node>) = terms
            .into_iter()
            .partition(|t| matches!(self.graph.op(*t), Op::Density(_)) && times.get(t) == Some(&uses[t.0 as usize]));
        self.compute(&uses, &fused);
        for (key, lanes) in self.groups(&fused) {
            let operands = self.operands(&lanes);
            if let (Op::Density(family), _) = key {
                self.tape.fused.push(Fused { family, operands, lanes: lanes.len() as u32 });
            }
            self.tape.most_lanes = self.tape.most_lanes.max(lanes.len());
        }
        self.tape.rest = self.segments(&rest);
        self.tape.outputs = outputs.iter().map(|o| self.position(*o)).collect();
        self.tape
    }

    /// How often each node is used on the way to what is asked for: 0 where it is not needed.
    fn uses(&self, terms: &[Node], outputs: &[Node]) -> Vec<u32> {
        let mut uses = vec![0_u32; self.graph.len()];
        for node in terms.iter().chain(outputs) {
            uses[node.0 as usize] += 1;
        }
        let mut seen = vec![false; self.graph.blocks.len()];
        for i in (0..self.graph.len()).rev() {
            if uses[i] == 0 {
                continue;
            }
            let node = Node(i as u32);
            if let Op::Output { block, .. } = self.graph.op(node)
                && std::mem::replace(&mut seen[block as usize], true)
            {
                continue;
            }
            for input in self.graph.inputs(node) {
                uses[input.0 as usize] += 1;
            }
        }
        uses
    }

    /// Steps for all nodes that are used, but those that are fused.
    fn compute(&mut self, uses: &[u32], fused: &[Node]) {
        let mut skip = vec![false; self.graph.len()];
        for node in fused {
            skip[node.0 as usize] = true;
        }
        let mut levels: Vec<Vec<Node>> = Vec::new();
        let mut level_of = vec![0_usize; self.graph.len()];
        for i in 0..self.graph.len() {
            let node = Node(i as u32);
            if uses[i] == 0 || skip[i] {
                continue;
            }
            match self.graph.op(node) {
                Op::Constant(_) | Op::Coordinate(_) | Op::Opaque(_) => continue,
                Op::Builtin(_)
                | Op::Unary(_)
                | Op::Binary(_)
                | Op::Select
                | Op::Sum
                | Op::LogSumExp
                | Op::Density(_)
                | Op::Output { .. } => {}
            }
            let level = self.graph.inputs(node).iter().map(|a| level_of[a.0 as usize]).max().unwrap_or(0) + 1;
            level_of[i] = level;
            if levels.len() < level {
                levels.resize_with(level, Vec::new);
            }
            levels[level - 1].push(node);
        }
        for nodes in levels {
            let (outputs, others): (Vec<Node>, Vec<Node>) =
                nodes.into_iter().partition(|n| matches!(self.graph.op(*n), Op::Output { .. }));
            self.blocks(&outputs);
            let (reductions, elementwise): (Vec<Node>, Vec<Node>) =
                others.into_iter().partition(|n| matches!(self.graph.op(*n), Op::Sum | Op::LogSumExp));
            for op in [Op::Sum, Op::LogSumExp] {
                let lanes: Vec<Node> = reductions.iter().copied().filter(|n| self.graph.op(*n) == op).collect();
                if !lanes.is_empty() {
                    self.reduce(op, &lanes);
                }
            }
            for ((op, _), lanes) in self.groups(&elementwise) {
                let operands = self.operands(&lanes);
                let start = self.allocate(&lanes);
                self.tape.steps.push(Step::Elementwise { op, operands, start, lanes: lanes.len() as u32 });
            }
        }
    }

    /// A place for each of `lanes`, one after the other.
    fn allocate(&mut self, lanes: &[Node]) -> u32 {
        let start = self.tape.template.len() as u32;
        for (i, node) in lanes.iter().enumerate() {
            self.positions[node.0 as usize] = start + i as u32;
        }
        self.tape.template.resize(start as usize + lanes.len(), 0.0);
        self.tape.most_lanes = self.tape.most_lanes.max(lanes.len());
        start
    }

    /// All outputs of the blocks that any of `nodes` belongs to.
    fn blocks(&mut self, nodes: &[Node]) {
        let mut found: Vec<(u32, u32, Node)> = nodes
            .iter()
            .filter_map(|node| match self.graph.op(*node) {
                Op::Output { block, output } => Some((block, output, *node)),
                Op::Constant(_)
                | Op::Coordinate(_)
                | Op::Opaque(_)
                | Op::Builtin(_)
                | Op::Unary(_)
                | Op::Binary(_)
                | Op::Select
                | Op::Sum
                | Op::LogSumExp
                | Op::Density(_) => None,
            })
            .collect();
        found.sort_unstable();
        let graph = self.graph;
        for outputs in found.chunk_by(|a, b| a.0 == b.0) {
            let Some((block, _, _)) = outputs.first() else { continue };
            let inputs = &graph.blocks[*block as usize].inputs;
            let operand = self.operand(inputs, true);
            let start = self.tape.template.len() as u32;
            self.tape.template.resize(start as usize + graph.blocks[*block as usize].outputs, 0.0);
            for (_, output, node) in outputs {
                self.positions[node.0 as usize] = start + output;
            }
            self.tape.most_lanes = self.tape.most_lanes.max(inputs.len());
            self.tape.steps.push(Step::Block { block: *block, inputs: operand, start });
        }
    }

    fn reduce(&mut self, op: Op, lanes: &[Node]) {
        let graph = self.graph;
        let mut segments = Vec::new();
        let mut ends = Vec::with_capacity(lanes.len());
        for node in lanes {
            segments.extend(self.segments(graph.arguments(*node)));
            ends.push(segments.len() as u32);
        }
        let start = self.allocate(lanes);
        self.tape.steps.push(Step::Reduce { op, segments, ends, start });
    }

    /// Where `nodes` are, as runs.
    fn segments(&mut self, nodes: &[Node]) -> Vec<Segment> {
        let mut segments: Vec<Segment> = Vec::new();
        for node in nodes {
            let at = self.position(*node);
            match segments.last_mut() {
                Some((first, length)) if *first + *length == at => *length += 1,
                _ => segments.push((at, 1)),
            }
        }
        segments
    }

    /// Nodes that may share a loop, each list in the order of the graph. An operand that takes few values, each of them for
    /// many lanes, splits the lanes: it can then be read once instead of gathered.
    fn groups(&self, nodes: &[Node]) -> Vec<(Key, Vec<Node>)> {
        let mut by_op: Vec<(Op, Vec<Node>)> = Vec::new();
        let mut places: FxHashMap<Op, usize> = FxHashMap::default();
        for node in nodes {
            let op = self.graph.op(*node);
            let at = *places.entry(op).or_insert(by_op.len());
            if at == by_op.len() {
                by_op.push((op, Vec::new()));
            }
            by_op[at].1.push(*node);
        }
        let mut groups: Vec<(Key, Vec<Node>)> = Vec::new();
        for (op, lanes) in by_op {
            let arity = lanes.first().map_or(0, |n| self.graph.arguments(*n).len());
            let splits: SmallVec<[bool; 4]> = (0..arity)
                .map(|which| {
                    let mut values: Vec<Node> =
                        lanes.iter().map(|n| self.shared(self.graph.arguments(*n)[which])).collect();
                    values.sort_unstable();
                    values.dedup();
                    values.len() > 1 && lanes.len() >= WORTH_A_LOOP * values.len()
                })
                .collect();
            let first = groups.len();
            let mut places: FxHashMap<Key, usize> = FxHashMap::default();
            for node in lanes {
                let arguments = self.graph.arguments(node).iter().zip(&splits);
                let key: Key = (op, arguments.map(|(a, split)| split.then(|| self.shared(*a))).collect());
                let at = *places.entry(key.clone()).or_insert(groups.len());
                if at == groups.len() {
                    groups.push((key, Vec::new()));
                }
                groups[at].1.push(node);
            }
            debug_assert!(groups.len() > first);
        }
        groups
    }

    /// The operand itself, but the same for all constants: they can be laid out as needed.
    fn shared(&self, node: Node) -> Node {
        if self.graph.value(node).is_some() { Node(NOWHERE) } else { node }
    }

    fn operands(&mut self, lanes: &[Node]) -> Operands {
        let graph = self.graph;
        let arity = lanes.first().map_or(0, |n| graph.arguments(*n).len());
        (0..arity)
            .map(|which| {
                let nodes: Vec<Node> = lanes.iter().map(|n| graph.arguments(*n)[which]).collect();
                self.operand(&nodes, false)
            })
            .collect()
    }

    /// Where the lanes of an operand are; constants are laid out for it. `apart`: one number for all lanes is not enough,
    /// as its adjoint differs.
    fn operand(&mut self, nodes: &[Node], apart: bool) -> Operand {
        let graph = self.graph;
        let same = !apart && nodes.iter().all(|n| Some(n) == nodes.first());
        if let (true, Some(first)) = (same, nodes.first()) {
            return Operand { place: Place::One(self.position(*first)), constant: graph.value(*first).is_some() };
        }
        if nodes.iter().all(|n| graph.value(*n).is_some()) {
            let start = self.tape.template.len() as u32;
            self.tape.template.extend(nodes.iter().filter_map(|n| graph.value(*n)));
            return Operand { place: Place::Lanes(start), constant: true };
        }
        let positions: Vec<u32> = nodes.iter().map(|n| self.position(*n)).collect();
        let run = positions.windows(2).all(|pair| pair[1] == pair[0] + 1);
        let place = match positions.first() {
            Some(first) if run => Place::Lanes(*first),
            _ => Place::Gather(positions.into()),
        };
        Operand { place, constant: false }
    }

    /// Where a node is; a constant gets a place.
    fn position(&mut self, node: Node) -> u32 {
        let known = self.positions[node.0 as usize];
        if known != NOWHERE {
            return known;
        }
        // What is neither computed nor constant has no value: NaN.
        let at = self.tape.template.len() as u32;
        self.tape.template.push(self.graph.value(node).unwrap_or(f64::NAN));
        self.positions[node.0 as usize] = at;
        debug_assert!(at as usize >= self.coordinates);
        at
    }
}
