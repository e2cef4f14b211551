//! The expression graph of a program's density: scalars, each computed once from scalars before it.
//!
//! Building a node folds constants and finds equal nodes again, so that what two executions of a program share is there
//! once. A graph says what is computed; [`super::Tape`] decides how.

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::block::Block;
use crate::builtin::{Builtin, real_arithmetic};
use crate::dist::{Family, log_sum_exp};
use crate::syntax::ast::{BinaryOp, UnaryOp};

/// A scalar of a [`Graph`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Node(pub(super) u32);

/// How a node is computed from its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Op {
    /// The double with these bits.
    Constant(u64),
    /// An unconstrained coordinate.
    Coordinate(u32),
    /// A random variable that has no coordinate: nothing may be computed from it in the end.
    Opaque(u32),
    /// A built-in function that is elementwise on one or two reals.
    Builtin(Builtin),
    /// A prefix operator.
    Unary(UnaryOp),
    /// An infix operator. Relations and logic give 0 or 1 and have no derivative.
    Binary(BinaryOp),
    /// The second argument where the first is not 0, else the third.
    Select,
    /// Of any number of arguments.
    Sum,
    /// Of any number of arguments; −∞ of none.
    LogSumExp,
    /// The log density of a family whose parameters and draws are scalars: parameters in order, then the point. −∞ where a
    /// parameter is invalid or the point is outside the support.
    Density(Family),
    /// One output of a block.
    Output { block: u32, output: u32 },
}

pub(super) type Arguments = SmallVec<[Node; 4]>;

/// An expression graph. Arguments always come before what is computed from them.
#[derive(Debug, Default)]
pub(super) struct Graph {
    ops: Vec<Op>,
    /// Arguments of node i are `pool[ends[i − 1]..ends[i]]`.
    ends: Vec<u32>,
    pool: Vec<Node>,
    pub blocks: Vec<Block>,
    known: FxHashMap<(Op, Arguments), Node>,
    pub coordinates: usize,
    pub opaque: usize,
}

