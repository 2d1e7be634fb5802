//! What makes two checkpoints the same: their config, tensors, tokenizer and chat template.

use std::collections::BTreeMap;

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::{Checkpoint, CheckpointError, files};

/// SHA-256 of the parts of a model directory, as 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentHash {
    /// config.json (as a value: field order and spaces do not count) and every tensor's name, dtype, shape and bytes. Sharding,
    /// tensor order and header metadata do not count.
    pub weights: String,
    /// tokenizer.json as it is; `None` without one.
    pub tokenizer: Option<String>,
    /// The chat template: `chat_template.jinja`, or the field of `tokenizer_config.json`; `None` without one.
    pub chat_template: Option<String>,
}

/// Largest tokenizer.json or template that is hashed.
const TEXT_LIMIT: u64 = 512 << 20;

impl Checkpoint {
    /// Hashes config, tensors, tokenizer and chat template. Reads every byte of the weights once, on all cores.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::Read`], [`CheckpointError::TooLarge`] and [`CheckpointError::Json`] for the tokenizer's files.
    pub fn content_hash(&self) -> Result<ContentHash, CheckpointError> {
        let directory = self.directory();
        let tokenizer = if files::exists(directory, "tokenizer.json") {
            Some(hex(&files::read(directory, "tokenizer.json", TEXT_LIMIT)?))
        } else {
            None
        };
        let chat_template = match files::read_text(directory, "chat_template.jinja", files::CONFIG_LIMIT)? {
            Some(template) => Some(hex(template.as_bytes())),
            None => files::read_json(directory, "tokenizer_config.json", files::CONFIG_LIMIT)?.and_then(|config| {
                config
                    .get("chat_template")
                    .filter(|template| !template.is_null())
                    .map(|template| match template.as_str() {
                        Some(template) => hex(template.as_bytes()),
                        None => hex(canonical(template).as_bytes()),
                    })
            }),
        };
        Ok(ContentHash {
            weights: self.weights_hash(),
            tokenizer,
            chat_template,
        })
    }

    fn weights_hash(&self) -> String {
        let mut hasher = Sha256::new();
        let config = serde_json::Value::Object(self.config.fields().clone());
        let mut part = |bytes: &[u8]| {
            hasher.update((bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        };
        part(b"secateur checkpoint 1");
        part(canonical(&config).as_bytes());
        let hashes = self.tensor_hashes();
        for tensor in self.tensors() {
            part(tensor.name.as_bytes());
            part(tensor.dtype.name().as_bytes());
            part(format!("{:?}", tensor.shape).as_bytes());
            part(hashes[tensor.name.as_str()].as_bytes());
        }
        digits(&hasher.finalize())
    }

    /// SHA-256 of each tensor's bytes, as hexadecimal digits, by name.
    #[must_use]
    pub fn tensor_hashes(&self) -> BTreeMap<&str, String> {
        let tensors: Vec<_> = self.tensors().collect();
        tensors
            .par_iter()
            .map(|tensor| {
                let hash = hex(&self.raw_bytes(tensor));
                self.release(tensor);
                (tensor.name.as_str(), hash)
            })
            .collect()
    }
}

/// JSON text with sorted keys.
fn canonical(value: &serde_json::Value) -> String {
    let mut value = value.clone();
    value.sort_all_objects();
    value.to_string()
}

/// SHA-256 as 64 hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    digits(&Sha256::digest(bytes))
}

/// A digest as hexadecimal digits.
pub(crate) fn digits(digest: &[u8]) -> String {
    digest.iter().fold(String::with_capacity(64), |mut text, byte| {
        use std::fmt::Write as _;
        let _ = write!(text, "{byte:02x}");
        text
    })
}
