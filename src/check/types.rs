//! Written types, and the implicit conversions: a record to what it returned, an int to a real.

use super::CheckError;
use super::core::{Expr, ExprKind, Type};
use super::scope::Body;
use crate::diagnostic::near_miss;
use crate::span::Span;
use crate::syntax::ast;
use crate::value::{Base, DataType};

const TYPE_NAMES: [&str; 5] = ["bool", "int", "real", "vector", "matrix"];

/// The type that is written, its sizes aside.
pub(super) fn written_type(ty: &ast::TypeExpr) -> Result<DataType, CheckError> {
    let rank = ty.sizes.len();
    let (base, needed) = match &*ty.name.node {
        "bool" => (Base::Bool, None),
        "int" => (Base::Int, None),
        "real" => (Base::Real, None),
        "vector" => (Base::Real, Some(1)),
        "matrix" => (Base::Real, Some(2)),
        unknown => {
            let help = near_miss(unknown, TYPE_NAMES)
                .map_or_else(|| format!("types are {}", TYPE_NAMES.join(", ")), |n| format!("did you mean `{n}`?"));
            let name = unknown.to_owned();
            return Err(CheckError::UnknownType { name, span: ty.name.span, help: Some(help) });
        }
    };
    match needed {
        Some(expected) if expected != rank => {
            Err(CheckError::TypeSizes { name: ty.name.node.to_string(), expected, found: rank, span: ty.span })
        }
        Some(_) | None => Ok(DataType { base, rank }),
    }
}

/// The type of both, as far as ints become reals.
pub(super) fn common(a: DataType, b: DataType) -> Option<DataType> {
    if a.fits(b) {
        Some(b)
    } else if b.fits(a) {
        Some(a)
    } else {
        None
    }
}

/// `expr`, or the real that its int becomes.
pub(super) fn promote(expr: Expr, wanted: DataType) -> Expr {
    match expr.ty {
        Type::Data(found) if found.base == Base::Int && wanted.base == Base::Real => {
            let ty = Type::Data(DataType { base: Base::Real, rank: found.rank });
            Expr { span: expr.span, ty, kind: ExprKind::ToReal(Box::new(expr)) }
        }
        Type::Data(_) | Type::Str | Type::Record { .. } | Type::Posterior(_) | Type::Marginal(_) | Type::Nothing => {
            expr
        }
    }
}

impl Body<'_, '_> {
    /// A type in words.
    pub(super) fn show(&self, ty: Type) -> String {
        match ty {
            Type::Data(data) => data.to_string(),
            Type::Str => "text".into(),
            Type::Record { model, rank: 0 } => format!("an execution of `{}`", self.checker.model_name(model)),
            Type::Record { model, .. } => format!("an array of executions of `{}`", self.checker.model_name(model)),
            Type::Posterior(model) => format!("a posterior of `{}`", self.checker.model_name(model)),
            Type::Marginal(data) => format!("the posterior of a variable of type {data}"),
            Type::Nothing => "nothing".into(),
        }
    }

    /// Reads `expr` as data: a record as what it returned.
    pub(super) fn as_data(&mut self, expr: Expr) -> Option<(Expr, DataType)> {
        match expr.ty {
            Type::Data(ty) => Some((expr, ty)),
            Type::Record { model, rank } => match self.checker.model_result(model, expr.span)? {
                Some(returned) => {
                    let ty = DataType { base: returned.base, rank: returned.rank + rank };
                    let span = expr.span;
                    Some((Expr { kind: ExprKind::Returned(Box::new(expr)), ty: Type::Data(ty), span }, ty))
                }
                None => {
                    let model = self.checker.model_name(model).to_string();
                    self.report(CheckError::NoReturnValue { model, span: expr.span })
                }
            },
            Type::Str => self.report(CheckError::MisplacedText { span: expr.span }),
            Type::Posterior(_) | Type::Marginal(_) | Type::Nothing => {
                let help = match expr.ty {
                    Type::Marginal(_) => {
                        Some("ask for a number, as in `mean(p.x)`, or draw from it: `sample y ~ p.x;`".into())
                    }
                    Type::Posterior(_) => Some("ask for one of its variables, as in `mean(p.x)`".into()),
                    Type::Data(_) | Type::Str | Type::Record { .. } | Type::Nothing => None,
                };
                let found = self.show(expr.ty);
                self.report(CheckError::Mismatch {
                    expected: "data".into(),
                    context: "not data".into(),
                    found,
                    span: expr.span,
                    help,
                })
            }
        }
    }

    /// `expr` as a `wanted`; `context` says what it is for ("the index of an array").
    pub(super) fn convert(&mut self, expr: Expr, wanted: DataType, context: &str) -> Option<Expr> {
        let (mut expr, found) = self.as_data(expr)?;
        if found.fits(wanted) {
            return Some(promote(expr, wanted));
        }
        if wanted.rank > 0
            && let ExprKind::Array(elements) = &expr.kind
            && elements.is_empty()
        {
            expr.ty = Type::Data(wanted);
            return Some(expr);
        }
        let help = conversion_help(self.text(expr.span), &expr, found, wanted);
        self.report(CheckError::Mismatch {
            expected: wanted.to_string(),
            found: found.to_string(),
            span: expr.span,
            context: context.to_owned(),
            help,
        })
    }

    /// Checks `expr` and converts it.
    pub(super) fn expect(&mut self, expr: &ast::Expr, wanted: DataType, context: &str) -> Option<Expr> {
        let expr = self.expr(expr)?;
        self.convert(expr, wanted, context)
    }

    /// Checks an expression that must be data.
    pub(super) fn data(&mut self, expr: &ast::Expr) -> Option<(Expr, DataType)> {
        let expr = self.expr(expr)?;
        self.as_data(expr)
    }

    /// Checks a condition: bool or int.
    pub(super) fn condition(&mut self, expr: &ast::Expr) -> Option<Expr> {
        let (expr, found) = self.data(expr)?;
        if found == DataType::BOOL || found == DataType::INT {
            return Some(expr);
        }
        self.report(CheckError::Condition { found: found.to_string(), span: expr.span })
    }

    /// Checks the sizes of a written type.
    pub(super) fn sizes(&mut self, ty: &ast::TypeExpr) -> Vec<Expr> {
        ty.sizes.iter().filter_map(|size| self.expect(size, DataType::INT, "a size")).collect()
    }

    /// The text under a span, on one line and not too long for a help line.
    pub(super) fn text(&self, span: Span) -> String {
        let text = self.checker.sources.text(span).split_whitespace().collect::<Vec<_>>().join(" ");
        if text.chars().count() > 60 { "...".into() } else { text }
    }
}

fn conversion_help(text: String, expr: &Expr, found: DataType, wanted: DataType) -> Option<String> {
    if found.rank != wanted.rank {
        return None;
    }
    match (found.base, wanted.base) {
        (Base::Real, Base::Int) => Some(match &expr.kind {
            ExprKind::Binary(ast::BinaryOp::Divide, ..) => {
                format!("`/` gives a real: write `div(a, b)` for ints, or `to_int({text})`")
            }
            _ => format!("write `to_int({text})`"),
        }),
        (Base::Bool, Base::Int | Base::Real) if wanted.rank == 0 => Some(format!("write `if {text} then 1 else 0`")),
        (Base::Int, Base::Bool) if wanted.rank == 0 => Some(format!("write `{text} != 0`")),
        _ => None,
    }
}
