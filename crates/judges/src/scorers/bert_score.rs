//! `BERTScore`: every token of a text with the token of its source that is nearest to it in an encoder's states, and the other way round.
//!
//! Zhang et al. 2020, <https://arxiv.org/abs/1904.09675>, `x` the source's (reference's) states, `y` the text's, of length 1, `w` weights
//! of their tokens:
//!
//! ```text
//! P = Σ_j w(y_j) max_i x_iᵀ y_j / Σ_j w(y_j),   R = Σ_i w(x_i) max_j x_iᵀ y_j / Σ_i w(x_i),   F1 = 2PR / (P + R)
//! ```
//!
//! Range −1 to 1 (in practice 0.8 to 1 with `RoBERTa`; [rescaling](super::bert_score_layers) spreads it), higher is better. Cost:
//! one pass per distinct text and source. States are those after the layer that the package found to agree best with people
//! ([`super::bert_score_layers`]). As in the package, special tokens have no weight but may be what another token is matched with; texts
//! are stripped, and a blank goes before them for `RoBERTa`'s tokenizer. With `idf_corpus`, `w` is `ln((N + 1) / (n + 1))` over the `N`
//! lines of that file, `n` of which have the token; else 1. The package counts over the references of one call, so that its scores depend
//! on what else is in it.
//!
//! A text or source without a token has no score; the package says 0. Known of the package: in a batch, padding counts as a token of
//! similarity 0, so that a token whose best match is negative gets 0 instead.

use std::collections::BTreeMap;

use secateur_metrics::value::Definition;

use super::Named;
use super::nli::distinct;
use super::progress::Share;
use crate::error::JudgeError;
use crate::scorer::{Embedded, Pair, Reading, TextScorer, TokenEmbedder};

/// Texts whose states are held at a time.
const TEXTS_AT_ONCE: usize = 64;

/// Precision, recall and their harmonic mean.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scores {
    /// Of the text's tokens.
    pub precision: f64,
    /// Of the source's tokens.
    pub recall: f64,
    /// Harmonic mean; 0 where precision and recall are opposite numbers.
    pub f1: f64,
}

/// Which of them is the score.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    /// Precision: is what the text says in the source?
    Precision,
    /// Recall.
    Recall,
    /// F1.
    F1,
}

/// Weights of tokens.
#[derive(Debug, Clone, PartialEq)]
pub struct Idf {
    documents: usize,
    counts: BTreeMap<u32, usize>,
}

impl Idf {
    /// Counts in how many of the documents each token is.
    #[must_use]
    pub fn new<'a>(documents: impl IntoIterator<Item = &'a [u32]>) -> Self {
        let mut idf = Self {
            documents: 0,
            counts: BTreeMap::new(),
        };
        for ids in documents {
            idf.documents += 1;
            let distinct: std::collections::BTreeSet<u32> = ids.iter().copied().collect();
            for id in distinct {
                *idf.counts.entry(id).or_default() += 1;
            }
        }
        idf
    }

    fn weight(&self, id: u32) -> f64 {
        let with = self.counts.get(&id).copied().unwrap_or(0);
        ((self.documents as f64 + 1.0) / (with as f64 + 1.0)).ln()
    }
}

/// Options of the scorer.
#[derive(Debug, Clone, PartialEq)]
pub struct BertScoreOptions {
    /// States after so many layers.
    pub layer: usize,
    /// Which number is the score.
    pub value: Value,
    /// Weights; `None`: 1 for all but special tokens.
    pub idf: Option<Idf>,
    /// P, R and F1 of unrelated texts, which become 0: `(x − b) / (1 − b)`.
    pub baseline: Option<[f64; 3]>,
    /// A blank before every text, for `RoBERTa` and GPT-2 tokenizers.
    pub prefix_blank: bool,
}

/// States of a text, of length 1, with weights.
#[derive(Debug, Clone, PartialEq)]
pub struct Weighted {
    /// `[tokens][hidden]`, row by row.
    states: Vec<f64>,
    hidden: usize,
    weights: Vec<f64>,
}

impl Weighted {
    /// `None` where no token has weight.
    #[must_use]
    pub fn new(embedded: &Embedded, idf: Option<&Idf>) -> Option<Self> {
        let weight = |(&id, &special): (&u32, &bool)| match idf {
            Some(idf) => idf.weight(id),
            None => f64::from(u8::from(!special)),
        };
        let weights: Vec<f64> = embedded.ids.iter().zip(&embedded.special).map(weight).collect();
        let content = embedded.special.iter().any(|special| !special);
        if !content || weights.iter().sum::<f64>() <= 0.0 {
            return None;
        }
        let mut states: Vec<f64> = embedded.states.iter().map(|&x| f64::from(x)).collect();
        for row in states.chunks_exact_mut(embedded.hidden) {
            let length = row.iter().map(|x| x * x).sum::<f64>().sqrt();
            if length > 0.0 {
                for x in row.iter_mut() {
                    *x /= length;
                }
            }
        }
        Some(Self {
            states,
            hidden: embedded.hidden,
            weights,
        })
    }

