//! chrF and chrF++: F-score of character (and word) n-grams, on the scale 0–100.
//!
//! Source: Popović 2015 and 2017; equal to sacreBLEU 2.6 without its ε smoothing: precision and recall are averaged over
//! the orders that both texts have, then combined with β.

use std::collections::BTreeMap;

use crate::error::{MetricError, Result, not_empty, same_length};
use crate::text;
use crate::value::{Aspect, Definition, Direction};

/// chrF.
pub const CHRF: Definition = Definition::new("chrf", "points", Direction::HigherIsBetter, Aspect::Utility);
/// chrF++.
pub const CHRF_PLUS_PLUS: Definition =
    Definition::new("chrf_plus_plus", "points", Direction::HigherIsBetter, Aspect::Utility);

/// How chrF is computed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    /// Longest character n-gram.
    pub character_order: usize,
    /// Longest word n-gram; 0 is chrF, 2 is chrF++.
    pub word_order: usize,
    /// Recall counts β² times as much as precision.
    pub beta: f64,
    /// Compare lower-cased texts.
    pub lowercase: bool,
    /// Count white space as characters.
    pub whitespace: bool,
}

impl Default for Options {
    /// chrF: characters to order 6, β = 2, case kept.
    fn default() -> Self {
        Self {
            character_order: 6,
            word_order: 0,
            beta: 2.0,
            lowercase: false,
            whitespace: false,
        }
    }
}

impl Options {
    /// chrF++: chrF with words to order 2.
    #[must_use]
    pub fn plus_plus() -> Self {
        Self {
            word_order: 2,
            ..Self::default()
        }
    }
}

/// n-grams per order, characters first: predicted, in the reference, in both. Sums give the chrF of any set of segments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counts(pub Vec<[usize; 3]>);

/// chrF of one prediction against its references: that of the best reference.
///
/// # Errors
/// If there is no reference.
pub fn sentence<S: AsRef<str>>(prediction: &str, references: &[S], options: &Options) -> Result<f64> {
    Ok(score(&counts(prediction, references, options)?, options))
}

/// chrF of a corpus, from the summed counts of its segments. `references[i]` are those of `predictions[i]`.
///
/// # Errors
/// If there is nothing to score, the lists differ in length, or a prediction has no reference.
pub fn corpus<P: AsRef<str>, S: AsRef<str>>(
    predictions: &[P],
    references: &[Vec<S>],
    options: &Options,
) -> Result<f64> {
    not_empty("chrF", predictions)?;
    same_length("chrF", "reference sets", references.len(), predictions.len())?;
    let segments = predictions
        .iter()
        .zip(references)
        .map(|(prediction, references)| counts(prediction.as_ref(), references, options))
        .collect::<Result<Vec<_>>>()?;
    Ok(score(&sum(&segments)?, options))
}

/// The counts of one segment against its best reference, the first of equals.
///
/// # Errors
/// If there is no reference.
pub fn counts<S: AsRef<str>>(prediction: &str, references: &[S], options: &Options) -> Result<Counts> {
    let said = ngrams(prediction, options);
    let mut best: Option<(f64, Counts)> = None;
    for reference in references {
        let wanted = ngrams(reference.as_ref(), options);
        let counts = Counts(said.iter().zip(&wanted).map(overlap).collect());
        let value = score(&counts, options);
        if best.as_ref().is_none_or(|(highest, _)| value > *highest) {
            best = Some((value, counts));
        }
    }
    best.map(|(_, counts)| counts).ok_or_else(|| MetricError::Undefined {
        metric: "chrF",
        reason: "a prediction without a reference".into(),
    })
}

/// The counts of several segments together.
///
/// # Errors
/// If there is none, or they were made with different orders.
pub fn sum<'a>(segments: impl IntoIterator<Item = &'a Counts>) -> Result<Counts> {
    let mut segments = segments.into_iter();
    let mut total = segments.next().ok_or(MetricError::Empty { metric: "chrF" })?.clone();
    for segment in segments {
        same_length("chrF", "orders", segment.0.len(), total.0.len())?;
        for (sum, counts) in total.0.iter_mut().zip(&segment.0) {
            for (sum, count) in sum.iter_mut().zip(counts) {
                *sum += count;
            }
        }
    }
    Ok(total)
}

