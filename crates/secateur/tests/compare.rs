//! Two runs of a tiny sweep, compared; one run, reproduced.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use sha2::{Digest, Sha256};

mod tiny;
use tiny::{CHOICE_CARD, GENERATION_CARD};

/// A folder with a sweep, its corpus and its tasks; every run gets a results folder of its own.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        let lines = |n: usize, line: &dyn Fn(usize) -> String| (0..n).map(line).collect::<Vec<_>>().join("\n");
        let colours = lines(12, &|i| {
            let label = i % 3;
            format!(
                r#"{{"id":"c{i}","question":"What colour is number {i}?","choices":["red","blue","the old green"],"label":{label}}}"#
            )
        });
        let words = lines(12, &|i| {
            format!(r#"{{"id":"w{i}","question":"Say the word {i}:","answers":["the"]}}"#)
        });
        let corpus = lines(8, &|i| {
            let words = "abcdefgh".repeat(i + 1);
            format!(
                r#"{{"text":"Text {i} of {words}, which is {} like the others.","id":{i}}}"#,
                "not ".repeat(i)
            )
        });
        for (name, text) in [
            ("colours.toml", CHOICE_CARD),
            ("words.toml", GENERATION_CARD),
            ("colours.jsonl", &colours),
            ("words.jsonl", &words),
            ("corpus.jsonl", &corpus),
        ] {
            fs::write(folder.path(name), text).unwrap();
        }
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn secateur(&self, words: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_secateur"));
        command.current_dir(self.0.path()).args(words).output().unwrap()
    }

    /// Runs the sweep, after `change` of its file, into `results`.
    fn sweep(&self, results: &str, change: impl Fn(String) -> String) {
        let model = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../goldens/fixtures/core/models/olmoe_bf16_sharded/checkpoint")
            .canonicalize()
            .unwrap();
        let text = format!(
            r#"
name = "tiny"
methods = ["reap", "random"]
ratios = [0.5]
calibrate_on = ["letters"]
cards = ["."]
bootstrap_samples = 50
[[models]]
name = "tiny-olmoe"
path = "{}"
[[corpora]]
name = "letters"
file = "corpus.jsonl"
samples = 2
seed = 0
chat_template = false
[[tasks]]
name = "colours"
[[tasks]]
name = "words"
"#,
            model.display()
        );
        fs::write(self.path("sweep.toml"), change(text)).unwrap();
        let output = self.secateur(&["sweep", "sweep.toml", "--results", results, "--limit", "10", "--quiet"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    fn compare(&self, a: &str, b: &str, more: &[&str]) -> Output {
        // The machine is shared with other tests: times are compared, and judged by unit tests.
        let words = ["compare", a, b, "--tolerance-time", "1000"];
        self.secateur(&[words.as_slice(), more].concat())
    }

    /// A copy of a run.
    fn copy(&self, from: &str, to: &str) {
        for part in ["records", "answers"] {
            fs::create_dir_all(self.path(to).join(part)).unwrap();
            for entry in fs::read_dir(self.path(from).join(part)).unwrap().flatten() {
                fs::copy(entry.path(), self.path(to).join(part).join(entry.file_name())).unwrap();
            }
        }
        for name in ["sweep.json", "manifest.json"] {
            fs::copy(self.path(from).join(name), self.path(to).join(name)).unwrap();
        }
    }

    /// The record file of a method (`None`: unpruned) on a task.
    fn record(&self, run: &str, method: Option<&str>, task: &str) -> (PathBuf, Value) {
        let entries = fs::read_dir(self.path(run).join("records")).unwrap().flatten();
        let files = entries
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|end| end == "json"));
        let mut read = files.map(|path| (path.clone(), serde_json::from_slice(&fs::read(&path).unwrap()).unwrap()));
        read.find(|(_, file): &(PathBuf, Value)| {
            let cell = &file["record"]["cell"];
            cell["method"].as_str() == method && cell["task"] == task
        })
        .unwrap()
    }
}

fn text(output: &Output) -> (Option<i32>, String) {
    let all = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    (output.status.code(), String::from_utf8_lossy(&all).into_owned())
}

/// Asserts an exit code and that the text has these parts.
fn says(output: &Output, code: i32, parts: &[&str]) {
    let (found, text) = text(output);
    assert_eq!(found, Some(code), "{text}");
    for part in parts {
        assert!(text.contains(part), "no `{part}` in\n{text}");
    }
}

#[test]
fn two_runs_are_equal_and_changes_are_found() {
    let folder = Folder::new();
    folder.sweep("a", |text| text);
    folder.sweep("b", |text| text);
    // (unpruned + 2 methods) × 2 tasks
    let equal = folder.compare("a/tiny", "b/tiny", &[]);
    says(
        &equal,
        0,
        &[
            "A: a/tiny, 6 cells",
            "greedy answers",
            "equal, or within doubt and tolerance",
        ],
    );
    says(
        &folder.compare("a/tiny", "b/tiny", &["--exact"]),
        0,
        &["every number of A is that of B"],
    );
    let json = folder.compare("a/tiny", "b/tiny", &["--json"]);
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(
        (&json["outcome"], &json["compared"]["cells"]),
        (&"equal".into(), &6.into())
    );
    assert_eq!(json["answers"].as_array().map(Vec::len), Some(0));

    // A hand-changed answer.
    folder.copy("a/tiny", "changed");
    let (_, file) = folder.record("changed", None, "words");
    let answers = folder
        .path("changed")
        .join(format!("answers/{}.jsonl", file["answers"]["key"].as_str().unwrap()));
    let mut lines: Vec<Value> = fs::read_to_string(&answers)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    lines[3]["output"]["text"]["text"] = "by hand".into();
    let item = lines[3]["item"].as_str().unwrap().to_owned();
    fs::write(
        &answers,
        lines.iter().map(Value::to_string).collect::<Vec<_>>().join("\n") + "\n",
    )
    .unwrap();
    let parts = [
        "tiny-olmoe unpruned on words: 1 of 10 items",
        &format!("the first, `{item}`: text"),
        "\"by hand\"",
        "changed after the run",
        "regression: ",
    ];
    says(&folder.compare("a/tiny", "changed", &[]), 4, &parts);

    // A missing cell; the other way round it is only a cell more.
    folder.copy("a/tiny", "fewer");
    fs::remove_file(folder.record("fewer", Some("reap"), "colours").0).unwrap();
    let parts = [
        "Missing in B:\n  tiny-olmoe reap",
        "incomplete: 1 cells of A are missing in B",
    ];
    says(&folder.compare("a/tiny", "fewer", &[]), 5, &parts);
    says(
        &folder.compare("fewer", "a/tiny", &[]),
        0,
        &["Only in B:\n  tiny-olmoe reap"],
    );

    // Another seed of the corpus: the cells are the same, their masks and answers are not.
    folder.sweep("seeded", |text| text.replace("seed = 0", "seed = 5"));
    let parts = ["Inputs that differ:", "  mask: ", "regression: "];
    says(&folder.compare("a/tiny", "seeded/tiny", &[]), 4, &parts);
    // Another seed of the sweep: other cells, and it is said which.
    folder.sweep("moved", |text| {
        text.replace("calibrate_on", "seeds = [1]\ncalibrate_on")
    });
    says(
        &folder.compare("a/tiny", "moved/tiny", &[]),
        5,
        &["B has seed 1 instead of 0", "incomplete: 4 cells"],
    );

    for (a, b) in [("a/tiny", "a"), ("nowhere", "a/tiny")] {
        let parts = ["error: ", "holds no sweep: expected the file `sweep.json`"];
        says(&folder.compare(a, b, &[]), 1, &parts);
    }
    says(
        &folder.secateur(&["compare", "a/tiny", "b/tiny", "--tolerance-time=-1"]),
        2,
        &["0 or more"],
    );
}

#[test]
fn a_run_is_reproduced_number_by_number() {
    let folder = Folder::new();
    folder.sweep("a", |text| text);
    let manifest: Value = serde_json::from_slice(&fs::read(folder.path("a/tiny/manifest.json")).unwrap()).unwrap();
    assert_eq!(manifest["configuration"]["file"], "sweep.toml");
    assert_eq!(manifest["configuration"]["limit"], 10);
    assert_eq!(manifest["seeds"]["corpora"]["letters"], 0);
    for part in [
        "/environment/system",
        "/versions/secateur",
        "/corpora/letters/sha256",
        "/git/sweep_file",
    ] {
        assert!(
            manifest.pointer(part).is_some_and(|value| !value.is_null()),
            "no {part} in {manifest}"
        );
    }
    let again = folder.secateur(&["reproduce", "a/tiny", "--quiet"]);
    says(&again, 0, &["equal: every number of A is that of B"]);
    // The second manifest differs in the command alone, and in the seconds that it took.
    let mut second: Value =
        serde_json::from_slice(&fs::read(folder.path("a/tiny-reproduced/tiny/manifest.json")).unwrap()).unwrap();
    for name in ["command", "seconds_of_the_last_run"] {
        second[name] = manifest[name].clone();
    }
    assert_eq!(manifest, second);
    says(
        &folder.secateur(&["reproduce", "a/tiny", "--quiet"]),
        1,
        &["tiny-reproduced/tiny exists", "--results"],
    );

    // A number that somebody edited, with a checksum made right.
    let (path, mut file) = folder.record("a/tiny", Some("reap"), "colours");
    file["record"]["metrics"][0]["interval"][0] = 0.125.into();
    let body = serde_json::json!({ "answers": file["answers"], "record": file["record"] });
    file["sha256"] = format!("{:x}", Sha256::digest(body.to_string())).into();
    fs::write(&path, file.to_string()).unwrap();
    let again = folder.secateur(&["reproduce", "a/tiny", "--quiet", "--results", "edited"]);
    says(
        &again,
        4,
        &["Numbers:\n  tiny-olmoe reap", ".interval.0 0.125 → ", "regression: "],
    );

    let moved = folder.secateur(&["reproduce", "a/tiny", "--base", "elsewhere", "--results", "moved"]);
    says(&moved, 1, &["elsewhere does not exist", "--base"]);
    says(
        &folder.secateur(&["reproduce", "nowhere"]),
        1,
        &["nowhere holds no sweep"],
    );
}
