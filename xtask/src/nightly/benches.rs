//! The criterion benches, in the form that github-action-benchmark reads as `customSmallerIsBetter`.
//!
//! Criterion leaves `benchmark.json` (what it is) and `estimates.json` (nanoseconds per iteration) in `target/criterion/**/new/`.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::outcome::Outcome;

/// A number where smaller is better.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Benchmark {
    /// What was measured.
    pub name: String,
    /// `ns`, `s`, `MiB`.
    pub unit: String,
    /// The estimate.
    pub value: f64,
    /// `± half of the 95 % interval`; absent for what was measured once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<String>,
}

impl Benchmark {
    /// What was measured once.
    pub fn single(name: String, unit: &str, value: f64) -> Self {
        Self {
            name,
            unit: unit.to_owned(),
            value,
            range: None,
        }
    }

    /// Half of the interval's width; 0 where there is none.
    pub fn half_width(&self) -> f64 {
        let range = self.range.as_deref().and_then(|range| range.strip_prefix("± "));
        range.and_then(|number| number.parse().ok()).unwrap_or(0.0)
    }
}

/// Runs all benches of the workspace.
///
/// # Errors
/// If cargo cannot be started or does not list its targets.
pub fn run() -> anyhow::Result<Outcome> {
    // With the features of the program that ran the sweeps, so that its dependencies serve the benches too.
    let mut words = vec!["bench".to_owned(), "--workspace".to_owned()];
    let benches = names(&metadata()?);
    if benches.is_empty() {
        bail!("cargo metadata lists no bench; this is not Secateur's workspace");
    }
    for name in benches {
        words.extend(["--bench".to_owned(), name]);
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    eprintln!("cargo {}", words.join(" "));
    Ok(match crate::cargo(&words)? {
        0 => Outcome::Well,
        _ => Outcome::Error,
    })
}

/// Folder that criterion writes to.
///
/// # Errors
/// If cargo cannot be started or does not name its target folder.
pub fn folder() -> anyhow::Result<PathBuf> {
    let metadata = metadata()?;
    let target = metadata["target_directory"]
        .as_str()
        .context("cargo metadata names no target_directory")?;
    Ok(Path::new(target).join("criterion"))
}

fn metadata() -> anyhow::Result<Value> {
    let (code, text) = crate::cargo_output(&["metadata", "--no-deps", "--format-version", "1"])?;
    if code != 0 {
        bail!("cargo metadata ended with code {code}");
    }
    serde_json::from_str(&text).context("cargo metadata does not print JSON")
}

fn names(metadata: &Value) -> Vec<String> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let targets = list(&metadata["packages"])
        .into_iter()
        .flat_map(|package| list(&package["targets"]));
    let benches = targets.filter(|target| list(&target["kind"]).iter().any(|kind| kind == "bench"));
    let mut names: Vec<String> = benches
        .filter_map(|bench| bench["name"].as_str().map(str::to_owned))
        .collect();
    names.sort();
    names
}

