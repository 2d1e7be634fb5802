//! Sweeps that meet a full disk, a read-only or vanished directory, damaged and foreign records: one message, and nothing is lost.
//! And what makes a new cell: whatever decides an answer, and nothing else.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

mod tiny;

use tiny::{CHOICE_CARD, Sweep, checkpoint, stdout};

/// Names of the records of a results directory.
fn records(directory: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(directory.join("records")).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.len() == 64 + 5).collect()
}

fn metrics(directory: &Path) -> String {
    fs::read_to_string(directory.join("tables/metrics.csv")).unwrap()
}

/// What it says when it stops: one message, and no panic.
fn refusal(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_eq!(said.matches("error: ").count(), 1, "{said}");
    assert!(!said.contains("panicked"), "{said}");
    said
}

/// A small file system of our own on `results`; `None` where this user may not mount.
struct Mounted(PathBuf);

impl Mounted {
    fn on(sweep: &Sweep, options: &str) -> Option<Self> {
        let place = sweep.folder.path().join("results");
        fs::create_dir_all(&place).unwrap();
        let mounted = mount(&["-t", "tmpfs", "-o", options, "tmpfs"], &place);
        if !mounted {
            println!("skipped: may not mount a file system here");
        }
        mounted.then_some(Self(place))
    }

    fn remount(&self, options: &str) {
        assert!(mount(&["-o", &format!("remount,{options}")], &self.0));
    }
}

fn mount(words: &[&str], place: &Path) -> bool {
    let done = Command::new("mount").args(words).arg(place).output();
    done.is_ok_and(|output| output.status.success())
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).output();
    }
}

fn undisturbed() -> String {
    let sweep = Sweep::new();
    stdout(&sweep.run());
    metrics(&sweep.folder.path().join("results/tiny"))
}

/// Goes on with what is there, and ends as an undisturbed sweep does.
fn goes_on(sweep: &Sweep, kept: &BTreeSet<String>) {
    let directory = sweep.folder.path().join("results/tiny");
    assert!(kept.is_subset(&records(&directory)), "records were lost");
    let printed = stdout(&sweep.run());
    assert!(printed.contains(&format!(" {} done before", kept.len())), "{printed}");
    assert_eq!(metrics(&directory), undisturbed());
}

#[test]
fn a_full_disk_stops_the_sweep_and_loses_nothing() {
    let sweep = Sweep::new();
    let Some(disk) = Mounted::on(&sweep, "size=400k") else {
        return;
    };
    let directory = disk.0.join("tiny");
    let said = refusal(&sweep.run());
    assert!(
        said.contains("no room to write") && said.contains("start the same command again"),
        "{said}"
    );
    let kept = records(&directory);
    assert!(!kept.is_empty() && kept.len() < 14, "{} records", kept.len());
    disk.remount("size=64m");
    goes_on(&sweep, &kept);
}

/// The same trouble without any rights: a limit on the size of files, which an answers file of many items meets.
#[cfg(unix)]
#[test]
fn a_file_size_limit_stops_the_sweep_and_loses_nothing() {
    let sweep = Sweep::new();
    let many =
        |i: usize| format!(r#"{{"id":"c{i}","question":"What colour is {i}?","choices":["red","blue"],"label":0}}"#);
    sweep.write("colours.jsonl", &(0..400).map(many).collect::<Vec<_>>().join("\n"));
    let mut limited = Command::new("sh");
    let script = "trap '' XFSZ; ulimit -f 100; exec \"$0\" sweep sweep.toml --results results";
    limited
        .current_dir(sweep.folder.path())
        .args(["-c", script, env!("CARGO_BIN_EXE_secateur")]);
    let said = refusal(&limited.output().unwrap());
    assert!(said.contains("no room to write"), "{said}");
    assert!(stdout(&sweep.run()).contains(" 0 failed"));
}

#[test]
fn a_read_only_directory_stops_the_sweep_and_loses_nothing() {
    let sweep = Sweep::new();
    let Some(disk) = Mounted::on(&sweep, "size=64m") else {
        return;
    };
    stdout(&sweep.run());
    let directory = disk.0.join("tiny");
    // Half of it undone.
    let undone: Vec<String> = records(&directory).into_iter().step_by(2).collect();
    for name in undone {
        fs::remove_file(directory.join("records").join(name)).unwrap();
    }
    let kept = records(&directory);
    disk.remount("ro");
    let said = refusal(&sweep.run());
    assert!(said.contains("cannot write") && said.contains("may write"), "{said}");
    // Looking is still possible.
    let status = Command::new(env!("CARGO_BIN_EXE_secateur"))
        .current_dir(sweep.folder.path())
        .args(["sweep", "status", "sweep.toml", "--results", "results"])
        .output()
        .unwrap();
    assert!(stdout(&status).contains("7 of 14 cells done"), "{status:?}");
    disk.remount("rw");
    goes_on(&sweep, &kept);
}

#[test]
fn a_vanished_directory_stops_the_sweep_and_loses_nothing() {
    let sweep = Sweep::new();
    let (results, away) = (sweep.folder.path().join("results"), sweep.folder.path().join("away"));
    let child = sweep
        .command()
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let started = Instant::now();
    while records(&results.join("tiny")).is_empty() && started.elapsed() < Duration::from_mins(5) {
        std::thread::sleep(Duration::from_millis(1));
    }
    fs::rename(&results, &away).unwrap();
    let said = refusal(&child.wait_with_output().unwrap());
    assert!(said.contains("is it mounted?"), "{said}");
    assert!(!results.exists(), "it went on somewhere else");
    fs::rename(&away, &results).unwrap();
    let kept = records(&results.join("tiny"));
    assert!(!kept.is_empty());
    goes_on(&sweep, &kept);
}

#[test]
fn damaged_and_foreign_records_are_set_aside_and_done_again() {
    let sweep = Sweep::new();
    stdout(&sweep.run());
    let directory = sweep.folder.path().join("results/tiny");
    let before = metrics(&directory);
    let all: Vec<PathBuf> = records(&directory)
        .iter()
        .map(|name| directory.join("records").join(name))
        .collect();
    let damaged = fs::read_to_string(&all[0])
        .unwrap()
        .replacen("\"value\": ", "\"value\": 1", 1);
    fs::write(&all[0], damaged).unwrap();
    fs::copy(&all[2], &all[1]).unwrap();
    let output = sweep.run();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        said.contains("its checksum is") && said.contains("it is the record of"),
        "{said}"
    );
    assert!(stdout(&output).contains(" 12 done before"), "{output:?}");
    assert_eq!(metrics(&directory), before);
    let aside = fs::read_dir(directory.join("records")).unwrap().flatten();
    let aside = aside.filter(|entry| entry.path().extension().is_some_and(|e| e == "corrupt"));
    assert_eq!(aside.count(), 2);
}

