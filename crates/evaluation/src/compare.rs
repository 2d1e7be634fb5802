//! A pruned model against the unpruned one, on the same items.
//!
//! Proportions: `McNemar`'s exact test on the items whose outcome changed. Everything else: items are resampled, and the metric computed on
//! the same resample of both sides. Items that lack a score on either side do not enter; `n` says how many did.

use std::collections::BTreeMap;

use rayon::prelude::*;
use secateur_metrics::value::{MetricValue, Resamples};

use crate::answer::Answer;
use crate::design;
use crate::error::EvaluationError;
use crate::summary::{Bootstrap, Metric, Rows, Unmeasured, broken};

/// Fills [`MetricValue::paired`] of the pruned model's metrics; where a metric is undefined on the common items of either
/// side it stays empty.
///
/// # Errors
/// If the two sides do not hold the same items, or hold one twice.
pub fn compare(
    task: &str,
    metrics: &[Metric],
    pruned: &[Answer],
    unpruned: &[Answer],
    values: &mut [MetricValue],
    options: &Bootstrap,
) -> Result<(), EvaluationError> {
    let pairs = join(task, pruned, unpruned)?;
    let options = design::of_task(task, options);
    let clusters = design::clusters(pruned);
    values.par_iter_mut().try_for_each(|value| {
        let Some(metric) = metrics.iter().find(|m| m.definition.name == value.name) else {
            return Ok(());
        };
        let row = |(left, right): &(&Answer, &Answer)| metric.estimate.row(right).zip(metric.estimate.row(left));
        let rows: Vec<Option<(Vec<f64>, Vec<f64>)>> = pairs.iter().map(row).collect();
        let entered: Vec<bool> = rows.iter().map(Option::is_some).collect();
        let (before, after): (Vec<_>, Vec<_>) = rows.into_iter().flatten().unzip();
        let clusters = clusters.restricted(&entered);
        value.paired = match metric.difference((&Rows(before), &Rows(after)), &clusters, &options) {
            Ok(paired) => Some(paired),
            Err(Unmeasured::Undefined(_)) => None,
            Err(Unmeasured::Broken(found)) => return Err(broken(task, metric, found)),
        };
        // What relative margins need is the unpruned model's.
        value.resamples = Resamples::default();
        Ok(())
    })
}

/// (pruned, unpruned) of every item, in the order of the pruned side.
pub(crate) fn join<'a>(
    task: &str,
    pruned: &'a [Answer],
    unpruned: &'a [Answer],
) -> Result<Vec<(&'a Answer, &'a Answer)>, EvaluationError> {
    let different = |found: String| EvaluationError::DifferentItems {
        task: task.into(),
        found,
    };
    let mut others: BTreeMap<&str, &Answer> = BTreeMap::new();
    for answer in unpruned {
        if others.insert(&answer.item, answer).is_some() {
            return Err(different(format!(
                "the unpruned model has item `{}` twice",
                answer.item
            )));
        }
    }
    let mut pairs = Vec::with_capacity(pruned.len());
    for answer in pruned {
        let other = others.remove(answer.item.as_str()).ok_or_else(|| {
            different(format!(
                "item `{}` of the pruned model is missing or used up on the unpruned side",
                answer.item
            ))
        })?;
        pairs.push((answer, other));
    }
    if let Some(item) = others.keys().next() {
        return Err(different(format!(
            "{} items of the unpruned model are missing on the pruned side, first `{item}`",
            others.len()
        )));
    }
    Ok(pairs)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::answer::{LikelihoodAnswer, Output, Scores};
    use crate::summary::{Estimate, summarise};
    use secateur_metrics::classification::{ACCURACY, MACRO_F1};

    fn answers(scores: &[(&str, Option<f64>)]) -> Vec<Answer> {
        let one = |(item, score): &(&str, Option<f64>)| Answer {
            item: (*item).into(),
            prompt: String::new(),
            output: Output::Likelihood(LikelihoodAnswer {
                log_probability: 0.0,
                tokens: 0,
            }),
            scores: score.map(|s| ("x".to_string(), s)).into_iter().collect::<Scores>(),
            flags: std::collections::BTreeSet::new(),
            unsupported: Vec::new(),
            fields: BTreeMap::new(),
        };
        scores.iter().map(one).collect()
    }

    fn compared(metric: Metric, pruned: &[Answer], unpruned: &[Answer]) -> MetricValue {
        let options = Bootstrap::default();
        let metrics = [metric];
        let mut values = summarise("t", &metrics, pruned, &options).unwrap().0;
        compare("t", &metrics, pruned, unpruned, &mut values, &options).unwrap();
        values.remove(0)
    }

    #[test]
    fn flips_are_counted_on_common_items_in_any_order() {
        let pruned = answers(&[("a", Some(0.0)), ("b", Some(0.0)), ("c", Some(1.0)), ("d", None)]);
        let unpruned = answers(&[("d", Some(1.0)), ("c", Some(0.0)), ("b", Some(1.0)), ("a", Some(1.0))]);
        let value = compared(Metric::proportion(ACCURACY, "x"), &pruned, &unpruned);
        let paired = value.paired.unwrap();
        assert_eq!(paired.test, "mcnemar_exact");
        assert_eq!(
            (paired.n, paired.right_to_wrong, paired.wrong_to_right),
            (3, Some(2), Some(1))
        );
        assert!((paired.difference + 1.0 / 3.0).abs() < 1e-12);
        assert!((paired.p_value - 1.0).abs() < 1e-12);
    }

    #[test]
    fn a_model_does_not_differ_from_itself() {
        let same = answers(&[("a", Some(0.2)), ("b", Some(0.9)), ("c", Some(0.5))]);
        let maximum = Estimate::whole(vec!["x"], |rows| rows.iter().map(|row| row[0]).max_by(f64::total_cmp));
        let whole = Metric {
            definition: MACRO_F1,
            estimate: maximum,
        };
        for metric in [Metric::mean(ACCURACY, "x"), whole] {
            let paired = compared(metric, &same, &same).paired.unwrap();
            assert!(paired.difference.abs() < f64::EPSILON);
            // 1 − 0.025^(1/3): three items that agree leave much open.
            assert!((paired.interval.1 - 0.707_6).abs() < 1e-4 && (paired.interval.0 + 0.707_6).abs() < 1e-4);
            assert!((paired.p_value - 1.0).abs() < 1e-12);
            assert_eq!(paired.resamples.0.len(), 2000);
        }
    }

    #[test]
    fn different_items_are_refused() {
        let all = answers(&[("a", Some(1.0)), ("b", Some(1.0))]);
        let metrics = [Metric::proportion(ACCURACY, "x")];
        let refused = |pruned: &[Answer], unpruned: &[Answer]| {
            let options = Bootstrap::default();
            compare("t", &metrics, pruned, unpruned, &mut [], &options)
                .unwrap_err()
                .to_string()
        };
        assert!(refused(&all, &all[..1]).contains("`b`"));
        assert!(refused(&all[..1], &all).contains("1 items"));
        let twice = [all.clone(), all[..1].to_vec()].concat();
        assert!(refused(&all, &twice).contains("`a` twice"));
        assert!(refused(&twice, &all).contains("`a`"));
    }
}
