//! "None of the above" in an option's place.

use secateur_datasets::forms::none_of_the_above::VARIANTS;
use secateur_datasets::item::Item;
use secateur_metrics::classification::ACCURACY;
use secateur_metrics::none_of_the_above::{CLINGING_RATE, FALSE_NONE_RATE, NONE_ACCURACY, NONE_ACCURACY_DROP};
use secateur_metrics::value::PROBABILITIES;

use super::{Mismatch, Scorer, from_bool, variants};
use crate::answer::{Answer, Scores};
use crate::summary::Metric;

/// Scores of a question as it is, without its right option, and without a wrong one.
pub(super) struct NoneOfTheAbove;

impl Scorer for NoneOfTheAbove {
    fn score(&self, item: &Item, answer: &mut Answer) -> Result<(), Mismatch> {
        let read = variants::read(item, answer)?;
        let named = VARIANTS.map(|name| read.named(name));
        let [Some((plain, _)), Some((gone, _)), Some((kept, Some(replaced)))] = named else {
            return Err(Mismatch {
                found: "other variants".into(),
                expected: VARIANTS.join(", "),
            });
        };
        let (right, none) = (plain.option == read.gold, gone.option == read.gold);
        answer.scores = Scores::from([
            ("accuracy".into(), from_bool(right)),
            ("none_right".into(), from_bool(none)),
            ("accuracy_drop".into(), from_bool(right) - from_bool(none)),
            ("false_none".into(), from_bool(kept.option == replaced)),
        ]);
        if right {
            answer.scores.insert("clings".into(), from_bool(!none));
        }
        Ok(())
    }

    fn metrics(&self, _: &[Answer]) -> Vec<Metric> {
        vec![
            Metric::proportion(NONE_ACCURACY.by(PROBABILITIES), "none_right"),
            Metric::proportion(CLINGING_RATE.by(PROBABILITIES), "clings"),
            Metric::mean(NONE_ACCURACY_DROP.by(PROBABILITIES), "accuracy_drop"),
            Metric::proportion(FALSE_NONE_RATE.by(PROBABILITIES), "false_none"),
            Metric::proportion(ACCURACY.by(PROBABILITIES), "accuracy"),
        ]
    }
}
