//! Expressions: operators, literals, conditionals.

use std::sync::Arc;

use super::CheckError;
use super::core::{Expr, ExprKind, Type};
use super::scope::{Binding, Body};
use super::types::{common, promote};
use crate::builtin::{self, SignatureError};
use crate::span::Span;
use crate::syntax::ast::{self, BinaryOp};
use crate::value::{Base, DataType, Value};

/// The integer that is written, with its sign.
pub(super) fn integer_literal(expr: &ast::Expr) -> Option<i64> {
    match &expr.kind {
        ast::ExprKind::Int(i, _) => Some(*i),
        ast::ExprKind::Unary(ast::UnaryOp::Negate, inner) => integer_literal(inner).and_then(i64::checked_neg),
        ast::ExprKind::Paren(inner) => integer_literal(inner),
        _ => None,
    }
}

/// The number that an expression stands for without any variable, as far as signs and conversions go.
pub(super) fn constant(expr: &Expr) -> Option<f64> {
    match &expr.kind {
        ExprKind::Constant(value) => value.as_f64(),
        ExprKind::ToReal(inner) => constant(inner),
        ExprKind::Unary(ast::UnaryOp::Negate, inner) => constant(inner).map(|x| -x),
        _ => None,
    }
}

/// Sizes that an expression shows: of array literals, and of arrays whose sizes are declared.
pub(super) fn literal_sizes(expr: &ast::Expr) -> Vec<Option<i64>> {
    match &expr.kind {
        ast::ExprKind::Paren(inner) => literal_sizes(inner),
        ast::ExprKind::Array(elements) => {
            let mut sizes = vec![i64::try_from(elements.len()).ok()];
            sizes.extend(elements.first().map(literal_sizes).unwrap_or_default());
            sizes
        }
        _ => Vec::new(),
    }
}

pub(super) fn data_expr(kind: ExprKind, ty: DataType, span: Span) -> Expr {
    Expr { kind, ty: Type::Data(ty), span }
}

impl Body<'_, '_> {
    /// Checks an expression of any type.
    pub(super) fn expr(&mut self, expr: &ast::Expr) -> Option<Expr> {
        super::deep(|| self.expr_here(expr))
    }

    fn expr_here(&mut self, expr: &ast::Expr) -> Option<Expr> {
        let span = expr.span;
        match &expr.kind {
            ast::ExprKind::Int(i, _) => Some(data_expr(ExprKind::Constant(Value::Int(*i)), DataType::INT, span)),
            ast::ExprKind::Real(x, _) => Some(data_expr(ExprKind::Constant(Value::Real(*x)), DataType::REAL, span)),
            ast::ExprKind::Bool(b) => Some(data_expr(ExprKind::Constant(Value::Bool(*b)), DataType::BOOL, span)),
            ast::ExprKind::Str(text) => {
                Some(Expr { kind: ExprKind::Constant(Value::Str(text.clone())), ty: Type::Str, span })
            }
            ast::ExprKind::Name(_) | ast::ExprKind::Index(..) | ast::ExprKind::Field(..) => self.path(expr),
            ast::ExprKind::Paren(inner) => self.expr(inner),
            ast::ExprKind::Unary(op, operand) => {
                let (operand, ty) = self.data(operand)?;
                match builtin::unary_type(*op, ty) {
                    Ok(ty) => Some(data_expr(ExprKind::Unary(*op, Box::new(operand)), ty, span)),
                    Err(error) => self.report(CheckError::Signature { error, span: operand.span }),
                }
            }
            ast::ExprKind::Binary(left, op, right) => self.binary(left, op.node, right, span),
            ast::ExprKind::If(condition, then, otherwise) => {
                let condition = self.condition(condition);
                let then = self.data(then);
                let otherwise = self.data(otherwise);
                let (condition, (then, a), (otherwise, b)) = (condition?, then?, otherwise?);
                let Some(ty) = common(a, b) else {
                    return self.report(CheckError::NoCommonType {
                        what: "both branches of an `if`",
                        first_type: a.to_string(),
                        found: b.to_string(),
                        span: otherwise.span,
                        first: then.span,
                    });
                };
                let (then, otherwise) = (Box::new(promote(then, ty)), Box::new(promote(otherwise, ty)));
                Some(data_expr(ExprKind::If(Box::new(condition), then, otherwise), ty, span))
            }
            ast::ExprKind::Call(name, arguments) => self.call(name, arguments, span),
            ast::ExprKind::Array(elements) => self.array(elements, span),
            ast::ExprKind::Comprehension(comprehension) => self.comprehension(comprehension, span),
            ast::ExprKind::Infer(infer) => self.infer(infer, span),
            ast::ExprKind::Error => {
                self.failed = true;
                None
            }
        }
    }

