//! Watching a sweep: JSON for programs on stdout, lines for people on stderr, and silence.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Output;

use serde_json::Value;

mod tiny;

use tiny::{Sweep, stdout};

/// The events that a sweep printed; stdout holds nothing else, and each has a time.
fn events(output: &Output) -> Vec<Value> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let parse = |line: &str| -> Value { serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")) };
    let events: Vec<Value> = text.lines().map(parse).collect();
    for event in &events {
        let time = event["time"].as_str().unwrap();
        assert!(
            time.len() == "2026-01-01T00:00:00.000Z".len() && time.ends_with('Z'),
            "{time}"
        );
        assert!(event["event"].is_string(), "{event}");
    }
    let times: Vec<&str> = events.iter().map(|event| event["time"].as_str().unwrap()).collect();
    assert!(times.is_sorted(), "{times:?}");
    events
}

fn run(sweep: &Sweep, words: &[&str]) -> Output {
    sweep.command().args(words).output().unwrap()
}

fn of<'a>(events: &'a [Value], name: &str) -> Vec<&'a Value> {
    events.iter().filter(|event| event["event"] == name).collect()
}

fn number(event: &Value, field: &str) -> u64 {
    event[field].as_u64().unwrap_or_else(|| panic!("{field} of {event}"))
}

