//! ROUGE: overlap of n-grams and longest common subsequences with a reference.
//!
//! Source: C.-Y. Lin, *ROUGE: a package for automatic evaluation of summaries* (2004); equal to rouge-score 0.1.2, whose
//! choices are: words are runs of `[a-z0-9]` of the lower-cased text, words of more than three letters are stemmed if asked
//! for, F1 is unweighted, `rougeLsum` splits at line breaks and counts each word at most as often as either text has it.

use std::collections::{BTreeMap, BTreeSet};

use crate::porter;
use crate::value::{Aspect, Definition, Direction};

pub use crate::classification::PrecisionRecallF1;

/// F1 of single words.
pub const ROUGE_1: Definition = utility("rouge_1");
/// F1 of pairs of words.
pub const ROUGE_2: Definition = utility("rouge_2");
/// F1 of the longest common subsequence.
pub const ROUGE_L: Definition = utility("rouge_l");
/// F1 of the union of the lines' longest common subsequences.
pub const ROUGE_LSUM: Definition = utility("rouge_lsum");
/// As [`ROUGE_L`], of the answers that are not empty: what the reference experiment (arXiv:2607.01444) measures, which asks
/// again until something is said. Here nothing is asked twice, and how many are left out is the rate of empty answers.
pub const ROUGE_L_OF_REPLIES: Definition = utility("rouge_l_paper");

const fn utility(name: &'static str) -> Definition {
    Definition::new(name, "fraction", Direction::HigherIsBetter, Aspect::Utility)
}

/// Whether words are reduced to their stems first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stemmer {
    /// Words as they are.
    None,
    /// [`porter::stem`] for words of more than three letters.
    Porter,
}

/// ROUGE-N with `n = 1`.
#[must_use]
pub fn rouge_1(prediction: &str, reference: &str, stemmer: Stemmer) -> PrecisionRecallF1 {
    rouge_n(prediction, reference, 1, stemmer)
}

/// ROUGE-N with `n = 2`.
#[must_use]
pub fn rouge_2(prediction: &str, reference: &str, stemmer: Stemmer) -> PrecisionRecallF1 {
    rouge_n(prediction, reference, 2, stemmer)
}

/// Overlap of the bags of n-grams. All 0 where either text has none.
#[must_use]
pub fn rouge_n(prediction: &str, reference: &str, n: usize, stemmer: Stemmer) -> PrecisionRecallF1 {
    let (prediction, reference) = (tokens(prediction, stemmer), tokens(reference, stemmer));
    let (said, wanted) = (ngrams(&prediction, n), ngrams(&reference, n));
    let common: usize = wanted
        .iter()
        .map(|(ngram, count)| *count.min(said.get(ngram).unwrap_or(&0)))
        .sum();
    score(common, said.values().sum(), wanted.values().sum())
}

/// Longest common subsequence of the two texts. All 0 where either has no word.
#[must_use]
pub fn rouge_l(prediction: &str, reference: &str, stemmer: Stemmer) -> PrecisionRecallF1 {
    let (prediction, reference) = (tokens(prediction, stemmer), tokens(reference, stemmer));
    let table = lcs_table(&reference, &prediction);
    score(
        table[reference.len()][prediction.len()],
        prediction.len(),
        reference.len(),
    )
}

/// Summary-level longest common subsequence: per line of the reference, the union of its longest common subsequences with
/// each line of the prediction.
#[must_use]
pub fn rouge_lsum(prediction: &str, reference: &str, stemmer: Stemmer) -> PrecisionRecallF1 {
    let lines = |text: &str| -> Vec<Vec<String>> { text.split('\n').map(|line| tokens(line, stemmer)).collect() };
    let (prediction, reference) = (lines(prediction), lines(reference));
    let (mut said, mut wanted) = (counts(&prediction), counts(&reference));
    let totals = (said.values().sum(), wanted.values().sum());
    let mut hits = 0;
    for line in &reference {
        let union: BTreeSet<usize> = prediction
            .iter()
            .flat_map(|other| common_positions(line, other))
            .collect();
        for position in union {
            let word = line[position].as_str();
            if let (Some(left), Some(right)) = (said.get_mut(word), wanted.get_mut(word))
                && *left > 0
                && *right > 0
            {
                *left -= 1;
                *right -= 1;
                hits += 1;
            }
        }
    }
    score(hits, totals.0, totals.1)
}

/// The value of the reference with the highest F1, the first of equals; `None` without a reference.
#[must_use]
pub fn best<S: AsRef<str>>(
    prediction: &str,
    references: &[S],
    metric: impl Fn(&str, &str) -> PrecisionRecallF1,
) -> Option<PrecisionRecallF1> {
    let mut best: Option<PrecisionRecallF1> = None;
    for reference in references {
        let value = metric(prediction, reference.as_ref());
        if best.is_none_or(|best| value.f1 > best.f1) {
            best = Some(value);
        }
    }
    best
}

