//! How alike are two rankings or two sets: correlation coefficients and the Jaccard index.

use std::collections::BTreeSet;

use crate::error::{MetricError, Result, finite, not_empty, same_length};
use crate::ties::tied;

/// Pearson's correlation coefficient.
///
/// # Errors
/// If the lists differ in length, a value is not finite, or one list is constant.
pub fn pearson(a: &[f64], b: &[f64]) -> Result<f64> {
    let metric = "correlation";
    not_empty(metric, a)?;
    same_length(metric, "values", b.len(), a.len())?;
    finite(metric, a)?;
    finite(metric, b)?;
    let n = a.len() as f64;
    let (mean_a, mean_b) = (a.iter().sum::<f64>() / n, b.iter().sum::<f64>() / n);
    let (mut product, mut square_a, mut square_b) = (0.0, 0.0, 0.0);
    for (x, y) in a.iter().zip(b) {
        product += (x - mean_a) * (y - mean_b);
        square_a += (x - mean_a).powi(2);
        square_b += (y - mean_b).powi(2);
    }
    if square_a == 0.0 || square_b == 0.0 {
        return Err(constant(metric));
    }
    Ok((product / square_a.sqrt() / square_b.sqrt()).clamp(-1.0, 1.0))
}

/// Spearman's rank correlation: Pearson's of the ranks, ties sharing their mean rank.
///
/// # Errors
/// As [`pearson`].
pub fn spearman(a: &[f64], b: &[f64]) -> Result<f64> {
    finite("correlation", a)?;
    finite("correlation", b)?;
    pearson(&ranks(a), &ranks(b))
}

/// Kendall's τ-b: concordant minus discordant pairs, over the root of the numbers of pairs not tied in either list.
///
/// # Errors
/// As [`pearson`].
pub fn kendall_tau_b(a: &[f64], b: &[f64]) -> Result<f64> {
    let metric = "Kendall's tau-b";
    not_empty(metric, a)?;
    same_length(metric, "values", b.len(), a.len())?;
    finite(metric, a)?;
    finite(metric, b)?;
    let (mut balance, mut untied_a, mut untied_b) = (0_i64, 0_i64, 0_i64);
    for i in 0..a.len() {
        for j in 0..i {
            let (x, y) = (order(a[i], a[j]), order(b[i], b[j]));
            balance += x * y;
            untied_a += x.abs();
            untied_b += y.abs();
        }
    }
    if untied_a == 0 || untied_b == 0 {
        return Err(constant(metric));
    }
    Ok(balance as f64 / (untied_a as f64).sqrt() / (untied_b as f64).sqrt())
}

/// Members in common over members in either; `None` where both sets are empty.
#[must_use]
pub fn jaccard<T: Ord>(a: &BTreeSet<T>, b: &BTreeSet<T>) -> Option<f64> {
    let either = a.union(b).count();
    (either > 0).then(|| a.intersection(b).count() as f64 / either as f64)
}

/// Positions of the `k` highest values; of equal ones the first.
///
/// # Errors
/// If a value is not finite.
pub fn top(values: &[f64], k: usize) -> Result<BTreeSet<usize>> {
    finite("top k", values)?;
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&i, &j| values[j].total_cmp(&values[i]).then(i.cmp(&j)));
    Ok(order.into_iter().take(k).collect())
}

fn constant(metric: &'static str) -> MetricError {
    MetricError::Undefined {
        metric,
        reason: "all values of one list are equal".into(),
    }
}

fn order(a: f64, b: f64) -> i64 {
    i64::from(a > b) - i64::from(a < b)
}

/// Ranks from 1; ties share the mean of theirs.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&i, &j| values[i].total_cmp(&values[j]));
    let mut ranks = vec![0.0; values.len()];
    let mut first = 0;
    for group in order.chunk_by(|&i, &j| tied(values[i], values[j])) {
        let mean = first as f64 + f64::midpoint(group.len() as f64, 1.0);
        for &i in group {
            ranks[i] = mean;
        }
        first += group.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn by_hand() {
        let (a, b) = ([1.0, 2.0, 3.0], [1.0, 3.0, 2.0]);
        assert!((pearson(&a, &b).unwrap() - 0.5).abs() < 1e-15);
        assert!((spearman(&a, &[10.0, 30.0, 20.0]).unwrap() - 0.5).abs() < 1e-15);
        // Two pairs agree, one does not.
        assert!((kendall_tau_b(&a, &b).unwrap() - 1.0 / 3.0).abs() < 1e-15);
        assert_eq!(ranks(&[5.0, 1.0, 5.0]), [2.5, 1.0, 2.5]);
    }

    #[test]
    fn sets() {
        assert_eq!(top(&[1.0, 3.0, 3.0], 2).unwrap(), BTreeSet::from([1, 2]));
        assert_eq!(top(&[3.0, 3.0, 3.0], 2).unwrap(), BTreeSet::from([0, 1]));
        let common = jaccard(&BTreeSet::from([1, 2]), &BTreeSet::from([2, 3]));
        assert!((common.unwrap() - 1.0 / 3.0).abs() < 1e-15);
        assert_eq!(jaccard::<u8>(&BTreeSet::new(), &BTreeSet::new()), None);
    }

    #[test]
    fn a_constant_correlates_with_nothing() {
        for metric in [pearson, spearman, kendall_tau_b] {
            assert!(metric(&[1.0, 1.0], &[1.0, 2.0]).is_err());
            assert!(metric(&[1.0, f64::NAN], &[1.0, 2.0]).is_err());
            assert!(metric(&[], &[]).is_err());
            assert!((metric(&[1.0, 2.0], &[4.0, 3.0]).unwrap() + 1.0).abs() < 1e-15);
        }
    }
}
