//! One text or two, cut to a length, as encoders read them.

use std::path::PathBuf;

use tokenizers::{TruncationDirection, TruncationParams, TruncationStrategy};

use super::TextError;
use super::tokenizer::{Tokenizer, cannot_encode, guarded};

/// Which text of a pair that is too long loses tokens, from its end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Truncation {
    /// The longer one until both are equally long, then both.
    #[default]
    LongestFirst,
    /// The first one alone.
    OnlyFirst,
}

impl Truncation {
    /// The name that transformers gives it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::LongestFirst => "longest_first",
            Self::OnlyFirst => "only_first",
        }
    }
}

/// A tokenizer that joins pairs with the special tokens of its post-processor and cuts them to a length.
#[derive(Debug)]
pub struct PairTokenizer {
    inner: tokenizers::Tokenizer,
}

/// Tokens of a text or a pair.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PairTokens {
    /// Ids.
    pub ids: Vec<u32>,
    /// Type of each token: 0 in the first text, mostly 1 in the second.
    pub types: Vec<u32>,
    /// Whether the post-processor added it.
    pub special: Vec<bool>,
}

impl Tokenizer {
    /// The same tokenizer for texts and pairs of at most `max_length` tokens, special tokens included.
    ///
    /// # Errors
    ///
    /// [`TextError::Tokenizer`] if `max_length` does not leave one token for each text of a pair.
    pub fn into_pairs(self, max_length: usize, truncation: Truncation) -> Result<PairTokenizer, TextError> {
        let (mut inner, file) = self.into_parts();
        let refused = |reason: String| TextError::Tokenizer {
            file: PathBuf::from(&file),
            reason,
        };
        let empty = guarded(|| inner.encode_fast(("", ""), true).map_err(|error| error.to_string()));
        let special = empty.map_err(refused)?.len();
        if max_length < special + 2 {
            return Err(refused(format!(
                "a length of {max_length} tokens leaves no room beside the {special} special tokens of a pair"
            )));
        }
        let strategy = match truncation {
            Truncation::LongestFirst => TruncationStrategy::LongestFirst,
            Truncation::OnlyFirst => TruncationStrategy::OnlyFirst,
        };
        let parameters = TruncationParams {
            direction: TruncationDirection::Right,
            max_length,
            strategy,
            stride: 0,
        };
        inner
            .with_truncation(Some(parameters))
            .map_err(|error| refused(error.to_string()))?;
        Ok(PairTokenizer { inner })
    }
}

impl PairTokenizer {
    /// Tokens of a text, or of a pair where there is a `second`.
    ///
    /// # Errors
    ///
    /// [`TextError::Failed`]; also where only the first text may be cut and the second alone is too long.
    pub fn encode(&self, first: &str, second: Option<&str>) -> Result<PairTokens, TextError> {
        let encoding = guarded(|| {
            let encoded = match second {
                Some(second) => self.inner.encode_fast((first, second), true),
                None => self.inner.encode_fast(first, true),
            };
            encoded.map_err(|error| error.to_string())
        });
        let encoding = encoding.map_err(|reason| cannot_encode(second.unwrap_or(first), reason))?;
        Ok(PairTokens {
            ids: encoding.get_ids().to_vec(),
            types: encoding.get_type_ids().to_vec(),
            special: encoding
                .get_special_tokens_mask()
                .iter()
                .map(|&mark| mark == 1)
                .collect(),
        })
    }
}
