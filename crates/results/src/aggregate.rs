//! Records into curves over the fraction removed.
//!
//! A task's primary metrics are the first utility and the first reliability metric of its unpruned record, in the order in
//! which the record lists them. A curve belongs to a model, a method, a quadrant (domain × kind) and an aspect; its value at
//! a fraction is the mean over the quadrant's tasks of the [retention](crate::retention) of their primary metric, each the
//! mean over seeds. Fraction 0 is the unpruned model: 1, by definition.
//!
//! A point enters a curve only with every task of the quadrant, so that all points of a curve mean the same; what is left
//! out is said in [`Aggregate::notes`].

use std::collections::{BTreeMap, BTreeSet};

use secateur_metrics::value::{Aspect, Direction, MetricValue};

use crate::error::Error;
use crate::record::{Cell, Record};
use crate::retention::{Estimate, over_seeds, over_tasks, retention};

/// One point of a curve.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// Share of each layer's experts removed.
    pub fraction: f64,
    /// Value and 95 % interval.
    pub estimate: Estimate,
    /// Fewest seeds that any task has here.
    pub seeds: usize,
    /// Items, summed over tasks, of one seed.
    pub n: usize,
    /// Least share of the items asked that entered a task's metric, in any seed; charts mark points below 1.
    pub coverage: f64,
    /// Retention of each task, by name; empty in a curve of one metric.
    pub tasks: BTreeMap<String, Estimate>,
}

/// Domain × kind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quadrant {
    /// `biomedical` or `general`.
    pub domain: String,
    /// `classification` or `generation`.
    pub kind: String,
}

/// Retention against the fraction removed.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// The model.
    pub model: String,
    /// The method, with its profile unless that is `reference`, and its corpus where a sweep has several.
    pub method: String,
    /// Where.
    pub quadrant: Quadrant,
    /// Utility or reliability.
    pub aspect: Aspect,
    /// By fraction, the unpruned model first.
    pub points: Vec<Point>,
}

/// One metric of one task against the fraction removed, in the metric's unit.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricCurve {
    /// The model.
    pub model: String,
    /// The method, as in [`Curve::method`].
    pub method: String,
    /// Where.
    pub quadrant: Quadrant,
    /// The task.
    pub task: String,
    /// The metric.
    pub metric: String,
    /// Its unit.
    pub unit: String,
    /// Which way is better.
    pub direction: Direction,
    /// What it speaks of.
    pub aspect: Aspect,
    /// What made it, see [`MetricValue::scorer`].
    pub scorer: String,
    /// By fraction, the unpruned model first.
    pub points: Vec<Point>,
}

/// Everything that charts and the report draw from records.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Aggregate {
    /// By model, method, quadrant, aspect.
    pub curves: Vec<Curve>,
    /// By model, method, quadrant, task, metric.
    pub metrics: Vec<MetricCurve>,
    /// What was left out, and why.
    pub notes: Vec<String>,
}

impl Aggregate {
    /// Models, in the order of their names.
    #[must_use]
    pub fn models(&self) -> Vec<String> {
        let names: BTreeSet<_> = self.curves.iter().map(|c| c.model.clone()).collect();
        names.into_iter().collect()
    }

    /// Methods of all models: `random` first, then by name. A method keeps its place, and so its colour, in all charts.
    #[must_use]
    pub fn methods(&self) -> Vec<String> {
        let names: BTreeSet<_> = self
            .curves
            .iter()
            .map(|c| (!c.method.starts_with("random"), c.method.clone()))
            .collect();
        names.into_iter().map(|(_, name)| name).collect()
    }

    /// The curve of an aspect in a quadrant.
    #[must_use]
    pub fn curve(&self, model: &str, method: &str, (domain, kind): (&str, &str), aspect: Aspect) -> Option<&Curve> {
        self.curves.iter().find(|c| {
            c.model == model
                && c.method == method
                && c.quadrant.domain == domain
                && c.quadrant.kind == kind
                && c.aspect == aspect
        })
    }
}

/// Puts records together.
///
/// # Errors
/// [`Error::CellTwice`] if two records describe the same cell.
pub fn aggregate(records: &[Record]) -> Result<Aggregate, Error> {
    refuse_twins(records)?;
    let mut collected = Collected::new(records);
    for record in records.iter().filter(|r| r.cell.method.is_some()) {
        collected.add(record);
    }
    Ok(collected.finish())
}

