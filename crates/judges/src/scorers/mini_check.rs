//! `MiniCheck`: a claim against the chunks of its source, by a two-class encoder.
//!
//! Tang et al. 2024, <https://arxiv.org/abs/2404.10774>, the `RoBERTa` and `DeBERTa-v3` checkpoints:
//!
//! ```text
//! p(claim) = max_i p(supported | chunk i, claim),   supported where p(claim) > 0.5
//! score    = mean over the sentences of the text of p (value = "probability"), or of [p > 0.5] (value = "supported")
//! ```
//!
//! Range 0 to 1, higher is better. Cost: chunks × sentences, one model pass each. The source is split into lines, these into sentences,
//! and consecutive sentences fill chunks of up to 400 tokens; chunk, end token and claim are joined to one text before it is tokenised,
//! as the checkpoints were trained. The original leaves it to the caller how the sentences of a text are put together, and takes a text as one
//! claim where it is not split: `claims = "whole"`. A claim or source without content has no score.
//!
//! Known of the original: a joined text that is too long loses its end, which is the claim; the chunk limit leaves it room up to about
//! 110 tokens with `RoBERTa`. The Flan-T5 checkpoint is not implemented: its answer is a decoder's token.

use secateur_metrics::value::Definition;
use secateur_model::text::Tokenizer;

use super::nli::{distinct, softmax};
use super::progress::Share;
use super::{Named, image, split};
use crate::error::JudgeError;
use crate::scorer::{Pair, PairClassifier, Part, Reading, TextScorer};

/// Tokens of a chunk.
pub const TOKENS_PER_CHUNK: usize = 400;
/// A claim is supported above this.
pub const THRESHOLD: f64 = 0.5;

/// What is averaged over claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    /// p(supported).
    Probability,
    /// Whether it is above [`THRESHOLD`].
    Supported,
}

/// What a claim is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claims {
    /// Every sentence.
    Sentences,
    /// The text as it is.
    Whole,
}

/// Options of the scorer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MiniCheckOptions {
    /// Index of the class *supported*.
    pub supported: usize,
    /// What is averaged.
    pub value: Value,
    /// What a claim is.
    pub claims: Claims,
    /// Tokens of a chunk.
    pub chunk_tokens: usize,
}

/// The scorer.
pub struct MiniCheck {
    classifier: Box<dyn PairClassifier>,
    tokenizer: Tokenizer,
    /// The tokenizer's end token, between chunk and claim.
    between: String,
    options: MiniCheckOptions,
    named: Named,
}

impl MiniCheck {
    /// `tokenizer` is the classifier's.
    ///
    /// # Errors
    /// If the tokenizer has no end token, or the classifier not the class.
    pub fn new(
        classifier: Box<dyn PairClassifier>,
        tokenizer: Tokenizer,
        options: MiniCheckOptions,
        named: Named,
    ) -> Result<Self, JudgeError> {
        let unsuitable = |found: String, expected: &str| JudgeError::Unsuitable {
            judge: named.definition.name.to_owned(),
            found,
            expected: expected.to_owned(),
        };
        // Both families close a text with the token that they put between two.
        let texts = &tokenizer.special().texts;
        let end = texts.get("eos_token").or_else(|| texts.get("sep_token"));
        let between = end.cloned().ok_or_else(|| {
            unsuitable(
                "a tokenizer_config.json without eos_token and sep_token".into(),
                "the token that MiniCheck puts between chunk and claim",
            )
        })?;
        if options.supported >= classifier.labels().len() {
            return Err(unsuitable(
                format!("{} classes", classifier.labels().len()),
                "a classifier that knows the class `supported`",
            ));
        }
        Ok(Self {
            classifier,
            tokenizer,
            between,
            options,
            named,
        })
    }

    fn chunks(&self, source: &str) -> Result<Vec<String>, JudgeError> {
        let pieces = pieces(source);
        let longest = self.classifier.max_length();
        let size = |piece: &String| -> Result<usize, JudgeError> {
            Ok(self.tokenizer.encode(piece, false)?.len().min(longest))
        };
        let sizes: Vec<usize> = pieces.iter().map(size).collect::<Result<_, JudgeError>>()?;
        Ok(chunks(&pieces, &sizes, self.options.chunk_tokens))
    }

