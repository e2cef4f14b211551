//! Names, indices and fields: `x`, `x[i]`, `s.ability`, `p.theta[2]`.

use std::sync::Arc;

use super::CheckError;
use super::core::{Expr, ExprKind, Subscript, Type, VariableKind};
use super::expressions::{data_expr, integer_literal, literal_sizes};
use super::items::is_builtin_function;
use super::scope::{Body, CONSTANTS};
use crate::diagnostic::near_miss;
use crate::dist::Family;
use crate::span::Span;
use crate::syntax::ast;
use crate::value::{DataType, Value};

/// What follows the root of a path.
#[derive(Clone, Copy)]
enum Step<'e> {
    Field(&'e ast::Ident),
    /// Subscripts, with the place of the path up to here.
    Index(&'e [ast::Subscript], Span),
}

/// The root of a path and its steps.
fn steps(expr: &ast::Expr) -> (&ast::Expr, Vec<Step<'_>>) {
    let mut root = expr;
    let mut steps = Vec::new();
    loop {
        match &root.kind {
            ast::ExprKind::Field(inner, name) => {
                steps.push(Step::Field(name));
                root = inner;
            }
            ast::ExprKind::Index(inner, subscripts) => {
                steps.push(Step::Index(subscripts, root.span));
                root = inner;
            }
            _ => break,
        }
    }
    steps.reverse();
    (root, steps)
}

/// The subscripts of all steps, one after the other.
fn all_subscripts(steps: &[Step]) -> Vec<ast::Subscript> {
    steps
        .iter()
        .flat_map(|step| match step {
            Step::Field(_) => &[][..],
            Step::Index(subscripts, _) => subscripts,
        })
        .cloned()
        .collect()
}

impl Body<'_, '_> {
    pub(super) fn path(&mut self, expr: &ast::Expr) -> Option<Expr> {
        let (root, steps) = steps(expr);
        let ast::ExprKind::Name(name) = &root.kind else {
            let sizes = literal_sizes(root);
            let root = self.expr(root)?;
            return self.follow(root, &steps, &sizes);
        };
        if let Some(found) = self.dotted(name, &steps, root.span) {
            return found;
        }
        let subscripts = leading_subscripts(&steps);
        let (root, sizes) = self.name(name, &subscripts, root.span)?;
        self.follow(root, &steps, &sizes)
    }

    /// A variable whose name has dots, as annotated programs define them: the longest that there is.
    fn dotted(&mut self, root: &str, steps: &[Step], span: Span) -> Option<Option<Expr>> {
        if !steps.iter().any(|step| matches!(step, Step::Field(_))) {
            return None;
        }
        let mut name = root.to_owned();
        let mut found = None;
        for (i, step) in steps.iter().enumerate() {
            if let Step::Field(field) = step {
                name.push('.');
                name.push_str(&field.node);
                if self.names.contains_key(name.as_str()) {
                    found = Some((Arc::<str>::from(name.as_str()), i, span.to(field.span)));
                }
            }
        }
        let (name, last, span) = found?;
        let (before, after) = steps.split_at(last + 1);
        let mut subscripts = all_subscripts(before);
        // Subscripts right after the last name belong to the array too.
        let (more, rest) = match after.split_first() {
            Some((Step::Index(more, _), rest)) => (more.to_vec(), rest),
            Some((Step::Field(_), _)) | None => (Vec::new(), after),
        };
        subscripts.extend(more);
        let (root, sizes) = match self.name(&name, &subscripts, span) {
            Some(found) => found,
            None => return Some(None),
        };
        if subscripts.is_empty() {
            return Some(self.follow(root, rest, &sizes));
        }
        let step = Step::Index(&subscripts, span);
        let Some(root) = self.follow(root, &[step], &sizes) else { return Some(None) };
        Some(self.follow(root, rest, &[]))
    }

    /// What a name means, and the sizes that are known of it.
    fn name(
        &mut self,
        name: &Arc<str>,
        subscripts: &[ast::Subscript],
        span: Span,
    ) -> Option<(Expr, Arc<[Option<i64>]>)> {
        if let Some(binding) = self.names.get(name) {
            let (value, sizes, filled) = (binding.value, binding.sizes.clone(), binding.subscripts.is_some());
            if filled {
                self.note_read(name, subscripts, span);
            }
            let Some((slot, ty)) = value else {
                self.failed = true;
                return None;
            };
            return Some((Expr { kind: ExprKind::Slot(slot), ty, span }, sizes));
        }
        if let Some((_, x)) = CONSTANTS.iter().find(|(constant, _)| *constant == &**name) {
            return Some((data_expr(ExprKind::Constant(Value::Real(*x)), DataType::REAL, span), Arc::new([])));
        }
        let help = if self.gone(name).is_some() {
            Some("it is defined in a block that has ended: define it in every branch, or outside the loop".to_owned())
        } else if self.checker.function_named(self.module, name).is_some() || is_builtin_function(name) {
            Some(format!("`{name}` is a function: call it as `{name}(...)`"))
        } else if self.checker.model_named(self.module, name).is_some() || Family::lookup(name).is_some() {
            Some(format!("`{name}` is a distribution: draw from it with `sample x ~ {name}(...);`"))
        } else {
            let names = self.names.keys().map(|n| &**n).chain(CONSTANTS.iter().map(|(n, _)| *n));
            near_miss(name, names).map(|found| format!("did you mean `{found}`?"))
        };
        self.report(CheckError::UnknownVariable { name: name.to_string(), span, help })
    }

    /// Applies indices and fields.
    fn follow(&mut self, root: Expr, steps: &[Step], sizes: &[Option<i64>]) -> Option<Expr> {
        let mut expr = root;
        let mut sizes = sizes;
        let mut rest = steps;
        while let Some((step, after)) = rest.split_first() {
            if let (Type::Posterior(_), Step::Field(_)) = (expr.ty, step) {
                return self.posterior_variable(expr, rest);
            }
            expr = match step {
                Step::Field(field) => self.field(expr, field)?,
                Step::Index(subscripts, span) => self.index(expr, subscripts, sizes, *span)?,
            };
            sizes = match step {
                Step::Index(subscripts, _) => sizes.get(subscripts.len()..).unwrap_or_default(),
                Step::Field(_) => &[],
            };
            rest = after;
        }
        Some(expr)
    }

    fn field(&mut self, expr: Expr, field: &ast::Ident) -> Option<Expr> {
        let Type::Record { model, rank } = expr.ty else {
            let found = self.show(expr.ty);
            return self.report(CheckError::Mismatch {
                expected: "an execution of a model, or a posterior".into(),
                found,
                span: expr.span,
                context: format!("has no `{}`", field.node),
                help: None,
            });
        };
        if rank > 0 {
            let text = self.text(expr.span);
            return self.report(CheckError::Mismatch {
                expected: "one execution of a model".into(),
                found: self.show(expr.ty),
                span: expr.span,
                context: format!("has no `{}`", field.node),
                help: Some(format!("choose one, as in `{text}[i].{}`", field.node)),
            });
        }
        self.checker.ensure_model(model);
        let variable = self.checker.own_variable(model, &field.node).filter(|v| v.kind != VariableKind::Parameter);
        let Some(ty) = variable.map(|v| v.ty) else {
            let mut help = self.suggest_variable(model, &field.node);
            if help.is_none() && self.checker.model_is_open(model) {
                help = Some("in a recursive model, only variables that are defined above can be read".into());
            }
            let (model, name) = (self.checker.model_name(model).to_string(), field.node.to_string());
            return self.report(CheckError::UnknownField { model, name, span: field.span, help });
        };
        let span = expr.span.to(field.span);
        Some(Expr { kind: ExprKind::Field(Box::new(expr), field.node.clone()), ty, span })
    }

    /// The near miss of a variable of a model, or all of them if they are few.
    pub(super) fn suggest_variable(&self, model: super::core::ModelId, name: &str) -> Option<String> {
        let names = self.checker.variable_names(model);
        match near_miss(name, names.iter().map(|n| &**n)) {
            Some(found) => Some(format!("did you mean `{found}`?")),
            None if (1..=8).contains(&names.len()) => {
                let names: Vec<String> = names.iter().map(|n| format!("`{n}`")).collect();
                Some(format!("it has {}", names.join(", ")))
            }
            None => None,
        }
    }

    /// `p.x`, `p.s.x[0]`: everything after the posterior names one variable, and perhaps elements of it.
    fn posterior_variable(&mut self, posterior: Expr, steps: &[Step]) -> Option<Expr> {
        let Type::Posterior(model) = posterior.ty else { return None };
        let fields: Vec<&ast::Ident> = steps
            .iter()
            .filter_map(|step| match step {
                Step::Field(field) => Some(*field),
                Step::Index(..) => None,
            })
            .collect();
        let name: String = fields.iter().map(|f| &*f.node).collect::<Vec<_>>().join(".");
        let span = fields.iter().fold(posterior.span, |span, field| span.to(field.span));
        let Some((variable, indices)) = self.checker.variable(model, &name) else {
            let help = self.suggest_variable(model, &name);
            let model = self.checker.model_name(model).to_string();
            let span = fields.first().map_or(span, |first| first.span.to(span));
            let span = Span { start: fields.first().map_or(span.start, |f| f.span.start), ..span };
            return self.report(CheckError::UnknownField { model, name, span, help });
        };
        let ty = match variable.ty {
            Type::Data(ty) => DataType { base: ty.base, rank: ty.rank + indices },
            Type::Record { .. } | Type::Str | Type::Posterior(_) | Type::Marginal(_) | Type::Nothing => {
                let found = self.show(variable.ty);
                let inner = match variable.kind {
                    VariableKind::Submodel(inner) => self.checker.variable_names(inner).first().cloned(),
                    VariableKind::Parameter
                    | VariableKind::Random(_)
                    | VariableKind::Deterministic
                    | VariableKind::Condition => None,
                };
                let help = inner.map(|x| format!("ask for one of its variables, such as `{name}.{x}`"));
                return self.report(CheckError::Mismatch {
                    expected: "a variable".into(),
                    found,
                    span,
                    context: "not a variable of its own".into(),
                    help,
                });
            }
        };
        let kind = ExprKind::PosteriorField(Box::new(posterior), Arc::from(name));
        let expr = Expr { kind, ty: Type::Marginal(ty), span };
        let subscripts = all_subscripts(steps);
        if subscripts.is_empty() { Some(expr) } else { self.index(expr, &subscripts, &[], span) }
    }

    /// `expr[subscripts]`
    fn index(&mut self, expr: Expr, subscripts: &[ast::Subscript], sizes: &[Option<i64>], span: Span) -> Option<Expr> {
        let mut checked = Vec::new();
        let mut slices = 0;
        let mut wrong = false;
        for (axis, subscript) in subscripts.iter().enumerate() {
            match subscript {
                ast::Subscript::Index(index) => {
                    self.check_literal_index(index, sizes.get(axis).copied().flatten());
                    match self.expect(index, DataType::INT, "an index") {
                        Some(index) => checked.push(Subscript::Index(index)),
                        None => wrong = true,
                    }
                }
                ast::Subscript::Slice(lower, upper, _) => {
                    slices += 1;
                    let mut bound = |bound: &Option<ast::Expr>| match bound {
                        Some(bound) => {
                            let bound = self.expect(bound, DataType::INT, "the bound of a slice");
                            wrong |= bound.is_none();
                            bound
                        }
                        None => None,
                    };
                    let (lower, upper) = (bound(lower), bound(upper));
                    checked.push(Subscript::Slice(lower, upper));
                }
            }
        }
        if wrong {
            return None;
        }
        let indices = checked.len() - slices;
        match expr.ty {
            Type::Record { model, rank } if slices == 0 && indices <= rank => {
                let ty = Type::Record { model, rank: rank - indices };
                Some(index_expr(expr, checked, ty, span))
            }
            // `s[i][j]` where `s[i]` returns an array.
            Type::Record { model, rank } if slices == 0 && rank > 0 => {
                let rest = checked.split_off(rank);
                let inner = index_expr(expr, checked, Type::Record { model, rank: 0 }, span);
                self.index_data(inner, rest, span)
            }
            Type::Marginal(ty) if slices == 0 && indices <= ty.rank => {
                let ty = Type::Marginal(DataType { base: ty.base, rank: ty.rank - indices });
                Some(index_expr(expr, checked, ty, span))
            }
            Type::Record { .. } | Type::Data(_) => self.index_data(expr, checked, span),
            Type::Marginal(_) | Type::Str | Type::Posterior(_) | Type::Nothing => {
                let found = self.show(expr.ty);
                self.report(CheckError::NotIndexable { found, subscripts: subscripts.len(), span })
            }
        }
    }

    fn index_data(&mut self, expr: Expr, subscripts: Vec<Subscript>, span: Span) -> Option<Expr> {
        let (expr, ty) = self.as_data(expr)?;
        if subscripts.len() > ty.rank {
            let found = ty.to_string();
            return self.report(CheckError::NotIndexable { found, subscripts: subscripts.len(), span });
        }
        let indices = subscripts.iter().filter(|s| matches!(s, Subscript::Index(_))).count();
        let ty = Type::Data(DataType { base: ty.base, rank: ty.rank - indices });
        Some(index_expr(expr, subscripts, ty, span))
    }

    fn check_literal_index(&mut self, index: &ast::Expr, size: Option<i64>) {
        let Some(value) = integer_literal(index) else { return };
        if value < 0 {
            self.report::<()>(CheckError::IndexRange { index: value, size: None, span: index.span });
        } else if size.is_some_and(|size| value >= size) {
            self.report::<()>(CheckError::IndexRange { index: value, size, span: index.span });
        }
    }
}

/// The index steps right after the root, up to the first slice.
fn leading_subscripts(steps: &[Step]) -> Vec<ast::Subscript> {
    let mut subscripts = Vec::new();
    for step in steps {
        let Step::Index(more, _) = step else { break };
        subscripts.extend(more.iter().cloned());
        if more.iter().any(|s| matches!(s, ast::Subscript::Slice(..))) {
            break;
        }
    }
    subscripts
}

/// `a[i][j]` is `a[i, j]`.
fn index_expr(expr: Expr, subscripts: Vec<Subscript>, ty: Type, span: Span) -> Expr {
    let simple = |subscripts: &[Subscript]| subscripts.iter().all(|s| matches!(s, Subscript::Index(_)));
    let kind = match expr.kind {
        ExprKind::Index(inner, mut first) if simple(&first) && same_kind(expr.ty, ty) => {
            first.extend(subscripts);
            ExprKind::Index(inner, first)
        }
        kind => ExprKind::Index(Box::new(Expr { kind, ..expr }), subscripts),
    };
    Expr { kind, ty, span }
}

fn same_kind(a: Type, b: Type) -> bool {
    std::mem::discriminant(&a) == std::mem::discriminant(&b)
}
