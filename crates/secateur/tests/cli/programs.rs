//! `--json`: what lists or reports something prints one document on stdout, and nothing else there.

use std::path::Path;

use serde_json::Value;

use crate::json;
use crate::tiny::{Sweep, checkpoint};

fn list<'a>(value: &'a Value, key: &str) -> &'a Vec<Value> {
    value[key]
        .as_array()
        .unwrap_or_else(|| panic!("no list `{key}` in {value:#}"))
}

#[test]
fn lists_of_what_there_is() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    assert_eq!(list(&json(at, &["devices", "--json"]), "devices").len(), 3);
    let tasks = json(at, &["tasks", "--json"]);
    assert!(list(&tasks, "tasks").iter().any(|task| task["name"] == "pubmedqa"));
    assert_eq!(json(at, &["tasks", "pubmedqa", "--json"])["task"]["name"], "pubmedqa");
    assert!(list(&json(at, &["datasets", "list", "--json"]), "sets").len() > 20);
    assert_eq!(json(at, &["datasets", "show", "mmlu", "--json"])["card"]["set"], "mmlu");
    let pages = json(at, &["man", "--out", "man", "--json"]);
    assert!(list(&pages, "pages").len() > 25);
    let files = json(at, &["demo", "data", "--directory", "demo", "--json"]);
    assert!(Path::new(&at.join(files["files"][0].as_str().unwrap())).is_file());
}

#[test]
fn a_checkpoint_and_its_experts() {
    let sweep = Sweep::new();
    let at = sweep.folder.path();
    let model = checkpoint().display().to_string();
    let begun = json(at, &["init", &model, "--out", "mine.toml", "--json"]);
    assert_eq!(begun["file"], "mine.toml");
    let printed = json(at, &["init", &model, "--out", "-", "--json"]);
    assert!(printed["text"].as_str().unwrap().contains("[[models]]"));

    let words = [
        "calibrate",
        &model,
        "corpus.jsonl",
        "--no-chat-template",
        "--samples",
        "4",
        "--output",
        "stats",
        "--json",
    ];
    let calibrated = json(at, &words);
    assert_eq!(
        (&calibrated["computed"], list(&calibrated, "rankings").len()),
        (&true.into(), 1)
    );
    assert_eq!(json(at, &words)["computed"], false);
    let ranking = calibrated["rankings"][0].as_str().unwrap();
    let mask = [
        "rank",
        &model,
        "--import",
        ranking,
        "--ratio",
        "0.5",
        "--export",
        "mask.json",
        "--json",
    ];
    let mask = json(at, &mask);
    assert_eq!(
        (&mask["kind"], &mask["exported"]),
        (&"mask".into(), &"mask.json".into())
    );
    assert_eq!(
        (list(&mask, "layers").len(), list(&mask["layers"][0], "experts").len()),
        (3, 4)
    );
    let whole = json(at, &["rank", &model, "--import", ranking, "--json"]);
    assert_eq!(
        (&whole["method"], &whole["layers"][0]["of"]),
        (&"reap".into(), &8.into())
    );
    assert_eq!(list(&whole["layers"][0], "experts").len(), 8);

    let pruned = json(at, &["prune", &model, "pruned", "--mask", "mask.json", "--json"]);
    assert_eq!(
        (&pruned["experts"], &pruned["directory"]),
        (&4.into(), &"pruned".into())
    );
    sweep.write("tokens.json", "[[1, 2, 3], [4]]");
    let logits = json(
        at,
        &[
            "logits",
            "pruned",
            "--tokens",
            "tokens.json",
            "--output",
            "l.safetensors",
            "--json",
        ],
    );
    assert_eq!(logits["tokens"], serde_json::json!([3, 1]));
    let alike = json(
        at,
        &[
            "agreement",
            "mask.json",
            ranking,
            "--ratios",
            "0.5",
            "--output",
            "alike",
            "--json",
        ],
    );
    assert!(!list(&alike, "models").is_empty() && at.join(alike["page"].as_str().unwrap()).is_file());
    let checked = json(at, &["doctor", "pruned", "--json"]);
    assert_eq!(list(&checked, "problems").len(), 0, "{checked:#}");
}

#[test]
fn a_sweep_from_its_plan_to_its_report() {
    let sweep = Sweep::new();
    let at = sweep.folder.path();
    let on = |words: &[&str]| json(at, &[words, &["--results", "results", "--json"]].concat());
    let expected = on(&["sweep", "sweep.toml", "--dry-run"]);
    assert_eq!((&expected["cells"], &expected["masks"]), (&14.into(), &7.into()));
    assert!(expected["models"][0]["pace"]["tokens_read"].as_u64().unwrap() > 0);
    assert!(!at.join("results").exists());
    assert_eq!(list(&on(&["sweep", "plan", "sweep.toml"]), "cells").len(), 14);
    let submitted = on(&[
        "submit",
        "sweep.toml",
        "--executor",
        "slurm",
        "--tasks",
        "2",
        "--dry-run",
    ]);
    assert_eq!(submitted["shards_not_done"], serde_json::json!([0, 1]));
    assert!(submitted["scripts"].as_str().unwrap().contains("#SBATCH"));

    assert!(sweep.run().status.success());
    let status = on(&["sweep", "status", "sweep.toml"]);
    assert_eq!((&status["complete"], &status["done"]), (&true.into(), &14.into()));
    let reduced = on(&["sweep", "reduce", "sweep.toml"]);
    assert!(
        list(&reduced, "missing").is_empty() && reduced["report"].is_string(),
        "{reduced:#}"
    );
    let report = json(at, &["report", "results/tiny", "--json"]);
    for files in ["pages", "charts", "tables"] {
        for file in list(&report, files) {
            assert!(at.join(file.as_str().unwrap()).is_file(), "{file}");
        }
    }
    assert_eq!(
        list(&json(at, &["inspect", "results/tiny", "--json"]), "cells").len(),
        14
    );
    assert!(!list(&json(at, &["safe", "results/tiny", "--json"]), "answers").is_empty());
    assert!(
        !list(
            &json(at, &["rescore", "results/tiny", "--out", "again", "--json"]),
            "scored"
        )
        .is_empty()
    );
    assert_eq!(
        json(at, &["compare", "results/tiny", "results/tiny", "--json"])["outcome"],
        "equal"
    );
}
