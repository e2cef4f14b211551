//! Minibatches of plates: an annotated program with some of its iterations, renumbered from 0.
//!
//! Iterations of a plate are conditionally independent given what is outside, so a program with k of n iterations is one of the
//! same kind. Only plates that contain an `observe` are cut; of several, the longest (those of equal length share their
//! indices); others stay whole.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::check::core::{Block, ModelId, Program, StmtKind, VariableKind};
use crate::diagnostic::Diagnostic;
use crate::runtime::{Annotated, Line};
use crate::span::{FileId, Span, Spanned};
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
#[derive(Clone, Debug, Default)]
pub struct Plate {
    /// First names of its variables.
    roots: FxHashSet<Arc<str>>,
    /// Its iterations, in order.
    pub iterations: Vec<i64>,
    /// The program's statements.
    pieces: Vec<Piece>,
    /// The text before them and after them.
    around: (String, String),
}

/// A statement as a minibatch has it.
#[derive(Clone, Debug)]
struct Piece {
    text: String,
    /// Its lines by name.
    names: Vec<String>,
    /// Whether one of them is random.
    random: bool,
    /// Which iteration of the plate it is of.
    iteration: Option<i64>,
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
                // What is local to an iteration has names without subscripts.
                if !line.reported && !line.condition {
                    continue;
                }
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
        let plate = Self::longest(program, model, annotated)?;
        Ok(plate.with_pieces(annotated, |_, _| {}))
    }

    /// The same of a program to learn from: its variables keep their roles, so that what is observed there is drawn anew.
    ///
    /// # Errors
    /// As [`Plate::of`].
    pub fn with_roles(program: &Program, model: ModelId, annotated: &Annotated) -> Result<Self, NoMinibatch> {
        let plate = Self::longest(program, model, annotated)?;
        let role = |line: &Line| match program.variable(model, &line.variable)?.0.kind {
            VariableKind::Random(role) => Some(role),
            VariableKind::Parameter
            | VariableKind::Deterministic
            | VariableKind::Condition
            | VariableKind::Submodel(_) => None,
        };
        Ok(plate.with_pieces(annotated, |statement, lines| set_roles(statement, lines, &role)))
    }

    fn longest(program: &Program, model: ModelId, annotated: &Annotated) -> Result<Self, NoMinibatch> {
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
                Some(_) | None => longest = Some(Self { roots, iterations, ..Self::default() }),
            }
        }
        let found = longest.filter(|plate| !plate.iterations.is_empty());
        found.ok_or_else(|| NoMinibatch::NoPlate { model: program.model(model).name.to_string() })
    }

    /// With the statements of the program, each changed by `change`.
    fn with_pieces(
        mut self,
        annotated: &Annotated,
        change: impl Fn(&mut ast::Stmt, &mut std::slice::Iter<'_, &Line>),
    ) -> Self {
        let mut file = annotated.file();
        let statements = take_statements(&mut file, &annotated.lines);
        let pieces = statements.into_iter().map(|Statement { mut statement, lines, .. }| {
            change(&mut statement, &mut lines.iter());
            // Lines without a subscript that a branch has beside those of the plate are of the same iteration.
            let mut own = lines.iter().filter(|l| self.has(&l.variable)).map(|l| l.indices.first().copied());
            let first = own.next().flatten();
            Piece {
                text: syntax::print_statement(&statement),
                random: lines.iter().any(|l| l.random),
                iteration: first.filter(|_| own.all(|other| other == first)),
                names: lines.into_iter().map(|l| l.name.clone()).collect(),
            }
        });
        self.pieces = pieces.collect();
        self.claim_local_lines();
        let printed = syntax::print(&file);
        // The model is the last item, and empty now.
        let (before, after) = printed.split_at(printed.rfind('}').unwrap_or(printed.len()));
        self.around = (format!("{before}\n"), after.to_owned());
        self
    }

    /// Gives a deterministic line without subscripts that one iteration alone reads to that iteration.
    fn claim_local_lines(&mut self) {
        // By name: the iteration that reads it, or `None` where something else does too.
        let mut readers: FxHashMap<String, Option<i64>> = FxHashMap::default();
        for piece in self.pieces.iter_mut().rev() {
            if let ([name], None, false) = (&piece.names[..], piece.iteration, piece.random) {
                piece.iteration = readers.get(name).copied().flatten();
            }
            for (token, _) in lex(FileId::default(), &piece.text).tokens {
                let Token::Name(name) = token else { continue };
                let reader = readers.entry(name.to_owned()).or_insert(piece.iteration);
                if *reader != piece.iteration {
                    *reader = None;
                }
            }
        }
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
    pub fn minibatch(&self, chosen: &[i64]) -> Result<String, NoMinibatch> {
        if chosen.len() > self.iterations.len() {
            return Err(NoMinibatch::Size { k: chosen.len(), n: self.iterations.len() });
        }
        let numbers: FxHashMap<i64, usize> = chosen.iter().enumerate().map(|(new, old)| (*old, new)).collect();
        // Lines of an iteration that have no subscript go with what they read.
        let mut dropped: FxHashSet<&str> = FxHashSet::default();
        let mut text = self.around.0.clone();
        for piece in &self.pieces {
            if piece.iteration.is_some_and(|i| !numbers.contains_key(&i)) {
                continue;
            }
            match self.renumbered(&piece.text, &numbers, &dropped) {
                Some(Ok(own)) => {
                    text.push_str(&own);
                    text.push('\n');
                }
                None if !piece.random => dropped.extend(piece.names.iter().map(String::as_str)),
                Some(Err(name)) => return Err(NoMinibatch::ReadOutside { name }),
                None => {
                    let name = piece.names.first().cloned().unwrap_or_default();
                    return Err(NoMinibatch::ReadOutside { name });
                }
            }
        }
        text.push_str(&self.around.1);
        Ok(text)
    }

    /// A statement with its subscripts renumbered; `None` where it reads what was left out, the name of what it reads as a whole.
    fn renumbered(
        &self,
        text: &str,
        numbers: &FxHashMap<i64, usize>,
        dropped: &FxHashSet<&str>,
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
            let Some((old, span)) = first_subscript(&tokens, i) else { return Some(Err((*name).to_owned())) };
            let new = old.parse::<i64>().ok().and_then(|old| numbers.get(&old))?;
            out.push_str(&text[from..span.range().start]);
            out.push_str(&new.to_string());
            from = span.range().end;
        }
        out.push_str(&text[from..]);
        Some(Ok(out))
    }
}

