//! Where distributions are valid, from what is known of the ranges of their parameters.
//!
//! The machine rejects an execution that comes to invalid parameters, also where nothing that is known depends on the
//! variable. A density that leaves the variable out must say the same.

use rustc_hash::FxHashMap;

use super::Context;
use crate::builtin::Builtin;
use crate::density::block::BlockKind;
use crate::density::graph::{Graph, Node, Op};
use crate::density::law::{Law, LawArgument};
use crate::dist::{Constraint, Family};
use crate::syntax::ast::{BinaryOp, UnaryOp};

/// How far from 1 the sum of a simplex may be, as for the machine.
const SIMPLEX_TOLERANCE: f64 = 1e-8;

/// Where a node's values are, whatever the coordinates are: finite, and between two bounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Range {
    low: f64,
    high: f64,
    /// Never at the lower bound, never at the upper one.
    open: (bool, bool),
}

impl Range {
    const ALL: Self = Self { low: f64::NEG_INFINITY, high: f64::INFINITY, open: (true, true) };
    const POSITIVE: Self = Self { low: 0.0, ..Self::ALL };
    const UNIT: Self = Self { low: 0.0, high: 1.0, open: (true, true) };

    fn closed(low: f64, high: f64) -> Self {
        Self { low, high, open: (false, false) }
    }

    pub fn integers(low: i64, high: Option<i64>) -> Self {
        Self::closed(low as f64, high.map_or(f64::INFINITY, |h| h as f64))
    }

    fn is_positive(self) -> bool {
        self.low > 0.0 || (self.low == 0.0 && self.open.0)
    }

    fn negated(self) -> Self {
        Self { low: -self.high, high: -self.low, open: (self.open.1, self.open.0) }
    }

    fn plus(self, other: Self) -> Self {
        let open = (self.open.0 || other.open.0, self.open.1 || other.open.1);
        Self { low: self.low + other.low, high: self.high + other.high, open }
    }

    fn times(self, other: Self) -> Self {
        let product = |a: f64, b: f64| if a == 0.0 || b == 0.0 { 0.0 } else { a * b };
        let corners = [
            product(self.low, other.low),
            product(self.low, other.high),
            product(self.high, other.low),
            product(self.high, other.high),
        ];
        let low = corners.iter().copied().fold(f64::INFINITY, f64::min);
        let high = corners.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let positive = self.is_positive() && other.is_positive();
        Self { low, high, open: (positive && (low == 0.0 || self.open.0 || other.open.0), false) }
    }

    /// 1/x. Where x may be zero, it almost never is.
    fn inverse(self) -> Self {
        if self.is_positive() {
            let open = (self.high == f64::INFINITY || self.open.1, self.low == 0.0 || self.open.0);
            Self { low: self.high.recip(), high: self.low.recip(), open }
        } else if self.negated().is_positive() {
            self.negated().inverse().negated()
        } else {
            Self::ALL
        }
    }

    fn union(self, other: Self) -> Self {
        let end = |a: (f64, bool), b: (f64, bool)| match a.0.total_cmp(&b.0) {
            std::cmp::Ordering::Less => a,
            std::cmp::Ordering::Greater => b,
            std::cmp::Ordering::Equal => (a.0, a.1 && b.1),
        };
        let low = end((self.low, self.open.0), (other.low, other.open.0));
        let high = end((-self.high, self.open.1), (-other.high, other.open.1));
        Self { low: low.0, high: -high.0, open: (low.1, high.1) }
    }

    /// The image under a function that rises.
    fn risen(self, f: impl Fn(f64) -> f64) -> Self {
        Self { low: f(self.low), high: f(self.high), open: self.open }
    }

    fn within(self, low: f64, high: f64) -> bool {
        self.low >= low && self.high <= high
    }
}

/// What is known of nodes; `None`: they may be infinite or no number.
pub(super) type Ranges = FxHashMap<Node, Option<Range>>;

