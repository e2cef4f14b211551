//! What a network is given: ragged sequences, packed without padding.

use super::config::NetworkConfig;
use super::error::NetworkError;

/// Sequences of tokens, one behind the other, and what is asked of their rows. *Row* means a token's place among all tokens
/// of the batch.
///
/// ```
/// use unmask::network::{Batch, Sequence};
///
/// let mut batch = Batch::default();
/// batch.push(&Sequence { tokens: vec![3, 1, 4], positions: vec![0, 1, 2], ..Sequence::default() });
/// batch.push(&Sequence { tokens: vec![1, 5], positions: vec![0, 1], ..Sequence::default() });
/// assert_eq!(batch.offsets, [0, 3, 5]);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// Tokens, `[T]`.
    pub tokens: Vec<u32>,
    /// The position of each token in its sequence, from 0, `[T]`.
    pub positions: Vec<u32>,
    /// Numeric features of tokens, `[T, F]`.
    pub features: Vec<f32>,
    /// Where each sequence begins among the tokens, then T: `[sequences + 1]`.
    pub offsets: Vec<usize>,
    /// Rows whose token the language head predicts, `[R]`.
    pub language_rows: Vec<u32>,
    /// The tokens there, `[R]`.
    pub language_targets: Vec<u32>,
    /// The encoder's rows that the decoder sees as memory, sequence by sequence, `[M]`.
    pub memory: Vec<u32>,
    /// Where each sequence begins in `memory`, then M: `[sequences + 1]`.
    pub memory_offsets: Vec<usize>,
    /// For each element of the decoder, the encoder's row of its variable, `[E]`.
    pub element_rows: Vec<u32>,
    /// Numeric features of elements, `[E, G]`.
    pub element_features: Vec<f32>,
    /// Where each sequence begins among the elements, then E: `[sequences + 1]`.
    pub element_offsets: Vec<usize>,
    /// For each component of the head, its element, `[C]`.
    pub component_elements: Vec<u32>,
    /// Numeric features of components, `[C, H]`.
    pub component_features: Vec<f32>,
}

/// One sequence: the fields are those of [`Batch`], and rows and elements count from its own first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sequence {
    /// Tokens, `[T]`.
    pub tokens: Vec<u32>,
    /// The position of each token, from 0, `[T]`.
    pub positions: Vec<u32>,
    /// Numeric features of tokens, `[T, F]`.
    pub features: Vec<f32>,
    /// Rows whose token the language head predicts, `[R]`.
    pub language_rows: Vec<u32>,
    /// The tokens there, `[R]`.
    pub language_targets: Vec<u32>,
    /// Rows that the decoder sees as memory, `[M]`.
    pub memory: Vec<u32>,
    /// The row of each element's variable, `[E]`.
    pub element_rows: Vec<u32>,
    /// Numeric features of elements, `[E, G]`.
    pub element_features: Vec<f32>,
    /// For each component of the head, its element, `[C]`.
    pub component_elements: Vec<u32>,
    /// Numeric features of components, `[C, H]`.
    pub component_features: Vec<f32>,
}

impl Default for Batch {
    /// No sequences.
    fn default() -> Self {
        Self {
            tokens: Vec::new(),
            positions: Vec::new(),
            features: Vec::new(),
            offsets: vec![0],
            language_rows: Vec::new(),
            language_targets: Vec::new(),
            memory: Vec::new(),
            memory_offsets: vec![0],
            element_rows: Vec::new(),
            element_features: Vec::new(),
            element_offsets: vec![0],
            component_elements: Vec::new(),
            component_features: Vec::new(),
        }
    }
}

impl Batch {
    /// The text of one sequence alone: tokens, positions and features.
    pub(super) fn of_text(sequence: &Sequence) -> Self {
        let mut batch = Self::default();
        batch.push(&Sequence {
            tokens: sequence.tokens.clone(),
            positions: sequence.positions.clone(),
            features: sequence.features.clone(),
            ..Sequence::default()
        });
        batch
    }

