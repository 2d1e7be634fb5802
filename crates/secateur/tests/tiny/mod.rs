//! A sweep of a tiny checkpoint of the real layout, with tasks and a corpus of a few lines.
// Each test program uses a part of it.
#![allow(dead_code)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A folder with a sweep, its corpus and its tasks.
pub struct Sweep {
    pub folder: tempfile::TempDir,
}

pub fn checkpoint() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../goldens/fixtures/core/models/olmoe_bf16_sharded/checkpoint")
        .canonicalize()
        .unwrap()
}

/// Choices between three colours.
pub const CHOICE_CARD: &str = r#"
name = "colours"
version = 1
kind = "multiple_choice"
domain = "biomedical"
about = "What colour is it?"
licence = "CC0-1.0"
[data]
file = "colours.jsonl"
id = "id"
[prompt]
template = "Question: {question}\nAnswer:"
[choices]
field = "choices"
label = "label"
[scoring]
metrics = ["acc", "acc_norm"]
"#;

pub const GENERATION_CARD: &str = r#"
name = "words"
version = 1
kind = "generation"
domain = "general"
about = "Say a word."
licence = "CC0-1.0"
[data]
file = "words.jsonl"
id = "id"
[prompt]
template = "{question}"
[answer]
references = "answers"
[generation]
max_new_tokens = 6
stop = ["\n"]
[scoring]
metrics = ["exact_match", "token_f1"]
"#;

impl Sweep {
    pub fn new() -> Self {
        let sweep = Self {
            folder: tempfile::tempdir().unwrap(),
        };
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
            format!(r#"{{"text":"The router number {i} chooses which expert should answer."}}"#)
        });
        for (name, text) in [
            ("colours.toml", CHOICE_CARD.to_owned()),
            ("words.toml", GENERATION_CARD.to_owned()),
            ("colours.jsonl", colours),
            ("words.jsonl", words),
            ("corpus.jsonl", corpus),
        ] {
            sweep.write(name, &text);
        }
        sweep.definition(|text| text);
        sweep
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.folder.path().join(name), text).unwrap();
    }

    /// Writes the sweep file after `change`.
    pub fn definition(&self, change: impl Fn(String) -> String) {
        let text = format!(
            r#"
name = "tiny"
methods = ["reap", "frequency", "random"]
ratios = [0.25, 0.5]
calibrate_on = ["letters"]
cards = ["."]
bootstrap_samples = 50
[[models]]
name = "tiny-olmoe"
path = "{}"
[[corpora]]
name = "letters"
file = "corpus.jsonl"
samples = 8
chat_template = false
[[tasks]]
name = "colours"
[[tasks]]
name = "words"
"#,
            checkpoint().display()
        );
        self.write("sweep.toml", &change(text));
    }

    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_secateur"));
        command
            .current_dir(self.folder.path())
            .args(["sweep", "sweep.toml", "--results", "results"]);
        command
    }

    pub fn run(&self) -> Output {
        self.command().output().unwrap()
    }

    /// What the program says when it refuses; it must not have panicked.
    pub fn refusal(&self) -> String {
        let output = self.run();
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            !output.status.success(),
            "it ran: {}",
            String::from_utf8_lossy(&output.stdout)
        );
        assert!(
            !message.contains("panicked") && !message.contains("RUST_BACKTRACE"),
            "{message}"
        );
        message
    }

    pub fn table(&self) -> Vec<u8> {
        fs::read(self.folder.path().join("results/tiny/tables/metrics.csv")).unwrap()
    }
}

pub fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