/// The method in charts and tables.
#[must_use]
pub fn method_label(cell: &Cell, several_corpora: bool) -> Option<String> {
    let method = cell.method.as_deref()?;
    let profile = cell.profile.as_deref().unwrap_or("reference");
    Some(label(method, profile, &cell.calibration, several_corpora))
}

/// The method with its profile unless that is `reference`, and its corpus where there are several.
#[must_use]
pub fn label(method: &str, profile: &str, calibration: &str, several_corpora: bool) -> String {
    let mut label = method.to_owned();
    if profile != "reference" {
        label = format!("{label} ({profile})");
    }
    if several_corpora && !calibration.is_empty() {
        label = format!("{label} · {calibration}");
    }
    label
}

/// Whether pruned cells differ in their calibration corpus; methods that need none do not count.
#[must_use]
pub fn has_several_corpora<'a>(records: impl IntoIterator<Item = &'a Record>) -> bool {
    let pruned = records.into_iter().filter(|r| r.cell.method.is_some());
    let corpora: BTreeSet<_> = pruned.map(|r| r.cell.calibration.as_str()).collect();
    corpora.iter().filter(|corpus| !corpus.is_empty()).count() > 1
}

pub(crate) fn refuse_twins(records: &[Record]) -> Result<(), Error> {
    let mut seen: BTreeMap<String, &Record> = BTreeMap::new();
    for record in records {
        let words = record.cell.to_string() + &format!(" seed {}", record.cell.seed);
        if let Some(first) = seen.insert(words, record) {
            return Err(Error::CellTwice {
                cell: record.cell.to_string(),
                first: first.key.clone(),
                second: record.key.clone(),
                differs: differing_inputs(first, record),
            });
        }
    }
    Ok(())
}

fn differing_inputs(a: &Record, b: &Record) -> String {
    let names: BTreeSet<_> = a.inputs.keys().chain(b.inputs.keys()).collect();
    let show = |value: Option<&String>| value.map_or("absent", String::as_str).to_owned();
    let differing: Vec<_> = names
        .into_iter()
        .filter(|name| a.inputs.get(*name) != b.inputs.get(*name))
        .map(|name| {
            let (one, other) = (show(a.inputs.get(name)), show(b.inputs.get(name)));
            format!("`{name}` (`{one}` and `{other}`)")
        })
        .collect();
    if differing.is_empty() {
        "nothing: one is a copy".to_owned()
    } else {
        differing.join(", ")
    }
}

/// Fractions are in 0…1, where the order of the bits is the order of the numbers.
type FractionBits = u64;
/// Model, method.
type Line = (String, String);
/// Estimate, number of items and coverage of a seed.
type Seed = (Estimate, usize, f64);
/// Seeds by task.
type TaskSeeds = BTreeMap<String, Vec<Seed>>;

#[derive(Default)]
struct MetricSeries {
    /// Direction, aspect, unit, scorer.
    about: Option<(Direction, Aspect, String, String)>,
    by_fraction: BTreeMap<FractionBits, Vec<Seed>>,
}

struct Collected<'a> {
    several_corpora: bool,
    /// By model, task, seed.
    unpruned: BTreeMap<(&'a str, &'a str), BTreeMap<u64, &'a Record>>,
    /// By line, quadrant and whether it is reliability.
    retention: BTreeMap<(Line, Quadrant, bool), BTreeMap<FractionBits, TaskSeeds>>,
    metrics: BTreeMap<(Line, Quadrant, String, usize, String), MetricSeries>,
    notes: BTreeSet<String>,
}

impl<'a> Collected<'a> {
    fn new(records: &'a [Record]) -> Self {
        let mut unpruned: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
        for record in records.iter().filter(|r| r.cell.method.is_none()) {
            let cell = &record.cell;
            let task = (cell.model.as_str(), cell.task.as_str());
            unpruned.entry(task).or_default().insert(cell.seed, record);
        }
        Self {
            several_corpora: has_several_corpora(records),
            unpruned,
            retention: BTreeMap::new(),
            metrics: BTreeMap::new(),
            notes: BTreeSet::new(),
        }
    }

