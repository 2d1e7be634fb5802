//! Percentile bootstrap: intervals for any statistic by drawing the items again, with replacement.
//!
//! Source: Efron & Tibshirani 1993, chapters 13 and 16. Quantiles are interpolated linearly between order statistics.
//! Draws come from `ChaCha8` seeded with a u64, so that equal input gives equal bytes on any machine.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{CONFIDENCE, check_confidence};
use crate::error::{MetricError, Result, finite, not_empty, same_length};

const METRIC: &str = "bootstrap";

/// How to draw.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bootstrap {
    /// Resamples; at least 1.
    pub resamples: usize,
    /// Seed.
    pub seed: u64,
    /// Share of resamples inside the interval.
    pub confidence: f64,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self {
            resamples: 2000,
            seed: 0,
            confidence: CONFIDENCE,
        }
    }
}

/// A statistic with its interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The statistic of the items themselves.
    pub value: f64,
    /// Lower and upper end.
    pub interval: (f64, f64),
    /// Standard deviation of the resampled statistic (n − 1 in the denominator; 0 for one resample).
    pub standard_error: f64,
    /// Items.
    pub n: usize,
    /// Resamples on which the statistic was defined.
    pub resamples: usize,
}

/// The difference between two systems on the same items.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairedEstimate {
    /// Candidate minus baseline.
    pub difference: f64,
    /// Lower and upper end.
    pub interval: (f64, f64),
    /// Two-sided: twice the smaller share of resamples on either side of no difference, zeros counting for both sides and
    /// the observed items as one resample more, at most 1. Never 0.
    pub p_value: f64,
    /// Items.
    pub n: usize,
    /// Resamples on which the difference was defined.
    pub resamples: usize,
}

/// Resamples on which a statistic may be undefined, as a share, before the interval is refused.
pub(super) const UNDEFINED_ALLOWED: f64 = 0.1;

/// Interval of a mean.
///
/// # Errors
/// If there are no values, one is not finite, or an option is out of range.
pub fn bootstrap_mean(values: &[f64], options: &Bootstrap) -> Result<Estimate> {
    finite("bootstrap", values)?;
    bootstrap(values.len(), options, |indices| Some(mean_at(values, indices)))
}

/// Interval of any statistic of `n` items. `statistic` gets indices below `n`, with repetitions, and returns `None` where
/// it is undefined on them (a class is missing, say); such resamples are left out, and too many of them are an error.
///
/// # Errors
/// If `n` is 0, the statistic is undefined or not finite on all items or on more than a tenth of the resamples, or an
/// option is out of range.
pub fn bootstrap(
    n: usize,
    options: &Bootstrap,
    mut statistic: impl FnMut(&[usize]) -> Option<f64>,
) -> Result<Estimate> {
    let mut defined = |indices: &[usize]| statistic(indices).filter(|value| value.is_finite());
    let (value, sorted) = resample(n, options, &mut defined)?;
    Ok(estimate(value, n, &sorted, options.confidence))
}

/// As [`bootstrap`] with resamples drawn elsewhere, each a list of indices below `n`: to repeat another program's draws.
///
/// # Errors
/// As [`bootstrap`], or if an index is not below `n`.
pub fn bootstrap_over(
    n: usize,
    resamples: &[Vec<usize>],
    confidence: f64,
    mut statistic: impl FnMut(&[usize]) -> Option<f64>,
) -> Result<Estimate> {
    check_confidence(METRIC, confidence)?;
    if let Some(&found) = resamples.iter().flatten().find(|&&index| index >= n) {
        return Err(MetricError::Option {
            metric: METRIC,
            option: "index of an item",
            found: found.to_string(),
            expected: "below the number of items",
        });
    }
    let mut defined = |indices: &[usize]| statistic(indices).filter(|value| value.is_finite());
    let all: Vec<usize> = (0..n).collect();
    let value = of_all(&all, &mut defined)?;
    let sorted = ascending(resamples.iter().map(|indices| defined(indices)).collect())?;
    Ok(estimate(value, n, &sorted, confidence))
}

/// Interval and p-value of the mean difference `candidate − baseline` over the same items, which are drawn in pairs.
///
/// # Errors
/// If the lists are empty or differ in length, a value is not finite, or an option is out of range.
pub fn paired_bootstrap(baseline: &[f64], candidate: &[f64], options: &Bootstrap) -> Result<PairedEstimate> {
    let metric = "paired bootstrap";
    not_empty(metric, baseline)?;
    same_length(metric, "candidate values", candidate.len(), baseline.len())?;
    finite(metric, baseline)?;
    finite(metric, candidate)?;
    let differences: Vec<f64> = baseline
        .iter()
        .zip(candidate)
        .map(|(baseline, candidate)| candidate - baseline)
        .collect();
    paired(differences.len(), options, |indices| {
        Some(mean_at(&differences, indices))
    })
}

