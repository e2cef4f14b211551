//! From annotated programs to tokens: two encodings behind one interface.

mod lexeme;
mod text;

use serde::{Deserialize, Serialize};

pub use lexeme::{MOST_NAMES, Vocabulary};
pub use text::{TextVocabulary, dense};

use super::error::FoundationError;
use super::feature::NUMBER_FEATURES;

/// A text as tokens.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Encoded {
    /// Tokens, `[T]`.
    pub tokens: Vec<u32>,
    /// Numeric features, `[T, F]` with the encoding's [`Encoding::features`].
    pub features: Vec<f32>,
    /// The text of each token; empty where nobody asked ([`Encoding::spell`]).
    pub spelling: Vec<String>,
    /// For each `@`, the row of the first token of the value (or `?`) behind it.
    pub values: Vec<u32>,
}

/// How weights read programs.
#[derive(Clone, Debug)]
pub enum Encoding {
    /// One token a lexeme, one token a number, whose exact value is among its features.
    Lexeme(Vocabulary),
    /// Byte-level byte-pair encoding of the plain text; numbers are digits.
    Text(Box<TextVocabulary>),
}

/// An [`Encoding`] as it is kept beside weights.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Stored {
    Lexeme(Vec<String>),
    Text(String),
    Dense { dense: String },
}

impl Encoding {
    /// Encodes an annotated program. `names` says which token the first, second, … name takes, where names have tokens.
    ///
    /// # Errors
    /// [`FoundationError::TooManyNames`]; [`FoundationError::Weights`] for a tokenizer that fails.
    pub fn encode(&self, text: &str, names: &[u32]) -> Result<Encoded, FoundationError> {
        match self {
            Self::Lexeme(vocabulary) => vocabulary.encode(text, names),
            Self::Text(vocabulary) => vocabulary.encode(text),
        }
    }

    /// As [`Encoding::encode`], names in the order in which they come, with the text of each token.
    ///
    /// # Errors
    /// As there.
    pub fn spell(&self, text: &str) -> Result<Encoded, FoundationError> {
        let names: Vec<u32> = (0..MOST_NAMES as u32).collect();
        let mut encoded = self.encode(text, &names)?;
        encoded.spelling = match self {
            Self::Lexeme(_) => lexeme::spelling(text),
            Self::Text(vocabulary) => vocabulary.spelling(&encoded.tokens)?,
        };
        Ok(encoded)
    }

    /// The token that hides another.
    pub fn mask(&self) -> u32 {
        match self {
            Self::Lexeme(vocabulary) => vocabulary.mask(),
            Self::Text(vocabulary) => vocabulary.mask(),
        }
    }

    /// The token that stands where a masked value is: of its number, or of the first part of its digits.
    pub fn number(&self, x: f64) -> u32 {
        match self {
            Self::Lexeme(vocabulary) => vocabulary.number(x),
            Self::Text(vocabulary) => vocabulary.number(x),
        }
    }

    /// Number of tokens.
    pub fn len(&self) -> usize {
        match self {
            Self::Lexeme(vocabulary) => vocabulary.len(),
            Self::Text(vocabulary) => vocabulary.len(),
        }
    }

    /// Whether there are no tokens.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Numeric features of a token.
    pub fn features(&self) -> usize {
        match self {
            Self::Lexeme(_) => NUMBER_FEATURES,
            Self::Text(_) => 0,
        }
    }

    /// Significant digits to which values are rounded as they are drawn.
    pub fn digits(&self) -> Option<usize> {
        match self {
            Self::Lexeme(_) => None,
            Self::Text(_) => Some(TextVocabulary::DIGITS),
        }
    }

    pub(super) fn store(&self) -> Result<Stored, FoundationError> {
        Ok(match self {
            Self::Lexeme(vocabulary) => Stored::Lexeme(vocabulary.entries().to_vec()),
            Self::Text(vocabulary) if vocabulary.is_dense() => Stored::Dense { dense: vocabulary.to_json()? },
            Self::Text(vocabulary) => Stored::Text(vocabulary.to_json()?),
        })
    }

    pub(super) fn restore(stored: Stored) -> Result<Self, FoundationError> {
        Ok(match stored {
            Stored::Lexeme(entries) => Self::Lexeme(Vocabulary::new(entries)),
            Stored::Text(json) => Self::Text(Box::new(TextVocabulary::from_json(&json)?)),
            Stored::Dense { dense } => Self::Text(Box::new(TextVocabulary::from_json(&dense)?.with_dense(true))),
        })
    }
}