    /// The unpruned record of the same seed, else the one of the smallest.
    fn baseline(&self, cell: &Cell) -> Option<&'a Record> {
        let seeds = self.unpruned.get(&(cell.model.as_str(), cell.task.as_str()))?;
        seeds.get(&cell.seed).or_else(|| seeds.values().next()).copied()
    }

    fn add(&mut self, record: &'a Record) {
        let cell = &record.cell;
        let Some(method) = method_label(cell, self.several_corpora) else {
            return;
        };
        let line = (cell.model.clone(), method);
        let quadrant = Quadrant {
            domain: cell.domain.clone(),
            kind: cell.kind.clone(),
        };
        let Some(unpruned) = self.baseline(cell) else {
            let (model, task) = (&cell.model, &cell.task);
            self.notes.insert(format!(
                "{model}: no record of the unpruned model on {task}, so no retention there"
            ));
            return;
        };
        self.add_metrics(record, unpruned, &line, &quadrant);
        for aspect in [Aspect::Utility, Aspect::Reliability] {
            self.add_retention(record, unpruned, &line, &quadrant, aspect);
        }
    }

    fn add_retention(&mut self, record: &Record, unpruned: &Record, line: &Line, quadrant: &Quadrant, aspect: Aspect) {
        let Some(before) = primary(unpruned, aspect) else {
            return;
        };
        let cell = &record.cell;
        let after = record.metrics.iter().find(|m| m.name == before.name);
        let covered = coverage(before);
        let kept = after.and_then(|after| {
            let kept = retention(before, after)?;
            Some((kept, after.n, covered.min(coverage(after))))
        });
        let points = self
            .retention
            .entry((line.clone(), quadrant.clone(), aspect == Aspect::Reliability))
            .or_default();
        let tasks = points.entry(cell.fraction_removed.to_bits()).or_default();
        let seeds = tasks.entry(cell.task.clone()).or_default();
        if after.is_some_and(|a| a.paired.is_none()) {
            let (model, task, name) = (&cell.model, &cell.task, &before.name);
            self.notes.insert(format!(
                "{model} on {task}: `{name}` comes without a paired difference, so its own, wider interval is used"
            ));
        }
        if let Some(kept) = kept {
            seeds.push(kept);
            return;
        }
        let (name, base) = (&before.name, before.value);
        let why = match after {
            None => format!("`{name}` is undefined on its answers"),
            Some(after) => format!(
                "retention of `{name}` is undefined (unpruned {base}, pruned {})",
                after.value
            ),
        };
        self.notes.insert(format!("{cell}: {why}"));
    }

    fn add_metrics(&mut self, record: &Record, unpruned: &Record, line: &Line, quadrant: &Quadrant) {
        let fractions = [
            (0.0, &unpruned.metrics),
            (record.cell.fraction_removed, &record.metrics),
        ];
        let order = |name: &str| {
            let place = unpruned.metrics.iter().position(|m| m.name == name);
            place.unwrap_or(usize::MAX)
        };
        for (fraction, metrics) in fractions {
            for metric in metrics {
                let task = record.cell.task.clone();
                let place = order(&metric.name);
                let key = (line.clone(), quadrant.clone(), task, place, metric.name.clone());
                let series = self.metrics.entry(key).or_default();
                let (unit, scorer) = (metric.unit.clone(), metric.scorer.clone());
                series.about = Some((metric.direction, metric.aspect, unit, scorer));
                let seeds = series.by_fraction.entry(f64::to_bits(fraction)).or_default();
                let estimate = Estimate {
                    value: metric.value,
                    low: metric.interval.0,
                    high: metric.interval.1,
                };
                // The unpruned model is one cell, however many pruned ones refer to it.
                if fraction > 0.0 || seeds.is_empty() {
                    seeds.push((estimate, metric.n, coverage(metric)));
                }
            }
        }
    }

    fn finish(mut self) -> Aggregate {
        let mut curves = Vec::new();
        for ((line, quadrant, reliability), fractions) in std::mem::take(&mut self.retention) {
            let aspect = if reliability {
                Aspect::Reliability
            } else {
                Aspect::Utility
            };
            let every: BTreeSet<String> = fractions.values().flat_map(|t| t.keys().cloned()).collect();
            let mut points = vec![unpruned_point(&every)];
            for (bits, tasks) in fractions {
                let fraction = f64::from_bits(bits);
                match curve_point(fraction, &tasks) {
                    Some(point) if point.tasks.len() == every.len() => points.push(point),
                    _ => {
                        self.notes
                            .insert(incomplete(&line, &quadrant, fraction, &every, &tasks));
                    }
                }
            }
            let (model, method) = line;
            curves.push(Curve {
                model,
                method,
                quadrant,
                aspect,
                points,
            });
        }
        let metrics = self.metrics.into_iter().filter_map(metric_curve).collect();
        Aggregate {
            curves,
            metrics,
            notes: self.notes.into_iter().collect(),
        }
    }
}

/// Records of layout 1 do not say, and are not marked.
fn coverage(metric: &MetricValue) -> f64 {
    metric.coverage().unwrap_or(1.0)
}

