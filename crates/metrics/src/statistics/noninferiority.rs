//! Non-inferiority: is what pruning cost less than the margin that was accepted beforehand?
//!
//! With `d` pruned minus unpruned, turned so that higher is better, `u` the unpruned value and the margin `m` absolute or a
//! share `r` of the unpruned value, the slack is
//!
//! ```text
//! d + m        d + r·|u|
//! ```
//!
//! Source: EMA, *Guideline on the choice of the non-inferiority margin* (2005); relative margins as in Hauck & Anderson 1999,
//! with the margin resampled together with the difference. Non-inferior at level α: the lower end of the one-sided 1 − α
//! expanded percentile interval of the slack lies above 0.

use super::fixed_sequence::Slack;
use super::resampling::Resampled;
use crate::error::Result;

/// The loss that is accepted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Margin {
    /// In the metric's unit.
    Absolute(f64),
    /// As a share of the unpruned value.
    Relative(f64),
}

impl Margin {
    /// The margin in the metric's unit.
    #[must_use]
    pub fn at(self, unpruned: f64) -> f64 {
        match self {
            Self::Absolute(margin) => margin,
            Self::Relative(share) => share * unpruned.abs(),
        }
    }
}

/// A margin's slack over resamples. `difference` is pruned minus unpruned; `unpruned` saw the same draws, or is empty where
/// only its value is known.
///
/// # Errors
/// If the difference is undefined on too many draws, or rests on fewer than two units.
pub fn slack(difference: &Resampled, unpruned: &Resampled, margin: Margin, higher_is_better: bool) -> Result<Slack> {
    let sign = if higher_is_better { 1.0 } else { -1.0 };
    let of_draw = |(draw, value): (usize, &f64)| {
        let base = unpruned.draws.get(draw).copied().filter(|base| base.is_finite());
        sign * value + margin.at(base.unwrap_or(unpruned.observed))
    };
    let resampled = Resampled {
        observed: sign * difference.observed + margin.at(unpruned.observed),
        draws: difference.draws.iter().enumerate().map(of_draw).collect(),
        ..*difference
    };
    // Draws of the difference that agree say nothing, whatever the margin does.
    let unsure = difference.bounded && difference.agrees();
    Slack::new(resampled, unsure)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::statistics::{Bootstrap, Clusters, resample_mean};

    fn resampled(values: &[f64]) -> Resampled {
        resample_mean(values, &Clusters::singletons(values.len()), &Bootstrap::default()).unwrap()
    }

    #[test]
    fn the_margin_decides_and_so_does_the_direction() {
        let loss: Vec<f64> = (0..100).map(|i| -0.03 + 0.01 * f64::from(i % 3 - 1)).collect();
        let unpruned = resampled(&[0.5; 100]);
        let of = |margin, higher| slack(&resampled(&loss), &unpruned, margin, higher).unwrap();
        assert!(of(Margin::Absolute(0.05), true).lower(0.05) > 0.0);
        assert!(of(Margin::Absolute(0.02), true).lower(0.05) < 0.0);
        assert!(
            of(Margin::Absolute(0.0), false).lower(0.05) > 0.0,
            "less of what is bad is a gain"
        );
        assert!(
            of(Margin::Relative(0.1), true).lower(0.05) > 0.0,
            "a tenth of 0.5 is 0.05"
        );
        assert!((of(Margin::Relative(0.1), true).observed() - 0.02).abs() < 1e-3);
    }

    #[test]
    fn ten_equal_items_prove_nothing_and_a_thousand_do() {
        let of = |n: usize| {
            let same = resampled(&vec![0.0; n]).bounded(true);
            slack(&same, &resampled(&vec![0.5; n]), Margin::Absolute(0.05), true).unwrap()
        };
        assert!(of(10).lower(0.05) < 0.0 && of(1000).lower(0.05) > 0.0);
        assert!(slack(&resampled(&[0.0]), &resampled(&[1.0]), Margin::Absolute(0.1), true).is_err());
    }
}
