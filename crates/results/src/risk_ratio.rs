//! Hallucination risk ratio: by what factor does pruning change the risk of a hallucination?
//!
//! Source: Chrysostomou et al., *Investigating Hallucinations in Pruned Large Language Models for Abstractive Summarization*,
//! TACL 12 (2024): the ratio of a hallucination metric between the pruned and the original model, averaged over a data set; below 1
//! the pruned model's risk is lower. The paper's exact numerator could not be read here. The direction is therefore set so that below 1
//! is the lower risk:
//!
//! ```text
//! higher is better (support, consistency):  M_original / M_pruned
//! lower is better (rates):                  M_pruned / M_original
//! ```
//!
//! The interval is the expanded percentile interval of the ratio on the draws that records keep. Means and other statistics keep
//! the same draws of items for the unpruned value and for the difference. Differences of shares are drawn with two flips more, so
//! their draws are others; the draws of the unpruned share are then moved so that both vary together as the flips say they do.
//!
//! A ratio means nothing where the denominator may be 0 or a value may be below 0 (HaRiM+ can): it is undefined then, and said so.

use std::collections::BTreeMap;

use secateur_metrics::statistics::{CONFIDENCE, Resampled};
use secateur_metrics::value::{Aspect, MetricValue};

use crate::naming::is_hallucination;
use crate::record::Record;
use crate::safe::lines::{Gap, Lines, Place, compared, higher_is_better};

/// The ratio of one reliability metric on one task at one fraction.
#[derive(Debug, Clone, PartialEq)]
pub struct RiskRatio {
    /// Model, method, domain.
    pub place: Place,
    /// Share of each layer's experts removed.
    pub fraction: f64,
    /// The task.
    pub task: String,
    /// The metric.
    pub metric: String,
    /// What made it.
    pub scorer: String,
    /// Whether more of it is better.
    pub higher_is_better: bool,
    /// Whether it speaks of hallucination; tables hold the ratio of every reliability metric.
    pub hallucination: bool,
    /// The unpruned value.
    pub unpruned: f64,
    /// What was found, or why there is nothing.
    pub found: Result<Ratio, &'static str>,
}

/// A ratio with its doubt.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ratio {
    /// The pruned value, mean over seeds.
    pub pruned: f64,
    /// Below 1: the pruned model's risk is lower.
    pub value: f64,
    /// 95 % interval over items, and over seeds where there are several.
    pub interval: (f64, f64),
    /// Items that entered, the fewest of any seed.
    pub n: usize,
    /// Calibration seeds.
    pub seeds: usize,
}

/// Why there is no ratio: the denominator's interval holds 0.
pub const DENOMINATOR: &str = "the denominator may be 0";
/// Why there is no ratio: a value or its interval lies below 0.
pub const NEGATIVE: &str = "a value may be below 0";

/// All ratios of reliability metrics, by model, method, domain, fraction and task, metrics in the order of records.
#[must_use]
pub fn risk_ratios(records: &[Record]) -> Vec<RiskRatio> {
    let lines = Lines::new(records);
    let mut all = Vec::new();
    for (place, line) in &lines.lines {
        let seeds = line.seeds();
        for (&bits, tasks) in &line.cells {
            for record in lines.unpruned_in(&place.model, &place.domain) {
                let cells = tasks.get(record.cell.task.as_str());
                for metric in record.metrics.iter().filter(|m| m.aspect == Aspect::Reliability) {
                    let found = compared(metric, cells, &seeds)
                        .map_err(|gap| why(&gap))
                        .and_then(|found| {
                            let base = together(&found.base, &found.difference.both, metric, cells);
                            let ratio = ratio(metric, &base, &found.difference.both)?;
                            Ok(Ratio {
                                n: found.n,
                                seeds: found.difference.seeds,
                                ..ratio
                            })
                        });
                    all.push(RiskRatio {
                        place: place.clone(),
                        fraction: f64::from_bits(bits),
                        task: record.cell.task.clone(),
                        metric: metric.name.clone(),
                        scorer: metric.scorer.clone(),
                        higher_is_better: higher_is_better(metric),
                        hallucination: is_hallucination(metric),
                        unpruned: metric.value,
                        found,
                    });
                }
            }
        }
    }
    all
}

fn why(gap: &Gap) -> &'static str {
    match gap {
        Gap::NotEvaluated => "not evaluated",
        Gap::Undefined => "undefined",
        Gap::NoResamples => "record of layout 1",
    }
}

