//! Left sides, and the statements that define random variables and deterministic lines.

use std::sync::Arc;

use super::CheckError;
use super::core::{self, Expr, SizeSource, SlotId, StmtKind, Target, Type, Variable, VariableKind};
use super::dependence::{Fill, index_form};
use super::distributions::Statement;
use super::expressions::{integer_literal, literal_sizes};
use super::scope::{Binding, Body};
use super::types::written_type;
use crate::span::Span;
use crate::syntax::ast::{self, LetForm, Role};
use crate::value::{Base, DataType};

/// A subscript of a left side.
#[derive(Clone, Copy, Debug)]
enum Place {
    Constant(i64),
    /// The index of the loop at this depth, plus a constant.
    Loop(usize, i64),
}

/// A left side.
pub(super) struct LeftSide {
    name: Arc<str>,
    path: Arc<[(Arc<str>, usize)]>,
    subscripts: Vec<Expr>,
    places: Vec<Place>,
    /// Subscripts as they are written.
    texts: Vec<String>,
    span: Span,
}

/// What a definition makes of a name.
struct Definition {
    /// The type of one element, or of the whole without subscripts; `None` where that is wrong.
    ty: Option<Type>,
    /// How it is reported, if it is.
    kind: Option<VariableKind>,
    random: bool,
}

fn collect<'e>(
    expr: &'e ast::Expr,
    path: &mut Vec<(Arc<str>, usize)>,
    subscripts: &mut Vec<&'e ast::Subscript>,
) -> bool {
    super::deep(|| match &expr.kind {
        ast::ExprKind::Name(name) => {
            path.push((name.clone(), 0));
            true
        }
        ast::ExprKind::Field(inner, name) => {
            let found = collect(inner, path, subscripts);
            path.push((name.node.clone(), 0));
            found
        }
        ast::ExprKind::Index(inner, more) => {
            let found = collect(inner, path, subscripts);
            subscripts.extend(more);
            if let Some((_, count)) = path.last_mut() {
                *count += more.len();
            }
            found
        }
        _ => false,
    })
}

/// The type of an array that is filled with `element`s.
fn array_of(element: Type, subscripts: usize) -> Option<Type> {
    match element {
        Type::Data(ty) => Some(Type::Data(DataType { base: ty.base, rank: ty.rank + subscripts })),
        Type::Record { model, rank } => Some(Type::Record { model, rank: rank + subscripts }),
        Type::Str | Type::Posterior(_) | Type::Marginal(_) | Type::Nothing => (subscripts == 0).then_some(element),
    }
}

impl Body<'_, '_> {
    fn left_side(&mut self, expr: &ast::Expr) -> Option<LeftSide> {
        let mut path = Vec::new();
        let mut written = Vec::new();
        if !collect(expr, &mut path, &mut written) {
            if matches!(expr.kind, ast::ExprKind::Error) {
                self.failed = true;
                return None;
            }
            return self.report(CheckError::BadTarget { span: expr.span });
        }
        let mut places = Vec::new();
        let mut subscripts = Vec::new();
        let mut texts = Vec::new();
        for subscript in written {
            let index = match subscript {
                ast::Subscript::Index(index) => index,
                ast::Subscript::Slice(_, _, span) => return self.report(CheckError::BadSubscript { span: *span }),
            };
            let place = match (integer_literal(index), index_form(index)) {
                (Some(constant), _) => (constant >= 0).then_some(Place::Constant(constant)),
                (None, Some((name, offset))) => {
                    self.loops.iter().position(|l| l.index == name).map(|depth| Place::Loop(depth, offset))
                }
                (None, None) => None,
            };
            let Some(place) = place else { return self.report(CheckError::BadSubscript { span: index.span }) };
            places.push(place);
            texts.push(self.text(index.span));
            subscripts.push(self.expect(index, DataType::INT, "an index")?);
        }
        let name: Arc<str> = match path.as_slice() {
            [(name, _)] => name.clone(),
            parts => parts.iter().map(|(name, _)| &**name).collect::<Vec<_>>().join(".").into(),
        };
        Some(LeftSide { name, path: path.into(), subscripts, places, texts, span: expr.span })
    }

