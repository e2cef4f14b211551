//! From text to syntax tree and back.
//!
//! ```
//! use unmask::{span::FileId, syntax};
//! let parsed = syntax::parse(FileId(0), "model coin { sample p ~ beta(1, 1); observe y ~ bernoulli(p); }");
//! assert!(parsed.errors.is_empty());
//! assert!(syntax::print(&parsed.file).starts_with("model coin {\n    sample p"));
//! ```

pub mod ast;
mod builder;
mod dump;
mod error;
mod explain;
mod layout;
mod lexer;
mod parser;
mod printer;
mod recovery;
mod same;
mod token;
mod trivia;
pub mod visit;

pub use builder::MAX_DEPTH;
pub use dump::{dump_ast, dump_tokens};
pub use error::{NotPath, SyntaxError};
pub use layout::LINE_WIDTH;
pub use lexer::{Comment, LexError, Lexed, MAX_TEXT, lex, lexemes};
pub use parser::{MAX_ERRORS, Parsed, parse, parse_expression};
pub use printer::{format, print, print_expression, print_statement};
pub use same::{same_syntax, strip_parens};
pub use token::{Aside, KEYWORDS, SYMBOLS, Token};

/// Walks over trees take more stack when less than this is left, in bytes.
const RED_ZONE: usize = 64 << 10;

/// How much stack they take at a time, in bytes.
const STACK_PIECE: usize = 1 << 20;
