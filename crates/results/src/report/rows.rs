//! Tables of the pages besides the answer: the unpruned models, differences, and what lacks items.

use std::collections::BTreeMap;

use secateur_metrics::value::{Aspect, MetricValue};
use serde::Serialize;

use crate::charts::percent;
use crate::comparisons::comparisons;
use crate::naming::with_scorer;
use crate::record::Record;
use crate::safe::words::{plain, share, signed};

#[derive(Debug, Serialize)]
pub(super) struct UnprunedRow {
    model: String,
    place: String,
    task: String,
    metric: String,
    scorer: String,
    unit: String,
    value: String,
    n: usize,
    coverage: String,
}

/// One primary metric of a task at a fraction.
#[derive(Debug, Serialize)]
pub(super) struct DifferenceRow {
    model: String,
    method: String,
    fraction: String,
    task: String,
    metric: String,
    unpruned: String,
    difference: String,
    between_seeds: String,
    detectable: String,
    n: String,
    coverage: String,
}

impl DifferenceRow {
    /// Names of [`Self::cells`].
    pub(super) const HEADER: [&str; 11] = [
        "model",
        "method",
        "removed, %",
        "task",
        "metric",
        "unpruned",
        "difference (95 %)",
        "SD between seeds",
        "detectable",
        "n",
        "coverage",
    ];

    /// Everything in it, in the order of a table.
    pub(super) fn cells(&self) -> [&str; 11] {
        [
            &self.model,
            &self.method,
            &self.fraction,
            &self.task,
            &self.metric,
            &self.unpruned,
            &self.difference,
            &self.between_seeds,
            &self.detectable,
            &self.n,
            &self.coverage,
        ]
    }
}

/// A metric that items are missing from.
#[derive(Debug, Serialize)]
pub(super) struct UncoveredRow {
    model: String,
    task: String,
    metric: String,
    cells: usize,
    least: String,
    worst: String,
}

pub(super) fn unpruned(records: &[Record]) -> Vec<UnprunedRow> {
    let mut cells: Vec<&Record> = records.iter().filter(|r| r.cell.method.is_none()).collect();
    cells.sort_by_key(|r| {
        let c = &r.cell;
        let place = (c.domain.clone(), c.kind.clone());
        (c.model.clone(), place, c.task.clone(), c.seed)
    });
    let mut rows = Vec::new();
    for record in cells {
        let metrics = record.metrics.iter();
        for metric in metrics.filter(|m| m.aspect != Aspect::Diagnostic) {
            rows.push(UnprunedRow {
                model: record.cell.model.clone(),
                place: format!("{} {}", record.cell.domain, record.cell.kind),
                task: record.cell.task.clone(),
                metric: metric.name.clone(),
                scorer: said(&metric.scorer),
                unit: metric.unit.clone(),
                value: metric_value(metric),
                n: metric.n,
                coverage: metric.coverage().map_or_else(|| "–".to_owned(), share),
            });
        }
    }
    rows
}

/// The scorer, where the record says.
fn said(scorer: &str) -> String {
    if scorer.is_empty() { "–" } else { scorer }.to_owned()
}

/// Value and interval to four significant decimals.
fn metric_value(metric: &MetricValue) -> String {
    let (low, high) = metric.interval;
    format!("{:.4} ({low:.4} to {high:.4})", metric.value)
}

/// Differences of primary metrics.
pub(super) fn differences(records: &[Record]) -> Vec<DifferenceRow> {
    let primary = comparisons(records).into_iter().filter(|c| c.primary);
    let row = |comparison: crate::comparisons::Comparison| {
        let none = || "–".to_owned();
        let mut row = DifferenceRow {
            model: comparison.place.model,
            method: comparison.place.method,
            fraction: percent(comparison.fraction),
            task: comparison.task,
            metric: with_scorer(&comparison.metric, &comparison.scorer),
            unpruned: plain(comparison.unpruned),
            difference: none(),
            between_seeds: none(),
            detectable: none(),
            n: none(),
            coverage: none(),
        };
        match comparison.found {
            Err(why) => why.clone_into(&mut row.difference),
            Ok(found) => {
                let ends = found
                    .over_items
                    .map(|(low, high)| format!(" ({} to {})", signed(low), signed(high)));
                row.difference = signed(found.value) + &ends.unwrap_or_default();
                row.between_seeds = found.between_seeds.map_or_else(none, plain);
                row.detectable = found.minimum_detectable.map_or_else(none, plain);
                row.n = found.n.to_string();
                row.coverage = found.coverage.map_or_else(none, share);
            }
        }
        row
    };
    primary.map(row).collect()
}

/// Model, task and metric.
type Measured<'a> = (&'a str, &'a str, &'a str);

/// Metrics below full coverage, with the cell that lacks most.
pub(super) fn uncovered(records: &[Record]) -> Vec<UncoveredRow> {
    let mut groups: BTreeMap<Measured<'_>, Vec<(f64, String)>> = BTreeMap::new();
    for record in records {
        for metric in &record.metrics {
            if let Some(coverage) = metric.coverage().filter(|coverage| *coverage < 1.0) {
                let of = (
                    record.cell.model.as_str(),
                    record.cell.task.as_str(),
                    metric.name.as_str(),
                );
                groups.entry(of).or_default().push((coverage, record.cell.to_string()));
            }
        }
    }
    let row = |((model, task, metric), cells): (Measured<'_>, Vec<(f64, String)>)| {
        let count = cells.len();
        let least = cells
            .into_iter()
            .min_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.cmp(&b.1)))?;
        Some(UncoveredRow {
            model: model.to_owned(),
            task: task.to_owned(),
            metric: metric.to_owned(),
            cells: count,
            least: share(least.0),
            worst: least.1,
        })
    };
    groups.into_iter().filter_map(row).collect()
}

/// Number of p-values that are corrected together.
pub(super) fn family(records: &[Record]) -> usize {
    let metrics = records.iter().flat_map(|r| &r.metrics);
    metrics
        .filter(|m| m.aspect != Aspect::Diagnostic && m.paired.is_some())
        .count()
}
