//! Model directories that somebody broke or meant to do harm with: each is refused with a message that names file and reason.
//!
//! Headers and indexes have their cases beside the parsers (`checkpoint/header_tests.rs`, `checkpoint/index_tests.rs`); here is what
//! takes a whole directory.
#![allow(clippy::unwrap_used)]

mod configs;
mod directories;
mod tokenizers;

use std::fs;
use std::path::{Path, PathBuf};

use secateur_model::checkpoint::Checkpoint;
use secateur_model::model::inspect;
use tempfile::TempDir;

/// A good tiny checkpoint: `OLMoE`, 3 layers of 8 experts.
fn good() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../goldens/fixtures/core/models/olmoe_bf16_sharded/checkpoint")
        .canonicalize()
        .unwrap()
}

/// A copy of it.
fn copy() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(good()).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
    }
    folder
}

/// What opening and inspecting says.
fn refusal(directory: &Path) -> String {
    match Checkpoint::open(directory) {
        Err(error) => error.to_string(),
        Ok(checkpoint) => match inspect(&checkpoint) {
            Err(error) => error.to_string(),
            Ok(_) => String::from("it was accepted"),
        },
    }
}

/// Checks a message: it says what it should, is short, and shows no control characters of the file.
fn check(case: &str, message: &str, words: &[&str]) {
    for word in words {
        assert!(message.contains(word), "{case}\nlacks: {word}\n{message}");
    }
    assert!(message.len() < 1500, "{case}: {} characters", message.len());
    assert!(
        !message.chars().any(|c| c.is_control() && c != '\n'),
        "{case}: {message:?}"
    );
}
