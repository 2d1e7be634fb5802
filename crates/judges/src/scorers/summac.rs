//! `SummaC`: every sentence of a text against every sentence of its source, by a natural language inference model.
//!
//! Laban et al. 2022, <https://arxiv.org/abs/2111.09525>. With `e(i, j)` and `c(i, j)` the probabilities that sentence `i` of the
//! source entails and contradicts sentence `j` of the text:
//!
//! ```text
//! SummaC-ZS   = mean_j ( max_i e(i, j) − max_i c(i, j) )     the library's form: −1 to 1
//!             = mean_j   max_i e(i, j)                        the study's form (use_con = false): 0 to 1
//! SummaC-Conv = softmax( W₂ r + b₂ )₁,  r = mean_{j ≤ 10} ( w₁ · histogram_i e(i, j) + b₁ )     0 to 1
//! ```
//!
//! Higher is better. The histogram has the library's 23 bins ([`BINS`]); Conv's second layer reads `r` three times. Sentences of at
//! most 10 characters do not count, nor do those of the source beyond the hundredth; inputs are cut to 500 tokens, the longer side
//! first. Cost: sentences of the source × sentences of the text, one model pass each.
//!
//! Departures: a text or source without a sentence has no score, where the library says 0 (ZS) or what Conv's weights make of one
//! pair that never was. Probabilities are made in f64, so that one within 1e-7 of the edge of a bin may fall on its other side.
//! Known of the original: a long source has more chances for a high maximum, so that scores rise with its length; scores of two
//! models or granularities cannot be compared; the name `vitc` of its code is `tals/albert-xlarge-vitaminc-mnli`, `vitc-only`
//! is `tals/albert-xlarge-vitaminc`.

use std::path::Path;

use secateur_metrics::value::Definition;

use super::conv_weights::ConvWeights;
use super::image::{Image, Split, images, mean};
use super::nli::Nli;
use super::{Named, split};
use crate::error::JudgeError;
use crate::scorer::{Pair, Part, Reading, TextScorer};

/// Sentences and paragraphs of at most so many characters do not count.
const SHORTEST: usize = 10;
/// Parts of the source that count.
pub const MAX_SOURCE_PARTS: usize = 100;
/// Longest input in tokens.
pub const MAX_LENGTH: usize = 500;
/// Sentences of the text that Conv looks at.
const CONV_SENTENCES: usize = 10;

/// Edges of Conv's bins, percentiles of a large sample by the library's word; a bin has its left edge, the last one both.
pub const BINS: [f64; 24] = [
    0.0, 0.01, 0.02, 0.03, 0.04, 0.07, 0.13, 0.37, 0.90, 0.91, 0.92, 0.93, 0.94, 0.95, 0.955, 0.96, 0.965, 0.97, 0.975,
    0.98, 0.985, 0.99, 0.995, 1.0,
];

/// What source and text are split into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Granularity {
    /// Sentences.
    Sentence,
    /// Every sentence with the next one.
    TwoSentences,
    /// Paragraphs.
    Paragraph,
    /// Not at all.
    Document,
}

/// Names in a sweep file.
pub const GRANULARITIES: &[(&str, Granularity)] = &[
    ("sentence", Granularity::Sentence),
    ("2sents", Granularity::TwoSentences),
    ("paragraph", Granularity::Paragraph),
    ("document", Granularity::Document),
];

impl Granularity {
    fn parts(self, text: &str) -> Vec<String> {
        let long = |parts: Vec<String>| -> Vec<String> {
            parts
                .into_iter()
                .filter(|part| part.chars().count() > SHORTEST)
                .collect()
        };
        match self {
            Self::Sentence => long(split::sentences(text)),
            Self::TwoSentences => {
                let sentences = long(split::sentences(text));
                let pair = |at: usize| sentences[at..sentences.len().min(at + 2)].join(" ");
                (0..sentences.len()).map(pair).collect()
            }
            Self::Paragraph => long(split::paragraphs(text)),
            Self::Document if text.trim().is_empty() => Vec::new(),
            Self::Document => vec![text.to_owned()],
        }
    }
}

/// How the image becomes a number.
#[derive(Debug, Clone)]
pub enum Reduction {
    /// Zero-shot.
    ZeroShot {
        /// Whether the largest contradiction is subtracted.
        use_con: bool,
    },
    /// Histograms and two learned layers.
    Conv(Box<ConvWeights>),
}

/// Per part of the text, `max e` or `max e − max c`.
#[must_use]
pub fn zero_shot(image: &Image, use_con: bool) -> Vec<f64> {
    let entailed = image.best(|relation| relation.entailment);
    if !use_con {
        return entailed;
    }
    let contradicted = image.best(|relation| relation.contradiction);
    entailed.iter().zip(&contradicted).map(|(e, c)| e - c).collect()
}

/// How many of the probabilities fall into each bin.
#[must_use]
pub fn histogram(probabilities: impl IntoIterator<Item = f64>) -> [f64; BINS.len() - 1] {
    let mut counts = [0.0; BINS.len() - 1];
    for p in probabilities {
        let after = BINS.partition_point(|&edge| edge <= p);
        counts[after.clamp(1, counts.len()) - 1] += 1.0;
    }
    counts
}

/// Per part of the text, the first layer's number.
#[must_use]
pub fn conv_parts(image: &Image, weights: &ConvWeights) -> Vec<f64> {
    let row = |column: &Vec<super::nli::Relation>| {
        let histogram = histogram(column.iter().map(|relation| relation.entailment));
        let product: f64 = histogram.iter().zip(&weights.first).map(|(n, w)| n * w).sum();
        product + weights.first_bias
    };
    image.columns.iter().take(CONV_SENTENCES).map(row).collect()
}

