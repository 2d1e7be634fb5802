//! The largest step up to which everything holds: fixed-sequence testing along ascending steps.
//!
//! A step is passed if all its criteria are (an intersection–union test: each is tested at α, and the step errs with at most α).
//! Steps are tested in their order until one fails, so that no correction for their number is needed. The answer is the last
//! step passed, and P(answer > truth) ≤ α.
//!
//! Sources: Berger 1982 (intersection–union); Maurer, Hothorn & Lehmacher 1995 (fixed sequence). The interval of the step:
//! below, the same procedure at α/2; above, the last step before the first at which some criterion is *shown* to fail,
//! simultaneously over all steps and criteria: their slacks' upper ends come from the joint distribution of the largest
//! studentised deviation over draws (Romano & Wolf 2005). Draws are joint if every slack saw the same units draw by draw.

use statrs::distribution::{ContinuousCDF, Normal};

use super::bootstrap::interpolate;
use super::resampling::{Resampled, student};
use crate::error::Result;

/// Draws that rounding put on the wrong side of the margin do not decide.
const ROUNDING: f64 = 1e-6;

/// How far a criterion lies above its margin; below 0 it is missed.
#[derive(Debug, Clone, PartialEq)]
pub struct Slack {
    resampled: Resampled,
    sorted: Vec<f64>,
    standard_error: f64,
    /// A sixth of the draws' skewness: what the bounds of rare losses need beyond percentiles.
    acceleration: f64,
    unsure: bool,
}

impl Slack {
    /// `unsure`: the draws agree although only so many units were seen.
    pub(super) fn new(resampled: Resampled, unsure: bool) -> Result<Self> {
        let sorted = resampled.sorted()?;
        Ok(Self {
            acceleration: skewness(&sorted) / 6.0,
            sorted,
            standard_error: resampled.standard_error()?,
            resampled,
            unsure,
        })
    }

    /// The slack of the items themselves.
    #[must_use]
    pub fn observed(&self) -> f64 {
        self.resampled.observed
    }

    /// Its standard error.
    #[must_use]
    pub fn standard_error(&self) -> f64 {
        self.standard_error
    }

    /// Lower end of the one-sided 1 − α interval. One-sided bounds are wrong by the skewness where two-sided intervals even it
    /// out, so that this one is accelerated (`BCa` with z₀ = a, which is what they are for a mean; Efron 1987), and shares of
    /// items, which move in steps of 1/n, have a correction for continuity of half a step.
    #[must_use]
    pub fn lower(&self, alpha: f64) -> f64 {
        let normal = Normal::standard();
        let a = self.acceleration;
        let z = a + normal.inverse_cdf(self.resampled.tail(alpha));
        let tail = normal.cdf(a + z / (1.0 - a * z).max(0.1));
        let step = if self.resampled.plain {
            1.0 / self.resampled.units as f64
        } else {
            0.0
        };
        interpolate(&self.sorted, tail) - step / 2.0 - self.unseen(alpha)
    }

    /// Whether the margin is shown to be kept.
    #[must_use]
    pub fn holds(&self, alpha: f64) -> bool {
        self.lower(alpha) > ROUNDING
    }

    /// The smallest margin, beyond the observed one, that would be kept with a probability of `power` if nothing were lost:
    /// what these units can confirm at all.
    #[must_use]
    pub fn confirmable(&self, alpha: f64, power: f64) -> f64 {
        let z = |share: f64| Normal::standard().inverse_cdf(share);
        (z(1.0 - alpha) + z(power)) * self.standard_error + self.unseen(alpha)
    }

    fn unseen(&self, alpha: f64) -> f64 {
        if self.unsure {
            1.0 - alpha.powf(1.0 / self.resampled.units as f64)
        } else {
            0.0
        }
    }
}

/// Third standardised moment; 0 where nothing varies.
fn skewness(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let moment = |power: i32| values.iter().map(|value| (value - mean).powi(power)).sum::<f64>() / n;
    let variance = moment(2);
    if variance > 0.0 {
        moment(3) / variance.powf(1.5)
    } else {
        0.0
    }
}

/// What testing along the steps found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Furthest {
    /// Steps passed; 0 if not even the first.
    pub passed: usize,
    /// Interval of the number of steps that can be passed, at confidence 1 − α.
    pub interval: (usize, usize),
    /// The criterion that missed most at the first step that failed, by its lower end over its standard error; `None` if all
    /// steps were passed.
    pub failed: Option<usize>,
}

