//! Encoder–decoders from Hugging Face directories: BART (Lewis et al. 2020, <https://arxiv.org/abs/1910.13461>).
//!
//! A directory is opened as [`Seq2Seq`], which says how probable every token of a target is given a source. Scorers use nothing
//! else of it, so there is no generation and no cache.

mod bart;
mod batches;
mod blocks;
mod expected;
mod spec;
mod tensors;

use std::path::Path;

use secateur_model::checkpoint::{Checkpoint, CheckpointError};
use secateur_model::text::Tokenizer;
use secateur_model::{Device, ModelError};
use sha2::{Digest, Sha256};

use crate::error::JudgeError;
use bart::Bart;
use batches::{Request, plan};
pub use spec::{Activation, BartSpec, SideSpec};

/// A BART with its tokenizer.
#[derive(Debug)]
pub struct Seq2Seq {
    model: Bart,
    tokenizer: Tokenizer,
    /// What the tokenizer puts before and after a text.
    ends: (Vec<u32>, Vec<u32>),
    sha256: String,
}

impl Seq2Seq {
    /// Opens a directory with config.json (`model_type` bart), safetensors and tokenizer.json, and checks all of it.
    ///
    /// # Errors
    /// For another kind of model, options that are not implemented, tensors that are missing, of another shape or not finite,
    /// and a tokenizer that does not fit.
    pub fn open(directory: &Path, device: &Device) -> Result<Self, JudgeError> {
        let checkpoint = Checkpoint::open(directory).map_err(ModelError::from)?;
        let spec = BartSpec::read(checkpoint.config(), checkpoint.tensors().count())?;
        let embedding = expected::check(&checkpoint, &spec)?;
        let tokenizer = Tokenizer::open(directory)?;
        tokenizer.check_ids(spec.vocabulary)?;
        Ok(Self {
            ends: ends(&tokenizer, &checkpoint)?,
            model: Bart::new(spec, embedding, &checkpoint, device)?,
            sha256: content_hash(&checkpoint)?,
            tokenizer,
        })
    }

    /// Numbers of the architecture.
    #[must_use]
    pub fn spec(&self) -> &BartSpec {
        &self.model.spec
    }

    /// SHA-256 over weights, config and tokenizer, hexadecimal.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Token ids of a text, special tokens included, at most `limit` or as many as the model has positions: what is beyond is cut
    /// before the closing token, as `truncation=True` does in transformers.
    ///
    /// # Errors
    /// If the tokenizer fails.
    pub fn encode(&self, text: &str, limit: usize) -> Result<Vec<u32>, JudgeError> {
        let (before, after) = &self.ends;
        let room = limit
            .min(self.model.spec.positions)
            .saturating_sub(before.len() + after.len());
        let mut ids = self.tokenizer.encode(text, false)?;
        ids.truncate(room);
        Ok([before.as_slice(), &ids, after].concat())
    }

    /// ln p of every token of `target` given `source` and the tokens before it, for every pair of token sequences. Neither padding
    /// nor the other pairs change a value beyond rounding; equal pairs are computed once, equal sources encoded once per batch.
    /// `progress` is called with the number of pairs finished since the last call.
    ///
    /// # Errors
    /// If a sequence is empty, longer than the model has positions or has an id without a row, or a value is not finite.
    pub fn log_probabilities(
        &self,
        pairs: &[(&[u32], &[u32])],
        progress: &mut dyn FnMut(usize),
    ) -> Result<Vec<Vec<f64>>, JudgeError> {
        for (index, (source, target)) in pairs.iter().enumerate() {
            self.check(index, "source", source)?;
            self.check(index, "target", target)?;
        }
        let mut results = vec![Vec::new(); pairs.len()];
        for batch in plan(pairs) {
            let values = self.model.log_probabilities(&batch)?;
            for (Request { asked_by, .. }, values) in batch.iter().zip(values) {
                progress(asked_by.len());
                for &index in asked_by {
                    results[index].clone_from(&values);
                }
            }
        }
        Ok(results)
    }

    /// Logits `[target, vocabulary]` of one pair, for comparing with a reference.
    ///
    /// # Errors
    /// As [`Self::log_probabilities`].
    pub fn logits(&self, source: &[u32], target: &[u32]) -> Result<Vec<Vec<f64>>, JudgeError> {
        self.check(0, "source", source)?;
        self.check(0, "target", target)?;
        Ok(self.model.logits(source, target)?)
    }

    fn check(&self, index: usize, side: &str, ids: &[u32]) -> Result<(), JudgeError> {
        let (positions, rows) = (self.model.spec.positions, self.model.spec.vocabulary);
        let wrong = |what: String| ModelError::Tokens(format!("pair {index}: the {side} {what}"));
        if ids.is_empty() || ids.len() > positions {
            return Err(wrong(format!(
                "has {} tokens, expected 1 to {positions}, as many as the model has positions",
                ids.len()
            ))
            .into());
        }
        match ids.iter().find(|&&id| id as usize >= rows) {
            Some(id) => Err(wrong(format!("has token id {id}, but the embedding has {rows} rows")).into()),
            None => Ok(()),
        }
    }
}

/// The special tokens around an empty text: BART's `<s>` and `</s>`.
fn ends(tokenizer: &Tokenizer, checkpoint: &Checkpoint) -> Result<(Vec<u32>, Vec<u32>), JudgeError> {
    let added = tokenizer.encode("", true)?;
    match added.as_slice() {
        [begin, end] => Ok((vec![*begin], vec![*end])),
        other => Err(JudgeError::Unsuitable {
            judge: checkpoint.directory().display().to_string(),
            found: format!("a tokenizer that puts {} special tokens around a text", other.len()),
            expected: "BART's, which puts one before and one after".into(),
        }),
    }
}

fn content_hash(checkpoint: &Checkpoint) -> Result<String, CheckpointError> {
    let parts = checkpoint.content_hash()?;
    let digest = Sha256::digest(format!("{} {}", parts.weights, parts.tokenizer.unwrap_or_default()));
    Ok(digest.iter().fold(String::with_capacity(64), |mut text, byte| {
        use std::fmt::Write as _;
        let _ = write!(text, "{byte:02x}");
        text
    }))
}

#[cfg(test)]
mod tests;
