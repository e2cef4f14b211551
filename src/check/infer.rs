//! `infer MODEL(ARGUMENTS) { DATA } with { OPTIONS }`

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::CheckError;
use super::core::{self, Expr, ExprKind, ModelId, Type, VariableKind};
use super::scope::Body;
use crate::diagnostic::near_miss;
use crate::span::Span;
use crate::syntax::ast;
use crate::value::{Base, DataType};

/// What an option of `infer` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptionKind {
    /// Text, such as `"nuts"`.
    Text,
    /// An integer.
    Int,
    /// A real.
    Real,
}

/// The options of `infer ... with { ... }`, and what each takes.
pub const INFER_OPTIONS: &[(&str, OptionKind)] = &[
    ("method", OptionKind::Text),
    ("draws", OptionKind::Int),
    ("warmup", OptionKind::Int),
    ("chains", OptionKind::Int),
    ("seed", OptionKind::Int),
    ("budget", OptionKind::Real),
];

impl Body<'_, '_> {
    pub(super) fn infer(&mut self, infer: &ast::Infer, span: Span) -> Option<Expr> {
        let name = &infer.model;
        let options = self.options(&infer.options);
        let Some(model) = self.checker.model_named(self.module, &name.node) else {
            let help = self.checker.near_model(self.module, &name.node);
            return self.report(CheckError::UnknownModel { name: name.node.to_string(), span: name.span, help });
        };
        if let Some(user) = self.model_id() {
            self.checker.note_use(user, model);
        }
        self.checker.ensure_model(model);
        let data = self.supplied(model, &infer.data);
        let (parameters, signature) = self.checker.model_parameters(model);
        if infer.arguments.is_empty() && !parameters.is_empty() {
            // Parameters by name among the data, as when the model is run by itself.
            let data = data?;
            let names = self.checker.model_parameter_names(model);
            let (by_name, data): (Vec<_>, Vec<_>) = data.into_iter().partition(|(name, _)| names.contains(name));
            let mut by_name: FxHashMap<Arc<str>, Option<Expr>> = by_name.into_iter().collect();
            let arguments: Option<Vec<Expr>> = names.iter().map(|name| by_name.remove(name).flatten()).collect();
            let Some(arguments) = arguments else {
                return self.report(CheckError::Arity {
                    name: name.node.to_string(),
                    expected: parameters.len(),
                    found: 0,
                    signature,
                    span: name.span,
                });
            };
            let infer = core::Infer { model, arguments, data, options: options? };
            return Some(Expr { kind: ExprKind::Infer(Box::new(infer)), ty: Type::Posterior(model), span });
        }
        let arguments = self.arguments(name, &parameters, signature, &infer.arguments);
        let names = self.checker.model_parameter_names(model);
        let mut twice = false;
        for (supplied, _) in infer.data.iter().filter(|(supplied, _)| names.contains(&supplied.node)) {
            twice = true;
            let (name, span, first) = (supplied.node.to_string(), supplied.span, name.span);
            self.report::<()>(CheckError::NamedTwice { name, span, first });
        }
        if twice {
            return None;
        }
        let infer = core::Infer { model, arguments: arguments?, data: data?, options: options? };
        Some(Expr { kind: ExprKind::Infer(Box::new(infer)), ty: Type::Posterior(model), span })
    }

    fn supplied(
        &mut self,
        model: ModelId,
        data: &[(ast::Ident, Option<ast::Expr>)],
    ) -> Option<Vec<(Arc<str>, Option<Expr>)>> {
        let mut seen: FxHashMap<Arc<str>, Span> = FxHashMap::default();
        let mut result = Vec::new();
        for (name, value) in data {
            if let Some(first) = seen.insert(name.node.clone(), name.span) {
                let text = name.node.to_string();
                self.report::<()>(CheckError::NamedTwice { name: text, span: name.span, first });
            }
            let wanted = self.suppliable(model, name);
            let value = match value {
                Some(value) => match (self.expr(value), wanted) {
                    (Some(checked), Some(wanted)) => {
                        let context = format!("the value of `{}`", name.node);
                        self.convert(checked, wanted, &context).map(Some)
                    }
                    (Some(_) | None, _) => None,
                },
                None => wanted.map(|_| None),
            };
            result.push(value.map(|value| (name.node.clone(), value)));
        }
        result.into_iter().collect()
    }

