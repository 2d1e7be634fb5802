//! `AlignScore`: chunks of the source against the sentences of a text.
//!
//! Zha et al. 2023, <https://arxiv.org/abs/2305.16739>, with `p` the probability of the class *aligned* of the three-way head:
//!
//! ```text
//! AlignScore = mean_j max_i p(aligned | chunk i of the source, sentence j of the text)
//! ```
//!
//! Range 0 to 1, higher is better. Cost: chunks × sentences, one model pass of up to 512 tokens each. Chunks as the authors' code makes
//! them: `n = ⌊words / 350⌋ + 1` of them are aimed at, and each holds `max(⌊sentences / n⌋, 1)` sentences, so that there may be more
//! than `n` and a chunk may be far from 350 words. Where chunk and sentence together are too long, the chunk loses its end. A sentence
//! that leaves no room for a chunk is cut first; the original then cuts the longer side of every pair in the batch.
//! A text without a sentence has no score; the original fails on it.

use secateur_metrics::value::Definition;
use secateur_model::text::Tokenizer;

use super::image::{Image, Split, images, mean};
use super::nli::Nli;
use super::{Named, split};
use crate::error::JudgeError;
use crate::scorer::{Pair, Part, Reading, TextScorer};

/// Words that a chunk is aimed at.
pub const WORDS_PER_CHUNK: usize = 350;

/// Chunks of a source; none of an empty one.
#[must_use]
pub fn chunks(source: &str) -> Vec<String> {
    let sentences = split::sentences(source);
    let aimed_at = split::words(source) / WORDS_PER_CHUNK + 1;
    split::runs(&sentences, sentences.len() / aimed_at)
}

/// Tokens of the model's length that a sentence leaves to the chunk and to special tokens.
const ROOM: usize = 16;

/// The scorer.
#[derive(Debug)]
pub struct AlignScore {
    nli: Nli,
    tokenizer: Tokenizer,
    /// Tokens of a sentence.
    longest_sentence: usize,
    named: Named,
}

impl AlignScore {
    /// The classifier's entailment is the class *aligned*; it cuts the first text alone, to `max_length` tokens of both, and
    /// `tokenizer` is its own.
    #[must_use]
    pub fn new(nli: Nli, tokenizer: Tokenizer, max_length: usize, named: Named) -> Self {
        Self {
            nli,
            tokenizer,
            longest_sentence: max_length.saturating_sub(ROOM).max(1),
            named,
        }
    }

    /// The sentence, without its end where it would leave no room.
    fn fitted(&self, sentence: String) -> Result<String, JudgeError> {
        let tokens = self.tokenizer.encode_detailed(&sentence, false)?;
        if tokens.ids.len() <= self.longest_sentence {
            return Ok(sentence);
        }
        let (_, end) = tokens.offsets[self.longest_sentence - 1];
        Ok(sentence.chars().take(end).collect())
    }
}

/// The score of an image and of its columns.
#[must_use]
pub fn reduce(image: &Image, parts: &[String]) -> Option<Reading> {
    let best = image.best(|relation| relation.entailment);
    let part = |(text, &score): (&String, &f64)| Part {
        text: text.clone(),
        score,
    };
    Some(Reading {
        score: mean(&best)?,
        parts: parts.iter().zip(&best).map(part).collect(),
    })
}

impl TextScorer for AlignScore {
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
        let mut splits: Vec<Split> = Vec::with_capacity(pairs.len());
        for pair in pairs {
            let sentences = split::sentences(pair.text).into_iter();
            let text = sentences.map(|sentence| self.fitted(sentence));
            splits.push(Split {
                source: chunks(pair.source),
                text: text.collect::<Result<_, JudgeError>>()?,
            });
        }
        let images = images(&mut self.nli, &splits, progress)?;
        let reading = |(image, split): (&Option<Image>, &Split)| image.as_ref().and_then(|i| reduce(i, &split.text));
        Ok(images.iter().zip(&splits).map(reading).collect())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::image::column;
    use super::*;

    #[test]
    fn chunks_by_hand() {
        let sentence = |n: usize| format!("Sentence{n} {}.", "word ".repeat(98).trim_end());
        let source = |count: usize| (0..count).map(sentence).collect::<Vec<_>>().join(" ");
        // 7 sentences of 99 words: 693 words, two chunks aimed at, three sentences each, one left.
        let found = chunks(&source(7));
        assert_eq!(found.len(), 3);
        assert!(found[0].starts_with("Sentence0 ") && found[1].starts_with("Sentence3 "));
        assert_eq!(chunks(&source(3)).len(), 1);
        // One sentence of 800 words cannot be split.
        assert_eq!(chunks(&"word ".repeat(800)).len(), 1);
        assert!(chunks(" \n").is_empty());
    }

    #[test]
    fn the_mean_of_the_best_by_hand() {
        let image = Image {
            columns: vec![column(&[0.2, 0.6], &[0.0, 0.0]), column(&[0.9, 0.1], &[0.0, 0.0])],
        };
        let reading = reduce(&image, &["a".into(), "b".into()]).unwrap();
        assert!((reading.score - 0.75).abs() < 1e-15);
        assert_eq!((reading.parts[0].text.as_str(), reading.parts[1].score), ("a", 0.9));
    }
}
