//! Equality of trees up to spans, comments and spelling.
//!
//! Both trees are brought to one normal form in which only their meaning is left, and those are compared; so a new field
//! of a node takes part by itself.

use std::sync::Arc;

use super::ast::*;
use crate::span::Span;

/// Whether two files say the same, whatever their layout, comments and spelling of numbers. Parentheses count.
///
/// ```
/// use unmask::{span::FileId, syntax::{parse, same_syntax}};
/// let read = |text| parse(FileId(0), text).file;
/// assert!(same_syntax(&read("let x = 1.0; // one"), &read("let x =\n 1e0;")));
/// assert!(!same_syntax(&read("let x = 1;"), &read("let x = (1);")));
/// ```
pub fn same_syntax(a: &File, b: &File) -> bool {
    let plain = |file: &File| {
        let mut file = file.clone();
        Editor { strip_parens: false }.file(&mut file);
        file
    };
    plain(a) == plain(b)
}

/// `file` without its parentheses, spans, comments and spellings: what is left is the bare shape of its trees.
#[must_use]
pub fn strip_parens(file: &File) -> File {
    let mut file = file.clone();
    Editor { strip_parens: true }.file(&mut file);
    file
}

struct Editor {
    strip_parens: bool,
}

impl Editor {
    fn file(&self, file: &mut File) {
        file.trailing.clear();
        for item in &mut file.items {
            item.span = Span::default();
            item.trivia = Trivia::default();
            match &mut item.kind {
                ItemKind::Import(text) => text.span = Span::default(),
                ItemKind::Function(f) => {
                    self.head(&mut f.name, &mut f.parameters, &mut f.returns);
                    f.body.iter_mut().for_each(|b| self.block(b));
                }
                ItemKind::Model(m) => {
                    self.head(&mut m.name, &mut m.parameters, &mut m.returns);
                    self.block(&mut m.body);
                }
                ItemKind::Statement(kind) => self.statement(kind),
            }
        }
    }

    fn head(&self, name: &mut Ident, parameters: &mut [Parameter], returns: &mut Option<TypeExpr>) {
        name.span = Span::default();
        for parameter in parameters {
            parameter.name.span = Span::default();
            self.ty(&mut parameter.ty);
        }
        self.ty(returns);
    }

    fn ty(&self, ty: &mut Option<TypeExpr>) {
        if let Some(ty) = ty {
            ty.span = Span::default();
            ty.name.span = Span::default();
            self.all(&mut ty.sizes);
        }
    }

    fn block(&self, block: &mut Block) {
        block.span = Span::default();
        block.trailing.clear();
        for statement in &mut block.statements {
            statement.span = Span::default();
            statement.trivia = Trivia::default();
            self.statement(&mut statement.kind);
        }
    }

    fn statement(&self, kind: &mut StmtKind) {
        match kind {
            StmtKind::Variable(v) => {
                if let Some(role) = &mut v.role {
                    role.span = Span::default();
                }
                self.expression(&mut v.target);
                self.ty(&mut v.ty);
                self.all(v.distribution.iter_mut().chain(&mut v.simulate));
                self.annotation(&mut v.annotation);
            }
            StmtKind::Let(l) => {
                self.expression(&mut l.target);
                self.ty(&mut l.ty);
                self.expression(&mut l.value);
                self.annotation(&mut l.annotation);
            }
            StmtKind::If(branch) => self.branch(branch),
            StmtKind::For(f) => {
                f.index.span = Span::default();
                self.all([&mut f.lower, &mut f.upper]);
                self.block(&mut f.body);
            }
            StmtKind::Factor(e) | StmtKind::Return(e) | StmtKind::Expr(e) => self.expression(e),
            StmtKind::Error => {}
        }
    }

    fn branch(&self, branch: &mut If) {
        let mut branch = branch;
        loop {
            self.expression(&mut branch.condition);
            self.block(&mut branch.then);
            match &mut branch.otherwise {
                None => return,
                Some(Else::Block(block)) => return self.block(block),
                Some(Else::If(next, span)) => {
                    *span = Span::default();
                    branch = next;
                }
            }
        }
    }

    fn annotation(&self, annotation: &mut Option<Annotation>) {
        match annotation {
            Some(Annotation::Value(e)) => self.expression(e),
            Some(Annotation::Mask(span)) => *span = Span::default(),
            None => {}
        }
    }

    fn all<'e>(&self, expressions: impl IntoIterator<Item = &'e mut Expr>) {
        expressions.into_iter().for_each(|e| self.expression(e));
    }

    fn expression(&self, e: &mut Expr) {
        stacker::maybe_grow(super::RED_ZONE, super::STACK_PIECE, || self.expression_here(e));
    }

    fn expression_here(&self, e: &mut Expr) {
        e.span = Span::default();
        match &mut e.kind {
            ExprKind::Int(_, spelling) => *spelling = Arc::default(),
            ExprKind::Real(value, spelling) => {
                // NaN equals nothing, itself included; its bits do, as text. So does -0.0, unlike 0.0.
                *spelling = format!("{:x}", value.to_bits()).into();
                if value.is_nan() {
                    *value = 0.0;
                }
            }
            ExprKind::Bool(_) | ExprKind::Str(_) | ExprKind::Name(_) | ExprKind::Error => {}
            ExprKind::Unary(_, a) => self.expression(a),
            ExprKind::Field(a, name) => {
                name.span = Span::default();
                self.expression(a);
            }
            ExprKind::Binary(a, operator, b) => {
                operator.span = Span::default();
                self.all([&mut **a, &mut **b]);
            }
            ExprKind::If(c, t, e) => self.all([&mut **c, &mut **t, &mut **e]),
            ExprKind::Index(a, subscripts) => {
                self.expression(a);
                for subscript in subscripts {
                    match subscript {
                        Subscript::Index(e) => self.expression(e),
                        Subscript::Slice(lo, hi, span) => {
                            *span = Span::default();
                            self.all(lo.iter_mut().chain(hi));
                        }
                    }
                }
            }
            ExprKind::Call(name, arguments) => {
                name.span = Span::default();
                self.all(arguments);
            }
            ExprKind::Array(elements) => self.all(elements),
            ExprKind::Comprehension(c) => {
                c.index.span = Span::default();
                self.all([&mut c.body, &mut c.lower, &mut c.upper]);
            }
            ExprKind::Infer(infer) => {
                infer.model.span = Span::default();
                self.all(&mut infer.arguments);
                for (name, e) in &mut infer.data {
                    name.span = Span::default();
                    self.all(e.as_mut());
                }
                for (name, e) in &mut infer.options {
                    name.span = Span::default();
                    self.expression(e);
                }
            }
            ExprKind::Paren(inner) => {
                self.expression(inner);
                if self.strip_parens {
                    let kind = std::mem::replace(&mut inner.kind, ExprKind::Error);
                    e.kind = kind;
                }
            }
        }
    }
}