/// As [`paired_bootstrap`] for any statistic of the items, such as corpus BLEU or macro-F1. Both see the same indices.
///
/// # Errors
/// As [`bootstrap`].
pub fn paired_bootstrap_statistic(
    n: usize,
    options: &Bootstrap,
    mut baseline: impl FnMut(&[usize]) -> Option<f64>,
    mut candidate: impl FnMut(&[usize]) -> Option<f64>,
) -> Result<PairedEstimate> {
    paired(n, options, |indices| Some(candidate(indices)? - baseline(indices)?))
}

fn estimate(value: f64, n: usize, sorted: &[f64], confidence: f64) -> Estimate {
    Estimate {
        value,
        interval: interval(sorted, confidence),
        standard_error: standard_deviation(sorted),
        n,
        resamples: sorted.len(),
    }
}

fn paired(
    n: usize,
    options: &Bootstrap,
    mut difference: impl FnMut(&[usize]) -> Option<f64>,
) -> Result<PairedEstimate> {
    let mut defined = |indices: &[usize]| difference(indices).filter(|value| value.is_finite());
    let (observed, sorted) = resample(n, options, &mut defined)?;
    let below = sorted.iter().filter(|&&value| value <= 0.0).count();
    let above = sorted.iter().filter(|&&value| value >= 0.0).count();
    let p_value = 2.0 * (below.min(above) + 1) as f64 / (sorted.len() + 1) as f64;
    Ok(PairedEstimate {
        difference: observed,
        interval: interval(&sorted, options.confidence),
        p_value: p_value.min(1.0),
        n,
        resamples: sorted.len(),
    })
}

/// The statistic of the items, and of the resamples in ascending order.
fn resample(
    n: usize,
    options: &Bootstrap,
    statistic: &mut dyn FnMut(&[usize]) -> Option<f64>,
) -> Result<(f64, Vec<f64>)> {
    check_confidence(METRIC, options.confidence)?;
    let limit = u32::try_from(n).map_err(|_| too_large(n))?;
    let mut indices: Vec<usize> = (0..n).collect();
    let observed = of_all(&indices, statistic)?;
    let mut random = ChaCha8Rng::seed_from_u64(options.seed);
    let values = (0..options.resamples).map(|_| {
        for index in &mut indices {
            *index = random.random_range(0..limit) as usize;
        }
        statistic(&indices)
    });
    Ok((observed, ascending(values.collect())?))
}

fn of_all(indices: &[usize], statistic: &mut dyn FnMut(&[usize]) -> Option<f64>) -> Result<f64> {
    not_empty(METRIC, indices)?;
    statistic(indices).ok_or_else(|| MetricError::Undefined {
        metric: METRIC,
        reason: "the statistic has no value on the items themselves".into(),
    })
}

/// The defined values, ascending; an error where they are too few.
fn ascending(values: Vec<Option<f64>>) -> Result<Vec<f64>> {
    let all = values.len();
    if all == 0 {
        return Err(MetricError::Option {
            metric: METRIC,
            option: "resamples",
            found: "0".into(),
            expected: "at least 1",
        });
    }
    let mut defined: Vec<f64> = values.into_iter().flatten().collect();
    let undefined = all - defined.len();
    if undefined as f64 > UNDEFINED_ALLOWED * all as f64 {
        return Err(MetricError::Undefined {
            metric: METRIC,
            reason: format!("the statistic has no value on {undefined} of {all} resamples"),
        });
    }
    defined.sort_by(f64::total_cmp);
    Ok(defined)
}

fn too_large(n: usize) -> MetricError {
    MetricError::Option {
        metric: METRIC,
        option: "number of items",
        found: n.to_string(),
        expected: "below 2^32",
    }
}

fn mean_at(values: &[f64], indices: &[usize]) -> f64 {
    indices.iter().map(|&index| values[index]).sum::<f64>() / indices.len() as f64
}

fn interval(sorted: &[f64], confidence: f64) -> (f64, f64) {
    let tail = (1.0 - confidence) / 2.0;
    (interpolate(sorted, tail), interpolate(sorted, 1.0 - tail))
}

/// Quantile of ascending values, linear between order statistics (`numpy.percentile`'s default); `None` without values or
/// with `share` outside [0, 1].
#[must_use]
pub fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    (!sorted.is_empty() && (0.0..=1.0).contains(&share)).then(|| interpolate(sorted, share))
}

pub(super) fn interpolate(sorted: &[f64], share: f64) -> f64 {
    let position = share * (sorted.len() - 1) as f64;
    // `share` is not negative.
    #[allow(clippy::cast_sign_loss)]
    let below = position.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (position - position.floor()) * (sorted[above] - sorted[below])
}

