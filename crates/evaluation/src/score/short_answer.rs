//! A short answer that has to equal an accepted one.
//!
//! Two forms are reported: the normalisation of `SQuAD`, which the authors of NQ-open prescribe, and that of lm-evaluation-harness's
//! `nq_open`. They differ in articles at the end of an answer, in upper case, and in inner white space.

use secateur_datasets::item::{Body, Item};
use secateur_datasets::python::text::strip;
use secateur_metrics::exact_match::{self, EXACT_MATCH, EXACT_MATCH_HARNESS, TOKEN_F1, normalise, normalise_harness};

use super::generation::{CONTAINS_REFERENCE, HALLUCINATION_RATE};
use super::words::contains_words;
use super::{Mismatch, Scorer, confidence, from_bool, mismatch};
use crate::answer::{Answer, Flag, Output};
use crate::summary::Metric;
use secateur_metrics::abstention::is_abstention;

/// Scores of a short answer.
pub(super) struct ShortAnswer;

impl Scorer for ShortAnswer {
    fn score(&self, item: &Item, answer: &mut Answer) -> Result<(), Mismatch> {
        let (Body::Generate(question), Output::Text(output)) = (&item.body, &answer.output) else {
            return Err(mismatch(item, "a question to be answered in words"));
        };
        let text = output.text.clone();
        let references = &question.references;
        let said = normalise(&text);
        let exact = references.iter().any(|reference| normalise(reference) == said);
        let said_harness = normalise_harness(strip(&text));
        let exact_harness = references
            .iter()
            .any(|reference| normalise_harness(reference) == said_harness);
        let f1 = exact_match::best(&text, references, exact_match::token_f1).ok_or_else(|| Mismatch {
            found: "no accepted answer".into(),
            expected: "at least one".into(),
        })?;
        super::flag_text(answer);
        let abstained = is_abstention(&text);
        if abstained {
            answer.flags.insert(Flag::Abstained);
        }
        let silent = said.is_empty();
        let refused = answer.flags.contains(&Flag::Refused);
        let contains = exact
            || references
                .iter()
                .any(|reference| contains_words(&said, &normalise(reference)));
        answer.scores.extend([
            ("exact_match".to_owned(), from_bool(exact && !silent)),
            ("exact_match_harness".to_owned(), from_bool(exact_harness)),
            ("contains_reference".to_owned(), from_bool(contains && !silent)),
            ("token_f1".to_owned(), f1),
            (
                "hallucinated".to_owned(),
                from_bool(!silent && !abstained && !refused && !contains),
            ),
        ]);
        confidence::add_of_words(answer, "contains_reference");
        Ok(())
    }

    fn metrics(&self, _: &[Answer]) -> Vec<Metric> {
        let mut metrics = vec![
            Metric::proportion(EXACT_MATCH, "exact_match"),
            Metric::proportion(EXACT_MATCH_HARNESS, "exact_match_harness"),
            Metric::mean(TOKEN_F1, "token_f1"),
            Metric::proportion(CONTAINS_REFERENCE, "contains_reference"),
            Metric::proportion(HALLUCINATION_RATE, "hallucinated"),
        ];
        metrics.extend(super::text_metrics());
        metrics.extend(confidence::metrics("contains_reference"));
        metrics
    }
}
