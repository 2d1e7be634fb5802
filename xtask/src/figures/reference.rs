//! The reference run in `results/demo`: written from a run, or held against one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::rows::{Comparison, read};

const REFERENCE: &str = "results/demo";
const CHARTS: &str = "report/charts";
/// The book's pages reach nothing outside of their folder, so it has copies.
const COPIES: &str = "docs/src/charts";
/// Large as text; the same tables are there as Parquet.
const LEFT_OUT: [&str; 2] = ["metrics.csv", "diagrams.csv"];

/// Another processor rounds otherwise, and a greedy answer near a tie turns: by so much may a value of a table move, in its
/// unit or as a share of the unpruned value, whichever is more.
const TOLERANCE: f64 = 0.05;
/// Below so many items a single answer moves a value further than that.
const ITEMS: u64 = 60;

/// Puts a run in the reference run's place, and its charts into the book.
///
/// # Errors
/// If the run lacks a chart that the book shows, or a file cannot be read or written.
pub(super) fn write(run: &Path, root: &Path) -> anyhow::Result<()> {
    let reference = root.join(REFERENCE);
    if run.canonicalize().ok() == reference.canonicalize().ok() {
        bail!(
            "{} is the reference run itself; it lacks the records that a run has",
            run.display()
        );
    }
    let charts = names(&root.join(COPIES))?;
    for name in &charts {
        let chart = run.join(CHARTS).join(name);
        if !chart.is_file() {
            bail!("the book shows {name}, which the run has not drawn in {CHARTS}");
        }
    }
    for folder in ["report", "tables"] {
        let old = reference.join(folder);
        if old.exists() {
            fs::remove_dir_all(&old).with_context(|| old.display().to_string())?;
        }
        copy_all(&run.join(folder), &old)?;
    }
    for file in ["manifest.json", "sweep.json"] {
        copy(&run.join(file), &reference.join(file))?;
    }
    for name in LEFT_OUT {
        let table = reference.join("tables").join(name);
        fs::remove_file(&table).with_context(|| table.display().to_string())?;
    }
    for name in charts {
        copy(&run.join(CHARTS).join(&name), &root.join(COPIES).join(&name))?;
    }
    Ok(())
}

/// What is wrong with the reference run's charts and the book's copies, given a run with the same numbers.
///
/// # Errors
/// If a folder or file cannot be read.
pub(super) fn charts(run: &Path, root: &Path) -> anyhow::Result<Vec<String>> {
    let mut problems = Vec::new();
    let (made, reference) = (run.join(CHARTS), root.join(REFERENCE).join(CHARTS));
    let (drawn, there) = (names(&made)?, names(&reference)?);
    problems.extend(
        drawn
            .difference(&there)
            .map(|name| format!("{REFERENCE}/{CHARTS} lacks {name}")),
    );
    problems.extend(
        there
            .difference(&drawn)
            .map(|name| format!("{REFERENCE}/{CHARTS}/{name} is drawn no more")),
    );
    let copies = root.join(COPIES);
    let shown = names(&copies)?
        .into_iter()
        .map(|name| (COPIES, copies.join(&name), name));
    let kept = drawn
        .intersection(&there)
        .map(|name| (REFERENCE, reference.join(name), name.clone()));
    for (place, path, name) in kept.chain(shown) {
        if bytes(&made.join(&name))? != bytes(&path)? {
            problems.push(format!("{place}: {name} is not as this run draws it"));
        }
    }
    Ok(problems)
}

/// A run's comparisons beside those of the reference run.
pub(super) struct Against {
    /// Compared values.
    all: usize,
    /// A line per value that differs: where, the reference run's, this run's; and by more than rounding can explain?
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

    /// Is every value the same to its last digit?
    pub(super) fn same(&self) -> bool {
        self.different.is_empty()
    }

    /// Values that are further apart than another processor's rounding explains.
    pub(super) fn too_far(&self) -> Vec<String> {
        let far = self.different.iter().filter(|(_, far)| *far);
        far.map(|(line, _)| line.clone()).collect()
    }

