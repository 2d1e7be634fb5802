//! When two scores are the same: exactly equal, so that groups of ties do not depend on the order of the items.

use std::cmp::Ordering;

/// Exactly equal; 0 and −0 are.
pub(crate) fn tied(a: f64, b: f64) -> bool {
    a.partial_cmp(&b) == Some(Ordering::Equal)
}

/// Rank of each value from 1 upwards; equal values share the mean of their ranks.
pub(crate) fn mean_ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&i, &j| values[i].total_cmp(&values[j]));
    let mut ranks = vec![0.0; values.len()];
    let mut first = 0;
    for group in order.chunk_by(|&i, &j| tied(values[i], values[j])) {
        let last = first + group.len();
        for &i in group {
            ranks[i] = f64::midpoint((first + 1) as f64, last as f64);
        }
        first = last;
    }
    ranks
}
