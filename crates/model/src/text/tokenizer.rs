//! tokenizer.json through the tokenizers library, which is kept from panicking on what strangers wrote.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use super::{SpecialTokens, TextError, TokenStream};
use crate::checkpoint::{CheckpointError, files};

/// Largest tokenizer.json that is read; those of 250 000 tokens take some 35 MB.
const TOKENIZER_LIMIT: u64 = 256 << 20;

/// Tokens of a text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Encoded {
    /// Ids.
    pub ids: Vec<u32>,
    /// The vocabulary's spelling of each.
    pub tokens: Vec<String>,
    /// Begin and end of each in the original text, in characters.
    pub offsets: Vec<(usize, usize)>,
}

/// A loaded tokenizer with the roles of its special tokens.
#[derive(Debug)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    special: SpecialTokens,
    file: PathBuf,
}

impl Tokenizer {
    /// Loads tokenizer.json and `tokenizer_config.json` of a model directory. Truncation and padding that the file may ask for are
    /// switched off: a prompt is never cut silently.
    ///
    /// # Errors
    ///
    /// [`TextError`], naming the file.
    pub fn open(directory: &Path) -> Result<Self, TextError> {
        const NAME: &str = "tokenizer.json";
        let file = directory.join(NAME);
        if !files::exists(directory, NAME) {
            let hint = "expected the file of a fast tokenizer (`save_pretrained` of transformers writes it)".into();
            return Err(CheckpointError::MissingFile {
                directory: directory.to_path_buf(),
                file: NAME.into(),
                hint,
            }
            .into());
        }
        let content = files::read(directory, NAME, TOKENIZER_LIMIT)?;
        let refused = |reason: String| TextError::Tokenizer {
            file: file.clone(),
            reason,
        };
        let mut inner = guarded(|| tokenizers::Tokenizer::from_bytes(&content).map_err(|error| error.to_string()))
            .map_err(refused)?;
        inner
            .with_truncation(None)
            .map_err(|error| refused(error.to_string()))?;
        inner.with_padding(None);
        let special = SpecialTokens::open(directory, |token| inner.token_to_id(token))?;
        Ok(Self { inner, special, file })
    }

    /// Checks that every id the tokenizer can give has a row in an embedding of `rows` rows.
    ///
    /// # Errors
    ///
    /// [`TextError::IdOutOfRange`] for the largest id that has none.
    pub fn check_ids(&self, rows: usize) -> Result<(), TextError> {
        let vocabulary = self.inner.get_vocab(true);
        // What the post-processor adds need not be in the vocabulary.
        let added = self.encode_detailed("", true)?;
        let added = added.tokens.into_iter().zip(added.ids);
        match vocabulary
            .into_iter()
            .chain(added)
            .max_by(|a, b| (a.1, &b.0).cmp(&(b.1, &a.0)))
        {
            Some((token, id)) if id as usize >= rows => Err(TextError::IdOutOfRange {
                file: self.file.clone(),
                token,
                id,
                rows,
            }),
            _ => Ok(()),
        }
    }

    /// Ids of a text. `add_special`: with the begin and end tokens that the tokenizer's post-processor adds; not for text that a
    /// chat template made, which has them already.
    ///
    /// # Errors
    ///
    /// [`TextError::Failed`].
    pub fn encode(&self, text: &str, add_special: bool) -> Result<Vec<u32>, TextError> {
        let encoding = guarded(|| {
            self.inner
                .encode_fast(text, add_special)
                .map_err(|error| error.to_string())
        });
        encoding
            .map(|encoding| encoding.get_ids().to_vec())
            .map_err(|reason| cannot_encode(text, reason))
    }

    /// Ids, tokens and offsets of a text.
    ///
    /// # Errors
    ///
    /// [`TextError::Failed`].
    pub fn encode_detailed(&self, text: &str, add_special: bool) -> Result<Encoded, TextError> {
        let encoding = guarded(|| {
            self.inner
                .encode_char_offsets(text, add_special)
                .map_err(|error| error.to_string())
        });
        let encoding = encoding.map_err(|reason| cannot_encode(text, reason))?;
        Ok(Encoded {
            ids: encoding.get_ids().to_vec(),
            tokens: encoding.get_tokens().to_vec(),
            offsets: encoding.get_offsets().to_vec(),
        })
    }

    /// Text of ids; ids without a token give nothing. `skip_special`: special tokens give nothing either.
    ///
    /// # Errors
    ///
    /// [`TextError::Failed`].
    pub fn decode(&self, ids: &[u32], skip_special: bool) -> Result<String, TextError> {
        guarded(|| self.inner.decode(ids, skip_special).map_err(|error| error.to_string())).map_err(|reason| {
            TextError::Failed {
                action: format!("decode {} ids", ids.len()),
                reason,
            }
        })
    }

    /// A decoder for tokens that come one by one.
    #[must_use]
    pub fn stream(&self, skip_special: bool) -> TokenStream<'_> {
        TokenStream::new(self, skip_special)
    }

    /// Roles of special tokens.
    #[must_use]
    pub fn special(&self) -> &SpecialTokens {
        &self.special
    }

    /// Id of a token in the vocabulary's spelling.
    #[must_use]
    pub fn id(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    /// The vocabulary's spelling of an id.
    #[must_use]
    pub fn token(&self, id: u32) -> Option<String> {
        self.inner.id_to_token(id)
    }

    /// The library's tokenizer and the file it came from.
    pub(super) fn into_parts(self) -> (tokenizers::Tokenizer, PathBuf) {
        (self.inner, self.file)
    }

    /// Entries of the vocabulary with the added tokens.
    #[must_use]
    pub fn vocabulary_size(&self) -> usize {
        self.inner.get_vocab_size(true)
    }
}

pub(super) fn cannot_encode(text: &str, reason: String) -> TextError {
    TextError::Failed {
        action: format!("encode a text of {} characters", text.chars().count()),
        reason,
    }
}

/// Runs a call of the tokenizers library; its panics become errors (a merge longer than every vocabulary entry causes one).
pub(super) fn guarded<T>(call: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(format!(
            "the tokenizers library failed on it ({})",
            text.unwrap_or_else(|| "without a message".into())
        ))
    })
}

#[cfg(test)]
#[path = "tokenizer_tests.rs"]
mod tests;
