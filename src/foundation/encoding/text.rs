//! The `text` encoding: an annotated program as a plain string through a byte-level BPE, as RoBERTa reads it.

use std::path::Path;

use tokenizers::models::TrainerWrapper;
use tokenizers::models::bpe::{BPE, BpeTrainerBuilder};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::processors::roberta::RobertaProcessing;
use tokenizers::{AddedToken, Tokenizer};

use super::Encoded;
use crate::foundation::error::FoundationError;
use crate::span::FileId;

/// The token in place of a masked value.
const MASK: &str = "<mask>";

/// RoBERTa's special tokens, in the order of their numbers.
const SPECIAL: [&str; 5] = ["<s>", "<pad>", "</s>", "<unk>", MASK];

/// A byte-level BPE with RoBERTa's special tokens.
#[derive(Clone, Debug)]
pub struct TextVocabulary {
    tokenizer: Tokenizer,
    mask: u32,
    dense: bool,
}

/// A program without the white space that its tokens can do without.
///
/// ```
/// use unmask::foundation::dense;
/// assert_eq!(dense("model m {\n    x ~ normal(0, 1) @ ?;\n}\n"), "model m{x~normal(0,1)@?;}");
/// ```
pub fn dense(text: &str) -> String {
    let mut packed = String::with_capacity(text.len());
    for (_, span) in crate::syntax::lex(FileId::default(), text).tokens {
        let token = &text[span.range()];
        let word = |c: char| c.is_alphanumeric() || c == '_';
        if packed.ends_with(word) && token.starts_with(word) {
            packed.push(' ');
        }
        packed.push_str(token);
    }
    packed
}

fn wrong(error: impl std::fmt::Display) -> FoundationError {
    FoundationError::Weights { reason: format!("the tokenizer: {error}") }
}

/// A special token; the mask takes the space before it in.
fn special(content: &str) -> AddedToken {
    AddedToken::from(content, true).lstrip(content == MASK)
}

impl TextVocabulary {
    /// Significant digits of numbers.
    pub const DIGITS: usize = 4;

    /// Learns a vocabulary of `size` tokens from texts (Sennrich et al. 2016, on bytes).
    ///
    /// # Errors
    /// [`FoundationError::Weights`] where that fails.
    pub fn train<'t>(texts: impl Iterator<Item = &'t str> + Send, size: usize) -> Result<Self, FoundationError> {
        let mut tokenizer = Tokenizer::new(BPE::default());
        tokenizer.with_pre_tokenizer(Some(ByteLevel::new(false, true, true)));
        let alphabet = ByteLevel::alphabet().into_iter().collect();
        let trainer = BpeTrainerBuilder::new()
            .show_progress(false)
            .vocab_size(size)
            .initial_alphabet(alphabet)
            .special_tokens(SPECIAL.iter().map(|s| special(s)).collect())
            .build();
        let mut trainer = TrainerWrapper::BpeTrainer(trainer);
        tokenizer.train(&mut trainer, texts).map_err(wrong)?;
        Self::finish(tokenizer)
    }

    /// The tokenizer of RoBERTa or CodeBERT in a folder of Hugging Face's: `tokenizer.json`, or `vocab.json` and `merges.txt`.
    ///
    /// # Errors
    /// [`FoundationError::Weights`] where neither can be read.
    pub fn from_folder(folder: &Path) -> Result<Self, FoundationError> {
        let whole = folder.join("tokenizer.json");
        if whole.exists() {
            return Self::finish(Tokenizer::from_file(whole).map_err(wrong)?);
        }
        let file = |name: &str| folder.join(name).to_string_lossy().into_owned();
        let model = BPE::from_file(&file("vocab.json"), &file("merges.txt")).build().map_err(wrong)?;
        let mut tokenizer = Tokenizer::new(model);
        tokenizer.with_pre_tokenizer(Some(ByteLevel::new(false, true, true)));
        tokenizer.add_special_tokens(SPECIAL.iter().map(|s| special(s))).map_err(wrong)?;
        Self::finish(tokenizer)
    }

    /// Frames texts by the start and end tokens, as RoBERTa does.
    fn finish(mut tokenizer: Tokenizer) -> Result<Self, FoundationError> {
        let token = |name: &str| tokenizer.token_to_id(name).ok_or_else(|| wrong(format!("it has no `{name}`")));
        let (start, end, mask) = (token("<s>")?, token("</s>")?, token(MASK)?);
        let frame = RobertaProcessing::new(("</s>".into(), end), ("<s>".into(), start));
        tokenizer.with_post_processor(Some(frame.trim_offsets(true).add_prefix_space(false)));
        Ok(Self { tokenizer, mask, dense: false })
    }

    pub(super) fn to_json(&self) -> Result<String, FoundationError> {
        self.tokenizer.to_string(false).map_err(wrong)
    }

    pub(super) fn from_json(json: &str) -> Result<Self, FoundationError> {
        Self::finish(Tokenizer::from_bytes(json.as_bytes()).map_err(wrong)?)
    }

    /// The same, for programs that are written without white space that they can do without.
    #[must_use]
    pub fn with_dense(self, dense: bool) -> Self {
        Self { dense, ..self }
    }

    /// Whether programs are written without white space that they can do without.
    pub fn is_dense(&self) -> bool {
        self.dense
    }

    /// The token of a masked value.
    pub fn mask(&self) -> u32 {
        self.mask
    }

    /// Number of tokens.
    pub fn len(&self) -> usize {
        self.tokenizer.get_vocab_size(true)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The first part of a number as it is written after `@`.
    pub fn number(&self, x: f64) -> u32 {
        let rounded: f64 = format!("{x:.*e}", Self::DIGITS - 1).parse().unwrap_or(x);
        let text = format!("@{}{};", if self.dense { "" } else { " " }, crate::value::format_real(rounded));
        self.encode(&text).ok().and_then(|e| Some(*e.tokens.get(*e.values.first()? as usize)?)).unwrap_or(0)
    }

    /// The text of each token.
    pub(super) fn spelling(&self, tokens: &[u32]) -> Result<Vec<String>, FoundationError> {
        tokens.iter().map(|token| self.tokenizer.decode(&[*token], false).map_err(wrong)).collect()
    }

    /// Encodes an annotated program: each `?` is one mask.
    ///
    /// # Errors
    /// [`FoundationError::Weights`] where the tokenizer fails.
    pub fn encode(&self, text: &str) -> Result<Encoded, FoundationError> {
        let masked =
            if self.dense { dense(text).replace("@?;", "@<mask>;") } else { text.replace("@ ?;", "@ <mask>;") };
        let encoding = self.tokenizer.encode(masked.as_str(), true).map_err(wrong)?;
        let ends: Vec<usize> = encoding.get_offsets().iter().map(|(_, end)| *end).collect();
        let mut values = Vec::new();
        for (at, _) in masked.match_indices('@') {
            // The token that the first character of the value is in.
            let first = at + 1 + masked[at + 1..].bytes().take_while(u8::is_ascii_whitespace).count();
            if let Some(row) = ends.iter().position(|end| *end > first) {
                values.push(row as u32);
            }
        }
        Ok(Encoded { tokens: encoding.get_ids().to_vec(), values, ..Encoded::default() })
    }
}