impl Context<'_> {
    fn range(&mut self, node: Node) -> Option<Range> {
        if let Some(known) = self.ranges.get(&node) {
            return *known;
        }
        let found = stacker::maybe_grow(1 << 16, 1 << 20, || self.compute_range(node));
        self.ranges.insert(node, found);
        found
    }

    fn compute_range(&mut self, node: Node) -> Option<Range> {
        let arguments = self.graph.arguments(node).to_vec();
        match self.graph.op(node) {
            Op::Constant(bits) => Some(f64::from_bits(bits)).filter(|x| x.is_finite()).map(|x| Range::closed(x, x)),
            Op::Coordinate(_) | Op::Opaque(_) => Some(Range::ALL),
            Op::Unary(UnaryOp::Negate) => self.range(*arguments.first()?).map(Range::negated),
            Op::Unary(UnaryOp::Not) => Some(Range::closed(0.0, 1.0)),
            Op::Sum => {
                let mut sum = Range::closed(0.0, 0.0);
                for argument in arguments {
                    sum = sum.plus(self.range(argument)?);
                }
                Some(sum)
            }
            Op::Select => {
                let [_, then, otherwise] = arguments[..] else { return None };
                Some(self.range(then)?.union(self.range(otherwise)?))
            }
            Op::Binary(op) => {
                let [a, b] = arguments[..] else { return None };
                let (x, y) = (self.range(a)?, self.range(b)?);
                match op {
                    BinaryOp::Add => Some(x.plus(y)),
                    BinaryOp::Subtract => Some(x.plus(y.negated())),
                    BinaryOp::Multiply if a == b => Some(square(x)),
                    BinaryOp::Multiply => Some(x.times(y)),
                    BinaryOp::Divide => Some(x.times(y.inverse())),
                    BinaryOp::Power if x.is_positive() => Some(Range::POSITIVE),
                    BinaryOp::Power => self
                        .graph
                        .value(b)
                        .filter(|n| n.fract() == 0.0)
                        .map(|n| if n % 2.0 == 0.0 { Range::closed(0.0, f64::INFINITY) } else { Range::ALL }),
                    BinaryOp::Remainder => None,
                    BinaryOp::Or
                    | BinaryOp::And
                    | BinaryOp::Equal
                    | BinaryOp::NotEqual
                    | BinaryOp::Less
                    | BinaryOp::LessEqual
                    | BinaryOp::Greater
                    | BinaryOp::GreaterEqual => Some(Range::closed(0.0, 1.0)),
                }
            }
            Op::Builtin(builtin) => {
                let mut ranges = Vec::with_capacity(arguments.len());
                for argument in arguments {
                    ranges.push(self.range(argument)?);
                }
                of_builtin(builtin, &ranges)
            }
            Op::Output { block, .. } => {
                let softmax = matches!(
                    self.graph.blocks[block as usize].kind,
                    BlockKind::Builtin { builtin: Builtin::Softmax, .. }
                );
                softmax.then_some(Range::UNIT)
            }
            Op::LogSumExp | Op::Density(_) => None,
        }
    }

    /// Where a law is valid: where all conditions hold (nowhere the constant 0). `None` where that is not known.
    pub(in crate::density) fn validity(&mut self, law: &Law) -> Option<Vec<Node>> {
        let known: Option<Vec<f64>> = law.nodes().iter().map(|n| self.graph.value(*n)).collect();
        if let Some(values) = known {
            let valid = law.instantiate(&values).is_some();
            return Some(if valid { Vec::new() } else { vec![self.graph.constant(0.0)] });
        }
        let mut conditions = Vec::new();
        for (parameter, argument) in law.family.info().parameters.iter().zip(&law.arguments) {
            let constraint = parameter.constraint;
            match argument {
                LawArgument::Scalar(x) => {
                    let other = constraint.relates_to().and_then(|i| law.arguments.get(i));
                    match other {
                        Some(LawArgument::Scalar(other)) => self.above(constraint, *x, *other, &mut conditions),
                        Some(_) => return None,
                        None => self.number(constraint, *x, &mut conditions)?,
                    }
                }
                LawArgument::Vector(elements) if constraint == Constraint::Simplex => {
                    self.simplex(elements, &mut conditions);
                }
                LawArgument::Vector(elements) => {
                    for x in elements {
                        self.number(constraint, *x, &mut conditions)?;
                    }
                }
                LawArgument::Distribution(base) if law.family == Family::Ordered => {
                    conditions.extend(self.validity(base)?);
                }
                LawArgument::Distributions(components) if law.family == Family::Mixture => {
                    for component in components {
                        conditions.extend(self.validity(component)?);
                    }
                }
                LawArgument::Matrix { .. } | LawArgument::Distribution(_) | LawArgument::Distributions(_) => {
                    return None;
                }
            }
        }
        Some(conditions)
    }

    fn number(&mut self, constraint: Constraint, x: Node, conditions: &mut Vec<Node>) -> Option<()> {
        if let Some(value) = self.graph.value(x) {
            if !constraint.accepts(value) {
                conditions.push(self.graph.constant(0.0));
            }
            return Some(());
        }
        let range = self.range(x);
        let (zero, one) = (self.graph.constant(0.0), self.graph.constant(1.0));
        match constraint {
            Constraint::Finite | Constraint::FiniteElements | Constraint::Bound if range.is_some() => {}
            Constraint::Finite | Constraint::FiniteElements => conditions.push(self.is_number(x, BinaryOp::Less)),
            Constraint::Bound => conditions.push(self.is_number(x, BinaryOp::LessEqual)),
            Constraint::Positive | Constraint::PositiveElements if range.is_some_and(Range::is_positive) => {}
            Constraint::Positive | Constraint::PositiveElements => {
                conditions.push(self.graph.binary(BinaryOp::Greater, x, zero));
            }
            Constraint::NonNegative if range.is_some_and(|r| r.low >= 0.0) => {}
            Constraint::NonNegative => conditions.push(self.graph.binary(BinaryOp::GreaterEqual, x, zero)),
            Constraint::Probability if range.is_some_and(|r| r.within(0.0, 1.0)) => {}
            Constraint::PositiveProbability if range.is_some_and(|r| r.is_positive() && r.high <= 1.0) => {}
            Constraint::Probability | Constraint::PositiveProbability => {
                let above =
                    if constraint == Constraint::Probability { BinaryOp::GreaterEqual } else { BinaryOp::Greater };
                conditions.push(self.graph.binary(above, x, zero));
                conditions.push(self.graph.binary(BinaryOp::LessEqual, x, one));
            }
            Constraint::Above(_)
            | Constraint::AtLeast(_)
            | Constraint::Simplex
            | Constraint::Size
            | Constraint::Covariance
            | Constraint::CholeskyFactor
            | Constraint::HasCdf
            | Constraint::RealScalar
            | Constraint::SameScalars => return None,
        }
        Some(())
    }

    /// x above another parameter.
    fn above(&mut self, constraint: Constraint, x: Node, other: Node, conditions: &mut Vec<Node>) {
        let strictly = matches!(constraint, Constraint::Above(_));
        let distance = self.graph.subtract(x, other);
        let certain = self.range(x).zip(self.range(other)).is_some_and(|(x, other)| {
            x.low > other.high || (x.low == other.high && (!strictly || x.open.0 || other.open.1))
        });
        if !certain && !self.is_more(x, other) {
            let op = if strictly { BinaryOp::Greater } else { BinaryOp::GreaterEqual };
            let zero = self.graph.constant(0.0);
            conditions.push(self.graph.binary(op, distance, zero));
        }
    }

    /// Whether x is the other one plus something positive.
    fn is_more(&mut self, x: Node, other: Node) -> bool {
        if !matches!(self.graph.op(x), Op::Binary(BinaryOp::Add) | Op::Sum) {
            return false;
        }
        let mut terms = self.graph.arguments(x).to_vec();
        let Some(at) = terms.iter().position(|t| *t == other) else { return false };
        terms.swap_remove(at);
        !terms.is_empty() && terms.into_iter().all(|t| self.range(t).is_some_and(Range::is_positive))
    }

    fn simplex(&mut self, weights: &[Node], conditions: &mut Vec<Node>) {
        if self.simplexes.contains(weights) || self.is_softmax(weights) {
            return;
        }
        for weight in weights {
            if !self.range(*weight).is_some_and(|r| r.low >= 0.0) {
                let zero = self.graph.constant(0.0);
                conditions.push(self.graph.binary(BinaryOp::GreaterEqual, *weight, zero));
            }
        }
        if !self.is_complement(weights) {
            let (sum, one) = (self.graph.sum(weights), self.graph.constant(1.0));
            let (off, tolerance) = (self.graph.subtract(sum, one), self.graph.constant(SIMPLEX_TOLERANCE));
            let off = self.graph.builtin(Builtin::Abs, &[off]);
            conditions.push(self.graph.binary(BinaryOp::LessEqual, off, tolerance));
        }
    }

    /// [w, 1 − w], in either order.
    fn is_complement(&self, weights: &[Node]) -> bool {
        let [a, b] = weights[..] else { return false };
        let one_minus = |x: Node, y: Node| {
            self.graph.op(y) == Op::Binary(BinaryOp::Subtract)
                && matches!(self.graph.arguments(y), [one, z] if self.graph.value(*one) == Some(1.0) && *z == x)
        };
        one_minus(a, b) || one_minus(b, a)
    }

    /// All that a softmax gives.
    fn is_softmax(&self, weights: &[Node]) -> bool {
        let Some(Op::Output { block, .. }) = weights.first().map(|w| self.graph.op(*w)) else { return false };
        let of = &self.graph.blocks[block as usize];
        let whole = of.outputs == weights.len()
            && weights.iter().enumerate().all(|(i, w)| self.graph.op(*w) == Op::Output { block, output: i as u32 });
        whole && matches!(of.kind, BlockKind::Builtin { builtin: Builtin::Softmax, .. })
    }

    /// A condition that fails where x is no number (or, with `<`, where it is infinite).
    pub(in crate::density) fn is_number(&mut self, x: Node, op: BinaryOp) -> Node {
        let (size, infinity) = (self.graph.builtin(Builtin::Abs, &[x]), self.graph.constant(f64::INFINITY));
        self.graph.binary(op, size, infinity)
    }
}

