//! What stands after `~`.

use super::CheckError;
use super::core::{Argument, Distribution, DistributionKind, Expr, ExprKind, ModelId, Type};
use super::expressions::constant;
use super::items::is_builtin_function;
use super::scope::Body;
use crate::dist::{self, Constraint, Family, Parameter, ParameterKind, ValueKind};
use crate::span::Span;
use crate::syntax::ast;
use crate::value::{DataType, format_real};

/// The statement that a distribution belongs to, for messages that write it anew.
#[derive(Clone, Debug)]
pub(super) struct Statement {
    /// `observe`, or nothing.
    pub(super) role: &'static str,
    /// The left side without its subscripts.
    pub(super) name: String,
    /// Its subscripts.
    pub(super) subscripts: Vec<String>,
    /// Declared sizes.
    pub(super) sizes: Vec<String>,
}

/// An argument as it was written, and what it is.
enum Given {
    Value(Expr, DataType),
    Distribution(Distribution),
    Distributions(Vec<Distribution>),
}

impl Body<'_, '_> {
    /// Checks a distribution.
    pub(super) fn distribution(&mut self, expr: &ast::Expr, statement: Option<&Statement>) -> Option<Distribution> {
        super::deep(|| match &expr.kind {
            ast::ExprKind::Paren(inner) => self.distribution(inner, statement),
            ast::ExprKind::Call(name, arguments) => {
                if let Some(model) = self.checker.model_named(self.module, &name.node) {
                    return self.model_distribution(model, name, arguments, expr.span);
                }
                match Family::lookup(&name.node) {
                    Some(family) => self.family(family, name, arguments, statement, expr.span),
                    None => self.unknown_distribution(name),
                }
            }
            ast::ExprKind::Error => {
                self.failed = true;
                None
            }
            _ => {
                let marginal = self.expr(expr)?;
                let ty = match marginal.ty {
                    Type::Marginal(ty) => Type::Data(ty),
                    Type::Data(_) | Type::Str | Type::Record { .. } | Type::Posterior(_) | Type::Nothing => {
                        let found = self.show(marginal.ty);
                        return self.report(CheckError::NotADistribution { found, span: expr.span });
                    }
                };
                Some(Distribution { kind: DistributionKind::Marginal(marginal), ty, span: expr.span })
            }
        })
    }

    fn unknown_distribution(&mut self, name: &ast::Ident) -> Option<Distribution> {
        let (text, span) = (name.node.to_string(), name.span);
        if self.checker.function_named(self.module, &name.node).is_some() || is_builtin_function(&name.node) {
            return self.report(CheckError::FunctionAsDistribution { name: text, span });
        }
        let help = self.checker.near_distribution(self.module, &name.node);
        self.report(CheckError::UnknownDistribution { name: text, span, help })
    }

    fn model_distribution(
        &mut self,
        model: ModelId,
        name: &ast::Ident,
        arguments: &[ast::Expr],
        span: Span,
    ) -> Option<Distribution> {
        if let Some(user) = self.model_id() {
            self.checker.note_use(user, model);
        }
        let (parameters, signature) = self.checker.model_parameters(model);
        let arguments = self.arguments(name, &parameters, signature, arguments);
        let result = self.checker.model_result(model, name.span);
        if result.is_none() {
            self.failed = true;
        }
        let ty = Type::Record { model, rank: 0 };
        Some(Distribution { kind: DistributionKind::Model(model, arguments?), ty, span })
    }

