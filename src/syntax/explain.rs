//! What to say about a token that cannot stand where it does.

#![allow(clippy::wildcard_enum_match_arm, reason = "most of the many tokens mean nothing at most places")]

use super::builder::Failure;
use super::error::{SyntaxError, partner};
use super::parser::Stop;
use super::recovery::{Mender, Open, Scene, expects_partner, missing_semicolon};
use super::token::{KEYWORDS, Token};
use crate::diagnostic::near_miss;
use crate::span::Span;

/// Words of other languages that begin a statement, with what is written here.
const FOREIGN_HEADS: &[(&str, &str)] = &[
    ("while", "loops have bounds: `for i in 0..n { … }`"),
    ("loop", "loops have bounds: `for i in 0..n { … }`"),
    ("elif", "write `else if`"),
    ("elseif", "write `else if`"),
    ("elsif", "write `else if`"),
    ("def", "functions are written `fn f(x: real) -> real { … }`"),
    ("func", "functions are written `fn f(x: real) -> real { … }`"),
    ("function", "functions are written `fn f(x: real) -> real { … }`"),
    ("fun", "functions are written `fn f(x: real) -> real { … }`"),
    ("var", "write `let x = …;`"),
    ("const", "write `let x = …;`"),
    ("auto", "write `let x = …;`"),
    ("target", "write `factor …;`"),
    ("data", "data are declared where they are used: `given n: int;`, `observe y ~ normal(m, s);`"),
    ("parameters", "parameters are declared where they are drawn: `sample x ~ normal(0, 1);`"),
];

/// Operators that are words elsewhere.
const FOREIGN_OPERATORS: &[(&str, &str)] =
    &[("and", "write `a && b`"), ("or", "write `a || b`"), ("not", "write `!a`"), ("mod", "write `a % b`")];

/// Names of types, here and elsewhere, that may stand before a name by mistake.
const TYPE_WORDS: &[(&str, &str)] = &[
    ("int", "int"),
    ("real", "real"),
    ("bool", "bool"),
    ("vector", "vector[n]"),
    ("matrix", "matrix[n, m]"),
    ("float", "real"),
    ("double", "real"),
];

fn look_up<'t>(table: &'t [(&str, &str)], word: &str) -> Option<&'t str> {
    table.iter().find(|(key, _)| *key == word).map(|(_, value)| *value)
}

/// A token in words.
fn describe(token: Option<Token<'_>>) -> String {
    match token {
        None => "the end of the text".into(),
        Some(Token::Name(name)) => format!("name `{}`", shorten(name)),
        Some(Token::Int(text) | Token::Real(text)) => format!("number `{}`", shorten(text)),
        Some(Token::Str(text)) => format!("string {}", shorten(text)),
        Some(token) if token.is_keyword() => format!("keyword `{token}`"),
        Some(token) => format!("`{token}`"),
    }
}

fn shorten(text: &str) -> String {
    if text.chars().count() <= 40 { text.into() } else { text.chars().take(39).chain(['…']).collect() }
}

