//! Every built-in task on slices of the real data sets, through one sweep of a demo model.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const TASKS: &[&str] = &[
    "pubmedqa",
    "medqa_4options",
    "medmcqa",
    "mmlu_anatomy",
    "hellaswag",
    "arc_challenge",
    "piqa",
    "truthfulqa_mc1",
    "truthfulqa_mc2",
    "medqa_letter",
    "pubmedqa_letter",
    "medmcqa_letter",
    "meqsum",
    "kqa",
    "medhalt_fake",
    "medec",
    "mts_dialog",
    "cochrane_simplification",
];

/// Answers of these are allowed more tokens than the demo model has room for.
const LONG_ANSWERS: &[&str] = &["meqsum", "kqa", "medec", "mts_dialog", "cochrane_simplification"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

#[test]
fn a_sweep_over_the_real_data_slices() {
    let root = root();
    let data = root.join("../shared/data");
    if !data.is_dir() {
        eprintln!("skipped: no ../shared");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let tasks: Vec<String> = TASKS
        .iter()
        .map(|name| {
            // The demo model has room for 512 tokens in all.
            let answer = if LONG_ANSWERS.contains(name) {
                "max_new_tokens = 32\n"
            } else {
                ""
            };
            format!("[[tasks]]\nname = \"{name}\"\nlimit = 2\n{answer}")
        })
        .collect();
    let tasks = tasks.concat();
    let sweep = format!(
        "name = \"real\"\nmethods = [\"reap\"]\nratios = [0.5]\ncalibrate_on = [\"bio\"]\ndata = \"{}\"\nbootstrap_samples = 50\n\
         [[models]]\nname = \"demo\"\npath = \"{}\"\n[[corpora]]\nname = \"bio\"\nfile = \"{}\"\nsamples = 8\n{tasks}",
        data.display(),
        root.join("datasets/demo/models/demo-olmoe").display(),
        root.join("datasets/demo/calibration/biomedical.jsonl").display(),
    );
    fs::write(folder.path().join("sweep.toml"), sweep).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_secateur"))
        .current_dir(folder.path())
        .args(["sweep", "sweep.toml", "--results", "results"])
        .output()
        .unwrap();
    let (printed, said) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{said}");
    let expected = format!(
        "{} cells evaluated, 0 shared with an equal mask, 0 done before, 0 failed",
        2 * TASKS.len()
    );
    assert!(printed.starts_with(&expected), "{printed}{said}");
    let metrics = fs::read_to_string(folder.path().join("results/real/tables/metrics.csv")).unwrap();
    for task in TASKS {
        assert!(metrics.contains(task), "{task} has no metric");
    }
}
