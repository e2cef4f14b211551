//! Evaluation of expressions.
//!
//! While it evaluates, the execution gathers in `masked` whether anything it read depends on a masked value: this is how
//! the machine knows what counts in the density, what to report, and which failures are the latents' doing.

use std::sync::Arc;

use super::error::RuntimeError;
use super::frame::Frame;
use super::handler::Stop;
use super::machine::Execution;
use super::{Law, Query};
use crate::builtin;
use crate::check::core::{
    Argument, Distribution, DistributionKind, Expr, ExprKind, FunctionId, Infer, Size, Subscript, Summary,
};
use crate::dist;
use crate::span::Span;
use crate::syntax::ast::BinaryOp;
use crate::value::{Array, Base, DataType, Marginal, Value};

pub(super) type Evaluated<T> = Result<T, Stop>;

impl<'p> Execution<'p, '_> {
    pub(super) fn evaluate(&mut self, frame: &mut Frame<'p>, expr: &'p Expr) -> Evaluated<Value> {
        let span = expr.span;
        match &expr.kind {
            ExprKind::Constant(value) => Ok(value.clone()),
            ExprKind::Slot(slot) => {
                let tracked = frame.read(*slot, span)?;
                self.masked |= tracked.masked;
                Ok(tracked.value.clone())
            }
            ExprKind::Unary(op, operand) => {
                let operand = self.evaluate(frame, operand)?;
                builtin::unary(*op, &operand).map_err(|error| self.fail(RuntimeError::Evaluation { error, span }))
            }
            ExprKind::Binary(op, left, right) => self.binary(frame, *op, left, right, span),
            ExprKind::ToReal(inner) => Ok(self.evaluate(frame, inner)?.promote(Base::Real)),
            ExprKind::Returned(inner) => match self.evaluate(frame, inner)? {
                Value::Record(record) => {
                    self.masked |= record.returned_masked;
                    match &record.returned {
                        Some(value) => Ok(value.clone()),
                        None => Err(internal("a record without a value", span)),
                    }
                }
                other @ (Value::Bool(_)
                | Value::Int(_)
                | Value::Real(_)
                | Value::Array(_)
                | Value::Str(_)
                | Value::Posterior(_)
                | Value::Marginal(_)) => Ok(other),
            },
            ExprKind::If(condition, then, otherwise) => {
                if self.condition(frame, condition)? {
                    self.evaluate(frame, then)
                } else {
                    self.evaluate(frame, otherwise)
                }
            }
            ExprKind::Index(base, subscripts) => self.index(frame, base, subscripts, span),
            ExprKind::Field(base, name) => match self.evaluate(frame, base)? {
                Value::Record(record) => match record.fields.iter().find(|f| f.name == *name) {
                    Some(field) => {
                        self.masked |= field.masked;
                        Ok(field.value.clone())
                    }
                    None => Err(RuntimeError::NotYetDefined { name: name.to_string(), elements: None, span }.into()),
                },
                Value::Bool(_)
                | Value::Int(_)
                | Value::Real(_)
                | Value::Array(_)
                | Value::Str(_)
                | Value::Posterior(_)
                | Value::Marginal(_) => Err(internal("a field of something that is not a record", span)),
            },
            ExprKind::PosteriorField(base, name) => match self.evaluate(frame, base)? {
                Value::Posterior(posterior) => match posterior.columns.iter().position(|c| c.name == *name) {
                    Some(column) => Ok(Value::Marginal(Marginal { posterior, column, indices: Vec::new() })),
                    None => Err(RuntimeError::Summary {
                        message: format!("the posterior has no variable `{name}`: no execution reached it"),
                        span,
                    }
                    .into()),
                },
                Value::Bool(_)
                | Value::Int(_)
                | Value::Real(_)
                | Value::Array(_)
                | Value::Str(_)
                | Value::Record(_)
                | Value::Marginal(_) => Err(internal("a variable of something that is not a posterior", span)),
            },
            ExprKind::Builtin(builtin, arguments) => {
                let arguments = self.evaluate_all(frame, arguments)?;
                builtin.evaluate(&arguments).map_err(|error| self.fail(RuntimeError::Evaluation { error, span }))
            }
            ExprKind::Call(function, arguments) => {
                let arguments = self.track_all(frame, arguments)?;
                self.call(*function, arguments, span)
            }
            ExprKind::Array(elements) => {
                let rows = self.evaluate_all(frame, elements)?;
                stack(&rows, expr, span)
            }
            ExprKind::Comprehension { index, lower, upper, body } => {
                let (lower, upper) = self.bounds(frame, lower, upper)?;
                let bounds_masked = self.masked;
                let index_limit = super::machine::MAX_INDEX;
                if upper.saturating_sub(lower) > index_limit {
                    return Err(RuntimeError::IndexTooLarge { index: upper, limit: index_limit, span }.into());
                }
                let mut rows = Vec::new();
                for i in lower..upper {
                    self.iteration(span)?;
                    frame.set(*index, Value::Int(i), bounds_masked);
                    rows.push(self.evaluate(frame, body)?);
                }
                stack(&rows, expr, span)
            }
            ExprKind::Summary(summary, marginal, arguments) => {
                let marginal = self.marginal(frame, marginal)?;
                let arguments = self.evaluate_all(frame, arguments)?;
                summarise(*summary, &marginal, &arguments)
                    .map_err(|message| RuntimeError::Summary { message, span }.into())
            }
            ExprKind::LogDensity(distribution, value) => {
                let law = self.law(frame, distribution)?;
                let value = self.evaluate(frame, value)?;
                law.log_density(&value).map(Value::Real).ok_or_else(|| RuntimeError::NoDensity { span }.into())
            }
            ExprKind::Infer(infer) => self.infer(frame, infer, span),
        }
    }

    fn evaluate_all(&mut self, frame: &mut Frame<'p>, exprs: &'p [Expr]) -> Evaluated<Vec<Value>> {
        exprs.iter().map(|e| self.evaluate(frame, e)).collect()
    }

    /// Each value with its own dependence on what is masked.
    pub(super) fn track_all(&mut self, frame: &mut Frame<'p>, exprs: &'p [Expr]) -> Evaluated<Vec<(Value, bool)>> {
        let before = self.masked;
        let mut all = before;
        let mut tracked = Vec::with_capacity(exprs.len());
        for expr in exprs {
            self.masked = false;
            let value = self.evaluate(frame, expr)?;
            tracked.push((value, self.masked));
            all |= self.masked;
        }
        self.masked = all;
        Ok(tracked)
    }

    fn binary(
        &mut self,
        frame: &mut Frame<'p>,
        op: BinaryOp,
        left: &'p Expr,
        right: &'p Expr,
        span: Span,
    ) -> Evaluated<Value> {
        match op {
            BinaryOp::And => Ok(Value::Bool(self.condition(frame, left)? && self.condition(frame, right)?)),
            BinaryOp::Or => Ok(Value::Bool(self.condition(frame, left)? || self.condition(frame, right)?)),
            BinaryOp::Equal
            | BinaryOp::NotEqual
            | BinaryOp::Less
            | BinaryOp::LessEqual
            | BinaryOp::Greater
            | BinaryOp::GreaterEqual
            | BinaryOp::Add
            | BinaryOp::Subtract
            | BinaryOp::Multiply
            | BinaryOp::Divide
            | BinaryOp::Remainder
            | BinaryOp::Power => {
                let left = self.evaluate(frame, left)?;
                let right = self.evaluate(frame, right)?;
                builtin::binary(op, &left, &right).map_err(|error| self.fail(RuntimeError::Evaluation { error, span }))
            }
        }
    }

    pub(super) fn condition(&mut self, frame: &mut Frame<'p>, expr: &'p Expr) -> Evaluated<bool> {
        self.evaluate(frame, expr)?
            .as_condition()
            .ok_or_else(|| internal("a condition that is not bool or int", expr.span))
    }

    pub(super) fn integer(&mut self, frame: &mut Frame<'p>, expr: &'p Expr) -> Evaluated<i64> {
        self.evaluate(frame, expr)?.as_int().ok_or_else(|| internal("an int was expected", expr.span))
    }

    pub(super) fn bounds(&mut self, frame: &mut Frame<'p>, lower: &'p Expr, upper: &'p Expr) -> Evaluated<(i64, i64)> {
        Ok((self.integer(frame, lower)?, self.integer(frame, upper)?))
    }

    fn index(
        &mut self,
        frame: &mut Frame<'p>,
        base: &'p Expr,
        subscripts: &'p [Subscript],
        span: Span,
    ) -> Evaluated<Value> {
        let mut at = super::Indices::new();
        let mut leading = 0;
        for subscript in subscripts {
            let Subscript::Index(expr) = subscript else { break };
            at.push(self.integer(frame, expr)?);
            leading += 1;
        }
        let mut used = 0;
        let mut value = None;
        if let ExprKind::Slot(slot) = &base.kind
            && let Some(found) = frame.read_cell(*slot, &at, span)
        {
            let (tracked, depth) = found?;
            self.masked |= tracked.masked;
            used = depth;
            value = Some(tracked.value.clone());
        }
        let mut value = match value {
            Some(value) => value,
            None => self.evaluate(frame, base)?,
        };
        for (index, subscript) in at.iter().zip(subscripts).skip(used) {
            let Subscript::Index(expr) = subscript else { break };
            value = element(value, *index, expr.span)?;
        }
        if leading < subscripts.len() {
            value = self.slice(frame, value, &subscripts[leading..], span)?;
        }
        Ok(value)
    }

    /// The rest of the subscripts, of which the first is a slice.
    fn slice(
        &mut self,
        frame: &mut Frame<'p>,
        value: Value,
        subscripts: &'p [Subscript],
        span: Span,
    ) -> Evaluated<Value> {
        let Some((first, rest)) = subscripts.split_first() else { return Ok(value) };
        match first {
            Subscript::Index(expr) => {
                let index = self.integer(frame, expr)?;
                let value = element(value, index, expr.span)?;
                self.slice(frame, value, rest, span)
            }
            Subscript::Slice(lower, upper) => {
                let Some(array) = value.as_array().cloned() else {
                    return Err(internal("a slice of something that is not an array", span));
                };
                let size = array.len();
                let lower = match lower {
                    Some(expr) => self.integer(frame, expr)?,
                    None => 0,
                };
                let upper = match upper {
                    Some(expr) => self.integer(frame, expr)?,
                    None => size as i64,
                };
                let range = usize::try_from(lower).ok().zip(usize::try_from(upper).ok());
                let rows = range
                    .and_then(|(lower, upper)| array.rows(lower..upper))
                    .ok_or(RuntimeError::SliceOutOfRange { lower, upper, size, span })?;
                if rest.is_empty() {
                    return Ok(Value::array(rows));
                }
                let mut picked = Vec::with_capacity(rows.len());
                for i in 0..rows.len() {
                    let row = rows.get(i).ok_or_else(|| internal("a row is missing", span))?;
                    picked.push(self.slice(frame, row, rest, span)?);
                }
                let element = DataType { base: rows.base(), rank: rows.shape().len().saturating_sub(2) };
                stack_values(&picked, element, span)
            }
        }
    }

    /// Calls a function of the program.
    pub(super) fn call(&mut self, id: FunctionId, arguments: Vec<(Value, bool)>, span: Span) -> Evaluated<Value> {
        let program = self.program;
        let function = program.function(id);
        let Some(body) = &function.body else {
            let host = self.runtime.host.get(&function.name);
            let host = host.ok_or_else(|| RuntimeError::NotRegistered { name: function.name.clone(), span })?;
            let values: Vec<Value> = arguments.into_iter().map(|(v, _)| v).collect();
            let failed = |message: String| RuntimeError::Registered { name: function.name.clone(), message, span };
            let value = host.call(&values).map_err(failed)?.promote(function.returns.base);
            return match value.data_type() {
                Some(found) if found == function.returns => Ok(value),
                Some(found) => Err(failed(format!("it gave {found} where {} is declared", function.returns)).into()),
                None => Err(failed("it gave something that is not data".into()).into()),
            };
        };
        let mut frame = Frame::new(&function.frame);
        let outer = self.masked;
        for (parameter, (value, masked)) in function.parameters.iter().zip(arguments) {
            self.bind_sizes(&mut frame, &parameter.name, &value, &parameter.sizes, span)?;
            frame.set(parameter.slot, value, masked);
        }
        let control = self.control;
        self.descend(span)?;
        let returned = self.block(&mut frame, body)?;
        self.depth -= 1;
        self.control = control;
        let Some((value, masked)) = returned else {
            return Err(internal("a function that returns nothing", span));
        };
        self.check_sizes(&mut frame, &function.name, &value, &function.return_sizes, function.span)?;
        self.masked = outer | masked;
        Ok(value)
    }

    /// Binds or checks the declared sizes of a parameter.
    pub(super) fn bind_sizes(
        &mut self,
        frame: &mut Frame<'p>,
        name: &str,
        value: &Value,
        sizes: &'p [Size],
        span: Span,
    ) -> Evaluated<()> {
        for (axis, size) in sizes.iter().enumerate() {
            let Some(found) = value.shape().get(axis).copied() else { continue };
            match size {
                Size::Bind(slot) => frame.set(*slot, Value::Int(found as i64), false),
                Size::Equal(expr) => self.check_size(frame, name, axis, found, expr, span)?,
            }
        }
        Ok(())
    }

    pub(super) fn check_sizes(
        &mut self,
        frame: &mut Frame<'p>,
        name: &str,
        value: &Value,
        sizes: &'p [Expr],
        span: Span,
    ) -> Evaluated<()> {
        for (axis, expr) in sizes.iter().enumerate() {
            if let Some(found) = value.shape().get(axis).copied() {
                self.check_size(frame, name, axis, found, expr, span)?;
            }
        }
        Ok(())
    }

    fn check_size(
        &mut self,
        frame: &mut Frame<'p>,
        name: &str,
        axis: usize,
        found: usize,
        expr: &'p Expr,
        span: Span,
    ) -> Evaluated<()> {
        let outer = self.masked;
        let expected = self.integer(frame, expr)?;
        self.masked = outer;
        if usize::try_from(expected) == Ok(found) {
            return Ok(());
        }
        Err(RuntimeError::SizeMismatch { name: name.to_owned(), axis, expected, found, span }.into())
    }

    /// Evaluates the parameters of a distribution.
    pub(super) fn law(&mut self, frame: &mut Frame<'p>, distribution: &'p Distribution) -> Evaluated<Law> {
        match &distribution.kind {
            DistributionKind::Family(..) => Ok(Law::Family(self.family(frame, distribution)?)),
            DistributionKind::Marginal(expr) => Ok(Law::Marginal(self.marginal(frame, expr)?)),
            DistributionKind::Model(..) => Err(internal("a model where a density is needed", distribution.span)),
        }
    }

    fn family(&mut self, frame: &mut Frame<'p>, distribution: &'p Distribution) -> Evaluated<dist::Distribution<f64>> {
        let span = distribution.span;
        let DistributionKind::Family(family, arguments) = &distribution.kind else {
            return Err(internal("a component that is not of a family", span));
        };
        let mut evaluated = Vec::with_capacity(arguments.len());
        for argument in arguments {
            evaluated.push(match argument {
                Argument::Value(expr) => {
                    let value = self.evaluate(frame, expr)?;
                    parameter(&value).ok_or_else(|| internal("a parameter that is not a number", expr.span))?
                }
                Argument::Distribution(inner) => dist::Argument::Distribution(Box::new(self.family(frame, inner)?)),
                Argument::Distributions(inner) => {
                    let all: Evaluated<Vec<_>> = inner.iter().map(|d| self.family(frame, d)).collect();
                    dist::Argument::Distributions(all?)
                }
            });
        }
        dist::Distribution::new(*family, evaluated)
            .map_err(|error| self.fail(RuntimeError::Distribution { error, span }))
    }

    fn marginal(&mut self, frame: &mut Frame<'p>, expr: &'p Expr) -> Evaluated<Marginal> {
        match self.evaluate(frame, expr)? {
            Value::Marginal(marginal) => Ok(marginal),
            Value::Bool(_)
            | Value::Int(_)
            | Value::Real(_)
            | Value::Array(_)
            | Value::Str(_)
            | Value::Record(_)
            | Value::Posterior(_) => Err(internal("a variable of a posterior was expected", expr.span)),
        }
    }

    fn infer(&mut self, frame: &mut Frame<'p>, infer: &'p Infer, span: Span) -> Evaluated<Value> {
        let arguments = self.evaluate_all(frame, &infer.arguments)?;
        let mut data = Vec::with_capacity(infer.data.len());
        for (name, value) in &infer.data {
            let value = match value {
                Some(expr) => Some(self.evaluate(frame, expr)?),
                None => None,
            };
            data.push((name.clone(), value));
        }
        let mut options = Vec::with_capacity(infer.options.len());
        for (name, expr) in &infer.options {
            options.push((name.clone(), self.evaluate(frame, expr)?));
        }
        let query = Query { model: infer.model, arguments, data, options, nested: self.nested, span };
        Ok(Value::Posterior(self.runtime.infer(&query)?))
    }
}

