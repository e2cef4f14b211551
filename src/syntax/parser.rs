//! From text to a tree and all mistakes in it.
//!
//! A file is cut into its top-level items by brackets alone, and each is given to the LALR(1) parser. Where that stops,
//! the mistake is noted, the tokens are mended (a missing `;` is put in, an unreadable statement is replaced by one
//! placeholder) and the item is parsed again; so one mistake hides neither the others nor the rest of the file.

use lalrpop_util::lalrpop_mod;

use super::ast::{Expr, File};
use super::builder::{Builder, Failure, Terminal};
use super::error::SyntaxError;
use super::lexer::{LexError, lex};
use super::recovery::{Mender, Piece, cut};
use super::token::Token;
use super::trivia;
use crate::span::{FileId, Span};

lalrpop_mod!(
    #[allow(
        clippy::all,
        clippy::wildcard_enum_match_arm,
        clippy::unwrap_used,
        clippy::panic,
        missing_docs,
        unused_qualifications,
        unused
    )]
    ppl
);

/// More errors than this are not told.
pub const MAX_ERRORS: usize = 50;

/// The result of [`parse`].
#[derive(Clone, Debug, Default)]
pub struct Parsed {
    /// What could be read; where something could not, [`super::ast::StmtKind::Error`] or
    /// [`super::ast::ExprKind::Error`] stands.
    pub file: File,
    /// All mistakes, in the order of the text.
    pub errors: Vec<SyntaxError>,
}

/// One token of an item, with its place, as the parser takes it.
pub(super) type Spot<'s> = (Terminal<'s>, Span);

/// How a run of the parser over one item ended.
pub(super) struct Stop<'s> {
    /// The token that it could not take, as an index into the item's tokens; their number at the end.
    pub(super) at: usize,
    /// Why.
    pub(super) failure: Failure<'s>,
}

/// Parses `text`. Never fails and never panics: the mistakes are part of the result.
///
/// ```
/// use unmask::{span::FileId, syntax::parse};
/// let parsed = parse(FileId(0), "model m { sample x ~ normal(0, 1); observe y ~ normal(x, 1); }");
/// assert_eq!(parsed.errors, []);
/// assert_eq!(parsed.file.items.len(), 1);
/// ```
pub fn parse(file: FileId, text: &str) -> Parsed {
    let lexed = lex(file, text);
    let spots: Vec<Spot<'_>> = lexed.tokens.iter().map(|(token, span)| (Terminal::Source(*token), *span)).collect();
    let mut tree = File::default();
    let mut mistakes = Mistakes::new(&lexed.errors);
    for piece in cut(&spots, text) {
        let items = with_recovery(file, text, piece, &mut mistakes, |builder, spots| {
            run(spots, |tokens| ppl::ItemsParser::new().parse(builder, tokens))
        });
        tree.items.extend(items.unwrap_or_default());
        if mistakes.full() {
            break;
        }
    }
    trivia::attach(&mut tree, &lexed.comments, text);
    Parsed { file: tree, errors: mistakes.finish() }
}

/// Parses `text` as one expression. Comments in it are dropped.
///
/// # Errors
///
/// All mistakes, in the order of the text.
///
/// ```
/// use unmask::{span::FileId, syntax::parse_expression};
/// assert!(parse_expression(FileId(0), "[1, 2.5]").is_ok());
/// assert!(parse_expression(FileId(0), "1 +").is_err());
/// ```
pub fn parse_expression(file: FileId, text: &str) -> Result<Expr, Vec<SyntaxError>> {
    let lexed = lex(file, text);
    let spots: Vec<Spot<'_>> = lexed.tokens.iter().map(|(token, span)| (Terminal::Source(*token), *span)).collect();
    let mut mistakes = Mistakes::new(&lexed.errors);
    let mut builder = Builder::new(file);
    let result = run(&spots, |tokens| ppl::ExprParser::new().parse(&mut builder, tokens));
    match result {
        Ok(tree) => {
            mistakes.extend(builder.errors);
            let errors = mistakes.finish();
            if errors.is_empty() { Ok(tree.node) } else { Err(errors) }
        }
        Err(stop) => {
            let mender = Mender::new(file, text, spots);
            if lexed.errors.is_empty() {
                mistakes.extend([mender.explain(&stop)]);
            }
            Err(mistakes.finish())
        }
    }
}

