//! Decoding while tokens arrive: text is given out only when no later token can change it.

use super::{TextError, Tokenizer};

/// Decodes tokens one by one. A token may hold a part of a character, and what a token reads as may depend on the one before it; so
/// the text of the last stable tokens is decoded again with each new one, and what ends in an incomplete character waits.
#[derive(Debug)]
pub struct TokenStream<'a> {
    tokenizer: &'a Tokenizer,
    skip_special: bool,
    ids: Vec<u32>,
    /// First token that is decoded again for context.
    context: usize,
    /// Tokens before this one are in `text`.
    done: usize,
    text: String,
}

impl<'a> TokenStream<'a> {
    pub(super) fn new(tokenizer: &'a Tokenizer, skip_special: bool) -> Self {
        Self {
            tokenizer,
            skip_special,
            ids: Vec::new(),
            context: 0,
            done: 0,
            text: String::new(),
        }
    }

    /// Adds a token and gives the text that is now certain in addition; often empty within a character.
    ///
    /// # Errors
    ///
    /// [`TextError::Failed`].
    pub fn push(&mut self, id: u32) -> Result<&str, TextError> {
        self.ids.push(id);
        self.advance(false)
    }

    /// Gives what was held back, incomplete characters as U+FFFD.
    ///
    /// # Errors
    ///
    /// [`TextError::Failed`].
    pub fn finish(&mut self) -> Result<&str, TextError> {
        self.advance(true)
    }

    /// All text given out so far.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Byte position in [`TokenStream::text`] of the first of the stop strings in it; empty ones never match.
    #[must_use]
    pub fn stop_position<S: AsRef<str>>(&self, stops: &[S]) -> Option<usize> {
        stops
            .iter()
            .map(AsRef::as_ref)
            .filter(|stop| !stop.is_empty())
            .filter_map(|stop| self.text.find(stop))
            .min()
    }

    fn advance(&mut self, last: bool) -> Result<&str, TextError> {
        let before = self.text.len();
        let known = self
            .tokenizer
            .decode(&self.ids[self.context..self.done], self.skip_special)?;
        let now = self.tokenizer.decode(&self.ids[self.context..], self.skip_special)?;
        if last || !now.ends_with('\u{fffd}') {
            // Where the new token changed how the context reads, only what follows the common part is new.
            let common = known
                .char_indices()
                .zip(now.chars())
                .find(|((_, a), b)| a != b)
                .map_or(known.len().min(now.len()), |((at, _), _)| at);
            if now.len() > common {
                self.text.push_str(&now[common..]);
                self.context = self.done;
            }
            self.done = self.ids.len();
        }
        Ok(&self.text[before..])
    }
}
