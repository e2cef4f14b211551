//! The core program: what the checker makes of syntax trees, and what everything after it runs.
//!
//! Names are resolved to slots of a frame, types are known, implicit conversions are explicit, and only a handful of
//! constructs is left. Spans stay, for errors at run time.

use std::sync::Arc;

use crate::builtin::Builtin;
use crate::dist::Family;
use crate::span::Span;
use crate::syntax::ast::{BinaryOp, Role, UnaryOp};
use crate::value::{DataType, Value};

/// A place in the frame of a model, a function or the script.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SlotId(pub usize);

/// A model of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ModelId(pub usize);

/// A function of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FunctionId(pub usize);

/// The type of an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// Numbers, truth values and arrays of them.
    Data(DataType),
    /// Text.
    Str,
    /// The execution of a model used as a distribution (or, with `rank`, an array of them): where data are expected it
    /// stands for what the model returned.
    Record {
        /// The model.
        model: ModelId,
        /// How many indices reach one execution.
        rank: usize,
    },
    /// What `infer` gives.
    Posterior(ModelId),
    /// One variable of a posterior, with the type of its values.
    Marginal(DataType),
    /// What a statement such as `print(x);` gives, or a model that returns nothing.
    Nothing,
}

/// A checked program: all files together.
#[derive(Clone, Debug, Default)]
pub struct Program {
    /// By [`ModelId`], imports first.
    pub models: Vec<Model>,
    /// By [`FunctionId`], imports first.
    pub functions: Vec<Function>,
    /// The main file's statements outside models and functions, if any.
    pub script: Option<Script>,
    /// Models of the main file that no other calls or infers: what a file may stand for.
    pub entry_models: Vec<ModelId>,
}

/// Statements at top level.
#[derive(Clone, Debug)]
pub struct Script {
    /// Its slots.
    pub frame: Vec<Slot>,
    /// What it does.
    pub body: Block,
}

/// What is known of a slot.
#[derive(Clone, Debug, PartialEq)]
pub struct Slot {
    /// The name in the source.
    pub name: Arc<str>,
    /// Its type; for a variable filled element by element, that of the whole array.
    pub ty: Type,
}

/// A parameter of a function or model.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// Its name.
    pub name: Arc<str>,
    /// Where it goes.
    pub slot: SlotId,
    /// Its type.
    pub ty: DataType,
    /// Declared sizes, one an axis.
    pub sizes: Vec<Size>,
    /// Where it is declared.
    pub span: Span,
}

/// A declared size of a parameter.
#[derive(Clone, Debug)]
pub enum Size {
    /// A name that stands for whatever the size is: `n` in `x: real[n]` where `n` is not otherwise declared.
    Bind(SlotId),
    /// A size that must be met.
    Equal(Expr),
}

/// A deterministic function.
#[derive(Clone, Debug)]
pub struct Function {
    /// Its name.
    pub name: Arc<str>,
    /// The network must not look into it.
    pub library: bool,
    /// Parameters.
    pub parameters: Vec<Parameter>,
    /// What it gives.
    pub returns: DataType,
    /// Declared sizes of the result, where checked.
    pub return_sizes: Vec<Expr>,
    /// Its slots.
    pub frame: Vec<Slot>,
    /// `None`: declared without a body, to be registered from Rust.
    pub body: Option<Block>,
    /// Doc comment, without the slashes.
    pub doc: String,
    /// Its head.
    pub span: Span,
}

/// A model.
#[derive(Clone, Debug)]
pub struct Model {
    /// Its name.
    pub name: Arc<str>,
    /// Parameters; when the model is run directly they are givens without prior.
    pub parameters: Vec<Parameter>,
    /// Its slots.
    pub frame: Vec<Slot>,
    /// Its statements.
    pub body: Block,
    /// The type of what it returns, if it does.
    pub returns: Option<DataType>,
    /// Its own variables in program order, one entry a name (several statements may fill one array). Those of submodels
    /// are reached through [`VariableKind::Submodel`].
    pub variables: Vec<Variable>,
    /// Integers whose value can be read off the shape of supplied arrays when they are not supplied themselves.
    pub size_sources: Vec<SizeSource>,
    /// Doc comment, without the slashes.
    pub doc: String,
    /// Its head.
    pub span: Span,
}

/// `n` is the size of `axis` of the variable `array`.
#[derive(Clone, Debug, PartialEq)]
pub struct SizeSource {
    /// A given or parameter of type `int`.
    pub size: Arc<str>,
    /// A variable or parameter whose declared size, or whose filling loop `0..n`, is it.
    pub array: Arc<str>,
    /// Which axis of `array`.
    pub axis: usize,
}

/// A variable of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Variable {
    /// Its name; with dots in annotated programs.
    pub name: Arc<str>,
    /// What defines it.
    pub kind: VariableKind,
    /// The type of the whole (with the indices of its loops).
    pub ty: Type,
    /// The first statement that defines it.
    pub span: Span,
}

