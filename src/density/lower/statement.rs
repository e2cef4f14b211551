//! Statements.

use super::symbol::Scope;
use super::transform::constrain;
use super::valid::Range;
use super::{Computed, Guard, Latent, Lowered, Lowering, MAX_DEPTH, MAX_ITERATIONS, NotCompiled, Symbol};
use crate::check::core::{
    self, Annotation, Block, DistributionKind, Expr, Let, ModelId, Random, Size, Stmt, StmtKind, Target, Type,
    VariableKind,
};
use crate::density::block::PointShape;
use crate::density::compile::Window;
use crate::density::compiled::{Edge, Side};
use crate::density::graph::Node;
use crate::density::law::Law;
use crate::dist::Support;
use crate::runtime::{Indices, Known, VariableId};
use crate::span::Span;
use crate::syntax::ast::{BinaryOp, Role, UnaryOp};
use crate::value::{Base, DataType, Value};

/// Values of a discrete variable up to which paths hold all.
const MANY_VALUES: i64 = 256;

impl<'p> Lowering<'_, 'p> {
    pub(super) fn block(&mut self, scope: &mut Scope, block: &'p Block) -> Lowered<Option<Symbol>> {
        stacker::maybe_grow(1 << 18, 1 << 21, || {
            for stmt in &block.statements {
                if let Some(returned) = self.statement(scope, stmt)? {
                    return Ok(Some(returned));
                }
            }
            Ok(None)
        })
    }

    fn statement(&mut self, scope: &mut Scope, stmt: &'p Stmt) -> Lowered<Option<Symbol>> {
        match &stmt.kind {
            StmtKind::Random(random) => self.random(scope, random, stmt.span)?,
            StmtKind::Let(line) => self.deterministic(scope, line)?,
            StmtKind::If { condition, then, otherwise } => {
                let (holds, masked) = self.decide(scope, condition)?;
                let outer = self.control;
                self.control |= masked;
                self.branched |= masked;
                if let Some(returned) = self.block(scope, if holds { then } else { otherwise })? {
                    return Ok(Some(returned));
                }
                // Had the other side returned, the rest would not be reached.
                self.control = outer || (masked && (then.returns() || otherwise.returns()));
            }
            StmtKind::For { plate: _, index, lower, upper, body } => {
                let (lower, masked_lower) = self.integer(scope, lower)?;
                let (upper, masked_upper) = self.integer(scope, upper)?;
                let masked = masked_lower || masked_upper;
                let outer = self.control;
                self.control |= masked;
                self.branched |= masked;
                for i in lower..upper {
                    self.iteration()?;
                    scope.set(*index, Symbol::Known { value: Value::Int(i), masked });
                    if let Some(returned) = self.block(scope, body)? {
                        return Ok(Some(returned));
                    }
                }
                self.control = outer;
            }
            StmtKind::Factor(expr) => {
                let symbol = self.expr(scope, expr)?;
                let node = self.scalar(&symbol)?;
                self.path.observed = true;
                self.know(node)?;
            }
            StmtKind::Return(expr) => {
                let symbol = self.expr(scope, expr)?;
                return Ok(Some(symbol.with_mask(self.control)));
            }
            StmtKind::Print(_) | StmtKind::Evaluate(_) => return Err(NotCompiled::Unsupported("a script's statement")),
        }
        Ok(None)
    }

    /// Adds the log density of something known.
    fn know(&mut self, node: Node) -> Lowered<()> {
        match self.context.graph.value(node) {
            Some(x) if x == f64::NEG_INFINITY || x.is_nan() => Err(NotCompiled::Impossible),
            Some(0.0) => Ok(()),
            _ => {
                self.path.known.push(node);
                Ok(())
            }
        }
    }

    /// Whether a condition holds on this path, and whether that depends on something masked. `&&`, `||` and `!` are decided
    /// part by part, as the machine evaluates them.
    pub(super) fn decide(&mut self, scope: &mut Scope, condition: &'p Expr) -> Lowered<(bool, bool)> {
        if let core::ExprKind::Binary(op @ (BinaryOp::And | BinaryOp::Or), left, right) = &condition.kind {
            let (holds, masked) = self.decide(scope, left)?;
            if holds == (*op == BinaryOp::Or) {
                return Ok((holds, masked));
            }
            let (holds, right_masked) = self.decide(scope, right)?;
            return Ok((holds, masked || right_masked));
        }
        if let core::ExprKind::Unary(UnaryOp::Not, inner) = &condition.kind {
            let (holds, masked) = self.decide(scope, inner)?;
            return Ok((!holds, masked));
        }
        let symbol = self.expr(scope, condition)?;
        if let Symbol::Known { value, masked } = &symbol {
            let holds = value.as_condition().ok_or(NotCompiled::Unsupported("a condition without value"))?;
            return Ok((holds, *masked));
        }
        let node = self.scalar(&symbol)?;
        self.guard(node).map(|holds| (holds, true))
    }

    /// The outcome of a condition that this path holds.
    pub(super) fn guard(&mut self, condition: Node) -> Lowered<bool> {
        if self.context.depends_on_opaque(condition) {
            return Err(NotCompiled::Hold(self.context.opaque_behind(&[condition])));
        }
        if let Some(known) = self.path.guards.iter().find(|g| g.condition == condition) {
            return Ok(known.holds);
        }
        let holds = self.decisions.decide(2) == 0;
        self.path.guards.push(Guard { condition, holds });
        Ok(holds)
    }

    fn subscripts(&mut self, scope: &mut Scope, target: &'p Target) -> Lowered<Indices> {
        let mut indices = Indices::new();
        for expr in &target.subscripts {
            indices.push(self.integer(scope, expr)?.0);
        }
        Ok(indices)
    }

    fn locate(&mut self, target: &Target, indices: &[i64]) -> (VariableId, Indices) {
        let variable = self.context.addresses.variable(self.parent, &target.path);
        let mut all = self.prefix.clone();
        all.extend_from_slice(indices);
        (variable, all)
    }

    fn store(
        &mut self,
        scope: &mut Scope,
        target: &Target,
        indices: Indices,
        symbol: Symbol,
        reported: bool,
    ) -> Lowered<()> {
        if reported {
            match &*target.path {
                [(name, _)] => scope.define(name, target.slot),
                path => {
                    let names: Vec<&str> = path.iter().map(|(n, _)| &**n).collect();
                    scope.define(&names.join(".").into(), target.slot);
                }
            }
        }
        if indices.is_empty() {
            scope.set(target.slot, symbol);
            return Ok(());
        }
        scope.fill(target.slot, indices, symbol)
    }

    /// Supplied elements that the execution came to.
    fn count_used(&mut self, variable: VariableId, value: &Value) {
        *self.used.entry(variable).or_insert(0) += value.as_array().map_or(1, |a| a.size());
    }

    /// As the machine does: an execution that does not reach all that is supplied has density zero.
    pub(super) fn check_all_used(&mut self, model: &core::Model) -> Lowered<()> {
        for name in self.context.conditions.names() {
            let own = model.variables.iter().find(|v| v.name == *name);
            let expects = own.is_none_or(|v| matches!(v.kind, VariableKind::Random(Role::Sample | Role::Observe)));
            let expected = self.context.conditions.known_elements(name);
            if !expects || expected == 0 {
                continue;
            }
            let variable = self.context.addresses.find_variable(name);
            let used = variable.and_then(|v| self.used.get(&v)).copied().unwrap_or(0);
            if used < expected {
                return Err(if self.branched {
                    NotCompiled::Impossible
                } else {
                    NotCompiled::Unsupported("data that no execution reaches")
                });
            }
        }
        Ok(())
    }

    fn random(&mut self, scope: &mut Scope, stmt: &'p Random, span: Span) -> Lowered<()> {
        let indices = self.subscripts(scope, &stmt.target)?;
        if let Some(core::Distribution { kind: DistributionKind::Model(model, arguments), .. }) = &stmt.distribution {
            return self.submodel(scope, stmt, *model, arguments, indices);
        }
        let (variable, all) = self.locate(&stmt.target, &indices);
        let name = self.context.addresses.name(variable).clone();
        let known = match self.context.conditions.lookup(&name, &all) {
            Known::Value(value) => {
                self.count_used(variable, &value);
                Some(value)
            }
            Known::Masked => None,
            Known::PartlyMasked | Known::OutOfRange { .. } => {
                return Err(NotCompiled::Unsupported("a vector that is known in part"));
            }
            Known::Absent => match &stmt.annotation {
                Some(Annotation::Value(expr)) => match self.expr(scope, expr)? {
                    Symbol::Known { value, masked: false } => Some(value),
                    Symbol::Known { masked: true, .. } | Symbol::Nodes { .. } | Symbol::Record { .. } => {
                        return Err(NotCompiled::Unsupported("an annotation that reads something masked"));
                    }
                },
                Some(Annotation::Mask) => None,
                None if stmt.role == Role::Sample => None,
                None => return Err(NotCompiled::Unsupported("a missing value")),
            },
        };
        let Some(distribution) = &stmt.distribution else {
            let value = known.ok_or(NotCompiled::Unsupported("a missing value"))?;
            return self.store(scope, &stmt.target, indices, Symbol::known(value), true);
        };
        let symbol = match known {
            Some(value) => {
                let symbol = Symbol::known(value.clone());
                // A given outside the density may be of any distribution.
                if stmt.role != Role::Given || self.control || self.reads_masked(scope, distribution)? {
                    let (law, _) = self.law(scope, distribution)?;
                    self.path.observed = true;
                    let node = self.log_density_at(&law, &symbol)?;
                    self.know(node)?;
                }
                if !all.is_empty() {
                    self.path.given.push((variable, all, value));
                }
                symbol
            }
            None => {
                let (law, _) = self.law(scope, distribution)?;
                let simulate = match &stmt.simulate {
                    Some(distribution) => Some(self.law(scope, distribution)?.0),
                    None => None,
                };
                self.latent(stmt, law, simulate, (variable, all), &name, span)?
            }
        };
        self.store(scope, &stmt.target, indices, symbol, true)
    }

    /// Whether the parameters of a distribution depend on something masked.
    fn reads_masked(&mut self, scope: &mut Scope, distribution: &'p core::Distribution) -> Lowered<bool> {
        match &distribution.kind {
            DistributionKind::Family(..) => Ok(self.law(scope, distribution)?.1),
            DistributionKind::Model(..) | DistributionKind::Marginal(_) => {
                Err(NotCompiled::Unsupported("the posterior of a nested inference as a distribution"))
            }
        }
    }

    /// A masked variable.
    fn latent(
        &mut self,
        stmt: &Random,
        law: Law,
        simulate: Option<Law>,
        (variable, indices): (VariableId, Indices),
        name: &std::sync::Arc<str>,
        span: Span,
    ) -> Lowered<Symbol> {
        let Type::Data(ty) = stmt.ty else {
            return Err(NotCompiled::Unsupported("a random variable that is not data"));
        };
        let Some(support) = law.support(&mut self.context.graph) else {
            return Err(NotCompiled::Unsupported("a support with bounds that depend on latents"));
        };
        let zero = self.context.graph.constant(0.0);
        let mut latent = Latent {
            variable,
            indices,
            span,
            ty,
            law,
            simulate,
            support: support.clone(),
            coordinates: Vec::new(),
            value: Symbol::node(ty.base, zero),
            log_density: zero,
            log_jacobian: zero,
            opaque: None,
        };
        if let Support::Integers { lower, upper } = support {
            latent.value = self.discrete(&latent, name, (lower, upper))?;
            latent.log_density = self.log_density_at(&latent.law.clone(), &latent.value)?;
            if let Symbol::Nodes { items, .. } = &latent.value {
                latent.opaque = items.first().copied();
            }
            if self.context.graph.value(latent.log_density) == Some(f64::NEG_INFINITY) {
                return Err(NotCompiled::Impossible);
            }
        } else {
            let z = self.coordinates(&mut latent);
            let (x, log_jacobian) = constrain(&mut self.context.graph, &support, &z);
            let scalar = ty.rank == 0;
            if let (true, [x], [coordinate]) = (scalar, &x[..], &latent.coordinates[..]) {
                self.context.constrained.insert(*x, (*coordinate, support.clone()));
            }
            latent.log_jacobian = log_jacobian;
            if matches!(support, Support::Simplex(_)) {
                self.context.simplexes.insert(x.clone());
            }
            latent.log_density = match self.in_order(&latent.law, &x) {
                Some(log_density) => log_density,
                None => {
                    let point = if scalar { PointShape::Scalar } else { PointShape::Vector };
                    self.log_density(&latent.law, &x, point)
                }
            };
            let shape = if scalar { Vec::new() } else { vec![x.len()] };
            latent.value = Symbol::Nodes { base: Base::Real, shape, items: x.into() };
        }
        let value = latent.value.clone();
        self.path.latents.push(latent);
        Ok(value)
    }

    fn coordinates(&mut self, latent: &mut Latent) -> Vec<Node> {
        let support = &latent.support;
        let n = match support {
            Support::Simplex(n) => n.saturating_sub(1),
            Support::Vector(n) | Support::Ordered { n, .. } => *n,
            Support::Real | Support::LowerBounded(_) | Support::UpperBounded(_) | Support::Interval(..) => 1,
            Support::Integers { .. } => 0,
        };
        (0..n)
            .map(|element| {
                let key = (latent.variable, latent.indices.clone(), element);
                let next = self.context.graph.coordinates;
                let index = *self.context.coordinates.entry(key).or_insert(next);
                latent.coordinates.push(index);
                self.context.graph.coordinate(index)
            })
            .collect()
    }

    /// The value of a masked discrete variable: what the path holds, or something without coordinate.
    fn discrete(
        &mut self,
        latent: &Latent,
        name: &std::sync::Arc<str>,
        (lower, upper): (i64, Option<i64>),
    ) -> Lowered<Symbol> {
        let base = latent.ty.base;
        if !self.context.held.contains(name) {
            let node = self.context.graph.fresh();
            self.context.opaque.insert(node, name.clone());
            self.context.ranges.insert(node, Some(Range::integers(lower, upper)));
            return Ok(Symbol::node(base, node));
        }
        if latent.ty != DataType::scalar(base) || latent.law.has_varying_size(&self.context.graph) {
            return Err(NotCompiled::Unsupported("a discrete variable with values that depend on others"));
        }
        let Window { first, last } = match upper {
            Some(upper) if upper.saturating_sub(lower) < MANY_VALUES => Window { first: lower, last: upper },
            Some(_) | None => match self.context.windows.get(name) {
                Some(window) => {
                    let last = upper.map_or(window.last, |upper| upper.min(window.last));
                    Window { first: lower.max(window.first), last }
                }
                None => return Err(NotCompiled::ManyValues { name: name.clone(), span: latent.span }),
            },
        };
        let options = usize::try_from(last.saturating_sub(first).saturating_add(1)).unwrap_or(0);
        if options == 0 {
            return Err(NotCompiled::Impossible);
        }
        if options > super::super::compile::MAX_PATHS {
            return Err(NotCompiled::TooManyPaths);
        }
        let value = first + self.decisions.decide(options) as i64;
        let ends =
            [(Side::Below, value == first && first > lower), (Side::Above, value == last && upper != Some(last))];
        let edge = |(side, _)| Edge { variable: name.clone(), value, side };
        self.path.edges.extend(ends.into_iter().filter(|(_, cut)| *cut).map(edge));
        Ok(Symbol::Known { value: Value::scalar(base, value as f64), masked: true })
    }

    fn submodel(
        &mut self,
        scope: &mut Scope,
        stmt: &'p Random,
        model: ModelId,
        arguments: &'p [Expr],
        indices: Indices,
    ) -> Lowered<()> {
        let arguments: Lowered<Vec<Symbol>> = arguments.iter().map(|e| self.expr(scope, e)).collect();
        let (variable, all) = self.locate(&stmt.target, &indices);
        let inner_model = self.context.runtime.program.model(model);
        let mut inner = Scope::new(inner_model.frame.len());
        self.descend()?;
        self.bind_parameters(&mut inner, &inner_model.parameters, &arguments?)?;
        let parent = self.parent.replace(variable);
        let prefix = std::mem::replace(&mut self.prefix, all);
        let control = self.control;
        let returned = self.block(&mut inner, &inner_model.body)?;
        self.control = control;
        self.parent = parent;
        self.prefix = prefix;
        self.depth -= 1;
        let fields = inner.into_fields(&mut self.context.graph);
        let record = Symbol::Record { returned: returned.map(Box::new), fields };
        self.store(scope, &stmt.target, indices, record, true)
    }

    fn deterministic(&mut self, scope: &mut Scope, line: &'p Let) -> Lowered<()> {
        let indices = self.subscripts(scope, &line.target)?;
        let mut symbol = self.expr(scope, &line.value)?.with_mask(self.control);
        if line.reported || line.condition {
            let (variable, all) = self.locate(&line.target, &indices);
            let name = self.context.addresses.name(variable).clone();
            let supplied = match self.context.conditions.lookup(&name, &all) {
                Known::Value(supplied) => {
                    self.count_used(variable, &supplied);
                    Some(Symbol::known(supplied))
                }
                Known::Masked | Known::PartlyMasked => None,
                Known::OutOfRange { .. } => return Err(NotCompiled::Unsupported("data of another size")),
                Known::Absent => match &line.annotation {
                    Some(Annotation::Value(expr)) => Some(self.expr(scope, expr)?),
                    Some(Annotation::Mask) | None => None,
                },
            };
            if let Some(supplied) = supplied {
                if line.condition {
                    self.path.observed = true;
                    self.hard_condition(&symbol, &supplied)?;
                    symbol = supplied;
                } else if symbol.masked() {
                    return Err(NotCompiled::Unsupported("a value for a line that depends on something masked"));
                }
            }
            if symbol.masked() {
                self.path.computed.push(Computed { variable, indices: all, value: symbol.clone() });
            }
        }
        self.store(scope, &line.target, indices, symbol, line.reported || line.condition)
    }

    /// The computed value equals the supplied one.
    fn hard_condition(&mut self, computed: &Symbol, supplied: &Symbol) -> Lowered<()> {
        let (_, shape, left) = computed.parts(&mut self.context.graph)?;
        let (_, supplied_shape, right) = supplied.parts(&mut self.context.graph)?;
        if shape != supplied_shape {
            return Err(NotCompiled::Impossible);
        }
        for (left, right) in left.iter().zip(right.iter()) {
            let equal = self.context.graph.binary(BinaryOp::Equal, *left, *right);
            match self.context.graph.value(equal) {
                Some(1.0) => {}
                Some(_) => return Err(NotCompiled::Impossible),
                None if self.context.depends_on_opaque(equal) => {
                    return Err(NotCompiled::Hold(self.context.opaque_behind(&[equal])));
                }
                None => self.path.guards.push(Guard { condition: equal, holds: true }),
            }
        }
        Ok(())
    }

    pub(super) fn bind_parameters(
        &mut self,
        scope: &mut Scope,
        parameters: &'p [core::Parameter],
        arguments: &[Symbol],
    ) -> Lowered<()> {
        for (parameter, argument) in parameters.iter().zip(arguments) {
            scope.set(parameter.slot, argument.clone());
        }
        for (parameter, argument) in parameters.iter().zip(arguments) {
            if parameter.sizes.is_empty() {
                continue;
            }
            let (_, shape, _) = argument.parts(&mut self.context.graph)?;
            for (size, found) in parameter.sizes.iter().zip(shape) {
                match size {
                    Size::Bind(slot) => scope.set(*slot, Symbol::known(Value::Int(found as i64))),
                    Size::Equal(expr) => {
                        if self.integer(scope, expr)?.0 != found as i64 {
                            return Err(NotCompiled::Unsupported("an array of another size than declared"));
                        }
                    }
                }
            }
        }
        Ok(())
    }

    pub(super) fn iteration(&mut self) -> Lowered<()> {
        self.iterations += 1;
        if self.iterations > MAX_ITERATIONS || self.context.graph.len() > super::MAX_NODES {
            return Err(NotCompiled::Unsupported("more operations than a compiled density may have"));
        }
        Ok(())
    }

    pub(super) fn descend(&mut self) -> Lowered<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH { Err(NotCompiled::TooManyPaths) } else { Ok(()) }
    }
}
