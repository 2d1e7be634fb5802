//! How much of the unpruned model's performance a cell keeps, on one scale for all metrics.
//!
//! With `u` the unpruned and `p` the pruned value:
//!
//! ```text
//! higher is better (accuracy, ROUGE):                  p / u
//! lower is better, a share (error rate, ECE):          (1 − p) / (1 − u)
//! lower is better, unbounded (perplexity, nats):       u / p
//! ```
//!
//! 1 is "as before". The interval is that of the paired difference `d = p − u` put through the same formula, with `u` taken as
//! fixed: `u + d` for `p` at both ends. A cell without a paired difference gets its own interval instead, which is wider.
//! Where the formula divides by zero or leaves the numbers, there is no retention; the caller says so.

use secateur_metrics::value::{Direction, MetricValue};

/// A value with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The value.
    pub value: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Estimate {
    /// A value known exactly.
    #[must_use]
    pub const fn exact(value: f64) -> Self {
        Self {
            value,
            low: value,
            high: value,
        }
    }
}

/// Retention of a metric, or `None` where it is undefined.
#[must_use]
pub fn retention(unpruned: &MetricValue, pruned: &MetricValue) -> Option<Estimate> {
    let base = unpruned.value;
    let scale = |p: f64| match (pruned.direction, pruned.unit.as_str()) {
        (Direction::HigherIsBetter, _) => (base > 0.0).then(|| p / base),
        (Direction::LowerIsBetter, "fraction") => (base < 1.0).then(|| (1.0 - p) / (1.0 - base)),
        (Direction::LowerIsBetter, _) => (base > 0.0 && p > 0.0).then(|| base / p),
    };
    let (from, to) = match &pruned.paired {
        Some(paired) => (base + paired.interval.0, base + paired.interval.1),
        None => pruned.interval,
    };
    let (a, b) = (scale(from)?, scale(to)?);
    let estimate = Estimate {
        value: scale(pruned.value)?,
        low: a.min(b),
        high: a.max(b),
    };
    let finite = [estimate.value, a, b].iter().all(|x| x.is_finite());
    finite.then_some(estimate)
}

/// Mean over seeds. The seeds answer the same items, so their item errors are not independent: half-widths are averaged, not
/// shrunk. The scatter between seeds is added in quadrature as 1.96 standard errors of the mean, which is too little for two
/// or three seeds; the number of seeds is therefore always shown.
#[must_use]
pub fn over_seeds(seeds: &[Estimate]) -> Option<Estimate> {
    let count = seeds.len() as f64;
    let mean = mean(seeds.iter().map(|e| e.value))?;
    let scatter = if seeds.len() > 1 {
        let squares: f64 = seeds.iter().map(|e| (e.value - mean).powi(2)).sum();
        1.96 * (squares / (count - 1.0) / count).sqrt()
    } else {
        0.0
    };
    let below = self::mean(seeds.iter().map(|e| e.value - e.low))?;
    let above = self::mean(seeds.iter().map(|e| e.high - e.value))?;
    Some(Estimate {
        value: mean,
        low: mean - below.hypot(scatter),
        high: mean + above.hypot(scatter),
    })
}

/// Mean over tasks. Tasks have different items: half-widths add in quadrature and shrink with the number of tasks.
#[must_use]
pub fn over_tasks(tasks: &[Estimate]) -> Option<Estimate> {
    let count = tasks.len() as f64;
    let mean = mean(tasks.iter().map(|e| e.value))?;
    let below: f64 = tasks.iter().map(|e| (e.value - e.low).powi(2)).sum();
    let above: f64 = tasks.iter().map(|e| (e.high - e.value).powi(2)).sum();
    Some(Estimate {
        value: mean,
        low: mean - below.sqrt() / count,
        high: mean + above.sqrt() / count,
    })
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> Option<f64> {
    let count = values.len();
    (count > 0).then(|| values.sum::<f64>() / count as f64)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::fixture::{metric, paired};
    use secateur_metrics::value::{Aspect, Direction::HigherIsBetter, Direction::LowerIsBetter};

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-12, "{a} is not {b}");
    }

    #[test]
    fn higher_is_better_divides_by_the_unpruned_value() {
        let before = metric("accuracy", "fraction", HigherIsBetter, Aspect::Utility, 0.8);
        let mut after = metric("accuracy", "fraction", HigherIsBetter, Aspect::Utility, 0.6);
        after.paired = Some(paired(-0.2, (-0.3, -0.1)));
        let kept = retention(&before, &after).unwrap();
        close(kept.value, 0.75);
        close(kept.low, 0.625);
        close(kept.high, 0.875);
    }

    #[test]
    fn a_share_of_errors_is_turned_into_its_complement() {
        let before = metric("ece", "fraction", LowerIsBetter, Aspect::Reliability, 0.2);
        let mut after = metric("ece", "fraction", LowerIsBetter, Aspect::Reliability, 0.4);
        after.paired = Some(paired(0.2, (0.1, 0.3)));
        let kept = retention(&before, &after).unwrap();
        close(kept.value, 0.75);
        close(kept.low, 0.625);
        close(kept.high, 0.875);
    }

    #[test]
    fn perplexity_is_inverted() {
        let before = metric("perplexity", "per_token", LowerIsBetter, Aspect::Utility, 10.0);
        let mut after = metric("perplexity", "per_token", LowerIsBetter, Aspect::Utility, 20.0);
        after.paired = Some(paired(10.0, (6.0, 15.0)));
        let kept = retention(&before, &after).unwrap();
        close(kept.value, 0.5);
        close(kept.low, 0.4);
        close(kept.high, 0.625);
    }

    #[test]
    fn nothing_is_retained_of_nothing() {
        let before = metric("accuracy", "fraction", HigherIsBetter, Aspect::Utility, 0.0);
        assert!(retention(&before, &before).is_none());
        let all_wrong = metric("ece", "fraction", LowerIsBetter, Aspect::Utility, 1.0);
        assert!(retention(&all_wrong, &all_wrong).is_none());
    }

    #[test]
    fn seeds_widen_by_their_scatter_and_tasks_shrink() {
        let at = |value| Estimate {
            value,
            low: value - 0.03,
            high: value + 0.03,
        };
        let same = over_seeds(&[at(0.9), at(0.9)]).unwrap();
        close(same.low, 0.87);
        // Values 0.8 and 1.0: standard deviation 0.1414, standard error 0.1.
        let apart = over_seeds(&[at(0.8), at(1.0)]).unwrap();
        close(apart.value, 0.9);
        close(apart.low, 0.9 - 0.03_f64.hypot(0.196));
        let tasks = over_tasks(&[at(0.8), at(1.0)]).unwrap();
        close(tasks.high, 0.9 + 0.03 / 2.0_f64.sqrt());
        assert!(over_tasks(&[]).is_none());
    }
}
