//! Functions and models: which names mean which, and checking each body once, when it is first asked for.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::CheckError;
use super::core::{self, FunctionId, ModelId, Program, Type, VariableKind};
use super::imports::Module;
use super::scope::{Body, Place};
use super::types::written_type;
use crate::builtin::Builtin;
use crate::diagnostic::{Diagnostic, near_miss};
use crate::dist::Family;
use crate::span::{SourceMap, Span};
use crate::syntax::ast;
use crate::value::DataType;

/// Names that are functions without being in the table of built-ins, because they take what is no data.
pub(super) const SPECIAL_FUNCTIONS: [&str; 2] = ["log_density", "print"];

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Unchecked,
    Open,
    Done,
}

/// What a function or model gives.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Returns {
    /// As declared or found; `None`: nothing.
    Known(Option<DataType>),
    /// Not known before its body is checked.
    Inferred,
    /// What is declared or returned is wrong, and has been reported.
    Wrong,
}

/// The declared part of a function or model.
struct Head<'a> {
    module: usize,
    name: &'a ast::Ident,
    parameters: Vec<Option<DataType>>,
    returns: Returns,
    state: State,
    doc: String,
}

impl Head<'_> {
    fn declared(&self) -> Option<DataType> {
        match self.returns {
            Returns::Known(ty) => ty,
            Returns::Inferred | Returns::Wrong => None,
        }
    }
}

struct FunctionEntry<'a> {
    head: Head<'a>,
    ast: &'a ast::Function,
    result: Option<core::Function>,
}

struct ModelEntry<'a> {
    head: Head<'a>,
    ast: &'a ast::Model,
    result: Option<core::Model>,
    variables: Vec<core::Variable>,
    by_name: FxHashMap<Arc<str>, usize>,
    /// Other models that it calls or infers.
    uses: Vec<ModelId>,
}

/// The functions and models that a file can name.
#[derive(Default)]
struct Names {
    functions: FxHashMap<Arc<str>, FunctionId>,
    models: FxHashMap<Arc<str>, ModelId>,
}

/// A function or a model.
#[derive(Clone, Copy)]
enum Kind {
    Function,
    Model,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Function => "function",
            Self::Model => "model",
        }
    }
}

/// All that is known of the program while it is being checked.
pub(super) struct Checker<'a> {
    pub(super) sources: &'a SourceMap,
    diagnostics: Vec<Diagnostic>,
    functions: Vec<FunctionEntry<'a>>,
    models: Vec<ModelEntry<'a>>,
    names: Vec<Names>,
    /// Whether all files were read without an error. Otherwise definitions may be missing, and unknown names mean nothing.
    readable: bool,
}

/// Checks all files, of which the last is the main one. The program is there unless a mistake was found.
pub(super) fn check(modules: &[Module], sources: &SourceMap, readable: bool) -> (Option<Program>, Vec<Diagnostic>) {
    let mut checker = Checker {
        sources,
        diagnostics: Vec::new(),
        functions: Vec::new(),
        models: Vec::new(),
        names: Vec::new(),
        readable,
    };
    for module in modules {
        checker.declare(module);
    }
    for id in 0..checker.functions.len() {
        checker.ensure_function(FunctionId(id));
    }
    for id in 0..checker.models.len() {
        checker.ensure_model(ModelId(id));
    }
    let script = modules.last().and_then(|main| Body::script(&mut checker, modules.len() - 1, &main.file));
    let main = modules.len().saturating_sub(1);
    (checker.program(main, script), checker.diagnostics)
}

/// The doc comment among the comments before an item.
fn doc(trivia: &ast::Trivia) -> String {
    let lines = trivia.leading.iter().filter_map(|line| line.strip_prefix("///"));
    lines.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect::<Vec<_>>().join("\n")
}

fn returns_something(block: &ast::Block) -> bool {
    block.statements.iter().any(|s| match &s.kind {
        ast::StmtKind::Return(_) => true,
        ast::StmtKind::If(branch) => branch_returns(branch),
        ast::StmtKind::For(each) => returns_something(&each.body),
        ast::StmtKind::Variable(_)
        | ast::StmtKind::Let(_)
        | ast::StmtKind::Factor(_)
        | ast::StmtKind::Expr(_)
        | ast::StmtKind::Error => false,
    })
}

