//! Token ids as a text of which a server makes the same token ids.

use crate::engine::EngineError;
use crate::texts::{CheckpointTexts, error};

/// A text that this checkpoint's tokenizer, with the special tokens that it adds by itself, reads as `ids`.
///
/// # Errors
/// If there is none: the ids were cut within a word, say.
pub fn text_of(texts: &CheckpointTexts, ids: &[u32]) -> Result<String, EngineError> {
    let whole = texts.tokenizer().decode(ids, false).map_err(error)?;
    let prefix = texts.prefix();
    // The begin token that the tokenizer writes itself must not be written twice.
    let bare = ids
        .strip_prefix(&[prefix.id])
        .and_then(|_| whole.strip_prefix(prefix.text.as_str()));
    let candidates = bare.into_iter().chain([whole.as_str()]);
    for text in candidates {
        if texts.encode(text, true)? == ids {
            return Ok(text.to_owned());
        }
    }
    Err(EngineError(format!(
        "the server takes prompts as text only, and no text has the {} tokens of this prompt (they were cut within a word, or the \
         tokenizer does not add what stands before them); a server that takes token ids can be asked: vLLM, SGLang or llama.cpp's",
        ids.len()
    )))
}
