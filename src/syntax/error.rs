//! What can be wrong with the text of a program, and how it is told.

use std::sync::Arc;

use thiserror::Error;

use super::ast::BinaryOp;
use super::builder::MAX_DEPTH;
use super::lexer::LexError;
use crate::diagnostic::Diagnostic;
use crate::span::Span;

/// What stood where a name or path should.
#[derive(Clone, Debug, PartialEq)]
pub enum NotPath {
    /// `f(x) = …`
    Call(Arc<str>),
    /// `x[a..b] = …`
    Slice,
    /// `(x) = …`
    Paren,
    /// `3 = …`
    Literal,
    /// Anything else.
    Expression,
}

/// A mistake in the form of a program.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum SyntaxError {
    /// Not even a lexeme.
    #[error(transparent)]
    Lex(#[from] LexError),
    /// A token that cannot stand here.
    #[error("unexpected {found}, expected {expected}")]
    UnexpectedToken {
        /// The token, in words.
        found: String,
        /// What could stand here, in words.
        expected: String,
        /// The token's place.
        span: Span,
        /// What to do.
        help: Option<String>,
    },
    /// The text ends in the middle of something.
    #[error("unexpected end of the text, expected {expected}")]
    UnexpectedEnd {
        /// What could stand here, in words.
        expected: String,
        /// The end.
        span: Span,
    },
    /// A sign such as `;` is missing after a token.
    #[error("expected `{expected}`")]
    Missing {
        /// The sign.
        expected: &'static str,
        /// Just after the token that it should follow.
        span: Span,
        /// The token that came instead, in words.
        found: String,
    },
    /// A bracket that is not closed where its statement or the text ends.
    #[error("this `{bracket}` is never closed")]
    Unclosed {
        /// The bracket.
        bracket: &'static str,
        /// Its place.
        open: Span,
        /// Where its partner was missed.
        end: Span,
    },
    /// A closing bracket without an opening one.
    #[error("unmatched `{bracket}`")]
    Unopened {
        /// The bracket.
        bracket: &'static str,
        /// Its place.
        span: Span,
    },
    /// `( … ]`
    #[error("`{open}` is closed by `{close}`")]
    Mismatched {
        /// The opening bracket.
        open: &'static str,
        /// Its place.
        open_span: Span,
        /// What should have been its partner.
        close: &'static str,
        /// Its place.
        close_span: Span,
    },
    /// The left side of a statement is not a name or a path.
    #[error("the left side of a statement must be a name, such as `x`, `y[i]` or `s.x`")]
    NotAPath {
        /// What it is.
        found: NotPath,
        /// Its place.
        span: Span,
    },
    /// `a < b < c`
    #[error("comparisons cannot be chained")]
    ChainedComparison {
        /// The first operator.
        first: BinaryOp,
        /// Its place.
        first_span: Span,
        /// The second operator.
        second: BinaryOp,
        /// Its place.
        second_span: Span,
    },
    /// `1 + if c then a else b`
    #[error("an `if` inside a larger expression needs parentheses")]
    IfOperand {
        /// The `if`.
        span: Span,
    },
    /// More than [`MAX_DEPTH`] levels.
    #[error("nested deeper than {MAX_DEPTH} levels")]
    TooDeep {
        /// The construct that is one level too many.
        span: Span,
    },
    /// `fn f(x: real) -> real;`
    #[error("the function `{name}` has no body")]
    BodylessFunction {
        /// Its name.
        name: Arc<str>,
        /// The name's place.
        span: Span,
        /// The semicolon that stands for the body.
        semicolon: Span,
    },
    /// `x: real;` or `x @ 3;`
    #[error("this statement has neither a role nor a distribution")]
    MissingRole {
        /// Its left side.
        span: Span,
    },
    /// An expression as a statement.
    #[error("an expression alone is no statement, unless it is a call")]
    NotACall {
        /// The expression.
        span: Span,
        /// The `==`, if it looks like a definition.
        equality: Option<Span>,
    },
    /// `sampel x ~ …`
    #[error("unknown keyword `{found}`")]
    MisspelledKeyword {
        /// As written.
        found: String,
        /// What was likely meant.
        keyword: String,
        /// Its place.
        span: Span,
    },
    /// A word of another language.
    #[error("`{found}` is not part of the language")]
    ForeignWord {
        /// As written.
        found: String,
        /// Its place.
        span: Span,
        /// How it is said here.
        help: String,
    },
    /// `if a = b`
    #[error("`=` inside an expression")]
    AssignmentInExpression {
        /// The `=`.
        span: Span,
        /// Whether it stands among the arguments of a call.
        argument: bool,
    },
    /// `sample x normal(0, 1);`
    #[error("expected `~` before the distribution")]
    MissingTilde {
        /// The start of the distribution.
        span: Span,
    },
    /// `x ~= d`, `x <- d`, `x := d`
    #[error("`{found}` is not part of the language")]
    WrongTilde {
        /// As written.
        found: String,
        /// Its place.
        span: Span,
    },
    /// `int x = 3;`
    #[error("a type stands after its name")]
    TypeFirst {
        /// The word before the name.
        ty: String,
        /// The name.
        name: String,
        /// How it is written here.
        instead: String,
        /// Both.
        span: Span,
    },
    /// A model, function or import inside a block.
    #[error("`{keyword}` cannot stand inside a block")]
    NestedItem {
        /// Its keyword.
        keyword: String,
        /// The keyword's place.
        span: Span,
        /// The brace that opens the block.
        open: Span,
    },
    /// There are more errors, which are not told.
    #[error("too many errors; the rest is not shown")]
    TooMany {
        /// The first error that is not told.
        span: Span,
    },
}