fn text(event: &Value, field: &str) -> String {
    event[field]
        .as_str()
        .unwrap_or_else(|| panic!("{field} of {event}"))
        .to_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// How many cells were done by what, as single events tell.
fn ways(events: &[Value]) -> BTreeMap<String, u64> {
    let mut ways = BTreeMap::new();
    for done in of(events, "cell_done") {
        *ways.entry(text(done, "how")).or_default() += 1;
    }
    ways
}

#[test]
fn programs_are_told_everything_once() {
    let sweep = Sweep::new();
    let output = run(&sweep, &["--json"]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(stderr(&output), "");
    let events = events(&output);
    let (first, last) = (&events[0], events.last().unwrap());
    assert_eq!(
        (&first["event"], &last["event"]),
        (&"sweep_started".into(), &"finished".into())
    );
    assert_eq!(number(first, "version"), 1);
    assert_eq!((number(first, "cells"), number(first, "done_before")), (14, 0));
    assert_eq!(first["models"], serde_json::json!(["tiny-olmoe"]));
    assert_eq!(first["tasks"], serde_json::json!(["colours", "words"]));
    assert!(!text(first, "device").is_empty());
    assert_eq!(first["seconds_left"], Value::Null);

    // Counts add up, one by one and together.
    let ways = ways(&events);
    for (way, field) in [("evaluated", "evaluated"), ("shared", "shared"), ("found", "found")] {
        let counted = ways.get(way).copied().unwrap_or_default();
        assert_eq!(number(last, field), counted, "{way}");
    }
    assert_eq!((ways.values().sum::<u64>(), number(last, "failed")), (14, 0));
    assert_eq!(last["interrupted"], false);
    assert!(text(last, "report").ends_with("index.html"));
    let done = of(&events, "cell_done");
    let counts: Vec<u64> = done.iter().map(|event| number(event, "cells_done")).collect();
    assert_eq!(counts, (1..=14).collect::<Vec<u64>>());

    // The keys are those of the records, and tokens and items theirs.
    let directory = sweep.folder.path().join("results/tiny");
    let keys: BTreeSet<String> = done.iter().map(|event| text(event, "key")).collect();
    assert_eq!(keys.len(), 14);
    for event in &done {
        let path = directory.join("records").join(format!("{}.json", text(event, "key")));
        let record: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        assert_eq!(number(event, "n"), 12);
        assert_eq!(event["tokens"], record["record"]["cost"]["tokens"]);
        let evaluated = event["how"] == "evaluated";
        assert_eq!(event["tokens_per_second"].is_number(), evaluated, "{event}");
        assert_eq!(number(event, "tokens") > 0, evaluated, "{event}");
        assert!(
            event["seconds_left"].as_f64().is_some_and(|left| left >= 0.0),
            "{event}"
        );
    }
    assert_eq!(done[13]["seconds_left"], 0.0);

    // What is evaluated begins before it is done; one model, one pass.
    let begun: BTreeSet<String> = of(&events, "cell_begun")
        .iter()
        .map(|event| text(event, "key"))
        .collect();
    let evaluated = done.iter().filter(|event| event["how"] == "evaluated");
    assert_eq!(begun, evaluated.map(|event| text(event, "key")).collect());
    assert_eq!(of(&events, "model_loaded").len(), 1);
    let passes = of(&events, "calibration_done");
    assert_eq!((passes.len(), of(&events, "calibration_begun").len()), (1, 1));
    assert_eq!(text(passes[0], "corpus"), "letters");
    assert!(number(passes[0], "tokens") > 0);

    // Again: all is found, no model is loaded, and nothing is left from the beginning.
    let output = run(&sweep, &["--json"]);
    let events = self::events(&output);
    assert_eq!(
        (number(&events[0], "done_before"), &events[0]["seconds_left"]),
        (14, &0.0.into())
    );
    assert_eq!(self::ways(&events), BTreeMap::from([("found".to_owned(), 14)]));
    assert!(of(&events, "model_loaded").is_empty() && of(&events, "cell_begun").is_empty());
}

#[test]
fn a_part_counts_the_unpruned_cell_that_it_needs() {
    let sweep = Sweep::new();
    let secateur = |words: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_secateur"));
        command.current_dir(sweep.folder.path()).args(words);
        command.output().unwrap()
    };
    let plan = secateur(&["sweep", "plan", "sweep.toml", "--results", "results", "--json"]);
    let plan: Value = serde_json::from_str(&stdout(&plan)).unwrap();
    let id = text(&plan["cells"][13], "id");
    let words = [
        "sweep",
        "run",
        "sweep.toml",
        "--results",
        "results",
        "--json",
        "--cell",
        &id,
    ];
    let events = events(&secateur(&words));
    let last = events.last().unwrap();
    assert_eq!((number(&events[0], "cells"), number(last, "evaluated")), (2, 2));
    assert_eq!(last["report"], Value::Null);
    // Its siblings are known by what these two took, from before the first cell.
    let events = self::events(&run(&sweep, &["--json"]));
    assert_eq!(number(&events[0], "done_before"), 2);
    assert!(
        events[0]["seconds_left"].as_f64().is_some_and(|left| left > 0.0),
        "{}",
        events[0]
    );
}

#[test]
fn workers_beside_each_other_tell_each_cell_once() {
    let sweep = Sweep::new();
    let start = || {
        let mut command = sweep.command();
        let pipe = std::process::Stdio::piped;
        command.arg("--json").stdout(pipe()).stderr(pipe()).spawn().unwrap()
    };
    let children = [start(), start()];
    let outputs = children.map(|child| child.wait_with_output().unwrap());
    let mut keys = Vec::new();
    for output in &outputs {
        let events = events(output);
        assert_eq!(of(&events, "cell_done").len(), 14);
        let now = of(&events, "cell_done")
            .into_iter()
            .filter(|event| event["how"] != "found");
        keys.extend(now.map(|event| text(event, "key")));
        for event in of(&events, "put_off") {
            assert!(text(event, "reason").contains("is at"), "{event}");
        }
    }
    let distinct: BTreeSet<&String> = keys.iter().collect();
    assert_eq!((keys.len(), distinct.len()), (14, 14));
}

#[test]
fn people_get_one_line_per_cell_where_there_is_no_terminal() {
    let sweep = Sweep::new();
    let output = sweep.run();
    let printed = stdout(&output);
    assert!(
        printed.lines().next().unwrap().ends_with(" 0 done before, 0 failed"),
        "{printed}"
    );
    let said = stderr(&output);
    assert!(!said.contains('\u{1b}'), "{said}");
    assert!(said.starts_with("sweep `tiny` on "), "{said}");
    for number in 1..=14 {
        assert_eq!(said.matches(&format!("[{number}/14] ")).count(), 1, "{said}");
    }
    assert!(said.contains("12 items, ") && said.contains(" tokens/s"), "{said}");
    assert!(said.contains("tiny-olmoe: calibrating on letters, seed 0: "), "{said}");
    // First line, model, two of the pass, cells; a slow machine may say how far something is.
    let ticks = [" of 12 items", " of 8 samples"];
    let lines = said
        .lines()
        .filter(|line| !ticks.iter().any(|tick| line.contains(tick)));
    assert_eq!(lines.count(), 1 + 1 + 2 + 14, "{said}");
}

#[test]
fn quiet_is_silent_but_for_warnings_and_errors() {
    let sweep = Sweep::new();
    let output = run(&sweep, &["-q"]);
    assert_eq!(stderr(&output), "");
    assert!(stdout(&output).contains(" cells evaluated, "));
    let records = sweep.folder.path().join("results/tiny/records");
    let record = fs::read_dir(&records).unwrap().flatten().map(|entry| entry.path());
    let record = record
        .into_iter()
        .find(|path| path.extension().is_some_and(|end| end == "json"));
    fs::write(record.unwrap(), "{}").unwrap();
    let said = stderr(&run(&sweep, &["--quiet"]));
    assert!(
        !said.is_empty() && said.lines().all(|line| line.starts_with("warning: ")),
        "{said}"
    );
    // Events are data, and not what is said beside them.
    let both = run(&sweep, &["--quiet", "--json"]);
    assert_eq!((both.status.code(), stderr(&both).as_str()), (Some(0), ""));
    assert_eq!(events(&both).last().unwrap()["event"], "finished");
}

#[test]
fn an_error_that_ends_the_sweep_is_the_last_event() {
    let sweep = Sweep::new();
    stdout(&run(&sweep, &["--quiet"]));
    // A file where a folder should be.
    let rankings = sweep.folder.path().join("results/tiny/rankings");
    assert!(rankings.is_dir(), "rankings are somewhere else");
    fs::remove_dir_all(&rankings).unwrap();
    fs::write(&rankings, "").unwrap();
    let output = run(&sweep, &["--json"]);
    assert_eq!(output.status.code(), Some(1));
    let events = events(&output);
    let last = events.last().unwrap();
    assert_eq!(
        (&events[0]["event"], &last["event"]),
        (&"sweep_started".into(), &"stopped".into())
    );
    let said = stderr(&output);
    assert_eq!(said, format!("error: {}\n", text(last, "message")));
    // Before it begins there is no event.
    sweep.definition(|definition| definition.replace("\"reap\"", "\"raep\""));
    let refused = run(&sweep, &["--json"]);
    assert_eq!((refused.status.code(), refused.stdout.len()), (Some(1), 0));
}

#[cfg(unix)]
#[test]
fn an_interrupted_sweep_says_how_to_go_on() {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};

    let sweep = Sweep::new();
    let colour = |i: usize| format!(r#"{{"id":"c{i}","question":"What is {i}?","choices":["red","blue"],"label":0}}"#);
    sweep.write("colours.jsonl", &(0..2000).map(colour).collect::<Vec<_>>().join("\n"));
    sweep.definition(|text| {
        text.replace("[\"reap\", \"frequency\", \"random\"]", "[\"random\"]")
            .replace("ratios = [0.25, 0.5]", "ratios = [0.5]")
            .replace("[[tasks]]\nname = \"words\"\n", "")
    });
    let mut child = sweep
        .command()
        .arg("--json")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut told: Vec<String> = Vec::new();
    for line in lines.by_ref() {
        let begun = line.contains("\"cell_begun\"");
        told.push(line);
        if begun {
            break;
        }
    }
    let kill = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
    assert!(kill.unwrap().success());
    told.extend(lines);
    assert_eq!(child.wait().unwrap().code(), Some(130), "{told:?}");
    let events: Vec<Value> = told.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let interrupted = of(&events, "interrupted");
    assert_eq!(interrupted.len(), 1);
    assert!(text(interrupted[0], "message").contains("the same command goes on from there"));
    let last = events.last().unwrap();
    assert_eq!(
        (&last["event"], &last["interrupted"]),
        (&"finished".into(), &true.into())
    );
    assert!(number(last, "evaluated") < 2);
    // The cell goes on behind what was kept, if anything was.
    let kept = fs::read_dir(sweep.folder.path().join("results/tiny/answers"))
        .unwrap()
        .flatten();
    let kept = kept.filter(|entry| entry.file_name().to_string_lossy().starts_with(".partial-"));
    let kept: u64 = kept.map(|entry| entry.metadata().unwrap().len()).sum();
    let again = self::events(&run(&sweep, &["--json"]));
    let done = number(of(&again, "cell_begun")[0], "items_done");
    assert_eq!(kept > 0, done > 0, "{kept} bytes were kept");
    assert_eq!(number(again.last().unwrap(), "failed"), 0);
    assert_eq!(of(&again, "cell_done").len(), 2);
}
