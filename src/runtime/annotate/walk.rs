//! The walk through a model that writes its lines.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::definition::{Definitions, model_item, statement};
use super::translate::{Halt, Piece, Translate, Translated};
use super::tree::{Place, dotted, expression, literal};
use super::{Annotated, Line, Located, MAX_LINES};
use crate::check::core::{
    Block, Distribution, DistributionKind, Expr, FunctionId, Let, ModelId, Program, Random, SlotId, Stmt, StmtKind,
    Target,
};
use crate::runtime::frame::Frame;
use crate::runtime::handler::Handler;
use crate::runtime::machine::{Execution, Machine};
use crate::span::Span;
use crate::syntax::ast;
use crate::syntax::print_expression;
use crate::value::Value;

/// What stands for a slot in the text.
#[derive(Clone, Debug)]
enum Residual {
    /// Its value.
    Literal,
    /// The variable of this name.
    Place(Place),
    /// What a parameter was given.
    Alias(ast::Expr),
}

pub(super) struct Walker<'p, 'm> {
    execution: Execution<'p, 'm>,
    frame: Frame<'p>,
    /// By slot of the call at hand.
    residuals: Vec<Residual>,
    /// The submodel that is being inlined.
    prefix: Option<ast::Expr>,
    statements: Vec<ast::Stmt>,
    lines: Vec<Line>,
    called: Vec<FunctionId>,
    /// What executions of submodels returned, by how they are written.
    returned: FxHashMap<String, Piece>,
    /// Dotted names of variables that have no line.
    inputs: FxHashSet<String>,
    /// How often a name of a local line was used.
    used_names: FxHashMap<String, usize>,
}

impl<'p, 'm> Walker<'p, 'm> {
    pub fn annotate(machine: &'m mut Machine<'p>, handler: &'m mut dyn Handler) -> Translated<Annotated> {
        let model = machine.entry_model();
        let mut execution = machine.execution(handler);
        let program = execution.program;
        let frame = execution.entry_frame(model)?;
        let mut used_names = FxHashMap::default();
        // A local line never takes the name of a variable.
        for variable in &model.variables {
            used_names.insert(variable.name.to_string(), 1);
        }
        let mut walker = Self {
            residuals: vec![Residual::Literal; model.frame.len()],
            execution,
            frame,
            prefix: None,
            statements: Vec::new(),
            lines: Vec::new(),
            called: Vec::new(),
            returned: FxHashMap::default(),
            inputs: FxHashSet::default(),
            used_names,
        };
        walker.block(&model.body)?;
        let (statements, lines) = (walker.statements, walker.lines);
        let items = Definitions::of(program, walker.called)?;
        let is_library = |item: &ast::Item| matches!(&item.kind, ast::ItemKind::Function(f) if f.library);
        let (library, functions) = items.into_iter().partition(is_library);
        Ok(Annotated { library, functions, model: model_item(&model.name, statements), lines })
    }

    /// Walks a block; what a `return` in it gave.
    fn block(&mut self, block: &'p Block) -> Translated<Option<(Piece, Value, bool)>> {
        stacker::maybe_grow(1 << 20, 8 << 20, || {
            for stmt in &block.statements {
                if let Some(returned) = self.statement(stmt)? {
                    return Ok(Some(returned));
                }
            }
            Ok(None)
        })
    }

    fn statement(&mut self, stmt: &'p Stmt) -> Translated<Option<(Piece, Value, bool)>> {
        self.execution.masked = false;
        match &stmt.kind {
            StmtKind::Random(random) => self.random(random, stmt.span)?,
            StmtKind::Let(line) => self.deterministic(line, stmt.span)?,
            StmtKind::If { condition, then, otherwise } => match self.known(condition)? {
                Some(value) => {
                    let holds = value.as_condition().unwrap_or(false);
                    return self.block(if holds { then } else { otherwise });
                }
                None => self.branch(condition, then, otherwise, stmt.span)?,
            },
            StmtKind::For { plate: _, index, lower, upper, body } => {
                let bounds = (self.known(lower)?, self.known(upper)?);
                let (Some(lower), Some(upper)) = bounds else {
                    return Err(Halt::Unsupported {
                        what: "a loop whose bound depends on something masked",
                        span: stmt.span,
                    });
                };
                for i in lower.as_int().unwrap_or(0)..upper.as_int().unwrap_or(0) {
                    self.execution.iteration(stmt.span)?;
                    self.set_index(*index, i);
                    if let Some(returned) = self.block(body)? {
                        return Ok(Some(returned));
                    }
                }
            }
            StmtKind::Factor(expr) => {
                let tree = self.expression(expr)?.tree(expr.span)?;
                self.statements.push(statement(ast::StmtKind::Factor(tree)));
            }
            StmtKind::Return(expr) => {
                let piece = self.expression(expr)?;
                self.execution.masked = false;
                let value = self.execution.evaluate(&mut self.frame, expr)?;
                return Ok(Some((piece, value, self.execution.masked || self.execution.control)));
            }
            StmtKind::Print(_) | StmtKind::Evaluate(_) => {}
        }
        Ok(None)
    }

