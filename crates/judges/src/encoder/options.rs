//! What a caller may say about an encoder, and how its inputs are cut.

use std::path::Path;

use secateur_model::checkpoint::files;
use secateur_model::text::Truncation;
use serde_json::Value;

use super::network::Network;
use crate::error::JudgeError;

/// Rows of a pass: enough for the matrix products to be fast, few enough for their results to stay in the cache.
const TOKENS_PER_BATCH: usize = 512;

/// Options of an encoder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncoderOptions {
    /// Longest input in tokens, special tokens included. `None`: what the tokenizer says, at most what the model has positions for.
    pub max_length: Option<usize>,
    /// Which text of a pair is cut.
    pub truncation: Truncation,
    /// One of several heads: `tri` (where nothing is said), `bin` or `reg` of an AlignScore checkpoint.
    pub head: Option<String>,
    /// Tokens that are computed with at once; results do not depend on it.
    pub tokens_per_batch: usize,
}

impl Default for EncoderOptions {
    fn default() -> Self {
        Self {
            max_length: None,
            truncation: Truncation::LongestFirst,
            head: None,
            tokens_per_batch: TOKENS_PER_BATCH,
        }
    }
}

impl EncoderOptions {
    /// The length that inputs are cut to.
    ///
    /// # Errors
    /// If the caller wants more than there are positions, or the tokenizer cuts at the front.
    pub(super) fn length(&self, directory: &Path, network: &Network) -> Result<usize, JudgeError> {
        const FILE: &str = "tokenizer_config.json";
        let config = files::read_json(directory, FILE, files::CONFIG_LIMIT)?.unwrap_or(Value::Null);
        if config.get("truncation_side").and_then(Value::as_str) == Some("left") {
            return Err(JudgeError::Unsuitable {
                judge: directory.join(FILE).display().to_string(),
                found: "truncation_side \"left\"".to_owned(),
                expected: "\"right\": texts are cut at their ends".to_owned(),
            });
        }
        if let (Some(wanted), Some(longest)) = (self.max_length, network.longest)
            && wanted > longest
        {
            return Err(JudgeError::Unsuitable {
                judge: directory.display().to_string(),
                found: format!("a wanted length of {wanted} tokens"),
                expected: format!("at most {longest}, as many as it has positions for"),
            });
        }
        // transformers writes 1e30 where nothing is known.
        let said = config.get("model_max_length").and_then(Value::as_u64);
        let said = said.filter(|&length| (1..=1 << 20).contains(&length));
        let usual = said.map_or(network.usual_length, |length| length as usize);
        let longest = network.longest.unwrap_or(usize::MAX);
        Ok(self.max_length.unwrap_or(usual.min(longest)))
    }
}
