//! What the grammar's actions call: makes nodes, bounds their depth, and notes mistakes that the grammar lets through so
//! that they can be explained.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::ast::*;
use super::error::{NotPath, SyntaxError};
use super::lexer::unescape;
use super::token::Token;
use crate::span::{FileId, Span, Spanned};

/// The deepest tree: this many expressions, and this many blocks, inside each other. A chain `a + b + c` counts one
/// level for each operator.
pub const MAX_DEPTH: u16 = 256;

/// What the parser reads: tokens of the source, and what it puts where something could not be read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Terminal<'s> {
    /// A token of the source, or one that was missing in it.
    Source(Token<'s>),
    /// Stands for a whole statement or item.
    Bad,
    /// Stands for what is between a keyword such as `if` and the block.
    BadHead,
}

/// Why the parser stops.
pub(super) type Failure<'s> = lalrpop_util::ParseError<usize, Terminal<'s>, SyntaxError>;

/// A node with its depth: of expressions for expressions, of blocks for statements and blocks.
#[derive(Clone, Debug)]
pub(super) struct Deep<T> {
    pub(super) node: T,
    pub(super) depth: u16,
}

impl<T> Deep<T> {
    pub(super) fn new(node: T, depth: u16) -> Self {
        Self { node, depth }
    }
}

/// An expression with its depth.
pub(super) type DeepExpr = Deep<Expr>;

/// What follows `:`.
pub(super) type Ascribed = TypeExpr;

/// The state of one run of the parser.
pub(super) struct Builder<'s> {
    file: FileId,
    names: FxHashMap<&'s str, Arc<str>>,
    /// Mistakes that did not stop the parser.
    pub(super) errors: Vec<SyntaxError>,
}

type Built<'s, T> = Result<Deep<T>, Failure<'s>>;

fn depth_of<'a>(expressions: impl IntoIterator<Item = &'a DeepExpr>) -> u16 {
    expressions.into_iter().map(|e| e.depth).max().unwrap_or(0)
}

fn nodes(expressions: Vec<DeepExpr>) -> Vec<Expr> {
    expressions.into_iter().map(|e| e.node).collect()
}

impl<'s> Builder<'s> {
    pub(super) fn new(file: FileId) -> Self {
        Self { file, names: FxHashMap::default(), errors: Vec::new() }
    }

    pub(super) fn span(&self, start: usize, end: usize) -> Span {
        Span::new(self.file, start, end.max(start))
    }

    pub(super) fn name(&mut self, start: usize, text: &'s str, end: usize) -> Ident {
        let span = self.span(start, end);
        Spanned::new(Arc::clone(self.names.entry(text).or_insert_with(|| text.into())), span)
    }

    pub(super) fn text(&self, start: usize, literal: &str, end: usize) -> Spanned<Arc<str>> {
        // The lexer has complained about bad escapes.
        Spanned::new(unescape(literal, |_| ()).0.into(), self.span(start, end))
    }

