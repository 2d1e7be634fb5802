//! The same choice in several wordings.

use secateur_datasets::item::Item;
use secateur_metrics::classification::ACCURACY;
use secateur_metrics::consistency;
use secateur_metrics::value::PROBABILITIES;

use super::variants::{self, column_means, common_shape, numbered};
use super::{Mismatch, Scorer, from_bool, option_order};
use crate::answer::Answer;
use crate::summary::{Estimate, Metric};

/// Right in the wording of that number.
const IN_WORDING: &str = "right_in_wording";

/// Scores of a choice in several wordings.
pub(super) struct Paraphrases;

impl Scorer for Paraphrases {
    fn score(&self, item: &Item, answer: &mut Answer) -> Result<(), Mismatch> {
        let read = variants::read(item, answer)?;
        answer.scores = option_order::scores(&read);
        for (number, right) in read.right().into_iter().enumerate() {
            answer.scores.insert(format!("{IN_WORDING}_{number}"), from_bool(right));
        }
        Ok(())
    }

    fn metrics(&self, answers: &[Answer]) -> Vec<Metric> {
        let mut metrics = vec![
            Metric::proportion(consistency::PARAPHRASE_CONSISTENCY.by(PROBABILITIES), "same_in_all"),
            Metric::proportion(consistency::WORST_CASE_ACCURACY.by(PROBABILITIES), "right_in_all"),
            Metric::mean(consistency::PAIRWISE_AGREEMENT.by(PROBABILITIES), "pairwise_agreement"),
            Metric::mean(consistency::MEAN_ACCURACY.by(PROBABILITIES), "share_right"),
            Metric::proportion(ACCURACY.by(PROBABILITIES), "accuracy"),
        ];
        // Wordings are the same for all questions only where all have as many.
        let wordings = common_shape(answers).map(|(wordings, _)| wordings);
        if let Some(wordings) = wordings {
            let range = |rows: &[&[f64]]| consistency::range(&column_means(rows));
            metrics.push(Metric {
                definition: consistency::ACCURACY_RANGE.by(PROBABILITIES),
                estimate: Estimate::whole(numbered(IN_WORDING, wordings), range),
            });
        }
        metrics
    }
}
