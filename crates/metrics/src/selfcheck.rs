//! Is an answer borne out by what the model says when it is asked again?
//!
//! Source: Manakul, Liusie & Gales 2023 (`SelfCheckGPT`), <https://arxiv.org/abs/2303.08896>. The answer `r` has sentences
//! `r_j`, the samples are `s_1 … s_N`; higher is worse, sentence by sentence.
//!
//! ```text
//! n-gram     p(g) = (n(g) + k) / (N_g + k·V), counted on the answer and all samples
//!            mean: 1/J · Σ_t − ln p(g_t)      max: max_t − ln p(g_t)
//! overlap    1 − 1/N · Σ_n max_k F1(r_j, s_n,k)                (the form of SelfCheck-BERTScore, with F1 of the words)
//! NLI        1/N · Σ_n p(contradiction | s_n, r_j)
//! ```
//!
//! As in the authors' code, an n-gram ends at each word and begins with `n − 1` marks before a sentence, its probability is
//! joint and not conditional, and `V` is the number of different n-grams and one for all others. The code smooths with k =
//! 0, the paper's equation with none; [`ngram`] takes k, and the evaluation uses 1. Words come from [`words`] and not from
//! spaCy. Of a whole answer, the mean is over all its words, the largest value over its sentences, as there.

use std::collections::BTreeMap;

use crate::error::{MetricError, Result, not_empty};
use crate::text::{Pattern, pattern};
use crate::value::{Aspect, Definition, Direction};

const fn separation(name: &'static str) -> Definition {
    Definition::new(name, "fraction", Direction::HigherIsBetter, Aspect::Reliability)
}

/// AUROC of the mean unigram score for answers that are not right.
pub const SELFCHECK_UNIGRAM_AUROC: Definition = separation("selfcheck_unigram_auroc");
/// The same of the largest unigram score.
pub const SELFCHECK_UNIGRAM_MAX_AUROC: Definition = separation("selfcheck_unigram_max_auroc");
/// The same of the overlap score.
pub const SELFCHECK_OVERLAP_AUROC: Definition = separation("selfcheck_overlap_auroc");

/// A run of letters and numbers, or any other mark that is no white space.
static WORD: Pattern = Pattern::new(|| pattern(r"[\p{L}\p{M}\p{N}_]+|[^\s\p{L}\p{M}\p{N}_]"));

/// What stands before a sentence; no word, since words have no blanks.
const BEFORE: &str = " ";

/// Words and marks in lower case.
#[must_use]
pub fn words(text: &str) -> Vec<String> {
    WORD.find_iter(text).map(|word| word.as_str().to_lowercase()).collect()
}

/// n-gram scores of an answer, nats.
#[derive(Debug, Clone, PartialEq)]
pub struct NgramScores {
    /// Mean − ln p of each sentence.
    pub sentence_means: Vec<f64>,
    /// Largest − ln p of each sentence.
    pub sentence_largest: Vec<f64>,
    /// Mean − ln p over all words of the answer.
    pub mean: f64,
    /// Mean over sentences of the largest.
    pub largest: f64,
}

/// n-gram scores of an answer. `answer` and `samples` are sentences of words; sentences without words count for nothing.
///
/// # Errors
/// If the answer has no word, `n` is 0, or `k` is negative or not finite.
pub fn ngram(answer: &[Vec<String>], samples: &[Vec<String>], n: usize, k: f64) -> Result<NgramScores> {
    let metric = "SelfCheck n-gram";
    let option = |option, found: String, expected| MetricError::Option {
        metric,
        option,
        found,
        expected,
    };
    if n == 0 {
        return Err(option("n", n.to_string(), "at least 1"));
    }
    if !(k.is_finite() && k >= 0.0) {
        return Err(option("k", k.to_string(), "at least 0"));
    }
    let sentences: Vec<&Vec<String>> = answer.iter().filter(|sentence| !sentence.is_empty()).collect();
    not_empty(metric, &sentences)?;
    let mut counts: BTreeMap<Vec<&str>, f64> = BTreeMap::new();
    let mut total = 0.0;
    for sentence in answer.iter().chain(samples) {
        for gram in grams(sentence, n) {
            *counts.entry(gram).or_default() += 1.0;
            total += 1.0;
        }
    }
    let denominator = total + k * (counts.len() + 1) as f64;
    // Every n-gram of the answer has been counted.
    let surprise = |gram: Vec<&str>| -((counts.get(&gram).copied().unwrap_or(0.0) + k) / denominator).ln();
    let values: Vec<Vec<f64>> = sentences
        .iter()
        .map(|sentence| grams(sentence, n).into_iter().map(surprise).collect())
        .collect();
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let sentence_largest: Vec<f64> = values.iter().map(|values| largest(values)).collect();
    Ok(NgramScores {
        sentence_means: values.iter().map(|values| mean(values)).collect(),
        mean: mean(&values.concat()),
        largest: mean(&sentence_largest),
        sentence_largest,
    })
}

/// One n-gram per word, with marks before the first.
fn grams(sentence: &[String], n: usize) -> Vec<Vec<&str>> {
    let padded: Vec<&str> = std::iter::repeat_n(BEFORE, n - 1)
        .chain(sentence.iter().map(String::as_str))
        .collect();
    padded.windows(n).map(<[&str]>::to_vec).collect()
}

