//! The reference run in `results/demo`: written from a run, or held against one.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::drawing;

/// Folder of the reference run.
pub(super) const REFERENCE: &str = "results/demo";
const CHARTS: &str = "report/charts";
/// The book's pages reach nothing outside of their folder, so it has copies.
const COPIES: &str = "docs/src/charts";
/// Drawings of times that were measured, which no two runs share, begin with this.
const MEASURED: &str = "memory-speed-";
/// Large as text; the same tables are there as Parquet.
const LEFT_OUT: [&str; 2] = ["metrics.csv", "diagrams.csv"];

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

/// Which charts a run and the reference run do not share.
///
/// # Errors
/// If a folder cannot be read.
pub(super) fn chart_names(run: &Path, root: &Path) -> anyhow::Result<Vec<String>> {
    let (drawn, there) = (names(&run.join(CHARTS))?, names(&root.join(REFERENCE).join(CHARTS))?);
    let lacks = drawn
        .difference(&there)
        .map(|name| format!("{REFERENCE}/{CHARTS} lacks {name}"));
    let gone = there
        .difference(&drawn)
        .map(|name| format!("{REFERENCE}/{CHARTS}/{name} is drawn no more"));
    Ok(lacks.chain(gone).collect())
}

/// Which of the reference run's drawings and the book's copies are not what a run with the same numbers draws. The other formats
/// are made of the same drawings.
///
/// # Errors
/// If a folder or file cannot be read.
pub(super) fn charts(run: &Path, root: &Path) -> anyhow::Result<Vec<String>> {
    let mut problems = Vec::new();
    for place in [format!("{REFERENCE}/{CHARTS}"), COPIES.to_owned()] {
        let drawing =
            |name: &&String| Path::new(name).extension() == Some("svg".as_ref()) && !name.starts_with(MEASURED);
        for name in names(&root.join(&place))?.iter().filter(drawing) {
            let made = run.join(CHARTS).join(name);
            if made.is_file() && !drawing::same(&text(&made)?, &text(&root.join(&place).join(name))?) {
                problems.push(format!("{place}/{name} is not as this run draws it"));
            }
        }
    }
    Ok(problems)
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

fn text(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| path.display().to_string())
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

    #[test]
    fn a_run_takes_the_reference_runs_place() {
        let folder = tempfile::tempdir().unwrap();
        let (root, run) = (folder.path().join("root"), folder.path().join("run"));
        let file = |path: PathBuf, content: &str| {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        };
        file(root.join(COPIES).join("a.svg"), "old");
        file(root.join(COPIES).join("memory-speed-a.svg"), "measured then");
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
        file(run.join(CHARTS).join("memory-speed-a.svg"), "measured now");
        assert_eq!(chart_names(&run, &root).unwrap().len(), 3);
        assert_eq!(
            charts(&run, &root).unwrap(),
            ["docs/src/charts/a.svg is not as this run draws it"]
        );
        write(&run, &root).unwrap();
        assert_eq!(chart_names(&run, &root).unwrap(), Vec::<String>::new());
        assert_eq!(charts(&run, &root).unwrap(), Vec::<String>::new());
        assert_eq!(fs::read_to_string(root.join(COPIES).join("a.svg")).unwrap(), "new");
        assert_eq!(
            names(&root.join(REFERENCE).join("tables")).unwrap(),
            BTreeSet::from(["safe.csv".to_owned()])
        );
        assert!(write(&root.join(REFERENCE), &root).is_err());
    }
}
