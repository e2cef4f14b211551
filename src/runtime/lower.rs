//! Lowering a core program to columns: one symbolic execution, in which what is known is a value and what is drawn is a
//! register.
//!
//! Loops with known bounds are unrolled, calls are inlined, an `if` expression on a register selects. Whatever cannot be
//! lowered ([`NotColumnar`]) is left to the machine, which also reports all mistakes: lowering never fails for the user.

use std::collections::BTreeMap;

use super::columnar::{Arithmetic, Operand, Operation, Plan};
use super::conditions::{Conditions, Known};
use super::simulate::ColumnVariable;
use super::symbol::{Lowered, NotColumnar, Place, Scope, Symbol, gather, parts, stack, whole};
use super::{Addresses, Indices, Path, VariableId};
use crate::builtin::{self, Builtin};
use crate::check::core::{
    self, Annotation, Argument, Block, DistributionKind, Expr, ExprKind, Let, Model, ModelId, Program, Random, Size,
    Stmt, StmtKind, Subscript, Target, Type,
};
use crate::syntax::ast::{BinaryOp, Role, UnaryOp};
use crate::value::{Base, DataType, Value};

/// Operations of one plan: beyond, columns no longer fit a cache and the machine is as good.
const MAX_OPERATIONS: usize = 16_384;

/// Calls nested in each other.
const MAX_DEPTH: usize = 64;

/// What a lowered program gives.
pub(super) struct LoweredProgram {
    pub plan: Plan,
    pub variables: Vec<ColumnVariable>,
    /// One an element of a variable, in order.
    pub outputs: Vec<Operand>,
}

/// Lowers `model` for simulation under `conditions`.
pub(super) fn lower(program: &Program, model: ModelId, conditions: &Conditions) -> Lowered<LoweredProgram> {
    let mut lowering = Lowering {
        program,
        conditions,
        plan: Plan::default(),
        addresses: Addresses::default(),
        outputs: Vec::new(),
        parent: None,
        prefix: Indices::new(),
        depth: 0,
    };
    let entry = program.model(model);
    let mut scope = Scope::new(entry.frame.len());
    let mut arguments = Vec::new();
    for parameter in &entry.parameters {
        match conditions.lookup(&parameter.name, &[]) {
            Known::Value(value) => arguments.push(Symbol::Known(value)),
            Known::Masked | Known::PartlyMasked | Known::Absent | Known::OutOfRange { .. } => return Err(NotColumnar),
        }
    }
    lowering.bind(&mut scope, entry, arguments)?;
    lowering.block(&mut scope, &entry.body)?;
    lowering.finish()
}

struct Lowering<'p> {
    program: &'p Program,
    conditions: &'p Conditions,
    plan: Plan,
    addresses: Addresses,
    /// Reported values in order of first definition, by variable.
    outputs: Vec<(VariableId, BTreeMap<Vec<i64>, Symbol>)>,
    parent: Option<VariableId>,
    prefix: Indices,
    depth: usize,
}

impl<'p> Lowering<'p> {
    fn bind(&mut self, scope: &mut Scope, model: &'p Model, arguments: Vec<Symbol>) -> Lowered<()> {
        self.bind_parameters(scope, &model.parameters, arguments)
    }