/// Tests steps in their order. A step without criteria is not passed.
#[must_use]
pub fn furthest(steps: &[Vec<Slack>], alpha: f64) -> Furthest {
    let passed = steps_passed(steps, alpha);
    let lower = steps_passed(steps, alpha / 2.0);
    let failed = steps.get(passed).and_then(|step| {
        let missed = step.iter().enumerate().filter(|(_, slack)| !slack.holds(alpha));
        let by = |slack: &Slack| slack.lower(alpha) / slack.standard_error.max(1e-12);
        missed
            .min_by(|(_, a), (_, b)| by(a).total_cmp(&by(b)))
            .map(|(index, _)| index)
    });
    Furthest {
        passed,
        interval: (lower, not_refuted(steps, alpha / 2.0).max(passed)),
        failed,
    }
}

fn steps_passed(steps: &[Vec<Slack>], alpha: f64) -> usize {
    let passes = |step: &&Vec<Slack>| !step.is_empty() && step.iter().all(|slack| slack.holds(alpha));
    steps.iter().take_while(passes).count()
}

/// Steps before the first at which a criterion is shown to fail, at a level that holds for all of them together.
fn not_refuted(steps: &[Vec<Slack>], alpha: f64) -> usize {
    let all: Vec<&Slack> = steps
        .iter()
        .flatten()
        .filter(|slack| slack.standard_error > 0.0)
        .collect();
    let draws = all.iter().map(|slack| slack.resampled.draws.len()).min().unwrap_or(0);
    let mut largest: Vec<f64> = (0..draws)
        .map(|draw| {
            let deviation = |slack: &&Slack| {
                let moved = slack.observed() - slack.resampled.draws[draw];
                moved / slack.standard_error
            };
            all.iter().map(deviation).filter(|d| d.is_finite()).fold(0.0, f64::max)
        })
        .collect();
    largest.sort_by(f64::total_cmp);
    let units = all.iter().map(|slack| slack.resampled.units).min().unwrap_or(2);
    let critical = if largest.is_empty() {
        0.0
    } else {
        interpolate(&largest, 1.0 - alpha) * few_units(units, alpha)
    };
    let refuted = |slack: &Slack| slack.observed() + critical * slack.standard_error + slack.unseen(alpha) < -ROUNDING;
    steps.iter().take_while(|step| !step.iter().any(refuted)).count()
}

/// By how much the quantile of t exceeds that of the normal distribution.
fn few_units(units: usize, alpha: f64) -> f64 {
    let normal = Normal::standard().inverse_cdf(alpha);
    student(units).map_or(1.0, |t| t.inverse_cdf(alpha) / normal)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::statistics::noninferiority::{Margin, slack};
    use crate::statistics::{Bootstrap, Clusters, resample_mean};

    /// A slack of mean `at` with a standard error of about 0.01.
    fn about(at: f64) -> Slack {
        let values: Vec<f64> = (0..100).map(|i| at + 0.1 * (f64::from(i % 2) * 2.0 - 1.0)).collect();
        let resampled = resample_mean(&values, &Clusters::singletons(100), &Bootstrap::default()).unwrap();
        slack(&resampled, &resampled, Margin::Absolute(0.0), true).unwrap()
    }

    #[test]
    fn it_stops_at_the_first_failure_and_names_the_worst_criterion() {
        let steps = [
            vec![about(0.05), about(0.06)],
            vec![about(0.05), about(0.01), about(-0.03)],
            vec![about(0.05)],
        ];
        let found = furthest(&steps, 0.05);
        assert_eq!((found.passed, found.failed), (1, Some(2)));
        assert_eq!(found.interval, (1, 1), "the third criterion is shown to fail");
    }

    #[test]
    fn doubt_opens_the_interval_upwards() {
        let steps = [vec![about(0.05)], vec![about(0.005)], vec![about(-0.1)]];
        let found = furthest(&steps, 0.05);
        assert_eq!((found.passed, found.interval), (1, (1, 2)));
        let all = furthest(&steps[..1], 0.05);
        assert_eq!((all.passed, all.failed, all.interval), (1, None, (1, 1)));
        let nothing = furthest(&[Vec::new()], 0.05);
        assert_eq!((nothing.passed, nothing.failed), (0, None));
    }

    #[test]
    fn more_items_confirm_smaller_margins() {
        let one = about(0.0);
        assert!((one.confirmable(0.05, 0.8) - 2.4865 * one.standard_error()).abs() < 1e-4);
        assert!(one.lower(0.025) < one.lower(0.05) && one.lower(0.05) < one.observed());
    }
}
