//! From per-item outcomes to a record's [`MetricValue`]: value, interval, and difference to the unpruned model.

use crate::error::{Result, not_empty, same_length};
use crate::statistics::{self, Bootstrap, CONFIDENCE};
use crate::value::{Definition, MetricValue, Paired};

/// A statistic of the items at some indices, with repetitions; `None` where it is undefined on them.
pub type Statistic<'a> = &'a dyn Fn(&[usize]) -> Option<f64>;

/// A share of items, with Wilson's interval. With the unpruned model's outcomes on the same items, in the same order, also
/// the difference with its paired bootstrap interval and `McNemar`'s exact p.
///
/// # Errors
/// If there are no items or the lists differ in length.
pub fn proportion(
    definition: &Definition,
    outcomes: &[bool],
    unpruned: Option<&[bool]>,
    options: &Bootstrap,
) -> Result<MetricValue> {
    not_empty(definition.name, outcomes)?;
    let successes = outcomes.iter().filter(|&&outcome| outcome).count();
    let interval = statistics::wilson(successes, outcomes.len(), CONFIDENCE)?;
    let value = successes as f64 / outcomes.len() as f64;
    let mut result = metric(definition, value, outcomes.len(), interval, "wilson");
    if let Some(unpruned) = unpruned {
        same_length(definition.name, "unpruned outcomes", unpruned.len(), outcomes.len())?;
        let number = |list: &[bool]| -> Vec<f64> { list.iter().map(|&outcome| f64::from(u8::from(outcome))).collect() };
        let difference = statistics::paired_bootstrap(&number(unpruned), &number(outcomes), options)?;
        let flips = statistics::mcnemar(unpruned, outcomes)?;
        result.paired = Some(Paired {
            difference: difference.difference,
            interval: difference.interval,
            p_value: flips.p_value,
            test: "mcnemar_exact".into(),
            n: outcomes.len(),
            right_to_wrong: Some(flips.right_to_wrong),
            wrong_to_right: Some(flips.wrong_to_right),
        });
    }
    Ok(result)
}

/// A mean over items, with the bootstrap's interval, and the paired bootstrap's difference where `unpruned` is given.
///
/// # Errors
/// If there are no items, a value is not finite, or the lists differ in length.
pub fn mean(
    definition: &Definition,
    values: &[f64],
    unpruned: Option<&[f64]>,
    options: &Bootstrap,
) -> Result<MetricValue> {
    not_empty(definition.name, values)?;
    let estimate = statistics::bootstrap_mean(values, options)?;
    let mut result = metric(definition, estimate.value, estimate.n, estimate.interval, "bootstrap");
    if let Some(unpruned) = unpruned {
        result.paired = Some(statistics::paired_bootstrap(unpruned, values, options)?.into());
    }
    Ok(result)
}

/// Any statistic of `n` items (macro-F1, ECE, corpus BLEU …), given as a function of item indices.
///
/// # Errors
/// As [`statistics::bootstrap()`].
pub fn statistic(
    definition: &Definition,
    n: usize,
    options: &Bootstrap,
    of: Statistic<'_>,
    unpruned: Option<Statistic<'_>>,
) -> Result<MetricValue> {
    let estimate = statistics::bootstrap(n, options, of)?;
    let mut result = metric(definition, estimate.value, n, estimate.interval, "bootstrap");
    if let Some(unpruned) = unpruned {
        let paired = statistics::paired_bootstrap_statistic(n, options, unpruned, of)?;
        result.paired = Some(paired.into());
    }
    Ok(result)
}

impl From<statistics::PairedEstimate> for Paired {
    fn from(estimate: statistics::PairedEstimate) -> Self {
        Self {
            difference: estimate.difference,
            interval: estimate.interval,
            p_value: estimate.p_value,
            test: "paired_bootstrap".into(),
            n: estimate.n,
            right_to_wrong: None,
            wrong_to_right: None,
        }
    }
}

fn metric(definition: &Definition, value: f64, n: usize, interval: (f64, f64), method: &str) -> MetricValue {
    MetricValue {
        name: definition.name.into(),
        unit: definition.unit.into(),
        direction: definition.direction,
        aspect: definition.aspect,
        value,
        n,
        interval,
        interval_method: method.into(),
        paired: None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::classification::ACCURACY;
    use crate::rouge::ROUGE_L;

    #[test]
    fn a_proportion_against_the_unpruned_model() {
        let options = Bootstrap::default();
        let unpruned = [true, true, true, false];
        let pruned = [true, false, false, false];
        let value = proportion(&ACCURACY, &pruned, Some(&unpruned), &options).unwrap();
        assert!((value.value - 0.25).abs() < 1e-15);
        assert_eq!((value.n, value.interval_method.as_str()), (4, "wilson"));
        let paired = value.paired.unwrap();
        assert!((paired.difference + 0.5).abs() < 1e-15 && (paired.p_value - 0.5).abs() < 1e-12);
        assert_eq!((paired.right_to_wrong, paired.wrong_to_right), (Some(2), Some(0)));
        assert!(proportion(&ACCURACY, &pruned, Some(&[true]), &options).is_err());
    }

    #[test]
    fn a_mean_and_a_statistic_of_the_same_items_agree() {
        let options = Bootstrap::default();
        let (unpruned, pruned) = ([0.5, 0.7, 0.9], [0.4, 0.7, 0.5]);
        let by_mean = mean(&ROUGE_L, &pruned, Some(&unpruned), &options).unwrap();
        let of = |values: [f64; 3]| move |i: &[usize]| Some(i.iter().map(|&i| values[i]).sum::<f64>() / i.len() as f64);
        let (pruned, unpruned) = (of(pruned), of(unpruned));
        let by_index = statistic(&ROUGE_L, 3, &options, &pruned, Some(&unpruned)).unwrap();
        assert_eq!((by_mean.value, by_mean.interval), (by_index.value, by_index.interval));
        let difference = by_mean.paired.unwrap().difference - by_index.paired.unwrap().difference;
        assert!(difference.abs() < 1e-12);
    }
}