/// One element along the first axis of an array, of a variable of a posterior, or of an array of records.
fn element(value: Value, index: i64, span: Span) -> Evaluated<Value> {
    let out_of_range = |size| RuntimeError::IndexOutOfRange { index, size, span };
    match value {
        Value::Array(array) => {
            let found = usize::try_from(index).ok().and_then(|i| array.get(i));
            found.ok_or_else(|| out_of_range(array.len()).into())
        }
        Value::Marginal(mut marginal) => {
            marginal.indices.push(usize::try_from(index).map_err(|_| out_of_range(0))?);
            if marginal.draws().next().is_none() {
                marginal.indices.pop();
                let size = marginal.draws().next().map_or(0, |(v, _)| v.shape().first().copied().unwrap_or(0));
                return Err(out_of_range(size).into());
            }
            Ok(Value::Marginal(marginal))
        }
        Value::Record(record) => {
            let wanted = index.to_string();
            let found = record.fields.iter().find(|f| *f.name == *wanted);
            found.map(|f| f.value.clone()).ok_or_else(|| out_of_range(record.fields.len()).into())
        }
        Value::Bool(_) | Value::Int(_) | Value::Real(_) | Value::Str(_) | Value::Posterior(_) => {
            Err(internal("an index into something that is not an array", span))
        }
    }
}

