//! Does an answer state, or contradict, a given statement? By words alone, without a model.
//!
//! The measures are those of K-QA (Manes et al. 2024, <https://arxiv.org/abs/2401.14493>, section 4): comprehensiveness is the share of the
//! statements an answer must have that it entails, hallucination that of all statements that it contradicts. There a language model
//! judges entailment; here a rule does, so both are named `…_lexical` and are not the published numbers:
//!
//! - *stated*: of the statement's content words (stems, without function words and without the words of the question, which any
//!   answer repeats) at least [`THRESHOLD`] stand in the answer, and no number of the statement is absent from it;
//! - *contradicted*: a sentence of the answer holds at least [`CONTRADICTION_THRESHOLD`] of all the statement's content words, and it is
//!   negated where the statement is not (or the other way round), or has another number with the same unit.
//!
//! Against the physicians' labels that K-QA publishes (250 of 399 rows, 30 questions; threshold from every second question, figures on
//! the other 15 with 123 statements): *stated* agrees on 70.7 % (recall 0.694, specificity 0.716, area under the curve 0.773; always
//! saying no agrees on 60.2 %). Of 5 contradictions *contradicted* finds 1, and it is said of 2.4 % of the other 245 statements. So compare
//! models by comprehensiveness, and read hallucination as a lower bound.

use std::collections::BTreeSet;

use crate::lexical::words::{FUNCTION_WORDS, NEGATIONS};
use crate::porter;
use crate::support::numbers;
use crate::text::{self, Pattern};
use crate::value::{Aspect, Definition, Direction};

/// Share of the statements an answer must have that it states, in percent, averaged over questions.
pub const COMPREHENSIVENESS: Definition = Definition::new(
    "comprehensiveness_lexical",
    "percent",
    Direction::HigherIsBetter,
    Aspect::Utility,
);
/// Share of all statements that the answer contradicts, in percent, averaged over questions.
pub const HALLUCINATION: Definition = Definition::new(
    "hallucination_lexical",
    "percent",
    Direction::LowerIsBetter,
    Aspect::Reliability,
);
/// Statements that an answer contradicts, averaged over questions: K-QA's own form.
pub const CONTRADICTIONS: Definition = Definition::new(
    "contradicted_statements_lexical",
    "statements_per_answer",
    Direction::LowerIsBetter,
    Aspect::Reliability,
);

/// Share of content words from which on a statement counts as stated.
pub const THRESHOLD: f64 = 0.27;
/// Share of content words in one sentence from which on it speaks of the same thing. Not calibrated: the physicians' labels hold
/// too few contradictions.
pub const CONTRADICTION_THRESHOLD: f64 = 0.5;

static WORD: Pattern = Pattern::new(|| text::pattern(r"[a-z0-9]+"));
static SENTENCE_END: Pattern = Pattern::new(|| text::pattern(r"[.!?][\s]+|\n+"));

/// Share of the statement's content words, those of the question aside, that the answer holds. Where the question has them all,
/// all of them count; 0 where there are none.
#[must_use]
pub fn recall(answer: &str, statement: &str, question: &str) -> f64 {
    let (all, asked) = (content(statement), content(question));
    let own: BTreeSet<String> = all.difference(&asked).cloned().collect();
    share(if own.is_empty() { &all } else { &own }, &content(answer))
}

/// Whether the answer states it, see the [module](self).
#[must_use]
pub fn states(answer: &str, statement: &str, question: &str) -> bool {
    recall(answer, statement, question) >= THRESHOLD && numbers::support(statement, &[answer]).unsupported.is_empty()
}

/// Whether the answer contradicts it, see the [module](self).
#[must_use]
pub fn contradicts(answer: &str, statement: &str) -> bool {
    let wanted = content(statement);
    let negated = is_negated(statement);
    sentences(answer).any(|sentence| {
        share(&wanted, &content(sentence)) >= CONTRADICTION_THRESHOLD
            && (is_negated(sentence) != negated || other_number(sentence, statement))
    })
}

fn share(of: &BTreeSet<String>, within: &BTreeSet<String>) -> f64 {
    if of.is_empty() {
        return 0.0;
    }
    of.intersection(within).count() as f64 / of.len() as f64
}

/// Stems of the words with content.
fn content(text: &str) -> BTreeSet<String> {
    let lower = text.to_lowercase();
    let words = WORD.find_iter(&lower).map(|word| word.as_str());
    let words = words.filter(|word| !FUNCTION_WORDS.contains(word));
    words.map(porter::stem).collect()
}

fn sentences(text: &str) -> impl Iterator<Item = &str> {
    SENTENCE_END.split(text).filter(|sentence| !sentence.trim().is_empty())
}

fn is_negated(sentence: &str) -> bool {
    let lower = sentence.to_lowercase();
    let count = WORD
        .find_iter(&lower)
        .filter(|word| NEGATIONS.contains(&word.as_str()))
        .count();
    count % 2 == 1
}

/// A number of the statement meets only other values of its unit in the sentence.
fn other_number(sentence: &str, statement: &str) -> bool {
    let there = numbers::extract(sentence);
    numbers::extract(statement).iter().any(|number| {
        let same_unit: Vec<_> = there
            .iter()
            .filter(|other| other.unit.is_some() && other.unit == number.unit)
            .collect();
        !same_unit.is_empty() && same_unit.iter().all(|other| other.value != number.value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_question_say_nothing() {
        let question = "Is ibuprofen safe in pregnancy?";
        let answer = "Ibuprofen in pregnancy can close the ductus arteriosus.";
        assert!((recall(answer, "Ibuprofen may close the ductus", question) - 1.0).abs() < 1e-15);
        assert!(recall(answer, "Ibuprofen irritates the stomach", question).abs() < 1e-15);
        assert!(recall("", "Ibuprofen irritates the stomach", question).abs() < 1e-15);
        assert!(recall(answer, "It is", question).abs() < 1e-15);
    }

    #[test]
    fn a_number_that_is_not_there_is_not_stated() {
        let (question, statement) = ("How much?", "The maximal dose is 400 mg daily");
        assert!(states("At most a dose of 400 mg daily.", statement, question));
        assert!(!states("At most a dose of 800 mg daily.", statement, question));
    }

    #[test]
    fn negation_and_numbers_contradict() {
        let statement = "Sinus infections are not associated with neck pain";
        assert!(contradicts(
            "Yes. Sinus infections are associated with neck pain.",
            statement
        ));
        assert!(!contradicts(
            "Sinus infections are not associated with neck pain.",
            statement
        ));
        assert!(!contradicts("Neck pain has many causes.", statement));
        assert!(contradicts(
            "The maximal dose is 800 mg daily.",
            "The maximal dose is 400 mg daily"
        ));
        assert!(!contradicts("", statement));
    }
}
