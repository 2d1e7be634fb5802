//! What can be wrong with a tokenizer or a chat template.

use std::path::PathBuf;

use crate::checkpoint::{CheckpointError, middle_cut};

/// A tokenizer or template that cannot be used, or text that it cannot handle.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TextError {
    /// A file is missing or cannot be read.
    #[error(transparent)]
    File(#[from] CheckpointError),
    /// The file is no tokenizer that the tokenizers library reads.
    #[error(
        "{file} is not a tokenizer that can be loaded: {}; expected the tokenizer.json that transformers writes for fast tokenizers",
        middle_cut(.reason)
    )]
    Tokenizer {
        /// The file.
        file: PathBuf,
        /// The library's message.
        reason: String,
    },
    /// A token's id has no row in the embedding.
    #[error(
        "{file}: token {token:?} has id {id}, but the model's embedding has {rows} rows: the tokenizer is of another model"
    )]
    IdOutOfRange {
        /// The file.
        file: PathBuf,
        /// The token.
        token: String,
        /// Its id.
        id: u32,
        /// Rows of the embedding.
        rows: usize,
    },
    /// A special token of `tokenizer_config.json` is not in the vocabulary.
    #[error("{file}: {role} is {token:?}, which is not in the vocabulary of tokenizer.json")]
    UnknownSpecial {
        /// The file.
        file: PathBuf,
        /// `bos_token`, `eos_token` or `pad_token`.
        role: &'static str,
        /// The token.
        token: String,
    },
    /// A field of `tokenizer_config.json` has the wrong form.
    #[error("{file}: {field} is {found}, expected {expected}")]
    Field {
        /// The file.
        file: PathBuf,
        /// The field.
        field: String,
        /// What is there.
        found: String,
        /// What would be right.
        expected: &'static str,
    },
    /// The tokenizer failed on a text or on ids.
    #[error("the tokenizer cannot {action}: {reason}")]
    Failed {
        /// "encode …" or "decode …".
        action: String,
        /// The library's message.
        reason: String,
    },
    /// A chat template does not parse or fails.
    #[error("chat template {template}, line {line}: {reason}")]
    Template {
        /// Where it comes from, with its name.
        template: String,
        /// Line in the template; 0 where there is none.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// There is no template of this name.
    #[error("the model has no chat template `{name}`; it has: {available}")]
    NoTemplate {
        /// The name asked for.
        name: String,
        /// Those there are.
        available: String,
    },
}