    /// A condition on something masked: both branches.
    fn branch(&mut self, condition: &'p Expr, then: &'p Block, otherwise: &'p Block, span: Span) -> Translated<()> {
        if then.returns() || otherwise.returns() {
            return Err(Halt::Unsupported { what: "a result that depends on something masked", span });
        }
        let tree = self.expression(condition)?.tree(span)?;
        let holds = self.execution.condition(&mut self.frame, condition)?;
        let control = std::mem::replace(&mut self.execution.control, true);
        self.execution.branched = true;
        self.execution.descend(span)?;
        let outer = std::mem::take(&mut self.statements);
        let (frame, residuals, names) = (self.frame.clone(), self.residuals.clone(), self.used_names.clone());
        self.block(then)?;
        let then_statements = std::mem::take(&mut self.statements);
        let first = (
            std::mem::replace(&mut self.frame, frame),
            std::mem::replace(&mut self.residuals, residuals.clone()),
            std::mem::replace(&mut self.used_names, names),
        );
        self.block(otherwise)?;
        let other_statements = std::mem::replace(&mut self.statements, outer);
        // What both define has one name; what one defines has that.
        for (name, count) in first.2 {
            let own = self.used_names.entry(name).or_insert(0);
            *own = (*own).max(count);
        }
        let merged = first.1.into_iter().zip(&self.residuals).zip(&residuals).map(|((a, b), before)| {
            let changed = |r: &Residual| !r.is_like(before);
            if changed(&a) { a } else { b.clone() }
        });
        self.residuals = merged.collect();
        if holds {
            self.frame = first.0;
        }
        self.execution.depth -= 1;
        self.execution.control = control;
        let block = |statements| ast::Block { statements, ..ast::Block::default() };
        let otherwise = (!other_statements.is_empty()).then(|| ast::Else::Block(block(other_statements)));
        let kind = ast::If { condition: tree, then: block(then_statements), otherwise };
        self.statements.push(statement(ast::StmtKind::If(Box::new(kind))));
        Ok(())
    }

    /// Where the variable of a statement is, with its own subscripts.
    fn locate(&mut self, target: &'p Target) -> Translated<(Located, Vec<i64>, Place)> {
        let indices = self.execution.subscripts(&mut self.frame, target)?;
        let located = self.execution.locate(target, &indices);
        let place = Place { prefix: self.prefix.clone(), segments: target.path.clone() };
        Ok((located, indices.to_vec(), place))
    }

    fn random(&mut self, random: &'p Random, span: Span) -> Translated<()> {
        let (located, indices, place) = self.locate(&random.target)?;
        let Some(distribution) = &random.distribution else {
            self.execution.random(&mut self.frame, random, span)?;
            self.inputs.insert(dotted(&place.at(Vec::new())).unwrap_or_default());
            return Ok(());
        };
        if let DistributionKind::Model(model, arguments) = &distribution.kind {
            return self.submodel(random, *model, arguments, &indices, place, span);
        }
        let tree = self.distribution(distribution)?;
        let simulate = random.simulate.as_ref().map(|d: &Distribution| self.distribution(d)).transpose()?;
        self.execution.masked = false;
        self.execution.random(&mut self.frame, random, span)?;
        let (value, masked) = self.read_back(random.target.slot, &indices, span)?;
        let (target, annotation) = (place.element(&indices), annotation(&value, masked, span)?);
        self.residuals[random.target.slot.0] = Residual::Place(place);
        let kind = ast::StmtKind::Variable(Box::new(ast::Variable {
            role: None,
            target,
            ty: None,
            distribution: Some(tree),
            simulate,
            annotation: Some(annotation),
        }));
        self.line(kind, located, true, (!masked).then_some(value))
    }

