//! `HaluEval`: is the answer shown a hallucinated one?
//!
//! Two forms are reported. The strict one takes a reply whose first word is yes or no and that does not name the other. The paper form
//! (<https://arxiv.org/abs/2305.11747>) takes a `Yes` or `No` anywhere in the reply. A reply that says neither counts as wrong in both.

use secateur_datasets::item::{Body, Item};
use secateur_metrics::value::{Aspect, Definition, Direction};
use secateur_metrics::{classification, degeneration, yes_no};

use super::{Mismatch, Scorer, from_bool, mismatch};
use crate::answer::{Answer, Flag, Output};
use crate::summary::Metric;

/// Accuracy as the paper counts it.
const ACCURACY_PAPER: Definition =
    Definition::new("accuracy_paper", "fraction", Direction::HigherIsBetter, Aspect::Utility);
/// Share of replies in which the paper finds neither yes nor no, or both.
const FAILED_RATE_PAPER: Definition = Definition::new(
    "failed_rate_paper",
    "fraction",
    Direction::LowerIsBetter,
    Aspect::Diagnostic,
);
/// Share of hallucinated answers that are recognised.
const RECOGNISED_RATE: Definition = Definition::new(
    "recognised_hallucination_rate",
    "fraction",
    Direction::HigherIsBetter,
    Aspect::Reliability,
);
/// Share of right answers that are taken for hallucinated ones.
const FALSE_ALARM_RATE: Definition = Definition::new(
    "false_alarm_rate",
    "fraction",
    Direction::LowerIsBetter,
    Aspect::Reliability,
);

/// Scores of a judgement.
pub(super) struct HaluEval;

impl Scorer for HaluEval {
    fn score(&self, item: &Item, answer: &mut Answer) -> Result<(), Mismatch> {
        let (Body::Generate(question), Output::Text(output)) = (&item.body, &mut answer.output) else {
            return Err(mismatch(item, "a judgement in words"));
        };
        let hallucinated = match question.references.first().map(String::as_str) {
            Some("Yes") => true,
            Some("No") => false,
            _ => {
                return Err(Mismatch {
                    found: format!("references {:?}", question.references),
                    expected: "Yes or No".into(),
                });
            }
        };
        let said = yes_no::parse_strict(&output.text);
        let said_paper = yes_no::parse_paper(&output.text);
        output.parsed = said.map(|yes| if yes { "Yes" } else { "No" }.to_owned());
        if said.is_none() {
            answer.flags.insert(Flag::Unparsable);
        }
        let kind = if hallucinated { "recognised" } else { "false_alarm" };
        answer.scores.extend([
            ("accuracy".to_owned(), from_bool(said == Some(hallucinated))),
            ("accuracy_paper".to_owned(), from_bool(said_paper == Some(hallucinated))),
            ("failed_paper".to_owned(), from_bool(said_paper.is_none())),
            (kind.to_owned(), from_bool(said == Some(true))),
            ("unparsable".to_owned(), from_bool(said.is_none())),
        ]);
        super::flag_text(answer);
        Ok(())
    }

    fn metrics(&self, _: &[Answer]) -> Vec<Metric> {
        let mut metrics = vec![
            Metric::proportion(classification::ACCURACY, "accuracy"),
            Metric::proportion(ACCURACY_PAPER, "accuracy_paper"),
            Metric::proportion(RECOGNISED_RATE, "recognised"),
            Metric::proportion(FALSE_ALARM_RATE, "false_alarm"),
            Metric::proportion(FAILED_RATE_PAPER, "failed_paper"),
            Metric::proportion(degeneration::UNPARSABLE_RATE, "unparsable"),
        ];
        metrics.extend(super::text_metrics());
        metrics
    }
}
