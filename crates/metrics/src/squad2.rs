//! `SQuAD` 2.0: answers of which some must be left out.
//!
//! Source: Rajpurkar et al. 2018, <https://arxiv.org/abs/1806.03822>, and the authors' `evaluate-v2.0.py`. An answer is compared with every
//! reference that does not normalise to nothing; a question without such a reference is answered rightly by nothing at all. The
//! *best* values are those at the threshold of no-answer probability that suits the questions best: every answer at or below it is kept,
//! the others count as no answer. All values are shares from 0 to 1; the authors' program prints 100 times as much.

use crate::exact_match::{self, normalise};
use crate::value::{Aspect, Definition, Direction};

const fn share(name: &'static str, aspect: Aspect) -> Definition {
    Definition::new(name, "fraction", Direction::HigherIsBetter, aspect)
}

/// Share of answers that are exactly right, `exact` of the authors.
pub const SQUAD2_EXACT: Definition = share("squad2_exact", Aspect::Utility);
/// Mean F1 of tokens, `f1` of the authors.
pub const SQUAD2_F1: Definition = share("squad2_f1", Aspect::Utility);
/// [`SQUAD2_EXACT`] of questions that have an answer.
pub const SQUAD2_HAS_ANSWER_EXACT: Definition = share("squad2_has_answer_exact", Aspect::Utility);
/// [`SQUAD2_F1`] of questions that have an answer.
pub const SQUAD2_HAS_ANSWER_F1: Definition = share("squad2_has_answer_f1", Aspect::Utility);
/// [`SQUAD2_EXACT`] of questions that have none. Their F1 is the same number.
pub const SQUAD2_NO_ANSWER_EXACT: Definition = share("squad2_no_answer_exact", Aspect::Reliability);
/// [`SQUAD2_EXACT`] at its best threshold.
pub const SQUAD2_BEST_EXACT: Definition = share("squad2_best_exact", Aspect::Utility);
/// [`SQUAD2_F1`] at its best threshold.
pub const SQUAD2_BEST_F1: Definition = share("squad2_best_f1", Aspect::Utility);

/// References that count: those that do not normalise to nothing.
fn counting<S: AsRef<str>>(references: &[S]) -> Vec<&str> {
    let texts = references.iter().map(AsRef::as_ref);
    texts.filter(|reference| !normalise(reference).is_empty()).collect()
}

/// Whether the answer equals a reference after normalisation; without references, whether it is nothing.
#[must_use]
pub fn exact<S: AsRef<str>>(prediction: &str, references: &[S]) -> bool {
    let said = normalise(prediction);
    let references = counting(references);
    if references.is_empty() {
        return said.is_empty();
    }
    references.iter().any(|reference| normalise(reference) == said)
}

/// F1 of tokens with the best reference; without references, 1 for nothing and 0 for anything else.
#[must_use]
pub fn f1<S: AsRef<str>>(prediction: &str, references: &[S]) -> f64 {
    let references = counting(references);
    if references.is_empty() {
        return f64::from(u8::from(normalise(prediction).is_empty()));
    }
    exact_match::best(prediction, &references, exact_match::token_f1).unwrap_or(0.0)
}

/// One answered question, as the choice of a threshold sees it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scored {
    /// [`exact`] or [`f1`] of the answer as given.
    pub score: f64,
    /// Probability that there is no answer.
    pub no_answer_probability: f64,
    /// Whether there is an answer.
    pub answerable: bool,
    /// Whether anything was said, even if it normalises to nothing.
    pub said_something: bool,
}

/// The mean score at the threshold where it is largest; `None` for no questions. Equal probabilities are taken in the order given.
#[must_use]
pub fn best(answers: &[Scored]) -> Option<f64> {
    if answers.is_empty() {
        return None;
    }
    let mut order: Vec<&Scored> = answers.iter().collect();
    order.sort_by(|a, b| a.no_answer_probability.total_cmp(&b.no_answer_probability));
    // With a threshold below all of them nothing is answered: right wherever there is no answer.
    let mut current = answers.iter().filter(|answer| !answer.answerable).count() as f64;
    let mut largest = current;
    for answer in order {
        current += match (answer.answerable, answer.said_something) {
            (true, _) => answer.score,
            (false, true) => -1.0,
            (false, false) => 0.0,
        };
        largest = largest.max(current);
    }
    Some(largest / answers.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_right_where_there_is_no_answer() {
        let none: [&str; 0] = [];
        assert!(exact("", &none) && exact(" The.", &none) && !exact("unanswerable", &none));
        assert_eq!((f1("", &none), f1("x", &none)), (1.0, 0.0));
        assert!(exact("the Otter!", &["beaver", "otter"]) && !exact("", &["otter"]));
        assert!((f1("red fox", &["red red fox", "dog"]) - 0.8).abs() < 1e-15);
        // References that normalise to nothing do not count.
        assert!(exact("otter", &["the", "otter"]) && !exact("", &["the", "otter"]));
        assert!(exact("", &["the"]));
    }

    fn scored(score: f64, no_answer_probability: f64, answerable: bool) -> Scored {
        Scored {
            score,
            no_answer_probability,
            answerable,
            said_something: true,
        }
    }

    #[test]
    fn the_best_threshold_by_hand() {
        // Two unanswerable: 2. Then +1 (3), −1 (2), +0.5 (2.5), −1 (1.5): the best is 3 of 4.
        let answers = [
            scored(1.0, 0.1, true),
            scored(0.0, 0.2, false),
            scored(0.5, 0.3, true),
            scored(0.0, 0.9, false),
        ];
        assert_eq!(best(&answers), Some(0.75));
        assert_eq!(best(&[]), None);
        let silent = Scored {
            said_something: false,
            ..scored(1.0, 0.0, false)
        };
        assert_eq!(best(&[silent]), Some(1.0));
    }
}