    fn claims(&self, text: &str) -> Vec<String> {
        match self.options.claims {
            Claims::Sentences => split::sentences(text),
            Claims::Whole if text.trim().is_empty() => Vec::new(),
            Claims::Whole => vec![text.to_owned()],
        }
    }
}

/// Sentences of a source in order, with a line break where a line ends.
fn pieces(source: &str) -> Vec<String> {
    let mut pieces = Vec::new();
    for (number, line) in source.split('\n').enumerate() {
        if number > 0 {
            pieces.push("\n".to_owned());
        }
        pieces.extend(split::sentences(line));
    }
    pieces
}

/// Consecutive pieces of at most `most` tokens together, as texts; those without content left out.
fn chunks(pieces: &[String], sizes: &[usize], most: usize) -> Vec<String> {
    let joined = split::filled(sizes, most)
        .into_iter()
        .map(|range| pieces[range].join(" ").replace(" \n ", "\n").trim().to_owned());
    joined.filter(|chunk| !chunk.is_empty()).collect()
}

/// The score of a text from p(supported) of its claims; `None` without one.
#[must_use]
pub fn reduce(claims: &[String], probabilities: &[f64], value: Value) -> Option<Reading> {
    let counted: Vec<f64> = match value {
        Value::Probability => probabilities.to_vec(),
        Value::Supported => probabilities
            .iter()
            .map(|&p| f64::from(u8::from(p > THRESHOLD)))
            .collect(),
    };
    let part = |(text, &score): (&String, &f64)| Part {
        text: text.clone(),
        score,
    };
    Some(Reading {
        score: image::mean(&counted)?,
        parts: claims.iter().zip(probabilities).map(part).collect(),
    })
}

impl TextScorer for MiniCheck {
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
        let mut texts = Vec::new();
        let mut shapes = Vec::with_capacity(pairs.len());
        for pair in pairs {
            let (chunks, claims) = (self.chunks(pair.source)?, self.claims(pair.text));
            for claim in &claims {
                texts.extend(chunks.iter().map(|chunk| format!("{chunk}{}{claim}", self.between)));
            }
            shapes.push((chunks.len(), claims));
        }
        let inputs: Vec<&str> = texts.iter().map(String::as_str).collect();
        let mut share = Share::new(pairs.len(), inputs.len(), progress);
        let logits = distinct(&inputs, |inputs| {
            self.classifier
                .text_logits(inputs, &mut |finished| share.inputs(finished))
        })?;
        share.finish();
        let mut rest = logits.as_slice();
        let reading = |(chunks, claims): &(usize, Vec<String>)| {
            let (own, after) = rest.split_at(chunks * claims.len());
            rest = after;
            let best = |claim: &[Vec<f32>]| {
                let supported = claim.iter().map(|logits| softmax(logits)[self.options.supported]);
                supported.fold(f64::NEG_INFINITY, f64::max)
            };
            let probabilities: Vec<f64> = own.chunks((*chunks).max(1)).map(best).collect();
            reduce(claims, &probabilities, self.options.value)
        };
        Ok(shapes.iter().map(reading).collect())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn chunks_by_hand() {
        let pieces = pieces("One more. Two less.\nThree lie.\n\nFour run.");
        assert_eq!(
            pieces,
            ["One more.", "Two less.", "\n", "Three lie.", "\n", "\n", "Four run."]
        );
        let sizes = [3, 3, 1, 3, 1, 1, 3];
        assert_eq!(
            chunks(&pieces, &sizes, 10),
            ["One more. Two less.\nThree lie.", "Four run."]
        );
        assert_eq!(chunks(&pieces, &sizes, 2).len(), 4);
        assert!(chunks(&super::pieces(" \n "), &[1], 10).is_empty());
    }

    #[test]
    fn claims_are_averaged_by_hand() {
        let claims = ["a".to_owned(), "b".to_owned(), "c".to_owned(), "d".to_owned()];
        let p = [0.5, 0.51, 0.9, 0.09];
        assert!((reduce(&claims, &p, Value::Probability).unwrap().score - 0.5).abs() < 1e-15);
        let supported = reduce(&claims, &p, Value::Supported).unwrap();
        assert!((supported.score - 0.5).abs() < 1e-15);
        assert!((supported.parts[0].score - 0.5).abs() < 1e-15);
        assert_eq!(reduce(&[], &[], Value::Supported), None);
    }
}
