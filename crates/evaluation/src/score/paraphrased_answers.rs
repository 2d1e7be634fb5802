//! Questions answered in words, each in several wordings: an item is one wording, scored as the task itself scores it.
//!
//! Besides the task's own metrics over all wordings, consistency is reported over the questions. Two answers are the same where
//! their words are, in the form of [`simplify`]; whether both are right is counted apart.

use std::collections::BTreeMap;

use secateur_datasets::forms::paraphrase::{QUESTION, WORDING};
use secateur_datasets::item::Item;
use secateur_metrics::abstention::simplify;
use secateur_metrics::consistency;

use super::{Mismatch, Scorer};
use crate::answer::{Answer, Output};
use crate::summary::{Estimate, Metric};

/// Scores of one wording, by the task's own scoring.
pub(super) struct ParaphrasedAnswers(pub(super) Box<dyn Scorer>);

/// The score that says whether an answer is right.
const RIGHT: &str = "contains_reference";

impl Scorer for ParaphrasedAnswers {
    fn score(&self, item: &Item, answer: &mut Answer) -> Result<(), Mismatch> {
        let number = |name: &str| item.fields.get(name).and_then(|text| text.parse::<u32>().ok());
        let (Some(question), Some(wording)) = (item.fields.get(QUESTION), number(WORDING)) else {
            return Err(Mismatch {
                found: format!("a question without the fields `{QUESTION}` and `{WORDING}`"),
                expected: "one wording of a question, as the form `paraphrase` puts it".into(),
            });
        };
        self.0.score(item, answer)?;
        let text = match &answer.output {
            Output::Text(output) => simplify(output.parsed.as_deref().unwrap_or(&output.text)),
            _ => String::new(),
        };
        answer.scores.extend([
            ("question".to_owned(), number_of(question)),
            ("wording".to_owned(), f64::from(wording)),
            ("answer".to_owned(), number_of(&text)),
        ]);
        Ok(())
    }

    fn metrics(&self, answers: &[Answer]) -> Vec<Metric> {
        let own = self.0.metrics(answers);
        let has_right = own
            .iter()
            .any(|metric| matches!(&metric.estimate, Estimate::Proportion(name) if *name == RIGHT));
        let of_answers = |value: fn(&[f64]) -> Option<f64>| over_questions("answer", value);
        let mut metrics = vec![
            Metric {
                definition: consistency::PARAPHRASE_CONSISTENCY,
                estimate: of_answers(|answers| Some(super::from_bool(consistency::all_same(answers)))),
            },
            Metric {
                definition: consistency::PAIRWISE_AGREEMENT,
                estimate: of_answers(|answers| {
                    let bits: Vec<u64> = answers.iter().map(|answer| answer.to_bits()).collect();
                    consistency::pairwise_agreement(&bits)
                }),
            },
        ];
        if has_right {
            metrics.push(Metric {
                definition: consistency::WORST_CASE_ACCURACY,
                estimate: over_questions(RIGHT, |right| {
                    Some(super::from_bool(right.iter().all(|&right| right > 0.5)))
                }),
            });
            metrics.push(Metric {
                definition: consistency::ACCURACY_RANGE,
                estimate: Estimate::whole(vec!["wording", RIGHT], range_over_wordings),
            });
        }
        metrics.extend(own);
        metrics
    }
}

/// A number that stands for a text: FNV-1a, its lower 52 bits, which an f64 holds exactly.
fn number_of(text: &str) -> f64 {
    let fold = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325, fold);
    (hash & ((1 << 52) - 1)) as f64
}

/// Mean over questions of a function of a score's values in all wordings. A question drawn twice counts twice.
fn over_questions(score: &'static str, value: fn(&[f64]) -> Option<f64>) -> Estimate {
    Estimate::whole(vec!["question", "wording", score], move |rows: &[&[f64]]| {
        // question → wording → (times drawn, value)
        let mut questions: BTreeMap<u64, BTreeMap<u64, (usize, f64)>> = BTreeMap::new();
        for row in rows {
            let wordings = questions.entry(row[0].to_bits()).or_default();
            wordings.entry(row[1].to_bits()).or_insert((0, row[2])).0 += 1;
        }
        let (mut sum, mut weight) = (0.0, 0.0);
        for wordings in questions.values() {
            let values: Vec<f64> = wordings.values().map(|(_, value)| *value).collect();
            let drawn = wordings.values().next().map_or(0, |(drawn, _)| *drawn) as f64;
            if let Some(value) = value(&values) {
                sum += drawn * value;
                weight += drawn;
            }
        }
        (weight > 0.0).then(|| sum / weight)
    })
}

fn range_over_wordings(rows: &[&[f64]]) -> Option<f64> {
    let mut wordings: BTreeMap<u64, (f64, f64)> = BTreeMap::new();
    for row in rows {
        let (right, n) = wordings.entry(row[0].to_bits()).or_insert((0.0, 0.0));
        *right += row[1];
        *n += 1.0;
    }
    let accuracies: Vec<f64> = wordings.values().map(|(right, n)| right / n).collect();
    consistency::range(&accuracies)
}
