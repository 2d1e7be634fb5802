//! The commands beside the sweep, as a user runs them, on tiny checkpoints of the real layout.
#![allow(clippy::unwrap_used)]

mod agreement;
mod bench;
mod doctor;
mod judge;
mod rank;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A fixture: `core/models/olmoe_bf16_sharded/checkpoint`, …
fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../goldens/fixtures")
        .join(path)
        .canonicalize()
        .unwrap()
}

/// 3 layers of 8 experts, top-2, bf16, three shards.
fn olmoe() -> String {
    fixture("core/models/olmoe_bf16_sharded/checkpoint")
        .display()
        .to_string()
}

/// Runs the program in `folder`.
fn run(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_secateur"))
        .current_dir(folder)
        .args(arguments)
        .env("HF_HUB_OFFLINE", "1")
        .env("HF_HOME", folder.join("no-cache"))
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes).into_owned();
    assert!(!text.contains("panicked") && !text.contains("RUST_BACKTRACE"), "{text}");
    text
}

/// What it prints when it succeeds.
fn stdout(folder: &Path, arguments: &[&str]) -> String {
    let output = run(folder, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// What it says when it refuses.
fn refusal(folder: &Path, arguments: &[&str]) -> String {
    let output = run(folder, arguments);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {}", text(&output.stdout));
    text(&output.stderr)
}

fn write(folder: &Path, name: &str, contents: impl AsRef<[u8]>) {
    fs::write(folder.join(name), contents).unwrap();
}
