//! Every pruned model against the unpruned one, seeds put together: what items leave open and what calibration seeds leave open,
//! side by side.

use secateur_metrics::statistics::power::minimum_detectable_mean;
use secateur_metrics::statistics::{CONFIDENCE, Resampled};
use secateur_metrics::value::{Aspect, MetricValue};

use crate::record::Record;
use crate::safe::lines::{Compared, Gap, Lines, Place, compared};

/// One metric of one task at one fraction, mean over seeds.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// Model, method, domain.
    pub place: Place,
    /// Share of each layer's experts removed.
    pub fraction: f64,
    /// The task.
    pub task: String,
    /// The metric.
    pub metric: String,
    /// Its unit.
    pub unit: String,
    /// What it speaks of.
    pub aspect: Aspect,
    /// What made it, see [`MetricValue::scorer`].
    pub scorer: String,
    /// Whether it is its task's first of that aspect.
    pub primary: bool,
    /// The unpruned value.
    pub unpruned: f64,
    /// What was found; `Err` says why there is nothing.
    pub found: Result<Difference, &'static str>,
}

/// A difference and its doubts.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// Calibration seeds.
    pub seeds: usize,
    /// Items that entered, the fewest of any seed.
    pub n: usize,
    /// Share of the items asked that entered; `None` where records do not say.
    pub coverage: Option<f64>,
    /// Pruned minus unpruned, mean over seeds.
    pub value: f64,
    /// 95 % interval over items, given these seeds.
    pub over_items: Option<(f64, f64)>,
    /// Standard deviation between seeds; `None` for one.
    pub between_seeds: Option<f64>,
    /// Smallest and largest difference of a seed.
    pub seed_range: (f64, f64),
    /// 95 % interval over items and seeds; that over items for one seed.
    pub over_both: Option<(f64, f64)>,
    /// Smallest difference that these items would show with a probability of 0.8 at a two-sided level of 0.05.
    pub minimum_detectable: Option<f64>,
}

/// All comparisons of utility and reliability, by model, method, domain, fraction and task, metrics in the order of records.
#[must_use]
pub fn comparisons(records: &[Record]) -> Vec<Comparison> {
    let lines = Lines::new(records);
    let mut all = Vec::new();
    for (place, line) in &lines.lines {
        let seeds = line.seeds();
        let unpruned = lines.unpruned_in(&place.model, &place.domain);
        for (&bits, tasks) in &line.cells {
            for record in &unpruned {
                let cells = tasks.get(record.cell.task.as_str());
                for metric in record.metrics.iter().filter(|m| m.aspect != Aspect::Diagnostic) {
                    let single = cells.filter(|cells| cells.len() == 1).and_then(|cells| {
                        let metrics = &cells.values().next()?.metrics;
                        metrics
                            .iter()
                            .find(|m| m.name == metric.name)?
                            .paired
                            .as_ref()?
                            .minimum_detectable
                    });
                    let found = compared(metric, cells, &seeds).map_err(|gap| why(&gap));
                    all.push(Comparison {
                        place: place.clone(),
                        fraction: f64::from_bits(bits),
                        task: record.cell.task.clone(),
                        metric: metric.name.clone(),
                        unit: metric.unit.clone(),
                        aspect: metric.aspect,
                        scorer: metric.scorer.clone(),
                        primary: is_primary(record, metric),
                        unpruned: metric.value,
                        found: found.map(|found| difference(&found, single)),
                    });
                }
            }
        }
    }
    all
}

fn is_primary(record: &Record, metric: &MetricValue) -> bool {
    let first = record.metrics.iter().find(|m| m.aspect == metric.aspect);
    first.is_some_and(|first| first.name == metric.name)
}

fn why(gap: &Gap) -> &'static str {
    match gap {
        Gap::NotEvaluated => "not evaluated",
        Gap::Undefined => "undefined",
        Gap::NoResamples => "record of layout 1",
    }
}

/// `single`: what the only seed's record says it could have shown.
fn difference(found: &Compared<'_>, single: Option<f64>) -> Difference {
    let interval = |resampled: &Resampled| resampled.interval(CONFIDENCE).ok();
    let over_items = interval(&found.difference.items);
    let one_seed = found.difference.seeds == 1;
    let error = found
        .difference
        .items
        .standard_error()
        .ok()
        .filter(|error| *error > 0.0);
    Difference {
        seeds: found.difference.seeds,
        n: found.n,
        coverage: found.coverage,
        value: found.difference.items.observed,
        over_items,
        between_seeds: found.difference.between,
        seed_range: found.difference.range,
        over_both: if one_seed {
            over_items
        } else {
            interval(&found.difference.both)
        },
        minimum_detectable: if one_seed {
            single
        } else {
            error.map(minimum_detectable_mean)
        },
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::fixture::record;

    const A: (&str, &str, &str) = ("a", "biomedical", "classification");

    #[test]
    fn items_and_seeds_are_two_doubts() {
        let records = [
            record(None, 0.0, 0, A, (0.8, 0.2)),
            record(Some("reap"), 0.5, 0, A, (0.6, 0.2)),
            record(Some("reap"), 0.5, 1, A, (0.7, 0.2)),
        ];
        let all = comparisons(&records);
        assert_eq!(all.len(), 2);
        let found = all[0].found.clone().unwrap();
        assert!((found.value + 0.15).abs() < 1e-9 && found.seeds == 2 && all[0].primary);
        let width = |ends: Option<(f64, f64)>| ends.map(|(low, high)| high - low).unwrap();
        assert!(width(found.over_items) < 0.05 && width(found.over_both) > 0.1);
        assert!((found.between_seeds.unwrap() - 0.070_710_678).abs() < 1e-6);
        assert!((found.seed_range.0 + 0.2).abs() < 1e-9 && (found.seed_range.1 + 0.1).abs() < 1e-9);
    }

    #[test]
    fn what_is_missing_is_a_row_that_says_so() {
        let mut old = record(Some("reap"), 0.5, 0, A, (0.6, 0.2));
        old.metrics[0].paired.as_mut().unwrap().resamples = secateur_metrics::value::Resamples::default();
        old.metrics.truncate(1);
        let all = comparisons(&[record(None, 0.0, 0, A, (0.8, 0.2)), old]);
        let found: Vec<_> = all.iter().map(|c| c.found.clone().unwrap_err()).collect();
        assert_eq!(found, ["record of layout 1", "undefined"]);
    }
}
