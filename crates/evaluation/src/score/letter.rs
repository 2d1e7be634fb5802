//! The name of one answer, generated: a letter or a word.
//!
//! Two forms are reported. The strict one takes an answer that names one answer and no more. The paper form, of the
//! reference experiment (arXiv:2607.01444), takes any answer that begins with the right name, so that "a patient …" counts as A; it is there
//! to compare with published numbers.

use secateur_datasets::item::{Body, Item};
use secateur_datasets::tasks::spec::AnswerStyle;
use secateur_metrics::classification::{self, Confusion};
use secateur_metrics::value::{Aspect, Definition, Direction};
use secateur_metrics::{degeneration, letter};

use super::{Mismatch, Scorer, confidence, from_bool, index, mismatch};
use crate::answer::{Answer, Flag, Output, Scores};
use crate::summary::{Estimate, Metric};

/// Accuracy as the reference experiment counts it.
pub(super) const ACCURACY_PAPER: Definition =
    Definition::new("accuracy_paper", "fraction", Direction::HigherIsBetter, Aspect::Utility);
/// Share of items answered with a wrong name; an answer that names nothing is not among them.
pub(super) const WRONG_ANSWER_RATE: Definition = Definition::new(
    "wrong_answer_rate",
    "fraction",
    Direction::LowerIsBetter,
    Aspect::Reliability,
);
/// Scores of a named answer.
pub(super) struct LetterAnswer {
    pub(super) answers: Vec<String>,
    pub(super) style: AnswerStyle,
}

impl Scorer for LetterAnswer {
    fn score(&self, item: &Item, answer: &mut Answer) -> Result<(), Mismatch> {
        let (Body::Generate(question), Output::Text(output)) = (&item.body, &mut answer.output) else {
            return Err(mismatch(item, "a question to be answered in words"));
        };
        let named = self.named(&output.text);
        let fold = letter::normalise_paper;
        let gold = |name: &str| question.references.iter().any(|r| fold(r) == fold(name));
        let Some(gold_class) = self.answers.iter().position(|name| gold(name)) else {
            return Err(Mismatch {
                found: format!("references {:?}", question.references),
                expected: format!("one of {:?}", self.answers),
            });
        };
        let right = named.is_some_and(|i| gold(&self.answers[i]));
        let begins = |gold: &String| letter::is_right_paper(&output.text, gold);
        let right_paper = question.references.iter().any(begins);
        output.parsed = named.map(|i| self.answers[i].clone());
        if named.is_none() {
            answer.flags.insert(Flag::Unparsable);
        }
        answer.scores = Scores::from([
            ("accuracy".into(), from_bool(right)),
            ("accuracy_paper".into(), from_bool(right_paper)),
            ("wrong_answer".into(), from_bool(named.is_some() && !right)),
            ("unparsable".into(), from_bool(named.is_none())),
            ("gold_class".into(), gold_class as f64),
            ("predicted_class".into(), named.unwrap_or(self.answers.len()) as f64),
        ]);
        super::flag_text(answer);
        confidence::add_of_words(answer, "accuracy");
        Ok(())
    }

    fn metrics(&self, _: &[Answer]) -> Vec<Metric> {
        let classes = self.answers.len();
        let macro_f1 = move |rows: &[&[f64]]| {
            let confusion = confusion(rows, classes)?;
            let sum: f64 = (0..classes).map(|class| confusion.class(class).f1).sum();
            Some(sum / classes as f64)
        };
        let mcc = move |rows: &[&[f64]]| Some(confusion(rows, classes)?.matthews_correlation());
        let needs = vec!["gold_class", "predicted_class"];
        let mut metrics = vec![
            Metric::proportion(classification::ACCURACY, "accuracy"),
            Metric::proportion(ACCURACY_PAPER, "accuracy_paper"),
            Metric {
                definition: classification::MACRO_F1,
                estimate: Estimate::whole(needs.clone(), macro_f1),
            },
            Metric {
                definition: classification::MCC,
                estimate: Estimate::whole(needs, mcc),
            },
            Metric::proportion(WRONG_ANSWER_RATE, "wrong_answer"),
            Metric::proportion(degeneration::UNPARSABLE_RATE, "unparsable"),
        ];
        metrics.extend(super::text_metrics());
        metrics.extend(confidence::metrics("accuracy"));
        metrics
    }
}

/// Labels and answers, with one class more for answers that name nothing.
fn confusion(rows: &[&[f64]], classes: usize) -> Option<Confusion> {
    let column = |i: usize| rows.iter().map(|row| index(row[i])).collect::<Vec<_>>();
    Confusion::new(&column(0), &column(1), classes + 1).ok()
}

impl LetterAnswer {
    /// The one answer that the text names. Letters may stand in brackets or before their option (`B. Aspirin`); words must be all
    /// that is said.
    fn named(&self, text: &str) -> Option<usize> {
        let fold = letter::normalise_paper;
        let is_letter = |(i, name): (usize, &String)| {
            name.len() == 1 && name.bytes().all(|b| usize::from(b.wrapping_sub(b'A')) == i)
        };
        if self.style == AnswerStyle::Letters && self.answers.iter().enumerate().all(is_letter) {
            return letter::parse_strict(text, self.answers.len());
        }
        let said = fold(text);
        self.answers.iter().position(|name| fold(name) == said)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_may_bring_their_option_and_words_stand_alone() {
        let list = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        let letters = LetterAnswer {
            answers: list(&["A", "B", "C"]),
            style: AnswerStyle::Letters,
        };
        assert_eq!(letters.named("B. Aspirin"), Some(1));
        assert_eq!(letters.named("a patient with gout"), None);
        assert_eq!(letters.named("D"), None);
        let words = LetterAnswer {
            answers: list(&["yes", "no", "maybe"]),
            style: AnswerStyle::Words,
        };
        assert_eq!(words.named(" Maybe. "), Some(2));
        assert_eq!(words.named("no, it does not"), None);
    }
}
