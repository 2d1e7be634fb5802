//! Sweeps that are killed, shared by several workers, and cut into shards: each cell is evaluated once, nothing is lost, and the
//! tables are those of one worker that was never disturbed, byte for byte.
//!
//! Only `cells` holds times (`seconds`, `peak_memory_bytes`); it is compared without them.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

mod tiny;

use tiny::{CHOICE_CARD, GENERATION_CARD, Sweep, stdout};

/// 24 cells: the unpruned model and five masks, four tasks; two of three chunks.
fn demo() -> Sweep {
    let sweep = Sweep::new();
    let colour = |i: usize| {
        let label = i % 3;
        format!(
            r#"{{"id":"c{i}","question":"What colour is {i}?","choices":["red","blue","the old green"],"label":{label}}}"#
        )
    };
    sweep.write("colours.jsonl", &(0..300).map(colour).collect::<Vec<_>>().join("\n"));
    sweep.write(
        "shades.toml",
        &CHOICE_CARD.replace("name = \"colours\"", "name = \"shades\""),
    );
    sweep.write(
        "sayings.toml",
        &GENERATION_CARD.replace("name = \"words\"", "name = \"sayings\""),
    );
    sweep.definition(|text| {
        let text = text
            .replace(
                "[\"reap\", \"frequency\", \"random\"]",
                "[\"reap\", \"frequency\", \"random\", \"ean\", \"gating\"]",
            )
            .replace("ratios = [0.25, 0.5]", "ratios = [0.5]");
        text + "[[tasks]]\nname = \"shades\"\n[[tasks]]\nname = \"sayings\"\n"
    });
    sweep
}

fn results(sweep: &Sweep) -> PathBuf {
    sweep.folder.path().join("results/tiny")
}

/// Every file in a folder, by name.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let file = |entry: fs::DirEntry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        Some((name, fs::read(entry.path()).ok()?))
    };
    entries.filter_map(file).collect()
}

/// Records by name, without temporary files and notes.
fn records(sweep: &Sweep) -> BTreeMap<String, Vec<u8>> {
    let mut records = files(&results(sweep).join("records"));
    records.retain(|name, _| !name.starts_with('.') && Path::new(name).extension().is_some_and(|end| end == "json"));
    records
}

/// All tables, without temporary files that a kill left behind, `cells` without the columns in `measured`.
fn tables(sweep: &Sweep, measured: &[&str]) -> BTreeMap<String, String> {
    let mut tables = files(&results(sweep).join("tables"));
    tables.retain(|name, _| !name.starts_with('.'));
    assert!(tables.len() >= 14, "{:?}", tables.keys());
    tables.remove("cells.parquet");
    let text = |(name, bytes): (String, Vec<u8>)| {
        let Ok(text) = String::from_utf8(bytes.clone()) else {
            return (name, format!("{bytes:?}"));
        };
        if name != "cells.csv" {
            return (name, text);
        }
        let head: Vec<&str> = text.lines().next().unwrap().split(',').collect();
        let kept = |line: &str| {
            let cells = line
                .split(',')
                .zip(&head)
                .filter(|(_, column)| !measured.contains(column));
            cells.map(|(cell, _)| cell).collect::<Vec<_>>().join(",")
        };
        (name, text.lines().map(kept).collect::<Vec<_>>().join("\n"))
    };
    tables.into_iter().map(text).collect()
}

/// Measured, and so never the same twice.
const TIMES: &[&str] = &["seconds", "peak_memory_bytes"];

/// With several workers, which of two cells with an equal mask was evaluated and which shared is chance too.
const COSTS: &[&str] = &["seconds", "peak_memory_bytes", "tokens"];

fn assert_equal(found: &BTreeMap<String, String>, expected: &BTreeMap<String, String>, what: &str) {
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (name, table) in expected {
        assert!(
            found[name] == *table,
            "{what}: {name} differs:\n{}\n---\n{table}",
            found[name]
        );
    }
}

fn secateur(sweep: &Sweep, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_secateur"));
    command.current_dir(sweep.folder.path()).args(words);
    command
}

