//! Each exit code is reached.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::tiny::Sweep;
use crate::{command, json, run, said};

/// The tiny sweep with one method at one share: four cells.
fn small() -> Sweep {
    let sweep = Sweep::new();
    sweep.definition(|text| {
        text.replace("[\"reap\", \"frequency\", \"random\"]", "[\"random\"]")
            .replace("ratios = [0.25, 0.5]", "ratios = [0.5]")
    });
    sweep
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Changes the generated answers of a run.
fn change_answers(run: &Path) {
    for entry in fs::read_dir(run.join("answers")).unwrap().flatten() {
        let lines = fs::read_to_string(entry.path()).unwrap();
        let changed = lines.lines().map(|line| {
            let mut answer: Value = serde_json::from_str(line).unwrap();
            if let Some(text) = answer.pointer_mut("/output/text/text") {
                *text = "by hand".into();
            }
            format!("{answer}\n")
        });
        fs::write(entry.path(), changed.collect::<String>()).unwrap();
    }
}

#[test]
fn done_refused_and_wrong_usage() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    said(at, &["tasks"], 0);
    let refused = said(at, &["sweep", "nowhere.toml"], 1);
    assert!(
        refused.starts_with("error: cannot read the sweep file nowhere.toml"),
        "{refused}"
    );
    said(at, &["swep"], 2);
    said(at, &["tasks", "--quiet", "--verbose"], 2);
    said(at, &["--quiet", "tasks", "--verbose"], 2);
}

#[test]
fn something_is_not_sound() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    said(at, &["datasets", "check", "pubmedqa"], 3);
    // A check that says what it found, also to programs.
    let output = run(at, &["datasets", "check", "pubmedqa", "--json"]);
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), &found["sound"]), (Some(3), &false.into()));
}

#[test]
fn cells_are_missing_or_worse() {
    let sweep = small();
    let at = sweep.folder.path();
    let plan = json(at, &["sweep", "plan", "sweep.toml", "--results", "results", "--json"]);
    let cells = plan["cells"].as_array().unwrap();
    let unpruned = cells.iter().find(|cell| cell["method"].is_null()).unwrap();
    let id = unpruned["id"].as_str().unwrap();
    said(
        at,
        &["sweep", "run", "sweep.toml", "--results", "results", "--cell", id],
        0,
    );
    let reduce = ["sweep", "reduce", "sweep.toml", "--results", "results"];
    let missing = said(at, &reduce, 5);
    assert!(missing.contains("3 of 4 cells are missing"), "{missing}");
    let output = run(at, &[&reduce[..], &["--json"]].concat());
    assert_eq!(output.status.code(), Some(5));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (found["missing"].as_array().unwrap().len(), &found["report"]),
        (3, &Value::Null)
    );

    copy(&at.join("results/tiny"), &at.join("few"));
    said(at, &["sweep", "sweep.toml", "--results", "results"], 0);
    said(at, &["compare", "results/tiny", "few"], 5);
    copy(&at.join("results/tiny"), &at.join("changed"));
    change_answers(&at.join("changed"));
    said(at, &["compare", "results/tiny", "changed"], 4);
    said(at, &["compare", "results/tiny", "results/tiny"], 0);
}

#[cfg(unix)]
#[test]
fn a_signal_interrupts() {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};

    let sweep = small();
    let colour = |i: usize| format!(r#"{{"id":"c{i}","question":"What is {i}?","choices":["red","blue"],"label":0}}"#);
    sweep.write("colours.jsonl", &(0..2000).map(colour).collect::<Vec<_>>().join("\n"));
    let mut child = command(
        sweep.folder.path(),
        &["sweep", "sweep.toml", "--results", "results", "--json"],
    )
    .stdout(Stdio::piped())
    .stderr(Stdio::null())
    .spawn()
    .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.by_ref().any(|line| line.contains("\"cell_begun\"")));
    let kill = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
    assert!(kill.unwrap().success());
    let last = lines.last().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{last}");
}
