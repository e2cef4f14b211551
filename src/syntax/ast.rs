//! The syntax tree: what was written, with every span, comment and spelling that the formatter needs.
//!
//! Trees know nothing of meaning. Spans cover the whole construct. Equality of trees up to spans, comments and spelling is
//! [`super::same_syntax`].

use std::sync::Arc;

use crate::span::{Span, Spanned};

/// A name with its place.
pub type Ident = Spanned<Arc<str>>;

/// Comments around an item or a statement.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trivia {
    /// Comments on the lines before it, each with its `//` or `///`, in order; an empty string is an empty line between
    /// comments (runs of empty lines are one).
    pub leading: Vec<Arc<str>>,
    /// The comment that ends its last line.
    pub trailing: Option<Arc<str>>,
    /// Whether an empty line stands before it (before its leading comments).
    pub blank_before: bool,
}

/// A whole file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct File {
    /// In source order; `///` comments stay in the trivia of the item they document.
    pub items: Vec<Item>,
    /// Comments after the last item.
    pub trailing: Vec<Arc<str>>,
}

/// Something at top level.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// What it is.
    pub kind: ItemKind,
    /// Its place.
    pub span: Span,
    /// Comments.
    pub trivia: Trivia,
}

/// The kinds of top-level items.
#[derive(Clone, Debug, PartialEq)]
pub enum ItemKind {
    /// `import "stats.ppl";`
    Import(Spanned<Arc<str>>),
    /// `fn` and `library fn`.
    Function(Function),
    /// `model`.
    Model(Model),
    /// A statement of the script.
    Statement(StmtKind),
}

/// `[library] fn NAME(PARAMS) [-> TYPE] { ... }`, or `;` in place of the body.
#[derive(Clone, Debug, PartialEq)]
pub struct Function {
    /// Opaque to the network.
    pub library: bool,
    /// Its name.
    pub name: Ident,
    /// Parameters.
    pub parameters: Vec<Parameter>,
    /// Declared result.
    pub returns: Option<TypeExpr>,
    /// `None`: declared here, registered from Rust.
    pub body: Option<Block>,
}

/// `model NAME[(PARAMS)] [-> TYPE] { ... }`
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// Its name.
    pub name: Ident,
    /// Parameters; `model m {` and `model m() {` are the same.
    pub parameters: Vec<Parameter>,
    /// Declared result.
    pub returns: Option<TypeExpr>,
    /// Its statements.
    pub body: Block,
}

/// `NAME[: TYPE]`; a parameter of a function or model.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// Its name.
    pub name: Ident,
    /// Without one: `real`.
    pub ty: Option<TypeExpr>,
}

/// A written type: `real`, `int[n]`, `vector[n]`, `matrix[n, m]`.
#[derive(Clone, Debug, PartialEq)]
pub struct TypeExpr {
    /// `bool`, `int`, `real`, `vector` or `matrix`, as written.
    pub name: Ident,
    /// Sizes.
    pub sizes: Vec<Expr>,
    /// All of it.
    pub span: Span,
}

/// Statements between braces.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Block {
    /// In order.
    pub statements: Vec<Stmt>,
    /// Comments before the closing brace.
    pub trailing: Vec<Arc<str>>,
    /// With its braces.
    pub span: Span,
}

/// A statement.
#[derive(Clone, Debug, PartialEq)]
pub struct Stmt {
    /// What it is.
    pub kind: StmtKind,
    /// With its semicolon.
    pub span: Span,
    /// Comments.
    pub trivia: Trivia,
}

/// The role of a random variable: which values are known by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Known when we infer.
    Given,
    /// Latent unless supplied.
    Sample,
    /// Data.
    Observe,
}

impl Role {
    /// The keyword.
    pub fn name(self) -> &'static str {
        match self {
            Self::Given => "given",
            Self::Sample => "sample",
            Self::Observe => "observe",
        }
    }
}

/// The kinds of statements.
#[derive(Clone, Debug, PartialEq)]
pub enum StmtKind {
    /// `[ROLE] PATH [: TYPE] [~ DIST [simulate DIST]] [@ VALUE];` with at least one of role and distribution.
    Variable(Box<Variable>),
    /// `let PATH [: TYPE] = EXPR;`, the bare `PATH = EXPR [@ VALUE];`, and `observe PATH = EXPR [@ VALUE];`.
    Let(Box<Let>),
    /// `if`.
    If(Box<If>),
    /// `for` and `plate`.
    For(Box<For>),
    /// `factor EXPR;`
    Factor(Expr),
    /// `return EXPR;`
    Return(Expr),
    /// `EXPR;`, of which only calls mean something.
    Expr(Expr),
    /// Stands where something could not be parsed; a diagnostic was given.
    Error,
}

/// See [`StmtKind::Variable`].
#[derive(Clone, Debug, PartialEq)]
pub struct Variable {
    /// The role with the keyword's place; none in annotated programs.
    pub role: Option<Spanned<Role>>,
    /// A name, or a path such as `y[i]` or `s1.ability`, as an expression.
    pub target: Expr,
    /// Declared type.
    pub ty: Option<TypeExpr>,
    /// After `~`.
    pub distribution: Option<Expr>,
    /// After `simulate`.
    pub simulate: Option<Expr>,
    /// After `@`.
    pub annotation: Option<Annotation>,
}

/// See [`StmtKind::Let`].
#[derive(Clone, Debug, PartialEq)]
pub struct Let {
    /// How it was introduced.
    pub form: LetForm,
    /// A name or a path, as an expression.
    pub target: Expr,
    /// Declared type.
    pub ty: Option<TypeExpr>,
    /// The value.
    pub value: Expr,
    /// After `@`.
    pub annotation: Option<Annotation>,
}

