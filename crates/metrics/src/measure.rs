//! From per-item outcomes to a record's [`MetricValue`]: value and 95 % interval. The difference to the unpruned model is
//! [`crate::measure_paired`]'s.
//!
//! Shares of items that stand alone have Wilson's interval; of items that share documents, Wilson's with the effective number
//! of items; everything else has the expanded percentile interval of a bootstrap by document.

use crate::error::{Result, same_length};
use crate::statistics::{self, Bootstrap, CONFIDENCE, Clusters, Resampled};
use crate::value::{Definition, MetricValue};

/// `interval_method` where all items are of one document: nothing is known of others. The ends are 0 and 1 where the value lies
/// between, else the value itself.
pub const NO_INTERVAL: &str = "none";

/// A statistic of the items at some indices, with repetitions; `None` where it is undefined on them.
pub type Statistic<'a> = &'a dyn Fn(&[usize]) -> Option<f64>;

/// A share of items.
///
/// # Errors
/// If there are no items or `clusters` has another number of them.
///
/// # Examples
/// ```
/// use secateur_metrics::classification::ACCURACY;
/// use secateur_metrics::statistics::{Bootstrap, Clusters};
/// use secateur_metrics::{measure, measure_paired};
///
/// let options = Bootstrap { resamples: 500, ..Bootstrap::default() };
/// let (unpruned, pruned) = ([true; 20], [&[true; 14][..], &[false; 6]].concat());
/// let alone = Clusters::singletons(20);
/// let accuracy = measure::proportion(&ACCURACY, &pruned, &alone, &options)?;
/// assert_eq!((accuracy.value, accuracy.n, accuracy.interval_method.as_str()), (0.7, 20, "wilson"));
///
/// let difference = measure_paired::proportion(&ACCURACY, &unpruned, &pruned, &alone, &options)?;
/// assert_eq!(difference.right_to_wrong, Some(6));
/// assert!((difference.p_value - 2.0 / 64.0).abs() < 1e-12); // McNemar: six flips, all one way
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn proportion(
    definition: &Definition,
    outcomes: &[bool],
    clusters: &Clusters,
    options: &Bootstrap,
) -> Result<MetricValue> {
    same_length(definition.name, "items in clusters", clusters.items(), outcomes.len())?;
    let numbers = numbers(outcomes);
    let share = statistics::resample_mean(&numbers, clusters, options)?;
    if share.units < 2 && outcomes.len() > 1 {
        return Ok(metric(definition, &share, outcomes.len(), (0.0, 1.0), NO_INTERVAL));
    }
    let successes = outcomes.iter().filter(|&&outcome| outcome).count();
    let (interval, method) = if clusters.are_singletons() {
        (statistics::wilson(successes, outcomes.len(), CONFIDENCE)?, "wilson")
    } else {
        (
            statistics::wilson_clustered(&share, outcomes.len(), CONFIDENCE)?,
            "wilson_clustered",
        )
    };
    Ok(metric(definition, &share, outcomes.len(), interval, method))
}

/// A mean over items.
///
/// # Errors
/// If there are no items, a value is not finite, or `clusters` has another number of items.
pub fn mean(definition: &Definition, values: &[f64], clusters: &Clusters, options: &Bootstrap) -> Result<MetricValue> {
    same_length(definition.name, "items in clusters", clusters.items(), values.len())?;
    crate::error::finite(definition.name, values)?;
    let mean = statistics::resample_mean(values, clusters, options)?;
    resampled(definition, mean, values.len())
}

/// Any statistic (macro-F1, ECE, corpus BLEU …), given as a function of item indices.
///
/// # Errors
/// As [`statistics::resample_statistic`] and [`Resampled::interval`].
pub fn statistic(
    definition: &Definition,
    clusters: &Clusters,
    options: &Bootstrap,
    of: Statistic<'_>,
) -> Result<MetricValue> {
    let found = statistics::resample_statistic(clusters, options, of)?;
    resampled(definition, found, clusters.items())
}

pub(crate) fn numbers(outcomes: &[bool]) -> Vec<f64> {
    outcomes.iter().map(|&outcome| f64::from(u8::from(outcome))).collect()
}