/// Runs one of the generated parsers over `spots`, and counts how far it came.
fn run<'s, T>(
    spots: &[Spot<'s>],
    parse: impl FnOnce(&mut dyn Iterator<Item = (usize, Terminal<'s>, usize)>) -> Result<T, Failure<'s>>,
) -> Result<T, Stop<'s>> {
    let mut taken = 0;
    let mut tokens = spots.iter().map(|(terminal, span)| {
        taken += 1;
        (span.start as usize, *terminal, span.end as usize)
    });
    let result = parse(&mut tokens);
    drop(tokens);
    result.map_err(|failure| {
        let at = match &failure {
            Failure::UnrecognizedEof { .. } | Failure::InvalidToken { .. } => spots.len(),
            Failure::UnrecognizedToken { .. } | Failure::ExtraToken { .. } => taken.max(1) - 1,
            Failure::User { error } => spots.partition_point(|(_, span)| span.start < error.span().start),
        };
        Stop { at, failure }
    })
}

/// Parses one piece of a file again and again, mending it, until it can be read.
fn with_recovery<'s, T>(
    file: FileId,
    text: &'s str,
    piece: Piece<'_, 's>,
    mistakes: &mut Mistakes<'_>,
    mut parse: impl FnMut(&mut Builder<'s>, &[Spot<'s>]) -> Result<T, Stop<'s>>,
) -> Option<T> {
    let mut builder = Builder::new(file);
    match parse(&mut builder, piece.spots) {
        Ok(tree) => {
            mistakes.extend(builder.errors);
            return Some(tree);
        }
        Err(stop) => {
            let mut mender = Mender::new(file, text, piece.spots.to_vec());
            mender.mend(&stop, mistakes);
            while !mistakes.full() && mender.progresses() {
                let mut builder = Builder::new(file);
                match parse(&mut builder, &mender.spots) {
                    Ok(tree) => {
                        mistakes.extend(builder.errors);
                        return Some(tree);
                    }
                    Err(stop) => mender.mend(&stop, mistakes),
                }
            }
        }
    }
    None
}

/// The mistakes so far.
pub(super) struct Mistakes<'l> {
    lexical: &'l [LexError],
    found: Vec<SyntaxError>,
}

impl<'l> Mistakes<'l> {
    fn new(lexical: &'l [LexError]) -> Self {
        Self { lexical, found: Vec::new() }
    }

    /// Notes mistakes.
    pub(super) fn extend(&mut self, errors: impl IntoIterator<Item = SyntaxError>) {
        self.found.extend(errors);
    }

    /// Whether something in `region` is no lexeme, so that what the parser says about it is likely a consequence.
    pub(super) fn has_lexical(&self, region: Span) -> bool {
        let first = self.lexical.partition_point(|e| e.span().end < region.start);
        self.lexical.get(first).is_some_and(|e| e.span().start <= region.end)
    }

    fn full(&self) -> bool {
        self.found.len() > MAX_ERRORS
    }

    fn finish(self) -> Vec<SyntaxError> {
        let mut errors: Vec<SyntaxError> =
            self.lexical.iter().cloned().map(SyntaxError::Lex).chain(self.found).collect();
        errors.sort_by_key(|e| (e.span().start, e.span().end));
        errors.dedup();
        if errors.len() > MAX_ERRORS
            && let Some(first) = errors.get(MAX_ERRORS).map(SyntaxError::span)
        {
            errors.truncate(MAX_ERRORS);
            errors.push(SyntaxError::TooMany { span: first });
        }
        errors
    }
}

/// The token, where it is one of the source.
pub(super) fn source<'s>(spot: &Spot<'s>) -> Option<Token<'s>> {
    match spot.0 {
        Terminal::Source(token) => Some(token),
        Terminal::Bad | Terminal::BadHead => None,
    }
}