fn least_coverage<'a>(seeds: impl Iterator<Item = &'a Seed>) -> f64 {
    seeds.map(|(.., coverage)| *coverage).fold(1.0, f64::min)
}

/// The first metric of an aspect.
fn primary(record: &Record, aspect: Aspect) -> Option<&MetricValue> {
    record.metrics.iter().find(|m| m.aspect == aspect)
}

fn unpruned_point(tasks: &BTreeSet<String>) -> Point {
    let whole = Estimate::exact(1.0);
    Point {
        fraction: 0.0,
        estimate: whole,
        seeds: 1,
        n: 0,
        coverage: 1.0,
        tasks: tasks.iter().map(|task| (task.clone(), whole)).collect(),
    }
}

fn curve_point(fraction: f64, tasks: &TaskSeeds) -> Option<Point> {
    let mut by_task = BTreeMap::new();
    let mut n = 0;
    for (task, seeds) in tasks {
        let estimates: Vec<_> = seeds.iter().map(|(estimate, ..)| *estimate).collect();
        if let Some(estimate) = over_seeds(&estimates) {
            by_task.insert(task.clone(), estimate);
            n += seeds[0].1;
        }
    }
    let estimates: Vec<_> = by_task.values().copied().collect();
    Some(Point {
        fraction,
        estimate: over_tasks(&estimates)?,
        seeds: tasks.values().map(Vec::len).min().unwrap_or(0),
        n,
        coverage: least_coverage(tasks.values().flatten()),
        tasks: by_task,
    })
}

fn incomplete(
    (model, method): &Line,
    quadrant: &Quadrant,
    fraction: f64,
    every: &BTreeSet<String>,
    tasks: &TaskSeeds,
) -> String {
    let absent = |task: &&String| tasks.get(*task).is_none_or(Vec::is_empty);
    let missing: Vec<_> = every.iter().filter(absent).cloned().collect();
    format!(
        "{model} {method} with {fraction} removed, {} {}: no value for {}, so the point is left out",
        quadrant.domain,
        quadrant.kind,
        missing.join(", ")
    )
}