/// The words ROUGE compares.
#[must_use]
pub fn tokens(text: &str, stemmer: Stemmer) -> Vec<String> {
    text.to_lowercase()
        .split(|c: char| !c.is_ascii_lowercase() && !c.is_ascii_digit())
        .filter(|word| !word.is_empty())
        .map(|word| match stemmer {
            Stemmer::Porter if word.len() > 3 => porter::stem(word),
            _ => word.to_owned(),
        })
        .collect()
}

fn ngrams(tokens: &[String], n: usize) -> BTreeMap<&[String], usize> {
    let mut counts = BTreeMap::new();
    if n > 0 {
        for ngram in tokens.windows(n) {
            *counts.entry(ngram).or_default() += 1;
        }
    }
    counts
}

fn counts(lines: &[Vec<String>]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for word in lines.iter().flatten() {
        *counts.entry(word.clone()).or_default() += 1;
    }
    counts
}

fn score(common: usize, said: usize, wanted: usize) -> PrecisionRecallF1 {
    if said == 0 || wanted == 0 {
        return PrecisionRecallF1::default();
    }
    PrecisionRecallF1::new(common as f64 / said as f64, common as f64 / wanted as f64)
}

/// `table[i][j]`: length of the longest common subsequence of the first `i` and the first `j` words.
fn lcs_table(reference: &[String], prediction: &[String]) -> Vec<Vec<usize>> {
    let mut table = vec![vec![0; prediction.len() + 1]; reference.len() + 1];
    for (i, wanted) in reference.iter().enumerate() {
        for (j, said) in prediction.iter().enumerate() {
            table[i + 1][j + 1] = if wanted == said {
                table[i][j] + 1
            } else {
                table[i][j + 1].max(table[i + 1][j])
            };
        }
    }
    table
}

/// Positions in the reference line of one longest common subsequence: read from the end, and where both ways are equally
/// long, the reference's word is left out.
fn common_positions(reference: &[String], prediction: &[String]) -> Vec<usize> {
    let table = lcs_table(reference, prediction);
    let (mut i, mut j) = (reference.len(), prediction.len());
    let mut positions = Vec::new();
    while i > 0 && j > 0 {
        if reference[i - 1] == prediction[j - 1] {
            positions.push(i - 1);
            i -= 1;
            j -= 1;
        } else if table[i][j - 1] > table[i - 1][j] {
            j -= 1;
        } else {
            i -= 1;
        }
    }
    positions
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn f1(value: PrecisionRecallF1) -> f64 {
        value.f1
    }

    #[test]
    fn by_hand() {
        let (said, wanted) = ("a small mill", "the small old mill");
        // 2 words of 3 said, of 4 wanted; no pair in common; "small … mill" in order.
        let one = rouge_1(said, wanted, Stemmer::None);
        assert!((one.precision - 2.0 / 3.0).abs() < 1e-15 && (one.recall - 0.5).abs() < 1e-15);
        assert!(f1(rouge_2(said, wanted, Stemmer::None)).abs() < 1e-15);
        assert_eq!(rouge_l(said, wanted, Stemmer::None), one);
    }

    #[test]
    fn order_matters_to_l_only() {
        let (said, wanted) = ("mill river bridge", "bridge river mill");
        assert!((f1(rouge_1(said, wanted, Stemmer::None)) - 1.0).abs() < 1e-15);
        assert!((f1(rouge_l(said, wanted, Stemmer::None)) - 1.0 / 3.0).abs() < 1e-15);
    }

    #[test]
    fn lines_may_come_in_another_order_in_lsum() {
        let (said, wanted) = ("first thing\nsecond thing", "second thing\nfirst thing");
        assert!((f1(rouge_lsum(said, wanted, Stemmer::None)) - 1.0).abs() < 1e-15);
        assert!(f1(rouge_l(said, wanted, Stemmer::None)) < 1.0);
    }

    #[test]
    fn stems_match_where_words_do_not() {
        assert!(f1(rouge_1("running", "runs", Stemmer::None)).abs() < 1e-15);
        assert!((f1(rouge_1("running", "runs", Stemmer::Porter)) - 1.0).abs() < 1e-15);
        // Three letters are left alone.
        assert_eq!(tokens("Was, flies", Stemmer::Porter), ["was", "fli"]);
    }

    #[test]
    fn nothing_said_scores_nothing() {
        for metric in [rouge_1, rouge_2, rouge_l, rouge_lsum] {
            assert_eq!(metric("", "x", Stemmer::None), PrecisionRecallF1::default());
            assert_eq!(metric("", "", Stemmer::None), PrecisionRecallF1::default());
        }
        let best = best("b", &["a", "b"], |p, r| rouge_1(p, r, Stemmer::None));
        assert!((best.unwrap().f1 - 1.0).abs() < 1e-15);
    }
}
