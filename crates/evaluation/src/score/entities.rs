//! Mentions listed one per line, strict and relaxed (see `secateur_metrics::mentions`).
//!
//! An answer that is no such list names nothing: it is counted as unparsable and costs recall.

use secateur_datasets::item::{Body, Item};
use secateur_datasets::tasks::entities::NONE;
use secateur_metrics::{degeneration, mentions};

use super::micro::{self, Columns};
use super::{Mismatch, Scorer, from_bool, mismatch};
use crate::answer::{Answer, Flag, Output};
use crate::summary::Metric;

const STRICT: Columns = ["mentions_right", "mentions_said", "mentions_wanted"];
const RELAXED: Columns = ["mentions_right_relaxed", "mentions_said", "mentions_wanted"];

/// Scores of listed mentions.
pub(super) struct Entities {
    pub(super) types: Vec<String>,
}

impl Scorer for Entities {
    fn score(&self, item: &Item, answer: &mut Answer) -> Result<(), Mismatch> {
        let (Body::Generate(question), Output::Text(output)) = (&item.body, &answer.output) else {
            return Err(mismatch(item, "a question to be answered in words"));
        };
        let list = |text: &str| mentions::parse(text, &self.types, NONE);
        let reference = question.references.first().map(String::as_str).unwrap_or_default();
        let wanted = list(reference).ok_or_else(|| Mismatch {
            found: format!("the reference {reference:?}"),
            expected: format!("one of {:?} per line, or {NONE}", self.types),
        })?;
        let said = list(&output.text);
        let parsed = said.is_some();
        let (strict, relaxed) = mentions::compare(&said.unwrap_or_default(), &wanted);
        answer.scores.extend(micro::scores(STRICT, strict));
        answer.scores.extend(micro::scores(RELAXED, relaxed));
        answer.scores.insert("unparsable".into(), from_bool(!parsed));
        if !parsed {
            answer.flags.insert(Flag::Unparsable);
        }
        super::flag_text(answer);
        Ok(())
    }

    fn metrics(&self, _: &[Answer]) -> Vec<Metric> {
        let mut metrics = vec![
            micro::f1(mentions::ENTITY_F1, STRICT),
            micro::metric(mentions::ENTITY_PRECISION, STRICT, |scores| scores.precision),
            micro::metric(mentions::ENTITY_RECALL, STRICT, |scores| scores.recall),
            micro::f1(mentions::ENTITY_F1_RELAXED, RELAXED),
            Metric::proportion(degeneration::UNPARSABLE_RATE, "unparsable"),
        ];
        metrics.extend(super::text_metrics());
        metrics
    }
}
