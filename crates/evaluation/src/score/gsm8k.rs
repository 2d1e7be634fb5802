//! GSM8K: the number that an answer ends in, strict and flexible as lm-evaluation-harness has them.

use secateur_datasets::item::{Body, Item};
use secateur_metrics::{degeneration, exact_match, gsm8k};

use super::{Mismatch, Scorer, from_bool, mismatch};
use crate::answer::{Answer, Flag, Output};
use crate::summary::Metric;

/// Scores of a worked answer.
pub(super) struct Gsm8k;

impl Scorer for Gsm8k {
    fn score(&self, item: &Item, answer: &mut Answer) -> Result<(), Mismatch> {
        let (Body::Generate(question), Output::Text(output)) = (&item.body, &mut answer.output) else {
            return Err(mismatch(item, "a question to be answered in words"));
        };
        let [solution] = question.references.as_slice() else {
            return Err(Mismatch {
                found: format!("{} references", question.references.len()),
                expected: "one worked solution".into(),
            });
        };
        let right = |number: Option<&str>| from_bool(number.is_some_and(|number| gsm8k::is_right(number, solution)));
        let (strict, flexible) = (gsm8k::strict(&output.text), gsm8k::flexible(&output.text));
        answer.scores.extend([
            ("exact_match".to_string(), right(strict)),
            ("exact_match_flexible".to_string(), right(flexible)),
            ("unparsable".to_string(), from_bool(strict.is_none())),
        ]);
        if strict.is_none() {
            answer.flags.insert(Flag::Unparsable);
        }
        output.parsed = strict.or(flexible).map(String::from);
        super::flag_text(answer);
        Ok(())
    }

    fn metrics(&self, _: &[Answer]) -> Vec<Metric> {
        let mut metrics = vec![
            Metric::proportion(exact_match::EXACT_MATCH, "exact_match"),
            Metric::proportion(gsm8k::EXACT_MATCH_FLEXIBLE, "exact_match_flexible"),
            Metric::proportion(degeneration::UNPARSABLE_RATE, "unparsable"),
        ];
        metrics.extend(super::text_metrics());
        metrics
    }
}
