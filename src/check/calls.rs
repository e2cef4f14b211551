//! Calls of functions, built-in and own, and the functions that read posteriors.

use super::CheckError;
use super::core::{Expr, ExprKind, Summary, Type};
use super::expressions::data_expr;
use super::scope::Body;
use crate::builtin::{Builtin, SignatureError};
use crate::dist::Family;
use crate::span::Span;
use crate::syntax::ast;
use crate::value::{Base, DataType};

impl Body<'_, '_> {
    pub(super) fn call(&mut self, name: &ast::Ident, arguments: &[ast::Expr], span: Span) -> Option<Expr> {
        if let Some(id) = self.checker.function_named(self.module, &name.node) {
            let (parameters, signature) = self.checker.function_parameters(id);
            let arguments = self.arguments(name, &parameters, signature, arguments);
            let result = self.checker.function_result(id, name.span);
            let Some(result) = result else {
                self.failed = true;
                return None;
            };
            return Some(data_expr(ExprKind::Call(id, arguments?), result, span));
        }
        match &*name.node {
            "print" => return self.report(CheckError::MisplacedPrint { span }),
            "log_density" => return self.log_density(name, arguments, span),
            _ => {}
        }
        let summary = Summary::ALL.iter().find(|(summary, _)| *summary == &*name.node);
        let built_in = Builtin::lookup(&name.node);
        if summary.is_none() && built_in.is_none() {
            return self.unknown_function(name);
        }
        let checked: Vec<Option<Expr>> = arguments.iter().map(|argument| self.expr(argument)).collect();
        let checked: Vec<Expr> = checked.into_iter().collect::<Option<_>>()?;
        if let Some((function, summary)) = summary {
            match checked.split_first() {
                Some((marginal, rest)) if matches!(marginal.ty, Type::Marginal(_)) => {
                    return self.summary(*summary, function, marginal.clone(), rest.to_vec(), span);
                }
                Some((first, _)) if built_in.is_none() || matches!(first.ty, Type::Posterior(_)) => {
                    let found = self.show(first.ty);
                    let expected = "a variable of a posterior";
                    return self.report(CheckError::SummaryArgument { function, expected, found, span: first.span });
                }
                None if built_in.is_none() => {
                    let expected = "a variable of a posterior";
                    let found = "nothing".into();
                    return self.report(CheckError::SummaryArgument { function, expected, found, span });
                }
                Some(_) | None => {}
            }
        }
        let built_in = built_in?;
        let mut types = Vec::new();
        let mut data = Vec::new();
        for argument in checked {
            let (argument, ty) = self.as_data(argument)?;
            types.push(ty);
            data.push(argument);
        }
        match built_in.result_type(&types) {
            Ok(ty) => Some(data_expr(ExprKind::Builtin(built_in, data), ty, span)),
            Err(error) => {
                let span = match &error {
                    SignatureError::Argument { index, .. } => data.get(*index).map_or(span, |a| a.span),
                    SignatureError::Operand { .. } | SignatureError::Arity { .. } => span,
                };
                self.report(CheckError::Signature { error, span })
            }
        }
    }

    /// Checks arguments against the parameters of a function or model of the program.
    pub(super) fn arguments(
        &mut self,
        name: &ast::Ident,
        parameters: &[Option<DataType>],
        signature: String,
        arguments: &[ast::Expr],
    ) -> Option<Vec<Expr>> {
        if parameters.len() != arguments.len() {
            for argument in arguments {
                self.expr(argument);
            }
            return self.report(CheckError::Arity {
                name: name.node.to_string(),
                expected: parameters.len(),
                found: arguments.len(),
                signature,
                span: name.span,
            });
        }
        let context = format!("argument of `{}`", name.node);
        let checked: Vec<Option<Expr>> = parameters
            .iter()
            .zip(arguments)
            .map(|(parameter, argument)| match parameter {
                Some(ty) => self.expect(argument, *ty, &context),
                None => self.expr(argument),
            })
            .collect();
        checked.into_iter().collect()
    }

    fn unknown_function(&mut self, name: &ast::Ident) -> Option<Expr> {
        let (text, span) = (name.node.to_string(), name.span);
        if self.checker.model_named(self.module, &name.node).is_some() {
            return self.report(CheckError::NotAFunction { name: text, kind: "model", span });
        }
        if Family::lookup(&name.node).is_some() {
            return self.report(CheckError::NotAFunction { name: text, kind: "distribution", span });
        }
        let help = if self.names.contains_key(&name.node) {
            Some(format!("`{text}` is a variable: its elements are `{text}[i]`"))
        } else {
            self.checker.near_function(self.module, &name.node)
        };
        self.report(CheckError::UnknownFunction { name: text, span, help })
    }

    fn summary(
        &mut self,
        summary: Summary,
        function: &'static str,
        marginal: Expr,
        rest: Vec<Expr>,
        span: Span,
    ) -> Option<Expr> {
        let Type::Marginal(variable) = marginal.ty else { return None };
        let (expected, signature) = match summary {
            Summary::Mean | Summary::Sd | Summary::Draws => (0, format!("{function}(p.x)")),
            Summary::Quantile => (1, format!("{function}(p.x, q)")),
            Summary::Probability => (1, format!("{function}(p.x, value)")),
        };
        if rest.len() != expected {
            return self.report(CheckError::Arity {
                name: function.to_owned(),
                expected: expected + 1,
                found: rest.len() + 1,
                signature,
                span,
            });
        }
        let reals = DataType { base: Base::Real, rank: variable.rank };
        let (ty, wanted) = match summary {
            Summary::Mean | Summary::Sd => (reals, None),
            Summary::Quantile => (reals, Some((DataType::REAL, "the probability of the quantile"))),
            Summary::Draws => (DataType { base: variable.base, rank: variable.rank + 1 }, None),
            Summary::Probability if variable.base == Base::Real => {
                let found = self.show(marginal.ty);
                let expected = "a variable of type bool or int";
                return self.report(CheckError::SummaryArgument { function, expected, found, span: marginal.span });
            }
            Summary::Probability => (reals, Some((DataType::scalar(variable.base), "the value"))),
        };
        let mut arguments = Vec::new();
        for argument in rest {
            let Some((wanted, context)) = wanted else { continue };
            arguments.push(self.convert(argument, wanted, context)?);
        }
        Some(data_expr(ExprKind::Summary(summary, Box::new(marginal), arguments), ty, span))
    }

    fn log_density(&mut self, name: &ast::Ident, arguments: &[ast::Expr], span: Span) -> Option<Expr> {
        let [distribution, value] = arguments else {
            return self.report(CheckError::Arity {
                name: name.node.to_string(),
                expected: 2,
                found: arguments.len(),
                signature: "log_density(distribution, value)".into(),
                span,
            });
        };
        let distribution = self.distribution(distribution, None);
        let value = self.expr(value);
        let (distribution, value) = (distribution?, value?);
        let Type::Data(wanted) = distribution.ty else {
            let found = self.show(distribution.ty);
            return self.report(CheckError::NotADistribution { found, span: distribution.span });
        };
        let value = self.convert(value, wanted, "the value of the distribution")?;
        let kind = ExprKind::LogDensity(Box::new(distribution), Box::new(value));
        Some(data_expr(kind, DataType::REAL, span))
    }
}