    fn family(
        &mut self,
        family: Family,
        name: &ast::Ident,
        arguments: &[ast::Expr],
        statement: Option<&Statement>,
        span: Span,
    ) -> Option<Distribution> {
        let parameters = family.info().parameters;
        if parameters.len() != arguments.len() {
            return self.report(CheckError::Arity {
                name: family.name().to_owned(),
                expected: parameters.len(),
                found: arguments.len(),
                signature: family.signature(),
                span: name.span,
            });
        }
        let given: Vec<Option<Given>> = parameters
            .iter()
            .zip(arguments)
            .map(|(parameter, argument)| match parameter.kind {
                ParameterKind::Real | ParameterKind::Int | ParameterKind::Vector | ParameterKind::Matrix => {
                    self.data(argument).map(|(expr, ty)| Given::Value(expr, ty))
                }
                ParameterKind::Distribution => self.inner(family, parameter, argument).map(Given::Distribution),
                ParameterKind::Distributions => self.inner_list(family, parameter, argument).map(Given::Distributions),
            })
            .collect();
        let given: Vec<Given> = given.into_iter().collect::<Option<_>>()?;
        if let Some(error) = self.array_for_scalar(family, &given, arguments, statement) {
            return self.report(error);
        }
        let mut converted = Vec::new();
        let mut base = None;
        for (parameter, given) in parameters.iter().zip(given) {
            converted.push(match given {
                Given::Value(expr, _) => Argument::Value(self.parameter(family, parameter, expr)?),
                Given::Distribution(inner) => {
                    base = base.or(Some(inner.ty));
                    Argument::Distribution(inner)
                }
                Given::Distributions(inner) => {
                    base = base.or(inner.first().map(|d| d.ty));
                    Argument::Distributions(inner)
                }
            });
        }
        let ty = match family.info().value {
            ValueKind::Real => Type::Data(DataType::REAL),
            ValueKind::Int => Type::Data(DataType::INT),
            ValueKind::Vector => Type::Data(DataType::VECTOR),
            ValueKind::SameAsBase => base?,
        };
        let distribution = Distribution { kind: DistributionKind::Family(family, converted), ty, span };
        if let Some(Err(error)) = constant_distribution(&distribution) {
            return self.report(CheckError::ParameterRange { problem: error.to_string(), span });
        }
        Some(distribution)
    }

    /// A number, vector or matrix for a parameter.
    fn parameter(&mut self, family: Family, parameter: &Parameter, expr: Expr) -> Option<Expr> {
        let wanted = match parameter.kind {
            ParameterKind::Int => DataType::INT,
            ParameterKind::Vector => DataType::VECTOR,
            ParameterKind::Matrix => DataType::MATRIX,
            ParameterKind::Real | ParameterKind::Distribution | ParameterKind::Distributions => DataType::REAL,
        };
        let context = format!("the {} of `{}`", parameter.name, family.name());
        let expr = self.convert(expr, wanted, &context)?;
        if let Some(x) = constant(&expr)
            && !parameter.constraint.accepts(x)
        {
            let problem = format!(
                "{} of `{}` must be {}, found {}",
                parameter.name,
                family.name(),
                family.describe(parameter),
                format_real(x)
            );
            return self.report(CheckError::ParameterRange { problem, span: expr.span });
        }
        Some(expr)
    }

    /// A distribution as an argument of another.
    fn inner(&mut self, family: Family, parameter: &Parameter, argument: &ast::Expr) -> Option<Distribution> {
        if let ast::ExprKind::Paren(inner) = &argument.kind {
            return self.inner(family, parameter, inner);
        }
        let wrong = |expected: String| CheckError::DistributionArgument {
            name: family.name().to_owned(),
            parameter: parameter.name.to_owned(),
            expected,
            span: argument.span,
        };
        if !matches!(argument.kind, ast::ExprKind::Call(..) | ast::ExprKind::Error) {
            return self.report(wrong("a distribution, such as `normal(0, 1)`".into()));
        }
        let inner = self.distribution(argument, None)?;
        let fits = match (&inner.kind, inner.ty) {
            (DistributionKind::Family(..), Type::Data(ty)) => match parameter.constraint {
                Constraint::RealScalar => ty == DataType::REAL,
                Constraint::HasCdf | Constraint::SameScalars => ty.rank == 0,
                Constraint::Finite
                | Constraint::Bound
                | Constraint::Positive
                | Constraint::NonNegative
                | Constraint::Probability
                | Constraint::PositiveProbability
                | Constraint::Above(_)
                | Constraint::AtLeast(_)
                | Constraint::Simplex
                | Constraint::FiniteElements
                | Constraint::PositiveElements
                | Constraint::Covariance
                | Constraint::Size
                | Constraint::CholeskyFactor => true,
            },
            (DistributionKind::Family(..) | DistributionKind::Model(..) | DistributionKind::Marginal(_), _) => false,
        };
        if fits { Some(inner) } else { self.report(wrong(family.describe(parameter))) }
    }

    fn inner_list(&mut self, family: Family, parameter: &Parameter, argument: &ast::Expr) -> Option<Vec<Distribution>> {
        let mut list = argument;
        while let ast::ExprKind::Paren(inner) = &list.kind {
            list = inner;
        }
        let wrong = |expected: String, span: Span| CheckError::DistributionArgument {
            name: family.name().to_owned(),
            parameter: parameter.name.to_owned(),
            expected,
            span,
        };
        let ast::ExprKind::Array(elements) = &list.kind else {
            let expected = "a list of distributions, such as `[normal(0, 1), normal(5, 1)]`";
            return self.report(wrong(expected.into(), argument.span));
        };
        let checked: Vec<Option<Distribution>> =
            elements.iter().map(|element| self.inner(family, parameter, element)).collect();
        let checked: Vec<Distribution> = checked.into_iter().collect::<Option<_>>()?;
        let Some(first) = checked.first().map(|d| d.ty) else {
            return self.report(wrong("at least one distribution".into(), argument.span));
        };
        match checked.iter().find(|d| d.ty != first) {
            Some(other) => self.report(wrong(family.describe(parameter), other.span)),
            None => Some(checked),
        }
    }

