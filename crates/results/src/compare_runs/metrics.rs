//! Metrics by paired tests: the same items, once in run A and once in run B.
//!
//! - Shares of items: `McNemar`'s exact test of the items that flipped, see [`super::shares`].
//! - Everything else: the paired bootstrap, on the resamples that records keep. All cells of a task saw the same draws, so that two runs
//!   can be subtracted draw by draw.
//!
//! One family: p-values are Holm's over all metrics of all cells that speak of utility or reliability, equal ones included.

use std::collections::BTreeMap;

use secateur_metrics::statistics::{Resampled, holm};
use secateur_metrics::value::{Aspect, Direction, MetricValue};
use serde::Serialize;

use super::answers::{Lines, Shared};
use super::cells::CellId;
use super::shares;
use crate::error::Error;
use crate::record::Record;
use crate::store::StoredRecord;

/// Level of the tests, over all of them together.
pub const ALPHA: f64 = 0.05;
/// Differences up to this share of the value (of 1, for smaller ones) are what another order of f32 sums makes of it.
pub const ROUNDING: f64 = 1e-5;

/// What a change of a metric comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The test finds B worse; or B is worse, or lacks the metric, and there can be no test.
    Worse,
    /// The test finds B better; or B is better and there can be no test.
    Better,
    /// So few items, or so small a change, that it may be chance.
    InDoubt,
    /// Neither is better: a diagnostic metric, or one that A lacks.
    NotJudged,
}

/// A metric that differs by more than rounding.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MetricChange {
    /// The cell.
    pub cell: CellId,
    /// The metric.
    pub metric: String,
    /// Its unit.
    pub unit: String,
    /// In A; `None` where A has no such metric.
    pub a: Option<f64>,
    /// In B.
    pub b: Option<f64>,
    /// Two-sided p-value, of this metric alone.
    pub p_value: Option<f64>,
    /// The same, corrected for all metrics.
    pub p_holm: Option<f64>,
    /// `mcnemar_exact` or `paired_bootstrap`; why there is none where there is none.
    pub test: String,
    /// What it comes to.
    pub verdict: Verdict,
}

/// What a test found.
pub struct Tested {
    /// Two-sided.
    pub p_value: f64,
    /// Its name.
    pub test: String,
}

/// Collects metrics, cell by cell.
pub struct Metrics<'a> {
    unpruned: (Unpruned<'a>, Unpruned<'a>),
    changes: Vec<MetricChange>,
    /// p-values of the family, and the change each belongs to, if it is one.
    family: Vec<(f64, Option<usize>)>,
    better: Vec<bool>,
    compared: usize,
}

/// (model, task) → metrics of the unpruned model.
type Unpruned<'a> = BTreeMap<(&'a str, &'a str), &'a Record>;