    fn grow(depth: u16, span: Span) -> Result<u16, Failure<'s>> {
        if depth < MAX_DEPTH { Ok(depth + 1) } else { Err(Failure::User { error: SyntaxError::TooDeep { span } }) }
    }

    fn node(&self, start: usize, kind: ExprKind, depth: u16, end: usize) -> Built<'s, Expr> {
        let span = self.span(start, end);
        let depth = Self::grow(depth, span)?;
        Ok(Deep::new(Expr { kind, span }, depth))
    }

    // ---- expressions

    pub(super) fn leaf(&self, start: usize, kind: ExprKind, end: usize) -> DeepExpr {
        Deep::new(Expr { kind, span: self.span(start, end) }, 1)
    }

    pub(super) fn int(&self, start: usize, spelling: &str, end: usize) -> DeepExpr {
        // Out of range only where the lexer has complained.
        self.leaf(start, ExprKind::Int(spelling.parse().unwrap_or(i64::MAX), spelling.into()), end)
    }

    pub(super) fn real(&self, start: usize, spelling: &str, end: usize) -> DeepExpr {
        self.leaf(start, ExprKind::Real(spelling.parse().unwrap_or(f64::INFINITY), spelling.into()), end)
    }

    pub(super) fn unary(&self, start: usize, operator: UnaryOp, e: DeepExpr, end: usize) -> Built<'s, Expr> {
        self.node(start, ExprKind::Unary(operator, Box::new(e.node)), e.depth, end)
    }

    pub(super) fn binary(&mut self, a: DeepExpr, operator: Spanned<BinaryOp>, c: DeepExpr) -> Built<'s, Expr> {
        let comparison = BinaryOp::Equal.precedence();
        if operator.node.precedence() == comparison
            && let ExprKind::Binary(_, first, _) = &a.node.kind
            && first.node.precedence() == comparison
        {
            self.errors.push(SyntaxError::ChainedComparison {
                first: first.node,
                first_span: first.span,
                second: operator.node,
                second_span: operator.span,
            });
        }
        let (start, end) = (a.node.span.start as usize, c.node.span.end as usize);
        let depth = a.depth.max(c.depth);
        self.node(start, ExprKind::Binary(Box::new(a.node), operator, Box::new(c.node)), depth, end)
    }

    pub(super) fn conditional(&self, l: usize, c: DeepExpr, t: DeepExpr, e: DeepExpr, r: usize) -> Built<'s, Expr> {
        let depth = depth_of([&c, &t, &e]);
        self.node(l, ExprKind::If(Box::new(c.node), Box::new(t.node), Box::new(e.node)), depth, r)
    }

    pub(super) fn index(&self, l: usize, e: DeepExpr, s: Vec<Deep<Subscript>>, r: usize) -> Built<'s, Expr> {
        let depth = s.iter().map(|s| s.depth).fold(e.depth, u16::max);
        let subscripts = s.into_iter().map(|s| s.node).collect();
        self.node(l, ExprKind::Index(Box::new(e.node), subscripts), depth, r)
    }

    pub(super) fn slice(&self, l: usize, lo: Option<DeepExpr>, hi: Option<DeepExpr>, r: usize) -> Deep<Subscript> {
        let depth = depth_of(lo.iter().chain(&hi));
        Deep::new(Subscript::Slice(lo.map(|e| e.node), hi.map(|e| e.node), self.span(l, r)), depth)
    }

    pub(super) fn field(&self, l: usize, e: DeepExpr, field: Ident, r: usize) -> Built<'s, Expr> {
        self.node(l, ExprKind::Field(Box::new(e.node), field), e.depth, r)
    }

    pub(super) fn call(&self, l: usize, function: Ident, arguments: Vec<DeepExpr>, r: usize) -> Built<'s, Expr> {
        let depth = depth_of(&arguments);
        self.node(l, ExprKind::Call(function, nodes(arguments)), depth, r)
    }

    pub(super) fn array(&self, l: usize, elements: Vec<DeepExpr>, r: usize) -> Built<'s, Expr> {
        let depth = depth_of(&elements);
        self.node(l, ExprKind::Array(nodes(elements)), depth, r)
    }

    pub(super) fn comprehension(
        &self,
        l: usize,
        body: DeepExpr,
        index: Ident,
        lower: DeepExpr,
        upper: DeepExpr,
        r: usize,
    ) -> Built<'s, Expr> {
        let depth = depth_of([&body, &lower, &upper]);
        let comprehension = Comprehension { body: body.node, index, lower: lower.node, upper: upper.node };
        self.node(l, ExprKind::Comprehension(Box::new(comprehension)), depth, r)
    }

    pub(super) fn infer(
        &self,
        l: usize,
        model: Ident,
        arguments: Option<Vec<DeepExpr>>,
        data: Vec<(Ident, Option<DeepExpr>)>,
        options: Option<Vec<(Ident, DeepExpr)>>,
        r: usize,
    ) -> Built<'s, Expr> {
        let arguments = arguments.unwrap_or_default();
        let options = options.unwrap_or_default();
        let values = data.iter().filter_map(|(_, e)| e.as_ref());
        let depth = depth_of(arguments.iter().chain(values).chain(options.iter().map(|(_, e)| e)));
        let infer = Infer {
            model,
            arguments: nodes(arguments),
            data: data.into_iter().map(|(key, e)| (key, e.map(|e| e.node))).collect(),
            options: options.into_iter().map(|(key, e)| (key, e.node)).collect(),
        };
        self.node(l, ExprKind::Infer(Box::new(infer)), depth, r)
    }

    pub(super) fn paren(&self, l: usize, e: DeepExpr, r: usize) -> Built<'s, Expr> {
        self.node(l, ExprKind::Paren(Box::new(e.node)), e.depth, r)
    }

    pub(super) fn type_expr(&self, l: usize, name: Ident, sizes: Option<Vec<DeepExpr>>, r: usize) -> Deep<TypeExpr> {
        let sizes = sizes.unwrap_or_default();
        let depth = depth_of(&sizes);
        Deep::new(TypeExpr { name, sizes: nodes(sizes), span: self.span(l, r) }, depth)
    }

    // ---- statements

    pub(super) fn block(&self, l: usize, statements: Vec<Deep<Stmt>>, r: usize) -> Built<'s, Block> {
        let span = self.span(l, r);
        let depth = Self::grow(statements.iter().map(|s| s.depth).max().unwrap_or(0), span)?;
        let statements = statements.into_iter().map(|s| s.node).collect();
        Ok(Deep::new(Block { statements, trailing: Vec::new(), span }, depth))
    }

    pub(super) fn statement(&self, l: usize, kind: Deep<StmtKind>, r: usize) -> Deep<Stmt> {
        Deep::new(Stmt { kind: kind.node, span: self.span(l, r), trivia: Trivia::default() }, kind.depth)
    }

    pub(super) fn branch(
        &self,
        condition: DeepExpr,
        then: Deep<Block>,
        otherwise: Option<Deep<Else>>,
    ) -> Built<'s, If> {
        let mut depth = then.depth;
        if let Some(e) = &otherwise {
            // A chain of `else if` is a chain of nested nodes.
            depth = depth.max(Self::grow(e.depth, condition.node.span)?);
        }
        let branch = If { condition: condition.node, then: then.node, otherwise: otherwise.map(|e| e.node) };
        Ok(Deep::new(branch, depth))
    }

    /// The form of `ROLE x = ...`.
    pub(super) fn role_form(role: Role) -> LetForm {
        match role {
            Role::Observe => LetForm::Observe,
            Role::Given | Role::Sample => LetForm::Misplaced(role),
        }
    }

    pub(super) fn variable(
        &mut self,
        role: Option<Spanned<Role>>,
        target: DeepExpr,
        ty: Option<Ascribed>,
        distribution: Option<(DeepExpr, Option<DeepExpr>)>,
        annotation: Option<Annotation>,
    ) -> Deep<StmtKind> {
        let target = target.node;
        if self.check_path(&target) && role.is_none() && distribution.is_none() {
            self.errors.push(SyntaxError::MissingRole { span: target.span });
        }
        let (distribution, simulate) = match distribution {
            Some((d, s)) => (Some(d.node), s.map(|s| s.node)),
            None => (None, None),
        };
        Deep::new(StmtKind::Variable(Box::new(Variable { role, target, ty, distribution, simulate, annotation })), 0)
    }

    pub(super) fn definition(
        &mut self,
        form: LetForm,
        target: DeepExpr,
        ty: Option<Ascribed>,
        value: DeepExpr,
        annotation: Option<Annotation>,
    ) -> Deep<StmtKind> {
        self.check_path(&target.node);
        let definition = Let { form, target: target.node, ty, value: value.node, annotation };
        Deep::new(StmtKind::Let(Box::new(definition)), 0)
    }

    pub(super) fn bare_expression(&mut self, e: DeepExpr) -> Deep<StmtKind> {
        let e = e.node;
        if let Some(span) = left_arrow(&e) {
            self.errors.push(SyntaxError::WrongTilde { found: "<-".into(), span });
        } else if !matches!(e.kind, ExprKind::Call(..) | ExprKind::Error) {
            let equality = match &e.kind {
                ExprKind::Binary(target, operator, _) if operator.node == BinaryOp::Equal && is_path(target) => {
                    Some(operator.span)
                }
                ExprKind::Int(..)
                | ExprKind::Real(..)
                | ExprKind::Bool(_)
                | ExprKind::Str(_)
                | ExprKind::Name(_)
                | ExprKind::Unary(..)
                | ExprKind::Binary(..)
                | ExprKind::If(..)
                | ExprKind::Index(..)
                | ExprKind::Field(..)
                | ExprKind::Call(..)
                | ExprKind::Array(_)
                | ExprKind::Comprehension(_)
                | ExprKind::Infer(_)
                | ExprKind::Paren(_)
                | ExprKind::Error => None,
            };
            self.errors.push(SyntaxError::NotACall { span: e.span, equality });
        }
        Deep::new(StmtKind::Expr(e), 0)
    }

    pub(super) fn bodyless(&mut self, library: bool, name: &Ident, semicolon: usize, end: usize) {
        if !library {
            self.errors.push(SyntaxError::BodylessFunction {
                name: Arc::clone(&name.node),
                span: name.span,
                semicolon: self.span(semicolon, end),
            });
        }
    }

    /// Whether the left side of a statement is a path; complains if not.
    fn check_path(&mut self, target: &Expr) -> bool {
        if is_path(target) {
            return true;
        }
        if let Some(span) = left_arrow(target) {
            self.errors.push(SyntaxError::WrongTilde { found: "<-".into(), span });
        } else {
            let found = match &target.kind {
                ExprKind::Call(name, _) => NotPath::Call(Arc::clone(&name.node)),
                ExprKind::Index(_, subscripts) if subscripts.iter().any(|s| matches!(s, Subscript::Slice(..))) => {
                    NotPath::Slice
                }
                ExprKind::Paren(_) => NotPath::Paren,
                ExprKind::Int(..) | ExprKind::Real(..) | ExprKind::Bool(_) | ExprKind::Str(_) => NotPath::Literal,
                ExprKind::Name(_)
                | ExprKind::Unary(..)
                | ExprKind::Binary(..)
                | ExprKind::If(..)
                | ExprKind::Index(..)
                | ExprKind::Field(..)
                | ExprKind::Array(_)
                | ExprKind::Comprehension(_)
                | ExprKind::Infer(_)
                | ExprKind::Error => NotPath::Expression,
            };
            self.errors.push(SyntaxError::NotAPath { found, span: target.span });
        }
        false
    }
}