    fn line(
        &mut self,
        kind: ast::StmtKind,
        (variable, indices): Located,
        random: bool,
        value: Option<Value>,
    ) -> Translated<()> {
        if self.lines.len() >= MAX_LINES {
            return Err(Halt::TooLong);
        }
        let name = self.execution.addresses.display_parts(variable, &indices);
        let variable = self.execution.addresses.name(variable).clone();
        self.lines.push(Line { variable, indices: indices.to_vec(), name, random, value });
        self.statements.push(statement(kind));
        Ok(())
    }

    /// What a statement has just stored.
    fn read_back(&mut self, slot: SlotId, indices: &[i64], span: Span) -> Translated<(Value, bool)> {
        if indices.is_empty() {
            let tracked = self.frame.read(slot, span)?;
            return Ok((tracked.value.clone(), tracked.masked));
        }
        match self.frame.read_cell(slot, indices, span) {
            Some(found) => {
                let (tracked, _) = found?;
                Ok((tracked.value.clone(), tracked.masked))
            }
            None => Err(Halt::Unsupported { what: "part of an array", span }),
        }
    }

    fn deterministic(&mut self, line: &'p Let, span: Span) -> Translated<()> {
        let (located, indices, place) = self.locate(&line.target)?;
        let piece = self.expression(&line.value)?;
        self.execution.masked = false;
        self.execution.deterministic(&mut self.frame, line, span)?;
        let (value, masked) = self.read_back(line.target.slot, &indices, span)?;
        let slot = line.target.slot.0;
        if let (Piece::Literal(_), false, false) = (&piece, line.condition, masked) {
            self.inputs.insert(dotted(&place.at(Vec::new())).unwrap_or_default());
            if indices.is_empty() {
                self.residuals[slot] = Residual::Literal;
            } else if matches!(self.residuals[slot], Residual::Place(_)) {
                return Err(Halt::Unsupported { what: "an array of which some elements are constants", span });
            }
            return Ok(());
        }
        let named = line.reported || line.condition;
        let place = if named { place } else { self.local(&line.target) };
        let target = place.element(&indices);
        self.residuals[slot] = Residual::Place(place);
        let kind = ast::StmtKind::Let(Box::new(ast::Let {
            // With a value, the bare form of an int or a truth value is a condition.
            form: ast::LetForm::Bare,
            target: target.clone(),
            ty: None,
            value: piece.tree(span)?,
            annotation: Some(annotation(&value, masked, span)?),
        }));
        self.line(kind, located, line.condition, (!masked).then_some(value))?;
        if !named && let Some(line) = self.lines.last_mut() {
            line.name = print_expression(&target);
        }
        Ok(())
    }

    /// A name for a line of a block, which each iteration needs anew.
    fn local(&mut self, target: &Target) -> Place {
        let base = target.path.iter().map(|(n, _)| &**n).collect::<Vec<_>>().join("_");
        let mut count = self.used_names.get(&base).copied().unwrap_or(0);
        let mut chosen = base.clone();
        while count > 0 && self.used_names.contains_key(&chosen) {
            count += 1;
            chosen = format!("{base}_{count}");
        }
        self.used_names.insert(base, count.max(1));
        self.used_names.entry(chosen.clone()).or_insert(1);
        Place { prefix: self.prefix.clone(), segments: Arc::from([(Arc::from(chosen), 0)]) }
    }

    /// Inlines an execution of another model.
    fn submodel(
        &mut self,
        random: &'p Random,
        model: ModelId,
        arguments: &'p [Expr],
        indices: &[i64],
        place: Place,
        span: Span,
    ) -> Translated<()> {
        let pieces = self.all(arguments)?;
        let tracked = self.execution.track_all(&mut self.frame, arguments)?;
        let (inner, outer) = self.execution.enter(&random.target, indices, model, &tracked, span)?;
        let model = self.execution.program.model(model);
        let outer_prefix = self.prefix.replace(place.element(indices));
        let mut residuals = vec![Residual::Literal; model.frame.len()];
        for ((parameter, (value, masked)), piece) in model.parameters.iter().zip(&tracked).zip(pieces) {
            if let Piece::Tree(tree) = piece {
                residuals[parameter.slot.0] = self.parameter(&parameter.name, tree, value, *masked, span)?;
            }
        }
        let outer_frame = std::mem::replace(&mut self.frame, inner);
        let outer_residuals = std::mem::replace(&mut self.residuals, residuals);
        let returned = self.block(&model.body)?;
        let inner = std::mem::replace(&mut self.frame, outer_frame);
        self.residuals = outer_residuals;
        self.prefix = outer_prefix;
        let (piece, returned) = returned.map(|(piece, value, masked)| (piece, (value, masked))).unzip();
        if let Some(piece) = piece {
            self.returned.insert(print_expression(&place.element(indices)), piece);
        }
        let record = self.execution.leave(outer, inner, returned, span);
        self.residuals[random.target.slot.0] = Residual::Place(place);
        self.execution.store(&mut self.frame, &random.target, indices, record, false, true)?;
        Ok(())
    }

