//! Which cells are shown, and what is said of each.

use std::collections::BTreeSet;

use anyhow::bail;
use secateur_datasets::error::nearest_hint;
use secateur_metrics::value::{Aspect, MetricValue};
use secateur_results::record::{Cell, Record};
use secateur_results::store::StoredRecord;
use serde::Serialize;

/// The method of the unpruned model, as filters and lists call it.
pub const UNPRUNED: &str = "unpruned";
/// Characters of a key that a list shows.
const ID: usize = 10;

/// What a cell must have to be shown; an empty list asks for nothing.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Names of models.
    pub models: Vec<String>,
    /// Names of tasks.
    pub tasks: Vec<String>,
    /// `method`, `method@profile` or `unpruned`.
    pub methods: Vec<String>,
    /// Shares removed.
    pub ratios: Vec<f64>,
}

/// A cell.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ListedCell {
    /// The beginning of its key, by which it can be named.
    pub id: String,
    /// Its key.
    pub key: String,
    /// The model.
    pub model: String,
    /// `reap`, `reap@paper`, `unpruned`.
    pub method: String,
    /// Share of each layer's experts removed.
    pub fraction_removed: f64,
    /// Calibration seed.
    pub seed: u64,
    /// Corpora that it was calibrated on; empty for the unpruned model.
    pub calibration: String,
    /// The task.
    pub task: String,
    /// `biomedical` or `general`.
    pub domain: String,
    /// Its metrics.
    pub metrics: Vec<ListedMetric>,
}

/// A metric.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ListedMetric {
    /// Its name.
    pub name: String,
    /// Its unit.
    pub unit: String,
    /// Its value.
    pub value: f64,
    /// 95 % interval.
    pub interval: (f64, f64),
    /// Items that entered it.
    pub n: usize,
    /// Pruned minus unpruned on the same items; absent for the unpruned model.
    pub difference: Option<f64>,
    /// p-value of that difference.
    pub p_value: Option<f64>,
}

impl Filter {
    /// The cells that have all of it, by model, task, method and share.
    ///
    /// # Errors
    /// If a name is not that of any cell.
    pub fn select<'a>(&self, all: &'a [StoredRecord]) -> anyhow::Result<Vec<&'a StoredRecord>> {
        let cells = || all.iter().map(|stored| &stored.record.cell);
        known("model", &self.models, cells().map(|cell| cell.model.clone()).collect())?;
        known("task", &self.tasks, cells().map(|cell| cell.task.clone()).collect())?;
        known("method", &self.methods, cells().flat_map(method_names).collect())?;
        let ratios: BTreeSet<String> = cells().map(|cell| cell.fraction_removed.to_string()).collect();
        let wanted: Vec<String> = self.ratios.iter().map(f64::to_string).collect();
        known("ratio", &wanted, ratios)?;
        let mut chosen: Vec<&StoredRecord> = all.iter().filter(|stored| self.takes(&stored.record.cell)).collect();
        chosen.sort_by_cached_key(|stored| {
            let cell = &stored.record.cell;
            // The unpruned model comes first: it has no method.
            let method = (cell.method.clone(), cell.profile.clone(), cell.calibration.clone());
            let removed = cell.fraction_removed.to_bits();
            (cell.model.clone(), cell.task.clone(), method, removed, cell.seed)
        });
        Ok(chosen)
    }

    fn takes(&self, cell: &Cell) -> bool {
        let among = |wanted: &[String], name: &String| wanted.is_empty() || wanted.contains(name);
        let near = |ratio: &f64| (ratio - cell.fraction_removed).abs() < 1e-9;
        among(&self.models, &cell.model)
            && among(&self.tasks, &cell.task)
            && (self.methods.is_empty() || method_names(cell).iter().any(|name| self.methods.contains(name)))
            && (self.ratios.is_empty() || self.ratios.iter().any(near))
    }
}

/// The one cell whose key begins so.
///
/// # Errors
/// If there is none, or several.
pub fn named<'a>(all: &'a [StoredRecord], id: &str) -> anyhow::Result<&'a StoredRecord> {
    let mut found = all.iter().filter(|stored| stored.record.key.starts_with(id));
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one),
        (None, _) => bail!("no cell has a key that begins with `{id}`; `secateur inspect RUN` lists them"),
        (Some(_), Some(_)) => bail!("several cells have keys that begin with `{id}`: give more of it"),
    }
}

impl ListedCell {
    /// A cell with all of its metrics.
    #[must_use]
    pub fn whole(record: &Record) -> Self {
        Self::with(record, record.metrics.iter().collect())
    }

    /// A cell with its first metric of utility, and its first of reliability.
    #[must_use]
    pub fn brief(record: &Record) -> Self {
        let first = |aspect: Aspect| record.metrics.iter().find(|metric| metric.aspect == aspect);
        let main = [Aspect::Utility, Aspect::Reliability].into_iter().filter_map(first);
        Self::with(record, main.collect())
    }

    fn with(record: &Record, metrics: Vec<&MetricValue>) -> Self {
        let cell = &record.cell;
        Self {
            id: record.key.chars().take(ID).collect(),
            key: record.key.clone(),
            model: cell.model.clone(),
            method: label(cell),
            fraction_removed: cell.fraction_removed,
            seed: cell.seed,
            calibration: cell.calibration.clone(),
            task: cell.task.clone(),
            domain: cell.domain.clone(),
            metrics: metrics.into_iter().map(ListedMetric::of).collect(),
        }
    }
}

impl ListedMetric {
    fn of(metric: &MetricValue) -> Self {
        Self {
            name: metric.name.clone(),
            unit: metric.unit.clone(),
            value: metric.value,
            interval: metric.interval,
            n: metric.n,
            difference: metric.paired.as_ref().map(|paired| paired.difference),
            p_value: metric.paired.as_ref().map(|paired| paired.p_value),
        }
    }
}

/// The method, with its profile unless that is `reference`.
fn label(cell: &Cell) -> String {
    match (&cell.method, &cell.profile) {
        (None, _) => UNPRUNED.to_owned(),
        (Some(method), Some(profile)) if profile != "reference" => format!("{method}@{profile}"),
        (Some(method), _) => method.clone(),
    }
}

/// All names that a filter may call the method.
fn method_names(cell: &Cell) -> Vec<String> {
    let Some(method) = &cell.method else {
        return vec![UNPRUNED.to_owned()];
    };
    let full = cell.profile.as_ref().map(|profile| format!("{method}@{profile}"));
    std::iter::once(method.clone()).chain(full).collect()
}

fn known(option: &str, wanted: &[String], known: BTreeSet<String>) -> anyhow::Result<()> {
    for name in wanted {
        if !known.contains(name) {
            let hint = nearest_hint(name, known.iter().map(String::as_str));
            let known: Vec<String> = known.into_iter().collect();
            bail!(
                "--{option} {name}: no cell has it{hint}; there are {}",
                known.join(", ")
            );
        }
    }
    Ok(())
}