/// chrF from counts; 0 where no order is in both texts or nothing matches.
#[must_use]
pub fn score(counts: &Counts, options: &Options) -> f64 {
    let (mut precision, mut recall, mut orders) = (0.0, 0.0, 0.0);
    for &[said, wanted, common] in &counts.0 {
        if said > 0 && wanted > 0 {
            precision += common as f64 / said as f64;
            recall += common as f64 / wanted as f64;
            orders += 1.0;
        }
    }
    if precision + recall == 0.0 {
        return 0.0;
    }
    let (precision, recall) = (precision / orders, recall / orders);
    let factor = options.beta * options.beta;
    100.0 * (1.0 + factor) * precision * recall / (factor * precision + recall)
}

type Ngrams = BTreeMap<Vec<String>, usize>;

fn overlap((said, wanted): (&Ngrams, &Ngrams)) -> [usize; 3] {
    // Predicted n-grams of an order that the reference has none of do not count.
    let predicted = if wanted.is_empty() { 0 } else { said.values().sum() };
    let common = said
        .iter()
        .map(|(ngram, count)| *count.min(wanted.get(ngram).unwrap_or(&0)))
        .sum();
    [predicted, wanted.values().sum(), common]
}

fn ngrams(text: &str, options: &Options) -> Vec<Ngrams> {
    let text = if options.lowercase {
        text.to_lowercase()
    } else {
        text.to_owned()
    };
    let characters: Vec<String> = text
        .chars()
        .filter(|&c| options.whitespace || !text::is_space(c))
        .map(String::from)
        .collect();
    let words = words(&text);
    let of = |tokens: &[String], order: usize| -> Vec<Ngrams> {
        (1..=order)
            .map(|n| {
                let mut counts = Ngrams::new();
                for ngram in tokens.windows(n) {
                    *counts.entry(ngram.to_vec()).or_default() += 1;
                }
                counts
            })
            .collect()
    };
    let mut all = of(&characters, options.character_order);
    all.extend(of(&words, options.word_order));
    all
}

/// Words with one ASCII punctuation mark split off: the last character if it is one, else the first.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    for word in text::words(text) {
        let mut characters = word.chars();
        let (first, last) = (characters.next(), characters.next_back());
        match (first, last) {
            (Some(_), Some(last)) if last.is_ascii_punctuation() => {
                words.push(word[..word.len() - 1].to_owned());
                words.push(last.to_string());
            }
            (Some(first), Some(_)) if first.is_ascii_punctuation() => {
                words.push(first.to_string());
                words.push(word[1..].to_owned());
            }
            _ => words.push(word.to_owned()),
        }
    }
    words
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn by_hand() {
        // Characters: 2 of 3 in common both ways; pairs "ab" of 2 and 2; triples none of 1 and 1.
        let value = sentence("abc", &["abd"], &Options::default()).unwrap();
        assert!((value - 100.0 * (2.0 / 3.0 + 0.5) / 3.0).abs() < 1e-9);
        assert_eq!(words("(hi) don't x."), ["(hi", ")", "don't", "x", "."]);
    }

    #[test]
    fn white_space_does_not_matter_to_characters() {
        let options = Options::default();
        let value = sentence("a bc\nd", &["ab cd"], &options).unwrap();
        assert!((value - 100.0).abs() < 1e-9);
        assert!(sentence("a bc", &["ab c"], &Options::plus_plus()).unwrap() < 100.0);
        assert!(sentence("", &["x"], &options).unwrap().abs() < 1e-15);
    }

    #[test]
    fn order_of_segments_does_not_matter_and_the_best_reference_counts() {
        let options = Options::plus_plus();
        let one = corpus(&["mill", "oak"], &[vec!["mile"], vec!["oak"]], &options).unwrap();
        let two = corpus(&["oak", "mill"], &[vec!["oak"], vec!["mile"]], &options).unwrap();
        assert!((one - two).abs() < 1e-12 && (0.0..=100.0).contains(&one));
        let best = sentence("oak", &["elm", "oak"], &options).unwrap();
        assert!((best - 100.0).abs() < 1e-9);
        assert!(sentence::<&str>("oak", &[], &options).is_err());
    }
}