fn largest(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

/// 1 − the mean over samples of the best F1 of a sentence with one of theirs, for each sentence of the answer. A sample
/// without sentences bears nothing out.
///
/// # Errors
/// If there is no sentence or no sample.
pub fn overlap(answer: &[Vec<String>], samples: &[Vec<Vec<String>>]) -> Result<Vec<f64>> {
    not_empty("SelfCheck overlap", answer)?;
    not_empty("SelfCheck overlap", samples)?;
    let best = |sentence: &Vec<String>, sample: &Vec<Vec<String>>| {
        let shared = sample.iter().map(|other| bag_f1(sentence, other));
        shared.fold(0.0, f64::max)
    };
    let score = |sentence: &Vec<String>| {
        let sum: f64 = samples.iter().map(|sample| best(sentence, sample)).sum();
        1.0 - sum / samples.len() as f64
    };
    Ok(answer.iter().map(score).collect())
}

/// The mean over samples of `contradiction(sample, sentence)`, the probability that a sample contradicts a sentence, for
/// each sentence. `None` without samples.
///
/// # Errors
/// What `contradiction` fails with.
pub fn contradiction<S: AsRef<str>, E>(
    sentences: &[S],
    samples: &[S],
    mut contradiction: impl FnMut(&str, &str) -> std::result::Result<f64, E>,
) -> std::result::Result<Option<Vec<f64>>, E> {
    if samples.is_empty() {
        return Ok(None);
    }
    let mut scores = Vec::with_capacity(sentences.len());
    for sentence in sentences {
        let mut sum = 0.0;
        for sample in samples {
            sum += contradiction(sample.as_ref(), sentence.as_ref())?;
        }
        scores.push(sum / samples.len() as f64);
    }
    Ok(Some(scores))
}

/// F1 of two bags of words; 0 where they share none.
fn bag_f1(one: &[String], two: &[String]) -> f64 {
    let mut left: BTreeMap<&str, usize> = BTreeMap::new();
    for word in two {
        *left.entry(word).or_default() += 1;
    }
    let mut common = 0;
    for word in one {
        if let Some(count) = left.get_mut(word.as_str()).filter(|count| **count > 0) {
            *count -= 1;
            common += 1;
        }
    }
    if common == 0 {
        return 0.0;
    }
    2.0 * f64::from(common) / (one.len() + two.len()) as f64
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn close(left: f64, right: f64) {
        assert!((left - right).abs() < 1e-12, "{left} is not {right}");
    }

    #[test]
    fn unigrams_by_hand() {
        let (answer, samples) = ([words("a b")], [words("a a c")]);
        // Counts a 3, b 1, c 1 of 5; V is 4. With k = 1: a 4/9, b 2/9.
        let scores = ngram(&answer, &samples, 1, 1.0).unwrap();
        let (a, b) = (-(4.0_f64 / 9.0).ln(), -(2.0_f64 / 9.0).ln());
        close(scores.mean, f64::midpoint(a, b));
        close(scores.largest, b);
        // With k = 0: a 3/5, b 1/5.
        close(ngram(&answer, &samples, 1, 0.0).unwrap().largest, 5.0_f64.ln());
    }

    #[test]
    fn bigrams_begin_before_the_sentence() {
        let (answer, samples) = ([words("a b"), Vec::new()], [words("a")]);
        // ␣a 2, ab 1 of 3.
        let scores = ngram(&answer, &samples, 2, 0.0).unwrap();
        close(scores.mean, f64::midpoint(1.5_f64.ln(), 3.0_f64.ln()));
        assert_eq!(scores.sentence_means.len(), 1);
        assert!(ngram(&[Vec::new()], &samples, 1, 1.0).is_err() && ngram(&answer, &samples, 0, 1.0).is_err());
        assert!(ngram(&answer, &samples, 1, f64::NAN).is_err());
    }

    #[test]
    fn overlap_by_hand() {
        let sample = |sentences: &[&str]| sentences.iter().map(|s| words(s)).collect::<Vec<_>>();
        let samples = [sample(&["x y", "a b c"]), sample(&["a z"]), sample(&[])];
        // F1 of "a b" with "a b c" 4/5, with "a z" 1/2, with nothing 0.
        close(overlap(&[words("a b")], &samples).unwrap()[0], 1.0 - 1.3 / 3.0);
        assert!(overlap(&[words("a")], &[]).is_err());
    }

    #[test]
    fn contradictions_are_averaged_over_samples() {
        let p = |sample: &str, sentence: &str| Ok::<f64, ()>(if sample == sentence { 0.0 } else { 1.0 });
        assert_eq!(contradiction(&["a", "b"], &["a", "c"], p), Ok(Some(vec![0.5, 1.0])));
        assert_eq!(contradiction(&["a"], &[], p), Ok(None));
        assert_eq!(contradiction(&["a"], &["a"], |_, _| Err(1)), Err(1));
    }

    #[test]
    fn words_and_marks() {
        assert_eq!(words("It's 5 mg."), ["it", "'", "s", "5", "mg", "."]);
    }
}
