//! From the core program back to syntax, with what is known put in its place.

use crate::check::core::{
    Argument, Distribution, DistributionKind, Expr, ExprKind, FunctionId, Program, SlotId, Subscript, Summary,
};
use crate::runtime::handler::Stop;
use crate::span::{Span, Spanned};
use crate::syntax::ast;
use crate::value::Value;

use super::tree::{call, dotted, expression, field, ident, literal};

/// Why a program has no annotated form.
#[derive(Debug)]
pub(super) enum Halt {
    /// An execution ended early.
    Stop(Stop),
    /// The program does something that has no straight-line form.
    Unsupported { what: &'static str, span: Span },
    /// It has too many lines.
    TooLong,
}

impl From<Stop> for Halt {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

impl From<crate::runtime::RuntimeError> for Halt {
    fn from(error: crate::runtime::RuntimeError) -> Self {
        Self::Stop(error.into())
    }
}

pub(super) type Translated<T> = Result<T, Halt>;

/// An expression in the text: a literal, which folds with others, or a tree.
#[derive(Clone, Debug)]
pub(super) enum Piece {
    Literal(Value),
    Tree(ast::Expr),
}

impl Piece {
    pub fn is_literal(&self) -> bool {
        matches!(self, Self::Literal(_))
    }

    pub fn tree(self, span: Span) -> Translated<ast::Expr> {
        match self {
            Self::Tree(tree) => Ok(tree),
            Self::Literal(value) => {
                literal(&value).ok_or(Halt::Unsupported { what: "a posterior inside the model", span })
            }
        }
    }
}

/// Translates expressions. What is known differs: inside a function nothing is, in a model that is being executed a lot.
pub(super) trait Translate<'p> {
    fn program(&self) -> &'p Program;

    /// A function that is called.
    fn called(&mut self, function: FunctionId);

    fn slot(&mut self, slot: SlotId, span: Span) -> Translated<Piece>;

    /// Indices of a slot that is a place of its own; `None` where it is read as a whole.
    fn place(&mut self, slot: SlotId, subscripts: Vec<ast::Subscript>) -> Option<ast::Expr>;