/// `node` where the conditions hold, else −∞.
pub(super) fn where_valid(graph: &mut Graph, node: Node, conditions: &[Node]) -> Node {
    let nothing = graph.constant(f64::NEG_INFINITY);
    conditions.iter().fold(node, |node, condition| graph.select(*condition, node, nothing))
}

fn square(x: Range) -> Range {
    let open = (x.is_positive() || x.negated().is_positive(), false);
    Range { low: 0.0, high: f64::INFINITY, open }
}

fn of_builtin(builtin: Builtin, arguments: &[Range]) -> Option<Range> {
    let x = *arguments.first()?;
    Some(match (builtin, arguments.get(1)) {
        (Builtin::Exp, _) => {
            let low = x.low.exp();
            Range { low, high: f64::INFINITY, open: (low == 0.0 || x.open.0, true) }
        }
        (Builtin::Sigmoid | Builtin::InvLogit | Builtin::Phi, _) => Range::UNIT,
        (Builtin::Softplus | Builtin::Log1pExp, _) => Range::POSITIVE,
        (Builtin::Square, _) => square(x),
        (Builtin::Abs, _) if x.low >= 0.0 => x,
        (Builtin::Abs, _) => Range { open: (x.negated().is_positive(), false), ..Range::closed(0.0, f64::INFINITY) },
        (Builtin::Sqrt, _) if x.low >= 0.0 => x.risen(f64::sqrt),
        (Builtin::Log | Builtin::Log2 | Builtin::Log10, _) if x.is_positive() => Range::ALL,
        (Builtin::Log1p, _) if x.low > -1.0 => x.risen(f64::ln_1p),
        (Builtin::Logit, _) if x.within(0.0, 1.0) && x.open == (true, true) => Range::ALL,
        (Builtin::Inv, _) => x.inverse(),
        (Builtin::Pow, _) if x.is_positive() => Range::POSITIVE,
        (Builtin::Hypot, _) => Range::closed(0.0, f64::INFINITY),
        (Builtin::Tanh | Builtin::Sin | Builtin::Cos | Builtin::Erf, _) => Range::closed(-1.0, 1.0),
        (Builtin::Min, Some(y)) => {
            let open = if x.low == y.low {
                x.open.0 && y.open.0
            } else if x.low < y.low {
                x.open.0
            } else {
                y.open.0
            };
            Range { low: x.low.min(y.low), high: x.high.min(y.high), open: (open, false) }
        }
        (Builtin::Max, Some(y)) => {
            let open = if x.low == y.low {
                x.open.0 || y.open.0
            } else if x.low > y.low {
                x.open.0
            } else {
                y.open.0
            };
            Range { low: x.low.max(y.low), high: x.high.max(y.high), open: (open, false) }
        }
        (Builtin::Expm1, _) => Range { low: x.low.exp_m1(), high: f64::INFINITY, open: (true, true) },
        (
            Builtin::Cbrt
            | Builtin::Sign
            | Builtin::Floor
            | Builtin::Ceil
            | Builtin::Round
            | Builtin::Trunc
            | Builtin::Atan
            | Builtin::Sinh
            | Builtin::Cosh
            | Builtin::Asinh
            | Builtin::LogSigmoid
            | Builtin::LogSumExp,
            _,
        ) => Range::ALL,
        _ => return None,
    })
}
