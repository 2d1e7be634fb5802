//! Saying that one does not know: right where no answer is right, wrong elsewhere.

use secateur_datasets::item::Generate;
use secateur_metrics::abstention::{ABSTENTION_F1, ABSTENTION_PRECISION, ABSTENTION_RECALL, Abstentions};
use secateur_metrics::value::{Aspect, Definition, Direction};

use super::from_bool;
use crate::answer::{Answer, Output, Scores};
use crate::summary::{Estimate, Metric};

/// Share of answerable items on which it abstained.
pub(super) const FALSE_ABSTENTION_RATE: Definition = Definition::new(
    "false_abstention_rate",
    "fraction",
    Direction::LowerIsBetter,
    Aspect::Reliability,
);

/// Scores of one item.
pub(super) fn scores(question: &Generate, abstained: bool) -> Scores {
    let kind = if question.unanswerable {
        "abstained_unanswerable"
    } else {
        "abstained_answerable"
    };
    Scores::from([
        (kind.into(), from_bool(abstained)),
        ("abstained".into(), from_bool(abstained)),
        ("unanswerable".into(), from_bool(question.unanswerable)),
    ])
}

/// What is reported; the items decide, so that all cells of a task report the same.
pub(super) fn metrics(answers: &[Answer]) -> Vec<Metric> {
    let is_unanswerable = |answer: &Answer| match &answer.output {
        Output::Text(output) => output.unanswerable,
        _ => false,
    };
    let unanswerable = answers.iter().any(is_unanswerable);
    let answerable = answers.iter().any(|answer| !is_unanswerable(answer));
    let mut metrics = Vec::new();
    if unanswerable {
        metrics.push(Metric::proportion(ABSTENTION_RECALL, "abstained_unanswerable"));
    }
    if answerable {
        metrics.push(Metric::proportion(FALSE_ABSTENTION_RATE, "abstained_answerable"));
    }
    if unanswerable && answerable {
        metrics.push(whole(ABSTENTION_PRECISION, Abstentions::precision));
        metrics.push(whole(ABSTENTION_F1, Abstentions::f1));
    }
    metrics
}

fn whole(definition: Definition, value: fn(&Abstentions) -> Option<f64>) -> Metric {
    whole_of(definition, "abstained", value)
}

/// A function of the counts of abstentions, where the score `abstained` says which items abstain.
pub(super) fn whole_of(
    definition: Definition,
    abstained: &'static str,
    value: fn(&Abstentions) -> Option<f64>,
) -> Metric {
    let counted = move |rows: &[&[f64]]| {
        let column = |i: usize| rows.iter().map(|row| row[i] > 0.5).collect::<Vec<_>>();
        value(&Abstentions::new(&column(0), &column(1)).ok()?)
    };
    Metric {
        definition,
        estimate: Estimate::whole(vec![abstained, "unanswerable"], counted),
    }
}
