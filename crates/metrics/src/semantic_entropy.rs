//! How many different things a model says when it is asked the same question several times.
//!
//! Sources: Kuhn, Gal & Farquhar 2023, <https://arxiv.org/abs/2302.09664>; Farquhar et al. 2024,
//! <https://doi.org/10.1038/s41586-024-07421-0>. Answers `s_i` are sampled and sorted into clusters `c` of one meaning
//! ([`crate::meaning`]). `l_i` is the length-normalised log-probability of an answer: Σ ln p of its tokens over their number.
//!
//! ```text
//! standard    − Σ_c p(c) ln p(c),  p(c) = Σ_{i ∈ c} exp l_i / Σ_i exp l_i
//! discrete    the same with p(c) = n_c / N
//! Kuhn        − 1/C · Σ_c [ ln Σ_{i ∈ c} exp l_i − 5 ]        (a Monte-Carlo form, in the authors' code)
//! predictive  − 1/N · Σ_i l_i                                 (meaning left aside)
//! ```
//!
//! The shift of 5 in Kuhn's form is the authors' constant. All are in nats. An entropy says nothing by itself of right and
//! wrong: a model that says one wrong thing every time has none. What counts is whether it is high where answers are wrong:
//! its AUROC and its AURC.

use crate::error::{MetricError, Result, not_empty, same_length};
use crate::value::{Aspect, Definition, Direction, PROBABILITIES};

const fn entropy(name: &'static str) -> Definition {
    Definition::new(name, "nats", Direction::LowerIsBetter, Aspect::Diagnostic).by(PROBABILITIES)
}

const fn separation(name: &'static str) -> Definition {
    Definition::new(name, "fraction", Direction::HigherIsBetter, Aspect::Reliability).by(PROBABILITIES)
}

/// Mean over items of the standard form.
pub const SEMANTIC_ENTROPY: Definition = entropy("semantic_entropy");
/// Mean over items of the discrete form.
pub const DISCRETE_SEMANTIC_ENTROPY: Definition = entropy("semantic_entropy_discrete");
/// Mean over items of the predictive entropy, length-normalised.
pub const PREDICTIVE_ENTROPY: Definition = entropy("predictive_entropy");
/// AUROC of the negative semantic entropy for right answers.
pub const SEMANTIC_ENTROPY_AUROC: Definition = separation("semantic_entropy_auroc");
/// The same of the discrete form.
pub const DISCRETE_SEMANTIC_ENTROPY_AUROC: Definition = separation("semantic_entropy_discrete_auroc");
/// The same of the predictive entropy.
pub const PREDICTIVE_ENTROPY_AUROC: Definition = separation("predictive_entropy_auroc");
/// The same of the share of samples that mean what the answer means.
pub const SELF_CONSISTENCY_AUROC: Definition = separation("self_consistency_auroc");
/// Area under the risk–coverage curve where items are answered in the order of their semantic entropy.
pub const SEMANTIC_ENTROPY_AURC: Definition = Definition::new(
    "semantic_entropy_aurc",
    "fraction",
    Direction::LowerIsBetter,
    Aspect::Reliability,
)
.by(PROBABILITIES);
/// Mean share of samples that mean what the answer means.
pub const SELF_CONSISTENCY: Definition = Definition::new(
    "self_consistency",
    "fraction",
    Direction::HigherIsBetter,
    Aspect::Diagnostic,
);
/// Share of items on which most samples say the right thing ([`majority`]).
pub const MAJORITY_ACCURACY: Definition = Definition::new(
    "majority_accuracy",
    "fraction",
    Direction::HigherIsBetter,
    Aspect::Utility,
);

const METRIC: &str = "semantic entropy";

/// The shift in Kuhn's form.
const SHIFT: f64 = 5.0;

/// The standard form. `clusters` has a cluster's number per answer (any numbers), `log_probabilities` its length-normalised
/// ln p.
///
/// # Errors
/// If there are no answers, the lists differ in length, or a log-probability is above 0 or not finite.
pub fn standard(clusters: &[usize], log_probabilities: &[f64]) -> Result<f64> {
    let masses = log_masses(clusters, log_probabilities)?;
    let total = log_sum_exp(&masses);
    Ok(plogp(masses.iter().map(|mass| mass - total)))
}

/// The discrete form.
///
/// # Errors
/// If there are no answers.
pub fn discrete(clusters: &[usize]) -> Result<f64> {
    not_empty(METRIC, clusters)?;
    let n = clusters.len() as f64;
    Ok(plogp(
        sizes(clusters).into_iter().map(|(_, size)| (size as f64 / n).ln()),
    ))
}

/// The Monte-Carlo form of Kuhn's code.
///
/// # Errors
/// As [`standard`].
pub fn kuhn(clusters: &[usize], log_probabilities: &[f64]) -> Result<f64> {
    let masses = log_masses(clusters, log_probabilities)?;
    let sum: f64 = masses.iter().map(|mass| mass - SHIFT).sum();
    Ok(-sum / masses.len() as f64)
}

/// The predictive entropy.
///
/// # Errors
/// If there are no answers, or a log-probability is above 0 or not finite.
pub fn predictive(log_probabilities: &[f64]) -> Result<f64> {
    not_empty(METRIC, log_probabilities)?;
    check(log_probabilities)?;
    Ok(0.0 - log_probabilities.iter().sum::<f64>() / log_probabilities.len() as f64)
}

