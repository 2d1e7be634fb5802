//! The same options in every cyclic order: does the model choose an option, or a letter?

use secateur_datasets::item::Item;
use secateur_metrics::classification::ACCURACY;
use secateur_metrics::consistency;
use secateur_metrics::value::PROBABILITIES;

use super::variants::{self, column_means, common_shape, numbered};
use super::{Mismatch, Scorer, from_bool};
use crate::answer::{Answer, Scores};
use crate::summary::{Estimate, Metric};

/// Scores of a question in every cyclic order of its options.
pub(super) struct OptionOrder;

/// Right where the right option stands behind this letter, counted from 0.
const AT_LETTER: &str = "right_at_letter";

impl Scorer for OptionOrder {
    fn score(&self, item: &Item, answer: &mut Answer) -> Result<(), Mismatch> {
        let read = variants::read(item, answer)?;
        answer.scores = scores(&read);
        for (said, right) in read.said.iter().zip(read.right()) {
            let name = format!("{AT_LETTER}_{}", said.gold_position);
            answer.scores.insert(name, from_bool(right));
        }
        let options = read.said.first().map_or(0, |said| said.probabilities.len());
        let mass = |option: usize| read.said.iter().map(|said| said.probabilities[option]).sum();
        let mass: Vec<f64> = (0..options).map(mass).collect();
        let majority = consistency::majority(&read.options(), &mass);
        let right = from_bool(majority == Some(read.gold));
        answer.scores.insert("majority_right".into(), right);
        Ok(())
    }

    fn metrics(&self, answers: &[Answer]) -> Vec<Metric> {
        let mut metrics = vec![
            Metric::proportion(consistency::OPTION_ORDER_CONSISTENCY.by(PROBABILITIES), "same_in_all"),
            Metric::proportion(consistency::WORST_CASE_ACCURACY.by(PROBABILITIES), "right_in_all"),
            Metric::proportion(consistency::MAJORITY_VOTE_ACCURACY.by(PROBABILITIES), "majority_right"),
            Metric::mean(consistency::PAIRWISE_AGREEMENT.by(PROBABILITIES), "pairwise_agreement"),
            Metric::mean(consistency::MEAN_ACCURACY.by(PROBABILITIES), "share_right"),
            Metric::proportion(ACCURACY.by(PROBABILITIES), "accuracy"),
        ];
        // Letters mean the same for all questions only where all have as many options.
        if let Some((_, options)) = common_shape(answers) {
            let recalls = |rows: &[&[f64]]| consistency::deviation(&column_means(rows));
            metrics.push(Metric {
                definition: consistency::LETTER_RECALL_DEVIATION.by(PROBABILITIES),
                estimate: Estimate::whole(numbered(AT_LETTER, options), recalls),
            });
        }
        metrics
    }
}

/// What any variants of a question are asked for; `accuracy` is that of the first, the task's own.
pub(super) fn scores(read: &variants::Answers) -> Scores {
    let right = read.right();
    let share = right.iter().filter(|&&right| right).count() as f64 / right.len().max(1) as f64;
    let options = read.options();
    let mut scores = Scores::from([
        ("accuracy".into(), from_bool(right.first() == Some(&true))),
        ("same_in_all".into(), from_bool(consistency::all_same(&options))),
        ("right_in_all".into(), from_bool(right.iter().all(|&right| right))),
        ("share_right".into(), share),
    ]);
    if let Some(agreement) = consistency::pairwise_agreement(&options) {
        scores.insert("pairwise_agreement".into(), agreement);
    }
    scores
}
