//! What judges say of texts, in figures: the rate of contradictions (absolute protocol) and win rates (relative protocol).
//!
//! Both protocols are those of the reference experiment (<https://arxiv.org/abs/2607.01444>): a judge says of one text whether it
//! contradicts its source, or which of two texts of the same source, the pruned or the unpruned model's, hallucinates more,
//! omits more, repeats more, and is better aligned. A win rate is the share of pairs in which the pruned model's text is named:
//! 1/2 where pruning changes nothing, and worse above it for the first three questions, below it for the last.

use crate::error::{MetricError, Result};
use crate::statistics::{CONFIDENCE, mcnemar_exact, proportion};
use crate::value::{Aspect, Definition, Direction};

/// Share of texts that a judge says contradict their source.
pub const CONTRADICTION_RATE: Definition = rate(
    "judged_contradiction_rate",
    Direction::LowerIsBetter,
    Aspect::Reliability,
);
/// Share of pairs in which the pruned model's text is said to hallucinate more.
pub const MORE_HALLUCINATION: Definition = rate(
    "judged_more_hallucination",
    Direction::LowerIsBetter,
    Aspect::Reliability,
);
/// Share of pairs in which the pruned model's text is said to omit more of what is crucial.
pub const MORE_OMISSION: Definition = rate("judged_more_omission", Direction::LowerIsBetter, Aspect::Reliability);
/// Share of pairs in which the pruned model's text is said to repeat itself more.
pub const MORE_REPETITION: Definition = rate("judged_more_repetition", Direction::LowerIsBetter, Aspect::Reliability);
/// Share of pairs in which the pruned model's text is said to be closer to the source in meaning.
pub const BETTER_ALIGNMENT: Definition = rate(
    "judged_better_alignment",
    Direction::HigherIsBetter,
    Aspect::Reliability,
);
/// [`MORE_HALLUCINATION`], a verdict that changes with the order of the texts counted as a tie.
pub const MORE_HALLUCINATION_CONSISTENT: Definition = rate(
    "judged_more_hallucination_consistent",
    Direction::LowerIsBetter,
    Aspect::Reliability,
);
/// [`MORE_OMISSION`], a verdict that changes with the order of the texts counted as a tie.
pub const MORE_OMISSION_CONSISTENT: Definition = rate(
    "judged_more_omission_consistent",
    Direction::LowerIsBetter,
    Aspect::Reliability,
);
/// [`MORE_REPETITION`], a verdict that changes with the order of the texts counted as a tie.
pub const MORE_REPETITION_CONSISTENT: Definition = rate(
    "judged_more_repetition_consistent",
    Direction::LowerIsBetter,
    Aspect::Reliability,
);
/// [`BETTER_ALIGNMENT`], a verdict that changes with the order of the texts counted as a tie.
pub const BETTER_ALIGNMENT_CONSISTENT: Definition = rate(
    "judged_better_alignment_consistent",
    Direction::HigherIsBetter,
    Aspect::Reliability,
);

/// The win rates in the order of the experiment's questions.
pub const WIN_RATES: [Definition; 4] = [MORE_HALLUCINATION, MORE_OMISSION, MORE_REPETITION, BETTER_ALIGNMENT];
/// The same over both orders.
pub const CONSISTENT_WIN_RATES: [Definition; 4] = [
    MORE_HALLUCINATION_CONSISTENT,
    MORE_OMISSION_CONSISTENT,
    MORE_REPETITION_CONSISTENT,
    BETTER_ALIGNMENT_CONSISTENT,
];

/// Who measures names the judge: `.by(…)`.
const fn rate(name: &'static str, direction: Direction, aspect: Aspect) -> Definition {
    Definition::new(name, "fraction", direction, aspect).by("judge")
}

/// Whose text a judge names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    /// The unpruned model's.
    Unpruned,
    /// The pruned model's.
    Pruned,
    /// Neither: a tie, or a verdict that changed with the order of the texts.
    Tie,
}

impl Named {
    /// The pair's contribution to the win rate: 1, 0, or 1/2 for a tie.
    #[must_use]
    pub fn score(self) -> f64 {
        match self {
            Self::Pruned => 1.0,
            Self::Unpruned => 0.0,
            Self::Tie => 0.5,
        }
    }
}

/// How often the pruned model's text was named.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WinRate {
    /// Pairs with the pruned model's text named.
    pub pruned: usize,
    /// Pairs with the unpruned model's text named.
    pub unpruned: usize,
    /// Ties.
    pub ties: usize,
    /// `(pruned + ties/2) / pairs`.
    pub rate: f64,
    /// 95 %, Wilson's. With ties it is too wide rather than too narrow: a half scatters less than 0 and 1.
    pub interval: (f64, f64),
    /// Two-sided exact sign test against 1/2; ties say nothing and are left out.
    pub p_value: f64,
}

/// The win rate of independent pairs.
///
/// # Errors
/// If there are no pairs.
pub fn win_rate(named: &[Named]) -> Result<WinRate> {
    let count = |of: Named| named.iter().filter(|&&found| found == of).count();
    let (pruned, unpruned, ties) = (count(Named::Pruned), count(Named::Unpruned), count(Named::Tie));
    if named.is_empty() {
        return Err(MetricError::Empty { metric: "win rate" });
    }
    let rate = (pruned as f64 + ties as f64 / 2.0) / named.len() as f64;
    Ok(WinRate {
        pruned,
        unpruned,
        ties,
        rate,
        interval: proportion::wilson_of_share(rate, named.len(), CONFIDENCE)?,
        p_value: sign_test(pruned, unpruned),
    })
}

/// Two-sided exact sign test of `one` against `other` under equal chances: the arithmetic of `McNemar`'s exact test.
#[must_use]
pub fn sign_test(one: usize, other: usize) -> f64 {
    mcnemar_exact(one, other)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use Named::{Pruned, Tie, Unpruned};

    #[test]
    fn by_hand() {
        let found = win_rate(&[Pruned, Pruned, Pruned, Pruned, Unpruned, Tie, Tie, Tie]).unwrap();
        assert_eq!((found.pruned, found.unpruned, found.ties), (4, 1, 3));
        assert!((found.rate - 5.5 / 8.0).abs() < 1e-15);
        // 2·(1 + 5)/32.
        assert!((found.p_value - 12.0 / 32.0).abs() < 1e-12);
        let mean = [Pruned, Tie, Unpruned].map(Named::score).iter().sum::<f64>() / 3.0;
        assert!((mean - win_rate(&[Pruned, Tie, Unpruned]).unwrap().rate).abs() < 1e-15);
        assert!(win_rate(&[]).is_err());
    }

    #[test]
    fn exchanging_the_models_mirrors_everything() {
        let named = [Pruned, Pruned, Unpruned, Tie, Pruned];
        let other = named.map(|of| match of {
            Pruned => Unpruned,
            Unpruned => Pruned,
            Tie => Tie,
        });
        let (a, b) = (win_rate(&named).unwrap(), win_rate(&other).unwrap());
        assert!((a.rate + b.rate - 1.0).abs() < 1e-15 && (a.p_value - b.p_value).abs() < 1e-15);
        assert!((a.interval.0 + b.interval.1 - 1.0).abs() < 1e-12);
    }

    #[test]
    fn only_ties_are_one_half_and_no_evidence() {
        let found = win_rate(&[Tie; 6]).unwrap();
        assert!((found.rate - 0.5).abs() < 1e-15 && (found.p_value - 1.0).abs() < 1e-15);
        assert!(found.interval.0 < 0.5 && found.interval.1 > 0.5);
    }
}
