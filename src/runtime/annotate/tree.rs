//! Syntax trees that are made and not read: literals, names, and places of variables.

use std::sync::Arc;

use crate::span::{Span, Spanned};
use crate::syntax::ast::{Expr, ExprKind, Ident, Subscript, UnaryOp};
use crate::value::{Value, format_real};

/// A variable as it is written: names from the root, each with the number of subscripts that follow it.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// The submodel that it is in.
    pub prefix: Option<Expr>,
    pub segments: Arc<[(Arc<str>, usize)]>,
}

impl Place {
    /// The variable with these subscripts; what is left over belongs to the last name.
    pub fn at(&self, subscripts: Vec<Subscript>) -> Expr {
        let mut rest = subscripts.into_iter();
        let mut expr = self.prefix.clone();
        for (i, (name, count)) in self.segments.iter().enumerate() {
            let named = match expr {
                None => self::name(name),
                Some(outer) => field(outer, name),
            };
            let take = if i + 1 == self.segments.len() { usize::MAX } else { *count };
            let here: Vec<Subscript> = rest.by_ref().take(take).collect();
            expr = Some(if here.is_empty() { named } else { expression(ExprKind::Index(Box::new(named), here)) });
        }
        expr.unwrap_or_else(|| name("?"))
    }

    /// The element at `indices`.
    pub fn element(&self, indices: &[i64]) -> Expr {
        self.at(indices.iter().map(|i| Subscript::Index(integer(*i))).collect())
    }
}

pub(super) fn expression(kind: ExprKind) -> Expr {
    Expr { kind, span: Span::default() }
}

pub(super) fn ident(name: &str) -> Ident {
    Spanned::new(Arc::from(name), Span::default())
}

pub(super) fn name(name: &str) -> Expr {
    expression(ExprKind::Name(Arc::from(name)))
}

pub(super) fn field(of: Expr, name: &str) -> Expr {
    expression(ExprKind::Field(Box::new(of), ident(name)))
}

pub(super) fn call(function: &str, arguments: Vec<Expr>) -> Expr {
    expression(ExprKind::Call(ident(function), arguments))
}

fn negative(of: Expr) -> Expr {
    expression(ExprKind::Unary(UnaryOp::Negate, Box::new(of)))
}

pub(super) fn integer(i: i64) -> Expr {
    let magnitude = expression(ExprKind::Int(i.saturating_abs(), i.unsigned_abs().to_string().into()));
    if i < 0 { negative(magnitude) } else { magnitude }
}

fn real(x: f64) -> Expr {
    if x.is_nan() {
        let zero = || Box::new(real(0.0));
        let divide = Spanned::new(crate::syntax::ast::BinaryOp::Divide, Span::default());
        return expression(ExprKind::Paren(Box::new(expression(ExprKind::Binary(zero(), divide, zero())))));
    }
    let magnitude =
        if x.is_infinite() { name("inf") } else { expression(ExprKind::Real(x.abs(), format_real(x.abs()).into())) };
    if x.is_sign_negative() { negative(magnitude) } else { magnitude }
}

/// A value as it is written; `None` of what cannot be.
pub(super) fn literal(value: &Value) -> Option<Expr> {
    Some(match value {
        Value::Bool(b) => expression(ExprKind::Bool(*b)),
        Value::Int(i) => integer(*i),
        Value::Real(x) => real(*x),
        Value::Str(text) => expression(ExprKind::Str(text.clone())),
        Value::Array(array) => {
            let elements: Option<Vec<Expr>> = (0..array.len()).map(|i| literal(&array.get(i)?)).collect();
            expression(ExprKind::Array(elements?))
        }
        Value::Record(record) => return literal(record.returned.as_ref()?),
        Value::Posterior(_) | Value::Marginal(_) => return None,
    })
}

/// The names of a place without its subscripts, with dots.
pub(super) fn dotted(expr: &Expr) -> Option<String> {
    if let ExprKind::Index(of, _) = &expr.kind {
        dotted(of)
    } else if let ExprKind::Field(of, name) = &expr.kind {
        Some(format!("{}.{}", dotted(of)?, name.node))
    } else if let ExprKind::Name(name) = &expr.kind {
        Some(name.to_string())
    } else {
        None
    }
}