/// `base` saw the draws of `difference`.
fn ratio(metric: &MetricValue, base: &Resampled, difference: &Resampled) -> Result<Ratio, &'static str> {
    let held = |value: f64| if base.bounded { value.clamp(0.0, 1.0) } else { value };
    let sums = base.draws.iter().zip(&difference.draws);
    let pruned = Resampled {
        observed: held(base.observed + difference.observed),
        draws: sums.map(|(base, difference)| held(base + difference)).collect(),
        bounded: base.bounded,
        ..*difference
    };
    let of_pruned = pruned.interval(CONFIDENCE).map_err(|_| "too few items")?;
    let sides = [(base, metric.interval), (&pruned, of_pruned)];
    let [(numerator, above), (denominator, below)] = if higher_is_better(metric) {
        sides
    } else {
        let [unpruned, pruned] = sides;
        [pruned, unpruned]
    };
    if numerator.observed < 0.0 || denominator.observed < 0.0 || (!base.bounded && above.0 < 0.0) {
        return Err(NEGATIVE);
    }
    // Wilson's interval of no item in n ends at 0 but for rounding.
    if below.0 <= 1e-12 {
        return Err(if below.0 < 0.0 && !base.bounded {
            NEGATIVE
        } else {
            DENOMINATOR
        });
    }
    let divided = |(above, below): (&f64, &f64)| if *below > 0.0 { above / below } else { f64::NAN };
    let draws = numerator.draws.iter().zip(&denominator.draws).map(divided).collect();
    let ratio = Resampled {
        observed: numerator.observed / denominator.observed,
        draws,
        bounded: false,
        ..*difference
    };
    let interval = ratio.interval(CONFIDENCE).map_err(|_| DENOMINATOR)?;
    Ok(Ratio {
        pruned: pruned.observed,
        value: ratio.observed,
        interval: (interval.0.max(0.0), interval.1),
        n: 0,
        seeds: 0,
    })
}

/// The unpruned draws that go with those of the difference. Those of shares are moved: with covariance `c` and variances `v`,
///
/// ```text
/// base + c/v_d · (d* − mean d*) + √(1 − c²/(v_b·v_d)) · (b* − mean b*)
/// ```
///
/// has the variance of `b*`, and the covariance `c` with `d*`.
fn together(
    base: &Resampled,
    difference: &Resampled,
    metric: &MetricValue,
    cells: Option<&BTreeMap<u64, &Record>>,
) -> Resampled {
    let Some(covariance) = covariance(base, metric, cells) else {
        return base.clone();
    };
    let (of_base, of_difference) = (moments(&base.draws), moments(&difference.draws));
    if of_base.1 == 0.0 || of_difference.1 == 0.0 {
        return base.clone();
    }
    let bound = (of_base.1 * of_difference.1).sqrt();
    let covariance = covariance.clamp(-bound, bound);
    let rest = (1.0 - (covariance / bound).powi(2)).max(0.0).sqrt();
    let moved = |(b, d): (&f64, &f64)| {
        base.observed + covariance / of_difference.1 * (d - of_difference.0) + rest * (b - of_base.0)
    };
    Resampled {
        draws: base.draws.iter().zip(&difference.draws).map(moved).collect(),
        ..base.clone()
    }
}

/// Covariance of the unpruned share and the difference, mean over seeds, from the flips of their items; `None` for what is no share
/// of items. Items of one document count as much less as they do in the unpruned share.
fn covariance(base: &Resampled, metric: &MetricValue, cells: Option<&BTreeMap<u64, &Record>>) -> Option<f64> {
    let share = metric.value;
    let mut sum = 0.0;
    let cells = cells?;
    for record in cells.values() {
        let pruned = record.metrics.iter().find(|m| m.name == metric.name)?;
        let paired = pruned.paired.as_ref()?;
        let n = paired.n as f64;
        // Outcomes that were 1 and became 0, whichever of them is good.
        let (lost, won) = (paired.right_to_wrong? as f64 / n, paired.wrong_to_right? as f64 / n);
        sum += -lost - (won - lost) * share;
    }
    let variance = share * (1.0 - share);
    let mean = sum / cells.len() as f64;
    Some(if variance > 0.0 {
        mean * moments(&base.draws).1 / variance
    } else {
        0.0
    })
}