/// The first subscript behind the name at `at`, where it is a number.
pub fn first_subscript<'t>(tokens: &[(Token<'t>, Span)], at: usize) -> Option<(&'t str, Span)> {
    match tokens.get(at + 1..at + 3)? {
        [(Token::LeftBracket, _), (Token::Int(index), span)] => Some((index, *span)),
        _ => None,
    }
}

/// Writes the roles of random variables, whose lines come in the order of the text.
fn set_roles(
    statement: &mut ast::Stmt,
    lines: &mut std::slice::Iter<'_, &Line>,
    role: &impl Fn(&Line) -> Option<Role>,
) {
    match &mut statement.kind {
        ast::StmtKind::Variable(variable) => {
            let own = lines.next().and_then(|line| role(line));
            variable.role = own.map(|role| Spanned { node: role, span: statement.span });
        }
        ast::StmtKind::Let(_) => {
            lines.next();
        }
        ast::StmtKind::If(branch) => set_roles_of_branches(branch, lines, role),
        // They have no lines.
        ast::StmtKind::For(_)
        | ast::StmtKind::Factor(_)
        | ast::StmtKind::Return(_)
        | ast::StmtKind::Expr(_)
        | ast::StmtKind::Error => {}
    }
}

fn set_roles_of_branches(
    branch: &mut ast::If,
    lines: &mut std::slice::Iter<'_, &Line>,
    role: &impl Fn(&Line) -> Option<Role>,
) {
    branch.then.statements.iter_mut().for_each(|s| set_roles(s, lines, role));
    match &mut branch.otherwise {
        Some(ast::Else::Block(block)) => block.statements.iter_mut().for_each(|s| set_roles(s, lines, role)),
        Some(ast::Else::If(next, _)) => set_roles_of_branches(next, lines, role),
        None => {}
    }
}

/// Whether a dotted name is `root` or a variable of it.
fn is_of(variable: &str, root: &str) -> bool {
    variable.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}
