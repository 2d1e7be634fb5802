//! A run's numbers beside those of the reference run.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::reference::REFERENCE;
use super::rows::{Comparison, read};

/// Processors round otherwise. A value that moves by no more, in its unit or as a share of the unpruned value, whichever is larger, is the
/// same.
const ROUNDING: f64 = 1e-4;
/// A greedy answer near a tie may then turn, and move its cell's values by so much. More is another result.
const TURNED: f64 = 0.05;
/// Below so many items a single answer moves a value further than that.
const ITEMS: u64 = 60;

/// A run's comparisons beside those of the reference run.
pub(super) struct Against {
    /// Compared values.
    all: usize,
    /// A line per value that differs by more than rounding: where, the reference run's, this run's; and is it another result?
    different: Vec<(String, bool)>,
}

impl Against {
    /// # Errors
    /// If a table cannot be read.
    pub(super) fn read(run: &Path, root: &Path) -> anyhow::Result<Self> {
        let reference = read(&root.join(REFERENCE), "comparisons")?;
        Ok(Self::new(&by_name(reference), &by_name(read(run, "comparisons")?)))
    }

    fn new(reference: &BTreeMap<String, Comparison>, made: &BTreeMap<String, Comparison>) -> Self {
        let names: BTreeSet<&String> = reference.keys().chain(made.keys()).collect();
        let all = names.len();
        let mut different = Vec::new();
        for name in names {
            match (reference.get(name), made.get(name)) {
                (Some(old), Some(new)) => different.extend(moved(name, old, new)),
                (Some(_), None) => different.push((format!("{name}: not in this run"), true)),
                (None, _) => different.push((format!("{name}: not in {REFERENCE}"), true)),
            }
        }
        Self { all, different }
    }

    /// Is every value the same but for rounding?
    pub(super) fn same(&self) -> bool {
        self.different.is_empty()
    }

    /// Values that are further apart than a turned answer explains.
    pub(super) fn too_far(&self) -> Vec<String> {
        let far = self.different.iter().filter(|(_, far)| *far);
        far.map(|(line, _)| line.clone()).collect()
    }

    pub(super) fn summary(&self) -> String {
        let (differ, all) = (self.different.len(), self.all);
        format!(
            "{differ} of {all} values differ from {REFERENCE}'s, as answers near a tie do on another processor: drawings and texts are not compared"
        )
    }
}

fn by_name(rows: Vec<Comparison>) -> BTreeMap<String, Comparison> {
    let name = |row: &Comparison| {
        let Comparison {
            model,
            method,
            fraction_removed,
            task,
            metric,
            scorer,
            ..
        } = row;
        format!("{model} {method} {fraction_removed} {task} {metric} {scorer}")
    };
    rows.into_iter().map(|row| (name(&row), row)).collect()
}

/// What is said of a value that is not the reference run's, and whether it is another result.
fn moved(name: &str, old: &Comparison, new: &Comparison) -> Option<(String, bool)> {
    let values = |row: &Comparison| {
        row.unpruned
            .zip(row.difference)
            .map(|(unpruned, difference)| [unpruned, unpruned + difference])
    };
    let (before, after) = (values(old), values(new));
    let apart = match (before, after) {
        (None, None) => 0.0,
        (Some(before), Some(after)) => {
            let apart = |at: usize| (before[at] - after[at]).abs();
            apart(0).max(apart(1)) / before[0].abs().max(1.0)
        }
        _ => f64::INFINITY,
    };
    if apart <= ROUNDING && old.n == new.n {
        return None;
    }
    let far = apart > TURNED && old.n.is_some_and(|n| n >= ITEMS);
    let shown = |values: Option<[f64; 2]>| {
        values.map_or("undefined".to_owned(), |[unpruned, pruned]| {
            format!("{unpruned} → {pruned}")
        })
    };
    Some((
        format!("{name}: {} in {REFERENCE}, {} in this run", shown(before), shown(after)),
        far,
    ))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn row(difference: f64, n: u64) -> Comparison {
        Comparison {
            model: "m".to_owned(),
            method: "reap".to_owned(),
            fraction_removed: 0.5,
            task: "t".to_owned(),
            metric: "accuracy".to_owned(),
            scorer: "probabilities".to_owned(),
            unpruned: Some(0.8),
            difference: Some(difference),
            n: Some(n),
        }
    }

    fn against(old: Comparison, new: Vec<Comparison>) -> Against {
        Against::new(&by_name(vec![old]), &by_name(new))
    }

    #[test]
    fn a_turned_answer_is_told_and_a_wrong_number_refused() {
        assert!(against(row(-0.1, 120), vec![row(-0.100_001, 120)]).same());
        let turned = against(row(-0.1, 120), vec![row(-0.1 + 1.0 / 120.0, 120)]);
        assert!(!turned.same() && turned.too_far().is_empty());
        assert_eq!(against(row(-0.1, 120), vec![row(-0.2, 120)]).too_far().len(), 1);
        assert_eq!(against(row(-0.1, 12), vec![row(-0.2, 12)]).too_far().len(), 0);
        assert_eq!(
            against(row(-0.1, 120), Vec::new()).too_far(),
            ["m reap 0.5 t accuracy probabilities: not in this run"]
        );
    }
}