/// Mean and variance of the draws that are numbers.
fn moments(draws: &[f64]) -> (f64, f64) {
    let defined: Vec<f64> = draws.iter().copied().filter(|draw| draw.is_finite()).collect();
    let count = defined.len().max(1) as f64;
    let mean = defined.iter().sum::<f64>() / count;
    let squares: f64 = defined.iter().map(|draw| (draw - mean).powi(2)).sum();
    (mean, squares / count)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::fixture::{metric, paired, record};
    use secateur_metrics::measure::{mean, proportion};
    use secateur_metrics::measure_paired;
    use secateur_metrics::statistics::{Bootstrap, Clusters, resample_statistic};
    use secateur_metrics::support::SUPPORT;
    use secateur_metrics::value::{Definition, Direction};

    const A: (&str, &str, &str) = ("a", "biomedical", "generation");
    const RATE: Definition = Definition::new(
        "hallucination_rate",
        "fraction",
        Direction::LowerIsBetter,
        Aspect::Reliability,
    );

    fn of(unpruned: &MetricValue, pruned: &MetricValue) -> Result<Ratio, &'static str> {
        let with = |metric: &MetricValue, method: Option<&str>| {
            let mut record = record(method, if method.is_some() { 0.5 } else { 0.0 }, 0, A, (0.8, 0.2));
            record.metrics = vec![metric.clone()];
            record
        };
        let all = risk_ratios(&[with(unpruned, None), with(pruned, Some("reap"))]);
        assert_eq!(all.len(), 1);
        all[0].found
    }

    /// 300 items: 90 before, of which 20 vanish, and 50 new ones.
    fn outcomes() -> (Vec<bool>, Vec<bool>) {
        let before: Vec<bool> = (0..300).map(|i| i < 90).collect();
        let after = (0..300)
            .map(|i| (20..90).contains(&i) || (100..150).contains(&i))
            .collect();
        (before, after)
    }

    #[test]
    fn a_rate_has_the_ratio_and_the_interval_of_pairs_drawn_together() {
        let (before, after) = outcomes();
        let (clusters, options) = (Clusters::singletons(300), Bootstrap::default());
        let unpruned = proportion(&RATE, &before, &clusters, &options).unwrap();
        let mut pruned = proportion(&RATE, &after, &clusters, &options).unwrap();
        pruned.paired = Some(measure_paired::proportion(&RATE, &before, &after, &clusters, &options).unwrap());
        let found = of(&unpruned, &pruned).unwrap();
        assert!((found.value - 120.0 / 90.0).abs() < 1e-12 && (found.n, found.seeds) == (300, 1));
        let count = |items: &[usize], outcomes: &[bool]| items.iter().filter(|i| outcomes[**i]).count() as f64;
        let direct = resample_statistic(&clusters, &options, |items| {
            Some(count(items, &after) / count(items, &before))
        });
        let (low, high) = direct.unwrap().interval(CONFIDENCE).unwrap();
        let close = (found.interval.0 - low).abs() < 0.03 && (found.interval.1 - high).abs() < 0.05;
        assert!(close, "{:?} is not ({low}, {high})", found.interval);
    }

    #[test]
    fn more_support_is_less_risk() {
        let (clusters, options) = (Clusters::singletons(80), Bootstrap::default());
        let before: Vec<f64> = (0..80).map(|i| 0.8 + 0.1 * f64::from(i % 3 - 1)).collect();
        let after: Vec<f64> = before.iter().map(|value| value / 2.0).collect();
        let unpruned = mean(&SUPPORT, &before, &clusters, &options).unwrap();
        let mut pruned = mean(&SUPPORT, &after, &clusters, &options).unwrap();
        pruned.paired = Some(measure_paired::mean(&SUPPORT, &before, &after, &clusters, &options).unwrap());
        let found = of(&unpruned, &pruned).unwrap();
        // Every item halves, so that the ratio is 2 on every draw, to the last bit of f32.
        assert!((found.value - 2.0).abs() < 1e-9);
        assert!((found.interval.0 - 2.0).abs() < 1e-5 && (found.interval.1 - 2.0).abs() < 1e-5);
    }

    #[test]
    fn no_ratio_to_nothing_and_none_across_zero() {
        let lower = |value| {
            metric(
                "hallucination",
                "points",
                Direction::LowerIsBetter,
                Aspect::Reliability,
                value,
            )
        };
        let harim = |value| {
            metric(
                "harim_plus",
                "nats",
                Direction::HigherIsBetter,
                Aspect::Reliability,
                value,
            )
        };
        let with = |mut pruned: MetricValue, difference: f64| {
            pruned.paired = Some(paired(difference, (difference - 0.02, difference + 0.02)));
            pruned
        };
        assert_eq!(of(&lower(0.03), &with(lower(0.2), 0.17)).unwrap_err(), NEGATIVE);
        assert!(of(&lower(0.3), &with(lower(0.2), -0.1)).unwrap().value < 0.7);
        assert_eq!(of(&harim(-1.0), &with(harim(-2.0), -1.0)).unwrap_err(), NEGATIVE);
        assert_eq!(of(&harim(2.0), &with(harim(0.01), -1.99)).unwrap_err(), NEGATIVE);
        let none = [false; 60];
        let (clusters, options) = (Clusters::singletons(60), Bootstrap::default());
        let unpruned = proportion(&RATE, &none, &clusters, &options).unwrap();
        let mut pruned = unpruned.clone();
        pruned.paired = Some(measure_paired::proportion(&RATE, &none, &none, &clusters, &options).unwrap());
        assert_eq!(of(&unpruned, &pruned).unwrap_err(), DENOMINATOR);
        assert_eq!(of(&unpruned, &unpruned).unwrap_err(), "undefined");
    }
}