/// Standard error of a mean, from the values themselves.
#[must_use]
pub fn standard_error(values: &[f64]) -> f64 {
    standard_deviation(values) / (values.len().max(1) as f64).sqrt()
}

/// Standard deviation with n − 1 in the denominator; 0 for fewer than two values.
#[must_use]
pub fn standard_deviation(values: &[f64]) -> f64 {
    if values.len() < 2 {
        return 0.0;
    }
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (squares / (values.len() - 1) as f64).sqrt()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn quantiles_by_hand() {
        let values = [1.0, 2.0, 4.0];
        assert_eq!(quantile(&values, 0.5), Some(2.0));
        assert_eq!(quantile(&values, 0.75), Some(3.0));
        assert_eq!(quantile(&values, 1.0), Some(4.0));
        assert_eq!((quantile(&[], 0.5), quantile(&values, 1.5)), (None, None));
        assert!((standard_deviation(&[1.0, 3.0]) - 2.0_f64.sqrt()).abs() < 1e-15);
    }

    #[test]
    fn equal_seeds_give_equal_bytes_and_others_do_not() {
        let values: Vec<f64> = (0..30).map(f64::from).collect();
        let with = |seed| {
            let options = Bootstrap {
                seed,
                ..Bootstrap::default()
            };
            bootstrap_mean(&values, &options).unwrap()
        };
        assert_eq!(with(7), with(7));
        assert_ne!(with(7).interval, with(8).interval);
    }

    #[test]
    fn the_standard_error_is_that_of_the_mean() {
        let values: Vec<f64> = (0..200).map(|i| f64::from(i % 10)).collect();
        let estimate = bootstrap_mean(&values, &Bootstrap::default()).unwrap();
        let expected = standard_deviation(&values) / 200.0_f64.sqrt();
        assert!((estimate.standard_error / expected - 1.0).abs() < 0.1);
        assert!(estimate.interval.0 < estimate.value && estimate.value < estimate.interval.1);
        assert!((estimate.value - estimate.interval.0 - 1.96 * expected).abs() < 0.2 * expected);
    }

    #[test]
    fn equal_systems_do_not_differ_and_unequal_ones_do() {
        let baseline: Vec<f64> = (0..100).map(|i| f64::from(i % 7)).collect();
        let options = Bootstrap::default();
        let same = paired_bootstrap(&baseline, &baseline, &options).unwrap();
        assert!(same.difference.abs() < 1e-15 && (same.p_value - 1.0).abs() < 1e-15);
        let better: Vec<f64> = baseline.iter().map(|value| value + 1.0).collect();
        let other = paired_bootstrap(&baseline, &better, &options).unwrap();
        assert!((other.difference - 1.0).abs() < 1e-12);
        assert!((other.p_value - 2.0 / 2001.0).abs() < 1e-15);
        let turned = paired_bootstrap(&better, &baseline, &options).unwrap();
        assert!((turned.difference + other.difference).abs() < 1e-12);
    }

    #[test]
    fn a_statistic_of_indices_equals_the_mean_it_computes() {
        let values = [1.0, 0.0, 0.0, 1.0, 1.0];
        let options = Bootstrap::default();
        let by_mean = bootstrap_mean(&values, &options).unwrap();
        let by_index = bootstrap(5, &options, |i| Some(mean_at(&values, i))).unwrap();
        assert_eq!(by_mean, by_index);
        let given = bootstrap_over(2, &[vec![0, 0], vec![1, 1]], 0.5, |i| Some(mean_at(&values, i)));
        assert_eq!(given.unwrap().interval, (0.25, 0.75));
        assert!(bootstrap_over(1, &[vec![1]], 0.5, |_| Some(0.0)).is_err());
        let paired = paired_bootstrap(&[0.0; 5], &values, &options).unwrap();
        let statistic = paired_bootstrap_statistic(5, &options, |_| Some(0.0), |i| Some(mean_at(&values, i)));
        assert_eq!(paired, statistic.unwrap());
    }

    #[test]
    fn what_has_no_value_is_an_error() {
        let options = Bootstrap::default();
        assert!(bootstrap_mean(&[], &options).is_err());
        assert!(bootstrap_mean(&[f64::NAN], &options).is_err());
        assert!(bootstrap(3, &options, |_| None).is_err());
        assert!(bootstrap(3, &options, |_| Some(f64::NAN)).is_err());
        let sometimes = bootstrap(3, &options, |i| (i[0] == 0).then_some(1.0));
        assert!(sometimes.unwrap_err().to_string().contains("resamples"));
        assert!(paired_bootstrap(&[1.0], &[1.0, 2.0], &options).is_err());
    }
}
