//! What the encoder makes of a query: one vector for the program, and one for each value that is asked for.

use super::error::FoundationError;
use super::familiarity::embedding;
use super::prompt::{Prompt, names_in_order};
use super::weights::Foundation;
use crate::infer::TargetRef;
use crate::runtime::annotate;

/// The contextual embedding of a query.
#[derive(Clone, Debug, PartialEq)]
pub struct Embedding {
    /// The mean of the encoder's last layer over all tokens, `[width]`.
    pub program: Vec<f32>,
    /// Each value that is asked for, by name in the order of the text, with the encoder's row there, `[width]`.
    pub masked: Vec<(String, Vec<f32>)>,
    /// Tokens that were read.
    pub read: usize,
    /// Tokens of the whole program; more than were read where iterations of its loops were left out.
    pub tokens: usize,
}

impl Foundation {
    /// Embeds a query. Names do not matter, only their order.
    ///
    /// # Errors
    /// Where it has no text, or one that is too long even without the iterations of its loops.
    pub fn embed(&self, target: &TargetRef<'_>) -> Result<Embedding, FoundationError> {
        let annotated = annotate(target.runtime, target.model, target.conditions)?;
        let prompt = Prompt::new(&annotated, &self.encoding, &names_in_order(), self.context(), |_| ())?;
        let rows = self.network.encode(&prompt.sequence)?.rows;
        let width = self.network.config().encoder.width;
        let masked = prompt.masked().map(|(row, name)| {
            let from = row as usize * width;
            (name.to_owned(), rows[from..from + width].to_vec())
        });
        let (masked, read, tokens) = (masked.collect(), prompt.sequence.tokens.len(), prompt.length());
        Ok(Embedding { program: embedding(&rows, width), masked, read, tokens })
    }
}
