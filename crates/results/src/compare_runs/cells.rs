//! Which cells are the same, and which inputs of them differ.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::record::Cell;
use crate::store::StoredRecord;

/// What a cell is, whatever its key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CellId {
    /// Name given in the sweep file.
    pub model: String,
    /// `None` for the unpruned model.
    pub method: Option<String>,
    /// `reference` or `paper`.
    pub profile: Option<String>,
    /// Share of each layer's experts removed.
    pub fraction_removed: f64,
    /// Seed of calibration data and of the random method.
    pub seed: u64,
    /// Corpora, `+`-joined.
    pub calibration: String,
    /// Task.
    pub task: String,
    /// All of it in words.
    pub words: String,
}

impl CellId {
    /// Of a record's cell.
    #[must_use]
    pub fn of(cell: &Cell) -> Self {
        Self {
            model: cell.model.clone(),
            method: cell.method.clone(),
            profile: cell.profile.clone(),
            fraction_removed: cell.fraction_removed,
            seed: cell.seed,
            calibration: cell.calibration.clone(),
            task: cell.task.clone(),
            words: cell.to_string(),
        }
    }

    fn fields(&self) -> [(&'static str, String); 7] {
        [
            ("model", self.model.clone()),
            ("method", self.method.clone().unwrap_or_default()),
            ("profile", self.profile.clone().unwrap_or_default()),
            ("fraction removed", self.fraction_removed.to_string()),
            ("seed", self.seed.to_string()),
            ("calibration", self.calibration.clone()),
            ("task", self.task.clone()),
        ]
    }
}

impl fmt::Display for CellId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

/// A cell of A that B lacks.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Missing {
    /// The cell.
    pub cell: CellId,
    /// Where B has a cell that is not in A and differs in one respect only: that respect, `seed 1 instead of 0`.
    pub instead: Option<String>,
}

/// An input that differs between matched cells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InputChange {
    /// Name of the input: `weights`, `mask`, `task.data`, `program`, ...
    pub name: String,
    /// In A; absent where A has no such input.
    pub a: Option<String>,
    /// In B.
    pub b: Option<String>,
    /// Cells in which it is so.
    pub cells: usize,
}

/// Cells of two runs.
pub struct Matched<'a> {
    /// (A, B), ordered by what the cells are.
    pub pairs: Vec<(&'a StoredRecord, &'a StoredRecord)>,
    /// In A alone.
    pub missing: Vec<Missing>,
    /// In B alone.
    pub extra: Vec<CellId>,
}

/// Matches cells by what they are. Each side has every cell once.
pub fn matched<'a>(a: &'a [StoredRecord], b: &'a [StoredRecord]) -> Matched<'a> {
    let by_words = |records: &'a [StoredRecord]| -> BTreeMap<String, &'a StoredRecord> {
        let named = records.iter().map(|stored| (stored.record.cell.to_string(), stored));
        named.collect()
    };
    let (in_a, mut in_b) = (by_words(a), by_words(b));
    let mut pairs = Vec::new();
    let mut alone = Vec::new();
    for (words, stored) in in_a {
        match in_b.remove(&words) {
            Some(other) => pairs.push((stored, other)),
            None => alone.push(CellId::of(&stored.record.cell)),
        }
    }
    let extra: Vec<CellId> = in_b.values().map(|stored| CellId::of(&stored.record.cell)).collect();
    let missing = alone.into_iter().map(|cell| Missing {
        instead: extra.iter().find_map(|other| one_difference(&cell, other)),
        cell,
    });
    Matched {
        missing: missing.collect(),
        pairs,
        extra,
    }
}

fn one_difference(wanted: &CellId, found: &CellId) -> Option<String> {
    let pairs = wanted.fields().into_iter().zip(found.fields());
    let mut differing = pairs.filter(|((_, wanted), (_, found))| wanted != found);
    let ((name, wanted), (_, found)) = differing.next()?;
    differing
        .next()
        .is_none()
        .then(|| format!("{name} {found} instead of {wanted}"))
}

/// Inputs that differ, by name and values.
pub fn inputs(pairs: &[(&StoredRecord, &StoredRecord)]) -> Vec<InputChange> {
    let mut changes: BTreeMap<(String, Option<String>, Option<String>), usize> = BTreeMap::new();
    for (a, b) in pairs {
        let (a, b) = (&a.record.inputs, &b.record.inputs);
        let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
        for name in names.into_iter().filter(|name| a.get(*name) != b.get(*name)) {
            let change = (name.clone(), a.get(name).cloned(), b.get(name).cloned());
            *changes.entry(change).or_default() += 1;
        }
    }
    let change = |((name, a, b), cells)| InputChange { name, a, b, cells };
    changes.into_iter().map(change).collect()
}
