//! Rows of a run's tables, as far as they are shown.

use std::path::Path;

use anyhow::Context;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// A row of `tables/metrics.csv`: one metric of one cell.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Measured {
    pub model: String,
    pub fraction_removed: f64,
    pub task: String,
    pub metric: String,
    /// `None` where it is undefined.
    pub value: Option<f64>,
    /// Items that have a value.
    pub n: Option<u64>,
    /// Ends of the 95 % interval.
    pub interval_low: Option<f64>,
    pub interval_high: Option<f64>,
}

/// A row of `tables/comparisons.csv`: a pruned model against the unpruned one, seeds put together.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Comparison {
    pub model: String,
    pub method: String,
    pub fraction_removed: f64,
    pub task: String,
    pub metric: String,
    pub scorer: String,
    pub unpruned: Option<f64>,
    /// Pruned minus unpruned.
    pub difference: Option<f64>,
    /// Items that have a value.
    pub n: Option<u64>,
}

/// All rows of a table of a run.
///
/// # Errors
/// If the table is not there, or a column that is needed is missing or holds something else.
pub(super) fn read<T: DeserializeOwned>(run: &Path, table: &str) -> anyhow::Result<Vec<T>> {
    let path = run.join("tables").join(table).with_extension("csv");
    let mut reader = csv::Reader::from_path(&path).with_context(|| path.display().to_string())?;
    let rows = reader.deserialize().collect::<Result<_, _>>();
    rows.with_context(|| path.display().to_string())
}