/// What defines a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VariableKind {
    /// A model parameter.
    Parameter,
    /// A random variable (or an input without prior), by its role.
    Random(Role),
    /// A deterministic line; reported when it depends on something masked.
    Deterministic,
    /// A hard condition `observe z = ...`.
    Condition,
    /// The execution of another model.
    Submodel(ModelId),
}

/// Statements in order.
#[derive(Clone, Debug, Default)]
pub struct Block {
    /// The statements.
    pub statements: Vec<Stmt>,
}

/// A statement.
#[derive(Clone, Debug)]
pub struct Stmt {
    /// What it does.
    pub kind: StmtKind,
    /// Its place.
    pub span: Span,
}

/// The kinds of statements.
#[derive(Clone, Debug)]
pub enum StmtKind {
    /// A random variable, an input, or the execution of another model.
    Random(Box<Random>),
    /// A deterministic line or hard condition.
    Let(Box<Let>),
    /// A branch; either block may be empty.
    If {
        /// `bool` or `int`.
        condition: Expr,
        /// Where it holds.
        then: Block,
        /// Where not.
        otherwise: Block,
    },
    /// A loop.
    For {
        /// Iterations are conditionally independent.
        plate: bool,
        /// The index.
        index: SlotId,
        /// First value.
        lower: Expr,
        /// One past the last.
        upper: Expr,
        /// The body. Slots of plain `let`s in it are set anew in each iteration.
        body: Block,
    },
    /// Adds to the log density.
    Factor(Expr),
    /// Ends the model or function.
    Return(Expr),
    /// `print(...)`, in scripts.
    Print(Vec<Expr>),
    /// A call for its own sake, in scripts.
    Evaluate(Expr),
}

/// What a statement defines.
#[derive(Clone, Debug)]
pub struct Target {
    /// The variable's slot.
    pub slot: SlotId,
    /// Names of the path, each with the number of subscripts that follow it: `s[0].theta[2]` is `[(s, 1), (theta, 1)]`.
    pub path: Arc<[(Arc<str>, usize)]>,
    /// All subscripts in order: integers, loop indices, loop indices ± integers. Empty for a whole variable.
    pub subscripts: Vec<Expr>,
    /// Where it stands.
    pub span: Span,
}

/// `[ROLE] TARGET [: TYPE] [~ DIST [simulate DIST]] [@ VALUE];`
#[derive(Clone, Debug)]
pub struct Random {
    /// Its role; the one implied by the annotation where none is written.
    pub role: Role,
    /// What it defines.
    pub target: Target,
    /// The type of one draw.
    pub ty: Type,
    /// Declared sizes of one draw, checked when it gets its value.
    pub sizes: Vec<Expr>,
    /// `None` only for a given.
    pub distribution: Option<Distribution>,
    /// What to simulate from instead.
    pub simulate: Option<Distribution>,
    /// A value in the source.
    pub annotation: Option<Annotation>,
}

/// What follows `@`.
#[derive(Clone, Debug)]
pub enum Annotation {
    /// The value, unless data name the variable. Already converted to the variable's type.
    Value(Expr),
    /// Masked, unless data name the variable.
    Mask,
}

/// `TARGET = EXPR [@ VALUE];`
#[derive(Clone, Debug)]
pub struct Let {
    /// What it defines.
    pub target: Target,
    /// Its type (of one element where there are subscripts).
    pub ty: Type,
    /// Declared sizes.
    pub sizes: Vec<Expr>,
    /// The value, already converted to `ty`.
    pub value: Expr,
    /// A hard condition: `observe z = ...`, or a bare `z = ... @ value` of type bool or int.
    pub condition: bool,
    /// Written at model level (in no loop or branch) or with subscripts: part of traces and reports.
    pub reported: bool,
    /// A value in the source.
    pub annotation: Option<Annotation>,
}

/// What stands after `~`.
#[derive(Clone, Debug)]
pub struct Distribution {
    /// Which.
    pub kind: DistributionKind,
    /// The type of a draw.
    pub ty: Type,
    /// Its place.
    pub span: Span,
}

/// The kinds of distributions.
#[derive(Clone, Debug)]
pub enum DistributionKind {
    /// One of the table.
    Family(Family, Vec<Argument>),
    /// A model, and its arguments (already converted).
    Model(ModelId, Vec<Expr>),
    /// A variable of a posterior; the expression is of type [`Type::Marginal`].
    Marginal(Expr),
}

/// An argument of a family.
#[derive(Clone, Debug)]
pub enum Argument {
    /// A number, vector or matrix, as the family's table says.
    Value(Expr),
    /// A distribution (`truncated`, `ordered`).
    Distribution(Distribution),
    /// A list of distributions (`mixture`).
    Distributions(Vec<Distribution>),
}

/// An expression.
#[derive(Clone, Debug)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Its type.
    pub ty: Type,
    /// Its place.
    pub span: Span,
}