/// Reads what criterion wrote since `since`, by name; what older benches left is passed over.
///
/// # Errors
/// If a file cannot be read or is not criterion's.
pub fn collect(folder: &Path, since: SystemTime) -> anyhow::Result<Vec<Benchmark>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        folders.extend(entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()));
        let estimates = folder.join("estimates.json");
        let written = fs::metadata(&estimates).and_then(|metadata| metadata.modified());
        if folder.ends_with("new") && written.is_ok_and(|at| at >= since) {
            found.push(
                benchmark(&json(&folder.join("benchmark.json"))?, &json(&estimates)?)
                    .with_context(|| format!("{} is not as criterion writes it", folder.display()))?,
            );
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// The slope where criterion fitted one, else the mean: as its own reports do.
fn benchmark(about: &Value, estimates: &Value) -> Option<Benchmark> {
    let estimate = [&estimates["slope"], &estimates["mean"]]
        .into_iter()
        .find(|estimate| estimate.is_object())?;
    let interval = &estimate["confidence_interval"];
    let half = (interval["upper_bound"].as_f64()? - interval["lower_bound"].as_f64()?) / 2.0;
    Some(Benchmark {
        name: about["full_id"].as_str()?.to_owned(),
        unit: "ns".to_owned(),
        value: estimate["point_estimate"].as_f64()?,
        range: Some(format!("± {half:.1}")),
    })
}

/// Earlier numbers; none where there is no such file.
///
/// # Errors
/// If the file is not such a list.
pub fn read(path: &Path) -> anyhow::Result<Vec<Benchmark>> {
    if !path.is_file() {
        return Ok(Vec::new());
    }
    let known = serde_json::from_value(json(path)?);
    known.with_context(|| format!("{} is no list of benchmarks", path.display()))
}

/// The file for github-action-benchmark.
///
/// # Errors
/// If a number is not finite.
pub fn as_json(benchmarks: &[Benchmark]) -> anyhow::Result<String> {
    if let Some(bad) = benchmarks.iter().find(|one| !one.value.is_finite()) {
        bail!("benchmark `{}` is {}, expected a finite number", bad.name, bad.value);
    }
    Ok(serde_json::to_string_pretty(benchmarks)? + "\n")
}

fn json(path: &Path) -> anyhow::Result<Value> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is not JSON", path.display()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::time::Duration;

    fn written(folder: &Path, id: &str, slope: bool) {
        let new = folder.join(id).join("new");
        fs::create_dir_all(&new).unwrap();
        let estimate = |value: f64| {
            json!({ "confidence_interval": { "confidence_level": 0.95, "lower_bound": value - 2.0, "upper_bound": value + 3.0 },
                    "point_estimate": value, "standard_error": 1.0 })
        };
        let estimates = json!({ "mean": estimate(110.0), "slope": if slope { estimate(100.0) } else { Value::Null } });
        fs::write(new.join("estimates.json"), estimates.to_string()).unwrap();
        fs::write(
            new.join("benchmark.json"),
            json!({ "full_id": id, "group_id": "g" }).to_string(),
        )
        .unwrap();
    }

    #[test]
    fn criterion_s_files_become_the_action_s_list() {
        let folder = tempfile::tempdir().unwrap();
        written(folder.path(), "rows/8", true);
        written(folder.path(), "matmul/bf16/64", false);
        let found = collect(folder.path(), SystemTime::UNIX_EPOCH).unwrap();
        let text = as_json(&found).unwrap();
        let expected = json!([
            { "name": "matmul/bf16/64", "unit": "ns", "value": 110.0, "range": "± 2.5" },
            { "name": "rows/8", "unit": "ns", "value": 100.0, "range": "± 2.5" },
        ]);
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), expected);
        let path = folder.path().join("benchmarks.json");
        fs::write(&path, text).unwrap();
        assert_eq!(read(&path).unwrap(), found);
        assert!((found[0].half_width() - 2.5).abs() < 1e-12);
        let later = SystemTime::now() + Duration::from_mins(1);
        assert!(
            collect(folder.path(), later).unwrap().is_empty(),
            "left by an older bench"
        );
        assert!(read(&folder.path().join("none.json")).unwrap().is_empty());
    }

    #[test]
    fn what_criterion_did_not_write_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        written(folder.path(), "a", true);
        fs::write(folder.path().join("a/new/estimates.json"), "{}").unwrap();
        let message = format!("{:#}", collect(folder.path(), SystemTime::UNIX_EPOCH).unwrap_err());
        assert!(message.contains("a/new is not as criterion writes it"), "{message}");
        assert!(as_json(&[Benchmark::single("x".into(), "s", f64::NAN)]).is_err());
    }

    #[test]
    fn benches_are_those_of_the_workspace() {
        let targets = json!({ "packages": [
            { "targets": [{ "kind": ["lib"], "name": "a" }, { "kind": ["bench"], "name": "matmul" }] },
            { "targets": [{ "kind": ["bench"], "name": "encoder" }] },
        ]});
        assert_eq!(names(&targets), ["encoder", "matmul"]);
    }
}
