//! The sweeps of a night: run, and compared with the last good run.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::Value;

use super::benches::Benchmark;
use super::options::Options;
use super::outcome::Outcome;
use super::{Benchmarks, write};

/// What came of a sweep.
#[derive(Debug, Default)]
pub struct SweepNight {
    /// Its name; its file where it did not get as far.
    pub name: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Cells with a record.
    pub cells: usize,
    /// In a line.
    pub words: String,
    /// What `secateur compare` says, for people.
    pub details: String,
}

/// Runs a sweep file into `current`, and compares the results with those of the same name in `against`.
///
/// # Errors
/// If cargo cannot be started, or a file cannot be read or written.
pub fn sweep(file: &str, options: &Options, current: &Path, against: &Path) -> anyhow::Result<Vec<SweepNight>> {
    let before = folders(current)?;
    let mut words = vec![file.to_owned(), "--results".to_owned(), current.display().to_string()];
    if let Some(limit) = &options.limit {
        words.extend(["--limit".to_owned(), limit.clone()]);
    }
    eprintln!("sweep {file}");
    let code = crate::secateur("sweep", &words)?;
    let new: Vec<PathBuf> = folders(current)?.difference(&before).cloned().collect();
    if new.is_empty() {
        return Ok(vec![SweepNight {
            name: file.to_owned(),
            outcome: Outcome::Error,
            words: format!("`secateur sweep` ended with code {code} and left no results"),
            ..SweepNight::default()
        }]);
    }
    let compared = new.iter().map(|results| compared(results, code, options, against));
    compared.collect()
}

fn compared(results: &Path, code: u8, options: &Options, against: &Path) -> anyhow::Result<SweepNight> {
    let name = results.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut night = SweepNight {
        outcome: Outcome::of_sweep(code),
        cells: records(results)?.len(),
        words: match code {
            0 => "all cells".to_owned(),
            code => format!("`secateur sweep` ended with code {code}"),
        },
        name,
        ..SweepNight::default()
    };
    let before = against.join(&night.name);
    if !before.join("sweep.json").is_file() {
        night.words += "; no last good run to compare with";
        return Ok(night);
    }
    let mut words = vec![before.display().to_string(), results.display().to_string()];
    if let Some(tolerance) = &options.tolerance_time {
        words.extend(["--tolerance-time".to_owned(), tolerance.clone()]);
    }
    let (code, text) = crate::secateur_output("compare", &words)?;
    let (_, json) = crate::secateur_output("compare", &[words, vec!["--json".to_owned()]].concat())?;
    let folder = options.out.join("compare");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    write(&folder.join(format!("{}.json", night.name)), &json)?;
    night.outcome = night.outcome.max(Outcome::of_compare(code));
    let last = text
        .trim_end()
        .lines()
        .last()
        .unwrap_or("`secateur compare` said nothing");
    night.words = format!("{}; {last}", night.words);
    night.details = text;
    Ok(night)
}

/// Results directories in a folder.
///
/// # Errors
/// If it cannot be read.
pub fn folders(parent: &Path) -> anyhow::Result<BTreeSet<PathBuf>> {
    let entries = fs::read_dir(parent).with_context(|| format!("cannot read {}", parent.display()))?;
    let paths = entries.flatten().map(|entry| entry.path());
    Ok(paths.filter(|path| path.join("sweep.json").is_file()).collect())
}

fn records(results: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let folder = results.join("records");
    let entries = fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let paths = entries.flatten().map(|entry| entry.path());
    Ok(paths
        .filter(|path| path.extension().is_some_and(|end| end == "json"))
        .collect())
}

/// Seconds and largest memory of all sweeps in `current`, as benchmarks.
///
/// # Errors
/// If a record cannot be read.
pub fn costs(current: &Path) -> anyhow::Result<Benchmarks> {
    let mut all = Vec::new();
    for results in folders(current)? {
        let name = results.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let (mut seconds, mut peak) = (0.0, 0.0_f64);
        for path in records(&results)? {
            let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            let record: Value =
                serde_json::from_str(&text).with_context(|| format!("{} is not JSON", path.display()))?;
            let cost = |field: &str| record["record"]["cost"][field].as_f64().unwrap_or(0.0);
            seconds += cost("seconds");
            peak = peak.max(cost("peak_memory_bytes"));
        }
        all.push(Benchmark::single(format!("sweep {name}: evaluation"), "s", seconds));
        all.push(Benchmark::single(
            format!("sweep {name}: peak memory"),
            "MiB",
            peak / f64::from(1 << 20),
        ));
    }
    Ok(all)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn costs_are_summed_over_records() {
        let folder = tempfile::tempdir().unwrap();
        let records = folder.path().join("tiny/records");
        fs::create_dir_all(&records).unwrap();
        fs::write(folder.path().join("tiny/sweep.json"), "{}").unwrap();
        for (name, seconds, peak) in [("a", 1.5, 1 << 20), ("b", 2.0, 3 << 20)] {
            let record = serde_json::json!({ "record": { "cost": { "seconds": seconds, "peak_memory_bytes": peak } } });
            fs::write(records.join(format!("{name}.json")), record.to_string()).unwrap();
        }
        let found = costs(folder.path()).unwrap();
        let values: Vec<_> = found.iter().map(|one| (one.name.as_str(), one.value)).collect();
        assert_eq!(
            values,
            [("sweep tiny: evaluation", 3.5), ("sweep tiny: peak memory", 3.0)]
        );
    }
}