fn branch_returns(branch: &ast::If) -> bool {
    let mut branch = branch;
    loop {
        if returns_something(&branch.then) {
            return true;
        }
        match &branch.otherwise {
            Some(ast::Else::Block(block)) => return returns_something(block),
            Some(ast::Else::If(next, _)) => branch = next,
            None => return false,
        }
    }
}

impl<'a> Checker<'a> {
    pub(super) fn report(&mut self, error: &CheckError) {
        let lost = matches!(
            error,
            CheckError::UnknownVariable { .. }
                | CheckError::UnknownFunction { .. }
                | CheckError::UnknownDistribution { .. }
                | CheckError::UnknownModel { .. }
                | CheckError::UnknownField { .. }
        );
        if self.readable || !lost {
            self.diagnostics.push(error.into());
        }
    }

    /// Enters the items of one file, whose imports have been entered.
    fn declare(&mut self, module: &'a Module) {
        let mut imported: FxHashMap<(&'static str, Arc<str>), Span> = FxHashMap::default();
        let mut names = Names::default();
        for (index, span) in &module.imports {
            let functions: Vec<FunctionId> = (0..self.functions.len())
                .map(FunctionId)
                .filter(|id| self.functions.get(id.0).is_some_and(|f| f.head.module == *index))
                .collect();
            for id in functions {
                let Some(name) = self.functions.get(id.0).map(|f| f.head.name.clone()) else { continue };
                self.import(Kind::Function, &name, *span, &mut imported);
                names.functions.insert(name.node, id);
            }
            let models: Vec<ModelId> = (0..self.models.len())
                .map(ModelId)
                .filter(|id| self.models.get(id.0).is_some_and(|m| m.head.module == *index))
                .collect();
            for id in models {
                let Some(name) = self.models.get(id.0).map(|m| m.head.name.clone()) else { continue };
                self.import(Kind::Model, &name, *span, &mut imported);
                names.models.insert(name.node, id);
            }
        }
        let index = self.names.len();
        let mut own: FxHashMap<(&'static str, Arc<str>), Span> = FxHashMap::default();
        for item in &module.file.items {
            match &item.kind {
                ast::ItemKind::Function(function) => {
                    self.own(Kind::Function, &function.name, &imported, &mut own);
                    let inferred = if function.body.is_some() { Returns::Inferred } else { Returns::Wrong };
                    let head =
                        self.head(index, &function.name, &function.parameters, function.returns.as_ref(), inferred);
                    if function.library && function.body.is_none() && function.returns.is_none() {
                        let name = function.name.node.to_string();
                        self.report(&CheckError::MissingReturnType { name, span: function.name.span });
                    }
                    let id = FunctionId(self.functions.len());
                    names.functions.insert(function.name.node.clone(), id);
                    let head = Head { doc: doc(&item.trivia), ..head };
                    self.functions.push(FunctionEntry { head, ast: function, result: None });
                }
                ast::ItemKind::Model(model) => {
                    self.own(Kind::Model, &model.name, &imported, &mut own);
                    let inferred =
                        if returns_something(&model.body) { Returns::Inferred } else { Returns::Known(None) };
                    let head = self.head(index, &model.name, &model.parameters, model.returns.as_ref(), inferred);
                    let id = ModelId(self.models.len());
                    names.models.insert(model.name.node.clone(), id);
                    self.models.push(ModelEntry {
                        head: Head { doc: doc(&item.trivia), ..head },
                        ast: model,
                        result: None,
                        variables: Vec::new(),
                        by_name: FxHashMap::default(),
                        uses: Vec::new(),
                    });
                }
                ast::ItemKind::Import(_) | ast::ItemKind::Statement(_) => {}
            }
        }
        self.names.push(names);
    }

    fn import(
        &mut self,
        kind: Kind,
        name: &ast::Ident,
        span: Span,
        imported: &mut FxHashMap<(&'static str, Arc<str>), Span>,
    ) {
        if let Some(first) = imported.insert((kind.name(), name.node.clone()), name.span) {
            let name = name.node.to_string();
            self.report(&CheckError::ImportClash { kind: kind.name(), name, span, first });
        }
    }

    fn own(
        &mut self,
        kind: Kind,
        name: &ast::Ident,
        imported: &FxHashMap<(&'static str, Arc<str>), Span>,
        own: &mut FxHashMap<(&'static str, Arc<str>), Span>,
    ) {
        let key = (kind.name(), name.node.clone());
        let (text, span) = (name.node.to_string(), name.span);
        let built_in = match kind {
            Kind::Function => is_builtin_function(&name.node),
            Kind::Model => Family::lookup(&name.node).is_some(),
        };
        if let Some(first) = own.get(&key) {
            self.report(&CheckError::DuplicateItem { kind: kind.name(), name: text, span, first: *first });
        } else if let Some(first) = imported.get(&key) {
            self.report(&CheckError::HidesImport { kind: kind.name(), name: text, span, first: *first });
        } else if built_in {
            self.report(&CheckError::HidesBuiltin { kind: kind.name(), name: text, span });
        }
        own.entry(key).or_insert(span);
    }

    fn head(
        &mut self,
        module: usize,
        name: &'a ast::Ident,
        parameters: &'a [ast::Parameter],
        returns: Option<&'a ast::TypeExpr>,
        inferred: Returns,
    ) -> Head<'a> {
        let mut types = Vec::new();
        for parameter in parameters {
            types.push(match &parameter.ty {
                Some(ty) => self.written_type(ty),
                None => Some(DataType::REAL),
            });
        }
        let returns = match returns {
            Some(ty) => self.written_type(ty).map_or(Returns::Wrong, |t| Returns::Known(Some(t))),
            None => inferred,
        };
        Head { module, name, parameters: types, returns, state: State::Unchecked, doc: String::new() }
    }

    fn written_type(&mut self, ty: &ast::TypeExpr) -> Option<DataType> {
        written_type(ty).map_err(|error| self.report(&error)).ok()
    }

    /// Checks the function's body unless that has been done or is being done.
    pub(super) fn ensure_function(&mut self, id: FunctionId) {
        let Some(entry) = self.functions.get_mut(id.0).filter(|f| f.head.state == State::Unchecked) else { return };
        entry.head.state = State::Open;
        let (module, ast, declared) = (entry.head.module, entry.ast, entry.head.declared());
        let result = super::deep(|| Body::function(self, module, id, ast, declared));
        let Some(entry) = self.functions.get_mut(id.0) else { return };
        entry.head.state = State::Done;
        if entry.head.returns == Returns::Inferred {
            entry.head.returns = result.as_ref().map_or(Returns::Wrong, |f| Returns::Known(Some(f.returns)));
        }
        entry.result = result.map(|f| core::Function { doc: entry.head.doc.clone(), ..f });
    }

    /// Checks the model's body unless that has been done or is being done.
    pub(super) fn ensure_model(&mut self, id: ModelId) {
        let Some(entry) = self.models.get_mut(id.0).filter(|m| m.head.state == State::Unchecked) else { return };
        entry.head.state = State::Open;
        let (module, ast, declared) = (entry.head.module, entry.ast, entry.head.declared());
        let result = super::deep(|| Body::model(self, module, id, ast, declared));
        let Some(entry) = self.models.get_mut(id.0) else { return };
        entry.head.state = State::Done;
        if entry.head.returns == Returns::Inferred {
            entry.head.returns = result.as_ref().map_or(Returns::Wrong, |m| Returns::Known(m.returns));
        }
        entry.result = result.map(|m| core::Model { doc: entry.head.doc.clone(), ..m });
    }

    /// The type of a call of the function.
    pub(super) fn function_result(&mut self, id: FunctionId, span: Span) -> Option<DataType> {
        self.ensure_function(id);
        let head = self.functions.get(id.0).map(|f| &f.head)?;
        match head.returns {
            Returns::Known(ty) => ty,
            Returns::Wrong => None,
            Returns::Inferred => {
                let name = head.name.node.to_string();
                self.report(&CheckError::RecursionNeedsType { kind: "function", name, span });
                if let Some(entry) = self.functions.get_mut(id.0) {
                    entry.head.returns = Returns::Wrong;
                }
                None
            }
        }
    }

    /// What an execution of the model gives as data: `Some(None)` is nothing, `None` a mistake that has been reported.
    pub(super) fn model_result(&mut self, id: ModelId, span: Span) -> Option<Option<DataType>> {
        self.ensure_model(id);
        let head = self.models.get(id.0).map(|m| &m.head)?;
        match head.returns {
            Returns::Known(ty) => Some(ty),
            Returns::Wrong => None,
            Returns::Inferred => {
                let name = head.name.node.to_string();
                self.report(&CheckError::RecursionNeedsType { kind: "model", name, span });
                if let Some(entry) = self.models.get_mut(id.0) {
                    entry.head.returns = Returns::Wrong;
                }
                None
            }
        }
    }

    /// What the function declares to give.
    pub(super) fn declared_function(&self, id: FunctionId) -> Option<DataType> {
        self.functions.get(id.0).and_then(|f| f.head.declared())
    }

    /// What the model declares to give.
    pub(super) fn declared_model(&self, id: ModelId) -> Option<DataType> {
        self.models.get(id.0).and_then(|m| m.head.declared())
    }

    pub(super) fn function_named(&self, module: usize, name: &str) -> Option<FunctionId> {
        self.names.get(module)?.functions.get(name).copied()
    }

    pub(super) fn model_named(&self, module: usize, name: &str) -> Option<ModelId> {
        self.names.get(module)?.models.get(name).copied()
    }

    /// The near miss of a function's name.
    pub(super) fn near_function(&self, module: usize, name: &str) -> Option<String> {
        let own = self.names.get(module).into_iter().flat_map(|n| n.functions.keys()).map(|n| &**n);
        let table = Builtin::ALL.iter().map(|b| b.name());
        let summaries = core::Summary::ALL.iter().map(|(name, _)| *name);
        let found = near_miss(name, own.chain(table).chain(summaries).chain(SPECIAL_FUNCTIONS))?;
        Some(format!("did you mean `{found}`?"))
    }

    /// The near miss of a distribution's name, models included.
    pub(super) fn near_distribution(&self, module: usize, name: &str) -> Option<String> {
        let own = self.names.get(module).into_iter().flat_map(|n| n.models.keys()).map(|n| &**n);
        let found = near_miss(name, own.chain(Family::ALL.iter().map(|f| f.name())))?;
        Some(match (self.model_named(module, found), Family::lookup(found)) {
            (None, Some(family)) => format!("did you mean `{}`?", family.signature()),
            (Some(_), _) | (None, None) => format!("did you mean `{found}`?"),
        })
    }

    /// The near miss of a model's name.
    pub(super) fn near_model(&self, module: usize, name: &str) -> Option<String> {
        let own = self.names.get(module).into_iter().flat_map(|n| n.models.keys()).map(|n| &**n);
        near_miss(name, own).map(|found| format!("did you mean `{found}`?"))
    }

    /// Parameter types of a function, `None` where wrong, and its signature in words.
    pub(super) fn function_parameters(&self, id: FunctionId) -> (Vec<Option<DataType>>, String) {
        self.functions
            .get(id.0)
            .map_or_else(Default::default, |f| (f.head.parameters.clone(), signature(&f.head, &f.ast.parameters)))
    }

    /// Parameter types of a model, `None` where wrong, and its signature in words.
    pub(super) fn model_parameters(&self, id: ModelId) -> (Vec<Option<DataType>>, String) {
        self.models
            .get(id.0)
            .map_or_else(Default::default, |m| (m.head.parameters.clone(), signature(&m.head, &m.ast.parameters)))
    }

    /// Names of a model's parameters.
    pub(super) fn model_parameter_names(&self, id: ModelId) -> Vec<Arc<str>> {
        self.models.get(id.0).map_or_else(Vec::new, |m| m.ast.parameters.iter().map(|p| p.name.node.clone()).collect())
    }

    pub(super) fn model_name(&self, id: ModelId) -> Arc<str> {
        self.models.get(id.0).map_or_else(|| Arc::from("?"), |m| m.head.name.node.clone())
    }

    /// Whether the body of the model is being checked, so that not all of its variables are known.
    pub(super) fn model_is_open(&self, id: ModelId) -> bool {
        self.models.get(id.0).is_some_and(|m| m.head.state == State::Open)
    }

    /// Notes that `user` draws from or infers `used`.
    pub(super) fn note_use(&mut self, user: ModelId, used: ModelId) {
        if let Some(entry) = self.models.get_mut(user.0)
            && user != used
            && !entry.uses.contains(&used)
        {
            entry.uses.push(used);
        }
    }

    /// A model's own variable.
    pub(super) fn own_variable(&self, model: ModelId, name: &str) -> Option<&core::Variable> {
        let entry = self.models.get(model.0)?;
        entry.variables.get(*entry.by_name.get(name)?)
    }

    /// Enters a variable; the first statement of a name counts.
    pub(super) fn add_variable(&mut self, model: ModelId, variable: core::Variable) {
        let Some(entry) = self.models.get_mut(model.0) else { return };
        if !entry.by_name.contains_key(&variable.name) {
            entry.by_name.insert(variable.name.clone(), entry.variables.len());
            entry.variables.push(variable);
        }
    }

    /// Names of a model's own variables.
    pub(super) fn variable_names(&self, model: ModelId) -> Vec<Arc<str>> {
        self.models.get(model.0).map_or_else(Vec::new, |m| m.variables.iter().map(|v| v.name.clone()).collect())
    }

    /// As [`Program::variable`]: the variable with a dotted name, and the number of indices of the submodels on the way.
    pub(super) fn variable(&mut self, model: ModelId, name: &str) -> Option<(core::Variable, usize)> {
        self.ensure_model(model);
        if let Some(found) = self.own_variable(model, name) {
            return Some((found.clone(), 0));
        }
        for (dot, _) in name.match_indices('.') {
            let (Some(head), Some(rest)) = (name.get(..dot), name.get(dot + 1..)) else { continue };
            let Some(VariableKind::Submodel(inner)) = self.own_variable(model, head).map(|v| v.kind) else { continue };
            let outer = match self.own_variable(model, head).map(|v| v.ty) {
                Some(Type::Record { rank, .. }) => rank,
                Some(Type::Data(_) | Type::Str | Type::Posterior(_) | Type::Marginal(_) | Type::Nothing) | None => 0,
            };
            if let Some((found, indices)) = self.variable(inner, rest) {
                return Some((found, indices + outer));
            }
        }
        None
    }

    /// The program, if all of it is right.
    fn program(&mut self, main: usize, script: Option<Option<core::Script>>) -> Option<Program> {
        let used: Vec<ModelId> = self.models.iter().flat_map(|m| m.uses.iter().copied()).collect();
        let own: Vec<ModelId> = (0..self.models.len())
            .filter(|i| self.models.get(*i).is_some_and(|m| m.head.module == main))
            .map(ModelId)
            .collect();
        let mut entry_models: Vec<ModelId> = own.iter().copied().filter(|id| !used.contains(id)).collect();
        // Models that all use each other: then any may be meant.
        if entry_models.is_empty() {
            entry_models = own;
        }
        let mut functions = Vec::new();
        for entry in &mut self.functions {
            functions.push(entry.result.take()?);
        }
        let mut models = Vec::new();
        for entry in &mut self.models {
            let variables = std::mem::take(&mut entry.variables);
            models.push(core::Model { variables, ..entry.result.take()? });
        }
        let script = match script {
            Some(Some(script)) => Some(script),
            Some(None) => return None,
            None => None,
        };
        Some(Program { models, functions, script, entry_models })
    }
}

fn signature(head: &Head, parameters: &[ast::Parameter]) -> String {
    let parameters: Vec<String> = parameters
        .iter()
        .zip(&head.parameters)
        .map(|(parameter, ty)| match ty {
            Some(ty) => format!("{}: {ty}", parameter.name.node),
            None => parameter.name.node.to_string(),
        })
        .collect();
    format!("{}({})", head.name.node, parameters.join(", "))
}

/// Whether a call of this name means something without any definition.
pub(super) fn is_builtin_function(name: &str) -> bool {
    Builtin::lookup(name).is_some()
        || core::Summary::ALL.iter().any(|(summary, _)| *summary == name)
        || SPECIAL_FUNCTIONS.contains(&name)
}

impl Place {
    /// As messages call it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Model(_) => "a model",
            Self::Function(_) => "a function",
            Self::Script => "a script",
        }
    }
}
