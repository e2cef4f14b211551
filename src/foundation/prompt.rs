//! What the network reads of a query: the annotated program as tokens, and where its variables stand in it.

use std::sync::Arc;

use rand::Rng;
use rand::seq::SliceRandom as _;
use rustc_hash::FxHashMap;

use super::encoding::{Encoding, MOST_NAMES};
use super::error::FoundationError;
use crate::infer::anchors::Element;
use crate::network::Sequence;
use crate::runtime::{Annotated, Line};
use crate::span::FileId;
use crate::syntax::{self, ast};
use crate::trace::{Statement, take_statements};
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
            let length = encoded.tokens.len();
            whole = Some(length);
            // Lengths are counted in lexemes, of which the encoding may make several tokens.
            let lexemes = syntax::lex(FileId::default(), &syntax::print(&visible)).tokens.len();
            let wanted = context.min(SHORTENED) * lexemes.min(length) / length.max(1);
            lines = minibatch(&mut visible, &annotated.lines, wanted, order);
            encoded = encoding.encode(&syntax::print(&visible), names)?;
            if encoded.tokens.len() > context || lines.is_empty() {
                return Err(FoundationError::TooLong { tokens: length, limit: context });
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

/// Leaves out iterations of loops until a program has at most `context` tokens, and gives the lines that are left. An iteration
/// is all lines with one first subscript; `order` says which stay longest.
fn minibatch<'l>(
    file: &mut ast::File,
    lines: &'l [Line],
    context: usize,
    order: impl FnOnce(&mut Vec<i64>),
) -> Vec<&'l Line> {
    let length = |text: &str| syntax::lex(FileId::default(), text).tokens.len();
    // Each statement with its lines, its iteration (where all its lines are of one), and its tokens.
    let taken = take_statements(file, lines).into_iter();
    let statements: Vec<(ast::Stmt, Vec<&Line>, Option<i64>, usize)> = taken
        .map(|Statement { statement, lines, iteration }| {
            let tokens = length(&syntax::print_statement(&statement));
            (statement, lines, iteration, tokens)
        })
        .collect();
    let mut iterations: Vec<i64> = statements.iter().filter_map(|(_, _, iteration, _)| *iteration).collect();
    iterations.sort_unstable();
    iterations.dedup();
    order(&mut iterations);
    let whole = length(&syntax::print(file));
    let tokens = |wanted: Option<i64>| -> usize {
        statements.iter().filter(|(_, _, iteration, _)| *iteration == wanted).map(|(_, _, _, n)| n).sum()
    };
    let mut left = context.saturating_sub(whole + tokens(None));
    let mut kept = rustc_hash::FxHashSet::default();
    for iteration in iterations {
        let cost = tokens(Some(iteration));
        if cost > left {
            break;
        }
        left -= cost;
        kept.insert(iteration);
    }
    let (mut stay, mut of) = (Vec::new(), Vec::new());
    for (statement, own, iteration, _) in statements {
        if iteration.is_none_or(|i| kept.contains(&i)) {
            stay.push(statement);
            of.extend(own);
        }
    }
    if let Some(ast::ItemKind::Model(model)) = file.items.last_mut().map(|item| &mut item.kind) {
        model.body.statements = stay;
    }
    of
}
