//! The lexemes of the language: one table, from which the lexer, the printed form and the list of keywords derive.

use std::fmt;

use logos::Logos;

/// What the lexer notes down beside the tokens it yields.
#[derive(Clone, Debug, Default)]
pub struct Aside {
    /// Byte ranges of the comments, in order.
    pub(super) comments: Vec<std::ops::Range<usize>>,
}

fn note_comment<'s>(lexer: &mut logos::Lexer<'s, Token<'s>>) {
    let range = lexer.span();
    lexer.extras.comments.push(range);
}

macro_rules! tokens {
    (keywords { $($keyword:ident $spelling:tt)* } symbols { $($symbol:ident $sign:tt)* }) => {
        /// A lexeme. Literals and names hold their spelling.
        #[derive(Logos, Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[logos(extras = Aside)]
        #[logos(skip r"[ \t\r\n\f\u{FEFF}]+")]
        #[logos(skip("//[^\n]*", note_comment, allow_greedy = true))]
        pub enum Token<'s> {
            $(
                #[doc = concat!("`", $spelling, "`")]
                #[token($spelling)]
                $keyword,
            )*
            $(
                #[doc = concat!("`", $sign, "`")]
                #[token($sign)]
                $symbol,
            )*
            /// A name. (Letters beyond ASCII are taken in, so that one error can speak of the whole name.)
            #[regex(r"[\p{Alphabetic}_][\p{Alphabetic}\p{Nd}_]*", priority = 1)]
            Name(&'s str),
            /// Digits.
            #[regex(r"[0-9]+")]
            Int(&'s str),
            /// Digits on both sides of a point, an exponent, or both.
            #[regex(r"[0-9]+\.[0-9]+([eE][+-]?[0-9]+)?")]
            #[regex(r"[0-9]+[eE][+-]?[0-9]+")]
            Real(&'s str),
            /// A string with its quotes, its escapes as written. Without a closing quote where the line ends before it.
            #[regex(r#""([^"\\\n]|\\[^\n])*\\?"#)]
            #[regex(r#""([^"\\\n]|\\[^\n])*""#)]
            Str(&'s str),
        }

        /// All reserved words.
        pub const KEYWORDS: &[&str] = &[$($spelling),*];

        /// All signs and operators.
        pub const SYMBOLS: &[&str] = &[$($sign),*];

        impl<'s> Token<'s> {
            /// As written in the source.
            pub fn text(self) -> &'s str {
                match self {
                    $(Self::$keyword => $spelling,)*
                    $(Self::$symbol => $sign,)*
                    Self::Name(s) | Self::Int(s) | Self::Real(s) | Self::Str(s) => s,
                }
            }

            /// Whether it is a reserved word.
            pub fn is_keyword(self) -> bool {
                match self {
                    $(Self::$keyword)|* => true,
                    $(Self::$symbol)|* | Self::Name(_) | Self::Int(_) | Self::Real(_) | Self::Str(_) => false,
                }
            }
        }
    };
}

tokens! {
    keywords {
        Import "import"
        Fn "fn"
        Library "library"
        Model "model"
        Given "given"
        Sample "sample"
        Observe "observe"
        Let "let"
        If "if"
        Then "then"
        Else "else"
        For "for"
        Plate "plate"
        In "in"
        Factor "factor"
        Return "return"
        Infer "infer"
        With "with"
        Simulate "simulate"
        True "true"
        False "false"
    }
    symbols {
        Tilde "~"
        At "@"
        Question "?"
        Assign "="
        Equal "=="
        NotEqual "!="
        Less "<"
        LessEqual "<="
        Greater ">"
        GreaterEqual ">="
        Plus "+"
        Minus "-"
        Star "*"
        Slash "/"
        Percent "%"
        Caret "^"
        And "&&"
        Or "||"
        Not "!"
        LeftParen "("
        RightParen ")"
        LeftBracket "["
        RightBracket "]"
        LeftBrace "{"
        RightBrace "}"
        Comma ","
        Semicolon ";"
        Colon ":"
        Dot "."
        DotDot ".."
        Arrow "->"
    }
}

impl fmt::Display for Token<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}
