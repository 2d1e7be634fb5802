//! A pruned model against the unpruned one on the same items, in the form that records keep: difference, interval, tests, and
//! what difference this many items would have shown.

use crate::error::{Result, finite, same_length};
use crate::measure::{Statistic, is_bounded, numbers};
use crate::statistics::power::{minimum_detectable_flips, minimum_detectable_mean};
use crate::statistics::{self, Bootstrap, CONFIDENCE, Clusters, Resampled};
use crate::value::{Definition, Paired};

/// `test` of differences between shares of items that stand alone.
pub const MCNEMAR: &str = "mcnemar_exact";

/// Right or wrong before and after. The interval is that of a bootstrap of the flips with one flip added in either direction,
/// as Bonett & Price (2012) add them to the table: few items without a flip do not prove that there are none. p is `McNemar`'s
/// where items share no documents.
///
/// # Errors
/// If there are no items or the lists differ in length.
pub fn proportion(
    definition: &Definition,
    unpruned: &[bool],
    pruned: &[bool],
    clusters: &Clusters,
    options: &Bootstrap,
) -> Result<Paired> {
    same_length(definition.name, "unpruned outcomes", unpruned.len(), pruned.len())?;
    same_length(definition.name, "items in clusters", clusters.items(), pruned.len())?;
    let flips = statistics::mcnemar(unpruned, pruned)?;
    let differences = differences(&numbers(unpruned), &numbers(pruned));
    let found = statistics::resample_flips(&differences, clusters, options)?;
    let mut paired = paired(&found, pruned.len())?;
    if clusters.are_singletons() {
        paired.p_value = flips.p_value;
        paired.test = MCNEMAR.into();
        paired.mid_p = Some(flips.mid_p);
        let changed = flips.right_to_wrong + flips.wrong_to_right;
        paired.minimum_detectable = minimum_detectable_flips(changed, pruned.len());
    }
    paired.right_to_wrong = Some(flips.right_to_wrong);
    paired.wrong_to_right = Some(flips.wrong_to_right);
    Ok(paired)
}

/// Means of the same items.
///
/// # Errors
/// If there are fewer than two items (documents), a value is not finite, or the lists differ in length.
pub fn mean(
    definition: &Definition,
    unpruned: &[f64],
    pruned: &[f64],
    clusters: &Clusters,
    options: &Bootstrap,
) -> Result<Paired> {
    same_length(definition.name, "unpruned values", unpruned.len(), pruned.len())?;
    same_length(definition.name, "items in clusters", clusters.items(), pruned.len())?;
    finite(definition.name, unpruned)?;
    finite(definition.name, pruned)?;
    let differences = differences(unpruned, pruned);
    let found = statistics::resample_mean(&differences, clusters, options)?;
    let mut paired = paired(&found.bounded(is_bounded(definition)), pruned.len())?;
    let by_document = clusters.sums(&differences);
    let sizes = (0..clusters.count()).map(|unit| clusters.members(unit).len());
    let means = by_document.iter().zip(sizes).filter(|(_, size)| *size > 0);
    let means: Vec<f64> = means.map(|(sum, size)| sum / size as f64).collect();
    paired.wilcoxon_p = Some(statistics::wilcoxon(&means)?.p_value);
    Ok(paired)
}

/// Any statistic of the same items: both sides see the same draws.
///
/// # Errors
/// As [`statistics::resample_statistic`] and [`Resampled::interval`].
pub fn statistic(
    definition: &Definition,
    clusters: &Clusters,
    options: &Bootstrap,
    unpruned: Statistic<'_>,
    pruned: Statistic<'_>,
) -> Result<Paired> {
    let difference = |items: &[usize]| Some(pruned(items)? - unpruned(items)?);
    let found = statistics::resample_statistic(clusters, options, difference)?;
    paired(&found.bounded(is_bounded(definition)), clusters.items())
}

fn differences(unpruned: &[f64], pruned: &[f64]) -> Vec<f64> {
    unpruned
        .iter()
        .zip(pruned)
        .map(|(before, after)| after - before)
        .collect()
}

fn paired(found: &Resampled, n: usize) -> Result<Paired> {
    let standard_error = found.standard_error()?;
    Ok(Paired {
        difference: found.observed,
        interval: found.interval(CONFIDENCE)?,
        standard_error: Some(standard_error),
        p_value: found.p_value()?,
        test: "paired_bootstrap".into(),
        mid_p: None,
        wilcoxon_p: None,
        // Draws that agree have no standard error to compute it from.
        minimum_detectable: (standard_error > 0.0).then(|| minimum_detectable_mean(standard_error)),
        n,
        clusters: found.units,
        right_to_wrong: None,
        wrong_to_right: None,
        resamples: found.into(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::classification::ACCURACY;
    use crate::rouge::ROUGE_L;

    #[test]
    fn a_share_against_the_unpruned_model() {
        let options = Bootstrap::default();
        let (unpruned, pruned) = ([true, true, true, false], [true, false, false, false]);
        let alone = Clusters::singletons(4);
        let paired = proportion(&ACCURACY, &unpruned, &pruned, &alone, &options).unwrap();
        assert!((paired.difference + 0.5).abs() < 1e-15 && (paired.p_value - 0.5).abs() < 1e-12);
        assert_eq!((paired.right_to_wrong, paired.wrong_to_right), (Some(2), Some(0)));
        assert_eq!(paired.test, "mcnemar_exact");
        assert!(paired.mid_p.is_some_and(|p| (p - 0.25).abs() < 1e-12));
        assert_eq!(paired.minimum_detectable, None, "four items show nothing");
        let documents = Clusters::by_name(["a", "a", "b", "b"].map(Some));
        let shared = proportion(&ACCURACY, &unpruned, &pruned, &documents, &options).unwrap();
        assert_eq!((shared.test.as_str(), shared.clusters), ("paired_bootstrap", 2));
        assert!(proportion(&ACCURACY, &unpruned[..1], &pruned, &alone, &options).is_err());
    }

    #[test]
    fn no_flip_in_few_items_leaves_doubt() {
        let right = [true; 20];
        let clusters = Clusters::singletons(20);
        let paired = proportion(&ACCURACY, &right, &right, &clusters, &Bootstrap::default()).unwrap();
        assert!(paired.difference.abs() < 1e-15 && (paired.p_value - 1.0).abs() < 1e-15);
        let (low, high) = paired.interval;
        assert!(low < -0.08 && high > 0.08 && low > -0.3, "{low} {high}");
    }

    #[test]
    fn a_mean_and_a_statistic_of_the_same_items_agree() {
        let options = Bootstrap::default();
        let (unpruned, pruned) = ([0.5, 0.7, 0.9], [0.4, 0.7, 0.5]);
        let clusters = Clusters::singletons(3);
        let by_mean = mean(&ROUGE_L, &unpruned, &pruned, &clusters, &options).unwrap();
        let of = |values: [f64; 3]| move |i: &[usize]| Some(i.iter().map(|&i| values[i]).sum::<f64>() / i.len() as f64);
        let by_index = statistic(&ROUGE_L, &clusters, &options, &of(unpruned), &of(pruned)).unwrap();
        assert!((by_mean.difference - by_index.difference).abs() < 1e-12);
        assert!((by_mean.interval.0 - by_index.interval.0).abs() < 1e-12);
        // Differences −0.1, 0, −0.4: both of two ranks negative.
        assert_eq!((by_mean.wilcoxon_p, by_index.wilcoxon_p), (Some(0.5), None));
    }
}
