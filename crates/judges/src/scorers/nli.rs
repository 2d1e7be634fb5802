//! Probabilities of entailment, neutral and contradiction of many pairs, equal pairs computed once.
//!
//! The score of the kind `nli` is p(entailment) of a whole text given its source: range 0 to 1, higher is better, one pass per text.
//! Long sources are cut by the tokenizer, so that it says little of a document beyond the model's length, and a text of several
//! sentences is entailed only as a whole: the kinds that split both do better on summaries.

use std::collections::BTreeMap;

use secateur_metrics::value::Definition;

use super::labels::NliLabels;
use super::progress::Share;
use crate::error::JudgeError;
use crate::scorer::{Pair, PairClassifier, Reading, TextScorer};

/// Softmax over all classes, by role.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Relation {
    /// p(the first text implies the second).
    pub entailment: f64,
    /// p(neither); 0 for a model without such a class.
    pub neutral: f64,
    /// p(the second contradicts the first); 0 for a model without such a class.
    pub contradiction: f64,
}

/// A classifier whose classes have roles.
pub struct Nli {
    classifier: Box<dyn PairClassifier>,
    labels: NliLabels,
    definition: Definition,
    identity: String,
}

impl Nli {
    /// `labels` as [`super::labels::nli_labels`] finds them; `definition` and `identity` for its use as [`TextScorer`].
    #[must_use]
    pub fn new(
        classifier: Box<dyn PairClassifier>,
        labels: NliLabels,
        definition: Definition,
        identity: String,
    ) -> Self {
        Self {
            classifier,
            labels,
            definition,
            identity,
        }
    }

    /// The roles of the classes.
    #[must_use]
    pub fn labels(&self) -> NliLabels {
        self.labels
    }

    /// SHA-256 over weights, config and tokenizer, hexadecimal.
    #[must_use]
    pub fn sha256(&self) -> &str {
        self.classifier.sha256()
    }

    /// The relation of the second text to the first, for every pair, in order. `progress` counts distinct pairs.
    ///
    /// # Errors
    /// If the model fails.
    pub fn relations(
        &mut self,
        pairs: &[(&str, &str)],
        progress: &mut dyn FnMut(usize),
    ) -> Result<Vec<Relation>, JudgeError> {
        let (entailment, neutral, contradiction) =
            (self.labels.entailment, self.labels.neutral, self.labels.contradiction);
        let logits = distinct(pairs, |pairs| self.classifier.logits(pairs, progress))?;
        let relation = |logits: &Vec<f32>| {
            let p = softmax(logits);
            Relation {
                entailment: p[entailment],
                neutral: neutral.map_or(0.0, |at| p[at]),
                contradiction: contradiction.map_or(0.0, |at| p[at]),
            }
        };
        Ok(logits.iter().map(relation).collect())
    }
}

impl std::fmt::Debug for Nli {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Nli")
            .field("labels", &self.labels)
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

impl TextScorer for Nli {
    fn definition(&self) -> Definition {
        self.definition
    }

    fn identity(&self) -> String {
        self.identity.clone()
    }

    fn score(
        &mut self,
        pairs: &[Pair<'_>],
        progress: &mut dyn FnMut(usize),
    ) -> Result<Vec<Option<Reading>>, JudgeError> {
        let asked: Vec<(&str, &str)> = pairs.iter().map(|pair| (pair.source, pair.text)).collect();
        let scored = |pair: &(&str, &str)| !pair.0.trim().is_empty() && !pair.1.trim().is_empty();
        let wanted: Vec<(&str, &str)> = asked.iter().copied().filter(scored).collect();
        let mut share = Share::new(pairs.len(), wanted.len(), progress);
        let mut relations = self.relations(&wanted, &mut |n| share.inputs(n))?.into_iter();
        share.finish();
        let reading = |relation: Relation| Reading {
            score: relation.entailment,
            parts: Vec::new(),
        };
        let readings = asked.iter().map(|pair| {
            let relation = if scored(pair) { relations.next() } else { None };
            relation.map(reading)
        });
        Ok(readings.collect())
    }
}

/// Asks for distinct inputs only, and hands the answers back in the order of all.
pub(super) fn distinct<T: Ord + Copy, A: Clone>(
    all: &[T],
    ask: impl FnOnce(&[T]) -> Result<Vec<A>, JudgeError>,
) -> Result<Vec<A>, JudgeError> {
    let mut places: BTreeMap<T, usize> = BTreeMap::new();
    let mut firsts = Vec::new();
    let mut place_of = Vec::with_capacity(all.len());
    for &input in all {
        let place = *places.entry(input).or_insert_with(|| {
            firsts.push(input);
            firsts.len() - 1
        });
        place_of.push(place);
    }
    let answers = if firsts.is_empty() { Vec::new() } else { ask(&firsts)? };
    Ok(place_of.into_iter().map(|place| answers[place].clone()).collect())
}

/// Probabilities of classes, in f64.
#[must_use]
pub fn softmax(logits: &[f32]) -> Vec<f64> {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f64> = logits
        .iter()
        .map(|&logit| (f64::from(logit) - f64::from(largest)).exp())
        .collect();
    let sum: f64 = powers.iter().sum();
    powers.iter().map(|power| power / sum).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn softmax_by_hand() {
        let p = softmax(&[0.0, 2.0_f32.ln(), 5.0_f32.ln()]);
        for (ours, expected) in p.iter().zip([0.125, 0.25, 0.625]) {
            assert!((ours - expected).abs() < 1e-7);
        }
        assert_eq!(softmax(&[1000.0, 1000.0]), [0.5, 0.5]);
    }

    #[test]
    fn equal_inputs_are_asked_once() {
        let mut seen = Vec::new();
        let answers = distinct(&["b", "a", "b", "c"], |asked| {
            seen = asked.to_vec();
            Ok(asked.iter().map(|text| format!("{text}!")).collect())
        });
        assert_eq!(answers.unwrap(), ["b!", "a!", "b!", "c!"]);
        assert_eq!(seen, ["b", "a", "c"]);
    }
}
