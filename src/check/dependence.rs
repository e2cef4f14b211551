//! What depends on what: random variables behind an expression, and reads across the iterations of a plate.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::CheckError;
use super::core::{Argument, Distribution, DistributionKind, Expr, ExprKind, SlotId, Subscript};
use super::scope::{Body, Loop};
use crate::span::Span;
use crate::syntax::ast;

/// A statement in a plate fills an array: its subscript at `axis` is the plate's index plus `offset`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fill {
    pub(super) name: Arc<str>,
    pub(super) axis: usize,
    pub(super) offset: i64,
}

/// An expression in a plate reads an array that statements fill.
#[derive(Clone, Debug)]
pub(super) struct Read {
    pub(super) name: Arc<str>,
    /// By axis: a name plus a constant, or anything else.
    pub(super) subscripts: Vec<Option<(Arc<str>, i64)>>,
    pub(super) span: Span,
}

/// `NAME`, `NAME + INT` or `NAME - INT`.
pub(super) fn index_form(expr: &ast::Expr) -> Option<(Arc<str>, i64)> {
    match &expr.kind {
        ast::ExprKind::Name(name) => Some((name.clone(), 0)),
        ast::ExprKind::Paren(inner) => index_form(inner),
        ast::ExprKind::Binary(left, op, right) => {
            let sign = match op.node {
                ast::BinaryOp::Add => 1,
                ast::BinaryOp::Subtract => -1,
                _ => return None,
            };
            let (ast::ExprKind::Name(name), ast::ExprKind::Int(offset, _)) = (&left.kind, &right.kind) else {
                return None;
            };
            Some((name.clone(), sign * offset))
        }
        _ => None,
    }
}

/// Whether `test` holds for a slot that `expr` reads.
pub(super) fn any_slot(expr: &Expr, test: &mut impl FnMut(SlotId) -> bool) -> bool {
    super::deep(|| match &expr.kind {
        ExprKind::Constant(_) => false,
        ExprKind::Slot(slot) => test(*slot),
        ExprKind::Unary(_, inner)
        | ExprKind::ToReal(inner)
        | ExprKind::Returned(inner)
        | ExprKind::Field(inner, _)
        | ExprKind::PosteriorField(inner, _) => any_slot(inner, test),
        ExprKind::Binary(_, left, right) => any_slot(left, test) || any_slot(right, test),
        ExprKind::If(condition, then, otherwise) => {
            any_slot(condition, test) || any_slot(then, test) || any_slot(otherwise, test)
        }
        ExprKind::Index(array, subscripts) => {
            any_slot(array, test)
                || subscripts.iter().any(|subscript| match subscript {
                    Subscript::Index(index) => any_slot(index, test),
                    Subscript::Slice(lower, upper) => lower.iter().chain(upper).any(|bound| any_slot(bound, test)),
                })
        }
        ExprKind::Builtin(_, arguments) | ExprKind::Call(_, arguments) | ExprKind::Array(arguments) => {
            arguments.iter().any(|argument| any_slot(argument, test))
        }
        ExprKind::Comprehension { lower, upper, body, .. } => {
            any_slot(lower, test) || any_slot(upper, test) || any_slot(body, test)
        }
        ExprKind::Summary(_, marginal, arguments) => {
            any_slot(marginal, test) || arguments.iter().any(|argument| any_slot(argument, test))
        }
        ExprKind::LogDensity(distribution, value) => distribution_slot(distribution, test) || any_slot(value, test),
        ExprKind::Infer(infer) => {
            let values = infer.data.iter().filter_map(|(_, value)| value.as_ref());
            let options = infer.options.iter().map(|(_, value)| value);
            infer.arguments.iter().chain(values).chain(options).any(|value| any_slot(value, test))
        }
    })
}

fn distribution_slot(distribution: &Distribution, test: &mut impl FnMut(SlotId) -> bool) -> bool {
    match &distribution.kind {
        DistributionKind::Family(_, arguments) => arguments.iter().any(|argument| match argument {
            Argument::Value(value) => any_slot(value, test),
            Argument::Distribution(inner) => distribution_slot(inner, test),
            Argument::Distributions(inner) => inner.iter().any(|d| distribution_slot(d, test)),
        }),
        DistributionKind::Model(_, arguments) => arguments.iter().any(|argument| any_slot(argument, test)),
        DistributionKind::Marginal(marginal) => any_slot(marginal, test),
    }
}

impl Body<'_, '_> {
    /// Notes that an array which statements fill is read, if that is in a plate.
    pub(super) fn note_read(&mut self, name: &Arc<str>, subscripts: &[ast::Subscript], span: Span) {
        if !self.loops.iter().any(|l| l.plate) {
            return;
        }
        let subscripts = subscripts
            .iter()
            .map(|subscript| match subscript {
                ast::Subscript::Index(index) => index_form(index),
                ast::Subscript::Slice(..) => None,
            })
            .collect();
        self.reads.push(Read { name: name.clone(), subscripts, span });
    }

    /// At the end of a plate: no iteration may have read what another fills.
    pub(super) fn check_plate(&mut self, plate: &Loop) {
        let mut fills: FxHashMap<Arc<str>, Vec<&Fill>> = FxHashMap::default();
        for fill in &plate.fills {
            fills.entry(fill.name.clone()).or_default().push(fill);
        }
        let mut errors = Vec::new();
        for read in self.reads.get(plate.first_read..).unwrap_or_default() {
            let Some(fills) = fills.get(&read.name) else { continue };
            let own = fills.iter().any(|fill| match read.subscripts.get(fill.axis) {
                Some(Some((index, offset))) => *index == plate.index && *offset == fill.offset,
                Some(None) | None => false,
            });
            if !own {
                let index = match fills.first().map_or(0, |fill| fill.offset) {
                    0 => plate.index.to_string(),
                    offset if offset > 0 => format!("{} + {offset}", plate.index),
                    offset => format!("{} - {}", plate.index, offset.unsigned_abs()),
                };
                let name = read.name.to_string();
                errors.push(CheckError::PlateRead { name, index, span: read.span, plate: plate.span });
            }
        }
        for error in errors {
            self.report::<()>(error);
        }
        if !self.loops.iter().any(|l| l.plate) {
            self.reads.clear();
        }
    }
}
