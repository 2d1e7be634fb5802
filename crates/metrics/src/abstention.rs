//! Does the model say that it does not know, and does it do so where no answer is right?

use crate::error::{Result, not_empty, same_length};
use crate::value::{Aspect, Definition, Direction};

/// Share of abstentions that are warranted.
pub const ABSTENTION_PRECISION: Definition = reliability("abstention_precision");
/// Share of unanswerable items on which the model abstains.
pub const ABSTENTION_RECALL: Definition = reliability("abstention_recall");
/// Harmonic mean of the two.
pub const ABSTENTION_F1: Definition = reliability("abstention_f1");

const fn reliability(name: &'static str) -> Definition {
    Definition::new(name, "fraction", Direction::HigherIsBetter, Aspect::Reliability)
}

/// Phrases that make an answer an abstention, in the form of [`simplify`].
pub const PHRASES: &[&str] = &[
    "i do not know",
    "i dont know",
    "i dont have enough information",
    "i do not have enough information",
    "i have no information",
    "i do not have information",
    "i dont have information",
    "i am not sure",
    "im not sure",
    "i am unsure",
    "im unsure",
    "i am not certain",
    "im not certain",
    "i am not aware of",
    "im not aware of",
    "i am unable to",
    "im unable to",
    "i cannot answer",
    "i can not answer",
    "i cant answer",
    "i cannot say",
    "i can not say",
    "i cant say",
    "i cannot determine",
    "i can not determine",
    "i cant determine",
    "cannot be answered",
    "can not be answered",
    "cant be answered",
    "cannot be determined",
    "can not be determined",
    "cant be determined",
    "unable to answer",
    "unable to determine",
    "impossible to answer",
    "impossible to say",
    "not possible to answer",
    "not possible to determine",
    "no answer is possible",
    "there is no answer",
    "there is no right answer",
    "there is no correct answer",
    "not enough information",
    "insufficient information",
    "is not known",
    "nobody knows",
    "no one knows",
    "does not exist",
    "no such",
];

/// Answers that are an abstention if they are all that is said.
pub const WHOLE_ANSWERS: &[&str] = &[
    "unknown",
    "unanswerable",
    "not known",
    "not sure",
    "unsure",
    "no idea",
    "no answer",
    "none",
    "none of the above",
    "n a",
];

/// Words of an answer in which a phrase must begin. A doubt voiced after an answer was given is no abstention.
pub const FIRST_WORDS: usize = 30;

/// Whether an answer is an abstention: in [`simplify`]'s form it is one of [`WHOLE_ANSWERS`], or one of [`PHRASES`] begins
/// among its first [`FIRST_WORDS`] words. An empty answer is no abstention. The rule knows phrases, not meaning:
/// "I do not know a better drug than X" counts.
#[must_use]
pub fn is_abstention(answer: &str) -> bool {
    is_abstention_with(answer, &[])
}

/// As [`is_abstention`], with a task's own phrases besides.
#[must_use]
pub fn is_abstention_with(answer: &str, more: &[&str]) -> bool {
    let simple = simplify(answer);
    let words: Vec<&str> = simple.split(' ').filter(|word| !word.is_empty()).collect();
    let whole = WHOLE_ANSWERS.contains(&simple.as_str());
    let more: Vec<String> = more.iter().map(|phrase| simplify(phrase)).collect();
    let mut phrases = PHRASES.iter().copied().chain(more.iter().map(String::as_str));
    whole
        || phrases.any(|phrase| {
            let phrase: Vec<&str> = phrase.split(' ').filter(|word| !word.is_empty()).collect();
            !phrase.is_empty()
                && words
                    .windows(phrase.len())
                    .take(FIRST_WORDS)
                    .any(|window| window == phrase)
        })
}

/// Lower case, apostrophes deleted, everything else but letters and digits turned into single blanks.
#[must_use]
pub fn simplify(answer: &str) -> String {
    let simple: String = answer
        .to_lowercase()
        .chars()
        .filter(|c| !matches!(c, '\'' | '’' | 'ʼ' | '`'))
        .map(|c| if c.is_alphanumeric() { c } else { ' ' })
        .collect();
    crate::text::collapse(&simple)
}

/// Abstentions against what could be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Abstentions {
    /// Unanswerable, and the model abstained.
    pub warranted: usize,
    /// Answerable, and the model abstained.
    pub unwarranted: usize,
    /// Unanswerable, and the model answered all the same.
    pub missed: usize,
    /// Answerable, and the model answered.
    pub answered: usize,
}

impl Abstentions {
    /// Counts items.
    ///
    /// # Errors
    /// If there are no items or the lists differ in length.
    pub fn new(abstained: &[bool], unanswerable: &[bool]) -> Result<Self> {
        not_empty("abstention", abstained)?;
        same_length("abstention", "items", unanswerable.len(), abstained.len())?;
        let mut counts = Self::default();
        for (&abstained, &unanswerable) in abstained.iter().zip(unanswerable) {
            *match (abstained, unanswerable) {
                (true, true) => &mut counts.warranted,
                (true, false) => &mut counts.unwarranted,
                (false, true) => &mut counts.missed,
                (false, false) => &mut counts.answered,
            } += 1;
        }
        Ok(counts)
    }

    /// Share of abstentions on unanswerable items; `None` where the model never abstained.
    #[must_use]
    pub fn precision(&self) -> Option<f64> {
        share(self.warranted, self.unwarranted)
    }

    /// Share of unanswerable items on which the model abstained; `None` where there is no such item.
    #[must_use]
    pub fn recall(&self) -> Option<f64> {
        share(self.warranted, self.missed)
    }

    /// `2·TP / (2·TP + FP + FN)`; `None` where nothing is unanswerable and the model never abstained.
    #[must_use]
    pub fn f1(&self) -> Option<f64> {
        share(2 * self.warranted, self.unwarranted + self.missed)
    }
}

fn share(part: usize, rest: usize) -> Option<f64> {
    (part + rest > 0).then(|| part as f64 / (part + rest) as f64)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn phrases_are_in_the_form_they_are_compared_in_and_unique() {
        for list in [PHRASES, WHOLE_ANSWERS] {
            for (i, phrase) in list.iter().enumerate() {
                assert_eq!(&simplify(phrase), phrase);
                assert!(!list[..i].contains(phrase), "{phrase} twice");
            }
        }
    }

    #[test]
    fn abstentions_and_answers() {
        for yes in [
            "I don’t know.",
            "Sorry, but I DO NOT KNOW the answer",
            "Unknown.",
            "The question cannot be answered from the passage.",
            "N/A",
        ] {
            assert!(is_abstention(yes), "{yes}");
        }
        let late = format!("{}i do not know", "word ".repeat(40));
        for no in ["", "Aspirin", "The unknown soldier", "I know: no", &late] {
            assert!(!is_abstention(no), "{no}");
        }
        assert!(is_abstention_with("Conceding defeat!", &["conceding defeat"]));
    }

    #[test]
    fn by_hand() {
        let abstained = [true, true, false, false];
        let unanswerable = [true, false, true, false];
        let counts = Abstentions::new(&abstained, &unanswerable).unwrap();
        assert_eq!(counts.precision(), Some(0.5));
        assert_eq!((counts.recall(), counts.f1()), (Some(0.5), Some(0.5)));
        let never = Abstentions::new(&[false], &[false]).unwrap();
        assert_eq!((never.precision(), never.recall(), never.f1()), (None, None, None));
        assert!(Abstentions::new(&[], &[]).is_err());
    }
}