impl<'a> Metrics<'a> {
    pub fn new(a: &'a [StoredRecord], b: &'a [StoredRecord]) -> Self {
        let unpruned = |records: &'a [StoredRecord]| {
            let records = records.iter().map(|stored| &stored.record);
            let whole = records.filter(|record| record.cell.method.is_none());
            whole
                .map(|r| ((r.cell.model.as_str(), r.cell.task.as_str()), r))
                .collect::<Unpruned<'a>>()
        };
        Self {
            unpruned: (unpruned(a), unpruned(b)),
            changes: Vec::new(),
            family: Vec::new(),
            better: Vec::new(),
            compared: 0,
        }
    }

    /// Compares the metrics of one cell.
    pub fn add(&mut self, cell: &CellId, (a, b): (&Record, &Record), answers: &Shared) {
        for metric in &a.metrics {
            self.compared += 1;
            match b.metrics.iter().find(|other| other.name == metric.name) {
                Some(other) => self.pair(cell, (a, metric), (b, other), answers),
                None => self.one_sided(cell, metric, true),
            }
        }
        for metric in &b.metrics {
            if !a.metrics.iter().any(|other| other.name == metric.name) {
                self.one_sided(cell, metric, false);
            }
        }
    }

    fn one_sided(&mut self, cell: &CellId, metric: &MetricValue, lost: bool) {
        let value = Some(metric.value);
        let judged = lost && metric.aspect != Aspect::Diagnostic;
        self.push(
            MetricChange {
                a: value.filter(|_| lost),
                b: value.filter(|_| !lost),
                test: format!("none: {} has no such metric", if lost { "B" } else { "A" }),
                verdict: if judged { Verdict::Worse } else { Verdict::NotJudged },
                ..change(cell, metric)
            },
            false,
        );
    }

    fn pair(&mut self, cell: &CellId, a: (&Record, &MetricValue), b: (&Record, &MetricValue), answers: &Shared) {
        let (before, after) = (a.1, b.1);
        let judged = before.aspect != Aspect::Diagnostic;
        let equal = (after.value - before.value).abs() <= ROUNDING * before.value.abs().max(1.0);
        if equal {
            if judged {
                self.family.push((1.0, None));
            }
            return;
        }
        let better = (after.value > before.value) == (before.direction == Direction::HigherIsBetter);
        let mut found = MetricChange {
            a: Some(before.value),
            b: Some(after.value),
            ..change(cell, before)
        };
        if !judged {
            self.push(found, better);
            return;
        }
        match self.test(a, b, answers.lines()) {
            Ok(tested) => {
                self.family.push((tested.p_value, Some(self.changes.len())));
                found.p_value = Some(tested.p_value);
                found.test = tested.test;
            }
            Err(why) => {
                found.test = format!("none: {why}");
                found.verdict = if better { Verdict::Better } else { Verdict::Worse };
            }
        }
        self.push(found, better);
    }

    fn push(&mut self, change: MetricChange, better: bool) {
        self.changes.push(change);
        self.better.push(better);
    }

    fn test(&self, a: (&Record, &MetricValue), b: (&Record, &MetricValue), lines: &Lines) -> Result<Tested, String> {
        let data = |record: &Record| record.inputs.get("task.data").cloned();
        if data(a.0) != data(b.0) {
            return Err("the runs asked other items".to_owned());
        }
        if a.1.interval_method.starts_with("wilson") {
            return shares::test((a.1, b.1), lines);
        }
        let (in_a, in_b) = (draws(a, &self.unpruned.0)?, draws(b, &self.unpruned.1)?);
        if in_a.units != in_b.units || in_a.draws.len() != in_b.draws.len() {
            return Err("other items enter it, or other resamples were drawn".to_owned());
        }
        let p_value = in_b.minus(&in_a).p_value().map_err(|e| e.to_string())?;
        Ok(Tested {
            p_value,
            test: "paired_bootstrap".to_owned(),
        })
    }

    /// All changes with their verdicts, and how many metrics were compared.
    ///
    /// # Errors
    /// If a p-value is no probability.
    pub fn finish(mut self) -> Result<(Vec<MetricChange>, usize), Error> {
        let p_values: Vec<f64> = self.family.iter().map(|(p, _)| *p).collect();
        let adjusted = holm(&p_values).map_err(|source| Error::Tests { source })?;
        for ((_, change), p_holm) in self.family.iter().zip(adjusted) {
            let Some(index) = *change else { continue };
            let change = &mut self.changes[index];
            change.p_holm = Some(p_holm);
            change.verdict = match (p_holm <= ALPHA, self.better[index]) {
                (false, _) => Verdict::InDoubt,
                (true, true) => Verdict::Better,
                (true, false) => Verdict::Worse,
            };
        }
        Ok((self.changes, self.compared))
    }
}

fn change(cell: &CellId, metric: &MetricValue) -> MetricChange {
    MetricChange {
        cell: cell.clone(),
        metric: metric.name.clone(),
        unit: metric.unit.clone(),
        a: None,
        b: None,
        p_value: None,
        p_holm: None,
        test: "none: a diagnostic".to_owned(),
        verdict: Verdict::NotJudged,
    }
}

/// A metric on the resamples of its task's items.
fn draws((record, metric): (&Record, &MetricValue), unpruned: &Unpruned<'_>) -> Result<Resampled, String> {
    let none = || "its record keeps no resamples".to_owned();
    let Some(paired) = &metric.paired else {
        let kept = !metric.resamples.is_empty();
        let found = || metric.resamples.resampled(metric.value, metric.clusters, false);
        return kept.then(found).ok_or_else(none);
    };
    let cell = &record.cell;
    let base = unpruned.get(&(cell.model.as_str(), cell.task.as_str()));
    let base = base.and_then(|record| record.metrics.iter().find(|m| m.name == metric.name));
    let base = base.ok_or("the unpruned model has no such metric")?;
    if base.resamples.0.len() != paired.resamples.0.len() || paired.resamples.is_empty() {
        return Err(none());
    }
    if (base.n, base.clusters) != (paired.n, paired.clusters) || metric.n != paired.n {
        return Err("the pruned and the unpruned model answered different items".to_owned());
    }
    let pairs = base.resamples.0.iter().zip(&paired.resamples.0);
    Ok(Resampled {
        observed: metric.value,
        draws: pairs
            .map(|(base, difference)| f64::from(*base) + f64::from(*difference))
            .collect(),
        units: paired.clusters,
        bounded: false,
        plain: false,
    })
}