    /// Whether every enclosing loop's index is among the subscripts; otherwise says which is not.
    fn has_all_indices(&mut self, left: &LeftSide) -> bool {
        let missing = (0..self.loops.len())
            .find(|depth| !left.places.iter().any(|place| matches!(place, Place::Loop(d, _) if d == depth)));
        let Some((index, loop_span)) = missing.and_then(|d| self.loops.get(d)).map(|l| (l.index.clone(), l.span))
        else {
            return true;
        };
        let mut texts = left.texts.clone();
        let absent = self
            .loops
            .iter()
            .enumerate()
            .filter(|(depth, _)| !left.places.iter().any(|place| matches!(place, Place::Loop(d, _) if d == depth)));
        texts.extend(absent.map(|(_, l)| l.index.to_string()));
        let suggestion = format!("{}[{}]", left.name, texts.join(", "));
        self.report::<()>(CheckError::MissingIndex {
            name: left.name.to_string(),
            index: index.to_string(),
            suggestion,
            span: left.span,
            loop_span,
        });
        false
    }

    /// Its address, with loops told apart.
    fn address(&self, left: &LeftSide) -> String {
        let mut address = left.name.to_string();
        for place in &left.places {
            match place {
                Place::Constant(i) => address.push_str(&format!("[{i}]")),
                Place::Loop(depth, offset) => {
                    let number = self.loops.get(*depth).map_or(0, |l| l.number);
                    address.push_str(&format!("[loop {number} + {offset}]"));
                }
            }
        }
        address
    }

    /// Enters a definition, whose right side has been checked.
    fn define_left(&mut self, left: &LeftSide, definition: &Definition) -> Option<SlotId> {
        let n_subscripts = left.subscripts.len();
        let span = left.span;
        let whole = match definition.ty {
            Some(ty) => match array_of(ty, n_subscripts) {
                Some(whole) => Some(whole),
                None => {
                    let found = self.show(ty);
                    self.report(CheckError::Mismatch {
                        expected: "data".into(),
                        found,
                        span,
                        context: "an element of an array".into(),
                        help: None,
                    })
                }
            },
            None => None,
        };
        if !self.agrees(left, whole) {
            if !self.names.contains_key(&left.name) {
                self.bind(&left.name, Binding { value: None, span, subscripts: None, sizes: Arc::new([]) });
            }
            return None;
        }
        if definition.kind.is_some() || n_subscripts > 0 {
            self.take_address(self.address(left), &left.name, span);
        }
        self.check_dots(left, definition.kind);
        let slot = if n_subscripts == 0 {
            self.define(&left.name, whole, definition.random, span)
        } else {
            let slot = whole.map(|ty| self.slot(&left.name, ty));
            if let Some(slot) = slot {
                let random = definition.random
                    || (self.names.contains_key(&left.name) && self.random.get(slot.0).copied().unwrap_or(true));
                self.set_random(slot, random);
            }
            if !self.names.contains_key(&left.name) && self.may_define(&left.name, span) {
                let value = slot.zip(whole);
                self.bind(&left.name, Binding { value, span, subscripts: Some(n_subscripts), sizes: Arc::new([]) });
            }
            slot
        };
        self.note_fills(left);
        if let (Some(model), Some(kind), Some(ty)) = (self.model_id(), definition.kind, whole) {
            self.checker.add_variable(model, Variable { name: left.name.clone(), kind, ty, span });
        }
        slot
    }

