//! How the parser goes on after a mistake: where statements begin and end is read off the brackets, so that only the
//! statement with the mistake is lost, and often not even that.

#![allow(clippy::wildcard_enum_match_arm, reason = "most of the many tokens mean nothing at most places")]

use super::builder::{Failure, Terminal};
use super::error::SyntaxError;
use super::explain::explain;
use super::parser::{Mistakes, Spot, Stop, source};
use super::token::Token;
use crate::span::{FileId, Span};

/// A part of a file that can be parsed by itself: one item, and what could not be told apart from it.
pub(super) struct Piece<'t, 's> {
    pub(super) spots: &'t [Spot<'s>],
}

/// More repairs of one item than this are not tried.
const MAX_REPAIRS: usize = 200;

/// A bracket that is open.
#[derive(Clone, Copy, Debug)]
pub(super) struct Open<'s> {
    /// The index of its token.
    pub(super) at: usize,
    /// The bracket.
    pub(super) token: Token<'s>,
    /// Whether it is the brace of a block, not of the data of an `infer`.
    pub(super) block: bool,
    /// Where the statement that it belongs to begins.
    outer_start: usize,
}

/// The brackets that are open, while tokens go by.
#[derive(Clone, Debug, Default)]
pub(super) struct Scene<'s> {
    /// From the outside in.
    pub(super) stack: Vec<Open<'s>>,
    /// The first token of the current statement.
    pub(super) start: usize,
    /// The `(` that the last `)` closed.
    last_paren: Option<usize>,
}

impl<'s> Scene<'s> {
    /// Whether the brace at `at` opens the data or the options of an `infer`.
    fn opens_data(&self, spots: &[Spot<'s>], at: usize) -> bool {
        let before = |at: usize, n: usize| at.checked_sub(n).and_then(|i| spots.get(i)).and_then(source);
        match before(at, 1) {
            Some(Token::With | Token::Infer) => true,
            Some(Token::Name(_)) => before(at, 2) == Some(Token::Infer),
            Some(Token::RightParen) => self.last_paren.is_some_and(|p| before(p, 2) == Some(Token::Infer)),
            _ => false,
        }
    }

    /// Takes in the token at `at`.
    fn pass(&mut self, spots: &[Spot<'s>], at: usize) {
        let Some(spot) = spots.get(at) else { return };
        let Some(token) = source(spot) else {
            if spot.0 == Terminal::Bad {
                self.start = at + 1;
            }
            return;
        };
        match token {
            Token::LeftParen | Token::LeftBracket | Token::LeftBrace => {
                let block = token == Token::LeftBrace && !self.opens_data(spots, at);
                self.stack.push(Open { at, token, block, outer_start: self.start });
                if block {
                    self.start = at + 1;
                }
            }
            Token::RightParen | Token::RightBracket | Token::RightBrace => {
                let Some(depth) = self.stack.iter().rposition(|open| closes(open.token, token)) else { return };
                let Some(open) = self.stack.get(depth).copied() else { return };
                // `)` does not close what is outside its block.
                if token != Token::RightBrace && self.stack.iter().skip(depth).any(|o| o.block) {
                    return;
                }
                self.stack.truncate(depth);
                if token == Token::RightParen {
                    self.last_paren = Some(open.at);
                }
                if open.block {
                    let goes_on = spots.get(at + 1).and_then(source) == Some(Token::Else);
                    self.start = if goes_on { open.outer_start } else { at + 1 };
                }
            }
            Token::Semicolon => {
                while self.stack.last().is_some_and(|o| o.token != Token::LeftBrace) {
                    self.stack.pop();
                }
                if self.stack.last().is_none_or(|o| o.block) {
                    self.start = at + 1;
                }
            }
            _ => {}
        }
    }
}

fn closes(open: Token<'_>, close: Token<'_>) -> bool {
    super::error::partner(open.text()) == close.text()
}

fn starts_item(token: Token<'_>) -> bool {
    matches!(token, Token::Import | Token::Fn | Token::Library | Token::Model)
}

/// Whether a token begins a statement and nothing else.
fn starts_statement(token: Token<'_>) -> bool {
    matches!(
        token,
        Token::Let | Token::Given | Token::Sample | Token::Observe | Token::Plate | Token::Factor | Token::Return
    )
}

/// Whether only white space stands before `span` on its line.
fn begins_line(text: &str, span: Span) -> bool {
    let before = text.get(..span.start as usize).unwrap_or_default();
    before.trim_end_matches([' ', '\t']).ends_with('\n') || before.trim().is_empty()
}

/// Whether `span` is at the very start of its line.
fn at_margin(text: &str, span: Span) -> bool {
    let before = text.get(..span.start as usize).unwrap_or_default();
    before.is_empty() || before.ends_with('\n')
}

/// Cuts a file into pieces.
pub(super) fn cut<'t, 's>(spots: &'t [Spot<'s>], text: &str) -> Vec<Piece<'t, 's>> {
    let mut pieces = Vec::new();
    let mut scene = Scene::default();
    let mut start = 0;
    for (at, spot) in spots.iter().enumerate() {
        let Some(token) = source(spot) else { continue };
        let after_library = at.checked_sub(1).and_then(|i| spots.get(i)).and_then(source) == Some(Token::Library);
        let mut end = None;
        if at > start && starts_item(token) && !after_library && at_margin(text, spot.1) {
            end = Some(at);
        }
        if let Some(end) = end {
            pieces.extend(spots.get(start..end).map(|spots| Piece { spots }));
            (scene, start) = (Scene { start: end, ..Scene::default() }, end);
        }
        scene.pass(spots, at);
        let done = match token {
            Token::Semicolon | Token::RightBrace => {
                scene.stack.is_empty() && (scene.start == at + 1 || token == Token::RightBrace && scene.start == at)
            }
            _ => false,
        };
        if done {
            pieces.extend(spots.get(start..=at).map(|spots| Piece { spots }));
            (scene, start) = (Scene { start: at + 1, ..Scene::default() }, at + 1);
        }
    }
    pieces.extend(spots.get(start..).filter(|spots| !spots.is_empty()).map(|spots| Piece { spots }));
    pieces
}

/// The tokens of a piece while they are mended.
pub(super) struct Mender<'s> {
    pub(super) file: FileId,
    pub(super) text: &'s str,
    pub(super) spots: Vec<Spot<'s>>,
    repairs: usize,
    stuck: bool,
    told_at: Option<u32>,
}