    /// What stands for a parameter: a name that was given, or a line of its own.
    fn parameter(
        &mut self,
        parameter: &str,
        tree: ast::Expr,
        value: &Value,
        masked: bool,
        span: Span,
    ) -> Translated<Residual> {
        if dotted(&tree).is_some() {
            return Ok(Residual::Alias(tree));
        }
        let place = Place { prefix: self.prefix.clone(), segments: Arc::from([(Arc::from(parameter), 0)]) };
        let target = place.at(Vec::new());
        let line = Line {
            variable: dotted(&target).unwrap_or_default().into(),
            indices: Vec::new(),
            name: print_expression(&target),
            random: false,
            value: (!masked).then(|| value.clone()),
        };
        let annotation = Some(annotation(value, masked, span)?);
        let written = ast::Let { form: ast::LetForm::Bare, target, ty: None, value: tree, annotation };
        self.lines.push(line);
        self.statements.push(statement(ast::StmtKind::Let(Box::new(written))));
        Ok(Residual::Place(place))
    }
}

impl Residual {
    fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Literal, Self::Literal) | (Self::Alias(_), Self::Alias(_)) => true,
            (Self::Place(a), Self::Place(b)) => a.segments == b.segments,
            (Self::Literal | Self::Place(_) | Self::Alias(_), _) => false,
        }
    }
}

fn annotation(value: &Value, masked: bool, span: Span) -> Translated<ast::Annotation> {
    if masked {
        return Ok(ast::Annotation::Mask(Span::default()));
    }
    let tree = literal(value).ok_or(Halt::Unsupported { what: "a value that is not data", span })?;
    Ok(ast::Annotation::Value(tree))
}

impl<'p> Translate<'p> for Walker<'p, '_> {
    fn program(&self) -> &'p Program {
        self.execution.program
    }

    fn called(&mut self, function: FunctionId) {
        self.called.push(function);
    }

    fn slot(&mut self, slot: SlotId, span: Span) -> Translated<Piece> {
        Ok(match self.residuals.get(slot.0) {
            Some(Residual::Place(place)) => Piece::Tree(place.at(Vec::new())),
            Some(Residual::Alias(tree)) => Piece::Tree(tree.clone()),
            Some(Residual::Literal) | None => Piece::Literal(self.frame.read(slot, span)?.value.clone()),
        })
    }

    fn place(&mut self, slot: SlotId, subscripts: Vec<ast::Subscript>) -> Option<ast::Expr> {
        match self.residuals.get(slot.0)? {
            Residual::Place(place) => Some(place.at(subscripts)),
            Residual::Alias(tree) => Some(expression(ast::ExprKind::Index(Box::new(tree.clone()), subscripts))),
            Residual::Literal => None,
        }
    }

    fn fold(&mut self, expr: &'p Expr) -> Translated<Option<Value>> {
        Ok(Some(self.execution.evaluate(&mut self.frame, expr)?))
    }

    fn known(&mut self, expr: &'p Expr) -> Translated<Option<Value>> {
        let outer = std::mem::replace(&mut self.execution.masked, false);
        let value = self.execution.evaluate(&mut self.frame, expr)?;
        let masked = std::mem::replace(&mut self.execution.masked, outer);
        Ok((!masked).then_some(value))
    }

    fn returned(&mut self, record: &ast::Expr) -> Option<Piece> {
        let written = print_expression(record);
        if let Some(piece) = self.returned.get(&written) {
            return Some(piece.clone());
        }
        // An array of executions: what each returned.
        let mut elements = Vec::new();
        while let Some(piece) = self.returned.get(&format!("{written}[{}]", elements.len())) {
            elements.push(piece.clone().tree(record.span).ok()?);
        }
        (!elements.is_empty()).then(|| Piece::Tree(expression(ast::ExprKind::Array(elements))))
    }

    fn is_input(&self, dotted: &str) -> bool {
        self.inputs.contains(dotted)
    }

    fn set_index(&mut self, index: SlotId, value: i64) {
        self.frame.set(index, Value::Int(value), false);
    }
}