    /// Whether a definition agrees with the earlier ones of its name, in form and type.
    fn agrees(&mut self, left: &LeftSide, whole: Option<Type>) -> bool {
        let n_subscripts = left.subscripts.len();
        let (name, span) = (left.name.to_string(), left.span);
        if let Some(binding) = self.names.get(&left.name) {
            let first = binding.span;
            let known = binding.value.map(|(_, ty)| ty);
            return match (binding.subscripts, n_subscripts) {
                // Said by `define`, unless the earlier one was wrong.
                (None, 0) => true,
                (None, _) if known.is_none() => false,
                (Some(_), 0) | (None, _) => {
                    self.report::<()>(CheckError::WholeAndElements { name, span, first });
                    false
                }
                (Some(expected), found) if expected != found => {
                    self.report::<()>(CheckError::SubscriptCount { name, expected, found, span, first });
                    false
                }
                (Some(_), _) => self.same_type(name, whole, known, span, first),
            };
        }
        // In another branch: the address is the same, so the type has to be.
        let Some(model) = self.model_id() else { return true };
        match self.checker.own_variable(model, &left.name).map(|v| (v.ty, v.span, v.kind)) {
            Some((_, first, VariableKind::Parameter)) => {
                self.report::<()>(CheckError::AlreadyDefined { name, span, first });
                false
            }
            Some((ty, first, _)) => self.same_type(name, whole, Some(ty), span, first),
            None => true,
        }
    }

    fn same_type(&mut self, name: String, found: Option<Type>, known: Option<Type>, span: Span, first: Span) -> bool {
        match (found, known) {
            (Some(found), Some(known)) if found != known => {
                let (found, first_type) = (self.show(found), self.show(known));
                self.report::<()>(CheckError::VariableType { name, found, first_type, span, first });
                false
            }
            _ => true,
        }
    }

    /// `s.x` as a variable of its own collides with the variables of a submodel `s`.
    fn check_dots(&mut self, left: &LeftSide, kind: Option<VariableKind>) {
        let Some((root, _)) = left.path.first() else { return };
        let first = if left.path.len() > 1 {
            let submodel = self.model_id().and_then(|model| self.checker.own_variable(model, root));
            let first = submodel.filter(|v| matches!(v.kind, VariableKind::Submodel(_))).map(|v| v.span);
            self.dotted_roots.entry(root.clone()).or_insert(left.span);
            first
        } else if matches!(kind, Some(VariableKind::Submodel(_))) {
            self.dotted_roots.get(root).copied()
        } else {
            None
        };
        if let Some(first) = first {
            let name = left.name.to_string();
            self.report::<()>(CheckError::AddressCollision { name, span: left.span, first });
        }
    }

    fn note_fills(&mut self, left: &LeftSide) {
        for (axis, place) in left.places.iter().enumerate() {
            let Place::Loop(depth, offset) = *place else { continue };
            let Some(enclosing) = self.loops.get_mut(depth) else { continue };
            if enclosing.plate {
                enclosing.fills.push(Fill { name: left.name.clone(), axis, offset });
            }
        }
    }

    /// Notes which sizes can be read off an array that can be supplied.
    fn note_size_sources(&mut self, left: &LeftSide, ty: Option<&ast::TypeExpr>) {
        for (axis, place) in left.places.iter().enumerate() {
            let Place::Loop(depth, 0) = *place else { continue };
            if let Some(size) = self.loops.get(depth).and_then(|l| l.size.clone()) {
                self.size_candidates.push(SizeSource { size, array: left.name.clone(), axis });
            }
        }
        self.note_declared_sizes(&left.name, left.subscripts.len(), ty);
    }

    pub(super) fn note_declared_sizes(&mut self, array: &Arc<str>, first_axis: usize, ty: Option<&ast::TypeExpr>) {
        for (axis, size) in ty.map_or(&[][..], |t| &t.sizes).iter().enumerate() {
            if let ast::ExprKind::Name(size) = &size.kind {
                self.size_candidates.push(SizeSource {
                    size: size.clone(),
                    array: array.clone(),
                    axis: first_axis + axis,
                });
            }
        }
    }

