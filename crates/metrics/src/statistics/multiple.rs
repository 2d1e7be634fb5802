//! Adjusted p-values for many comparisons at once.
//!
//! Source: Holm 1979 (family-wise error); Benjamini & Hochberg 1995 (false discovery rate).

use crate::error::{MetricError, Result};

/// Holm's step-down adjustment, in the order of the input: reject where the result is at most α, and the probability of any
/// false rejection is at most α.
///
/// # Errors
/// If a value is no probability.
pub fn holm(p_values: &[f64]) -> Result<Vec<f64>> {
    let order = ascending(p_values)?;
    let n = p_values.len();
    let mut adjusted = vec![0.0; n];
    let mut highest = 0.0_f64;
    for (rank, &i) in order.iter().enumerate() {
        highest = highest.max((n - rank) as f64 * p_values[i]).min(1.0);
        adjusted[i] = highest;
    }
    Ok(adjusted)
}

/// Benjamini and Hochberg's step-up adjustment, in the order of the input: reject where the result is at most q, and at most
/// a share q of the rejections is expected to be false.
///
/// # Errors
/// If a value is no probability.
pub fn benjamini_hochberg(p_values: &[f64]) -> Result<Vec<f64>> {
    let order = ascending(p_values)?;
    let n = p_values.len();
    let mut adjusted = vec![0.0; n];
    let mut lowest = 1.0_f64;
    for (rank, &i) in order.iter().enumerate().rev() {
        lowest = lowest.min(n as f64 / (rank + 1) as f64 * p_values[i]);
        adjusted[i] = lowest;
    }
    Ok(adjusted)
}

fn ascending(p_values: &[f64]) -> Result<Vec<usize>> {
    if let Some(index) = p_values.iter().position(|p| !(0.0..=1.0).contains(p)) {
        return Err(MetricError::Value {
            metric: "correction for multiple comparisons",
            index,
            found: p_values[index],
            expected: "a p-value in [0, 1]",
        });
    }
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&i, &j| p_values[i].total_cmp(&p_values[j]));
    Ok(order)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn close(found: &[f64], expected: &[f64]) {
        assert_eq!(found.len(), expected.len());
        for (a, b) in found.iter().zip(expected) {
            assert!((a - b).abs() < 1e-12, "{found:?}");
        }
    }

    #[test]
    fn by_hand() {
        let p = [0.04, 0.01, 0.03];
        // Ascending 0.01·3, 0.03·2, 0.04·1 → 0.06 by monotony.
        close(&holm(&p).unwrap(), &[0.06, 0.03, 0.06]);
        // Descending 0.04·3/3, 0.03·3/2 → 0.04 by monotony, 0.01·3/1.
        close(&benjamini_hochberg(&p).unwrap(), &[0.04, 0.03, 0.04]);
    }

    #[test]
    fn adjusted_values_are_never_smaller_and_one_is_left_alone() {
        let p = [0.5, 0.2, 0.001, 0.9, 1.0, 0.2];
        for adjusted in [holm(&p).unwrap(), benjamini_hochberg(&p).unwrap()] {
            assert!(adjusted.iter().zip(p).all(|(a, p)| *a >= p - 1e-15 && *a <= 1.0));
        }
        close(&holm(&[0.3]).unwrap(), &[0.3]);
        assert!(holm(&[]).unwrap().is_empty());
        assert!(holm(&[f64::NAN]).is_err() && benjamini_hochberg(&[1.5]).is_err());
    }
}