/// The kinds of expressions.
#[derive(Clone, Debug)]
pub enum ExprKind {
    /// A literal, or a constant such as `pi`.
    Constant(Value),
    /// A variable.
    Slot(SlotId),
    /// A prefix operator.
    Unary(UnaryOp, Box<Expr>),
    /// An infix operator; `&&` and `||` evaluate their right side only where needed.
    Binary(BinaryOp, Box<Expr>, Box<Expr>),
    /// An int, or an array of them, as real.
    ToReal(Box<Expr>),
    /// What a record returned, as data.
    Returned(Box<Expr>),
    /// `if c then a else b`: only the chosen side is evaluated.
    If(Box<Expr>, Box<Expr>, Box<Expr>),
    /// Indices and slices, from the first axis on.
    Index(Box<Expr>, Vec<Subscript>),
    /// A variable of a record (of any [`Type::Record`] of rank 0).
    Field(Box<Expr>, Arc<str>),
    /// A variable of a posterior, by its dotted name: of type [`Type::Marginal`]. Subscripts on it are [`ExprKind::Index`].
    PosteriorField(Box<Expr>, Arc<str>),
    /// A built-in function.
    Builtin(Builtin, Vec<Expr>),
    /// A function of the program.
    Call(FunctionId, Vec<Expr>),
    /// `[a, b]`, all of one type.
    Array(Vec<Expr>),
    /// `[body for index in lower..upper]`
    Comprehension {
        /// The index.
        index: SlotId,
        /// First value.
        lower: Box<Expr>,
        /// One past the last.
        upper: Box<Expr>,
        /// One element.
        body: Box<Expr>,
    },
    /// `mean`, `sd`, … of a variable of a posterior.
    Summary(Summary, Box<Expr>, Vec<Expr>),
    /// `log_density(D, value)`
    LogDensity(Box<Distribution>, Box<Expr>),
    /// `infer m { ... }`
    Infer(Box<Infer>),
}

/// An index or a slice.
#[derive(Clone, Debug)]
pub enum Subscript {
    /// One element of the axis.
    Index(Expr),
    /// A range of the axis.
    Slice(Option<Expr>, Option<Expr>),
}

/// What can be asked of a variable of a posterior.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Summary {
    /// `mean(p.x)`
    Mean,
    /// `sd(p.x)`
    Sd,
    /// `quantile(p.x, q)`
    Quantile,
    /// `draws(p.x)`: unweighted draws (resampled where weights differ).
    Draws,
    /// `probability(p.x, value)`: the share of the draws that equal `value`; for bool and int.
    Probability,
}

impl Summary {
    /// All, by the name of the function.
    pub const ALL: [(&'static str, Self); 5] = [
        ("mean", Self::Mean),
        ("sd", Self::Sd),
        ("quantile", Self::Quantile),
        ("draws", Self::Draws),
        ("probability", Self::Probability),
    ];
}

/// `infer MODEL(ARGUMENTS) { DATA } with { OPTIONS }`
#[derive(Clone, Debug)]
pub struct Infer {
    /// The model.
    pub model: ModelId,
    /// Its arguments, converted.
    pub arguments: Vec<Expr>,
    /// Data by dotted, possibly indexed name (`y`, `s.x`, `z[0]`); `None` masks.
    pub data: Vec<(Arc<str>, Option<Expr>)>,
    /// Options by name; their names and types are checked by the engine that reads them.
    pub options: Vec<(Arc<str>, Expr)>,
}

impl Block {
    /// Whether it contains a `return`.
    pub fn returns(&self) -> bool {
        self.statements.iter().any(|stmt| match &stmt.kind {
            StmtKind::Return(_) => true,
            StmtKind::If { then, otherwise, .. } => then.returns() || otherwise.returns(),
            StmtKind::For { body, .. } => body.returns(),
            StmtKind::Random(_)
            | StmtKind::Let(_)
            | StmtKind::Factor(_)
            | StmtKind::Print(_)
            | StmtKind::Evaluate(_) => false,
        })
    }
}

impl Program {
    /// The model called `name`.
    pub fn model_named(&self, name: &str) -> Option<ModelId> {
        self.models.iter().rposition(|m| &*m.name == name).map(ModelId)
    }

    /// The model; identifiers come from this program.
    pub fn model(&self, id: ModelId) -> &Model {
        &self.models[id.0]
    }

    /// The function; identifiers come from this program.
    pub fn function(&self, id: FunctionId) -> &Function {
        &self.functions[id.0]
    }

    /// The variable of `model` with a dotted name: `mu`, or `s.ability` inside the submodel `s`. The second part is the
    /// number of indices of the submodels on the way, which precede its own.
    pub fn variable(&self, model: ModelId, name: &str) -> Option<(&Variable, usize)> {
        let own = &self.models.get(model.0)?.variables;
        if let Some(found) = own.iter().find(|v| &*v.name == name) {
            return Some((found, 0));
        }
        own.iter().find_map(|v| {
            let VariableKind::Submodel(inner) = v.kind else { return None };
            let rest = name.strip_prefix(&*v.name)?.strip_prefix('.')?;
            let outer = match v.ty {
                Type::Record { rank, .. } => rank,
                Type::Data(_) | Type::Str | Type::Posterior(_) | Type::Marginal(_) | Type::Nothing => 0,
            };
            self.variable(inner, rest).map(|(found, indices)| (found, indices + outer))
        })
    }
}