impl<'s> Mender<'s> {
    pub(super) fn new(file: FileId, text: &'s str, spots: Vec<Spot<'s>>) -> Self {
        Self { file, text, spots, repairs: 0, stuck: false, told_at: None }
    }

    /// Whether it makes sense to parse again.
    pub(super) fn progresses(&self) -> bool {
        !self.stuck && self.repairs < MAX_REPAIRS
    }

    /// The token at `at`, where it is one of the source.
    pub(super) fn token(&self, at: usize) -> Option<Token<'s>> {
        self.spots.get(at).and_then(source)
    }

    /// The place of the token at `at`; just after the last one at the end.
    pub(super) fn span(&self, at: usize) -> Span {
        match self.spots.get(at) {
            Some((_, span)) => *span,
            None => self.after(self.spots.len()),
        }
    }

    /// Just after the token before `at`.
    pub(super) fn after(&self, at: usize) -> Span {
        let end = at.checked_sub(1).and_then(|i| self.spots.get(i)).map_or(0, |(_, span)| span.end as usize);
        Span::new(self.file, end, end)
    }

    /// Whether the token at `at` is the first of its line.
    pub(super) fn begins_line(&self, at: usize) -> bool {
        begins_line(self.text, self.span(at))
    }

    /// What is open before the token at `at`, and where its statement begins.
    pub(super) fn scene(&self, at: usize) -> Scene<'s> {
        let mut scene = Scene::default();
        for i in 0..at {
            scene.pass(&self.spots, i);
        }
        scene
    }

    /// What is wrong.
    pub(super) fn explain(&self, stop: &Stop<'s>) -> SyntaxError {
        explain(self, stop, &self.scene(stop.at))
    }

    /// Notes what is wrong and mends the tokens.
    pub(super) fn mend(&mut self, stop: &Stop<'s>, mistakes: &mut Mistakes<'_>) {
        self.repairs += 1;
        let scene = self.scene(stop.at);
        let end = self.end_of_statement(scene.start, stop.at);
        let place = self.span(stop.at);
        let again = self.told_at == Some(place.start);
        self.told_at = Some(place.start);
        let region = self.span(scene.start.min(stop.at)).to(self.span(end.max(stop.at + 1) - 1));
        let made_up = self.spots.get(stop.at).is_some_and(|spot| source(spot).is_none());
        if !again && !made_up && !mistakes.has_lexical(region) {
            mistakes.extend([explain(self, stop, &scene)]);
        }
        if made_up {
            self.stuck = true;
            return;
        }
        self.repair(stop, &scene, end);
    }

    fn repair(&mut self, stop: &Stop<'s>, scene: &Scene<'s>, end: usize) {
        let at = stop.at;
        let top = scene.stack.last();
        let expects = |token: Token<'_>| stop.expects(token);
        let Some(token) = self.token(at) else {
            // The end of the piece: the last statement is lost, and the blocks around it are closed.
            if scene.stack.is_empty() && expects(Token::Semicolon) {
                self.insert(at, Token::Semicolon);
                return;
            }
            let blocks = scene.stack.iter().filter(|open| open.block).count();
            if scene.start < self.spots.len() {
                self.replace(scene.start, self.spots.len(), Some(Terminal::Bad));
            } else if blocks == 0 {
                self.stuck = true;
            }
            for _ in 0..blocks {
                self.insert(self.spots.len(), Token::RightBrace);
            }
            return;
        };
        if matches!(stop.failure, Failure::User { .. }) {
            // Too deep: the outermost statement goes, or what is around it would be too deep as well.
            let item = matches!(self.token(0), Some(Token::Model | Token::Fn | Token::Library));
            let start = scene.stack.get(usize::from(item)).filter(|o| o.block).map_or(scene.start, |o| o.outer_start);
            let end = self.end_of_statement(start, at);
            self.replace(start, end.max(start + 1), Some(Terminal::Bad));
        } else if matches!(token, Token::RightParen | Token::RightBracket | Token::RightBrace)
            && !scene.stack.iter().any(|open| closes(open.token, token))
        {
            match top {
                Some(open) if !open.block && token != Token::RightBrace && expects_partner(stop, open) => {
                    let partner = partner_token(open.token);
                    self.replace(at, at + 1, Some(Terminal::Source(partner)));
                }
                _ => self.replace(at, at + 1, None),
            }
        } else if missing_semicolon(self, stop) {
            self.insert(at, Token::Semicolon);
        } else if token == Token::Semicolon
            && let Some(open) = top.filter(|open| !open.block && expects_partner(stop, open))
        {
            self.insert(at, partner_token(open.token));
        } else {
            self.lose(scene, at, end);
        }
    }

    /// Gives up on the head of a statement with a block, if that is where the mistake is, else on the whole statement.
    fn lose(&mut self, scene: &Scene<'s>, at: usize, end: usize) {
        let head = (scene.start..at)
            .rev()
            .find(|&i| matches!(self.token(i), Some(Token::If | Token::For | Token::Plate | Token::Model | Token::Fn)));
        if let Some(head) = head
            && self.heads_statement(scene.start, head)
            && let Some(brace) = self.block_after(head + 1, end)
            && at <= brace
            && !(head + 1..brace).any(|i| self.spots.get(i).is_some_and(|spot| source(spot).is_none()))
        {
            self.replace(head + 1, brace, Some(Terminal::BadHead));
        } else if scene.start < end {
            self.replace(scene.start, end, Some(Terminal::Bad));
        } else {
            self.stuck = true;
        }
    }

    /// Whether the keyword at `at` introduces a block of the statement that begins at `start`.
    fn heads_statement(&self, start: usize, at: usize) -> bool {
        at == start
            || self.token(start) == Some(Token::Library) && at == start + 1
            || at.checked_sub(1).is_some_and(|i| self.token(i) == Some(Token::Else))
                && at.checked_sub(2).is_some_and(|i| self.token(i) == Some(Token::RightBrace))
    }

    /// The first brace of a block in `from..end`.
    fn block_after(&self, from: usize, end: usize) -> Option<usize> {
        let mut scene = self.scene(from);
        for at in from..end {
            let depth = scene.stack.len();
            scene.pass(&self.spots, at);
            if scene.stack.len() > depth && scene.stack.last().is_some_and(|open| open.block && open.at == at) {
                return Some(at);
            }
        }
        None
    }

    /// One past the last token of the statement that begins at `start` and is wrong at `at`.
    fn end_of_statement(&self, start: usize, at: usize) -> usize {
        // What is open since `start`.
        let mut scene = Scene { start, ..Scene::default() };
        let mut i = start;
        while let Some(spot) = self.spots.get(i) {
            let token = source(spot);
            let in_block = scene.stack.iter().any(|open| open.block);
            if !in_block && i >= at {
                let keyword =
                    token.is_some_and(|t| (starts_statement(t) || starts_item(t)) && i > start && self.begins_line(i));
                let closing =
                    token == Some(Token::RightBrace) && !scene.stack.iter().any(|open| open.token == Token::LeftBrace);
                if (keyword || closing) && i > start {
                    return i;
                }
            }
            scene.pass(&self.spots, i);
            i += 1;
            let ended = scene.start == i && !scene.stack.iter().any(|open| open.block);
            if ended && i > at {
                // `};` ends one statement.
                let both = token == Some(Token::RightBrace) && self.token(i) == Some(Token::Semicolon);
                return i + usize::from(both);
            }
        }
        self.spots.len()
    }

    fn insert(&mut self, at: usize, token: Token<'s>) {
        let span = self.after(at);
        self.spots.insert(at, (Terminal::Source(token), span));
    }

    fn replace(&mut self, from: usize, to: usize, with: Option<Terminal<'s>>) {
        let span = if from < to { self.span(from).to(self.span(to - 1)) } else { self.after(from) };
        self.spots.splice(from..to, with.map(|terminal| (terminal, span)));
    }
}

