//! Brier score and negative log-likelihood of predicted class probabilities: proper scores, best for honest probabilities.

use crate::error::{MetricError, Result, not_empty, probabilities, same_length};
use crate::value::{Aspect, Definition, Direction, PROBABILITIES};

/// Brier score summed over classes, in [0, 2].
pub const BRIER: Definition = Definition::new(
    "brier_score",
    "squared_probability",
    Direction::LowerIsBetter,
    Aspect::Reliability,
)
.by(PROBABILITIES);
/// Negative log-likelihood of the right class.
pub const NLL: Definition = Definition::new(
    "negative_log_likelihood",
    "nats",
    Direction::LowerIsBetter,
    Aspect::Reliability,
)
.by(PROBABILITIES);

/// Sums of probabilities may miss 1 by this much.
const SUM_TOLERANCE: f64 = 1e-6;

/// `Σ_k (p_k − y_k)²` of one item.
///
/// # Errors
/// If `probabilities` are not a distribution over classes or `label` is none of them.
pub fn brier_item(probabilities: &[f64], label: usize) -> Result<f64> {
    let metric = "Brier score";
    distribution(metric, 0, probabilities, label)?;
    let terms = probabilities.iter().enumerate();
    Ok(terms
        .map(|(class, p)| (p - f64::from(u8::from(class == label))).powi(2))
        .sum())
}

/// Mean over items of `Σ_k (p_k − y_k)²`; with two classes this is twice [`brier_binary`].
///
/// # Errors
/// If there are no items, the lists differ in length, or a row is not a distribution over classes with its label among them.
pub fn brier(rows: &[Vec<f64>], labels: &[usize]) -> Result<f64> {
    mean_of("Brier score", rows, labels, brier_item)
}

/// Mean over items of `(p − y)²`, `p` the probability of the positive class.
///
/// # Errors
/// If there are no items, the lists differ in length, or a value is no probability.
pub fn brier_binary(positive_probability: &[f64], positive: &[bool]) -> Result<f64> {
    let metric = "Brier score";
    not_empty(metric, positive_probability)?;
    same_length(metric, "labels", positive.len(), positive_probability.len())?;
    probabilities(metric, positive_probability)?;
    let items = positive_probability.iter().zip(positive);
    let sum: f64 = items.map(|(p, &y)| (p - f64::from(u8::from(y))).powi(2)).sum();
    Ok(sum / positive.len() as f64)
}

/// Mean over items of `−ln p` of the right class. Probabilities are kept within [ε, 1 − ε], ε = 2⁻⁵², as scikit-learn does:
/// a right class held impossible costs 36.04 nats, not infinitely many.
///
/// # Errors
/// As [`brier`].
pub fn negative_log_likelihood(rows: &[Vec<f64>], labels: &[usize]) -> Result<f64> {
    mean_of("negative log-likelihood", rows, labels, |row, label| {
        Ok(-row[label].clamp(f64::EPSILON, 1.0 - f64::EPSILON).ln())
    })
}

/// Brier score and negative log-likelihood of one answer held with `confidence`, its two classes being right and wrong:
/// `2·(confidence − right)²` and `−ln` of the probability of what came true, kept within [ε, 1 − ε] as above.
///
/// # Errors
/// If `confidence` is no probability.
pub fn outcome_scores(confidence: f64, right: bool) -> Result<(f64, f64)> {
    probabilities("Brier score", &[confidence])?;
    let came_true = if right { confidence } else { 1.0 - confidence };
    let surprise = -came_true.clamp(f64::EPSILON, 1.0 - f64::EPSILON).ln();
    Ok((2.0 * (1.0 - came_true).powi(2), surprise))
}

/// Probabilities of choices from their log-probabilities: the softmax.
///
/// # Errors
/// If there is no choice or a value is not finite.
pub fn softmax(log_probabilities: &[f64]) -> Result<Vec<f64>> {
    let metric = "softmax over choices";
    not_empty(metric, log_probabilities)?;
    crate::error::finite(metric, log_probabilities)?;
    let highest = log_probabilities.iter().copied().fold(f64::MIN, f64::max);
    let powers: Vec<f64> = log_probabilities.iter().map(|value| (value - highest).exp()).collect();
    let sum: f64 = powers.iter().sum();
    Ok(powers.into_iter().map(|power| power / sum).collect())
}

fn mean_of(
    metric: &'static str,
    rows: &[Vec<f64>],
    labels: &[usize],
    item: impl Fn(&[f64], usize) -> Result<f64>,
) -> Result<f64> {
    not_empty(metric, rows)?;
    same_length(metric, "labels", labels.len(), rows.len())?;
    let mut sum = 0.0;
    for (index, (row, &label)) in rows.iter().zip(labels).enumerate() {
        distribution(metric, index, row, label)?;
        sum += item(row, label)?;
    }
    Ok(sum / rows.len() as f64)
}

fn distribution(metric: &'static str, index: usize, row: &[f64], label: usize) -> Result<()> {
    probabilities(metric, row)?;
    if label >= row.len() {
        return Err(MetricError::Label {
            metric,
            index,
            found: label,
            classes: row.len(),
        });
    }
    let found: f64 = row.iter().sum();
    if (found - 1.0).abs() > SUM_TOLERANCE {
        return Err(MetricError::Value {
            metric,
            index,
            found,
            expected: "probabilities that sum to 1",
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn by_hand() {
        // (0.5 − 1)² + 0.3² + 0.2² = 0.38
        let rows = vec![vec![0.5, 0.3, 0.2]];
        assert!((brier(&rows, &[0]).unwrap() - 0.38).abs() < 1e-15);
        assert!((negative_log_likelihood(&rows, &[0]).unwrap() - 2.0_f64.ln()).abs() < 1e-15);
        let binary = brier_binary(&[0.7], &[true]).unwrap();
        let summed = brier(&[vec![0.3, 0.7]], &[1]).unwrap();
        assert!((summed - 2.0 * binary).abs() < 1e-15);
    }

    #[test]
    fn an_outcome_has_two_classes() {
        let (squares, surprise) = outcome_scores(0.7, false).unwrap();
        assert!((squares - brier(&[vec![0.7, 0.3]], &[1]).unwrap()).abs() < 1e-15);
        assert!((surprise + 0.3_f64.ln()).abs() < 1e-15);
        assert!((outcome_scores(1.0, false).unwrap().1 - 36.043_653_389_117_15).abs() < 1e-9);
        assert!(outcome_scores(f64::NAN, true).is_err() && outcome_scores(1.1, true).is_err());
    }

    #[test]
    fn softmax_ignores_a_shift() {
        let one = softmax(&[-1000.0, -1001.0]).unwrap();
        let two = softmax(&[0.0, -1.0]).unwrap();
        assert_eq!(one, two);
        assert!((one.iter().sum::<f64>() - 1.0).abs() < 1e-15);
        assert!(softmax(&[]).is_err() && softmax(&[f64::NEG_INFINITY]).is_err());
    }

    #[test]
    fn the_impossible_costs_36_nats() {
        let value = negative_log_likelihood(&[vec![1.0, 0.0]], &[1]).unwrap();
        assert!((value - 36.043_653_389_117_15).abs() < 1e-9);
    }

    #[test]
    fn what_is_no_distribution_is_an_error() {
        assert!(brier(&[vec![0.5, 0.6]], &[0]).is_err());
        assert!(brier(&[vec![0.5, f64::NAN]], &[0]).is_err());
        assert!(brier(&[vec![0.5, 0.5]], &[2]).is_err());
        assert!(brier(&[], &[]).is_err());
        assert!(brier_binary(&[0.5], &[]).is_err());
    }
}