impl SyntaxError {
    /// Its main place.
    pub fn span(&self) -> Span {
        match self {
            Self::Lex(error) => error.span(),
            Self::UnexpectedToken { span, .. }
            | Self::UnexpectedEnd { span, .. }
            | Self::Missing { span, .. }
            | Self::Unclosed { open: span, .. }
            | Self::Unopened { span, .. }
            | Self::Mismatched { close_span: span, .. }
            | Self::NotAPath { span, .. }
            | Self::ChainedComparison { second_span: span, .. }
            | Self::IfOperand { span }
            | Self::TooDeep { span }
            | Self::BodylessFunction { span, .. }
            | Self::MissingRole { span }
            | Self::NotACall { span, .. }
            | Self::MisspelledKeyword { span, .. }
            | Self::ForeignWord { span, .. }
            | Self::AssignmentInExpression { span, .. }
            | Self::MissingTilde { span }
            | Self::WrongTilde { span, .. }
            | Self::TypeFirst { span, .. }
            | Self::NestedItem { span, .. }
            | Self::TooMany { span } => *span,
        }
    }
}

impl From<&SyntaxError> for Diagnostic {
    fn from(error: &SyntaxError) -> Self {
        let message = error.to_string();
        let say = |code: &'static str, span: Span, text: &str| Self::error(code, message.clone()).label(span, text);
        match error {
            SyntaxError::Lex(error) => error.into(),
            SyntaxError::UnexpectedToken { expected, span, help, .. } => {
                Self { help: help.clone(), ..say("E0101", *span, &format!("expected {expected}")) }
            }
            SyntaxError::UnexpectedEnd { expected, span } => say("E0102", *span, &format!("expected {expected}")),
            SyntaxError::Missing { expected, span, found } => {
                say("E0103", *span, &format!("`{expected}` is missing here, before {found}"))
            }
            SyntaxError::Unclosed { bracket, open, end } => say("E0104", *open, "opened here")
                .label(*end, format!("`{}` is missing before this", partner(bracket))),
            SyntaxError::Unopened { bracket, span } => {
                say("E0105", *span, &format!("there is no `{}` for it", partner(bracket)))
            }
            SyntaxError::Mismatched { open, open_span, close_span, .. } => {
                say("E0106", *close_span, &format!("expected `{}`", partner(open))).label(*open_span, "opened here")
            }
            SyntaxError::NotAPath { found, span } => match found {
                NotPath::Call(name) => say("E0107", *span, "a call").help(format!(
                    "functions are defined with `fn {name}(x: real) -> real {{ … }}`, and elements are written `{name}[i]`"
                )),
                NotPath::Slice => say("E0107", *span, "a slice").help("fill an array element by element, in a `for`"),
                NotPath::Paren => say("E0107", *span, "in parentheses").help("remove the parentheses"),
                NotPath::Literal => say("E0107", *span, "a literal"),
                NotPath::Expression => say("E0107", *span, "an expression"),
            },
            SyntaxError::ChainedComparison { first, first_span, second, second_span } => {
                say("E0108", *second_span, "second comparison").label(*first_span, "first comparison").help(format!(
                    "write `a {} b && b {} c`",
                    first.symbol(),
                    second.symbol()
                ))
            }
            SyntaxError::IfOperand { span } => {
                say("E0109", *span, "begins here").help("write `(if c then a else b)`")
            }
            SyntaxError::TooDeep { span } => say("E0110", *span, "one level too many")
                .help("give names to parts of it with `let`, or use `sum` over an array for a long sum"),
            SyntaxError::BodylessFunction { span, semicolon, .. } => {
                say("E0111", *semicolon, "expected `{ … }`").label(*span, "declared here").help(
                    "only a `library fn` may be declared without a body, to be registered from Rust",
                )
            }
            SyntaxError::MissingRole { span } => say("E0112", *span, "what is it?").help(
                "put `given`, `sample` or `observe` before it, or a distribution after it: `x ~ normal(0, 1)`",
            ),
            SyntaxError::NotACall { span, equality: None } => {
                say("E0113", *span, "its value is not used").help("name the value: `let x = …;`")
            }
            SyntaxError::NotACall { equality: Some(equality), .. } => {
                say("E0113", *equality, "compares").help("`=` defines, `==` compares")
            }
            SyntaxError::MisspelledKeyword { keyword, span, .. } => {
                say("E0114", *span, "not a keyword").help(format!("did you mean `{keyword}`?"))
            }
            SyntaxError::ForeignWord { span, help, .. } => say("E0115", *span, "unknown here").help(help.clone()),
            SyntaxError::AssignmentInExpression { span, argument } => {
                let help = if *argument {
                    "arguments have no names here, only an order; `==` compares"
                } else {
                    "`==` compares"
                };
                say("E0116", *span, "not an operator").help(help)
            }
            SyntaxError::MissingTilde { span } => {
                say("E0117", *span, "`~` is missing before this").help("write `x ~ normal(0, 1)`")
            }
            SyntaxError::WrongTilde { span, .. } => say("E0118", *span, "not an operator")
                .help("`~` draws from a distribution (`x ~ normal(0, 1)`), `=` defines a value (`x = 2 * y`)"),
            SyntaxError::TypeFirst { span, instead, .. } => {
                say("E0119", *span, "the other way round").help(format!("write `{instead}`"))
            }
            SyntaxError::NestedItem { keyword, span, open } => {
                say("E0120", *span, &format!("`{keyword}` stands at top level"))
                    .label(*open, "inside this block")
                    .help("move it out, or close the block before it with `}`")
            }
            SyntaxError::TooMany { span } => say("E0121", *span, "more errors from here on"),
        }
    }
}

/// The other bracket of a pair.
pub(super) fn partner(bracket: &str) -> &'static str {
    match bracket {
        "(" => ")",
        "[" => "]",
        "{" => "}",
        ")" => "(",
        "]" => "[",
        _ => "{",
    }
}
