//! Exact match and token F1 with the normalisation of `SQuAD` v1.1 (Rajpurkar et al. 2016, the official evaluation script).

use std::collections::BTreeMap;

use crate::text::{self, Pattern};
use crate::value::{Aspect, Definition, Direction};

/// Share of answers equal to a reference after normalisation.
pub const EXACT_MATCH: Definition =
    Definition::new("exact_match", "fraction", Direction::HigherIsBetter, Aspect::Utility);
/// F1 of the bags of words.
pub const TOKEN_F1: Definition = Definition::new("token_f1", "fraction", Direction::HigherIsBetter, Aspect::Utility);

/// Share of answers equal to a reference in the form of lm-evaluation-harness's `nq_open`.
pub const EXACT_MATCH_HARNESS: Definition = Definition::new(
    "exact_match_harness",
    "fraction",
    Direction::HigherIsBetter,
    Aspect::Utility,
);

/// An article and the blank after it, at the start of a word.
static ARTICLE_AND_BLANK: Pattern = Pattern::new(|| text::pattern(r"\b(?:The |the |An |A |The |a |an )"));

/// The form in which lm-evaluation-harness 0.4.13 compares answers of `nq_open`: white space off the ends of the answer, articles with
/// the blank after them deleted, then lower case, then ASCII punctuation deleted. Inner white space stays as it is.
#[must_use]
pub fn normalise_harness(answer: &str) -> String {
    text::lower_without_punctuation(&ARTICLE_AND_BLANK.replace_all(answer, ""))
}

/// Letters, digits and underscore: what Python's `\b` takes for a word. Combining marks are not in it.
static WORD: Pattern = Pattern::new(|| text::pattern(r"[\p{L}\p{N}_]+"));

/// Lower case, ASCII punctuation deleted, the words *a*, *an* and *the* deleted, white space collapsed; in this order.
#[must_use]
pub fn normalise(answer: &str) -> String {
    let lowered = text::lower_without_punctuation(answer);
    let without_articles = WORD.replace_all(&lowered, |found: &regex::Captures<'_>| match &found[0] {
        "a" | "an" | "the" => " ".to_owned(),
        word => word.to_owned(),
    });
    text::collapse(&without_articles)
}

/// Whether the answers are equal after [`normalise`]. Two answers that normalise to nothing are equal.
#[must_use]
pub fn exact_match(prediction: &str, reference: &str) -> bool {
    normalise(prediction) == normalise(reference)
}

/// F1 of the two bags of normalised words. 0 where they have no word in common, even if both are empty.
#[must_use]
pub fn token_f1(prediction: &str, reference: &str) -> f64 {
    let (prediction, reference) = (normalise(prediction), normalise(reference));
    let mut left: BTreeMap<&str, usize> = BTreeMap::new();
    for word in text::words(&reference) {
        *left.entry(word).or_default() += 1;
    }
    let total_reference: usize = left.values().sum();
    let (mut common, mut total_prediction) = (0, 0);
    for word in text::words(&prediction) {
        total_prediction += 1;
        if let Some(count) = left.get_mut(word).filter(|count| **count > 0) {
            *count -= 1;
            common += 1;
        }
    }
    if common == 0 {
        return 0.0;
    }
    let precision = f64::from(common) / f64::from(total_prediction);
    let recall = f64::from(common) / total_reference as f64;
    2.0 * precision * recall / (precision + recall)
}

/// The best value over several references; `None` without a reference.
#[must_use]
pub fn best<S: AsRef<str>>(prediction: &str, references: &[S], metric: impl Fn(&str, &str) -> f64) -> Option<f64> {
    references
        .iter()
        .map(|reference| metric(prediction, reference.as_ref()))
        .max_by(f64::total_cmp)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normalises_in_the_documented_order() {
        assert_eq!(normalise("The theatre, an Otter & a mill."), "theatre otter mill");
        // Punctuation goes first, so that the article in "the-atre" is never seen.
        assert_eq!(normalise("the-atre a_the"), "theatre athe");
        // A combining accent ends the word before it.
        assert_eq!(normalise("a\u{301}b"), "\u{301}b");
    }

    #[test]
    fn the_harness_deletes_articles_before_it_lowers_case() {
        assert_eq!(normalise_harness("The Theatre, an Otter"), "theatre otter");
        assert_eq!(normalise_harness("THE  mill"), "the  mill");
        assert_eq!(normalise_harness("in the"), "in the");
    }

    #[test]
    fn by_hand() {
        assert!(exact_match("The river!", "river"));
        // Two of three predicted words in common with two of two: precision 2/3, recall 1.
        assert!((token_f1("red red fox", "red fox") - 0.8).abs() < 1e-15);
        assert!(token_f1("", "").abs() < 1e-15);
        assert!((token_f1("x y", "y x") - 1.0).abs() < 1e-15);
    }

    #[test]
    fn the_best_reference_counts() {
        assert_eq!(best("fox", &["dog", "the fox"], token_f1), Some(1.0));
        assert_eq!(best::<&str>("fox", &[], token_f1), None);
    }
}
