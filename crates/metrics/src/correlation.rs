//! Correlation of a score with people's ratings: Pearson's, Spearman's, and both with a confounding group taken out.
//!
//! The partial correlation is that of FRANK (Pagnoni et al. 2021, <https://arxiv.org/abs/2104.13346>, section 4): both variables are
//! regressed on indicators of the group (the summarisation system), which takes each group's mean away, and the residuals are
//! correlated. Spearman's ranks are the residuals' ranks.

use std::collections::BTreeMap;

use crate::error::{MetricError, Result, finite, not_empty, same_length};
use crate::ties::mean_ranks;

/// Pearson's product-moment correlation.
///
/// # Errors
/// If the lists are empty or differ in length, a value is not finite, or one of them is constant.
pub fn pearson(x: &[f64], y: &[f64]) -> Result<f64> {
    let metric = "Pearson correlation";
    not_empty(metric, x)?;
    same_length(metric, "ratings", y.len(), x.len())?;
    finite(metric, x)?;
    finite(metric, y)?;
    let (dx, dy) = (centred(x), centred(y));
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let norm = (product(&dx, &dx) * product(&dy, &dy)).sqrt();
    // Residuals of a constant are rounding errors, not a spread.
    let scale = |values: &[f64]| values.iter().map(|v| v.abs()).fold(0.0, f64::max);
    let flat = |centred: &[f64], values: &[f64]| scale(centred) <= 1e-12 * scale(values).max(f64::MIN_POSITIVE);
    if norm == 0.0 || flat(&dx, x) || flat(&dy, y) {
        return Err(MetricError::Undefined {
            metric,
            reason: "one of the two is the same for all items".into(),
        });
    }
    Ok((product(&dx, &dy) / norm).clamp(-1.0, 1.0))
}

/// Spearman's rank correlation; ties share the mean of their ranks.
///
/// # Errors
/// As [`pearson`].
pub fn spearman(x: &[f64], y: &[f64]) -> Result<f64> {
    finite("Spearman correlation", x)?;
    finite("Spearman correlation", y)?;
    pearson(&mean_ranks(x), &mean_ranks(y))
}

/// The values less the mean of their group.
///
/// # Errors
/// If there is not one group per value.
pub fn without_groups(values: &[f64], groups: &[&str]) -> Result<Vec<f64>> {
    same_length("partial correlation", "groups", groups.len(), values.len())?;
    let mut sums: BTreeMap<&str, (f64, usize)> = BTreeMap::new();
    for (value, group) in values.iter().zip(groups) {
        let entry = sums.entry(group).or_default();
        entry.0 += value;
        entry.1 += 1;
    }
    let mean = |group: &&str| sums.get(group).map_or(0.0, |(sum, count)| sum / *count as f64);
    let residuals = values.iter().zip(groups).map(|(value, group)| {
        let residual = value - mean(group);
        // What is left of equal values is rounding; their ranks must be equal.
        if residual.abs() <= 1e-12 * value.abs() {
            0.0
        } else {
            residual
        }
    });
    Ok(residuals.collect())
}

fn centred(values: &[f64]) -> Vec<f64> {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    values.iter().map(|value| value - mean).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn by_hand() {
        // Deviations −1.5 −0.5 0.5 1.5 and −1 −1 0 2: products 1.5 + 0.5 + 0 + 3 = 5, squares 5 and 6.
        let (x, y) = ([1.0, 2.0, 3.0, 4.0], [1.0, 1.0, 2.0, 4.0]);
        assert!((pearson(&x, &y).unwrap() - 5.0 / 30.0_f64.sqrt()).abs() < 1e-15);
        // Ranks 1 2 3 4 and 1.5 1.5 3 4.
        assert!((spearman(&x, &y).unwrap() - 4.5 / (5.0 * 4.5_f64).sqrt()).abs() < 1e-15);
        assert!((pearson(&x, &[4.0, 3.0, 2.0, 1.0]).unwrap() + 1.0).abs() < 1e-15);
    }

    #[test]
    fn groups_are_taken_out() {
        let (x, groups) = ([1.0, 2.0, 11.0, 12.0], ["a", "a", "b", "b"]);
        assert_eq!(without_groups(&x, &groups).unwrap(), [-0.5, 0.5, -0.5, 0.5]);
        let y = without_groups(&[2.0, 1.0, 8.0, 7.0], &groups).unwrap();
        assert!((pearson(&without_groups(&x, &groups).unwrap(), &y).unwrap() + 1.0).abs() < 1e-12);
    }

    #[test]
    fn constants_have_no_correlation() {
        assert!(pearson(&[0.1, 0.1, 0.1], &[1.0, 2.0, 3.0]).is_err());
        assert!(pearson(&[1.0], &[1.0, 2.0]).is_err());
        assert!(spearman(&[f64::NAN, 1.0], &[1.0, 2.0]).is_err());
        let same = without_groups(&[0.1, 0.1, 0.1, 0.3], &["a", "a", "a", "b"]).unwrap();
        assert!(pearson(&same, &[1.0, 2.0, 3.0, 4.0]).is_err());
    }

    #[test]
    fn as_scipy_and_frank_have_it() {
        let file: serde_json::Value = serde_json::from_str(include_str!("../tests/correlations.json")).unwrap();
        let numbers = |value: &serde_json::Value| -> Vec<f64> {
            value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
        };
        for case in file["cases"].as_array().unwrap() {
            let (x, y) = (numbers(&case["x"]), numbers(&case["y"]));
            let groups: Vec<&str> = case["groups"]
                .as_array()
                .unwrap()
                .iter()
                .map(|v| v.as_str().unwrap())
                .collect();
            let (px, py) = (
                without_groups(&x, &groups).unwrap(),
                without_groups(&y, &groups).unwrap(),
            );
            let found = [
                ("pearson", pearson(&x, &y)),
                ("spearman", spearman(&x, &y)),
                ("partial_pearson", pearson(&px, &py)),
                ("partial_spearman", spearman(&px, &py)),
            ];
            for (name, found) in found {
                let expected = case["expected"][name].as_f64().unwrap();
                assert!((found.unwrap() - expected).abs() < 1e-9, "{name}, {} items", x.len());
            }
        }
    }
}