    /// The type of what a name in the data stands for: `y`, `s.x`, `z[0]`.
    fn suppliable(&mut self, model: ModelId, name: &ast::Ident) -> Option<DataType> {
        let (path, indices) = without_indices(&name.node);
        let Some((variable, outer)) = self.checker.variable(model, &path) else {
            let help = self.suggest_variable(model, &path);
            let model = self.checker.model_name(model).to_string();
            return self.report(CheckError::UnknownField { model, name: path, span: name.span, help });
        };
        let (kind, help) = match variable.kind {
            VariableKind::Parameter | VariableKind::Random(_) | VariableKind::Condition => match variable.ty {
                Type::Data(ty) if indices <= ty.rank + outer => {
                    return Some(DataType { base: ty.base, rank: ty.rank + outer - indices });
                }
                Type::Data(ty) => {
                    let found = DataType { base: ty.base, rank: ty.rank + outer }.to_string();
                    return self.report(CheckError::NotIndexable { found, subscripts: indices, span: name.span });
                }
                Type::Record { .. } | Type::Str | Type::Posterior(_) | Type::Marginal(_) | Type::Nothing => {
                    return None;
                }
            },
            VariableKind::Deterministic => ("computed from others", None),
            VariableKind::Submodel(inner) => {
                let first = self.checker.variable_names(inner).first().cloned();
                let help = first.map(|x| format!("supply one of its variables, such as `{path}.{x}`"));
                ("an execution of a model", help)
            }
        };
        self.report(CheckError::NotSuppliable { name: path, kind, span: name.span, help })
    }

    fn options(&mut self, options: &[(ast::Ident, ast::Expr)]) -> Option<Vec<(Arc<str>, Expr)>> {
        let mut seen: FxHashMap<Arc<str>, Span> = FxHashMap::default();
        let mut result = Vec::new();
        for (name, value) in options {
            if let Some(first) = seen.insert(name.node.clone(), name.span) {
                let text = name.node.to_string();
                self.report::<()>(CheckError::NamedTwice { name: text, span: name.span, first });
            }
            let kind = INFER_OPTIONS.iter().find(|(option, _)| *option == &*name.node).map(|(_, kind)| *kind);
            let Some(kind) = kind else {
                let names = INFER_OPTIONS.iter().map(|(option, _)| *option);
                let help = match near_miss(&name.node, names.clone()) {
                    Some(found) => format!("did you mean `{found}`?"),
                    None => format!("options are {}", names.collect::<Vec<_>>().join(", ")),
                };
                let text = name.node.to_string();
                result.push(self.report(CheckError::UnknownOption { name: text, span: name.span, help: Some(help) }));
                continue;
            };
            let value = self.expr(value).and_then(|value| match (kind, value.ty) {
                (OptionKind::Text, Type::Str) => Some(value),
                (OptionKind::Text, _) => {
                    let found = self.show(value.ty);
                    self.report(CheckError::Mismatch {
                        expected: "text".into(),
                        found,
                        span: value.span,
                        context: format!("the option `{}`", name.node),
                        help: None,
                    })
                }
                (OptionKind::Int, _) => self.convert(value, DataType::INT, "an option"),
                (OptionKind::Real, _) => self.convert(value, DataType::scalar(Base::Real), "an option"),
            });
            result.push(value.map(|value| (name.node.clone(), value)));
        }
        result.into_iter().collect()
    }
}

/// `s[0].z[1, 2]` as `s.z` and the number of indices.
fn without_indices(name: &str) -> (String, usize) {
    let mut path = String::new();
    let mut indices = 0;
    let mut depth = 0_usize;
    for c in name.chars() {
        match c {
            '[' => {
                depth += 1;
                indices += 1;
            }
            ']' => depth = depth.saturating_sub(1),
            ',' if depth > 0 => indices += 1,
            _ if depth == 0 => path.push(c),
            _ => {}
        }
    }
    (path.trim().to_owned(), indices)
}
