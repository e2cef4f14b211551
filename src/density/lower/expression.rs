//! Expressions.

use super::symbol::{Scope, stack};
use super::{Lowered, Lowering, MAX_ITERATIONS, NotCompiled, Symbol};
use crate::builtin::{self, Builtin};
use crate::check::core::{Expr, ExprKind, FunctionId, Subscript};
use crate::density::block::{Block, BlockArgument, BlockKind};
use crate::density::graph::{Graph, Node};
use crate::syntax::ast::{BinaryOp, UnaryOp};
use crate::value::{Array, Base, Elements, Value};

const IRREGULAR: NotCompiled = NotCompiled::Unsupported("an operation on something that is not data of that shape");

impl<'p> Lowering<'_, 'p> {
    pub(super) fn scalar(&mut self, symbol: &Symbol) -> Lowered<Node> {
        match symbol.parts(&mut self.context.graph)? {
            (_, shape, items) if shape.is_empty() => items.first().copied().ok_or(IRREGULAR),
            _ => Err(IRREGULAR),
        }
    }

    /// An integer that this path knows, and whether it depends on something masked.
    pub(super) fn integer(&mut self, scope: &mut Scope, expr: &'p Expr) -> Lowered<(i64, bool)> {
        match self.expr(scope, expr)? {
            Symbol::Known { value, masked } => value.as_int().map(|i| (i, masked)).ok_or(IRREGULAR),
            other @ (Symbol::Nodes { .. } | Symbol::Record { .. }) => {
                let node = self.scalar(&other)?;
                if self.context.depends_on_opaque(node) {
                    return Err(NotCompiled::Hold(self.context.opaque_behind(&[node])));
                }
                Err(NotCompiled::Unsupported("an index that depends on a real latent"))
            }
        }
    }

    fn whole(&self, base: Base, shape: Vec<usize>, items: Vec<Node>, masked: bool) -> Lowered<Symbol> {
        Symbol::whole(&self.context.graph, base, shape, items.into(), masked)
    }

    pub(super) fn expr(&mut self, scope: &mut Scope, expr: &'p Expr) -> Lowered<Symbol> {
        match &expr.kind {
            ExprKind::Constant(value) => Ok(Symbol::known(value.clone())),
            ExprKind::Slot(slot) => scope.read(*slot, &mut self.context.graph),
            ExprKind::Unary(op, operand) => {
                let operand = self.expr(scope, operand)?;
                self.unary(*op, &operand)
            }
            ExprKind::Binary(op, left, right) => {
                let left = self.expr(scope, left)?;
                if let (BinaryOp::And | BinaryOp::Or, Symbol::Known { value, .. }) = (op, &left) {
                    // The right side may not be defined where the left side decides.
                    let holds = value.as_condition().ok_or(IRREGULAR)?;
                    if holds == (*op == BinaryOp::Or) {
                        return Ok(Symbol::Known { value: Value::Bool(holds), masked: left.masked() });
                    }
                }
                let right = self.expr(scope, right)?;
                self.binary(*op, &left, &right)
            }
            ExprKind::ToReal(inner) => {
                let inner = self.expr(scope, inner)?;
                self.promoted(inner)
            }
            ExprKind::Returned(inner) => match self.expr(scope, inner)? {
                Symbol::Record { returned: Some(inner), .. } => Ok(*inner),
                other @ (Symbol::Known { .. } | Symbol::Nodes { .. }) => Ok(other),
                Symbol::Record { returned: None, .. } => Err(IRREGULAR),
            },
            ExprKind::If(condition, then, otherwise) => self.select(scope, condition, then, otherwise),
            ExprKind::Index(base, subscripts) => self.index(scope, base, subscripts),
            ExprKind::Field(base, name) => match self.expr(scope, base)? {
                Symbol::Record { fields, .. } => {
                    fields.into_iter().find(|(n, _)| n == name).map(|(_, s)| s).ok_or(IRREGULAR)
                }
                Symbol::Known { .. } | Symbol::Nodes { .. } => Err(IRREGULAR),
            },
            ExprKind::Builtin(builtin, arguments) => {
                let arguments: Lowered<Vec<Symbol>> = arguments.iter().map(|e| self.expr(scope, e)).collect();
                self.builtin(*builtin, &arguments?)
            }
            ExprKind::Call(function, arguments) => {
                let arguments: Lowered<Vec<Symbol>> = arguments.iter().map(|e| self.expr(scope, e)).collect();
                self.call(*function, &arguments?)
            }
            ExprKind::Array(elements) => {
                let rows: Lowered<Vec<Symbol>> = elements.iter().map(|e| self.expr(scope, e)).collect();
                self.stacked(rows?, expr)
            }
            ExprKind::Comprehension { index, lower, upper, body } => {
                let (lower, masked_lower) = self.integer(scope, lower)?;
                let (upper, masked_upper) = self.integer(scope, upper)?;
                if upper.saturating_sub(lower) > MAX_ITERATIONS as i64 {
                    return Err(NotCompiled::Unsupported("more operations than a compiled density may have"));
                }
                let masked = masked_lower || masked_upper;
                let mut rows = Vec::new();
                for i in lower..upper {
                    self.iteration()?;
                    scope.set(*index, Symbol::Known { value: Value::Int(i), masked });
                    rows.push(self.expr(scope, body)?);
                }
                self.stacked(rows, expr)
            }
            ExprKind::LogDensity(distribution, value) => {
                let (law, masked) = self.law(scope, distribution)?;
                let value = self.expr(scope, value)?;
                let node = self.log_density_at(&law, &value)?;
                self.whole(Base::Real, Vec::new(), vec![node], masked || value.masked())
            }
            ExprKind::PosteriorField(..) | ExprKind::Summary(..) | ExprKind::Infer(_) => {
                Err(NotCompiled::Unsupported("a nested inference"))
            }
        }
    }

    fn stacked(&mut self, rows: Vec<Symbol>, expr: &Expr) -> Lowered<Symbol> {
        use crate::check::core::Type;
        if rows.is_empty() {
            let Type::Data(ty) = expr.ty else { return Err(IRREGULAR) };
            let shape = vec![0; usize::from(ty.rank as u8)];
            let array = Array::new(shape, Elements::from_f64s(ty.base, [])).ok_or(IRREGULAR)?;
            return Ok(Symbol::known(Value::array(array)));
        }
        stack(rows, &mut self.context.graph)
    }

    fn promoted(&mut self, symbol: Symbol) -> Lowered<Symbol> {
        match symbol {
            Symbol::Known { value, masked } => Ok(Symbol::Known { value: value.promote(Base::Real), masked }),
            Symbol::Nodes { shape, items, .. } => Ok(Symbol::Nodes { base: Base::Real, shape, items }),
            Symbol::Record { returned: Some(inner), .. } => self.promoted(*inner),
            Symbol::Record { returned: None, .. } => Err(IRREGULAR),
        }
    }

    fn unary(&mut self, op: UnaryOp, operand: &Symbol) -> Lowered<Symbol> {
        if let Symbol::Known { value, masked } = operand {
            let value = builtin::unary(op, value).map_err(|_| IRREGULAR)?;
            return Ok(Symbol::Known { value, masked: *masked });
        }
        let (base, shape, items) = operand.parts(&mut self.context.graph)?;
        let base = if op == UnaryOp::Not { Base::Bool } else { base };
        let mapped = items.iter().map(|x| self.context.graph.unary(op, *x)).collect();
        self.whole(base, shape, mapped, operand.masked())
    }

    fn binary(&mut self, op: BinaryOp, left: &Symbol, right: &Symbol) -> Lowered<Symbol> {
        let masked = left.masked() || right.masked();
        if let (Symbol::Known { value: a, .. }, Symbol::Known { value: b, .. }) = (left, right) {
            let value = builtin::binary(op, a, b).map_err(|_| {
                // A failure that latents cause rejects.
                if masked { NotCompiled::Impossible } else { IRREGULAR }
            })?;
            return Ok(Symbol::Known { value, masked });
        }
        let (left_base, left_shape, left) = left.parts(&mut self.context.graph)?;
        let (right_base, right_shape, right) = right.parts(&mut self.context.graph)?;
        let base = match op {
            BinaryOp::Divide => Base::Real,
            BinaryOp::Add | BinaryOp::Subtract | BinaryOp::Multiply | BinaryOp::Power | BinaryOp::Remainder => {
                left_base.max(right_base)
            }
            BinaryOp::Or
            | BinaryOp::And
            | BinaryOp::Equal
            | BinaryOp::NotEqual
            | BinaryOp::Less
            | BinaryOp::LessEqual
            | BinaryOp::Greater
            | BinaryOp::GreaterEqual => Base::Bool,
        };
        let (shape, items) =
            self.zip((left_shape, &left), (right_shape, &right), |graph, a, b| graph.binary(op, a, b))?;
        self.whole(base, shape, items, masked)
    }

    /// `f` of the scalars of both sides; a scalar side goes with every element of the other.
    fn zip(
        &mut self,
        (left_shape, left): (Vec<usize>, &[Node]),
        (right_shape, right): (Vec<usize>, &[Node]),
        f: impl Fn(&mut Graph, Node, Node) -> Node,
    ) -> Lowered<(Vec<usize>, Vec<Node>)> {
        let graph = &mut self.context.graph;
        match (&left_shape[..], left, &right_shape[..], right) {
            ([], [a], _, _) => Ok((right_shape, right.iter().map(|b| f(graph, *a, *b)).collect())),
            (_, _, [], [b]) => Ok((left_shape, left.iter().map(|a| f(graph, *a, *b)).collect())),
            _ if left_shape == right_shape => {
                Ok((left_shape, left.iter().zip(right).map(|(a, b)| f(graph, *a, *b)).collect()))
            }
            _ => Err(IRREGULAR),
        }
    }

    /// `if` as an expression. On something masked, both sides are computed and one is selected, unless this walk splits;
    /// where one side does not exist, the path decides.
    fn select(
        &mut self,
        scope: &mut Scope,
        condition: &'p Expr,
        then: &'p Expr,
        otherwise: &'p Expr,
    ) -> Lowered<Symbol> {
        if self.context.split {
            let (holds, masked) = self.decide(scope, condition)?;
            return Ok(self.expr(scope, if holds { then } else { otherwise })?.with_mask(masked));
        }
        let condition = self.expr(scope, condition)?;
        if let Symbol::Known { value, masked } = &condition {
            let holds = value.as_condition().ok_or(IRREGULAR)?;
            return Ok(self.expr(scope, if holds { then } else { otherwise })?.with_mask(*masked));
        }
        let condition = self.scalar(&condition)?;
        let sides = match (self.expr(scope, then), self.expr(scope, otherwise)) {
            (Ok(then), Ok(otherwise)) => Some((then, otherwise)),
            (Err(NotCompiled::Hold(names)), _) | (_, Err(NotCompiled::Hold(names))) => {
                return Err(NotCompiled::Hold(names));
            }
            (Err(_), _) | (_, Err(_)) => None,
        };
        if let Some((then, otherwise)) = sides {
            let (base, shape, then) = then.parts(&mut self.context.graph)?;
            let (other_base, other_shape, otherwise) = otherwise.parts(&mut self.context.graph)?;
            if shape == other_shape {
                let pairs = then.iter().zip(otherwise.iter());
                let items = pairs.map(|(a, b)| self.context.graph.select(condition, *a, *b)).collect();
                return self.whole(base.max(other_base), shape, items, true);
            }
        }
        let holds = self.guard(condition)?;
        Ok(self.expr(scope, if holds { then } else { otherwise })?.with_mask(true))
    }

    fn index(&mut self, scope: &mut Scope, base: &'p Expr, subscripts: &'p [Subscript]) -> Lowered<Symbol> {
        let mut at = crate::runtime::Indices::new();
        let mut masked = false;
        let mut leading = 0;
        for subscript in subscripts {
            let Subscript::Index(expr) = subscript else { break };
            let (index, index_masked) = self.integer(scope, expr)?;
            at.push(index);
            masked |= index_masked;
            leading += 1;
        }
        let mut used = 0;
        let mut symbol = None;
        if let ExprKind::Slot(slot) = &base.kind {
            for depth in (1..=at.len()).rev() {
                if let Some(found) = scope.cell(*slot, &at[..depth]) {
                    symbol = Some(found.clone());
                    used = depth;
                    break;
                }
            }
        }
        let mut symbol = match symbol {
            Some(symbol) => symbol,
            None => self.expr(scope, base)?,
        };
        for i in &at[used..] {
            symbol = self.element(symbol, *i)?;
        }
        if leading < subscripts.len() {
            symbol = self.slice(scope, symbol, &subscripts[leading..])?;
        }
        Ok(symbol.with_mask(masked))
    }

    /// One element along the first axis.
    fn element(&mut self, symbol: Symbol, index: i64) -> Lowered<Symbol> {
        let i = usize::try_from(index).map_err(|_| NotCompiled::Impossible)?;
        match symbol {
            Symbol::Known { value, masked } => {
                let element = value.as_array().and_then(|a| a.get(i)).ok_or(NotCompiled::Impossible)?;
                Ok(Symbol::Known { value: element, masked })
            }
            Symbol::Nodes { base, shape, items } => {
                let (size, rest) = shape.split_first().ok_or(IRREGULAR)?;
                if i >= *size {
                    return Err(NotCompiled::Impossible);
                }
                let width: usize = rest.iter().product();
                self.whole(base, rest.to_vec(), items[i * width..(i + 1) * width].to_vec(), true)
            }
            Symbol::Record { fields, .. } => {
                let wanted = index.to_string();
                fields.into_iter().find(|(n, _)| **n == *wanted).map(|(_, s)| s).ok_or(NotCompiled::Impossible)
            }
        }
    }

    /// The rest of the subscripts, of which the first is a slice.
    fn slice(&mut self, scope: &mut Scope, symbol: Symbol, subscripts: &'p [Subscript]) -> Lowered<Symbol> {
        let Some((first, rest)) = subscripts.split_first() else { return Ok(symbol) };
        match first {
            Subscript::Index(expr) => {
                let (index, masked) = self.integer(scope, expr)?;
                let element = self.element(symbol, index)?.with_mask(masked);
                self.slice(scope, element, rest)
            }
            Subscript::Slice(lower, upper) => {
                let mut masked = symbol.masked();
                let (base, shape, items) = symbol.parts(&mut self.context.graph)?;
                let (size, inner) = shape.split_first().ok_or(IRREGULAR)?;
                let mut bound = |this: &mut Self, expr: &'p Option<Expr>, default: usize| match expr {
                    None => Ok(default),
                    Some(expr) => {
                        let (at, bound_masked) = this.integer(scope, expr)?;
                        masked |= bound_masked;
                        usize::try_from(at).map_err(|_| NotCompiled::Impossible)
                    }
                };
                let lower = bound(self, lower, 0)?;
                let upper = bound(self, upper, *size)?;
                if lower > upper || upper > *size {
                    return Err(NotCompiled::Impossible);
                }
                let width: usize = inner.iter().product();
                if rest.is_empty() {
                    let shape = std::iter::once(upper - lower).chain(inner.iter().copied()).collect();
                    return self.whole(base, shape, items[lower * width..upper * width].to_vec(), masked);
                }
                let mut rows = Vec::with_capacity(upper - lower);
                for i in lower..upper {
                    let row = self.whole(base, inner.to_vec(), items[i * width..(i + 1) * width].to_vec(), masked)?;
                    rows.push(self.slice(scope, row, rest)?);
                }
                stack(rows, &mut self.context.graph)
            }
        }
    }

    fn call(&mut self, id: FunctionId, arguments: &[Symbol]) -> Lowered<Symbol> {
        let function = self.context.runtime.program.function(id);
        let masked = arguments.iter().any(Symbol::masked);
        let Some(body) = &function.body else {
            let host = self.context.runtime.host.get(&function.name).ok_or(IRREGULAR)?.clone();
            let known: Option<Vec<Value>> = arguments.iter().map(known_value).collect();
            if let Some(values) = known {
                let value = host.call(&values).map_err(|_| IRREGULAR)?.promote(function.returns.base);
                return Ok(Symbol::Known { value, masked });
            }
            if function.returns.base != Base::Real || function.returns.rank != 0 {
                return Err(NotCompiled::Unsupported("a registered function that does not give a real"));
            }
            let inputs: Lowered<Vec<Node>> = arguments.iter().map(|a| self.scalar(a)).collect();
            let inputs = inputs?;
            if arguments.iter().any(
                |a| matches!(a, Symbol::Known { value, .. } if value.data_type().is_none_or(|t| t.base != Base::Real)),
            ) {
                return Err(NotCompiled::Unsupported("a registered function of integers"));
            }
            return self.blocked(BlockKind::Host { function: host }, inputs, Vec::new());
        };
        self.descend()?;
        let mut inner = Scope::new(function.frame.len());
        self.bind_parameters(&mut inner, &function.parameters, arguments)?;
        let control = self.control;
        let returned = self.block(&mut inner, body)?;
        self.control = control;
        self.depth -= 1;
        returned.ok_or(IRREGULAR)
    }

    /// The outputs of a block as an array.
    fn blocked(&mut self, kind: BlockKind, inputs: Vec<Node>, shape: Vec<usize>) -> Lowered<Symbol> {
        let varying = inputs.iter().map(|n| self.context.graph.value(*n).is_none()).collect();
        let outputs = shape.iter().product();
        let fallible = kind.may_fail();
        let items = self.context.graph.block(Block { kind, inputs, varying, outputs });
        self.path.fallible.extend(items.first().filter(|_| fallible));
        Ok(Symbol::Nodes { base: Base::Real, shape, items: items.into() })
    }

    fn builtin(&mut self, builtin: Builtin, arguments: &[Symbol]) -> Lowered<Symbol> {
        let masked = arguments.iter().any(Symbol::masked);
        let known: Option<Vec<Value>> = arguments.iter().map(known_value).collect();
        if let Some(values) = known {
            let value =
                builtin.evaluate(&values).map_err(|_| if masked { NotCompiled::Impossible } else { IRREGULAR })?;
            return Ok(Symbol::Known { value, masked });
        }
        let mut parts = Vec::with_capacity(arguments.len());
        for argument in arguments {
            parts.push(argument.parts(&mut self.context.graph)?);
        }
        match (builtin, &parts[..]) {
            (Builtin::Len, [(_, shape, _)]) => {
                let size = shape.first().copied().ok_or(IRREGULAR)?;
                return Ok(Symbol::known(Value::Int(size as i64)));
            }
            (Builtin::Sum, [(base, _, items)]) => {
                let node = self.context.graph.sum(items);
                return self.whole(*base, Vec::new(), vec![node], true);
            }
            (Builtin::Mean, [(_, _, items)]) if !items.is_empty() => {
                let sum = self.context.graph.sum(items);
                let size = self.context.graph.constant(items.len() as f64);
                let node = self.context.graph.binary(BinaryOp::Divide, sum, size);
                return self.whole(Base::Real, Vec::new(), vec![node], true);
            }
            (Builtin::LogSumExp, [(_, _, items)]) => {
                let node = self.context.graph.log_sum_exp(items);
                return self.whole(Base::Real, Vec::new(), vec![node], true);
            }
            (Builtin::Dot, [(_, a_shape, a), (_, b_shape, b)]) if a_shape == b_shape => {
                let node = self.dot(a, b);
                return self.whole(Base::Real, Vec::new(), vec![node], true);
            }
            (Builtin::Matmul, [(_, a_shape, a), (_, b_shape, b)]) => return self.matmul((a_shape, a), (b_shape, b)),
            _ => {}
        }
        if let Some(symbol) = self.rearranged(builtin, arguments)? {
            return Ok(symbol);
        }
        let all_real = parts.iter().all(|(base, ..)| *base != Base::Bool);
        match &parts[..] {
            [(base, shape, items)] if builtin.elementwise1().is_some() && all_real => {
                let keeps = matches!(builtin, Builtin::Abs) && *base == Base::Int;
                let mapped = items.iter().map(|x| self.context.graph.builtin(builtin, &[*x])).collect();
                return self.whole(if keeps { Base::Int } else { Base::Real }, shape.clone(), mapped, true);
            }
            [(a_base, a_shape, a), (b_base, b_shape, b)] if builtin.elementwise2().is_some() && all_real => {
                let keeps = matches!(builtin, Builtin::Min | Builtin::Max) && a_base.max(b_base) == &Base::Int;
                let (shape, items) = self
                    .zip((a_shape.clone(), a), (b_shape.clone(), b), |graph, a, b| graph.builtin(builtin, &[a, b]))?;
                return self.whole(if keeps { Base::Int } else { Base::Real }, shape, items, true);
            }
            _ => {}
        }
        self.block_call(builtin, arguments)
    }

    /// Σ aᵢ bᵢ, as steps that rows of a plate share.
    fn dot(&mut self, a: &[Node], b: &[Node]) -> Node {
        let graph = &mut self.context.graph;
        let products: Vec<Node> = a.iter().zip(b).map(|(a, b)| graph.multiply(*a, *b)).collect();
        match products.split_first() {
            None => graph.constant(0.0),
            Some((first, rest)) => rest.iter().fold(*first, |sum, product| graph.add(sum, *product)),
        }
    }

    fn matmul(&mut self, (a_shape, a): (&[usize], &[Node]), (b_shape, b): (&[usize], &[Node])) -> Lowered<Symbol> {
        let (n, k, m, shape) = match (a_shape, b_shape) {
            ([n, k], [l, m]) if k == l => (*n, *k, *m, vec![*n, *m]),
            ([n, k], [l]) if k == l => (*n, *k, 1, vec![*n]),
            ([k], [l, m]) if k == l => (1, *k, *m, vec![*m]),
            _ => return Err(IRREGULAR),
        };
        let mut items = Vec::with_capacity(n * m);
        for i in 0..n {
            for j in 0..m {
                let column: Vec<Node> = (0..k).map(|l| b[l * m + j]).collect();
                items.push(self.dot(&a[i * k..(i + 1) * k], &column));
            }
        }
        self.whole(Base::Real, shape, items, true)
    }

    /// Functions that only move elements: applied to the positions of the elements instead.
    fn rearranged(&mut self, builtin: Builtin, arguments: &[Symbol]) -> Lowered<Option<Symbol>> {
        let moves = matches!(
            builtin,
            Builtin::Rep
                | Builtin::Concat
                | Builtin::Append
                | Builtin::Head
                | Builtin::Tail
                | Builtin::Reverse
                | Builtin::Transpose
                | Builtin::Diag
                | Builtin::Diagonal
        );
        if !moves {
            return Ok(None);
        }
        let mut nodes: Vec<Node> = vec![self.context.graph.constant(0.0)];
        let mut numbered = Vec::with_capacity(arguments.len());
        let mut base = Base::Bool;
        for argument in arguments {
            let (own, shape, items) = argument.parts(&mut self.context.graph)?;
            let size_argument = matches!(builtin, Builtin::Rep | Builtin::Head | Builtin::Tail) && numbered.len() == 1;
            if let (true, Some(value)) = (size_argument, known_value(argument)) {
                numbered.push(value);
                continue;
            }
            base = base.max(own);
            let first = nodes.len();
            nodes.extend_from_slice(&items);
            let positions: Vec<f64> = (first..nodes.len()).map(|i| i as f64).collect();
            numbered.push(match (shape.is_empty(), positions.first()) {
                (true, Some(x)) => Value::Real(*x),
                _ => Value::array(Array::new(shape, Elements::Real(positions)).ok_or(IRREGULAR)?),
            });
        }
        let moved = builtin.evaluate(&numbered).map_err(|_| IRREGULAR)?;
        let items: Option<Vec<Node>> = moved.to_f64s().into_iter().map(|i| nodes.get(i as usize).copied()).collect();
        self.whole(base, moved.shape().to_vec(), items.ok_or(IRREGULAR)?, true).map(Some)
    }

    /// Anything else, as a block.
    fn block_call(&mut self, builtin: Builtin, arguments: &[Symbol]) -> Lowered<Symbol> {
        let mut inputs = Vec::new();
        let mut lowered = Vec::with_capacity(arguments.len());
        let mut examples = Vec::with_capacity(arguments.len());
        for argument in arguments {
            if let Some(value) = known_value(argument) {
                examples.push(value.clone());
                lowered.push(BlockArgument::Known(value));
                continue;
            }
            let (base, shape, items) = argument.parts(&mut self.context.graph)?;
            if base != Base::Real {
                if items.iter().any(|i| self.context.depends_on_opaque(*i)) {
                    return Err(NotCompiled::Hold(self.context.opaque_behind(&items)));
                }
                return Err(NotCompiled::Unsupported("a function of integers that depend on real latents"));
            }
            examples.push(example(&shape)?);
            lowered.push(BlockArgument::Inputs(shape));
            inputs.extend_from_slice(&items);
        }
        // The shape of the result, from arguments of the same shapes for which every function is defined.
        let result = builtin
            .evaluate(&examples)
            .map_err(|_| NotCompiled::Unsupported("a function whose result has no known shape"))?;
        if result.data_type().is_none_or(|t| t.base != Base::Real) {
            return Err(NotCompiled::Unsupported("a function from reals to integers"));
        }
        let shape = result.shape().to_vec();
        self.blocked(BlockKind::Builtin { builtin, arguments: lowered }, inputs, shape)
    }
}

/// A value of this shape: 1, or an array whose square matrices are positive definite.
fn example(shape: &[usize]) -> Lowered<Value> {
    if shape.is_empty() {
        return Ok(Value::Real(1.0));
    }
    let n = shape.iter().product();
    let mut elements = vec![0.0; n];
    let columns = shape.last().copied().unwrap_or(1);
    if shape.len() == 1 {
        elements.fill(1.0);
    } else {
        for (row, chunk) in elements.chunks_mut(columns.max(1)).enumerate() {
            if let Some(diagonal) = chunk.get_mut(row) {
                *diagonal = 1.0;
            }
        }
    }
    Array::new(shape.to_vec(), Elements::Real(elements)).map(Value::array).ok_or(IRREGULAR)
}

fn known_value(symbol: &Symbol) -> Option<Value> {
    match symbol {
        Symbol::Known { value, .. } => Some(value.clone()),
        Symbol::Record { returned: Some(inner), .. } => known_value(inner),
        Symbol::Nodes { .. } | Symbol::Record { returned: None, .. } => None,
    }
}
