//! How much is gained by answering only where the model is confident?
//!
//! Source: Geifman & El-Yaniv 2017; Geifman, Uziel & El-Yaniv 2019 (AURC, E-AURC).
//!
//! ```text
//! risk(k) = errors among the k most confident items / k,  AURC = 1/N · Σ_{k=1..N} risk(k)
//! ```
//!
//! Items of equal confidence come in no particular order: within such a group errors are spread evenly (the mean over all
//! orders), so that the order of the input is no matter. E-AURC subtracts the AURC of a model with the same errors that
//! ranks all of them last; that optimum is computed exactly, not by its limit `r + (1 − r)·ln(1 − r)`.

use crate::error::{MetricError, Result, finite, not_empty, same_length};
use crate::ties::tied;
use crate::value::{Aspect, Definition, Direction, PROBABILITIES};

/// Area under the risk–coverage curve.
pub const AURC: Definition = reliability("aurc", Direction::LowerIsBetter);
/// AURC above that of the best ranking of the same errors.
pub const E_AURC: Definition = reliability("e_aurc", Direction::LowerIsBetter);
/// Largest share of items that can be answered with at most 5 % of them wrong.
pub const COVERAGE_AT_RISK_05: Definition = reliability("coverage_at_risk_05", Direction::HigherIsBetter);
/// Largest share of items that can be answered with at most 10 % of them wrong.
pub const COVERAGE_AT_RISK_10: Definition = reliability("coverage_at_risk_10", Direction::HigherIsBetter);
/// Share of items answered wrong with a confidence of at least [`CONFIDENT`].
pub const CONFIDENT_ERROR_RATE: Definition = reliability("confident_error_rate", Direction::LowerIsBetter);

/// Confidence from which on an error counts as confident.
pub const CONFIDENT: f64 = 0.9;

const fn reliability(name: &'static str, direction: Direction) -> Definition {
    Definition::new(name, "fraction", direction, Aspect::Reliability).by(PROBABILITIES)
}

/// One point of the curve: a threshold on confidence that the data can tell apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Least confidence answered.
    pub threshold: f64,
    /// Share of items answered.
    pub coverage: f64,
    /// Share of wrong ones among them.
    pub risk: f64,
}

/// Area under the risk–coverage curve.
///
/// # Errors
/// If there are no items, the lists differ in length, or a confidence is not finite.
pub fn aurc(confidences: &[f64], right: &[bool]) -> Result<f64> {
    let (mut before, mut errors, mut sum) = (0.0, 0.0, 0.0);
    for (_, items, wrong) in groups(confidences, right)? {
        for k in 1..=items {
            let k = k as f64;
            sum += (errors + k * wrong as f64 / items as f64) / (before + k);
        }
        before += items as f64;
        errors += wrong as f64;
    }
    Ok(sum / confidences.len() as f64)
}

/// AURC minus that of the best possible ranking of as many errors.
///
/// # Errors
/// As [`aurc`].
pub fn excess_aurc(confidences: &[f64], right: &[bool]) -> Result<f64> {
    let n = right.len();
    let rights = right.iter().filter(|&&right| right).count();
    let optimum: f64 = (rights + 1..=n).map(|k| (k - rights) as f64 / k as f64).sum();
    Ok(aurc(confidences, right)? - optimum / n as f64)
}

/// The curve, from the most confident items to all of them.
///
/// # Errors
/// As [`aurc`].
pub fn risk_coverage(confidences: &[f64], right: &[bool]) -> Result<Vec<Point>> {
    let n = confidences.len() as f64;
    let (mut answered, mut errors) = (0, 0);
    let groups = groups(confidences, right)?;
    let curve = groups.into_iter().map(|(threshold, items, wrong)| {
        answered += items;
        errors += wrong;
        Point {
            threshold,
            coverage: answered as f64 / n,
            risk: errors as f64 / answered as f64,
        }
    });
    Ok(curve.collect())
}

/// The largest share of items that can be answered with at most `risk` of them wrong; 0 where no threshold achieves it.
///
/// # Errors
/// As [`aurc`], or if `risk` is outside [0, 1].
pub fn coverage_at_risk(confidences: &[f64], right: &[bool], risk: f64) -> Result<f64> {
    if !(0.0..=1.0).contains(&risk) {
        return Err(MetricError::Option {
            metric: "coverage at risk",
            option: "risk",
            found: risk.to_string(),
            expected: "a fraction in [0, 1]",
        });
    }
    let curve = risk_coverage(confidences, right)?;
    let allowed = curve.iter().rev().find(|point| point.risk <= risk);
    Ok(allowed.map_or(0.0, |point| point.coverage))
}

/// (confidence, items, wrong ones), most confident first.
fn groups(confidences: &[f64], right: &[bool]) -> Result<Vec<(f64, usize, usize)>> {
    let metric = "risk–coverage curve";
    not_empty(metric, confidences)?;
    same_length(metric, "outcomes", right.len(), confidences.len())?;
    finite(metric, confidences)?;
    let mut items: Vec<(f64, bool)> = confidences.iter().copied().zip(right.iter().copied()).collect();
    items.sort_by(|a, b| b.0.total_cmp(&a.0));
    let groups = items.chunk_by(|a, b| tied(a.0, b.0));
    Ok(groups
        .map(|group| {
            let wrong = group.iter().filter(|item| !item.1).count();
            (group[0].0, group.len(), wrong)
        })
        .collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn by_hand() {
        // Right, wrong, right in order of confidence: risks 0, 1/2, 1/3.
        let (confidences, right) = ([0.9, 0.6, 0.3], [true, false, true]);
        assert!((aurc(&confidences, &right).unwrap() - (0.5 + 1.0 / 3.0) / 3.0).abs() < 1e-15);
        // The best order has the error last: risks 0, 0, 1/3.
        assert!((excess_aurc(&confidences, &right).unwrap() - 0.5 / 3.0).abs() < 1e-15);
        assert!((coverage_at_risk(&confidences, &right, 0.4).unwrap() - 1.0).abs() < 1e-15);
        assert!((coverage_at_risk(&confidences, &right, 0.1).unwrap() - 1.0 / 3.0).abs() < 1e-15);
    }

    #[test]
    fn ties_are_the_mean_over_their_orders() {
        let tied = aurc(&[0.5, 0.5], &[true, false]).unwrap();
        let orders = [[true, false], [false, true]];
        let mean: f64 = orders.iter().map(|right| aurc(&[0.9, 0.1], right).unwrap()).sum();
        assert!((tied - mean / 2.0).abs() < 1e-15);
    }

    #[test]
    fn excess_is_never_negative_and_zero_for_the_best_order() {
        let right = [true, true, false, false];
        let best = excess_aurc(&[0.9, 0.8, 0.2, 0.1], &right).unwrap();
        let worst = excess_aurc(&[0.1, 0.2, 0.8, 0.9], &right).unwrap();
        assert!(best.abs() < 1e-15 && worst > 0.0);
        assert!(aurc(&[0.3, 0.4], &[true, true]).unwrap().abs() < 1e-15);
        assert!((aurc(&[0.3, 0.4], &[false, false]).unwrap() - 1.0).abs() < 1e-15);
    }

    #[test]
    fn a_threshold_cannot_split_ties() {
        let coverage = coverage_at_risk(&[0.5, 0.5], &[true, false], 0.0).unwrap();
        assert!(coverage.abs() < 1e-15);
        assert!(coverage_at_risk(&[0.5], &[true], f64::NAN).is_err());
        assert!(aurc(&[f64::NAN], &[true]).is_err() && aurc(&[], &[]).is_err());
    }
}
