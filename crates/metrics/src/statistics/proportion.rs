//! Wilson's score interval for a proportion.
//!
//! Source: E. B. Wilson 1927. Unlike the normal approximation it stays within [0, 1] and is not empty at 0 % and 100 %.
//!
//! ```text
//! ( p + z²/2n ± z·√( p(1−p)/n + z²/4n² ) ) / (1 + z²/n)
//! ```

use statrs::distribution::{ContinuousCDF, Normal};

use super::resampling::student;
use super::{Resampled, check_confidence};
use crate::error::{MetricError, Result};

/// Interval of the proportion `successes / n`.
///
/// # Errors
/// If `n` is 0, there are more successes than trials, or `confidence` is not strictly between 0 and 1.
pub fn wilson(successes: usize, n: usize, confidence: f64) -> Result<(f64, f64)> {
    let metric = "Wilson interval";
    if successes > n {
        return Err(MetricError::Option {
            metric,
            option: "successes",
            found: successes.to_string(),
            expected: "at most the number of trials",
        });
    }
    wilson_of_share(successes as f64 / n as f64, n, confidence)
}

/// Interval of a share that need not be a whole number of `n`: ties are halves.
pub(crate) fn wilson_of_share(share: f64, n: usize, confidence: f64) -> Result<(f64, f64)> {
    let metric = "Wilson interval";
    check_confidence(metric, confidence)?;
    if n == 0 {
        return Err(MetricError::Empty { metric });
    }
    let z = Normal::standard().inverse_cdf(f64::midpoint(1.0, confidence));
    Ok(score_interval(share, n as f64, z))
}

/// Interval of a proportion whose items share documents: Wilson's with the number of independent items that would scatter as
/// much, `p(1−p)/s²` with `s` the cluster bootstrap's standard error, and the quantile of t with G − 1 degrees of freedom.
/// Where all items agree nothing is known about the scatter, and a document counts as one item.
///
/// Source: Korn & Graubard, Survey Methodology 24 (1998), with Wilson's interval in place of the exact one.
///
/// # Errors
/// If the interval of `share` is undefined, or `confidence` is not strictly between 0 and 1.
pub fn wilson_clustered(share: &Resampled, n: usize, confidence: f64) -> Result<(f64, f64)> {
    check_confidence("Wilson interval", confidence)?;
    let p = share.observed.clamp(0.0, 1.0);
    let variance = share.standard_error()?.powi(2);
    let units = share.units as f64;
    let effective = if p * (1.0 - p) < 1e-12 {
        units
    } else {
        (p * (1.0 - p) / variance).min(n as f64)
    };
    let t = student(share.units).map_or(2.0, |t| t.inverse_cdf(f64::midpoint(1.0, confidence)));
    Ok(score_interval(p, effective, t))
}

fn score_interval(p: f64, n: f64, z: f64) -> (f64, f64) {
    let scale = 1.0 + z * z / n;
    let centre = (p + z * z / (2.0 * n)) / scale;
    let half = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt() / scale;
    ((centre - half).max(0.0), (centre + half).min(1.0))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn by_hand() {
        // None of 10: (0, z²/(n + z²)) with z² = 3.8415.
        let (lower, upper) = wilson(0, 10, 0.95).unwrap();
        assert!(lower.abs() < 1e-12 && (upper - 3.841_458_8 / 13.841_458_8).abs() < 1e-7);
        let (lower, upper) = wilson(5, 10, 0.95).unwrap();
        assert!((lower + upper - 1.0).abs() < 1e-12, "symmetric at one half");
    }

    #[test]
    fn documents_that_agree_count_once() {
        use crate::statistics::{Bootstrap, Clusters, resample_mean};
        let interval = |values: &[f64], clusters: &Clusters| {
            let share = resample_mean(values, clusters, &Bootstrap::default()).unwrap();
            wilson_clustered(&share, values.len(), 0.95).unwrap()
        };
        let width = |(low, high): (f64, f64)| high - low;
        let values: Vec<f64> = (0..60).map(|i| f64::from(u8::from(i / 3 % 2 == 0))).collect();
        let names: Vec<String> = (0..60).map(|i| (i / 3).to_string()).collect();
        let documents = Clusters::by_name(names.iter().map(|name| Some(name.as_str())));
        let alone = interval(&values, &Clusters::singletons(60));
        assert!(width(interval(&values, &documents)) > 1.5 * width(alone));
        let (low, high) = interval(&[1.0; 60], &documents);
        assert!(low < 0.85 && (high - 1.0).abs() < 1e-12);
    }

    #[test]
    fn more_items_make_it_narrower_and_it_holds_the_proportion() {
        let mut last = 1.0;
        for n in [4, 16, 64, 256] {
            let (lower, upper) = wilson(n / 4, n, 0.95).unwrap();
            assert!(lower < 0.25 && 0.25 < upper && upper - lower < last);
            last = upper - lower;
        }
        assert!(wilson(1, 0, 0.95).is_err() && wilson(2, 1, 0.95).is_err());
        assert!(wilson(1, 2, 1.0).is_err());
    }
}