/// Whether values of a unit lie between 0 and 1.
pub(crate) fn is_bounded(definition: &Definition) -> bool {
    definition.unit == "fraction"
}

fn resampled(definition: &Definition, found: Resampled, n: usize) -> Result<MetricValue> {
    let found = found.bounded(is_bounded(definition));
    if found.units < 2 {
        let all = if found.bounded {
            (0.0, 1.0)
        } else {
            (found.observed, found.observed)
        };
        return Ok(metric(definition, &found, n, all, NO_INTERVAL));
    }
    let (low, high) = found.interval(CONFIDENCE)?;
    let interval = if found.bounded {
        (low.clamp(0.0, 1.0), high.clamp(0.0, 1.0))
    } else {
        (low, high)
    };
    Ok(metric(definition, &found, n, interval, "expanded_percentile"))
}

fn metric(definition: &Definition, found: &Resampled, n: usize, interval: (f64, f64), method: &str) -> MetricValue {
    MetricValue {
        name: definition.name.into(),
        unit: definition.unit.into(),
        direction: definition.direction,
        aspect: definition.aspect,
        value: found.observed,
        n,
        items: n,
        clusters: found.units,
        interval,
        scorer: definition.scorer.into(),
        interval_method: method.into(),
        resamples: found.into(),
        paired: None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::classification::ACCURACY;
    use crate::perplexity::BITS_PER_BYTE;
    use crate::rouge::ROUGE_L;

    #[test]
    fn a_share_has_wilsons_interval_and_documents_widen_it() {
        let options = Bootstrap::default();
        let outcomes = [true, true, false, false, true, true, false, false];
        let alone = proportion(&ACCURACY, &outcomes, &Clusters::singletons(8), &options).unwrap();
        assert_eq!((alone.value, alone.n, alone.clusters), (0.5, 8, 8));
        assert_eq!(alone.interval_method, "wilson");
        assert_eq!(alone.resamples.0.len(), 2000);
        let documents = Clusters::by_name(["a", "a", "b", "b", "c", "c", "d", "d"].map(Some));
        let shared = proportion(&ACCURACY, &outcomes, &documents, &options).unwrap();
        assert_eq!(
            (shared.clusters, shared.interval_method.as_str()),
            (4, "wilson_clustered")
        );
        assert!(shared.interval.0 < alone.interval.0 && shared.interval.1 > alone.interval.1);
        assert!(proportion(&ACCURACY, &outcomes, &Clusters::singletons(7), &options).is_err());
    }

    #[test]
    fn a_mean_and_a_statistic_of_the_same_items_agree() {
        let options = Bootstrap::default();
        let values = [0.4, 0.7, 0.5];
        let clusters = Clusters::singletons(3);
        let by_mean = mean(&ROUGE_L, &values, &clusters, &options).unwrap();
        let of = |i: &[usize]| Some(i.iter().map(|&i| values[i]).sum::<f64>() / i.len() as f64);
        let by_index = statistic(&ROUGE_L, &clusters, &options, &of).unwrap();
        assert_eq!((by_mean.value, by_mean.interval), (by_index.value, by_index.interval));
    }

    #[test]
    fn what_is_bounded_stays_within_and_keeps_its_doubt() {
        let options = Bootstrap::default();
        let clusters = Clusters::singletons(20);
        let zero = mean(&ROUGE_L, &[0.0; 20], &clusters, &options).unwrap();
        assert!(zero.interval.0 == 0.0 && zero.interval.1 > 0.15);
        let bits = mean(&BITS_PER_BYTE, &[2.0; 20], &clusters, &options).unwrap();
        assert_eq!(bits.interval, (2.0, 2.0));
        let one = mean(&ROUGE_L, &[0.5], &Clusters::singletons(1), &options).unwrap();
        assert_eq!((one.interval, one.interval_method.as_str()), ((0.0, 1.0), NO_INTERVAL));
        let document = Clusters::by_name([Some("a"), Some("a")]);
        let shared = proportion(&ACCURACY, &[true, true], &document, &options).unwrap();
        assert_eq!(
            (shared.interval, shared.interval_method.as_str()),
            ((0.0, 1.0), NO_INTERVAL)
        );
    }
}
