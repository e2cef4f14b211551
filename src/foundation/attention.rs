//! What the network looks at while it reads a query: the attention of its encoder, text against text.

use std::ops::Range;

use super::error::FoundationError;
use super::weights::Foundation;
use crate::infer::TargetRef;
use crate::network::{AttentionMap, Sequence};
use crate::runtime::annotate;
use crate::syntax;

/// A line of the text that the network reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextLine {
    /// Its variable, as written.
    pub name: String,
    /// Whether its value is asked for.
    pub masked: bool,
    /// The row of its value.
    pub row: usize,
    /// Its tokens, up to the semicolon.
    pub tokens: Range<usize>,
}

/// Attention of all layers and heads, averaged where that is asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Attention {
    /// The text of each token.
    pub tokens: Vec<String>,
    /// Lines in the order of the text.
    pub lines: Vec<TextLine>,
    /// One a layer, from the first.
    pub maps: Vec<AttentionMap>,
}

impl Foundation {
    /// How the encoder attends to the text of a query.
    ///
    /// # Errors
    /// Where it has no text, or one that is longer than the context.
    pub fn attention(&self, target: &TargetRef<'_>) -> Result<Attention, FoundationError> {
        let annotated = annotate(target.runtime, target.model, target.conditions)?;
        let encoded = self.encoding.spell(&syntax::print(&annotated.visible()))?;
        let tokens = encoded.tokens.len();
        if tokens > self.context() {
            return Err(FoundationError::TooLong { tokens, limit: self.context() });
        }
        // The line of an `@` ends at the next semicolon, where the next one begins; the head of the model is of none.
        let end = |row: usize| {
            let after = encoded.spelling.iter().skip(row).position(|text| text.contains(';'));
            after.map_or(tokens, |n| row + n + 1)
        };
        let mut first = encoded.spelling.iter().position(|text| text.contains('{')).map_or(0, |brace| brace + 1);
        let mut lines = Vec::with_capacity(annotated.lines.len());
        for (line, row) in annotated.lines.iter().zip(&encoded.values) {
            let row = *row as usize;
            let last = end(row);
            lines.push(TextLine {
                name: line.name.clone(),
                masked: line.value.is_none(),
                row,
                tokens: first.min(row)..last,
            });
            first = last;
        }
        let sequence = Sequence {
            positions: (0..tokens as u32).collect(),
            tokens: encoded.tokens,
            features: encoded.features,
            ..Sequence::default()
        };
        Ok(Attention { tokens: encoded.spelling, lines, maps: self.network.attention_maps(&sequence)? })
    }
}

impl Attention {
    /// Heads of a layer.
    pub fn heads(&self) -> usize {
        self.maps.first().map_or(0, |map| map.heads)
    }

    /// How much of each token's attention goes to each token, `[tokens, tokens]`: the mean over layers and heads, or of those
    /// that are named, from 0. Empty where there is no such layer or head.
    pub fn between_tokens(&self, layer: Option<usize>, head: Option<usize>) -> Vec<f64> {
        let n = self.tokens.len();
        let mut sum = vec![0.0; n * n];
        let mut count = 0.0;
        for (_, map) in self.maps.iter().enumerate().filter(|(i, _)| layer.is_none_or(|layer| layer == *i)) {
            let heads = map.values.chunks_exact(n * n).enumerate();
            for (_, values) in heads.filter(|(i, _)| head.is_none_or(|head| head == *i)) {
                sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += f64::from(*value));
                count += 1.0;
            }
        }
        if count == 0.0 {
            return Vec::new();
        }
        sum.iter_mut().for_each(|sum| *sum /= count);
        sum
    }

    /// How much of the attention of each line's value goes to the tokens of each line, `[lines, lines]`; the rest of a row, up to
    /// 1, goes to the head of the model and to its end. Otherwise as [`Attention::between_tokens`].
    pub fn between_lines(&self, layer: Option<usize>, head: Option<usize>) -> Vec<f64> {
        let (n, between) = (self.tokens.len(), self.between_tokens(layer, head));
        let mut shares = Vec::with_capacity(self.lines.len() * self.lines.len());
        for from in &self.lines {
            let Some(row) = between.get(from.row * n..(from.row + 1) * n) else { return Vec::new() };
            shares.extend(self.lines.iter().map(|to| row[to.tokens.clone()].iter().sum::<f64>()));
        }
        shares
    }
}
