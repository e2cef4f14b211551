//! What the network reads of a query: the annotated program as tokens, and where its variables stand in it.

use std::sync::Arc;

use rand::Rng;
use rand::seq::SliceRandom as _;
use rustc_hash::{FxHashMap, FxHashSet};

use super::encoding::{Encoding, MOST_NAMES};
use super::error::FoundationError;
use crate::infer::anchors::Element;
use crate::network::Sequence;
use crate::runtime::{Annotated, Line};
use crate::span::FileId;
use crate::syntax::{self, Token, ast};
use crate::trace::{Statement, first_subscript, take_statements};
use crate::value::Value;

/// Tokens that a program has at most after iterations were left out.
const SHORTENED: usize = 512;

/// A query as tokens.
#[derive(Clone, Debug)]
pub struct Prompt {
    /// Tokens, positions, features, and the memory: the row of each line's value.
    pub sequence: Sequence,
    /// By name of a line, the first row that asks for it.
    rows: FxHashMap<String, u32>,
    /// The same by variable, without subscripts.
    variables: FxHashMap<Arc<str>, u32>,
    /// Tokens of the whole program.
    length: usize,
    /// Rows of `?`, with the names of their lines.
    masked: Vec<(u32, String)>,
}

/// The names of a program in the order in which they come.
pub fn names_in_order() -> Vec<u32> {
    (0..MOST_NAMES as u32).collect()
}

/// The same in any order: names must not matter.
pub fn shuffled_names(rng: &mut impl Rng) -> Vec<u32> {
    let mut names = names_in_order();
    names.shuffle(rng);
    names
}

impl Prompt {
    /// Encodes an annotated program. Of one that is too long, iterations of its loops are left out until it fits, the last of
    /// `order` first.
    ///
    /// # Errors
    /// [`FoundationError::TooLong`], [`FoundationError::TooManyNames`].
    pub fn new(
        annotated: &Annotated,
        encoding: &Encoding,
        names: &[u32],
        context: usize,
        order: impl FnOnce(&mut Vec<i64>),
    ) -> Result<Self, FoundationError> {
        let mut lines: Vec<&Line> = annotated.lines.iter().collect();
        let mut visible = annotated.visible();
        let mut encoded = encoding.encode(&syntax::print(&visible), names)?;
        let mut whole = None;
        if encoded.tokens.len() > context {
            let tokens = encoded.tokens.len();
            whole = Some(tokens);
            // Lengths are counted in lexemes, of which the encoding may make several tokens.
            let lexemes = syntax::lexemes(&syntax::print(&visible));
            let wanted = context.min(SHORTENED) * lexemes.min(tokens) / tokens.max(1);
            lines = minibatch(&mut visible, &annotated.lines, wanted, order);
            encoded = encoding.encode(&syntax::print(&visible), names)?;
            if encoded.tokens.len() > context || lines.is_empty() {
                return Err(FoundationError::TooLong { tokens, limit: context });
            }
        }
        let (mut rows, mut variables) = (FxHashMap::default(), FxHashMap::default());
        let mut masked = Vec::new();
        for (line, row) in lines.into_iter().zip(&encoded.values) {
            rows.entry(line.name.clone()).or_insert(*row);
            variables.entry(line.variable.clone()).or_insert(*row);
            if line.value.is_none() {
                masked.push((*row, line.name.clone()));
            }
        }
        if let Some(tokens) = whole {
            // A variable that is asked for has a line, its own or that of another element.
            let mut asked = annotated.lines.iter().filter(|line| line.random && line.value.is_none());
            if asked.any(|line| !variables.contains_key(&line.variable)) {
                return Err(FoundationError::TooLong { tokens, limit: context });
            }
        }
        let length = whole.unwrap_or(encoded.tokens.len());
        let sequence = Sequence {
            positions: (0..encoded.tokens.len() as u32).collect(),
            tokens: encoded.tokens,
            features: encoded.features,
            memory: encoded.values,
            ..Sequence::default()
        };
        Ok(Self { sequence, rows, variables, masked, length })
    }

    /// Tokens of the whole program.
    pub fn length(&self) -> usize {
        self.length
    }

    /// The rows of what is asked for, with its names, in the order of the text.
    pub fn masked(&self) -> impl Iterator<Item = (u32, &str)> {
        self.masked.iter().map(|(row, name)| (*row, &**name))
    }

    /// Whether iterations were left out.
    pub fn is_part(&self) -> bool {
        self.length > self.sequence.tokens.len()
    }