    fn bind_parameters(
        &mut self,
        scope: &mut Scope,
        parameters: &'p [core::Parameter],
        arguments: Vec<Symbol>,
    ) -> Lowered<()> {
        for (parameter, argument) in parameters.iter().zip(&arguments) {
            scope.set(parameter.slot, argument.clone());
        }
        for (parameter, argument) in parameters.iter().zip(&arguments) {
            if parameter.sizes.is_empty() {
                continue;
            }
            let (_, shape, _) = parts(argument)?;
            for (size, found) in parameter.sizes.iter().zip(shape) {
                match size {
                    Size::Bind(slot) => scope.set(*slot, Symbol::Known(Value::Int(found as i64))),
                    Size::Equal(expr) => {
                        if self.integer(scope, expr)? != found as i64 {
                            return Err(NotColumnar);
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Declared sizes must be met; the machine reports where they are not.
    fn check_sizes(&mut self, scope: &mut Scope, sizes: &'p [Expr], symbol: &Symbol) -> Lowered<()> {
        if sizes.is_empty() {
            return Ok(());
        }
        let (_, shape, _) = parts(symbol)?;
        for (size, found) in sizes.iter().zip(shape) {
            if self.integer(scope, size)? != found as i64 {
                return Err(NotColumnar);
            }
        }
        Ok(())
    }

    fn block(&mut self, scope: &mut Scope, block: &'p Block) -> Lowered<Option<Symbol>> {
        for stmt in &block.statements {
            if let Some(returned) = self.statement(scope, stmt)? {
                return Ok(Some(returned));
            }
        }
        Ok(None)
    }

    fn statement(&mut self, scope: &mut Scope, stmt: &'p Stmt) -> Lowered<Option<Symbol>> {
        match &stmt.kind {
            StmtKind::Random(random) => self.random(scope, random)?,
            StmtKind::Let(line) => self.deterministic(scope, line)?,
            StmtKind::If { condition, then, otherwise } => {
                let holds = match self.expr(scope, condition)? {
                    Symbol::Known(value) => value.as_condition().ok_or(NotColumnar)?,
                    Symbol::Lane { .. } | Symbol::Array { .. } | Symbol::Record { .. } => return Err(NotColumnar),
                };
                return self.block(scope, if holds { then } else { otherwise });
            }
            StmtKind::For { plate: _, index, lower, upper, body } => {
                let (lower, upper) = (self.integer(scope, lower)?, self.integer(scope, upper)?);
                if upper.saturating_sub(lower) > MAX_OPERATIONS as i64 {
                    return Err(NotColumnar);
                }
                for i in lower..upper {
                    scope.set(*index, Symbol::Known(Value::Int(i)));
                    if let Some(returned) = self.block(scope, body)? {
                        return Ok(Some(returned));
                    }
                }
            }
            StmtKind::Return(expr) => return Ok(Some(self.expr(scope, expr)?)),
            StmtKind::Factor(_) | StmtKind::Print(_) | StmtKind::Evaluate(_) => return Err(NotColumnar),
        }
        Ok(None)
    }

    fn subscripts(&mut self, scope: &mut Scope, target: &'p Target) -> Lowered<Vec<i64>> {
        let indices: Lowered<Vec<i64>> = target.subscripts.iter().map(|e| self.integer(scope, e)).collect();
        indices.and_then(|all| if all.iter().any(|i| *i < 0) { Err(NotColumnar) } else { Ok(all) })
    }

    fn located(&mut self, path: &Path, indices: &[i64]) -> (VariableId, Vec<i64>) {
        let variable = self.addresses.variable(self.parent, path);
        (variable, self.prefix.iter().chain(indices).copied().collect())
    }

    fn report(&mut self, variable: VariableId, at: Vec<i64>, symbol: Symbol) {
        match self.outputs.iter_mut().find(|(v, _)| *v == variable) {
            Some((_, cells)) => {
                cells.insert(at, symbol);
            }
            None => self.outputs.push((variable, BTreeMap::from([(at, symbol)]))),
        }
    }

    fn store(&mut self, scope: &mut Scope, target: &Target, indices: Vec<i64>, symbol: Symbol) -> Lowered<()> {
        if let [(name, _)] = &*target.path
            && !scope.defined.iter().any(|(_, s)| *s == target.slot)
        {
            scope.defined.push((name.clone(), target.slot));
        }
        let place = scope.slots.get_mut(target.slot.0).ok_or(NotColumnar)?;
        if indices.is_empty() {
            *place = Place::Whole(symbol);
            return Ok(());
        }
        if !matches!(place, Place::Filling(_)) {
            *place = Place::Filling(BTreeMap::new());
        }
        match place {
            // A second value for one element: the machine reports it.
            Place::Filling(cells) => cells.insert(indices, symbol).map_or(Ok(()), |_| Err(NotColumnar)),
            Place::Empty | Place::Whole(_) => Err(NotColumnar),
        }
    }

    fn random(&mut self, scope: &mut Scope, stmt: &'p Random) -> Lowered<()> {
        let indices = self.subscripts(scope, &stmt.target)?;
        if let Some(core::Distribution { kind: DistributionKind::Model(model, arguments), .. }) = &stmt.distribution {
            return self.submodel(scope, stmt, *model, arguments, indices);
        }
        if !stmt.sizes.is_empty() && stmt.distribution.is_some() {
            return Err(NotColumnar);
        }
        let (variable, at) = self.located(&stmt.target.path, &indices);
        let known = if stmt.role == Role::Observe && stmt.distribution.is_some() {
            None
        } else {
            match self.conditions.lookup(self.addresses.name(variable), &at) {
                Known::Value(value) => Some(Symbol::Known(value)),
                Known::Masked => None,
                Known::PartlyMasked | Known::OutOfRange { .. } => return Err(NotColumnar),
                Known::Absent => match &stmt.annotation {
                    Some(Annotation::Value(expr)) => Some(self.expr(scope, expr)?),
                    Some(Annotation::Mask) | None => None,
                },
            }
        };
        if let Some(symbol) = &known {
            self.check_sizes(scope, &stmt.sizes, symbol)?;
        }
        let symbol = match known {
            Some(symbol) => symbol,
            None => self.draw(scope, stmt)?,
        };
        self.report(variable, at, symbol.clone());
        self.store(scope, &stmt.target, indices, symbol)
    }

    fn draw(&mut self, scope: &mut Scope, stmt: &'p Random) -> Lowered<Symbol> {
        let distribution = stmt.simulate.as_ref().or(stmt.distribution.as_ref()).ok_or(NotColumnar)?;
        let DistributionKind::Family(family, arguments) = &distribution.kind else { return Err(NotColumnar) };
        let Type::Data(DataType { base, rank: 0 }) = stmt.ty else { return Err(NotColumnar) };
        if !family.has_scalar_form() || !family.info().proper {
            return Err(NotColumnar);
        }
        let mut parameters = Vec::with_capacity(arguments.len());
        for argument in arguments {
            let Argument::Value(expr) = argument else { return Err(NotColumnar) };
            let symbol = self.expr(scope, expr)?;
            parameters.push(self.scalar(&symbol)?);
        }
        let out = self.register()?;
        self.plan.operations.push(Operation::Draw { family: *family, parameters, out, span: distribution.span });
        Ok(Symbol::Lane { register: out, base })
    }

    fn submodel(
        &mut self,
        scope: &mut Scope,
        stmt: &'p Random,
        model: ModelId,
        arguments: &'p [Expr],
        indices: Vec<i64>,
    ) -> Lowered<()> {
        let arguments: Lowered<Vec<Symbol>> = arguments.iter().map(|e| self.expr(scope, e)).collect();
        let (variable, at) = self.located(&stmt.target.path, &indices);
        let inner_model = self.program.model(model);
        let mut inner = Scope::new(inner_model.frame.len());
        self.descend()?;
        self.bind(&mut inner, inner_model, arguments?)?;
        let parent = self.parent.replace(variable);
        let prefix = std::mem::replace(&mut self.prefix, Indices::from_slice(&at));
        let returned = self.block(&mut inner, &inner_model.body)?;
        self.parent = parent;
        self.prefix = prefix;
        self.depth -= 1;
        let mut fields = Vec::new();
        for (name, slot) in std::mem::take(&mut inner.defined) {
            fields.push((name, inner.read(slot)?));
        }
        let record = Symbol::Record { returned: returned.map(Box::new), fields };
        self.store(scope, &stmt.target, indices, record)
    }

    fn deterministic(&mut self, scope: &mut Scope, line: &'p Let) -> Lowered<()> {
        let indices = self.subscripts(scope, &line.target)?;
        let symbol = self.expr(scope, &line.value)?;
        self.check_sizes(scope, &line.sizes, &symbol)?;
        if line.reported || line.condition {
            let (variable, at) = self.located(&line.target.path, &indices);
            if parts(&symbol).is_ok() {
                self.report(variable, at, symbol.clone());
            }
        }
        self.store(scope, &line.target, indices, symbol)
    }

    fn descend(&mut self) -> Lowered<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH { Err(NotColumnar) } else { Ok(()) }
    }

    fn register(&mut self) -> Lowered<usize> {
        if self.plan.operations.len() >= MAX_OPERATIONS {
            return Err(NotColumnar);
        }
        self.plan.registers += 1;
        Ok(self.plan.registers - 1)
    }

    fn scalar(&self, symbol: &Symbol) -> Lowered<Operand> {
        match &parts(symbol)? {
            (_, shape, items) if shape.is_empty() => items.first().copied().ok_or(NotColumnar),
            _ => Err(NotColumnar),
        }
    }

    fn integer(&mut self, scope: &mut Scope, expr: &'p Expr) -> Lowered<i64> {
        match self.expr(scope, expr)? {
            Symbol::Known(value) => value.as_int().ok_or(NotColumnar),
            Symbol::Lane { .. } | Symbol::Array { .. } | Symbol::Record { .. } => Err(NotColumnar),
        }
    }

    fn expr(&mut self, scope: &mut Scope, expr: &'p Expr) -> Lowered<Symbol> {
        match &expr.kind {
            ExprKind::Constant(value) => Ok(Symbol::Known(value.clone())),
            ExprKind::Slot(slot) => scope.read(*slot),
            ExprKind::Unary(op, operand) => {
                let operand = self.expr(scope, operand)?;
                if let Symbol::Known(value) = &operand {
                    return builtin::unary(*op, value).map(Symbol::Known).map_err(|_| NotColumnar);
                }
                let (base, _, _) = parts(&operand)?;
                match op {
                    UnaryOp::Negate => self.map(&operand, base, |x| -x),
                    UnaryOp::Not => self.map(&operand, Base::Bool, |x| f64::from(u8::from(x == 0.0))),
                }
            }
            ExprKind::Binary(op, left, right) => {
                let left = self.expr(scope, left)?;
                let right = self.expr(scope, right)?;
                self.binary(*op, &left, &right)
            }
            ExprKind::ToReal(inner) => match self.expr(scope, inner)? {
                Symbol::Known(value) => Ok(Symbol::Known(value.promote(Base::Real))),
                other @ (Symbol::Lane { .. } | Symbol::Array { .. } | Symbol::Record { .. }) => {
                    let (_, shape, items) = parts(&other)?;
                    whole(Base::Real, shape, items)
                }
            },
            ExprKind::Returned(inner) => {
                let (base, shape, items) = parts(&self.expr(scope, inner)?)?;
                whole(base, shape, items)
            }
            ExprKind::If(condition, then, otherwise) => self.select(scope, condition, then, otherwise),
            ExprKind::Index(base, subscripts) => self.index(scope, base, subscripts),
            ExprKind::Field(base, name) => match self.expr(scope, base)? {
                Symbol::Record { fields, .. } => {
                    fields.into_iter().find(|(n, _)| n == name).map(|(_, s)| s).ok_or(NotColumnar)
                }
                Symbol::Known(_) | Symbol::Lane { .. } | Symbol::Array { .. } => Err(NotColumnar),
            },
            ExprKind::Builtin(builtin, arguments) => {
                let arguments: Lowered<Vec<Symbol>> = arguments.iter().map(|e| self.expr(scope, e)).collect();
                self.builtin(*builtin, &arguments?, expr)
            }
            ExprKind::Call(function, arguments) => {
                let arguments: Lowered<Vec<Symbol>> = arguments.iter().map(|e| self.expr(scope, e)).collect();
                let function = self.program.function(*function);
                let body = function.body.as_ref().ok_or(NotColumnar)?;
                self.descend()?;
                let mut inner = Scope::new(function.frame.len());
                self.bind_parameters(&mut inner, &function.parameters, arguments?)?;
                let returned = self.block(&mut inner, body)?;
                self.depth -= 1;
                let returned = returned.ok_or(NotColumnar)?;
                self.check_sizes(&mut inner, &function.return_sizes, &returned)?;
                Ok(returned)
            }
            ExprKind::Array(elements) => {
                let rows: Lowered<Vec<Symbol>> = elements.iter().map(|e| self.expr(scope, e)).collect();
                stack(rows?)
            }
            ExprKind::Comprehension { index, lower, upper, body } => {
                let (lower, upper) = (self.integer(scope, lower)?, self.integer(scope, upper)?);
                if upper.saturating_sub(lower) > MAX_OPERATIONS as i64 {
                    return Err(NotColumnar);
                }
                let mut rows = Vec::new();
                for i in lower..upper {
                    scope.set(*index, Symbol::Known(Value::Int(i)));
                    rows.push(self.expr(scope, body)?);
                }
                stack(rows)
            }
            ExprKind::PosteriorField(..) | ExprKind::Summary(..) | ExprKind::LogDensity(..) | ExprKind::Infer(_) => {
                Err(NotColumnar)
            }
        }
    }

    fn index(&mut self, scope: &mut Scope, base: &'p Expr, subscripts: &'p [Subscript]) -> Lowered<Symbol> {
        let mut at = Vec::with_capacity(subscripts.len());
        for subscript in subscripts {
            let Subscript::Index(expr) = subscript else { return Err(NotColumnar) };
            at.push(self.integer(scope, expr)?);
        }
        if let ExprKind::Slot(slot) = &base.kind
            && let Some(Place::Filling(cells)) = scope.slots.get(slot.0)
            && let Some(found) = cells.get(&at)
        {
            return Ok(found.clone());
        }
        let mut symbol = self.expr(scope, base)?;
        for i in at {
            let i = usize::try_from(i).map_err(|_| NotColumnar)?;
            symbol = match symbol {
                Symbol::Known(value) => Symbol::Known(value.as_array().and_then(|a| a.get(i)).ok_or(NotColumnar)?),
                Symbol::Array { base, shape, items } => {
                    let (size, rest) = shape.split_first().ok_or(NotColumnar)?;
                    if i >= *size {
                        return Err(NotColumnar);
                    }
                    let width: usize = rest.iter().product();
                    whole(base, rest.to_vec(), items.get(i * width..(i + 1) * width).ok_or(NotColumnar)?.to_vec())?
                }
                Symbol::Lane { .. } | Symbol::Record { .. } => return Err(NotColumnar),
            };
        }
        Ok(symbol)
    }

    /// `if` on a register: both sides are evaluated, which is harmless as nothing that is lowered can fail.
    fn select(
        &mut self,
        scope: &mut Scope,
        condition: &'p Expr,
        then: &'p Expr,
        otherwise: &'p Expr,
    ) -> Lowered<Symbol> {
        let condition = match self.expr(scope, condition)? {
            Symbol::Known(value) => {
                let holds = value.as_condition().ok_or(NotColumnar)?;
                return self.expr(scope, if holds { then } else { otherwise });
            }
            Symbol::Lane { register, .. } => register,
            Symbol::Array { .. } | Symbol::Record { .. } => return Err(NotColumnar),
        };
        let (base, shape, then) = parts(&self.expr(scope, then)?)?;
        let (other_base, other_shape, otherwise) = parts(&self.expr(scope, otherwise)?)?;
        if shape != other_shape {
            return Err(NotColumnar);
        }
        let mut items = Vec::with_capacity(then.len());
        for (then, otherwise) in then.into_iter().zip(otherwise) {
            let out = self.register()?;
            self.plan.operations.push(Operation::Select { condition, then, otherwise, out });
            items.push(Operand::Register(out));
        }
        whole(base.max(other_base), shape, items)
    }

    fn map(&mut self, operand: &Symbol, base: Base, function: fn(f64) -> f64) -> Lowered<Symbol> {
        let (_, shape, items) = parts(operand)?;
        let mut mapped = Vec::with_capacity(items.len());
        for item in items {
            mapped.push(match item {
                Operand::Constant(x) => Operand::Constant(function(x)),
                Operand::Register(operand) => {
                    let out = self.register()?;
                    self.plan.operations.push(Operation::Map { function, operand, out });
                    Operand::Register(out)
                }
            });
        }
        whole(base, shape, mapped)
    }

    /// Applies `operation` to the scalars of both sides; a scalar side goes with every element of the other.
    fn zip(
        &mut self,
        left: &Symbol,
        right: &Symbol,
        base: Base,
        operation: impl Fn(Operand, Operand, usize) -> Operation,
    ) -> Lowered<Symbol> {
        let (_, left_shape, left) = parts(left)?;
        let (_, right_shape, right) = parts(right)?;
        let shape = match (left_shape.is_empty(), right_shape.is_empty()) {
            (true, _) => right_shape,
            (_, true) => left_shape,
            _ if left_shape == right_shape => left_shape,
            _ => return Err(NotColumnar),
        };
        let size = shape.iter().product();
        let mut items = Vec::with_capacity(size);
        for i in 0..size {
            let left = left.get(if left.len() == 1 { 0 } else { i }).ok_or(NotColumnar)?;
            let right = right.get(if right.len() == 1 { 0 } else { i }).ok_or(NotColumnar)?;
            let out = self.register()?;
            self.plan.operations.push(operation(*left, *right, out));
            items.push(Operand::Register(out));
        }
        whole(base, shape, items)
    }

    fn binary(&mut self, op: BinaryOp, left: &Symbol, right: &Symbol) -> Lowered<Symbol> {
        if let (Symbol::Known(left), Symbol::Known(right)) = (left, right) {
            return builtin::binary(op, left, right).map(Symbol::Known).map_err(|_| NotColumnar);
        }
        let ints = parts(left)?.0 == Base::Int && parts(right)?.0 == Base::Int;
        let number = if ints { Base::Int } else { Base::Real };
        let arithmetic = |operator| move |left, right, out| Operation::Arithmetic { operator, left, right, out };
        let relation =
            |function: fn(f64, f64) -> f64| move |left, right, out| Operation::Zip { function, left, right, out };
        match op {
            BinaryOp::Add => self.zip(left, right, number, arithmetic(Arithmetic::Add)),
            BinaryOp::Subtract => self.zip(left, right, number, arithmetic(Arithmetic::Subtract)),
            // Integers may overflow, which is an error only the machine reports.
            BinaryOp::Multiply | BinaryOp::Remainder | BinaryOp::Power if ints => Err(NotColumnar),
            BinaryOp::Remainder => Err(NotColumnar),
            BinaryOp::Multiply => self.zip(left, right, Base::Real, arithmetic(Arithmetic::Multiply)),
            BinaryOp::Divide => self.zip(left, right, Base::Real, arithmetic(Arithmetic::Divide)),
            BinaryOp::Power => match right {
                Symbol::Known(Value::Real(x)) if *x == 2.0 => self.map(left, Base::Real, |x| x * x),
                Symbol::Known(Value::Int(2)) => self.map(left, Base::Real, |x| x * x),
                Symbol::Known(_) | Symbol::Lane { .. } | Symbol::Array { .. } | Symbol::Record { .. } => {
                    self.zip(left, right, Base::Real, relation(f64::powf))
                }
            },
            BinaryOp::And => self.zip(left, right, Base::Bool, relation(|a, b| truth(a != 0.0 && b != 0.0))),
            BinaryOp::Or => self.zip(left, right, Base::Bool, relation(|a, b| truth(a != 0.0 || b != 0.0))),
            BinaryOp::Equal => self.zip(left, right, Base::Bool, relation(|a, b| truth(a == b))),
            BinaryOp::NotEqual => self.zip(left, right, Base::Bool, relation(|a, b| truth(a != b))),
            BinaryOp::Less => self.zip(left, right, Base::Bool, relation(|a, b| truth(a < b))),
            BinaryOp::LessEqual => self.zip(left, right, Base::Bool, relation(|a, b| truth(a <= b))),
            BinaryOp::Greater => self.zip(left, right, Base::Bool, relation(|a, b| truth(a > b))),
            BinaryOp::GreaterEqual => self.zip(left, right, Base::Bool, relation(|a, b| truth(a >= b))),
        }
    }

    fn builtin(&mut self, builtin: Builtin, arguments: &[Symbol], expr: &Expr) -> Lowered<Symbol> {
        let known: Option<Vec<Value>> = arguments
            .iter()
            .map(|a| match a {
                Symbol::Known(value) => Some(value.clone()),
                Symbol::Lane { .. } | Symbol::Array { .. } | Symbol::Record { .. } => None,
            })
            .collect();
        if let Some(values) = known {
            return builtin.evaluate(&values).map(Symbol::Known).map_err(|_| NotColumnar);
        }
        let Type::Data(DataType { base: Base::Real, .. }) = expr.ty else { return Err(NotColumnar) };
        match arguments {
            [operand] => self.map(operand, Base::Real, builtin.elementwise1().ok_or(NotColumnar)?),
            [left, right] => {
                let function = builtin.elementwise2().ok_or(NotColumnar)?;
                self.zip(left, right, Base::Real, |left, right, out| Operation::Zip { function, left, right, out })
            }
            _ => Err(NotColumnar),
        }
    }

    /// The reported variables as outputs.
    fn finish(self) -> Lowered<LoweredProgram> {
        let mut variables = Vec::new();
        let mut outputs = Vec::new();
        for (variable, cells) in &self.outputs {
            let symbol = match cells.iter().next() {
                Some((at, symbol)) if at.is_empty() => symbol.clone(),
                _ => gather(cells)?,
            };
            let (base, shape, items) = parts(&symbol)?;
            variables.push(ColumnVariable {
                name: self.addresses.name(*variable).clone(),
                base,
                shape,
                first: outputs.len(),
            });
            outputs.extend(items);
        }
        Ok(LoweredProgram { plan: self.plan, variables, outputs })
    }
}

fn truth(holds: bool) -> f64 {
    f64::from(u8::from(holds))
}