/// The second layer on the mean of the first's numbers: p(consistent). `None` without one.
#[must_use]
pub fn conv_score(parts: &[f64], weights: &ConvWeights) -> Option<f64> {
    let mean = mean(parts)?;
    let logit = |class: usize| weights.last[class].iter().map(|w| w * mean).sum::<f64>() + weights.last_bias[class];
    Some(1.0 / (1.0 + (logit(0) - logit(1)).exp()))
}

/// The scorer.
#[derive(Debug)]
pub struct SummaC {
    nli: Nli,
    granularity: (Granularity, Granularity),
    reduction: Reduction,
    named: Named,
}

impl SummaC {
    /// `granularity` of source and text.
    #[must_use]
    pub fn new(nli: Nli, granularity: (Granularity, Granularity), reduction: Reduction, named: Named) -> Self {
        Self {
            nli,
            granularity,
            reduction,
            named,
        }
    }

    /// Reads Conv's weights, see [`ConvWeights::open`].
    ///
    /// # Errors
    /// As there.
    pub fn conv_weights(file: &Path) -> Result<Reduction, JudgeError> {
        Ok(Reduction::Conv(Box::new(ConvWeights::open(file)?)))
    }

    fn reading(&self, image: &Image, parts: &[String]) -> Option<Reading> {
        let (score, values) = match &self.reduction {
            Reduction::ZeroShot { use_con } => {
                let values = zero_shot(image, *use_con);
                (mean(&values)?, values)
            }
            Reduction::Conv(weights) => {
                let values = conv_parts(image, weights);
                let alone = |value: &f64| conv_score(&[*value], weights).unwrap_or_default();
                (conv_score(&values, weights)?, values.iter().map(alone).collect())
            }
        };
        let part = |(text, score): (&String, f64)| Part {
            text: text.clone(),
            score,
        };
        Some(Reading {
            score,
            parts: parts.iter().zip(values).map(part).collect(),
        })
    }
}

impl TextScorer for SummaC {
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
        let (of_source, of_text) = self.granularity;
        let split = |pair: &Pair<'_>| {
            let mut source = of_source.parts(pair.source);
            source.truncate(MAX_SOURCE_PARTS);
            Split {
                source,
                text: of_text.parts(pair.text),
            }
        };
        let splits: Vec<Split> = pairs.iter().map(split).collect();
        let images = images(&mut self.nli, &splits, progress)?;
        let reading =
            |(image, split): (&Option<Image>, &Split)| image.as_ref().and_then(|i| self.reading(i, &split.text));
        Ok(images.iter().zip(&splits).map(reading).collect())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::image::column;
    use super::*;

    fn image() -> Image {
        Image {
            columns: vec![column(&[0.1, 0.7], &[0.5, 0.2]), column(&[0.3, 0.2], &[0.0, 0.8])],
        }
    }

    fn close(ours: f64, expected: f64) {
        assert!((ours - expected).abs() < 1e-12, "{ours} {expected}");
    }

    #[test]
    fn zero_shot_by_hand() {
        close(mean(&zero_shot(&image(), false)).unwrap(), 0.5);
        // (0.7 − 0.5) and (0.3 − 0.8).
        close(mean(&zero_shot(&image(), true)).unwrap(), -0.15);
    }

    #[test]
    fn bins_have_their_left_edge_and_the_last_one_both() {
        let counts = histogram([0.0, 0.01, 0.0099, 0.37, 0.5, 0.899, 0.995, 1.0]);
        let expected: Vec<(usize, f64)> = vec![(0, 2.0), (1, 1.0), (7, 3.0), (22, 2.0)];
        for (bin, &count) in counts.iter().enumerate() {
            let wanted = expected.iter().find(|(at, _)| *at == bin).map_or(0.0, |(_, n)| *n);
            close(count, wanted);
        }
    }

    #[test]
    fn conv_by_hand() {
        let mut weights = ConvWeights {
            first: [0.0; 23],
            first_bias: 0.5,
            last: [[0.0, 0.0, 0.0], [1.0, 2.0, -1.0]],
            last_bias: [0.25, 0.0],
        };
        // 0.1 is in bin 5, 0.7 in bin 7, 0.3 and 0.2 in bin 6.
        (weights.first[5], weights.first[6], weights.first[7]) = (1.0, 1.0, -2.0);
        let parts = conv_parts(&image(), &weights);
        // 1 − 2 + 0.5 and 1 + 1 + 0.5.
        close(parts[0], -0.5);
        close(parts[1], 2.5);
        // Mean 1: logits 0.25 and 2.
        close(conv_score(&parts, &weights).unwrap(), 1.0 / (1.0 + (-1.75_f64).exp()));
        assert_eq!(conv_score(&[], &weights), None);
    }

    #[test]
    fn granularities_leave_short_parts_out() {
        let text = "A first sentence. No. A second sentence.\n\nShort one\n\nA whole paragraph.";
        let parts = Granularity::Sentence.parts(text);
        assert_eq!(parts[..2], ["A first sentence.", "A second sentence."]);
        let pairs = Granularity::TwoSentences.parts("A first sentence. A second sentence.");
        assert_eq!(pairs, ["A first sentence. A second sentence.", "A second sentence."]);
        assert_eq!(Granularity::Paragraph.parts(text).len(), 2);
        assert_eq!(Granularity::Document.parts(text), [text]);
        assert!(Granularity::Document.parts(" \n").is_empty());
    }
}