/// Index of the first answer of the largest cluster; among equally large ones, of the one that appeared first. `None`
/// without answers.
#[must_use]
pub fn majority(clusters: &[usize]) -> Option<usize> {
    let largest = sizes(clusters)
        .into_iter()
        .reduce(|a, b| if b.1 > a.1 { b } else { a })?;
    clusters.iter().position(|&cluster| cluster == largest.0)
}

/// Number of different clusters.
#[must_use]
pub fn count(clusters: &[usize]) -> usize {
    sizes(clusters).len()
}

/// (cluster, answers in it), in order of first appearance.
fn sizes(clusters: &[usize]) -> Vec<(usize, usize)> {
    let mut sizes: Vec<(usize, usize)> = Vec::new();
    for &cluster in clusters {
        match sizes.iter_mut().find(|(known, _)| *known == cluster) {
            Some((_, size)) => *size += 1,
            None => sizes.push((cluster, 1)),
        }
    }
    sizes
}

/// ln Σ exp l of every cluster, in order of first appearance.
fn log_masses(clusters: &[usize], log_probabilities: &[f64]) -> Result<Vec<f64>> {
    not_empty(METRIC, clusters)?;
    same_length(METRIC, "log-probabilities", log_probabilities.len(), clusters.len())?;
    check(log_probabilities)?;
    let mass = |(cluster, _): (usize, usize)| {
        let members = clusters.iter().zip(log_probabilities);
        let own: Vec<f64> = members.filter(|(c, _)| **c == cluster).map(|(_, l)| *l).collect();
        log_sum_exp(&own)
    };
    Ok(sizes(clusters).into_iter().map(mass).collect())
}

fn check(log_probabilities: &[f64]) -> Result<()> {
    // Rounding may leave a certain token a hair above 0.
    let sound = |l: f64| l.is_finite() && l <= 1e-6;
    match log_probabilities.iter().position(|&l| !sound(l)) {
        None => Ok(()),
        Some(index) => Err(MetricError::Value {
            metric: METRIC,
            index,
            found: log_probabilities[index],
            expected: "a finite log-probability, not above 0",
        }),
    }
}

/// − Σ p ln p of shares given as logarithms; never below 0.
fn plogp(log_shares: impl Iterator<Item = f64>) -> f64 {
    let sum: f64 = log_shares.map(|log| log.exp() * log).sum();
    (0.0 - sum).max(0.0)
}

/// Not for an empty list.
fn log_sum_exp(values: &[f64]) -> f64 {
    let largest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    largest + values.iter().map(|value| (value - largest).exp()).sum::<f64>().ln()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn close(left: f64, right: f64) {
        assert!((left - right).abs() < 1e-12, "{left} is not {right}");
    }

    #[test]
    fn by_hand() {
        // Masses 1/2 + 1/4 and 1/4: shares 3/4 and 1/4.
        let (clusters, logs) = ([0, 1, 0], [0.5_f64.ln(), 0.25_f64.ln(), 0.25_f64.ln()]);
        let expected = -(0.75 * 0.75_f64.ln() + 0.25 * 0.25_f64.ln());
        close(standard(&clusters, &logs).unwrap(), expected);
        let thirds = -(2.0 / 3.0 * (2.0_f64 / 3.0).ln() + 1.0 / 3.0 * (1.0_f64 / 3.0).ln());
        close(discrete(&clusters).unwrap(), thirds);
        close(
            kuhn(&clusters, &logs).unwrap(),
            5.0 - f64::midpoint(0.75_f64.ln(), 0.25_f64.ln()),
        );
        close(predictive(&logs).unwrap(), 5.0 * std::f64::consts::LN_2 / 3.0);
    }

    #[test]
    fn one_meaning_has_no_entropy_and_names_of_clusters_do_not_matter() {
        let logs = [-0.1, -2.0, -3.0];
        assert!(standard(&[4, 4, 4], &logs).unwrap() == 0.0 && discrete(&[4, 4, 4]).unwrap() == 0.0);
        assert_eq!(
            standard(&[0, 1, 0], &logs).unwrap().to_bits(),
            standard(&[9, 3, 9], &logs).unwrap().to_bits()
        );
        close(discrete(&[0, 1, 2, 3]).unwrap(), 4.0_f64.ln());
        assert!((standard(&[0, 1], &[-800.0, -800.0]).unwrap() - std::f64::consts::LN_2).abs() < 1e-12);
    }

    #[test]
    fn the_first_of_the_largest_speaks_for_most() {
        assert_eq!(majority(&[0, 1, 1, 2]), Some(1));
        assert_eq!(majority(&[2, 1, 1, 2]), Some(0));
        assert_eq!((majority(&[]), count(&[3, 3, 1])), (None, 2));
    }

    #[test]
    fn what_is_no_log_probability_is_refused() {
        assert!(standard(&[0], &[0.1]).is_err() && standard(&[0], &[f64::NAN]).is_err());
        assert!(standard(&[0, 1], &[-1.0]).is_err() && discrete(&[]).is_err() && predictive(&[]).is_err());
    }
}
