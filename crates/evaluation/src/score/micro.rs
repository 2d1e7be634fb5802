//! Precision, recall and F1 of counts per item, summed before the division.

use secateur_metrics::counts::{Counts, PrecisionRecallF1};
use secateur_metrics::value::Definition;

use super::index;
use crate::answer::Scores;
use crate::summary::{Estimate, Metric};

/// Names of the scores that hold what is right, what was said and what was wanted.
pub(super) type Columns = [&'static str; 3];

/// The counts of one item as scores.
pub(super) fn scores(columns: Columns, counts: Counts) -> Scores {
    let values = [counts.right, counts.said, counts.wanted];
    let named = columns.iter().zip(values);
    named.map(|(name, value)| ((*name).to_owned(), value as f64)).collect()
}

/// F1 of the sums.
pub(super) fn f1(definition: Definition, columns: Columns) -> Metric {
    metric(definition, columns, |scores| scores.f1)
}

/// Any of the three shares of the sums.
pub(super) fn metric(definition: Definition, columns: Columns, share: fn(PrecisionRecallF1) -> f64) -> Metric {
    let value = move |rows: &[&[f64]]| {
        let mut sum = Counts::default();
        for row in rows {
            sum += Counts {
                right: index(row[0]),
                said: index(row[1]),
                wanted: index(row[2]),
            };
        }
        (sum.said + sum.wanted > 0).then(|| share(sum.scores()))
    };
    Metric {
        definition,
        estimate: Estimate::whole(columns.to_vec(), value),
    }
}
