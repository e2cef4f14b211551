//! The functions that an annotated program calls, as syntax.

use std::sync::Arc;

use super::translate::{Halt, Piece, Translate, Translated};
use super::tree::{expression, ident, name};
use crate::check::core::{Block, Expr, Function, FunctionId, Parameter, Program, Size, Slot, SlotId, StmtKind};
use crate::span::Span;
use crate::syntax::ast;
use crate::value::{DataType, Value};

/// Translates functions, and finds those that they call.
pub(super) struct Definitions<'p> {
    program: &'p Program,
    frame: &'p [Slot],
    called: Vec<FunctionId>,
}

impl<'p> Definitions<'p> {
    /// The functions that are called, and those that these call, in the order of the program.
    pub fn of(program: &'p Program, called: Vec<FunctionId>) -> Translated<Vec<ast::Item>> {
        let mut definitions = Self { program, frame: &[], called };
        let mut items: Vec<(FunctionId, ast::Item)> = Vec::new();
        let mut next = 0;
        while let Some(id) = definitions.called.get(next).copied() {
            next += 1;
            if items.iter().all(|(done, _)| *done != id) {
                items.push((id, definitions.function(program.function(id))?));
            }
        }
        items.sort_by_key(|(id, _)| *id);
        Ok(items.into_iter().map(|(_, item)| item).collect())
    }

    fn function(&mut self, function: &'p Function) -> Translated<ast::Item> {
        self.frame = &function.frame;
        let parameters: Translated<Vec<_>> = function.parameters.iter().map(|p| self.parameter(p)).collect();
        let sizes: Translated<Vec<_>> = function.return_sizes.iter().map(|e| self.whole(e)).collect();
        let body = function.body.as_ref().map(|b| self.block(b)).transpose()?;
        let kind = ast::ItemKind::Function(ast::Function {
            library: function.library,
            name: ident(&function.name),
            parameters: parameters?,
            returns: Some(ty(function.returns, sizes?)),
            body,
        });
        Ok(ast::Item { kind, span: Span::default(), trivia: ast::Trivia::default() })
    }

    fn parameter(&mut self, parameter: &'p Parameter) -> Translated<ast::Parameter> {
        let mut sizes = Vec::new();
        for size in &parameter.sizes {
            sizes.push(match size {
                Size::Bind(slot) => name(self.slot_name(*slot)),
                Size::Equal(expr) => self.whole(expr)?,
            });
        }
        Ok(ast::Parameter { name: ident(&parameter.name), ty: Some(ty(parameter.ty, sizes)) })
    }

    fn slot_name(&self, slot: SlotId) -> &'p str {
        self.frame.get(slot.0).map_or("?", |s| &s.name)
    }

    fn whole(&mut self, expr: &'p Expr) -> Translated<ast::Expr> {
        self.expression(expr)?.tree(expr.span)
    }

    fn block(&mut self, block: &'p Block) -> Translated<ast::Block> {
        let mut statements = Vec::new();
        for stmt in &block.statements {
            let unsupported = Halt::Unsupported { what: "a statement that is not of a function", span: stmt.span };
            let kind = match &stmt.kind {
                StmtKind::Let(line) => {
                    let mut target = name(self.slot_name(line.target.slot));
                    if !line.target.subscripts.is_empty() {
                        let subscripts: Translated<Vec<_>> =
                            line.target.subscripts.iter().map(|e| Ok(ast::Subscript::Index(self.whole(e)?))).collect();
                        target = expression(ast::ExprKind::Index(Box::new(target), subscripts?));
                    }
                    ast::StmtKind::Let(Box::new(ast::Let {
                        form: ast::LetForm::Let,
                        target,
                        ty: None,
                        value: self.whole(&line.value)?,
                        annotation: None,
                    }))
                }
                StmtKind::If { condition, then, otherwise } => {
                    let otherwise = (!otherwise.statements.is_empty()).then_some(otherwise);
                    ast::StmtKind::If(Box::new(ast::If {
                        condition: self.whole(condition)?,
                        then: self.block(then)?,
                        otherwise: otherwise.map(|b| Ok::<_, Halt>(ast::Else::Block(self.block(b)?))).transpose()?,
                    }))
                }
                StmtKind::For { plate, index, lower, upper, body } => ast::StmtKind::For(Box::new(ast::For {
                    plate: *plate,
                    index: ident(self.slot_name(*index)),
                    lower: self.whole(lower)?,
                    upper: self.whole(upper)?,
                    body: self.block(body)?,
                })),
                StmtKind::Return(value) => ast::StmtKind::Return(self.whole(value)?),
                StmtKind::Random(_) | StmtKind::Factor(_) | StmtKind::Print(_) | StmtKind::Evaluate(_) => {
                    return Err(unsupported);
                }
            };
            statements.push(statement(kind));
        }
        Ok(ast::Block { statements, ..ast::Block::default() })
    }
}

pub(super) fn statement(kind: ast::StmtKind) -> ast::Stmt {
    ast::Stmt { kind, span: Span::default(), trivia: ast::Trivia::default() }
}

/// A type with its sizes; those that are not declared are names that stand for anything.
fn ty(ty: DataType, mut sizes: Vec<ast::Expr>) -> ast::TypeExpr {
    for axis in sizes.len()..ty.rank {
        sizes.push(name(&format!("n{axis}")));
    }
    ast::TypeExpr { name: ident(ty.base.name()), sizes, span: Span::default() }
}

impl<'p> Translate<'p> for Definitions<'p> {
    fn program(&self) -> &'p Program {
        self.program
    }

    fn called(&mut self, function: FunctionId) {
        self.called.push(function);
    }

    fn slot(&mut self, slot: SlotId, _: Span) -> Translated<Piece> {
        Ok(Piece::Tree(name(self.slot_name(slot))))
    }

    fn place(&mut self, _: SlotId, _: Vec<ast::Subscript>) -> Option<ast::Expr> {
        None
    }

    fn fold(&mut self, _: &'p Expr) -> Translated<Option<Value>> {
        Ok(None)
    }

    fn known(&mut self, _: &'p Expr) -> Translated<Option<Value>> {
        Ok(None)
    }

    fn returned(&mut self, _: &ast::Expr) -> Option<Piece> {
        None
    }

    fn is_input(&self, _: &str) -> bool {
        false
    }

    fn set_index(&mut self, _: SlotId, _: i64) {}
}

/// The name of a model's item.
pub(super) fn model_item(name: &Arc<str>, statements: Vec<ast::Stmt>) -> ast::Item {
    let body = ast::Block { statements, ..ast::Block::default() };
    let kind = ast::ItemKind::Model(ast::Model { name: ident(name), parameters: Vec::new(), returns: None, body });
    ast::Item { kind, span: Span::default(), trivia: ast::Trivia::default() }
}
