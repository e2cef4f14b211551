//! Statements, and the bodies made of them.

use super::CheckError;
use super::core::{
    self, Block, Expr, FunctionId, ModelId, Parameter, Size, SizeSource, Stmt, StmtKind, Type, Variable, VariableKind,
};
use super::expressions::integer_literal;
use super::items::Checker;
use super::scope::{Body, Loop, Place};
use super::types::{common, promote};
use crate::span::Span;
use crate::syntax::ast::{self, Role};
use crate::value::{Base, DataType};

impl<'a> Body<'_, 'a> {
    /// Checks a function. `None` where it is wrong.
    pub(super) fn function(
        checker: &mut Checker<'a>,
        module: usize,
        id: FunctionId,
        ast: &'a ast::Function,
        declared: Option<DataType>,
    ) -> Option<core::Function> {
        let mut body = Body::new(checker, module, Place::Function(id));
        let (types, _) = body.checker.function_parameters(id);
        let parameters = body.parameters(&ast.parameters, &types);
        let return_sizes = ast.returns.as_ref().map_or_else(Vec::new, |ty| body.sizes(ty));
        let (block, ends) = match &ast.body {
            Some(block) => {
                let (block, ends) = body.block(block);
                (Some(block), ends)
            }
            None => (None, true),
        };
        if !ends {
            let name = ast.name.node.to_string();
            body.report::<()>(CheckError::MissingReturn { name, span: ast.name.span });
        }
        let returns = body.unify_returns(declared);
        let block = block.map(|b| match returns {
            Some(ty) => promote_returns(b, ty),
            None => b,
        });
        let frame = std::mem::take(&mut body.frame);
        if body.failed || (ast.returns.is_some() && declared.is_none()) {
            return None;
        }
        Some(core::Function {
            name: ast.name.node.clone(),
            library: ast.library,
            parameters: parameters?,
            returns: returns?,
            return_sizes,
            frame,
            body: block,
            doc: String::new(),
            span: ast.name.span,
        })
    }

    /// Checks a model. `None` where it is wrong. Its variables are left with the checker.
    pub(super) fn model(
        checker: &mut Checker<'a>,
        module: usize,
        id: ModelId,
        ast: &'a ast::Model,
        declared: Option<DataType>,
    ) -> Option<core::Model> {
        let mut body = Body::new(checker, module, Place::Model(id));
        let (types, _) = body.checker.model_parameters(id);
        let parameters = body.parameters(&ast.parameters, &types);
        for (parameter, source) in parameters.iter().flatten().zip(&ast.parameters) {
            let ty = Type::Data(parameter.ty);
            let variable =
                Variable { name: parameter.name.clone(), kind: VariableKind::Parameter, ty, span: parameter.span };
            body.checker.add_variable(id, variable);
            body.note_declared_sizes(&parameter.name, 0, source.ty.as_ref());
        }
        if let Some(ty) = &ast.returns {
            body.sizes(ty);
        }
        let (block, ends) = body.block(&ast.body);
        let name = ast.name.node.to_string();
        let returns = body.unify_returns(declared);
        if !ends && (returns.is_some() || ast.returns.is_some() || !body.returns.is_empty()) {
            body.report::<()>(CheckError::ReturnsSometimes { name, span: ast.name.span });
        }
        let block = match returns {
            Some(ty) => promote_returns(block, ty),
            None => block,
        };
        let size_sources = body.size_sources(id);
        let frame = std::mem::take(&mut body.frame);
        if body.failed || (ast.returns.is_some() && declared.is_none()) {
            return None;
        }
        Some(core::Model {
            name: ast.name.node.clone(),
            parameters: parameters?,
            frame,
            body: block,
            returns,
            variables: Vec::new(),
            size_sources,
            doc: String::new(),
            span: ast.name.span,
        })
    }

    /// Checks the statements at top level; `None` where there are none, `Some(None)` where one is wrong.
    pub(super) fn script(
        checker: &mut Checker<'a>,
        module: usize,
        file: &'a ast::File,
    ) -> Option<Option<core::Script>> {
        let mut body = Body::new(checker, module, Place::Script);
        let mut statements = Vec::new();
        let mut any = false;
        for item in &file.items {
            let ast::ItemKind::Statement(kind) = &item.kind else { continue };
            any = true;
            let (kind, _) = body.statement(kind, item.span);
            statements.extend(kind.map(|kind| Stmt { kind, span: item.span }));
        }
        let frame = std::mem::take(&mut body.frame);
        any.then(|| (!body.failed).then_some(core::Script { frame, body: Block { statements } }))
    }

    /// All parameters are visible to each other's sizes, which are otherwise names for whatever the size is.
    fn parameters(&mut self, parameters: &[ast::Parameter], types: &[Option<DataType>]) -> Option<Vec<Parameter>> {
        let mut slots = Vec::new();
        for (parameter, ty) in parameters.iter().zip(types) {
            slots.push(self.define(&parameter.name.node, ty.map(Type::Data), false, parameter.name.span));
            self.failed |= ty.is_none();
        }
        let mut result = Vec::new();
        for ((parameter, ty), slot) in parameters.iter().zip(types).zip(slots) {
            let mut sizes = Vec::new();
            for size in parameter.ty.iter().flat_map(|ty| &ty.sizes) {
                match &size.kind {
                    ast::ExprKind::Name(name) if !self.names.contains_key(name) => {
                        let slot = self.define(name, Some(Type::Data(DataType::INT)), false, size.span);
                        sizes.extend(slot.map(Size::Bind));
                    }
                    _ => sizes.extend(self.expect(size, DataType::INT, "a size").map(Size::Equal)),
                }
            }
            let known = parameter.ty.iter().flat_map(|ty| &ty.sizes).map(integer_literal).collect();
            self.note_sizes(&parameter.name.node, known);
            let (name, span) = (parameter.name.node.clone(), parameter.name.span);
            result.push(slot.zip(*ty).map(|(slot, ty)| Parameter { name, slot, ty, sizes, span }));
        }
        result.into_iter().collect()
    }

    /// The type of all `return`s.
    fn unify_returns(&mut self, declared: Option<DataType>) -> Option<DataType> {
        if declared.is_some() {
            return declared;
        }
        let (mut ty, first) = self.returns.first().copied()?;
        for (found, span) in self.returns.clone() {
            match common(ty, found) {
                Some(both) => ty = both,
                None => {
                    let (first_type, found) = (ty.to_string(), found.to_string());
                    return self.report(CheckError::NoCommonType {
                        what: "all `return`s",
                        first_type,
                        found,
                        span,
                        first,
                    });
                }
            }
        }
        Some(ty)
    }

    /// Of the sizes that arrays show, those that are inputs.
    fn size_sources(&mut self, model: ModelId) -> Vec<SizeSource> {
        let mut result: Vec<SizeSource> = Vec::new();
        let mut seen = rustc_hash::FxHashSet::default();
        for candidate in std::mem::take(&mut self.size_candidates) {
            let is_input = self.checker.own_variable(model, &candidate.size).is_some_and(|v| {
                v.ty == Type::Data(DataType::INT)
                    && matches!(v.kind, VariableKind::Random(Role::Given) | VariableKind::Parameter)
            });
            let suppliable = self.checker.own_variable(model, &candidate.array).is_some_and(|v| match v.kind {
                VariableKind::Parameter | VariableKind::Random(_) | VariableKind::Condition => true,
                VariableKind::Deterministic | VariableKind::Submodel(_) => false,
            });
            if is_input && suppliable && seen.insert((candidate.size.clone(), candidate.array.clone(), candidate.axis))
            {
                result.push(candidate);
            }
        }
        result
    }

    /// Checks statements, and says whether they always return.
    pub(super) fn block(&mut self, block: &ast::Block) -> (Block, bool) {
        let mut statements = Vec::new();
        let mut ended = false;
        let mut told = false;
        for statement in &block.statements {
            if ended && !told {
                told = true;
                self.report::<()>(CheckError::Unreachable { span: statement.span });
            }
            let (kind, ends) = super::deep(|| self.statement(&statement.kind, statement.span));
            ended |= ends;
            statements.extend(kind.map(|kind| Stmt { kind, span: statement.span }));
        }
        (Block { statements }, ended)
    }

    fn misplaced(&mut self, statement: &'static str, span: Span, help: Option<&str>) -> Option<StmtKind> {
        let (place, help) = (self.place.name(), help.map(str::to_owned));
        self.report(CheckError::MisplacedStatement { statement, place, span, help })
    }

    /// Checks a statement, and says whether it always returns.
    fn statement(&mut self, statement: &ast::StmtKind, span: Span) -> (Option<StmtKind>, bool) {
        let kind = match statement {
            ast::StmtKind::Variable(variable) => self.variable(variable, span),
            ast::StmtKind::Let(definition) => self.let_statement(definition, span),
            ast::StmtKind::If(branch) => return self.branch(branch),
            ast::StmtKind::For(each) => self.each(each),
            ast::StmtKind::Factor(value) if self.model_id().is_some() => {
                self.expect(value, DataType::REAL, "a log density").map(StmtKind::Factor)
            }
            ast::StmtKind::Factor(_) => self.misplaced("factor", span, Some("`factor` belongs in a model")),
            ast::StmtKind::Return(value) => return (self.return_statement(value, span), true),
            ast::StmtKind::Expr(expr) => self.expression_statement(expr, span),
            ast::StmtKind::Error => {
                self.failed = true;
                None
            }
        };
        (kind, false)
    }

    fn return_statement(&mut self, value: &ast::Expr, span: Span) -> Option<StmtKind> {
        if self.place == Place::Script {
            return self.misplaced("return", span, None);
        }
        if self.loops.iter().any(|l| l.plate) {
            return self.report(CheckError::ReturnInPlate { span });
        }
        let (value, found) = self.data(value)?;
        let value = match self.declared_return() {
            Some(declared) => self.convert(value, declared, "the declared type of the result")?,
            None => value,
        };
        self.returns.push((found, value.span));
        Some(StmtKind::Return(value))
    }

    fn declared_return(&self) -> Option<DataType> {
        match self.place {
            Place::Model(id) => self.checker.declared_model(id),
            Place::Function(id) => self.checker.declared_function(id),
            Place::Script => None,
        }
    }

    fn expression_statement(&mut self, expr: &ast::Expr, span: Span) -> Option<StmtKind> {
        let ast::ExprKind::Call(name, arguments) = &expr.kind else {
            if matches!(expr.kind, ast::ExprKind::Error) {
                self.failed = true;
                return None;
            }
            return self.report(CheckError::UselessExpression { span });
        };
        let prints = &*name.node == "print" && self.checker.function_named(self.module, "print").is_none();
        match (self.place, prints) {
            (Place::Script, true) => {
                let arguments: Vec<Option<Expr>> = arguments.iter().map(|a| self.expr(a)).collect();
                arguments.into_iter().collect::<Option<_>>().map(StmtKind::Print)
            }
            (Place::Script, false) => self.expr(expr).map(StmtKind::Evaluate),
            (Place::Model(_) | Place::Function(_), true) => self.report(CheckError::MisplacedPrint { span }),
            (Place::Model(_) | Place::Function(_), false) => {
                self.expr(expr);
                self.report(CheckError::UselessExpression { span })
            }
        }
    }

    fn branch(&mut self, branch: &ast::If) -> (Option<StmtKind>, bool) {
        let condition = self.condition(&branch.condition);
        let random = condition.as_ref().is_none_or(|c| self.is_random(c));
        let outside = self.random_control;
        self.random_control |= random;
        self.branches += 1;
        let mark = self.mark();
        let (then, then_ends) = self.block(&branch.then);
        let then_names = self.end_branch(mark, then_ends);
        let (otherwise, otherwise_ends) = match &branch.otherwise {
            Some(ast::Else::Block(block)) => self.block(block),
            Some(ast::Else::If(next, span)) => {
                let (kind, ends) = super::deep(|| self.branch(next));
                let statements = kind.into_iter().map(|kind| Stmt { kind, span: *span }).collect();
                (Block { statements }, ends)
            }
            None => (Block::default(), false),
        };
        let otherwise_names = self.end_branch(mark, otherwise_ends);
        self.branches -= 1;
        self.random_control = outside;
        self.join(then_names, otherwise_names, random);
        let kind = condition.map(|condition| StmtKind::If { condition, then, otherwise });
        (kind, then_ends && otherwise_ends)
    }

    fn each(&mut self, each: &ast::For) -> Option<StmtKind> {
        if each.plate && self.model_id().is_none() {
            self.misplaced("plate", each.index.span, Some("write `for`"));
        }
        let lower = self.expect(&each.lower, DataType::INT, "the bound of a loop");
        let upper = self.expect(&each.upper, DataType::INT, "the bound of a loop");
        let random = [&lower, &upper].into_iter().flatten().any(|bound| self.is_random(bound));
        if each.plate {
            for bound in [&lower, &upper].into_iter().flatten() {
                if self.is_random(bound) {
                    self.report::<()>(CheckError::RandomPlateBound { span: bound.span });
                }
            }
        }
        let size = match (integer_literal(&each.lower), &each.upper.kind) {
            (Some(0), ast::ExprKind::Name(name)) => Some(name.clone()),
            _ => None,
        };
        let outside = self.random_control;
        self.random_control |= random;
        let mark = self.mark();
        let span = each.index.span;
        let slot = self.define(&each.index.node, Some(Type::Data(DataType::INT)), random, span);
        // Its value is no secret where only the branch around it is random.
        if let (Some(slot), false) = (slot, random)
            && let Some(known) = self.random.get_mut(slot.0)
        {
            *known = false;
        }
        self.n_loops += 1;
        self.loops.push(Loop {
            index: each.index.node.clone(),
            plate: each.plate,
            span,
            size,
            number: self.n_loops,
            fills: Vec::new(),
            first_read: self.reads.len(),
        });
        let (body, _) = self.block(&each.body);
        let ended = self.loops.pop();
        if let Some(ended) = ended.filter(|l| l.plate) {
            self.check_plate(&ended);
        }
        self.end_loop(mark);
        self.random_control = outside;
        Some(StmtKind::For { plate: each.plate, index: slot?, lower: lower?, upper: upper?, body })
    }
}

/// Makes reals of the ints among the returned values, where another `return` gives a real.
fn promote_returns(block: Block, ty: DataType) -> Block {
    if ty.base != Base::Real {
        return block;
    }
    let statements = block.statements.into_iter().map(|statement| {
        let kind = match statement.kind {
            StmtKind::Return(value) => StmtKind::Return(promote(value, ty)),
            StmtKind::If { condition, then, otherwise } => super::deep(|| StmtKind::If {
                condition,
                then: promote_returns(then, ty),
                otherwise: promote_returns(otherwise, ty),
            }),
            StmtKind::For { plate, index, lower, upper, body } => {
                let body = super::deep(|| promote_returns(body, ty));
                StmtKind::For { plate, index, lower, upper, body }
            }
            kind @ (StmtKind::Random(_)
            | StmtKind::Let(_)
            | StmtKind::Factor(_)
            | StmtKind::Print(_)
            | StmtKind::Evaluate(_)) => kind,
        };
        Stmt { kind, span: statement.span }
    });
    Block { statements: statements.collect() }
}