    /// The row of each element's variable; where its iteration was left out, that of another iteration. `dotted` is the name of
    /// an element's variable without subscripts.
    ///
    /// # Errors
    /// [`FoundationError::NoLine`].
    pub fn element_rows<'e>(
        &self,
        elements: &[Element],
        dotted: impl Fn(&Element) -> &'e Arc<str>,
    ) -> Result<Vec<u32>, FoundationError> {
        let row = |element: &Element| {
            let own = self.rows.get(&element.name).or_else(|| self.variables.get(dotted(element)));
            own.copied().ok_or_else(|| FoundationError::NoLine { name: element.name.clone() })
        };
        elements.iter().map(row).collect()
    }

    /// Asks the language head for the numbers behind each `?`, where `truth` (by name) knows them.
    pub fn ask(&mut self, encoding: &Encoding, truth: &FxHashMap<String, Value>) {
        for (row, name) in &self.masked {
            if let Some(x) = truth.get(name).and_then(Value::as_f64) {
                self.sequence.language_rows.push(*row);
                self.sequence.language_targets.push(encoding.number(x));
            }
        }
    }

    /// Hides or exchanges a share of the tokens that are no `?`, and asks the language head for them: of those chosen, 80 %
    /// become a mask, 10 % another token, 10 % stay (Devlin et al. 2019).
    pub fn corrupt(&mut self, encoding: &Encoding, share: f64, rng: &mut impl Rng) {
        use rand::RngExt as _;
        let mask = encoding.mask();
        let width = self.sequence.features.len() / self.sequence.tokens.len().max(1);
        for row in 0..self.sequence.tokens.len() {
            let token = self.sequence.tokens[row];
            if token == mask || rng.random::<f64>() >= share {
                continue;
            }
            self.sequence.language_rows.push(row as u32);
            self.sequence.language_targets.push(token);
            let how: f64 = rng.random();
            if how < 0.9 {
                self.sequence.tokens[row] = if how < 0.8 { mask } else { rng.random_range(0..encoding.len() as u32) };
                self.sequence.features[row * width..(row + 1) * width].fill(0.0);
            }
        }
    }
}

/// A statement of a program that is to be shortened.
struct Piece<'l> {
    statement: ast::Stmt,
    lines: Vec<&'l Line>,
    /// The first subscript of its lines, where it is the same.
    iteration: Option<i64>,
    text: String,
    tokens: usize,
}

/// Leaves out iterations of loops until a program has at most `context` tokens, and gives the lines that are left. An iteration
/// is all lines with one first subscript, but those of variables that other iterations read, such as coefficients, stay where
/// that leaves room; `order` says which stay longest.
fn minibatch<'l>(
    file: &mut ast::File,
    lines: &'l [Line],
    context: usize,
    order: impl FnOnce(&mut Vec<i64>),
) -> Vec<&'l Line> {
    let taken = take_statements(file, lines).into_iter();
    let pieces: Vec<Piece<'_>> = taken
        .map(|Statement { statement, lines, iteration }| {
            let text = syntax::print_statement(&statement);
            let tokens = syntax::lexemes(&text);
            Piece { statement, lines, iteration, text, tokens }
        })
        .collect();
    let mut iterations: Vec<i64> = pieces.iter().filter_map(|piece| piece.iteration).collect();
    iterations.sort_unstable();
    iterations.dedup();
    order(&mut iterations);
    let room = context.saturating_sub(syntax::lexemes(&syntax::print(file)));
    let shared = shared(&pieces);
    let is_shared = |piece: &Piece<'_>| piece.lines.iter().any(|line| shared.contains(root(&line.variable)));
    let own: Vec<Option<i64>> = pieces.iter().map(|p| p.iteration.filter(|_| !is_shared(p))).collect();
    let all: Vec<Option<i64>> = pieces.iter().map(|piece| piece.iteration).collect();
    let (iteration_of, kept) = match kept(&pieces, &own, &iterations, room) {
        Some(kept) if !kept.is_empty() => (own, kept),
        Some(_) | None => {
            let kept = kept(&pieces, &all, &iterations, room).unwrap_or_default();
            (all, kept)
        }
    };
    let (mut stay, mut of) = (Vec::new(), Vec::new());
    for (piece, iteration) in pieces.into_iter().zip(iteration_of) {
        if iteration.is_none_or(|i| kept.contains(&i)) {
            stay.push(piece.statement);
            of.extend(piece.lines);
        }
    }
    if let Some(ast::ItemKind::Model(model)) = file.items.last_mut().map(|item| &mut item.kind) {
        model.body.statements = stay;
    }
    of
}

/// The first name of a variable.
fn root(variable: &str) -> &str {
    variable.split('.').next().unwrap_or(variable)
}

/// Names of which a statement reads an element with a subscript other than its own iteration, or all of it.
fn shared<'p>(pieces: &'p [Piece<'_>]) -> FxHashSet<&'p str> {
    let mut shared = FxHashSet::default();
    for piece in pieces {
        let tokens = syntax::lex(FileId::default(), &piece.text).tokens;
        for (at, (token, _)) in tokens.iter().enumerate() {
            let Token::Name(name) = token else { continue };
            let is_field = at > 0 && tokens[at - 1].0 == Token::Dot;
            let subscript = first_subscript(&tokens, at).and_then(|(index, _)| index.parse().ok());
            if !is_field && (subscript.is_none() || subscript != piece.iteration) {
                shared.insert(*name);
            }
        }
    }
    shared
}

/// The iterations that fit into so many tokens, in order; `None` where what is of none does not.
fn kept(pieces: &[Piece<'_>], iteration_of: &[Option<i64>], iterations: &[i64], room: usize) -> Option<FxHashSet<i64>> {
    let mut costs: FxHashMap<Option<i64>, usize> = FxHashMap::default();
    for (piece, iteration) in pieces.iter().zip(iteration_of) {
        *costs.entry(*iteration).or_default() += piece.tokens;
    }
    let mut left = room.checked_sub(costs.get(&None).copied().unwrap_or(0))?;
    let mut kept = FxHashSet::default();
    for iteration in iterations {
        let Some(cost) = costs.get(&Some(*iteration)) else { continue };
        let Some(rest) = left.checked_sub(*cost) else { break };
        left = rest;
        kept.insert(*iteration);
    }
    Some(kept)
}