    /// Appends a sequence.
    pub fn push(&mut self, sequence: &Sequence) {
        let (row, element) = (self.tokens.len() as u32, self.element_rows.len() as u32);
        self.tokens.extend(&sequence.tokens);
        self.positions.extend(&sequence.positions);
        self.features.extend(&sequence.features);
        self.offsets.push(self.tokens.len());
        self.language_rows.extend(sequence.language_rows.iter().map(|r| r + row));
        self.language_targets.extend(&sequence.language_targets);
        self.memory.extend(sequence.memory.iter().map(|r| r + row));
        self.memory_offsets.push(self.memory.len());
        self.element_rows.extend(sequence.element_rows.iter().map(|r| r + row));
        self.element_features.extend(&sequence.element_features);
        self.element_offsets.push(self.element_rows.len());
        self.component_elements.extend(sequence.component_elements.iter().map(|e| e + element));
        self.component_features.extend(&sequence.component_features);
    }

    /// Number of sequences.
    pub fn sequences(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    /// Checks that everything fits together, and the network.
    ///
    /// # Errors
    ///
    /// [`NetworkError::Length`], [`NetworkError::Index`] or [`NetworkError::Offsets`] for what does not fit;
    /// [`NetworkError::NoPart`] where the network lacks what is asked for.
    pub fn validate(&self, config: &NetworkConfig) -> Result<(), NetworkError> {
        let (encoder, t, e) = (&config.encoder, self.tokens.len(), self.element_rows.len());
        length("positions", self.positions.len(), t)?;
        length("features", self.features.len(), t * encoder.features)?;
        offsets("tokens", &self.offsets, self.sequences(), t)?;
        indices("token", &self.tokens, encoder.vocabulary)?;
        indices("position", &self.positions, encoder.context())?;
        if !self.language_rows.is_empty() && !config.language {
            return Err(NetworkError::NoPart { part: "language head" });
        }
        length("language_targets", self.language_targets.len(), self.language_rows.len())?;
        indices("language row", &self.language_rows, t)?;
        indices("language target", &self.language_targets, encoder.vocabulary)?;
        let Some(decoder) = &config.decoder else {
            return if e == 0 { Ok(()) } else { Err(NetworkError::NoPart { part: "decoder" }) };
        };
        offsets("memory", &self.memory_offsets, self.sequences(), self.memory.len())?;
        offsets("elements", &self.element_offsets, self.sequences(), e)?;
        indices("memory row", &self.memory, t)?;
        indices("element row", &self.element_rows, t)?;
        length("element_features", self.element_features.len(), e * decoder.features)?;
        let c = self.component_elements.len();
        let Some(head) = &config.head else {
            return if c == 0 { Ok(()) } else { Err(NetworkError::NoPart { part: "head" }) };
        };
        indices("component element", &self.component_elements, e)?;
        length("component_features", self.component_features.len(), c * head.features)
    }
}

fn length(what: &'static str, found: usize, expected: usize) -> Result<(), NetworkError> {
    if found == expected { Ok(()) } else { Err(NetworkError::Length { what, expected, found }) }
}

/// Checks that indices stay below a limit.
pub(super) fn indices(what: &'static str, indices: &[u32], limit: usize) -> Result<(), NetworkError> {
    match indices.iter().find(|&&i| i as usize >= limit) {
        Some(&index) => Err(NetworkError::Index { what, index: index as usize, limit }),
        None => Ok(()),
    }
}

fn offsets(what: &'static str, offsets: &[usize], sequences: usize, rows: usize) -> Result<(), NetworkError> {
    let rising = offsets.first() == Some(&0) && offsets.is_sorted() && offsets.last() == Some(&rows);
    if rising && offsets.len() == sequences + 1 { Ok(()) } else { Err(NetworkError::Offsets { what, rows }) }
}