    /// The error for an array where a scalar is needed, with the plate that was meant.
    fn array_for_scalar(
        &self,
        family: Family,
        given: &[Given],
        arguments: &[ast::Expr],
        statement: Option<&Statement>,
    ) -> Option<CheckError> {
        let parameters = family.info().parameters;
        let ranks: Vec<usize> = parameters
            .iter()
            .zip(given)
            .map(|(parameter, given)| match (parameter.kind, given) {
                (ParameterKind::Real | ParameterKind::Int, Given::Value(_, ty)) => ty.rank,
                (_, Given::Value(..) | Given::Distribution(_) | Given::Distributions(_)) => 0,
            })
            .collect();
        let first = ranks.iter().position(|rank| *rank > 0)?;
        let rank = ranks.iter().copied().max().unwrap_or(1);
        let texts: Vec<(String, usize)> =
            arguments.iter().zip(&ranks).map(|(argument, rank)| (self.text(argument.span), *rank)).collect();
        let parameter = parameters.get(first)?;
        let Some(Given::Value(expr, ty)) = given.get(first) else { return None };
        Some(CheckError::ArrayForScalar {
            name: family.name().to_owned(),
            parameter: parameter.name.to_owned(),
            found: ty.to_string(),
            span: expr.span,
            plate: self.plate(family.name(), &texts, rank, statement),
        })
    }

    /// The plate that draws one scalar for each element. `arguments`: text and rank.
    pub(super) fn plate(
        &self,
        family: &str,
        arguments: &[(String, usize)],
        rank: usize,
        statement: Option<&Statement>,
    ) -> String {
        let free: Vec<&str> =
            ["i", "j", "k", "l", "a", "b"].into_iter().filter(|n| !self.names.contains_key(*n)).take(rank).collect();
        let arguments: Vec<String> = arguments
            .iter()
            .map(|(text, rank)| match free.get(..*rank) {
                Some([]) | None => text.clone(),
                Some(indices) => format!("{text}[{}]", indices.join(", ")),
            })
            .collect();
        let (role, name) = statement.map_or(("observe ", "y"), |s| (s.role, s.name.as_str()));
        let mut subscripts: Vec<String> = statement.map_or_else(Vec::new, |s| s.subscripts.clone());
        subscripts.extend(free.iter().map(|index| (*index).to_owned()));
        let mut text = format!("{role}{name}[{}] ~ {family}({});", subscripts.join(", "), arguments.join(", "));
        let sizes = statement.map_or(&[][..], |s| &s.sizes);
        for (axis, index) in free.iter().enumerate().rev() {
            let size = sizes.get(axis).map_or(["n", "m", "k"].get(axis).copied().unwrap_or("n"), String::as_str);
            text = format!("plate {index} in 0..{size} {{ {text} }}");
        }
        text
    }
}

/// The distribution, if all of its arguments are constants: then every constraint can be checked.
fn constant_distribution(
    distribution: &Distribution,
) -> Option<Result<dist::Distribution<f64>, dist::DistributionError>> {
    let DistributionKind::Family(family, arguments) = &distribution.kind else { return None };
    let constants: Option<Vec<dist::Argument<f64>>> = arguments.iter().map(constant_argument).collect();
    Some(dist::Distribution::new(*family, constants?))
}

fn constant_argument(argument: &Argument) -> Option<dist::Argument<f64>> {
    match argument {
        Argument::Value(value) => match (&value.kind, value.ty) {
            (ExprKind::Array(elements), Type::Data(DataType { rank: 1, .. })) => {
                let elements: Option<_> = elements.iter().map(constant).collect();
                Some(dist::Argument::Vector(elements?))
            }
            (_, Type::Data(DataType { rank: 0, .. })) => constant(value).map(dist::Argument::Scalar),
            _ => None,
        },
        Argument::Distribution(inner) => {
            Some(dist::Argument::Distribution(Box::new(constant_distribution(inner)?.ok()?)))
        }
        Argument::Distributions(inner) => {
            let inner: Option<Vec<_>> = inner.iter().map(|d| constant_distribution(d)?.ok()).collect();
            Some(dist::Argument::Distributions(inner?.into()))
        }
    }
}
