//! Distances to the unpruned model, per token.

use secateur_datasets::item::Item;
use secateur_metrics::divergence::{KL_DIVERGENCE, LOG_PROBABILITY_CHANGE, TOP1_AGREEMENT};
use secateur_metrics::value::Definition;

use super::{Mismatch, Scorer};
use crate::answer::{Answer, Output, Scores};
use crate::summary::{Estimate, Metric};

/// Scores of a text on which two models were compared.
pub(super) struct Divergence;

impl Scorer for Divergence {
    fn score(&self, _: &Item, answer: &mut Answer) -> Result<(), Mismatch> {
        let Output::Divergence(output) = &answer.output else {
            return Err(Mismatch {
                found: "an answer of the model alone".into(),
                expected: "a comparison with the unpruned model".into(),
            });
        };
        let Some(found) = &output.divergence else {
            return Ok(());
        };
        let change = found.log_probability - found.unpruned_log_probability;
        answer.scores = Scores::from([
            // Rounding may leave a hair below 0.
            ("kl_sum".into(), found.kl_sum.max(0.0)),
            ("largest_kl".into(), found.largest_kl.max(0.0)),
            ("top1_agreeing".into(), found.top1_agreeing as f64),
            ("log_probability_change".into(), change),
            ("tokens".into(), found.tokens as f64),
        ]);
        Ok(())
    }

    fn metrics(&self, _: &[Answer]) -> Vec<Metric> {
        vec![
            per_token(KL_DIVERGENCE, "kl_sum"),
            per_token(TOP1_AGREEMENT, "top1_agreeing"),
            per_token(LOG_PROBABILITY_CHANGE, "log_probability_change"),
        ]
    }
}

/// Sum over all texts of a score, over their tokens.
fn per_token(definition: Definition, score: &'static str) -> Metric {
    let value = |rows: &[&[f64]]| {
        let sum = |column: usize| rows.iter().map(|row| row[column]).sum::<f64>();
        Some(sum(0) / sum(1)).filter(|_| sum(1) > 0.0)
    };
    Metric {
        definition,
        estimate: Estimate::whole(vec![score, "tokens"], value),
    }
}
