//! Tokens and trees as text, for `--emit` and for tests.

#![allow(clippy::wildcard_enum_match_arm, reason = "most of the many tokens mean nothing at most places")]

use std::fmt::Write as _;

use super::ast::*;
use super::lexer::lex;
use super::token::Token;
use super::visit::{Visitor, walk_expression, walk_file, walk_function, walk_item, walk_model};
use crate::span::{FileId, Span};

/// The tokens of `text`, one a line: byte range, kind, spelling. Comments and what is no lexeme come last.
///
/// ```
/// assert_eq!(unmask::syntax::dump_tokens("x ~"), "0..1 name x\n2..3 symbol ~\n");
/// ```
pub fn dump_tokens(text: &str) -> String {
    let lexed = lex(FileId::default(), text);
    let mut out = String::new();
    for (token, span) in &lexed.tokens {
        let kind = match token {
            Token::Name(_) => "name",
            Token::Int(_) => "int",
            Token::Real(_) => "real",
            Token::Str(_) => "string",
            token if token.is_keyword() => "keyword",
            _ => "symbol",
        };
        let _ = writeln!(out, "{span:?} {kind} {token}");
    }
    for comment in &lexed.comments {
        let _ = writeln!(out, "{}..{} comment {}", comment.start, comment.start + comment.text.len(), comment.text);
    }
    for error in &lexed.errors {
        let _ = writeln!(out, "{:?} error {error}", error.span());
    }
    out
}

/// A tree, one node a line, children indented: kind, what it holds, byte range; comments before what they are tied to.
///
/// ```
/// use unmask::{span::FileId, syntax::{dump_ast, parse}};
/// let parsed = parse(FileId(0), "let x = -1;");
/// assert_eq!(dump_ast(&parsed.file), "let 0..11\n  name x 4..5\n  unary - 8..10\n    int 1 9..10\n");
/// ```
pub fn dump_ast(file: &File) -> String {
    let mut dump = Dump { out: String::new(), level: 0 };
    walk_file(&mut dump, file);
    dump.comments(&file.trailing);
    dump.out
}

struct Dump {
    out: String,
    level: usize,
}

impl Dump {
    fn line(&mut self, text: impl std::fmt::Display) {
        let _ = writeln!(self.out, "{:1$}{text}", "", self.level * 2);
    }

    fn node(&mut self, text: impl std::fmt::Display, span: Span, children: impl FnOnce(&mut Self)) {
        self.line(format_args!("{text} {span:?}"));
        self.inside(children);
    }

    fn inside(&mut self, children: impl FnOnce(&mut Self)) {
        self.level += 1;
        children(self);
        self.level -= 1;
    }

    fn group(&mut self, text: &str, children: impl FnOnce(&mut Self)) {
        self.line(text);
        self.inside(children);
    }

    fn comments(&mut self, comments: &[std::sync::Arc<str>]) {
        for comment in comments {
            self.line(format_args!("comment {comment:?}"));
        }
    }

    fn trivia(&mut self, trivia: &Trivia) {
        if trivia.blank_before {
            self.line("blank");
        }
        self.comments(&trivia.leading);
        if let Some(comment) = &trivia.trailing {
            self.line(format_args!("comment after {comment:?}"));
        }
    }

    fn result(&mut self, ty: Option<&TypeExpr>) {
        if let Some(ty) = ty {
            self.group("returns", |d| d.type_expression(ty));
        }
    }

    fn annotation(&mut self, annotation: Option<&Annotation>) {
        match annotation {
            Some(Annotation::Value(e)) => self.group("annotation", |d| d.expression(e)),
            Some(Annotation::Mask(span)) => self.line(format_args!("mask {span:?}")),
            None => {}
        }
    }

    fn kind(&mut self, kind: &StmtKind, span: Span) {
        let head = match kind {
            StmtKind::Variable(v) => match &v.role {
                Some(role) => format!("variable {} {:?}", role.node.name(), role.span),
                None => "variable".into(),
            },
            StmtKind::Let(l) => match l.form {
                LetForm::Let => "let".into(),
                LetForm::Bare => "bare let".into(),
                LetForm::Observe => "observe let".into(),
                LetForm::Misplaced(role) => format!("misplaced {} let", role.name()),
            },
            StmtKind::If(_) => "if".into(),
            StmtKind::For(f) => {
                format!("{} {} {:?}", if f.plate { "plate" } else { "for" }, f.index.node, f.index.span)
            }
            StmtKind::Factor(_) => "factor".into(),
            StmtKind::Return(_) => "return".into(),
            StmtKind::Expr(_) => "expression".into(),
            StmtKind::Error => "error".into(),
        };
        self.node(head, span, |d| d.statement_kind(kind));
    }
}

impl Visitor for Dump {
    fn item(&mut self, item: &Item) {
        self.trivia(&item.trivia);
        match &item.kind {
            ItemKind::Import(path) => {
                self.node(format_args!("import {:?} {:?}", path.node, path.span), item.span, |_| ())
            }
            ItemKind::Function(f) => {
                let library = if f.library { "library " } else { "" };
                let body = if f.body.is_some() { "" } else { " without body" };
                let head = format!("{library}function {} {:?}{body}", f.name.node, f.name.span);
                self.node(head, item.span, |d| walk_item(d, item));
            }
            ItemKind::Model(m) => {
                self.node(format_args!("model {} {:?}", m.name.node, m.name.span), item.span, |d| walk_item(d, item));
            }
            ItemKind::Statement(kind) => self.kind(kind, item.span),
        }
    }