    pub(super) fn summary(&self) -> String {
        let (differ, all) = (self.different.len(), self.all);
        format!(
            "{differ} of {all} values differ from {REFERENCE}'s, as on another processor; charts and texts are not compared"
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

/// What is said of a value that is not the reference run's, and whether it is too far from it.
fn moved(name: &str, old: &Comparison, new: &Comparison) -> Option<(String, bool)> {
    let values = |row: &Comparison| {
        row.unpruned
            .zip(row.difference)
            .map(|(unpruned, difference)| (unpruned, unpruned + difference))
    };
    let (before, after) = (values(old), values(new));
    if before == after && old.n == new.n {
        return None;
    }
    let far = old.n.is_some_and(|n| n >= ITEMS)
        && match (before, after) {
            (Some(before), Some(after)) => {
                let allowed = TOLERANCE * before.0.abs().max(1.0);
                (before.0 - after.0).abs() > allowed || (before.1 - after.1).abs() > allowed
            }
            _ => true,
        };
    let shown = |values: Option<(f64, f64)>| {
        values.map_or("undefined".to_owned(), |(unpruned, pruned)| {
            format!("{unpruned} → {pruned}")
        })
    };
    Some((
        format!("{name}: {} in {REFERENCE}, {} in this run", shown(before), shown(after)),
        far,
    ))
}

fn copy_all(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to).with_context(|| to.display().to_string())?;
    for entry in fs::read_dir(from).with_context(|| from.display().to_string())? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_all(&entry.path(), &target)?;
        } else {
            copy(&entry.path(), &target)?;
        }
    }
    Ok(())
}

fn copy(from: &Path, to: &PathBuf) -> anyhow::Result<()> {
    fs::copy(from, to).with_context(|| format!("{} to {}", from.display(), to.display()))?;
    Ok(())
}

fn bytes(path: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(path).with_context(|| path.display().to_string())
}

/// Names in a folder.
fn names(folder: &Path) -> anyhow::Result<BTreeSet<String>> {
    let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    names.collect()
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
        assert!(against(row(-0.1, 120), vec![row(-0.1, 120)]).same());
        let turned = against(row(-0.1, 120), vec![row(-0.1 + 1.0 / 120.0, 120)]);
        assert!(!turned.same() && turned.too_far().is_empty());
        assert_eq!(against(row(-0.1, 120), vec![row(-0.2, 120)]).too_far().len(), 1);
        assert_eq!(against(row(-0.1, 12), vec![row(-0.2, 12)]).too_far().len(), 0);
        assert_eq!(
            against(row(-0.1, 120), Vec::new()).too_far(),
            ["m reap 0.5 t accuracy probabilities: not in this run"]
        );
    }

    #[test]
    fn a_run_takes_the_reference_runs_place() {
        let folder = tempfile::tempdir().unwrap();
        let (root, run) = (folder.path().join("root"), folder.path().join("run"));
        let file = |path: PathBuf, content: &str| {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        };
        file(root.join(COPIES).join("a.svg"), "old");
        file(root.join(REFERENCE).join(CHARTS).join("gone.svg"), "old");
        for name in [
            "manifest.json",
            "sweep.json",
            "tables/metrics.csv",
            "tables/diagrams.csv",
            "tables/safe.csv",
            "report/report.md",
        ] {
            file(run.join(name), name);
        }
        let missing = write(&run, &root).unwrap_err().to_string();
        assert_eq!(
            missing,
            "the book shows a.svg, which the run has not drawn in report/charts"
        );
        file(run.join(CHARTS).join("a.svg"), "new");
        assert_eq!(charts(&run, &root).unwrap().len(), 3);
        write(&run, &root).unwrap();
        assert_eq!(charts(&run, &root).unwrap(), Vec::<String>::new());
        assert_eq!(fs::read_to_string(root.join(COPIES).join("a.svg")).unwrap(), "new");
        assert_eq!(
            names(&root.join(REFERENCE).join("tables")).unwrap(),
            BTreeSet::from(["safe.csv".to_owned()])
        );
        assert!(write(&root.join(REFERENCE), &root).is_err());
    }
}