impl<'s> Stop<'s> {
    /// The terminals that could stand here, as the grammar spells them.
    pub(super) fn expected(&self) -> &[String] {
        match &self.failure {
            Failure::UnrecognizedToken { expected, .. } | Failure::UnrecognizedEof { expected, .. } => expected,
            Failure::InvalidToken { .. } | Failure::ExtraToken { .. } | Failure::User { .. } => &[],
        }
    }

    /// Whether `token`, a keyword or sign, could stand here.
    pub(super) fn expects(&self, token: Token<'_>) -> bool {
        let wanted = token.text();
        self.expected().iter().any(|e| e.trim_matches('"') == wanted && e.starts_with('"'))
    }
}

fn partner_token(open: Token<'_>) -> Token<'static> {
    match open {
        Token::LeftParen => Token::RightParen,
        Token::LeftBracket => Token::RightBracket,
        _ => Token::RightBrace,
    }
}

/// Whether the bracket `open` could be closed here.
pub(super) fn expects_partner(stop: &Stop<'_>, open: &Open<'_>) -> bool {
    stop.expects(partner_token(open.token))
}

/// Whether the statement would be fine with a `;` before the token that cannot be taken.
pub(super) fn missing_semicolon(mender: &Mender<'_>, stop: &Stop<'_>) -> bool {
    let Some(token) = mender.token(stop.at) else { return stop.expects(Token::Semicolon) };
    let can_follow = match token {
        Token::Name(_) | Token::If | Token::For => mender.begins_line(stop.at),
        Token::RightBrace => true,
        _ => starts_statement(token) || starts_item(token),
    };
    stop.expects(Token::Semicolon) && can_follow
}
