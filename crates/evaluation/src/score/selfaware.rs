//! `SelfAware` (<https://arxiv.org/abs/2305.18153>): abstaining where nobody knows the answer; unanswerable is the positive class.
//!
//! Two rules of what abstains are reported: the phrases of [`secateur_metrics::abstention`] together with the authors' sentences, and, as
//! `…_similarity`, the authors' rule with a similarity that needs no weights ([`secateur_metrics::uncertainty`]). Answers to answerable
//! questions are right where they hold an accepted one, in any case.

use secateur_datasets::item::{Body, Item};
use secateur_metrics::abstention::{Abstentions, is_abstention_with};
use secateur_metrics::uncertainty::{
    ABSTENTION_F1_SIMILARITY, ABSTENTION_PRECISION_SIMILARITY, ABSTENTION_RECALL_SIMILARITY, UNCERTAIN, is_uncertain,
};
use secateur_metrics::value::{Aspect, Definition, Direction};

use super::{Mismatch, Scorer, abstention, from_bool, mismatch};
use crate::answer::{Answer, Flag, Output};
use crate::summary::Metric;

/// Share of answerable questions whose answer holds an accepted one.
const ANSWERED_RIGHT: Definition = Definition::new(
    "contains_reference",
    "fraction",
    Direction::HigherIsBetter,
    Aspect::Utility,
);

/// Scores of an answer to a question that may have none.
pub(super) struct SelfAware;

impl Scorer for SelfAware {
    fn score(&self, item: &Item, answer: &mut Answer) -> Result<(), Mismatch> {
        let (Body::Generate(question), Output::Text(output)) = (&item.body, &answer.output) else {
            return Err(mismatch(item, "a question to be answered in words"));
        };
        let text = output.text.clone();
        super::flag_text(answer);
        let abstained = is_abstention_with(&text, &UNCERTAIN);
        if abstained {
            answer.flags.insert(Flag::Abstained);
        }
        answer.scores.extend(abstention::scores(question, abstained));
        answer
            .scores
            .insert("abstained_similarity".into(), from_bool(is_uncertain(&text)));
        if !question.unanswerable {
            let lowered = text.to_lowercase();
            let held = |reference: &String| lowered.contains(&reference.trim().to_lowercase());
            let right = question.references.iter().any(held);
            answer.scores.insert("contains_reference".into(), from_bool(right));
        }
        Ok(())
    }

    fn metrics(&self, answers: &[Answer]) -> Vec<Metric> {
        let mut metrics = vec![Metric::proportion(ANSWERED_RIGHT, "contains_reference")];
        // F1 first: it is what the authors report.
        metrics.extend(abstention::metrics(answers).into_iter().rev());
        let similarity = |definition, value| abstention::whole_of(definition, "abstained_similarity", value);
        metrics.extend([
            similarity(ABSTENTION_F1_SIMILARITY, Abstentions::f1),
            similarity(ABSTENTION_PRECISION_SIMILARITY, Abstentions::precision),
            similarity(ABSTENTION_RECALL_SIMILARITY, Abstentions::recall),
        ]);
        metrics.extend(super::text_metrics());
        metrics
    }
}
