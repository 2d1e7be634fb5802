//! Area under the ROC curve and average precision: does a score separate the positive items from the others?

use crate::error::{MetricError, Result, finite, not_empty, same_length};
use crate::ties::tied;
use crate::value::{Aspect, Definition, Direction, PROBABILITIES};

/// Area under the ROC curve: in records, of the model's confidence for being right.
pub const AUROC: Definition =
    Definition::new("auroc", "fraction", Direction::HigherIsBetter, Aspect::Reliability).by(PROBABILITIES);

/// Probability that a positive item scores above a negative one, ties counting half (Mann–Whitney U / (P·N)).
///
/// # Errors
/// If the lists differ in length, a score is not finite, or one of the two classes has no item.
pub fn auroc(scores: &[f64], positive: &[bool]) -> Result<f64> {
    let groups = tied_groups("AUROC", scores, positive)?;
    let (positives, negatives) = totals(&groups);
    if positives == 0 || negatives == 0 {
        return Err(MetricError::Undefined {
            metric: "AUROC",
            reason: format!("{positives} positive and {negatives} negative items"),
        });
    }
    let mut above = 0_u64;
    let mut twice = 0_u128;
    for &(p, n) in &groups {
        twice += u128::from(n) * u128::from(2 * above + p);
        above += p;
    }
    Ok(twice as f64 / 2.0 / positives as f64 / negatives as f64)
}

/// Σ over thresholds of (recall gained) × precision there; items of one score share a threshold.
///
/// # Errors
/// If the lists differ in length, a score is not finite, or nothing is positive.
pub fn average_precision(scores: &[f64], positive: &[bool]) -> Result<f64> {
    let groups = tied_groups("average precision", scores, positive)?;
    let (positives, _) = totals(&groups);
    if positives == 0 {
        return Err(MetricError::Undefined {
            metric: "average precision",
            reason: "no positive item".into(),
        });
    }
    let (mut found, mut seen, mut area) = (0, 0, 0.0);
    for (p, n) in groups {
        found += p;
        seen += p + n;
        area += p as f64 / positives as f64 * (found as f64 / seen as f64);
    }
    Ok(area)
}

/// Mean over classes of the AUROC of that class against the rest. `probabilities[item][class]`.
///
/// # Errors
/// As [`auroc`] for any class.
pub fn one_versus_rest(probabilities: &[Vec<f64>], labels: &[usize]) -> Result<f64> {
    let classes = classes_of(probabilities, labels)?;
    let mut sum = 0.0;
    for class in 0..classes {
        let scores: Vec<f64> = probabilities.iter().map(|row| row[class]).collect();
        let positive: Vec<bool> = labels.iter().map(|&label| label == class).collect();
        sum += auroc(&scores, &positive)?;
    }
    Ok(sum / classes as f64)
}

/// Mean over pairs of classes of the AUROC between the two, itself the mean of using either class's probability
/// (Hand & Till 2001). `probabilities[item][class]`.
///
/// # Errors
/// As [`auroc`] for any pair.
pub fn one_versus_one(probabilities: &[Vec<f64>], labels: &[usize]) -> Result<f64> {
    let classes = classes_of(probabilities, labels)?;
    let (mut sum, mut pairs) = (0.0, 0);
    for a in 0..classes {
        for b in a + 1..classes {
            let between = |class: usize| {
                let chosen = labels
                    .iter()
                    .zip(probabilities)
                    .filter(|&(&label, _)| label == a || label == b);
                let (scores, positive): (Vec<f64>, Vec<bool>) =
                    chosen.map(|(&label, row)| (row[class], label == class)).unzip();
                auroc(&scores, &positive)
            };
            sum += f64::midpoint(between(a)?, between(b)?);
            pairs += 1;
        }
    }
    Ok(sum / f64::from(pairs))
}

fn classes_of(probabilities: &[Vec<f64>], labels: &[usize]) -> Result<usize> {
    let metric = "AUROC";
    not_empty(metric, labels)?;
    same_length(metric, "rows", probabilities.len(), labels.len())?;
    let classes = probabilities[0].len();
    for (row, &found) in probabilities.iter().zip(labels) {
        same_length(metric, "probabilities of an item", row.len(), classes)?;
        if found >= classes {
            let index = labels.iter().position(|&l| l == found).unwrap_or_default();
            return Err(MetricError::Label {
                metric,
                index,
                found,
                classes,
            });
        }
    }
    if classes < 2 {
        return Err(MetricError::Undefined {
            metric,
            reason: "fewer than two classes".into(),
        });
    }
    Ok(classes)
}

/// (positives, negatives) per distinct score, highest first.
fn tied_groups(metric: &'static str, scores: &[f64], positive: &[bool]) -> Result<Vec<(u64, u64)>> {
    not_empty(metric, scores)?;
    same_length(metric, "labels", positive.len(), scores.len())?;
    finite(metric, scores)?;
    let mut items: Vec<(f64, bool)> = scores.iter().copied().zip(positive.iter().copied()).collect();
    items.sort_by(|a, b| b.0.total_cmp(&a.0));
    let groups = items.chunk_by(|a, b| tied(a.0, b.0));
    Ok(groups
        .map(|group| {
            let p = group.iter().filter(|item| item.1).count() as u64;
            (p, group.len() as u64 - p)
        })
        .collect())
}

fn totals(groups: &[(u64, u64)]) -> (u64, u64) {
    groups
        .iter()
        .fold((0, 0), |sum, group| (sum.0 + group.0, sum.1 + group.1))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn by_hand() {
        // Pairs (positive, negative): 0.9 > 0.4, 0.9 > 0.1, 0.4 = 0.4, 0.4 > 0.1: 3.5 of 4.
        let (scores, positive) = ([0.9, 0.4, 0.4, 0.1], [true, true, false, false]);
        assert!((auroc(&scores, &positive).unwrap() - 3.5 / 4.0).abs() < 1e-15);
        // Thresholds 0.9 (precision 1, recall 1/2) and 0.4 (precision 2/3, recall 1).
        let expected = 0.5 + 0.5 * 2.0 / 3.0;
        assert!((average_precision(&scores, &positive).unwrap() - expected).abs() < 1e-15);
    }

    #[test]
    fn turning_the_score_round_turns_the_area_round() {
        let scores = [0.3, 0.2, 0.2, 0.7, 0.5, -0.0, 0.0];
        let positive = [true, false, true, false, true, true, false];
        let turned: Vec<f64> = scores.iter().map(|score| -score).collect();
        let sum = auroc(&scores, &positive).unwrap() + auroc(&turned, &positive).unwrap();
        assert!((sum - 1.0).abs() < 1e-15);
    }

    #[test]
    fn two_classes_agree_with_the_binary_form() {
        let rows = vec![vec![0.2, 0.8], vec![0.6, 0.4], vec![0.3, 0.7]];
        let labels = [1, 0, 0];
        let binary = auroc(&[0.8, 0.4, 0.7], &[true, false, false]).unwrap();
        assert!((one_versus_rest(&rows, &labels).unwrap() - binary).abs() < 1e-15);
        assert!((one_versus_one(&rows, &labels).unwrap() - binary).abs() < 1e-15);
    }

    #[test]
    fn one_class_alone_has_no_area() {
        assert!(auroc(&[0.1, 0.2], &[true, true]).is_err());
        assert!(auroc(&[f64::NAN, 0.2], &[true, false]).is_err());
        assert!(average_precision(&[0.1], &[false]).is_err());
        assert!(one_versus_rest(&[vec![1.0, 0.0]], &[2]).is_err());
    }
}
