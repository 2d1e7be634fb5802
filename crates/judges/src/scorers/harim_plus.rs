//! `HaRiM⁺` with a BART that summarises.
//!
//! Equation, source and the padding error of the published scorer: [`secateur_metrics::harim`]. As there, the source is cut to 1024
//! tokens and the text to 110, `<s>` and `</s>` included; both special tokens of the text are scored, the first after the decoder's
//! start token; an empty source is `<s></s>`. Only `labels` differ: nothing of a batch reaches another text. Cost: one pass over source
//! and text and one over the text alone; an empty text has no score.
//!
//! Known besides the padding error: `facebook/bart-large-cnn` wants news in its own style, a text is cut after 110 tokens without a word,
//! and the value has no zero that means anything, so compare models by differences, never by ratios.

use secateur_metrics::harim::{Harim, LAMBDA, harim};
use secateur_metrics::value::Definition;

use super::Named;
use super::progress::Share;
use crate::error::JudgeError;
use crate::scorer::{Pair, Reading, TextScorer};
use crate::seq2seq::Seq2Seq;

/// Which number is the score.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    /// `HaRiM⁺`, higher is better.
    Plus,
    /// The risk alone, lower is better.
    Risk,
    /// Mean ln p, which is `BARTScore`, higher is better.
    LogProbability,
}

/// Options of the scorer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HarimOptions {
    /// Weight of the second term.
    pub lambda: f64,
    /// Longest source in tokens.
    pub source_tokens: usize,
    /// Longest text in tokens.
    pub text_tokens: usize,
    /// Which number is the score.
    pub value: Value,
}

impl Default for HarimOptions {
    fn default() -> Self {
        Self {
            lambda: LAMBDA,
            source_tokens: 1024,
            text_tokens: 110,
            value: Value::Plus,
        }
    }
}

/// The scorer.
#[derive(Debug)]
pub struct HarimPlus {
    model: Seq2Seq,
    options: HarimOptions,
    named: Named,
}

impl HarimPlus {
    /// The scorer over a BART.
    #[must_use]
    pub fn new(model: Seq2Seq, options: HarimOptions, named: Named) -> Self {
        Self { model, options, named }
    }

    /// All terms of every pair; `None` for an empty text. `progress` counts pairs.
    ///
    /// # Errors
    /// If the model fails.
    pub fn terms(&self, pairs: &[Pair<'_>], progress: &mut dyn FnMut(usize)) -> Result<Vec<Option<Harim>>, JudgeError> {
        let HarimOptions {
            lambda,
            source_tokens,
            text_tokens,
            ..
        } = self.options;
        let nothing = self.model.encode("", source_tokens)?;
        let scored: Vec<bool> = pairs.iter().map(|pair| !pair.text.trim().is_empty()).collect();
        let mut tokens = Vec::new();
        for (pair, _) in pairs.iter().zip(&scored).filter(|(_, scored)| **scored) {
            let source = self.model.encode(pair.source, source_tokens)?;
            tokens.push((source, self.model.encode(pair.text, text_tokens)?));
        }
        let with = tokens.iter().map(|(source, text)| (source.as_slice(), text.as_slice()));
        let without = tokens.iter().map(|(_, text)| (nothing.as_slice(), text.as_slice()));
        let requests: Vec<(&[u32], &[u32])> = with.chain(without).collect();
        let mut share = Share::new(pairs.len(), requests.len(), progress);
        let values = self.model.log_probabilities(&requests, &mut |n| share.inputs(n))?;
        share.finish();
        let (with, without) = values.split_at(tokens.len());
        let mut terms = with.iter().zip(without);
        let mut term = |scored: &bool| {
            let (with, without) = if *scored { terms.next()? } else { return None };
            Some(harim(with, without, lambda).map_err(JudgeError::from))
        };
        scored.iter().map(|scored| term(scored).transpose()).collect()
    }
}

impl TextScorer for HarimPlus {
    fn definition(&self) -> Definition {
        self.named.definition
    }

    fn identity(&self) -> String {
        self.named.identity.clone()
    }

    fn score(
        &mut self,
        pairs: &[Pair<'_>],
        progress: &mut dyn FnMut(usize),
    ) -> Result<Vec<Option<Reading>>, JudgeError> {
        let value = self.options.value;
        let reading = |terms: Harim| Reading {
            score: match value {
                Value::Plus => terms.plus,
                Value::Risk => terms.risk,
                Value::LogProbability => terms.mean_log_probability,
            },
            parts: Vec::new(),
        };
        let terms = self.terms(pairs, progress)?;
        Ok(terms.into_iter().map(|terms| terms.map(reading)).collect())
    }
}

#[cfg(test)]
#[path = "harim_plus_tests.rs"]
mod tests;