    fn rows(&self) -> std::slice::ChunksExact<'_, f64> {
        self.states.chunks_exact(self.hidden)
    }

    fn mean(&self, values: &[f64]) -> f64 {
        let sum: f64 = values.iter().zip(&self.weights).map(|(value, w)| value * w).sum();
        sum / self.weights.iter().sum::<f64>()
    }
}

/// Greedy matching of a text with its source.
#[must_use]
pub fn scores(source: &Weighted, text: &Weighted) -> Scores {
    let mut of_source = vec![f64::NEG_INFINITY; source.weights.len()];
    let mut of_text = vec![f64::NEG_INFINITY; text.weights.len()];
    for (x, best_x) in source.rows().zip(&mut of_source) {
        for (y, best_y) in text.rows().zip(&mut of_text) {
            let product: f64 = x.iter().zip(y).map(|(a, b)| a * b).sum();
            *best_x = best_x.max(product);
            *best_y = best_y.max(product);
        }
    }
    let (precision, recall) = (text.mean(&of_text), source.mean(&of_source));
    let sum = precision + recall;
    Scores {
        precision,
        recall,
        f1: if sum == 0.0 {
            0.0
        } else {
            2.0 * precision * recall / sum
        },
    }
}

impl Scores {
    /// With unrelated texts at 0.
    #[must_use]
    pub fn rescaled(self, [precision, recall, f1]: [f64; 3]) -> Self {
        let rescaled = |value: f64, base: f64| (value - base) / (1.0 - base);
        Self {
            precision: rescaled(self.precision, precision),
            recall: rescaled(self.recall, recall),
            f1: rescaled(self.f1, f1),
        }
    }

    /// One of the three.
    #[must_use]
    pub fn value(self, value: Value) -> f64 {
        match value {
            Value::Precision => self.precision,
            Value::Recall => self.recall,
            Value::F1 => self.f1,
        }
    }
}

/// The scorer.
pub struct BertScore {
    embedder: Box<dyn TokenEmbedder>,
    options: BertScoreOptions,
    named: Named,
}

impl BertScore {
    /// The scorer over an encoder.
    #[must_use]
    pub fn new(embedder: Box<dyn TokenEmbedder>, options: BertScoreOptions, named: Named) -> Self {
        Self {
            embedder,
            options,
            named,
        }
    }

    /// Counts tokens of the documents that `idf` is to be made of.
    ///
    /// # Errors
    /// If the model fails.
    pub fn count(embedder: &mut dyn TokenEmbedder, documents: &[&str], prefix_blank: bool) -> Result<Idf, JudgeError> {
        let texts: Vec<String> = documents.iter().map(|text| prepared(text, prefix_blank)).collect();
        let mut ids = Vec::with_capacity(texts.len());
        for texts in texts.chunks(TEXTS_AT_ONCE) {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            ids.extend(embedder.embed(&texts, 0)?.into_iter().map(|embedded| embedded.ids));
        }
        Ok(Idf::new(ids.iter().map(Vec::as_slice)))
    }

    /// P, R and F1 of every pair of source and text; `None` where one has no token. Equal pairs are matched once.
    ///
    /// # Errors
    /// If the model fails.
    pub fn all_scores(
        &mut self,
        pairs: &[(&str, &str)],
        progress: &mut dyn FnMut(usize),
    ) -> Result<Vec<Option<Scores>>, JudgeError> {
        distinct(pairs, |pairs| {
            let mut scores = Vec::with_capacity(pairs.len());
            for pairs in pairs.chunks(TEXTS_AT_ONCE) {
                scores.extend(self.some_scores(pairs)?);
                progress(pairs.len());
            }
            Ok(scores)
        })
    }