fn start(sweep: &Sweep) -> Child {
    let mut command = sweep.command();
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// The numbers of the line that a run ends with: evaluated, shared, done before, failed.
fn counts(output: &Output) -> [usize; 4] {
    let text = stdout(output);
    let numbers = text
        .lines()
        .next()
        .unwrap()
        .split(' ')
        .filter_map(|word| word.parse().ok());
    numbers.collect::<Vec<usize>>().try_into().unwrap()
}

fn wait_until(limit: Duration, mut happened: impl FnMut() -> bool) {
    let started = Instant::now();
    while !happened() {
        assert!(started.elapsed() < limit, "it did not happen within {limit:?}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// splitmix64: what is killed when is the same in every run of the tests, as far as the machine's speed is.
struct Dice(u64);

impl Dice {
    /// From 0 to below 1.
    fn roll(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// How often a sweep is killed: `SECATEUR_KILLS`, or a few times.
fn kills() -> usize {
    let asked = std::env::var("SECATEUR_KILLS").ok();
    asked.map_or(8, |number| number.parse().unwrap())
}

#[test]
fn killed_at_random_points_a_sweep_loses_nothing_and_ends_in_the_same_tables() {
    let whole = demo();
    let started = Instant::now();
    let [evaluated, shared, _, _] = counts(&whole.run());
    let took = started.elapsed().as_secs_f64();
    assert_eq!(evaluated + shared, 24);
    let expected = tables(&whole, TIMES);
    let (mut dice, mut killed, mut sweeps) = (Dice(7), 0, 0);
    while killed < kills() {
        let sweep = demo();
        let mut before = BTreeMap::new();
        loop {
            let mut child = start(&sweep);
            let delay = if killed < kills() {
                took * dice.roll() * 0.8
            } else {
                3600.0
            };
            let started = Instant::now();
            while child.try_wait().unwrap().is_none() && started.elapsed().as_secs_f64() < delay {
                std::thread::sleep(Duration::from_millis(1));
            }
            let ended = child.try_wait().unwrap().is_some();
            child.kill().unwrap();
            let output = child.wait_with_output().unwrap();
            let now = records(&sweep);
            for (name, bytes) in &before {
                assert!(
                    now.get(name) == Some(bytes),
                    "record {name} was there before, and is gone or another"
                );
            }
            if ended {
                stdout(&output);
                break;
            }
            before = now;
            killed += 1;
        }
        assert_eq!(records(&sweep).len(), 24);
        assert_equal(&tables(&sweep, TIMES), &expected, &format!("after {killed} kills"));
        let left: Vec<String> = files(&results(&sweep).join("answers")).into_keys().collect();
        assert!(left.iter().all(|name| !name.starts_with(".partial-")), "{left:?}");
        sweeps += 1;
    }
    println!("{killed} kills in {sweeps} sweeps");
}

#[test]
fn workers_evaluate_each_cell_once() {
    let whole = demo();
    let [evaluated, shared, ..] = counts(&whole.run());
    let expected = tables(&whole, COSTS);
    for workers in [2, 4, 8] {
        let sweep = demo();
        let children: Vec<Child> = (0..workers).map(|_| start(&sweep)).collect();
        let outputs: Vec<Output> = children
            .into_iter()
            .map(|child| child.wait_with_output().unwrap())
            .collect();
        let all: Vec<[usize; 4]> = outputs.iter().map(counts).collect();
        let sum = |place: usize| all.iter().map(|counts| counts[place]).sum::<usize>();
        assert_eq!(
            (sum(0), sum(1), sum(3)),
            (evaluated, shared, 0),
            "{workers} workers: {all:?}"
        );
        assert!(all.iter().all(|counts| counts.iter().sum::<usize>() == 24), "{all:?}");
        assert_equal(&tables(&sweep, COSTS), &expected, &format!("{workers} workers"));
        assert!(files(&results(&sweep).join("claims")).is_empty());
    }
}

#[test]
fn a_dead_workers_cell_is_taken_over() {
    let whole = demo();
    stdout(&whole.run());
    let sweep = demo();
    let mut dying = start(&sweep);
    let claimed = || {
        let claims = files(&results(&sweep).join("claims")).into_keys();
        claims.filter(|name| name.len() == 64).count()
    };
    wait_until(Duration::from_mins(5), || claimed() > 0);
    let others: Vec<Child> = (0..3).map(|_| start(&sweep)).collect();
    wait_until(Duration::from_mins(5), || records(&sweep).len() > 2);
    dying.kill().unwrap();
    dying.wait().unwrap();
    for child in others {
        let counts = counts(&child.wait_with_output().unwrap());
        assert_eq!(counts.iter().sum::<usize>(), 24);
    }
    assert_eq!(records(&sweep).len(), 24);
    assert_equal(&tables(&sweep, COSTS), &tables(&whole, COSTS), "after a death");
}

#[cfg(unix)]
#[test]
fn sigterm_stops_behind_a_chunk_and_the_cell_goes_on_there() {
    let sweep = Sweep::new();
    let colour = |i: usize| format!(r#"{{"id":"c{i}","question":"What is {i}?","choices":["red","blue"],"label":0}}"#);
    sweep.write("colours.jsonl", &(0..2000).map(colour).collect::<Vec<_>>().join("\n"));
    sweep.definition(|text| {
        text.replace("ratios = [0.25, 0.5]", "ratios = [0.5]")
            .replace("[[tasks]]\nname = \"words\"\n", "")
    });
    let child = start(&sweep);
    let answers = results(&sweep).join("answers");
    wait_until(Duration::from_mins(5), || {
        let partial = files(&answers)
            .into_iter()
            .find(|(name, _)| name.starts_with(".partial-"));
        partial.is_some_and(|(_, bytes)| String::from_utf8_lossy(&bytes).lines().count() > 1)
    });
    let kill = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
    assert!(kill.unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("goes on from here"));
    assert!(files(&results(&sweep).join("claims")).is_empty());
    let resumed = sweep.run();
    stdout(&resumed);
    let said = String::from_utf8_lossy(&resumed.stderr).into_owned();
    assert!(
        said.contains("going on behind ") && said.contains(" of 2000 answers"),
        "{said}"
    );
    let whole = tempfile::tempdir().unwrap();
    let other = whole.path().display().to_string();
    stdout(
        &secateur(&sweep, &["sweep", "sweep.toml", "--results", &other])
            .output()
            .unwrap(),
    );
    for (name, bytes) in files(&answers) {
        assert!(
            bytes == fs::read(whole.path().join("tiny/answers").join(&name)).unwrap(),
            "{name} differs"
        );
    }
    for table in ["metrics.csv", "regressions.csv", "diagrams.csv"] {
        let read = |folder: &Path| fs::read(folder.join("tables").join(table)).unwrap();
        assert!(
            read(&results(&sweep)) == read(&whole.path().join("tiny")),
            "{table} differs"
        );
    }
}

#[test]
fn shards_and_cells_by_id_come_together_in_reduce() {
    let whole = demo();
    stdout(&whole.run());
    let sweep = demo();
    let run = |words: &[&str]| {
        secateur(&sweep, &[words, &["--results", "results"]].concat())
            .output()
            .unwrap()
    };
    let json = |words: &[&str]| -> serde_json::Value { serde_json::from_str(&stdout(&run(words))).unwrap() };
    let plan = json(&["sweep", "plan", "sweep.toml", "--json"]);
    let cells = plan["cells"].as_array().unwrap();
    assert_eq!(cells.len(), 24);
    assert!(
        !sweep.folder.path().join("results").exists(),
        "planning wrote something"
    );
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let last = text(&cells[23]["id"]);
    // The pruned cell alone, with the unpruned one that it is compared with.
    let one = run(&["sweep", "run", "sweep.toml", "--cell", &last]);
    assert!(stdout(&one).starts_with("2 cells evaluated"), "{one:?}");
    assert!(stdout(&run(&["sweep", "run", "sweep.toml", "--cell", &last])).starts_with("0 cells evaluated"));
    let status = json(&["sweep", "status", "sweep.toml", "--json", "--shards", "3"]);
    assert_eq!((&status["done"], &status["complete"]), (&2.into(), &false.into()));
    assert_eq!(status["shards_not_done"], serde_json::json!([0, 1, 2]));
    let early = run(&["sweep", "reduce", "sweep.toml"]);
    let said = String::from_utf8_lossy(&early.stderr).into_owned();
    assert_eq!(early.status.code(), Some(5));
    assert!(
        said.contains("22 of 24 cells are missing") && said.contains("--allow-missing"),
        "{said}"
    );
    assert!(!results(&sweep).join("report").exists());
    for shard in ["0/3", "2/3", "1/3"] {
        stdout(&run(&["sweep", "run", "sweep.toml", "--shard", shard]));
        assert!(!results(&sweep).join("report").exists());
    }
    let status = json(&["sweep", "status", "sweep.toml", "--json", "--shards", "3"]);
    assert_eq!(
        (&status["done"], &status["complete"]),
        (&24.into(), &true.into()),
        "{status}"
    );
    assert_eq!(status["shards_not_done"], serde_json::json!([]));
    assert!(stdout(&run(&["sweep", "reduce", "sweep.toml"])).contains("index.html"));
    assert_equal(&tables(&sweep, COSTS), &tables(&whole, COSTS), "in shards");
    let again = json(&["sweep", "plan", "sweep.toml", "--json"]);
    let ids = |plan: &serde_json::Value| -> Vec<String> {
        plan["cells"]
            .as_array()
            .unwrap()
            .iter()
            .map(|cell| text(&cell["id"]))
            .collect()
    };
    assert_eq!(ids(&plan), ids(&again));
    assert!(
        again["cells"]
            .as_array()
            .unwrap()
            .iter()
            .all(|cell| cell["done"] == true && cell["seconds"].is_number())
    );
    for (words, part) in [
        (["--cell", "0123456789abcdef"], "no cell of this sweep"),
        (["--shard", "3/3"], "no shard 3 of 3"),
    ] {
        let refused = run(&[["sweep", "run", "sweep.toml"].as_slice(), &words].concat());
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && said.contains(part), "{said}");
    }
}
