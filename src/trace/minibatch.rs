//! Minibatches of plates: an annotated program with some of its iterations, renumbered from 0.
//!
//! Iterations of a plate are conditionally independent given what is outside, so a program with k of n iterations is one of the
//! same kind. Only plates that contain an `observe` are cut; of several, the longest (those of equal length share their
//! indices); others stay whole.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::check::core::{Block, ModelId, Program, StmtKind};
use crate::diagnostic::Diagnostic;
use crate::runtime::{Annotated, Line};
use crate::span::FileId;
use crate::syntax::ast::{self, Role};
use crate::syntax::{self, Token, lex};

/// Why a query has no minibatches.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoMinibatch {
    /// No plate of the model contains an `observe`.
    #[error("`{model}` has no plate with observations: there is nothing to take minibatches of")]
    NoPlate {
        /// The model.
        model: String,
    },
    /// A minibatch larger than the plate, or empty.
    #[error("a minibatch of {k} cannot be taken of a plate of {n} iterations")]
    Size {
        /// The iterations that were asked for.
        k: usize,
        /// Those that there are.
        n: usize,
    },
    /// What is outside the plate reads all iterations.
    #[error("`{name}` of the plate is read outside of it: no iteration can be left out")]
    ReadOutside {
        /// The variable.
        name: String,
    },
}

impl From<&NoMinibatch> for Diagnostic {
    fn from(error: &NoMinibatch) -> Self {
        Self::error("E0723", error.to_string())
    }
}

/// A statement of an annotated program.
#[derive(Clone, Debug)]
pub struct Statement<'l> {
    /// It.
    pub statement: ast::Stmt,
    /// Its lines: several where a branch keeps both sides.
    pub lines: Vec<&'l Line>,
    /// The first subscript of all of them, where it is the same.
    pub iteration: Option<i64>,
}

/// Takes the statements out of an annotated program's text, each with its lines.
pub fn take_statements<'l>(file: &mut ast::File, lines: &'l [Line]) -> Vec<Statement<'l>> {
    let Some(ast::ItemKind::Model(model)) = file.items.last_mut().map(|item| &mut item.kind) else {
        return Vec::new();
    };
    let mut rest = lines.iter();
    let taken = std::mem::take(&mut model.body.statements).into_iter().map(|statement| {
        let text = syntax::print_statement(&statement);
        let count = lex(FileId::default(), &text).tokens.iter().filter(|(t, _)| *t == Token::At).count();
        let lines: Vec<&Line> = rest.by_ref().take(count).collect();
        let first = lines.first().and_then(|l| l.indices.first().copied());
        let iteration = first.filter(|i| lines.iter().all(|l| l.indices.first() == Some(i)));
        Statement { statement, lines, iteration }
    });
    taken.collect()
}

/// The plate of a query of which minibatches are taken.
#[derive(Clone, Debug)]
pub struct Plate {
    /// First names of its variables.
    roots: FxHashSet<Arc<str>>,
    /// Its iterations, in order.
    pub iterations: Vec<i64>,
}

/// First names of what a block defines, and whether something in it is observed.
fn defined(block: &Block, roots: &mut FxHashSet<Arc<str>>) -> bool {
    let mut observed = false;
    for statement in &block.statements {
        let target = match &statement.kind {
            StmtKind::Random(random) => {
                observed |= random.role == Role::Observe;
                &random.target
            }
            StmtKind::Let(line) => {
                observed |= line.condition;
                &line.target
            }
            StmtKind::If { then, otherwise, .. } => {
                observed |= defined(then, roots);
                observed |= defined(otherwise, roots);
                continue;
            }
            StmtKind::For { body, .. } => {
                observed |= defined(body, roots);
                continue;
            }
            StmtKind::Factor(_) | StmtKind::Return(_) | StmtKind::Print(_) | StmtKind::Evaluate(_) => continue,
        };
        roots.extend(target.path.first().map(|(name, _)| name.clone()));
    }
    observed
}

