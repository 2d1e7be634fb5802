//! Two runs of a sweep, side by side: is the second as good as the first?
//!
//! Cells are matched by what they are (model, method, profile, fraction, seed, calibration, task), not by their keys, which move with
//! the program's version. Of matched cells
//!
//! - counts and greedy answers are compared exactly;
//! - metrics by paired tests on the same items, corrected by Holm for all metrics of all cells;
//! - times within a tolerance, summed by model.
//!
//! [`Settings::exact`] asks for more: every number of the records and every field of the answers, as a repeated run on the same
//! machine must give them.

mod cells;
mod answers;
mod metrics;
mod shares;
mod times;
mod exact;
mod words;

use serde::Serialize;

pub use answers::{AnswerChange, FirstChange};
pub use cells::{CellId, InputChange, Missing};
pub use exact::NumberChange;
pub use metrics::{ALPHA, MetricChange, ROUNDING, Verdict};
pub use times::{SHORTEST_SECONDS, Speed, TimeChange};

use crate::aggregate::refuse_twins;
use crate::error::Error;
use crate::record::Record;
use crate::store::{Store, StoredRecord};

/// Layout version of the JSON form of [`Comparison`].
pub const SCHEMA: u32 = 1;

/// How to compare.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// Share by which B may take longer than A, or make fewer tokens per second, before it counts as slower.
    pub tolerance_time: f64,
    /// Compare every number, and judge no times: nobody repeats a time.
    pub exact: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            tolerance_time: 0.25,
            exact: false,
        }
    }
}

/// What the comparison comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Equal, or within doubt and tolerance.
    Equal,
    /// A count or a greedy answer differs, a metric is worse, or the run is slower. Whether cells are missing is not asked then.
    Regression,
    /// Cells of A are missing in B, and those that are there are equal.
    Incomplete,
}

/// A count that differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CountChange {
    /// The cell.
    pub cell: CellId,
    /// `evaluated`, `empty`, ...; `n of accuracy` for the items that enter a metric, `items of accuracy` for those asked.
    pub name: String,
    /// In A; absent where it is not counted.
    pub a: Option<usize>,
    /// In B.
    pub b: Option<usize>,
}

/// How much was compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Compared {
    /// Cells of A.
    pub cells_a: usize,
    /// Cells of B.
    pub cells_b: usize,
    /// Cells of both.
    pub cells: usize,
    /// Counts of these.
    pub counts: usize,
    /// Answers of these. Cells of equal masks share answers; they count once.
    pub answers: usize,
    /// Metrics of these.
    pub metrics: usize,
}

/// Two runs, side by side. Lists hold what differs; empty lists mean that nothing does.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// Layout version.
    pub schema: u32,
    /// What it comes to.
    pub outcome: Outcome,
    /// How much was compared.
    pub compared: Compared,
    /// Cells of A that B lacks.
    pub missing: Vec<Missing>,
    /// Cells of B that A lacks.
    pub extra: Vec<CellId>,
    /// Inputs of matched cells that differ: why the rest may differ.
    pub inputs: Vec<InputChange>,
    /// Counts that differ.
    pub counts: Vec<CountChange>,
    /// Greedy answers that differ, by cell.
    pub answers: Vec<AnswerChange>,
    /// Metrics that differ by more than rounding.
    pub metrics: Vec<MetricChange>,
    /// Times of all models.
    pub times: Vec<TimeChange>,
    /// All numbers that differ; `None` unless [`Settings::exact`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub numbers: Option<Vec<NumberChange>>,
    /// Anything the reader must know.
    pub warnings: Vec<String>,
}

