//! Ties comments and empty lines to items and statements.
//!
//! One walk over the tree in source order, with a cursor over the comments: linear in both. A comment goes to the
//! statement that follows it; to the one that ends on its line; or, from inside a statement, to that statement's leading
//! comments. After the last statement of a block it goes to the block.

use std::sync::Arc;

use super::ast::*;
use super::lexer::Comment;
use crate::span::Span;

/// Puts every comment into the trivia of `file`.
pub(super) fn attach(file: &mut File, comments: &[Comment<'_>], text: &str) {
    let mut walk = Walk { comments, next: 0, text };
    let starts: Vec<usize> = file.items.iter().map(|item| item.span.start as usize).collect();
    for (i, item) in file.items.iter_mut().enumerate() {
        let limit = starts.get(i + 1).copied().unwrap_or(text.len());
        let first = i == 0;
        item.trivia = walk.before(item.span, first);
        walk.item(item);
        walk.finish(item.span, &mut item.trivia, limit);
    }
    file.trailing = walk.rest(text.len(), file.items.is_empty());
}

struct Walk<'c, 's> {
    comments: &'c [Comment<'s>],
    next: usize,
    text: &'s str,
}

impl Walk<'_, '_> {
    /// Takes the comments that begin before `limit`, with an empty string where an empty line stands before one; and
    /// says whether an empty line stands before the first of them.
    fn take(&mut self, limit: usize) -> (Vec<Arc<str>>, bool) {
        let mut taken: Vec<Arc<str>> = Vec::new();
        let mut blank_first = false;
        while let Some(comment) = self.comments.get(self.next).filter(|c| c.start < limit) {
            let blank = self.blank_before(comment.start);
            if taken.is_empty() {
                blank_first = blank;
            } else if blank {
                taken.push("".into());
            }
            taken.push(comment.text.into());
            self.next += 1;
        }
        (taken, blank_first)
    }

    /// Whether an empty line stands directly before the byte at `at`.
    fn blank_before(&self, at: usize) -> bool {
        let before = self.text.get(..at).unwrap_or_default();
        before.chars().rev().take_while(|c| c.is_whitespace()).filter(|c| *c == '\n').nth(1).is_some()
    }

    /// The trivia before what stands at `span`, `first` in its block or file.
    fn before(&mut self, span: Span, first: bool) -> Trivia {
        let start = span.start as usize;
        let (mut leading, blank_first) = self.take(start);
        let blank = self.blank_before(start);
        let blank_before = if leading.is_empty() { blank } else { blank_first };
        if !leading.is_empty() && blank {
            leading.push("".into());
        }
        Trivia { leading, trailing: None, blank_before: blank_before && !first }
    }

    /// Takes the comments that stand inside `span` and the one on its last line, if it begins before `limit`.
    fn finish(&mut self, span: Span, trivia: &mut Trivia, limit: usize) {
        let end = span.end as usize;
        self.inner(end, trivia);
        if let Some(comment) = self.comments.get(self.next)
            && comment.start < limit
            && comment.line_start < end
        {
            trivia.trailing = Some(comment.text.into());
            self.next += 1;
        }
    }

    /// Moves the comments before `limit` to the leading ones.
    fn inner(&mut self, limit: usize, trivia: &mut Trivia) {
        let (mut inner, _) = self.take(limit);
        if !inner.is_empty() {
            inner.retain(|c| !c.is_empty());
            if trivia.leading.last().is_some_and(|c| c.is_empty()) {
                trivia.leading.pop();
            }
            trivia.leading.extend(inner);
        }
    }

    /// The comments before `limit`, at the end of a block or file, which is `empty` but for them.
    fn rest(&mut self, limit: usize, empty: bool) -> Vec<Arc<str>> {
        let (mut rest, blank) = self.take(limit);
        if blank && !empty && !rest.is_empty() {
            rest.insert(0, "".into());
        }
        rest
    }

    fn item(&mut self, item: &mut Item) {
        let trivia = &mut item.trivia;
        match &mut item.kind {
            ItemKind::Import(_) => {}
            ItemKind::Function(function) => {
                if let Some(body) = &mut function.body {
                    self.inner(body.span.start as usize, trivia);
                    self.block(body);
                }
            }
            ItemKind::Model(model) => {
                self.inner(model.body.span.start as usize, trivia);
                self.block(&mut model.body);
            }
            ItemKind::Statement(kind) => self.statement(kind, trivia),
        }
    }

    fn statement(&mut self, kind: &mut StmtKind, trivia: &mut Trivia) {
        match kind {
            StmtKind::If(branch) => {
                self.inner(branch.then.span.start as usize, trivia);
                let mut branch = branch;
                loop {
                    // What stands before `else` or in the condition after it goes into the next block.
                    self.block(&mut branch.then);
                    match &mut branch.otherwise {
                        None => return,
                        Some(Else::Block(block)) => return self.block(block),
                        Some(Else::If(next, _)) => branch = next,
                    }
                }
            }
            StmtKind::For(repeat) => {
                self.inner(repeat.body.span.start as usize, trivia);
                self.block(&mut repeat.body);
            }
            StmtKind::Variable(_)
            | StmtKind::Let(_)
            | StmtKind::Factor(_)
            | StmtKind::Return(_)
            | StmtKind::Expr(_)
            | StmtKind::Error => {}
        }
    }

    fn block(&mut self, block: &mut Block) {
        let close = (block.span.end as usize).saturating_sub(1);
        let starts: Vec<usize> = block.statements.iter().map(|s| s.span.start as usize).collect();
        for (i, statement) in block.statements.iter_mut().enumerate() {
            let limit = starts.get(i + 1).copied().unwrap_or(close);
            statement.trivia = self.before(statement.span, i == 0);
            self.statement(&mut statement.kind, &mut statement.trivia);
            self.finish(statement.span, &mut statement.trivia, limit);
        }
        block.trailing = self.rest(close, block.statements.is_empty());
    }
}
