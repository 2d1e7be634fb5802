//! Forms that need several answers or the unpruned model, in a sweep of a demo model.
// Shares of whole numbers are exact.
#![allow(clippy::unwrap_used, clippy::float_cmp)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn demo() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../datasets/demo");
    root.canonicalize().unwrap()
}

/// Runs a sweep of one model, one method and one fraction over `tasks`.
fn run(folder: &Path, tasks: &str) -> Output {
    let demo = demo();
    let text = format!(
        r#"
name = "doubt"
methods = ["reap"]
ratios = [0.5]
calibrate_on = ["biomedical"]
cards = ["{demo}/tasks"]
bootstrap_samples = 100
[[models]]
name = "demo-olmoe"
path = "{demo}/models/demo-olmoe"
[[corpora]]
name = "biomedical"
file = "{demo}/calibration/biomedical.jsonl"
samples = 8
{tasks}
"#,
        demo = demo.display()
    );
    fs::write(folder.join("sweep.toml"), text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_secateur"));
    command
        .current_dir(folder)
        .args(["sweep", "sweep.toml", "--results", "results"]);
    command.output().unwrap()
}

/// Value by task, fraction removed and metric.
fn values(folder: &Path) -> BTreeMap<(String, String, String), f64> {
    let text = fs::read_to_string(folder.join("results/doubt/tables/metrics.csv")).unwrap();
    let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let head = lines.next().unwrap();
    let column = |name: &str| head.iter().position(|column| *column == name).unwrap();
    let [task, fraction, metric, value] = ["task", "fraction_removed", "metric", "value"].map(column);
    let row = |row: Vec<&str>| {
        let key = [task, fraction, metric].map(|column| row[column].to_owned());
        (key.into(), row[value].parse().unwrap())
    };
    lines.map(row).collect()
}

#[test]
fn samples_and_divergence_are_cells_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let tasks = r#"
[[tasks]]
name = "demo_bio_recall"
limit = 8
[[tasks]]
name = "demo_bio_recall@sampled"
limit = 8
samples = 3
[[tasks]]
name = "demo_bio_recall@divergence"
limit = 8
"#;
    let output = run(folder.path(), tasks);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.starts_with("6 cells evaluated, 0 shared"), "{said}");
    let values = values(folder.path());
    let value = |task: &str, fraction: &str, metric: &str| {
        let key = (task.to_owned(), fraction.to_owned(), metric.to_owned());
        values.get(&key).copied()
    };
    let divergence = |fraction, metric| value("demo_bio_recall@divergence", fraction, metric).unwrap();
    assert!(divergence("0.0", "kl_divergence") == 0.0 && divergence("0.0", "top1_agreement") == 1.0);
    assert!(divergence("0.5", "kl_divergence") > 0.0 && divergence("0.5", "top1_agreement") < 1.0);
    let entropy = |fraction| value("demo_bio_recall@sampled", fraction, "semantic_entropy").unwrap();
    assert!(entropy("0.5") > entropy("0.0"));
    assert!(value("demo_bio_recall", "0.0", "semantic_entropy").is_none());
    let again = run(folder.path(), tasks);
    let said = String::from_utf8_lossy(&again.stdout).into_owned();
    assert!(said.starts_with("0 cells evaluated"), "{said}");
}

#[test]
fn samples_of_what_has_none_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (task, expected) in [
        ("name = \"demo_bio_recall\"\nsamples = 4", "@sampled"),
        ("name = \"demo_bio_recall@sampled\"\nsamples = 1", "at least 2"),
        ("name = \"demo_bio_choice@sampled\"", "choice by log-likelihood"),
    ] {
        let output = run(folder.path(), &format!("[[tasks]]\n{task}"));
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && message.contains(expected), "{message}");
        assert!(!message.contains("panicked"), "{message}");
    }
}