/// How a deterministic line was introduced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LetForm {
    /// `let x = ...;`
    Let,
    /// `x = ...;`, the annotated form.
    Bare,
    /// `observe x = ...;`, a hard condition.
    Observe,
    /// `sample x = ...;` or `given x = ...;`: parsed so that the checker can explain.
    Misplaced(Role),
}

/// What follows `@`.
#[derive(Clone, Debug, PartialEq)]
pub enum Annotation {
    /// `@ EXPR`: known.
    Value(Expr),
    /// `@ ?`: masked.
    Mask(Span),
}

/// `if CONDITION { } [else if ... | else { }]`
#[derive(Clone, Debug, PartialEq)]
pub struct If {
    /// The condition.
    pub condition: Expr,
    /// Where it holds.
    pub then: Block,
    /// Where it does not.
    pub otherwise: Option<Else>,
}

/// What follows `else`.
#[derive(Clone, Debug, PartialEq)]
pub enum Else {
    /// `else { ... }`
    Block(Block),
    /// `else if ...`, with the span of that `if`.
    If(Box<If>, Span),
}

/// `for I in A..B { }` and `plate I in A..B { }`
#[derive(Clone, Debug, PartialEq)]
pub struct For {
    /// Whether iterations are conditionally independent.
    pub plate: bool,
    /// The index.
    pub index: Ident,
    /// First value.
    pub lower: Expr,
    /// One past the last.
    pub upper: Expr,
    /// The body.
    pub body: Block,
}

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Its place.
    pub span: Span,
}

/// The kinds of expressions.
#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    /// An integer with its spelling.
    Int(i64, Arc<str>),
    /// A real with its spelling.
    Real(f64, Arc<str>),
    /// `true`, `false`.
    Bool(bool),
    /// Text, unescaped.
    Str(Arc<str>),
    /// A variable or constant.
    Name(Arc<str>),
    /// `-x`, `!x`.
    Unary(UnaryOp, Box<Expr>),
    /// `a + b` and the like.
    Binary(Box<Expr>, Spanned<BinaryOp>, Box<Expr>),
    /// `if c then a else b`
    If(Box<Expr>, Box<Expr>, Box<Expr>),
    /// `a[i]`, `a[i, j]`, `a[lo..hi]`
    Index(Box<Expr>, Vec<Subscript>),
    /// `s.x`
    Field(Box<Expr>, Ident),
    /// `f(a, b)`: a function, a distribution or a model.
    Call(Ident, Vec<Expr>),
    /// `[a, b]`
    Array(Vec<Expr>),
    /// `[EXPR for i in a..b]`
    Comprehension(Box<Comprehension>),
    /// `infer m(args) { y: ys } with { ... }`
    Infer(Box<Infer>),
    /// `(x)`
    Paren(Box<Expr>),
    /// Stands where something could not be parsed; a diagnostic was given.
    Error,
}

/// `[BODY for INDEX in LOWER..UPPER]`
#[derive(Clone, Debug, PartialEq)]
pub struct Comprehension {
    /// One element.
    pub body: Expr,
    /// The index.
    pub index: Ident,
    /// First value.
    pub lower: Expr,
    /// One past the last.
    pub upper: Expr,
}

/// An index or a slice.
#[derive(Clone, Debug, PartialEq)]
pub enum Subscript {
    /// `i`
    Index(Expr),
    /// `lo..hi`, `lo..`, `..hi`, `..`
    Slice(Option<Expr>, Option<Expr>, Span),
}

/// `infer MODEL[(ARGS)] { NAME: VALUE, ... } [with { NAME: VALUE, ... }]`
#[derive(Clone, Debug, PartialEq)]
pub struct Infer {
    /// The model.
    pub model: Ident,
    /// Its arguments.
    pub arguments: Vec<Expr>,
    /// Data; `None` for `?`. A name may be dotted (`s.x`), as one text.
    pub data: Vec<(Ident, Option<Expr>)>,
    /// Options.
    pub options: Vec<(Ident, Expr)>,
}

/// Prefix operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum UnaryOp {
    /// `-`
    Negate,
    /// `!`
    Not,
}

impl UnaryOp {
    /// As written.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Negate => "-",
            Self::Not => "!",
        }
    }
}

/// Infix operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BinaryOp {
    /// `||`
    Or,
    /// `&&`
    And,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterEqual,
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`
    Divide,
    /// `%`
    Remainder,
    /// `^`
    Power,
}

impl BinaryOp {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::Or,
        Self::And,
        Self::Equal,
        Self::NotEqual,
        Self::Less,
        Self::LessEqual,
        Self::Greater,
        Self::GreaterEqual,
        Self::Add,
        Self::Subtract,
        Self::Multiply,
        Self::Divide,
        Self::Remainder,
        Self::Power,
    ];

    /// As written.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Or => "||",
            Self::And => "&&",
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessEqual => "<=",
            Self::Greater => ">",
            Self::GreaterEqual => ">=",
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Remainder => "%",
            Self::Power => "^",
        }
    }

    /// How tightly it binds: `||` 1, `&&` 2, comparisons 3 (not associative), `+ -` 4, `* / %` 5, and `^` 7, which is
    /// right-associative and binds tighter than unary minus (6).
    pub fn precedence(self) -> u8 {
        match self {
            Self::Or => 1,
            Self::And => 2,
            Self::Equal | Self::NotEqual | Self::Less | Self::LessEqual | Self::Greater | Self::GreaterEqual => 3,
            Self::Add | Self::Subtract => 4,
            Self::Multiply | Self::Divide | Self::Remainder => 5,
            Self::Power => 7,
        }
    }
}