/// What could stand here, in words.
fn expectation(stop: &Stop<'_>) -> String {
    let expects = |token: Token<'_>| stop.expects(token);
    let kind = |name: &str| stop.expected().iter().any(|e| e == name);
    let mut words: Vec<String> = Vec::new();
    if expects(Token::Import) {
        words.push("a model, a function, an import or a statement".into());
    } else if expects(Token::Sample) {
        words.push("a statement".into());
        if expects(Token::RightBrace) {
            words.push("`}`".into());
        }
    } else if expects(Token::LeftParen) && kind("int") {
        words.push("an expression".into());
        for token in [Token::Question, Token::RightParen, Token::RightBracket] {
            if expects(token) {
                words.push(format!("`{token}`"));
            }
        }
    } else {
        if kind("name") {
            words.push("a name".into());
        }
        if kind("int") {
            words.push("an integer".into());
        }
        if kind("string") {
            words.push("a string".into());
        }
        // After a whole expression the operators could go on; what would end it is more to the point.
        let operators = expects(Token::Plus);
        let punctuation = [
            Token::Tilde,
            Token::Assign,
            Token::Semicolon,
            Token::Comma,
            Token::RightParen,
            Token::RightBracket,
            Token::RightBrace,
            Token::LeftBrace,
            Token::DotDot,
            Token::Then,
            Token::Else,
            Token::In,
            Token::Colon,
            Token::Arrow,
            Token::Fn,
            Token::If,
            Token::With,
            Token::LeftParen,
            Token::LeftBracket,
        ];
        let heads = expects(Token::Tilde) || expects(Token::Assign);
        for token in punctuation {
            let beside_the_point = match token {
                Token::LeftBracket | Token::LeftParen => operators,
                Token::Semicolon | Token::Colon => heads,
                Token::Then => expects(Token::LeftBrace),
                Token::With => expects(Token::Semicolon),
                _ => false,
            };
            if expects(token) && !beside_the_point {
                words.push(format!("`{token}`"));
            }
        }
    }
    match words.as_slice() {
        [] => "the end of the text".into(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

/// What is wrong at `stop`.
pub(super) fn explain(mender: &Mender<'_>, stop: &Stop<'_>, scene: &Scene<'_>) -> SyntaxError {
    if let Failure::User { error } = &stop.failure {
        return error.clone();
    }
    let top = scene.stack.last();
    let Some(token) = mender.token(stop.at) else { return explain_end(mender, stop, top) };
    let span = mender.span(stop.at);
    brackets(mender, stop, scene, token, span)
        .or_else(|| words(mender, stop, scene, token, span))
        .or_else(|| operators(mender, stop, scene, token, span))
        .unwrap_or_else(|| {
            if missing_semicolon(mender, stop) {
                let found = describe(Some(token));
                return SyntaxError::Missing { expected: ";", span: mender.after(stop.at), found };
            }
            SyntaxError::UnexpectedToken {
                found: describe(Some(token)),
                expected: expectation(stop),
                span,
                help: help(mender, stop, scene, token),
            }
        })
}

fn explain_end(mender: &Mender<'_>, stop: &Stop<'_>, top: Option<&Open<'_>>) -> SyntaxError {
    let span = mender.after(stop.at);
    if let Some(open) = top {
        return SyntaxError::Unclosed { bracket: bracket(open.token), open: mender.span(open.at), end: span };
    }
    if stop.expects(Token::Semicolon) && !stop.expects(Token::Tilde) {
        let rest = mender.text.get(span.end as usize..).unwrap_or_default();
        let found = if rest.trim().is_empty() { describe(None) } else { "what follows".into() };
        return SyntaxError::Missing { expected: ";", span, found };
    }
    SyntaxError::UnexpectedEnd { expected: expectation(stop), span }
}

fn bracket(token: Token<'_>) -> &'static str {
    partner(partner(token.text()))
}

/// Mistakes with brackets and blocks.
fn brackets(
    mender: &Mender<'_>,
    stop: &Stop<'_>,
    scene: &Scene<'_>,
    token: Token<'_>,
    span: Span,
) -> Option<SyntaxError> {
    let top = scene.stack.last();
    let unclosed =
        |open: &Open<'_>| SyntaxError::Unclosed { bracket: bracket(open.token), open: mender.span(open.at), end: span };
    match token {
        Token::RightParen | Token::RightBracket | Token::RightBrace => {
            let open = scene.stack.iter().any(|open| partner(open.token.text()) == token.text());
            match top {
                Some(top) if !top.block && token != Token::RightBrace && !open && expects_partner(stop, top) => {
                    Some(SyntaxError::Mismatched {
                        open: bracket(top.token),
                        open_span: mender.span(top.at),
                        close: bracket(token),
                        close_span: span,
                    })
                }
                _ if !open => Some(SyntaxError::Unopened { bracket: bracket(token), span }),
                Some(top) if partner(top.token.text()) != token.text() && expects_partner(stop, top) => {
                    Some(unclosed(top))
                }
                _ => None,
            }
        }
        Token::Semicolon => top.filter(|top| !top.block && expects_partner(stop, top)).map(unclosed),
        Token::Import | Token::Model | Token::Fn | Token::Library => {
            let block = scene.stack.iter().rev().find(|open| open.block)?;
            (scene.start == stop.at).then(|| SyntaxError::NestedItem {
                keyword: token.to_string(),
                span,
                open: mender.span(block.at),
            })
        }
        _ => {
            let top = top.filter(|top| !top.block && expects_partner(stop, top))?;
            let next_statement = mender.begins_line(stop.at)
                && (token.is_keyword() && !matches!(token, Token::If | Token::For | Token::Then | Token::Else));
            next_statement.then(|| unclosed(top))
        }
    }
}

/// Words that are misspelled or of another language.
fn words(mender: &Mender<'_>, stop: &Stop<'_>, scene: &Scene<'_>, token: Token<'_>, span: Span) -> Option<SyntaxError> {
    let previous = stop.at.checked_sub(1).and_then(|i| mender.token(i));
    if let (Some(Token::Name("not")), Token::Name(_)) | (_, Token::Name("and" | "or" | "mod")) = (previous, token) {
        let (word, at) = match (previous, token) {
            (Some(Token::Name("not")), _) => ("not", stop.at - 1),
            (_, other) => (other.text(), stop.at),
        };
        let help = look_up(FOREIGN_OPERATORS, word).unwrap_or_default().into();
        return Some(SyntaxError::ForeignWord { found: word.into(), span: mender.span(at), help });
    }
    let (Some(Token::Name(first)), true) = (mender.token(scene.start), stop.at > scene.start) else { return None };
    let first_span = mender.span(scene.start);
    if let Some(help) = look_up(FOREIGN_HEADS, first) {
        return Some(SyntaxError::ForeignWord { found: first.into(), span: first_span, help: help.into() });
    }
    if stop.at != scene.start + 1 {
        return None;
    }
    if let (Token::Name(name), Some(ty)) = (token, look_up(TYPE_WORDS, first)) {
        let rest = match mender.token(stop.at + 1) {
            Some(Token::Assign) => " = …",
            Some(Token::Tilde) => " ~ …",
            _ => "",
        };
        let keyword = if rest == " = …" { "let " } else { "sample " };
        let instead = format!("{keyword}{name}: {ty}{rest};");
        return Some(SyntaxError::TypeFirst {
            ty: first.into(),
            name: name.into(),
            instead,
            span: first_span.to(span),
        });
    }
    let nearest = near_miss(first, KEYWORDS.iter().copied())?;
    let plausible = first.len() >= 3 || nearest.eq_ignore_ascii_case(first);
    let follows = matches!(token, Token::Name(_) | Token::Str(_) | Token::LeftBrace | Token::Fn | Token::If);
    (plausible && follows).then(|| SyntaxError::MisspelledKeyword {
        found: first.into(),
        keyword: nearest.into(),
        span: first_span,
    })
}

/// Signs of another language, and `if` as an operand.
fn operators(
    mender: &Mender<'_>,
    stop: &Stop<'_>,
    scene: &Scene<'_>,
    token: Token<'_>,
    span: Span,
) -> Option<SyntaxError> {
    let before = stop.at.checked_sub(1)?;
    let previous = mender.token(before)?;
    let adjacent = mender.span(before).end == span.start;
    let both = || mender.span(before).to(span);
    match token {
        Token::Assign => match previous {
            Token::Tilde | Token::Colon if adjacent => {
                Some(SyntaxError::WrongTilde { found: format!("{previous}="), span: both() })
            }
            Token::Plus | Token::Minus | Token::Star | Token::Slash if adjacent => Some(SyntaxError::ForeignWord {
                found: format!("{previous}="),
                span: both(),
                help: "a name is defined once; give the new value a new name: `let y = x + 1;`".into(),
            }),
            _ => {
                let top = scene.stack.last().filter(|top| !top.block);
                let head = matches!(mender.token(scene.start), Some(Token::If));
                let argument = top.is_some_and(|top| {
                    top.token == Token::LeftParen
                        && top.at.checked_sub(1).is_some_and(|i| matches!(mender.token(i), Some(Token::Name(_))))
                });
                let inside = top.is_some() || head;
                let operand = matches!(
                    previous,
                    Token::Name(_) | Token::Int(_) | Token::Real(_) | Token::RightParen | Token::RightBracket
                );
                (inside && operand).then_some(SyntaxError::AssignmentInExpression { span, argument })
            }
        },
        Token::If => {
            let operator = matches!(
                previous,
                Token::Plus
                    | Token::Minus
                    | Token::Star
                    | Token::Slash
                    | Token::Percent
                    | Token::Caret
                    | Token::And
                    | Token::Or
                    | Token::Not
                    | Token::Equal
                    | Token::NotEqual
                    | Token::Less
                    | Token::LessEqual
                    | Token::Greater
                    | Token::GreaterEqual
            );
            operator.then_some(SyntaxError::IfOperand { span })
        }
        Token::Name(_) => {
            let distribution = mender.token(stop.at + 1) == Some(Token::LeftParen) && !mender.begins_line(stop.at);
            (stop.expects(Token::Tilde) && distribution).then_some(SyntaxError::MissingTilde { span })
        }
        _ => None,
    }
}

/// What to do about an unexpected token.
fn help(mender: &Mender<'_>, stop: &Stop<'_>, scene: &Scene<'_>, token: Token<'_>) -> Option<String> {
    let before = stop.at.checked_sub(1);
    let previous = before.and_then(|i| mender.token(i));
    let adjacent = before.is_some_and(|i| mender.span(i).end == mender.span(stop.at).start);
    let first = stop.at == scene.start;
    match (previous, token) {
        (Some(Token::Int(number) | Token::Real(number)), Token::Name(name)) if adjacent => {
            Some(format!("a product is written `{number} * {name}`"))
        }
        (Some(Token::RightParen | Token::RightBracket), Token::LeftParen) => Some("only names can be called".into()),
        (_, Token::Semicolon) if first => Some("remove this `;`".into()),
        (_, Token::Else) if first => Some("an `else` follows the `}` of its `if`".into()),
        (_, Token::Question) => {
            Some("`?` masks a value: `x ~ normal(0, 1) @ ?`, or `x: ?` in the data of an `infer`".into())
        }
        (_, Token::LeftBrace) if stop.expects(Token::Then) && !stop.expects(Token::LeftBrace) => {
            Some("an `if` with a value is written `if c then a else b`".into())
        }
        (_, Token::Tilde) if mender.token(scene.start) == Some(Token::Let) => {
            Some("`let` defines a value; a random variable is written `sample x ~ …`".into())
        }
        (_, token) if token.is_keyword() && stop.expected().iter().any(|e| e == "name") => {
            Some(format!("`{token}` is a keyword; choose another name"))
        }
        _ => None,
    }
}