impl Plate {
    /// The plate of a model, given its annotated program.
    ///
    /// # Errors
    /// [`NoMinibatch::NoPlate`].
    pub fn of(program: &Program, model: ModelId, annotated: &Annotated) -> Result<Self, NoMinibatch> {
        let mut longest: Option<Self> = None;
        for statement in &program.model(model).body.statements {
            let StmtKind::For { plate: true, body, .. } = &statement.kind else { continue };
            let mut roots = FxHashSet::default();
            if !defined(body, &mut roots) {
                continue;
            }
            let own = |line: &&Line| roots.iter().any(|root| is_of(&line.variable, root));
            let mut iterations: Vec<i64> =
                annotated.lines.iter().filter(own).filter_map(|l| l.indices.first().copied()).collect();
            iterations.sort_unstable();
            iterations.dedup();
            match &mut longest {
                Some(plate) if plate.iterations == iterations => plate.roots.extend(roots),
                Some(plate) if plate.iterations.len() >= iterations.len() => {}
                Some(_) | None => longest = Some(Self { roots, iterations }),
            }
        }
        let found = longest.filter(|plate| !plate.iterations.is_empty());
        found.ok_or_else(|| NoMinibatch::NoPlate { model: program.model(model).name.to_string() })
    }

    /// Whether a variable (dotted, without subscripts) is of the plate.
    pub fn has(&self, variable: &str) -> bool {
        self.roots.iter().any(|root| is_of(variable, root))
    }

    /// The program with the iterations `chosen` (in ascending order; there may be none) alone, numbered from 0: a file that can be
    /// read again.
    ///
    /// # Errors
    /// [`NoMinibatch::Size`]; [`NoMinibatch::ReadOutside`].
    pub fn minibatch(&self, annotated: &Annotated, chosen: &[i64]) -> Result<String, NoMinibatch> {
        if chosen.len() > self.iterations.len() {
            return Err(NoMinibatch::Size { k: chosen.len(), n: self.iterations.len() });
        }
        let numbers: FxHashMap<i64, usize> = chosen.iter().enumerate().map(|(new, old)| (*old, new)).collect();
        let mut file = annotated.file();
        let statements = take_statements(&mut file, &annotated.lines);
        // Lines of an iteration that have no subscript go with what they read.
        let mut dropped: FxHashSet<String> = FxHashSet::default();
        let mut body = String::new();
        for Statement { statement, lines, iteration } in statements {
            let own = iteration.filter(|_| lines.iter().any(|l| self.has(&l.variable)));
            let text = syntax::print_statement(&statement);
            if own.is_some_and(|i| !numbers.contains_key(&i)) {
                continue;
            }
            match self.renumbered(&text, &numbers, &dropped) {
                Some(Ok(text)) => {
                    body.push_str(&text);
                    body.push('\n');
                }
                None if lines.iter().all(|l| !l.random) => dropped.extend(lines.iter().map(|l| l.name.clone())),
                Some(Err(name)) => return Err(NoMinibatch::ReadOutside { name }),
                None => {
                    let name = lines.first().map_or_else(String::new, |l| l.name.clone());
                    return Err(NoMinibatch::ReadOutside { name });
                }
            }
        }
        let printed = syntax::print(&file);
        // The model is the last item, and empty now.
        let end = printed.rfind('}').unwrap_or(printed.len());
        Ok(format!("{}\n{body}{}", &printed[..end], &printed[end..]))
    }

    /// A statement with its subscripts renumbered; `None` where it reads what was left out, the name of what it reads as a whole.
    fn renumbered(
        &self,
        text: &str,
        numbers: &FxHashMap<i64, usize>,
        dropped: &FxHashSet<String>,
    ) -> Option<Result<String, String>> {
        let tokens = lex(FileId::default(), text).tokens;
        let mut out = String::new();
        let mut from = 0;
        for (i, (token, _)) in tokens.iter().enumerate() {
            let Token::Name(name) = token else { continue };
            if dropped.contains(*name) {
                return None;
            }
            let after_dot = i > 0 && tokens[i - 1].0 == Token::Dot;
            if after_dot || !self.roots.contains(*name) {
                continue;
            }
            let (Some((Token::LeftBracket, _)), Some((Token::Int(old), span))) = (tokens.get(i + 1), tokens.get(i + 2))
            else {
                return Some(Err((*name).to_owned()));
            };
            let new = old.parse::<i64>().ok().and_then(|old| numbers.get(&old))?;
            out.push_str(&text[from..span.range().start]);
            out.push_str(&new.to_string());
            from = span.range().end;
        }
        out.push_str(&text[from..]);
        Some(Ok(out))
    }
}

/// Whether a dotted name is `root` or a variable of it.
fn is_of(variable: &str, root: &str) -> bool {
    variable.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}