    fn target(&self, left: LeftSide, slot: SlotId) -> Target {
        Target { slot, path: left.path, subscripts: left.subscripts, span: left.span }
    }

    fn declared(&mut self, ty: Option<&ast::TypeExpr>) -> (Option<DataType>, Vec<Expr>) {
        let Some(ty) = ty else { return (None, Vec::new()) };
        match written_type(ty) {
            Ok(data) => (Some(data), self.sizes(ty)),
            Err(error) => (self.report(error), Vec::new()),
        }
    }

    /// `[ROLE] TARGET [: TYPE] [~ DIST [simulate DIST]] [@ VALUE];`
    pub(super) fn variable(&mut self, variable: &ast::Variable, span: Span) -> Option<StmtKind> {
        if self.model_id().is_none() {
            return self.report(CheckError::RoleOutsideModel { place: self.place.name(), span });
        }
        let left = self.left_side(&variable.target)?;
        let complete = self.has_all_indices(&left);
        let role = match (&variable.role, &variable.annotation) {
            (Some(role), _) => role.node,
            (None, Some(ast::Annotation::Value(_))) => Role::Observe,
            (None, Some(ast::Annotation::Mask(_)) | None) => Role::Sample,
        };
        let name = left.name.to_string();
        match (role, &variable.distribution, &variable.ty) {
            (Role::Given, None, None) => self.report::<()>(CheckError::GivenNeedsType { name, span: left.span }),
            (Role::Sample | Role::Observe, None, _) => {
                self.report::<()>(CheckError::NeedsDistribution { role, name, span: left.span })
            }
            (_, Some(_), _) | (Role::Given, None, Some(_)) => Some(()),
        };
        let (declared, sizes) = self.declared(variable.ty.as_ref());
        let statement = Statement {
            role: match &variable.role {
                Some(role) if role.node == Role::Given => "given ",
                Some(role) if role.node == Role::Sample => "sample ",
                Some(_) => "observe ",
                None => "",
            },
            name: left.name.to_string(),
            subscripts: left.texts.clone(),
            sizes: variable.ty.iter().flat_map(|t| &t.sizes).map(|size| self.text(size.span)).collect(),
        };
        let distribution = variable.distribution.as_ref().map(|d| self.distribution(d, Some(&statement)));
        let distribution = match distribution {
            Some(Some(distribution)) => Some(distribution),
            Some(None) => {
                let ty = declared.map(Type::Data);
                self.define_left(&left, &Definition { ty, kind: None, random: role != Role::Given });
                return None;
            }
            None => None,
        };
        let ty = match &distribution {
            Some(distribution) => Some(self.draw_type(&left, role, variable, distribution, declared, &statement)),
            None => declared.map(Type::Data),
        };
        let simulate = variable.simulate.as_ref().map(|s| (self.distribution(s, None), s.span));
        let annotation = variable.annotation.as_ref().map(|a| self.annotation(a, ty));
        let kind = match ty {
            Some(Type::Record { model, .. }) => VariableKind::Submodel(model),
            Some(Type::Data(_) | Type::Str | Type::Posterior(_) | Type::Marginal(_) | Type::Nothing) | None => {
                VariableKind::Random(role)
            }
        };
        if complete && !matches!(kind, VariableKind::Submodel(_)) {
            self.note_size_sources(&left, variable.ty.as_ref());
        }
        let whole = left.subscripts.is_empty();
        let slot = self.define_left(&left, &Definition { ty, kind: Some(kind), random: role != Role::Given });
        if whole {
            self.note_sizes(&left.name, declared_literal_sizes(variable.ty.as_ref()));
        }
        let simulate = match simulate {
            Some((Some(simulate), span)) => {
                if Some(simulate.ty) != ty || matches!(simulate.kind, core::DistributionKind::Model(..)) {
                    return self.report(CheckError::Simulate { span });
                }
                Some(simulate)
            }
            Some((None, _)) => return None,
            None => None,
        };
        let annotation = match annotation {
            Some(annotation) => Some(annotation?),
            None => None,
        };
        let (ty, slot) = (ty?, slot?);
        if distribution.is_none() && role != Role::Given {
            return None;
        }
        let target = self.target(left, slot);
        Some(StmtKind::Random(Box::new(core::Random { role, target, ty, sizes, distribution, simulate, annotation })))
    }

