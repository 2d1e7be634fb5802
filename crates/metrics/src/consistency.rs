//! Does a model stay with its answer when the same question is put in another way: options in another order, other words?
//!
//! Sources: Zheng et al. 2024, <https://arxiv.org/abs/2309.03882> (cyclic permutations of the options; `RStd`, the standard
//! deviation of the recalls of the option letters); Elazar et al. 2021, <https://arxiv.org/abs/2102.01017> (consistency as the
//! share of pairs of wordings with the same answer).

use std::collections::BTreeMap;

use crate::value::{Aspect, Definition, Direction};

/// Share of questions answered with the same option in every order of the options.
pub const OPTION_ORDER_CONSISTENCY: Definition = higher("option_order_consistency", Aspect::Reliability);
/// Share of questions answered the same in every wording.
pub const PARAPHRASE_CONSISTENCY: Definition = higher("paraphrase_consistency", Aspect::Reliability);
/// Mean over questions of the share of pairs of variants with the same answer.
pub const PAIRWISE_AGREEMENT: Definition = higher("pairwise_agreement", Aspect::Reliability);
/// Share of questions answered right in every variant.
pub const WORST_CASE_ACCURACY: Definition = higher("worst_case_accuracy", Aspect::Reliability);
/// Share of questions whose most frequent answer over all variants is right.
pub const MAJORITY_VOTE_ACCURACY: Definition = higher("majority_vote_accuracy", Aspect::Utility);
/// Mean over questions of the share of variants answered right.
pub const MEAN_ACCURACY: Definition = higher("mean_accuracy_over_variants", Aspect::Utility);
/// Accuracy in the best variant less that in the worst, over all questions.
pub const ACCURACY_RANGE: Definition = lower("accuracy_range");
/// Standard deviation over letters of the share of questions answered right where the right option has that letter.
pub const LETTER_RECALL_DEVIATION: Definition = lower("letter_recall_deviation");

const fn higher(name: &'static str, aspect: Aspect) -> Definition {
    Definition::new(name, "fraction", Direction::HigherIsBetter, aspect)
}

const fn lower(name: &'static str) -> Definition {
    Definition::new(name, "fraction", Direction::LowerIsBetter, Aspect::Reliability)
}

/// Whether all answers are the same.
#[must_use]
pub fn all_same<T: PartialEq>(answers: &[T]) -> bool {
    answers.windows(2).all(|pair| pair[0] == pair[1])
}

/// Share of pairs of answers that are the same; `None` for fewer than two answers.
#[must_use]
pub fn pairwise_agreement<T: Ord>(answers: &[T]) -> Option<f64> {
    let pairs = |n: usize| n * n.saturating_sub(1) / 2;
    let mut counts: BTreeMap<&T, usize> = BTreeMap::new();
    for answer in answers {
        *counts.entry(answer).or_default() += 1;
    }
    let agreeing: usize = counts.values().map(|&n| pairs(n)).sum();
    (answers.len() > 1).then(|| agreeing as f64 / pairs(answers.len()) as f64)
}

/// The most frequent option; of equally frequent ones the one with the larger sum of probabilities, then the first.
/// `probabilities[option]`: its probability summed over variants. `None` for no answers.
#[must_use]
pub fn majority(answers: &[usize], probabilities: &[f64]) -> Option<usize> {
    let votes = |option: usize| answers.iter().filter(|&&answer| answer == option).count();
    let weight = |option: usize| probabilities.get(option).copied().unwrap_or(0.0);
    let mut options: Vec<usize> = answers.to_vec();
    options.sort_unstable();
    options.dedup();
    options.into_iter().reduce(|best, option| {
        let order = votes(option).cmp(&votes(best));
        let order = order.then(weight(option).total_cmp(&weight(best)));
        if order.is_gt() { option } else { best }
    })
}

/// Largest less smallest value; `None` for no values.
#[must_use]
pub fn range(values: &[f64]) -> Option<f64> {
    let largest = values.iter().copied().reduce(f64::max)?;
    let smallest = values.iter().copied().reduce(f64::min)?;
    Some(largest - smallest)
}

/// Standard deviation of the values themselves (divided by their number, as numpy does); `None` for no values.
#[must_use]
pub fn deviation(values: &[f64]) -> Option<f64> {
    if values.is_empty() {
        return None;
    }
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    Some((values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n).sqrt())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn by_hand() {
        // Of the six pairs of (2, 2, 2, 1) three agree.
        assert!((pairwise_agreement(&[2, 2, 2, 1]).unwrap() - 0.5).abs() < 1e-15);
        assert!((pairwise_agreement(&["a", "a"]).unwrap() - 1.0).abs() < 1e-15);
        assert_eq!(pairwise_agreement(&[1]), None);
        assert!(all_same(&[3, 3, 3]) && !all_same(&[3, 3, 1]));
        assert!((deviation(&[0.2, 0.4, 0.6, 0.8]).unwrap() - 0.05_f64.sqrt()).abs() < 1e-15);
        assert!((range(&[0.25, 0.75, 0.5]).unwrap() - 0.5).abs() < 1e-15);
        assert_eq!((deviation(&[]), range(&[])), (None, None));
    }

    #[test]
    fn a_tied_vote_goes_to_the_likelier_option_then_to_the_first() {
        assert_eq!(majority(&[1, 1, 0, 2], &[0.9, 0.1, 0.9]), Some(1));
        assert_eq!(majority(&[1, 1, 0, 0], &[1.2, 2.0]), Some(1));
        assert_eq!(majority(&[2, 0], &[0.5, 0.0, 0.5]), Some(0));
        assert_eq!(majority(&[], &[]), None);
    }
}
