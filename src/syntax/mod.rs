//! From text to syntax tree and back.

pub mod ast;
mod builder;
mod error;
mod explain;
mod lexer;
mod parser;
mod recovery;
mod token;
mod trivia;

pub use builder::MAX_DEPTH;
pub use error::{NotPath, SyntaxError};
pub use lexer::{Comment, LexError, Lexed, MAX_TEXT, lex};
pub use parser::{MAX_ERRORS, Parsed, parse, parse_expression};
pub use token::{KEYWORDS, SYMBOLS, Token};