impl Graph {
    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.ops.len()
    }

    pub fn op(&self, node: Node) -> Op {
        self.ops[node.0 as usize]
    }

    pub fn arguments(&self, node: Node) -> &[Node] {
        let i = node.0 as usize;
        let start = if i == 0 { 0 } else { self.ends[i - 1] };
        &self.pool[start as usize..self.ends[i] as usize]
    }

    /// All nodes that `node` is computed from directly: of a block's output, the inputs of the block.
    pub fn inputs(&self, node: Node) -> &[Node] {
        match self.op(node) {
            Op::Output { block, .. } => &self.blocks[block as usize].inputs,
            Op::Constant(_)
            | Op::Coordinate(_)
            | Op::Opaque(_)
            | Op::Builtin(_)
            | Op::Unary(_)
            | Op::Binary(_)
            | Op::Select
            | Op::Sum
            | Op::LogSumExp
            | Op::Density(_) => self.arguments(node),
        }
    }

    /// The value of a constant.
    pub fn value(&self, node: Node) -> Option<f64> {
        match self.op(node) {
            Op::Constant(bits) => Some(f64::from_bits(bits)),
            Op::Coordinate(_)
            | Op::Opaque(_)
            | Op::Builtin(_)
            | Op::Unary(_)
            | Op::Binary(_)
            | Op::Select
            | Op::Sum
            | Op::LogSumExp
            | Op::Density(_)
            | Op::Output { .. } => None,
        }
    }

    fn intern(&mut self, op: Op, arguments: Arguments) -> Node {
        if let Some(found) = self.known.get(&(op, arguments.clone())) {
            return *found;
        }
        let node = Node(self.ops.len() as u32);
        self.ops.push(op);
        self.pool.extend_from_slice(&arguments);
        self.ends.push(self.pool.len() as u32);
        self.known.insert((op, arguments), node);
        node
    }

    pub fn constant(&mut self, x: f64) -> Node {
        self.intern(Op::Constant(x.to_bits()), Arguments::new())
    }

    /// The coordinate of this index.
    pub fn coordinate(&mut self, index: usize) -> Node {
        self.coordinates = self.coordinates.max(index + 1);
        self.intern(Op::Coordinate(index as u32), Arguments::new())
    }

    /// A fresh variable without coordinate.
    pub fn fresh(&mut self) -> Node {
        self.opaque += 1;
        self.intern(Op::Opaque(self.opaque as u32 - 1), Arguments::new())
    }

    fn values<const N: usize>(&self, nodes: [Node; N]) -> Option<[f64; N]> {
        let mut values = [0.0; N];
        for (value, node) in values.iter_mut().zip(nodes) {
            *value = self.value(node)?;
        }
        Some(values)
    }

    pub fn unary(&mut self, op: UnaryOp, x: Node) -> Node {
        match self.value(x) {
            Some(x) => self.constant(unary(op, x)),
            None => self.intern(Op::Unary(op), Arguments::from_slice(&[x])),
        }
    }

    pub fn negate(&mut self, x: Node) -> Node {
        self.unary(UnaryOp::Negate, x)
    }

    pub fn binary(&mut self, op: BinaryOp, a: Node, b: Node) -> Node {
        let known = (self.value(a), self.value(b));
        if let (Some(a), Some(b)) = known {
            return self.constant(binary(op, a, b));
        }
        // x + 0, x − 0, 1 x, x / 1 (not 0 + x where x may be −0: the sum of zeros has no sign that matters here).
        match (op, known) {
            (BinaryOp::Add, (Some(0.0), _)) | (BinaryOp::Multiply, (Some(1.0), _)) => return b,
            (BinaryOp::Add | BinaryOp::Subtract, (_, Some(0.0)))
            | (BinaryOp::Multiply | BinaryOp::Divide | BinaryOp::Power, (_, Some(1.0))) => return a,
            (BinaryOp::Power, (_, Some(2.0))) => return self.builtin(Builtin::Square, &[a]),
            _ => {}
        }
        self.intern(Op::Binary(op), Arguments::from_slice(&[a, b]))
    }

    pub fn add(&mut self, a: Node, b: Node) -> Node {
        self.binary(BinaryOp::Add, a, b)
    }

    pub fn subtract(&mut self, a: Node, b: Node) -> Node {
        self.binary(BinaryOp::Subtract, a, b)
    }

    pub fn multiply(&mut self, a: Node, b: Node) -> Node {
        self.binary(BinaryOp::Multiply, a, b)
    }

    /// A built-in function that is elementwise on as many reals as there are `arguments`.
    pub fn builtin(&mut self, builtin: Builtin, arguments: &[Node]) -> Node {
        let folded = match *arguments {
            [x] => self.values([x]).zip(builtin.elementwise1()).map(|([x], f)| f(x)),
            [x, y] => self.values([x, y]).zip(builtin.elementwise2()).map(|([x, y], f)| f(x, y)),
            _ => None,
        };
        match folded {
            Some(x) => self.constant(x),
            None => self.intern(Op::Builtin(builtin), Arguments::from_slice(arguments)),
        }
    }

    pub fn select(&mut self, condition: Node, then: Node, otherwise: Node) -> Node {
        if then == otherwise {
            return then;
        }
        match self.value(condition) {
            Some(c) => {
                if c == 0.0 {
                    otherwise
                } else {
                    then
                }
            }
            None => self.intern(Op::Select, Arguments::from_slice(&[condition, then, otherwise])),
        }
    }

    /// The sum; constants are added up first.
    pub fn sum(&mut self, terms: &[Node]) -> Node {
        let constant: f64 = terms.iter().filter_map(|t| self.value(*t)).fold(0.0, |a, b| a + b);
        let mut rest: Arguments = terms.iter().copied().filter(|t| self.value(*t).is_none()).collect();
        if constant != 0.0 {
            rest.push(self.constant(constant));
        }
        match rest[..] {
            [] => self.constant(0.0),
            [only] => only,
            _ => self.intern(Op::Sum, rest),
        }
    }

    pub fn log_sum_exp(&mut self, terms: &[Node]) -> Node {
        let known: Option<Vec<f64>> = terms.iter().map(|t| self.value(*t)).collect();
        match (known, terms) {
            (Some(values), _) => self.constant(log_sum_exp(&values)),
            (None, [only]) => *only,
            (None, _) => self.intern(Op::LogSumExp, Arguments::from_slice(terms)),
        }
    }

    /// The log density of a family with scalar form, at the last of `arguments`.
    pub fn density(&mut self, family: Family, arguments: &[Node]) -> Node {
        let known: Option<SmallVec<[f64; 4]>> = arguments.iter().map(|a| self.value(*a)).collect();
        match known {
            Some(values) => {
                let x = values.last().copied().unwrap_or(f64::NAN);
                let parameters = values.get(..values.len().saturating_sub(1)).unwrap_or(&[]);
                self.constant(family.scalar_log_density(parameters, x))
            }
            None => self.intern(Op::Density(family), Arguments::from_slice(arguments)),
        }
    }

    /// The outputs of a block.
    pub fn block(&mut self, block: Block) -> Vec<Node> {
        let outputs = block.outputs as u32;
        self.blocks.push(block);
        let block = self.blocks.len() as u32 - 1;
        (0..outputs).map(|output| self.intern(Op::Output { block, output }, Arguments::new())).collect()
    }
}

/// `op x` of doubles; truth is 0 or 1.
pub(super) fn unary(op: UnaryOp, x: f64) -> f64 {
    match op {
        UnaryOp::Negate => -x,
        UnaryOp::Not => truth(x == 0.0),
    }
}

/// `a op b` of doubles; truth is 0 or 1.
pub(super) fn binary(op: BinaryOp, a: f64, b: f64) -> f64 {
    if let Some(f) = real_arithmetic(op) {
        return f(a, b);
    }
    match op {
        BinaryOp::And => truth(a != 0.0 && b != 0.0),
        BinaryOp::Or => truth(a != 0.0 || b != 0.0),
        BinaryOp::Equal => truth(a == b),
        BinaryOp::NotEqual => truth(a != b),
        BinaryOp::Less => truth(a < b),
        BinaryOp::LessEqual => truth(a <= b),
        BinaryOp::Greater => truth(a > b),
        BinaryOp::GreaterEqual => truth(a >= b),
        BinaryOp::Remainder => a % b,
        BinaryOp::Add | BinaryOp::Subtract | BinaryOp::Multiply | BinaryOp::Divide | BinaryOp::Power => f64::NAN,
    }
}

fn truth(holds: bool) -> f64 {
    f64::from(u8::from(holds))
}