    fn binary(&mut self, left: &ast::Expr, op: BinaryOp, right: &ast::Expr, span: Span) -> Option<Expr> {
        let left = self.data(left);
        let right = self.data(right);
        let ((left, a), (right, b)) = (left?, right?);
        let ty = match builtin::binary_type(op, a, b) {
            Ok(ty) => ty,
            Err(error) => {
                let span = match &error {
                    SignatureError::Operand { index: 0, .. } => left.span,
                    SignatureError::Operand { .. } => right.span,
                    SignatureError::Arity { .. } | SignatureError::Argument { .. } => span,
                };
                return self.report(CheckError::Signature { error, span });
            }
        };
        let reals = op == BinaryOp::Divide || a.base == Base::Real || b.base == Base::Real;
        let (left, right) =
            if reals { (promote(left, DataType::REAL), promote(right, DataType::REAL)) } else { (left, right) };
        Some(data_expr(ExprKind::Binary(op, Box::new(left), Box::new(right)), ty, span))
    }

    fn array(&mut self, elements: &[ast::Expr], span: Span) -> Option<Expr> {
        let checked: Vec<Option<(Expr, DataType)>> = elements.iter().map(|element| self.data(element)).collect();
        let checked: Vec<(Expr, DataType)> = checked.into_iter().collect::<Option<_>>()?;
        let Some((first, mut ty)) = checked.first().map(|(e, ty)| (e.span, *ty)) else {
            return Some(data_expr(ExprKind::Array(Vec::new()), DataType::VECTOR, span));
        };
        let expected = elements.first().map(literal_sizes).unwrap_or_default();
        for ((element, found), source) in checked.iter().zip(elements) {
            let Some(both) = common(ty, *found) else {
                return self.report(CheckError::NoCommonType {
                    what: "the elements of an array",
                    first_type: ty.to_string(),
                    found: found.to_string(),
                    span: element.span,
                    first,
                });
            };
            ty = both;
            for (expected, found) in expected.iter().zip(literal_sizes(source)) {
                if let (Some(expected), Some(found)) = (*expected, found)
                    && expected != found
                {
                    let (expected, found) = (expected.unsigned_abs() as usize, found.unsigned_abs() as usize);
                    return self.report(CheckError::Ragged { expected, found, span: element.span, first });
                }
            }
        }
        let elements = checked.into_iter().map(|(element, _)| promote(element, ty)).collect();
        Some(data_expr(ExprKind::Array(elements), DataType { base: ty.base, rank: ty.rank + 1 }, span))
    }

    fn comprehension(&mut self, comprehension: &ast::Comprehension, span: Span) -> Option<Expr> {
        let lower = self.expect(&comprehension.lower, DataType::INT, "the bound of a loop");
        let upper = self.expect(&comprehension.upper, DataType::INT, "the bound of a loop");
        let mark = self.mark();
        let random = lower.iter().chain(&upper).any(|bound| self.is_random(bound));
        let index =
            self.define(&comprehension.index.node, Some(Type::Data(DataType::INT)), random, comprehension.index.span);
        let body = self.data(&comprehension.body);
        self.end_loop(mark);
        let (index, lower, upper, (body, ty)) = (index?, Box::new(lower?), Box::new(upper?), body?);
        let ty = DataType { base: ty.base, rank: ty.rank + 1 };
        Some(data_expr(ExprKind::Comprehension { index, lower, upper, body: Box::new(body) }, ty, span))
    }

    /// A binding for a whole variable whose sizes may be known.
    pub(super) fn note_sizes(&mut self, name: &Arc<str>, sizes: Vec<Option<i64>>) {
        if sizes.iter().any(Option::is_some)
            && let Some(Binding { sizes: known, .. }) = self.names.get_mut(name)
        {
            *known = sizes.into();
        }
    }
}