    /// The value of an expression all of whose parts are literals; `None` where nothing is folded.
    fn fold(&mut self, expr: &'p Expr) -> Translated<Option<Value>>;

    /// The value of an expression that does not depend on anything masked.
    fn known(&mut self, expr: &'p Expr) -> Translated<Option<Value>>;

    /// What an execution of a submodel returned, by its place.
    fn returned(&mut self, record: &ast::Expr) -> Option<Piece>;

    /// Whether the variable at a place has no line of its own.
    fn is_input(&self, dotted: &str) -> bool;

    fn set_index(&mut self, index: SlotId, value: i64);

    fn expression(&mut self, expr: &'p Expr) -> Translated<Piece> {
        let span = expr.span;
        Ok(match &expr.kind {
            ExprKind::Constant(value) => Piece::Literal(value.clone()),
            ExprKind::Slot(slot) => self.slot(*slot, span)?,
            ExprKind::Unary(op, operand) => {
                let operand = self.expression(operand)?;
                if operand.is_literal()
                    && let Some(value) = self.fold(expr)?
                {
                    return Ok(Piece::Literal(value));
                }
                Piece::Tree(expression(ast::ExprKind::Unary(*op, Box::new(operand.tree(span)?))))
            }
            ExprKind::Binary(op, left, right) => {
                let (left, right) = (self.expression(left)?, self.expression(right)?);
                if left.is_literal()
                    && right.is_literal()
                    && let Some(value) = self.fold(expr)?
                {
                    return Ok(Piece::Literal(value));
                }
                let (left, right) = (Box::new(left.tree(span)?), Box::new(right.tree(span)?));
                Piece::Tree(expression(ast::ExprKind::Binary(left, Spanned::new(*op, Span::default()), right)))
            }
            // Conversions are implicit in the text, and a literal keeps its spelling.
            ExprKind::ToReal(inner) => self.expression(inner)?,
            ExprKind::Returned(inner) => match self.expression(inner)? {
                Piece::Literal(value) => Piece::Literal(value),
                Piece::Tree(record) => match self.returned(&record) {
                    Some(piece) => piece,
                    None => Piece::Tree(record),
                },
            },
            ExprKind::If(condition, then, otherwise) => match self.known(condition)? {
                Some(value) => {
                    let side = if value.as_condition().unwrap_or(false) { then } else { otherwise };
                    self.expression(side)?
                }
                None => {
                    let condition = self.expression(condition)?.tree(span)?;
                    let (then, otherwise) =
                        (self.expression(then)?.tree(span)?, self.expression(otherwise)?.tree(span)?);
                    let sides = ast::ExprKind::If(Box::new(condition), Box::new(then), Box::new(otherwise));
                    Piece::Tree(expression(sides))
                }
            },
            ExprKind::Index(base, subscripts) => self.index(expr, base, subscripts)?,
            ExprKind::Field(base, name) => {
                let base = self.expression(base)?.tree(span)?;
                let tree = field(base, name);
                if dotted(&tree).is_some_and(|d| self.is_input(&d))
                    && let Some(value) = self.known(expr)?
                {
                    return Ok(Piece::Literal(value));
                }
                Piece::Tree(tree)
            }
            ExprKind::Builtin(builtin, arguments) => {
                let arguments = self.all(arguments)?;
                if arguments.iter().all(Piece::is_literal)
                    && let Some(value) = self.fold(expr)?
                {
                    return Ok(Piece::Literal(value));
                }
                Piece::Tree(call(builtin.name(), trees(arguments, span)?))
            }
            ExprKind::Call(function, arguments) => {
                let arguments = self.all(arguments)?;
                if arguments.iter().all(Piece::is_literal)
                    && let Some(value) = self.fold(expr)?
                {
                    return Ok(Piece::Literal(value));
                }
                self.called(*function);
                let name = self.program().function(*function).name.clone();
                Piece::Tree(call(&name, trees(arguments, span)?))
            }
            ExprKind::Array(elements) => {
                let elements = self.all(elements)?;
                if elements.iter().all(Piece::is_literal)
                    && let Some(value) = self.fold(expr)?
                {
                    return Ok(Piece::Literal(value));
                }
                Piece::Tree(expression(ast::ExprKind::Array(trees(elements, span)?)))
            }
            ExprKind::Comprehension { index, lower, upper, body } => {
                let bounds = (self.known(lower)?, self.known(upper)?);
                if let (Some(first), Some(last)) = (&bounds.0, &bounds.1)
                    && let (Some(first), Some(last)) = (first.as_int(), last.as_int())
                {
                    let mut elements = Vec::new();
                    for i in first..last {
                        self.set_index(*index, i);
                        elements.push(self.expression(body)?);
                    }
                    if elements.iter().all(Piece::is_literal)
                        && let Some(value) = self.fold(expr)?
                    {
                        return Ok(Piece::Literal(value));
                    }
                    return Ok(Piece::Tree(expression(ast::ExprKind::Array(trees(elements, span)?))));
                }
                let name = self.slot(*index, span)?.tree(span)?;
                let ast::ExprKind::Name(index) = name.kind else {
                    return Err(Halt::Unsupported { what: "an array whose length depends on something masked", span });
                };
                let comprehension = ast::Comprehension {
                    body: self.expression(body)?.tree(span)?,
                    index: ident(&index),
                    lower: self.expression(lower)?.tree(span)?,
                    upper: self.expression(upper)?.tree(span)?,
                };
                Piece::Tree(expression(ast::ExprKind::Comprehension(Box::new(comprehension))))
            }
            ExprKind::LogDensity(distribution, value) => {
                let value = self.expression(value)?.tree(span)?;
                Piece::Tree(call("log_density", vec![self.distribution(distribution)?, value]))
            }
            ExprKind::Summary(summary, marginal, arguments) => match self.known(expr)? {
                Some(value) => Piece::Literal(value),
                None => {
                    let name = Summary::ALL.iter().find(|(_, s)| s == summary).map_or("?", |(name, _)| *name);
                    let mut pieces = vec![self.expression(marginal)?];
                    pieces.extend(self.all(arguments)?);
                    Piece::Tree(call(name, trees(pieces, span)?))
                }
            },
            ExprKind::PosteriorField(..) | ExprKind::Infer(_) => {
                return Err(Halt::Unsupported { what: "inference inside the model", span });
            }
        })
    }

    fn all(&mut self, exprs: &'p [Expr]) -> Translated<Vec<Piece>> {
        exprs.iter().map(|e| self.expression(e)).collect()
    }

    fn index(&mut self, whole: &'p Expr, base: &'p Expr, subscripts: &'p [Subscript]) -> Translated<Piece> {
        let span = whole.span;
        let mut literal = true;
        let mut trees = Vec::with_capacity(subscripts.len());
        let mut one = |this: &mut Self, expr: &'p Expr| -> Translated<ast::Expr> {
            let piece = this.expression(expr)?;
            literal &= piece.is_literal();
            piece.tree(span)
        };
        for subscript in subscripts {
            trees.push(match subscript {
                Subscript::Index(index) => ast::Subscript::Index(one(self, index)?),
                Subscript::Slice(lower, upper) => {
                    let lower = lower.as_ref().map(|e| one(self, e)).transpose()?;
                    let upper = upper.as_ref().map(|e| one(self, e)).transpose()?;
                    ast::Subscript::Slice(lower, upper, Span::default())
                }
            });
        }
        if let ExprKind::Slot(slot) = &base.kind
            && let Some(tree) = self.place(*slot, trees.clone())
        {
            if dotted(&tree).is_some_and(|d| self.is_input(&d))
                && let Some(value) = self.known(whole)?
            {
                return Ok(Piece::Literal(value));
            }
            return Ok(Piece::Tree(tree));
        }
        let base = self.expression(base)?;
        if literal
            && base.is_literal()
            && let Some(value) = self.fold(whole)?
        {
            return Ok(Piece::Literal(value));
        }
        Ok(Piece::Tree(expression(ast::ExprKind::Index(Box::new(base.tree(span)?), trees))))
    }

    fn distribution(&mut self, distribution: &'p Distribution) -> Translated<ast::Expr> {
        let span = distribution.span;
        let DistributionKind::Family(family, arguments) = &distribution.kind else {
            return Err(Halt::Unsupported { what: "a variable drawn from a posterior", span });
        };
        let mut written = Vec::with_capacity(arguments.len());
        for argument in arguments {
            written.push(match argument {
                Argument::Value(value) => self.expression(value)?.tree(span)?,
                Argument::Distribution(inner) => self.distribution(inner)?,
                Argument::Distributions(inner) => {
                    let inner: Translated<Vec<_>> = inner.iter().map(|d| self.distribution(d)).collect();
                    expression(ast::ExprKind::Array(inner?))
                }
            });
        }
        Ok(call(family.name(), written))
    }
}

fn trees(pieces: Vec<Piece>, span: Span) -> Translated<Vec<ast::Expr>> {
    pieces.into_iter().map(|p| p.tree(span)).collect()
}