    /// The type of a draw, and what a role, a declared type or an annotation has against the distribution.
    fn draw_type(
        &mut self,
        left: &LeftSide,
        role: Role,
        variable: &ast::Variable,
        distribution: &core::Distribution,
        declared: Option<DataType>,
        statement: &Statement,
    ) -> Type {
        let mut found = distribution.ty;
        if let Type::Record { model, .. } = distribution.ty {
            let name = left.name.to_string();
            let model_name = self.checker.model_name(model).to_string();
            let inner = self.checker.variable_names(model).first().map(|n| n.to_string());
            let span = left.span;
            if role != Role::Sample {
                self.report::<()>(CheckError::RoleOfModel { role, name, model: model_name, variable: inner, span });
            } else if let Some(ast::Annotation::Value(value)) = &variable.annotation {
                let span = value.span;
                self.report::<()>(CheckError::ValueOfModel { name, model: model_name, variable: inner, span });
            }
            match self.checker.model_result(model, distribution.span) {
                Some(Some(returned)) => found = Type::Data(returned),
                Some(None) | None => {}
            }
        }
        if let Some(declared) = declared
            && found != Type::Data(declared)
        {
            let help = match (&variable.distribution, found) {
                (
                    Some(ast::Expr { kind: ast::ExprKind::Call(family, arguments), .. }),
                    Type::Data(DataType { rank: 0, .. }),
                ) if declared.rank > 0 => {
                    let arguments: Vec<(String, usize)> =
                        arguments.iter().map(|argument| (self.text(argument.span), 0)).collect();
                    Some(format!("write `{}`", self.plate(&family.node, &arguments, declared.rank, Some(statement))))
                }
                _ => None,
            };
            let found = self.show(found);
            self.report::<()>(CheckError::Mismatch {
                expected: declared.to_string(),
                found,
                span: distribution.span,
                context: "the type of a draw".into(),
                help,
            });
        }
        distribution.ty
    }

    /// `None` where it is wrong.
    fn annotation(&mut self, annotation: &ast::Annotation, ty: Option<Type>) -> Option<core::Annotation> {
        let value = match annotation {
            ast::Annotation::Mask(_) => return Some(core::Annotation::Mask),
            ast::Annotation::Value(value) => value,
        };
        let checked = self.expr(value)?;
        let Type::Data(wanted) = ty? else { return None };
        let checked = self.convert(checked, wanted, "the value of the variable")?;
        if self.is_random(&checked) {
            return self.report(CheckError::RandomAnnotation { span: value.span });
        }
        Some(core::Annotation::Value(checked))
    }