fn metric_curve(
    ((line, quadrant, task, _, metric), series): ((Line, Quadrant, String, usize, String), MetricSeries),
) -> Option<MetricCurve> {
    let (direction, aspect, unit, scorer) = series.about?;
    let mut points = Vec::new();
    for (bits, seeds) in series.by_fraction {
        let estimates: Vec<_> = seeds.iter().map(|(estimate, ..)| *estimate).collect();
        points.push(Point {
            fraction: f64::from_bits(bits),
            estimate: over_seeds(&estimates)?,
            seeds: seeds.len(),
            n: seeds[0].1,
            coverage: least_coverage(seeds.iter()),
            tasks: BTreeMap::new(),
        });
    }
    let (model, method) = line;
    Some(MetricCurve {
        model,
        method,
        quadrant,
        task,
        metric,
        unit,
        direction,
        aspect,
        scorer,
        points,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::fixture::{record, with_key};

    const A: (&str, &str, &str) = ("a", "biomedical", "classification");
    const B: (&str, &str, &str) = ("b", "biomedical", "classification");

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-12, "{a} is not {b}");
    }

    #[test]
    fn a_point_is_the_mean_over_tasks_of_the_mean_over_seeds() {
        let records = [
            record(None, 0.0, 0, A, (0.8, 0.2)),
            record(None, 0.0, 0, B, (0.8, 0.2)),
            record(Some("reap"), 0.5, 0, A, (0.4, 0.2)),
            record(Some("reap"), 0.5, 1, A, (0.6, 0.2)),
            record(Some("reap"), 0.5, 0, B, (0.8, 0.6)),
        ];
        let all = aggregate(&records).unwrap();
        assert!(all.notes.is_empty(), "{:?}", all.notes);
        let quadrant = ("biomedical", "classification");
        let utility = all.curve("demo", "reap", quadrant, Aspect::Utility).unwrap();
        assert_eq!(utility.points[0].estimate, Estimate::exact(1.0));
        let point = &utility.points[1];
        // (mean of 0.5 and 0.75, and 1.0) / 2
        close(point.estimate.value, 0.8125);
        close(point.tasks["a"].value, 0.625);
        assert_eq!((point.seeds, point.n), (1, 400));
        // Each task: half-width 0.02 / 0.8; task a adds 1.96 standard errors of its two seeds, 0.125.
        let a = 0.025_f64.hypot(1.96 * 0.125);
        close(point.estimate.low, 0.8125 - a.hypot(0.025) / 2.0);
        let reliability = all.curve("demo", "reap", quadrant, Aspect::Reliability).unwrap();
        // Task b: (1 − 0.6) / (1 − 0.2) = 0.5.
        close(reliability.points[1].estimate.value, 0.75);
    }

    #[test]
    fn metric_curves_keep_units_and_the_unpruned_value() {
        let records = [
            record(None, 0.0, 0, A, (0.8, 0.2)),
            record(Some("reap"), 0.5, 0, A, (0.4, 0.3)),
            record(Some("reap"), 0.5, 1, A, (0.6, 0.3)),
        ];
        let all = aggregate(&records).unwrap();
        let accuracy = &all.metrics[0];
        assert_eq!(
            (accuracy.metric.as_str(), accuracy.unit.as_str()),
            ("accuracy", "fraction")
        );
        close(accuracy.points[0].estimate.value, 0.8);
        close(accuracy.points[0].estimate.low, 0.75);
        close(accuracy.points[1].estimate.value, 0.5);
        assert_eq!(accuracy.points[1].seeds, 2);
        assert_eq!(all.metrics[1].metric, "ece");
    }

    #[test]
    fn a_point_without_all_tasks_is_left_out_and_said_so() {
        let records = [
            record(None, 0.0, 0, A, (0.8, 0.2)),
            record(None, 0.0, 0, B, (0.8, 0.2)),
            record(Some("reap"), 0.25, 0, A, (0.8, 0.2)),
            record(Some("reap"), 0.25, 0, B, (0.8, 0.2)),
            record(Some("reap"), 0.5, 0, A, (0.8, 0.2)),
        ];
        let all = aggregate(&records).unwrap();
        assert!(all.curves.iter().all(|c| c.points.len() == 2));
        assert_eq!(all.notes.len(), 1);
        assert!(all.notes[0].contains("no value for b"), "{}", all.notes[0]);
    }

    #[test]
    fn undefined_retention_is_a_note_not_a_number() {
        let mut before = record(None, 0.0, 0, A, (0.8, 0.2));
        before.metrics[0].value = 0.0;
        let after = record(Some("reap"), 0.5, 0, A, (0.4, 0.2));
        let all = aggregate(&[before, after]).unwrap();
        assert!(all.notes.iter().any(|n| n.contains("undefined")));
        let quadrant = ("biomedical", "classification");
        let utility = all.curve("demo", "reap", quadrant, Aspect::Utility).unwrap();
        assert_eq!(utility.points.len(), 1);
    }

    #[test]
    fn an_unpaired_value_uses_its_own_interval_and_says_so() {
        let mut after = record(Some("reap"), 0.5, 0, A, (0.4, 0.2));
        after.metrics[0].paired = None;
        let all = aggregate(&[record(None, 0.0, 0, A, (0.8, 0.2)), after]).unwrap();
        assert!(all.notes[0].contains("without a paired difference"), "{:?}", all.notes);
        let quadrant = ("biomedical", "classification");
        let utility = all.curve("demo", "reap", quadrant, Aspect::Utility).unwrap();
        close(utility.points[1].estimate.low, 0.35 / 0.8);
    }

    #[test]
    fn no_unpruned_record_no_retention() {
        let all = aggregate(&[record(Some("reap"), 0.5, 0, A, (0.4, 0.2))]).unwrap();
        assert!(all.curves.is_empty());
        assert!(all.notes[0].contains("no record of the unpruned model on a"));
    }

    #[test]
    fn two_records_of_one_cell_are_an_error_that_says_how_they_differ() {
        let first = record(Some("reap"), 0.5, 0, A, (0.4, 0.2));
        let mut second = first.clone();
        second.inputs.insert("program".to_owned(), "0.2.0".to_owned());
        second.key = "other".to_owned();
        let message = aggregate(&[first, second]).unwrap_err().to_string();
        assert!(message.contains("`program` (`absent` and `0.2.0`)"), "{message}");
    }

    #[test]
    fn labels_show_profile_and_corpus_only_where_they_distinguish() {
        let mut cell = with_key(record(Some("reap"), 0.5, 0, A, (0.4, 0.2))).cell;
        assert_eq!(method_label(&cell, false).unwrap(), "reap");
        cell.profile = Some("paper".to_owned());
        assert_eq!(method_label(&cell, true).unwrap(), "reap (paper) · corpus");
        cell.method = None;
        assert_eq!(method_label(&cell, false), None);
    }
}