/// Compares run B with run A.
///
/// # Errors
/// If a record or answers cannot be read, or a directory has a cell twice ([`Error::CellTwice`]).
pub fn compare_runs(a: &Store, b: &Store, settings: &Settings) -> Result<Comparison, Error> {
    let mut warnings = Vec::new();
    let (in_a, in_b) = (read(a, &mut warnings)?, read(b, &mut warnings)?);
    let matched = cells::matched(&in_a, &in_b);
    let mut answered = answers::Answered::new(a, b);
    let mut judged = metrics::Metrics::new(&in_a, &in_b);
    let mut counts = Vec::new();
    let mut compared = Compared {
        cells_a: in_a.len(),
        cells_b: in_b.len(),
        cells: matched.pairs.len(),
        ..Compared::default()
    };
    let mut changed = Vec::new();
    let mut numbers = settings.exact.then(Vec::new);
    for (a, b) in &matched.pairs {
        let cell = CellId::of(&a.record.cell);
        let shared = answered.compare(a, b)?;
        changed.extend(shared.change(&cell));
        compared.counts += count(&cell, &a.record, &b.record, &mut counts);
        judged.add(&cell, (&a.record, &b.record), &shared);
        if let Some(numbers) = &mut numbers {
            exact::record(&cell, &a.record, &b.record, numbers);
            exact::answers(&cell, shared.lines(), numbers);
        }
    }
    compared.answers = answered.compared();
    warnings.extend(answered.into_warnings());
    let (metrics, number) = judged.finish()?;
    compared.metrics = number;
    let may_judge = if settings.exact {
        Err("a repeated run has times of its own".to_owned())
    } else {
        times::same_machine(&a.manifest()?, &b.manifest()?)
    };
    let mut comparison = Comparison {
        schema: SCHEMA,
        outcome: Outcome::Equal,
        compared,
        inputs: cells::inputs(&matched.pairs),
        times: times::times(&matched.pairs, settings.tolerance_time, &may_judge),
        missing: matched.missing,
        extra: matched.extra,
        counts,
        answers: changed,
        metrics,
        numbers,
        warnings,
    };
    comparison.outcome = comparison.judge();
    Ok(comparison)
}

impl Comparison {
    fn judge(&self) -> Outcome {
        let numbers = self.numbers.iter().flatten().next().is_some();
        let worse = self.metrics.iter().any(|metric| metric.verdict == Verdict::Worse);
        let slower = self.times.iter().any(|time| time.speed == Speed::Slower);
        if !self.counts.is_empty() || !self.answers.is_empty() || worse || slower || numbers {
            Outcome::Regression
        } else if self.missing.is_empty() {
            Outcome::Equal
        } else {
            Outcome::Incomplete
        }
    }

    /// The comparison as text: a short table, and at most `shown` lines of each kind of change.
    #[must_use]
    pub fn text(&self, shown: usize) -> String {
        words::text(self, shown)
    }
}

fn read(store: &Store, warnings: &mut Vec<String>) -> Result<Vec<StoredRecord>, Error> {
    let (stored, messages) = store.read_all()?;
    warnings.extend(messages);
    let records: Vec<Record> = stored.iter().map(|stored| stored.record.clone()).collect();
    refuse_twins(&records)?;
    Ok(stored)
}

/// Compares counts; returns how many there are.
fn count(cell: &CellId, a: &Record, b: &Record, changes: &mut Vec<CountChange>) -> usize {
    let all = |record: &Record| {
        let mut counts = record.counts.clone();
        for metric in &record.metrics {
            counts.insert(format!("n of {}", metric.name), metric.n);
            counts.insert(format!("items of {}", metric.name), metric.items);
        }
        counts
    };
    let (in_a, in_b) = (all(a), all(b));
    // A metric that one side lacks is said once, as a metric.
    let has = |record: &Record, name: &str| record.metrics.iter().any(|metric| metric.name == name);
    let mut names: Vec<&String> = in_a.keys().chain(in_b.keys()).collect();
    names.sort();
    names.dedup();
    names.retain(|name| {
        let metric = name.split_once(" of ").map(|(_, metric)| metric);
        metric.is_none_or(|metric| has(a, metric) && has(b, metric))
    });
    for name in &names {
        let (a, b) = (in_a.get(*name).copied(), in_b.get(*name).copied());
        if a != b {
            changes.push(CountChange {
                cell: cell.clone(),
                name: (*name).clone(),
                a,
                b,
            });
        }
    }
    names.len()
}

#[cfg(test)]
mod tests;