    /// `let TARGET = ...;`, `TARGET = ...;`, `observe TARGET = ...;`
    pub(super) fn let_statement(&mut self, definition: &ast::Let, span: Span) -> Option<StmtKind> {
        let in_model = self.model_id().is_some();
        let left = self.left_side(&definition.target);
        let Some(left) = left else {
            self.expr(&definition.value);
            return None;
        };
        let name = left.name.to_string();
        match definition.form {
            LetForm::Observe if !in_model => {
                return self.report(CheckError::RoleOutsideModel { place: self.place.name(), span });
            }
            LetForm::Misplaced(role) => {
                let value = self.text(definition.value.span);
                self.report::<()>(CheckError::RoleWithEquals { role, name: name.clone(), value, span: left.span });
            }
            LetForm::Let | LetForm::Bare | LetForm::Observe => {}
        }
        if definition.annotation.is_some() && !in_model {
            return self.report(CheckError::AnnotationOutsideModel { span });
        }
        let local = left.subscripts.is_empty() && definition.form != LetForm::Observe;
        if !local && !self.has_all_indices(&left) {
            self.expr(&definition.value);
            self.define_left(&left, &Definition { ty: None, kind: None, random: true });
            return None;
        }
        let (declared, sizes) = self.declared(definition.ty.as_ref());
        let value = self.let_value(&left, definition, declared);
        let ty = value.as_ref().map(|v| v.ty).or(declared.map(Type::Data));
        let base = match ty {
            Some(Type::Data(ty)) => Some(ty.base),
            Some(Type::Str | Type::Record { .. } | Type::Posterior(_) | Type::Marginal(_) | Type::Nothing) | None => {
                None
            }
        };
        if definition.form == LetForm::Observe && base == Some(Base::Real) {
            let value = self.text(definition.value.span);
            self.report::<()>(CheckError::ConditionOnReal { name, value, span: left.span });
        }
        let valued = matches!(definition.annotation, Some(ast::Annotation::Value(_)));
        let condition = definition.form == LetForm::Observe || (valued && matches!(base, Some(Base::Bool | Base::Int)));
        let annotation = definition.annotation.as_ref().map(|a| self.annotation(a, ty));
        let at_top = self.loops.is_empty() && self.branches == 0;
        let reported = in_model && base.is_some() && (at_top || !left.subscripts.is_empty());
        let kind = match (condition, reported) {
            (true, _) => Some(VariableKind::Condition),
            (false, true) => Some(VariableKind::Deterministic),
            (false, false) => None,
        };
        let random = condition || value.as_ref().is_none_or(|v| self.is_random(v));
        let slot = self.define_left(&left, &Definition { ty, kind, random });
        if left.subscripts.is_empty() {
            let shown = literal_sizes(&definition.value);
            let known = declared_literal_sizes(definition.ty.as_ref());
            self.note_sizes(&left.name, if shown.is_empty() { known } else { shown });
        }
        let annotation = match annotation {
            Some(annotation) => Some(annotation?),
            None => None,
        };
        let (value, ty, slot) = (value?, ty?, slot?);
        let target = self.target(left, slot);
        Some(StmtKind::Let(Box::new(core::Let { target, ty, sizes, value, condition, reported, annotation })))
    }

    fn let_value(&mut self, left: &LeftSide, definition: &ast::Let, declared: Option<DataType>) -> Option<Expr> {
        let value = self.expr(&definition.value)?;
        if let Some(declared) = declared {
            return self.convert(value, declared, "the declared type");
        }
        if !left.subscripts.is_empty() {
            let (value, found) = self.as_data(value)?;
            // An int for an array of reals.
            let known = self.names.get(&left.name).and_then(|b| b.value).map(|(_, ty)| ty);
            let element = match known {
                Some(Type::Data(ty)) if ty.rank >= left.subscripts.len() => {
                    Some(DataType { base: ty.base, rank: ty.rank - left.subscripts.len() })
                }
                Some(_) | None => None,
            };
            return match element {
                Some(element) if found.fits(element) => self.convert(value, element, "an element"),
                Some(_) | None => Some(value),
            };
        }
        match value.ty {
            Type::Posterior(_) | Type::Marginal(_) | Type::Record { .. } if definition.form == LetForm::Let => {
                Some(value)
            }
            Type::Data(_) => Some(value),
            Type::Posterior(_) | Type::Marginal(_) | Type::Record { .. } | Type::Str | Type::Nothing => {
                self.as_data(value).map(|(value, _)| value)
            }
        }
    }
}

fn declared_literal_sizes(ty: Option<&ast::TypeExpr>) -> Vec<Option<i64>> {
    ty.map_or_else(Vec::new, |ty| ty.sizes.iter().map(integer_literal).collect())
}
