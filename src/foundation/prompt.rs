//! What the network reads of a query: the annotated program as tokens, and where its variables stand in it.

use rand::Rng;
use rand::seq::SliceRandom as _;
use rustc_hash::FxHashMap;

use super::error::FoundationError;
use super::lexeme::{MOST_NAMES, Vocabulary};
use crate::infer::anchors::Element;
use crate::network::Sequence;
use crate::runtime::Annotated;
use crate::syntax;
use crate::value::Value;

/// A query as tokens.
#[derive(Clone, Debug)]
pub struct Prompt {
    /// Tokens, positions, features, and the memory: the row of each line's value.
    pub sequence: Sequence,
    /// By name of a line, the first row that asks for it.
    rows: FxHashMap<String, u32>,
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
    /// Encodes an annotated program.
    ///
    /// # Errors
    /// [`FoundationError::TooLong`], [`FoundationError::TooManyNames`].
    pub fn new(
        annotated: &Annotated,
        vocabulary: &Vocabulary,
        names: &[u32],
        context: usize,
    ) -> Result<Self, FoundationError> {
        let text = syntax::print(&annotated.visible());
        let encoded = vocabulary.encode(&text, names)?;
        if encoded.tokens.len() > context {
            return Err(FoundationError::TooLong { tokens: encoded.tokens.len(), limit: context });
        }
        let mut rows = FxHashMap::default();
        let mut masked = Vec::new();
        for (line, row) in annotated.lines.iter().zip(&encoded.values) {
            rows.entry(line.name.clone()).or_insert(*row);
            if line.value.is_none() {
                masked.push((*row, line.name.clone()));
            }
        }
        let sequence = Sequence {
            positions: (0..encoded.tokens.len() as u32).collect(),
            tokens: encoded.tokens,
            features: encoded.features,
            memory: encoded.values,
            ..Sequence::default()
        };
        Ok(Self { sequence, rows, masked })
    }

    /// The row of each element's variable.
    ///
    /// # Errors
    /// [`FoundationError::NoLine`].
    pub fn element_rows(&self, elements: &[Element]) -> Result<Vec<u32>, FoundationError> {
        let row = |element: &Element| {
            self.rows.get(&element.name).copied().ok_or_else(|| FoundationError::NoLine { name: element.name.clone() })
        };
        elements.iter().map(row).collect()
    }

    /// Asks the language head for the numbers behind each `?`, where `truth` (by name) knows them.
    pub fn ask(&mut self, vocabulary: &Vocabulary, truth: &FxHashMap<String, Value>) {
        for (row, name) in &self.masked {
            if let Some(x) = truth.get(name).and_then(Value::as_f64) {
                self.sequence.language_rows.push(*row);
                self.sequence.language_targets.push(vocabulary.number(x));
            }
        }
    }

    /// Hides or exchanges a share of the tokens that are no `?`, and asks the language head for them: of those chosen, 80 %
    /// become a mask, 10 % another token, 10 % stay (Devlin et al. 2019).
    pub fn corrupt(&mut self, vocabulary: &Vocabulary, share: f64, rng: &mut impl Rng) {
        use rand::RngExt as _;
        let mask = vocabulary.mask();
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
                self.sequence.tokens[row] = if how < 0.8 { mask } else { rng.random_range(0..vocabulary.len() as u32) };
                self.sequence.features[row * width..(row + 1) * width].fill(0.0);
            }
        }
    }
}