/// A sweep of one method on a checkpoint of its own; the words task is asked through its chat template.
fn own_checkpoint() -> (Sweep, PathBuf) {
    let sweep = Sweep::new();
    let model = sweep.folder.path().join("model");
    fs::create_dir(&model).unwrap();
    for entry in fs::read_dir(checkpoint()).unwrap().flatten() {
        fs::copy(entry.path(), model.join(entry.file_name())).unwrap();
    }
    fs::write(
        model.join("chat_template.jinja"),
        "{% for m in messages %}{{ m.content }}{% endfor %}",
    )
    .unwrap();
    sweep.definition(|text| {
        text.replace(&checkpoint().display().to_string(), "model")
            .replace("[\"reap\", \"frequency\", \"random\"]", "[\"random\"]")
            .replace("ratios = [0.25, 0.5]", "ratios = [0.5]")
    });
    (sweep, model)
}

/// Runs it in a results directory of its own; returns the records.
fn run_in(sweep: &Sweep, results: &str) -> BTreeSet<String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_secateur"));
    command
        .current_dir(sweep.folder.path())
        .args(["sweep", "sweep.toml", "--results", results]);
    stdout(&command.output().unwrap());
    records(&sweep.folder.path().join(results).join("tiny"))
}

#[test]
fn whatever_decides_an_answer_makes_a_new_cell() {
    let (sweep, model) = own_checkpoint();
    let first = run_in(&sweep, "results");
    assert_eq!(first.len(), 4);
    // Nothing changed, but the time of a file.
    let weights = model.join("model-00001-of-00003.safetensors");
    fs::write(&weights, fs::read(&weights).unwrap()).unwrap();
    assert_eq!(run_in(&sweep, "results"), first);

    let changed = |what: &str, expected: usize, before: &BTreeSet<String>| -> BTreeSet<String> {
        let now = run_in(&sweep, "results");
        assert_eq!(now.len(), before.len() + expected, "{what}");
        assert!(before.is_subset(&now), "{what}: an older record is gone");
        now
    };
    // The lowest bit of the last weight of a file.
    let mut bytes = fs::read(&weights).unwrap();
    let last = bytes.len() - 2;
    bytes[last] ^= 1;
    fs::write(&weights, bytes).unwrap();
    let now = changed("a weight", 4, &first);
    // Choices are asked without the template.
    fs::write(
        model.join("chat_template.jinja"),
        "{% for m in messages %}User: {{ m.content }}{% endfor %}",
    )
    .unwrap();
    let now = changed("a chat template", 2, &now);
    sweep.write(
        "colours.toml",
        &CHOICE_CARD.replace("Question: {question}", "Q: {question}"),
    );
    let now = changed("a prompt", 2, &now);
    let text = fs::read_to_string(sweep.folder.path().join("words.jsonl")).unwrap();
    sweep.write("words.jsonl", &text.replace("Say the word 3:", "Say the word three:"));
    changed("an item", 2, &now);
}

#[test]
fn dtype_seed_and_program_make_new_cells_too() {
    let (sweep, _) = own_checkpoint();
    let first = run_in(&sweep, "first");
    let text = fs::read_to_string(sweep.folder.path().join("sweep.toml")).unwrap();
    sweep.write(
        "sweep.toml",
        &text.replace("bootstrap_samples", "precision = \"f64\"\nbootstrap_samples"),
    );
    assert!(first.is_disjoint(&run_in(&sweep, "in-f64")));
    sweep.write(
        "sweep.toml",
        &text.replace("bootstrap_samples", "seeds = [1]\nbootstrap_samples"),
    );
    // The unpruned model knows no seed.
    assert_eq!(first.intersection(&run_in(&sweep, "other-seed")).count(), 2);
    let any = sweep
        .folder
        .path()
        .join("first/tiny/records")
        .join(first.first().unwrap());
    let record: serde_json::Value = serde_json::from_slice(&fs::read(any).unwrap()).unwrap();
    // The key is the hash of all of these.
    assert_eq!(record["record"]["inputs"]["program"], env!("CARGO_PKG_VERSION"));
    for input in [
        "weights",
        "tokenizer",
        "chat_template",
        "mask",
        "task.data",
        "task.version",
        "task.generation",
        "dtype",
        "device",
    ] {
        assert!(record["record"]["inputs"][input].is_string(), "{input}");
    }
}