/// Whether `e` is a name followed by fields and indices.
fn is_path(mut e: &Expr) -> bool {
    loop {
        e = match &e.kind {
            ExprKind::Name(_) => return true,
            ExprKind::Field(base, _) => base,
            ExprKind::Index(base, subscripts) if subscripts.iter().all(|s| matches!(s, Subscript::Index(_))) => base,
            ExprKind::Int(..)
            | ExprKind::Real(..)
            | ExprKind::Bool(_)
            | ExprKind::Str(_)
            | ExprKind::Unary(..)
            | ExprKind::Binary(..)
            | ExprKind::If(..)
            | ExprKind::Index(..)
            | ExprKind::Call(..)
            | ExprKind::Array(_)
            | ExprKind::Comprehension(_)
            | ExprKind::Infer(_)
            | ExprKind::Paren(_)
            | ExprKind::Error => return false,
        };
    }
}

/// The place of `<-` in what was read as `x < -d`.
fn left_arrow(e: &Expr) -> Option<Span> {
    let ExprKind::Binary(_, operator, right) = &e.kind else { return None };
    let mut first = &**right;
    while let ExprKind::Binary(left, ..) = &first.kind {
        first = left;
    }
    let adjacent = operator.span.end == first.span.start;
    let negated = matches!(first.kind, ExprKind::Unary(UnaryOp::Negate, _));
    (operator.node == BinaryOp::Less && adjacent && negated)
        .then(|| Span { end: operator.span.end + 1, ..operator.span })
}