    fn some_scores(&mut self, pairs: &[(&str, &str)]) -> Result<Vec<Option<Scores>>, JudgeError> {
        let BertScoreOptions {
            layer,
            idf,
            baseline,
            prefix_blank,
            ..
        } = &self.options;
        let all: Vec<&str> = pairs.iter().flat_map(|(source, text)| [*source, *text]).collect();
        let embedder = &mut self.embedder;
        let states = distinct(&all, |texts| {
            let prepared: Vec<String> = texts.iter().map(|text| prepared(text, *prefix_blank)).collect();
            let prepared: Vec<&str> = prepared.iter().map(String::as_str).collect();
            let embedded = embedder.embed(&prepared, *layer)?;
            let weighted = embedded.iter().map(|embedded| Weighted::new(embedded, idf.as_ref()));
            Ok(weighted.map(std::rc::Rc::new).collect())
        })?;
        let one = |both: &[std::rc::Rc<Option<Weighted>>]| {
            let (source, text) = ((*both[0]).as_ref()?, (*both[1]).as_ref()?);
            let scores = scores(source, text);
            Some(baseline.map_or(scores, |baseline| scores.rescaled(baseline)))
        };
        Ok(states.chunks_exact(2).map(one).collect())
    }
}

/// What is given to the tokenizer.
fn prepared(text: &str, prefix_blank: bool) -> String {
    let text = text.trim();
    if prefix_blank && !text.is_empty() {
        format!(" {text}")
    } else {
        text.to_owned()
    }
}

impl TextScorer for BertScore {
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
        let asked: Vec<(&str, &str)> = pairs.iter().map(|pair| (pair.source, pair.text)).collect();
        let inputs = asked.iter().collect::<std::collections::BTreeSet<_>>().len();
        let mut share = Share::new(pairs.len(), inputs, progress);
        let scores = self.all_scores(&asked, &mut |finished| share.inputs(finished))?;
        share.finish();
        let value = self.options.value;
        let reading = |scores: Option<Scores>| {
            scores.map(|scores| Reading {
                score: scores.value(value),
                parts: Vec::new(),
            })
        };
        Ok(scores.into_iter().map(reading).collect())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn embedded(ids: &[u32], special: &[bool], states: &[[f32; 2]]) -> Embedded {
        Embedded {
            ids: ids.to_vec(),
            special: special.to_vec(),
            states: states.concat(),
            hidden: 2,
        }
    }

    /// Source: special, (1, 0), (0, 1). Text: special, (3, 4), (0, 2).
    fn both(idf: Option<&Idf>) -> (Weighted, Weighted) {
        let marks = [true, false, false];
        let source = embedded(&[0, 1, 2], &marks, &[[-1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]);
        let text = embedded(&[0, 3, 2], &marks, &[[1.0, 0.0], [3.0, 4.0], [0.0, 2.0]]);
        (Weighted::new(&source, idf).unwrap(), Weighted::new(&text, idf).unwrap())
    }

    #[test]
    fn greedy_matching_by_hand() {
        let (source, text) = both(None);
        let found = scores(&source, &text);
        // Text: (0.6, 0.8) is nearest to (0, 1): 0.8; (0, 1) to itself: 1.
        assert!((found.precision - 0.9).abs() < 1e-12);
        // Source: (1, 0) is nearest to the special token (1, 0): 1; (0, 1): 1.
        assert!((found.recall - 1.0).abs() < 1e-12);
        assert!((found.f1 - 2.0 * 0.9 / 1.9).abs() < 1e-12);
        let rescaled = found.rescaled([0.8, 0.5, 0.0]);
        assert!((rescaled.precision - 0.5).abs() < 1e-12 && (rescaled.recall - 1.0).abs() < 1e-12);
    }

    #[test]
    fn weights_by_hand() {
        // Token 0 in all of 3 documents, 2 in two, 3 in none.
        let idf = Idf::new([[0, 1, 2].as_slice(), &[0, 2, 2], &[0]]);
        assert!(idf.weight(0).abs() < 1e-15);
        assert!((idf.weight(2) - (4.0_f64 / 3.0).ln()).abs() < 1e-15);
        assert!((idf.weight(3) - 4.0_f64.ln()).abs() < 1e-15);
        let (source, text) = both(Some(&idf));
        let (w3, w2) = (4.0_f64.ln(), (4.0_f64 / 3.0).ln());
        let expected = (w3 * 0.8 + w2) / (w3 + w2);
        assert!((scores(&source, &text).precision - expected).abs() < 1e-12);
    }

    #[test]
    fn a_text_without_tokens_has_no_states() {
        let empty = embedded(&[0, 9], &[true, true], &[[1.0, 0.0], [1.0, 0.0]]);
        assert_eq!(Weighted::new(&empty, None), None);
        // Every token in every document: nothing has weight.
        let known = embedded(&[0, 1], &[true, false], &[[1.0, 0.0], [1.0, 0.0]]);
        assert_eq!(Weighted::new(&known, Some(&Idf::new([[0, 1].as_slice()]))), None);
        assert_eq!(prepared("\n a b ", true), " a b");
        assert_eq!(prepared(" ", true), "");
    }
}