fn stack(rows: &[Value], expr: &Expr, span: Span) -> Evaluated<Value> {
    use crate::check::core::Type;
    let element = match expr.ty {
        Type::Data(t) => t.element().unwrap_or(t),
        Type::Str | Type::Record { .. } | Type::Posterior(_) | Type::Marginal(_) | Type::Nothing => DataType::REAL,
    };
    stack_values(rows, element, span)
}

fn stack_values(rows: &[Value], element: DataType, span: Span) -> Evaluated<Value> {
    let array = Array::stack(rows, element);
    Ok(Value::Array(Arc::new(array.map_err(|error| RuntimeError::ragged(error, span))?)))
}

/// A number, vector or matrix as a parameter of a distribution.
fn parameter(value: &Value) -> Option<dist::Argument<f64>> {
    let Some(array) = value.as_array() else { return value.as_f64().map(dist::Argument::Scalar) };
    match *array.shape() {
        [_] => Some(dist::Argument::Vector(array.elements().to_f64s())),
        [rows, columns] => Some(dist::Argument::Matrix { rows, columns, elements: array.elements().to_f64s() }),
        _ => None,
    }
}

pub(super) fn internal(message: &'static str, span: Span) -> Stop {
    RuntimeError::Internal { message, span }.into()
}

fn summarise(summary: Summary, marginal: &Marginal, arguments: &[Value]) -> Result<Value, String> {
    let of =
        |f: fn(&Marginal) -> Option<Value>| f(marginal).ok_or_else(|| "the posterior has no draws of it".to_owned());
    match summary {
        Summary::Mean => of(Marginal::mean),
        Summary::Sd => of(Marginal::sd),
        Summary::Draws => of(Marginal::unweighted),
        Summary::Quantile => {
            let level = arguments.first().and_then(Value::as_f64).unwrap_or(f64::NAN);
            if !(0.0..=1.0).contains(&level) {
                return Err(format!("a quantile needs a level between 0 and 1, not {level}"));
            }
            marginal.quantile(level).ok_or_else(|| "the posterior has no draws of it".into())
        }
        Summary::Probability => {
            let Some(value) = arguments.first() else { return Err("`probability` needs a value".into()) };
            marginal.probability(value).map(Value::Real).ok_or_else(|| "the posterior has no draws of it".into())
        }
    }
}
