//! Forms that need several answers or the unpruned model, in a sweep of a demo model.
// Shares of whole numbers are exact.
#![allow(clippy::unwrap_used, clippy::float_cmp)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use secateur_evaluation::answer::{Answer, Output};
use secateur_judges::scorers::self_check::{Order, Sampled, by_bert_score, by_nli};
use secateur_judges::scorers::{ScorerSpec, open_bert_score, open_nli};
use secateur_model::{Device, DeviceKind, Precision};

fn demo() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../datasets/demo");
    root.canonicalize().unwrap()
}

/// Runs a sweep of one model, one method and one fraction over `tasks`.
fn run(folder: &Path, tasks: &str) -> std::process::Output {
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

/// Keys of the records.
fn keys(folder: &Path) -> BTreeSet<String> {
    let records = fs::read_dir(folder.join("results/doubt/records")).unwrap();
    let names = records.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names
        .filter(|name| Path::new(name).extension().is_some_and(|end| end == "json"))
        .collect()
}

/// Answers of the unpruned model to a task, as kept on disk.
fn kept(folder: &Path, task: &str) -> Vec<Answer> {
    let results = folder.join("results/doubt");
    for record in fs::read_dir(results.join("records")).unwrap() {
        let text = fs::read_to_string(record.unwrap().path()).unwrap();
        let written: serde_json::Value = serde_json::from_str(&text).unwrap();
        let cell = &written["record"]["cell"];
        if cell["task"] == task && cell["fraction_removed"] == 0.0 {
            let file = format!("answers/{}.jsonl", written["answers"]["key"].as_str().unwrap());
            let lines = fs::read_to_string(results.join(file)).unwrap();
            return lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        }
    }
    panic!("no record of {task}");
}

#[test]
fn models_that_read_compare_samples() {
    let folder = tempfile::tempdir().unwrap();
    let encoders = Path::new(env!("CARGO_MANIFEST_DIR")).join("../judges/fixtures/encoders");
    let encoders = encoders.canonicalize().unwrap();
    let path = |name: &str| encoders.join(name).to_string_lossy().into_owned();
    let tasks = format!(
        r#"
[[tasks]]
name = "demo_bio_recall@sampled"
limit = 6
samples = 3
[[scorers]]
name = "reader"
kind = "nli"
path = "{}"
equivalence = "lenient"
[[scorers]]
name = "nearness"
kind = "bertscore"
path = "{}"
layer = 1
"#,
        path("bert-nli"),
        path("roberta-nli")
    );
    let output = run(folder.path(), &tasks);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let answers = kept(folder.path(), "demo_bio_recall@sampled");
    assert_eq!(answers.len(), 6);

    // What the library says of the answers on disk.
    let asked: Vec<Sampled<'_>> = answers
        .iter()
        .map(|answer| {
            let Output::Text(output) = &answer.output else {
                panic!("no text")
            };
            Sampled {
                answer: &output.text,
                samples: output.samples.iter().map(|sample| sample.text.as_str()).collect(),
            }
        })
        .collect();
    let cpu = Device::open(DeviceKind::Cpu, Precision::F32).unwrap();
    let spec = |kind: &str, model: &str, layer| ScorerSpec {
        name: "x".into(),
        kind: kind.into(),
        path: path(model),
        layer,
        ..ScorerSpec::default()
    };
    let mut nli = open_nli(&spec("nli", "bert-nli", None), &cpu).unwrap();
    let by_nli = by_nli(&mut nli, &asked, Order::default(), &mut |_| {}).unwrap();
    let mut bert_score = open_bert_score(&spec("bertscore", "roberta-nli", Some(1)), &cpu).unwrap();
    let by_bert_score = by_bert_score(&mut bert_score, &asked, &mut |_| {}).unwrap();
    for (name, readings) in [("reader", by_nli), ("nearness", by_bert_score)] {
        assert!(readings.iter().flatten().count() > 0, "{name}");
        for (answer, reading) in answers.iter().zip(readings) {
            let score = answer.scores.get(&format!("scorer.{name}_selfcheck")).copied();
            assert_eq!(score, reading.map(|reading| reading.score), "{name}");
        }
    }
    for answer in &answers {
        let entropy = answer.scores["scorer.reader_semantic_entropy_discrete"];
        let same = answer.scores["scorer.reader_self_consistency"];
        assert!((0.0..=3_f64.ln() + 1e-12).contains(&entropy) && (same * 3.0).fract() == 0.0);
    }

    let values = values(folder.path());
    let value = |metric: &str| {
        let key = (
            "demo_bio_recall@sampled".to_owned(),
            "0.0".to_owned(),
            metric.to_owned(),
        );
        values.get(&key).copied()
    };
    for metric in [
        "reader_semantic_entropy",
        "reader_selfcheck",
        "nearness_selfcheck",
        "nearness_selfcheck_auroc",
    ] {
        assert!(value(metric).is_some_and(f64::is_finite), "{metric}");
    }
    // Nothing to read a source for, so the entries' own numbers are not there.
    assert!(value("reader").is_none() && value("nearness").is_none());

    // Another rule for equal meanings makes other cells.
    let other = tempfile::tempdir().unwrap();
    let output = run(other.path(), &tasks.replace("lenient", "strict"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let (lenient, strict) = (keys(folder.path()), keys(other.path()));
    assert!(lenient.len() == 2 && strict.len() == 2 && lenient.is_disjoint(&strict));
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