    fn function(&mut self, function: &Function) {
        let bare = Function { returns: None, body: None, ..function.clone() };
        walk_function(self, &bare);
        self.result(function.returns.as_ref());
        function.body.iter().for_each(|body| self.block(body));
    }

    fn model(&mut self, model: &Model) {
        let bare = Model { returns: None, body: Block::default(), ..model.clone() };
        walk_model(self, &bare);
        self.result(model.returns.as_ref());
        self.block(&model.body);
    }

    fn parameter(&mut self, parameter: &Parameter) {
        self.node(format_args!("parameter {}", parameter.name.node), parameter.name.span, |d| {
            parameter.ty.iter().for_each(|ty| d.type_expression(ty));
        });
    }

    fn type_expression(&mut self, ty: &TypeExpr) {
        self.node(format_args!("type {}", ty.name.node), ty.span, |d| ty.sizes.iter().for_each(|e| d.expression(e)));
    }

    fn block(&mut self, block: &Block) {
        self.node("block", block.span, |d| {
            block.statements.iter().for_each(|s| d.statement(s));
            d.comments(&block.trailing);
        });
    }

    fn statement(&mut self, statement: &Stmt) {
        self.trivia(&statement.trivia);
        self.kind(&statement.kind, statement.span);
    }

    fn statement_kind(&mut self, kind: &StmtKind) {
        match kind {
            StmtKind::Variable(v) => {
                self.expression(&v.target);
                v.ty.iter().for_each(|ty| self.type_expression(ty));
                v.distribution.iter().for_each(|e| self.group("distribution", |d| d.expression(e)));
                v.simulate.iter().for_each(|e| self.group("simulate", |d| d.expression(e)));
                self.annotation(v.annotation.as_ref());
            }
            StmtKind::Let(l) => {
                self.expression(&l.target);
                l.ty.iter().for_each(|ty| self.type_expression(ty));
                self.expression(&l.value);
                self.annotation(l.annotation.as_ref());
            }
            StmtKind::If(branch) => {
                self.expression(&branch.condition);
                self.block(&branch.then);
                match &branch.otherwise {
                    None => {}
                    Some(Else::Block(block)) => self.group("else", |d| d.block(block)),
                    Some(Else::If(next, span)) => {
                        self.node("else if", *span, |d| d.statement_kind(&StmtKind::If(next.clone())));
                    }
                }
            }
            StmtKind::For(f) => {
                self.expression(&f.lower);
                self.expression(&f.upper);
                self.block(&f.body);
            }
            StmtKind::Factor(e) | StmtKind::Return(e) | StmtKind::Expr(e) => self.expression(e),
            StmtKind::Error => {}
        }
    }

    fn expression(&mut self, e: &Expr) {
        let head = match &e.kind {
            ExprKind::Int(_, s) | ExprKind::Real(_, s) if !s.is_empty() => {
                format!("{} {s}", if matches!(e.kind, ExprKind::Int(..)) { "int" } else { "real" })
            }
            ExprKind::Int(i, _) => format!("int {i}"),
            ExprKind::Real(x, _) => format!("real {}", crate::value::format_real(*x)),
            ExprKind::Bool(b) => format!("bool {b}"),
            ExprKind::Str(s) => format!("string {s:?}"),
            ExprKind::Name(n) => format!("name {n}"),
            ExprKind::Unary(o, _) => format!("unary {}", o.symbol()),
            ExprKind::Binary(_, o, _) => format!("binary {} {:?}", o.node.symbol(), o.span),
            ExprKind::If(..) => "if".into(),
            ExprKind::Index(a, subscripts) => {
                return self.node("index", e.span, |d| {
                    d.expression(a);
                    for subscript in subscripts {
                        match subscript {
                            Subscript::Index(e) => d.expression(e),
                            Subscript::Slice(lo, hi, span) => d.node("slice", *span, |d| {
                                for (word, e) in [("from", lo), ("to", hi)] {
                                    e.iter().for_each(|e| d.group(word, |d| d.expression(e)));
                                }
                            }),
                        }
                    }
                });
            }
            ExprKind::Field(_, f) => format!("field {} {:?}", f.node, f.span),
            ExprKind::Call(f, _) => format!("call {} {:?}", f.node, f.span),
            ExprKind::Array(_) => "array".into(),
            ExprKind::Comprehension(c) => format!("comprehension {} {:?}", c.index.node, c.index.span),
            ExprKind::Infer(infer) => {
                return self.node(format_args!("infer {} {:?}", infer.model.node, infer.model.span), e.span, |d| {
                    infer.arguments.iter().for_each(|e| d.expression(e));
                    for (name, e) in &infer.data {
                        d.node(format_args!("datum {}", name.node), name.span, |d| match e {
                            Some(e) => d.expression(e),
                            None => d.line("mask"),
                        });
                    }
                    for (name, e) in &infer.options {
                        d.node(format_args!("option {}", name.node), name.span, |d| d.expression(e));
                    }
                });
            }
            ExprKind::Paren(_) => "paren".into(),
            ExprKind::Error => "error".into(),
        };
        self.node(head, e.span, |d| walk_expression(d, e));
    }
}
