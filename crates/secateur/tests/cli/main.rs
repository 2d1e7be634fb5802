//! The command line as people and programs meet it: what goes to stdout and to stderr, colours, names that are nearly right, exit
//! codes, and mistakes in files.
#![allow(clippy::unwrap_used)]

mod colours;
mod exit_codes;
mod loudness;
mod mistakes;
mod names;
mod programs;
#[path = "../tiny/mod.rs"]
mod tiny;

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

/// The program in `folder`, with nothing around it that could change what it says.
fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_secateur"));
    command
        .current_dir(folder)
        .args(arguments)
        .env("HF_HUB_OFFLINE", "1")
        .env("HF_HOME", folder.join("no-cache"));
    for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "COLUMNS"] {
        command.env_remove(name);
    }
    command
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    command(folder, arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes).into_owned();
    assert!(!text.contains("panicked") && !text.contains("RUST_BACKTRACE"), "{text}");
    text
}

/// What it says when it ends with this code.
fn said(folder: &Path, arguments: &[&str], code: i32) -> String {
    let output = run(folder, arguments);
    let said = text(&output.stderr);
    let found = output.status.code();
    assert_eq!(found, Some(code), "{arguments:?}: {said}{}", text(&output.stdout));
    said
}

/// What it prints, which must be one JSON document, when it ends well.
fn json(folder: &Path, arguments: &[&str]) -> Value {
    let output = run(folder, arguments);
    let told = text(&output.stdout);
    assert!(output.status.success(), "{arguments:?}: {}{told}", text(&output.stderr));
    serde_json::from_str(&told).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {told}"))
}
