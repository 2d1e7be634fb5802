//! The program as a user runs it, on a tiny checkpoint of the real layout.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

mod tiny;

use tiny::{Sweep, checkpoint, stdout};

#[test]
fn a_sweep_ends_in_a_report_and_a_finished_one_does_nothing() {
    let sweep = Sweep::new();
    let first = stdout(&sweep.run());
    // (unpruned + 3 methods × 2 fractions) × 2 tasks
    assert!(
        first.contains("14 cells evaluated") || first.contains("shared with an equal mask"),
        "{first}"
    );
    assert!(sweep.folder.path().join("results/tiny/report/index.html").exists());
    // Records of pruned cells say what changed item by item; those of choices keep diagrams.
    let tables = |name: &str| fs::read_to_string(sweep.folder.path().join("results/tiny/tables").join(name)).unwrap();
    let regressions = tables("regressions.csv");
    for kind in [
        "colours,biomedical",
        "right_to_wrong",
        "wrong_to_right",
        "answered_to_truncated",
    ] {
        assert!(regressions.contains(kind), "no `{kind}` in\n{regressions}");
    }
    assert!(tables("diagrams.csv").contains(",risk_coverage,") && tables("risk_ratios.csv").lines().count() > 1);
    let second = stdout(&sweep.run());
    assert!(
        second.starts_with("0 cells evaluated, 0 shared with an equal mask, 14 done before"),
        "{second}"
    );
}

#[test]
fn the_answer_is_printed_from_records_alone() {
    let sweep = Sweep::new();
    stdout(&sweep.run());
    let safe = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_secateur"));
        command
            .current_dir(sweep.folder.path())
            .args(["safe", "results/tiny"])
            .args(words);
        command.output().unwrap()
    };
    let printed = stdout(&safe(&[]));
    for part in [
        "Margins: shares 0.05",
        "tiny-olmoe, biomedical",
        "tiny-olmoe, general",
        "ends at 25 %: ",
    ] {
        assert!(printed.contains(part), "no `{part}` in\n{printed}");
    }
    let answers: serde_json::Value =
        serde_json::from_str(&stdout(&safe(&["--json", "--margin", "1", "--alpha", "0.1"]))).unwrap();
    let answers = answers["answers"].as_array().unwrap();
    assert_eq!(answers.len(), 6);
    assert!(
        answers.iter().all(|answer| answer["safe_fraction"] == 0.5),
        "no loss exceeds the whole: {answers:?}"
    );
    let refused = safe(&["--margin", "acuracy=0.1"]);
    let message = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success() && message.contains("did you mean `accuracy`"),
        "{message}"
    );
    // Other margins: nothing is evaluated, the report is drawn again.
    sweep.definition(|text| text.replace("[[models]]", "[safe]\nmargins = { default = 0.25 }\n[[models]]"));
    assert!(stdout(&sweep.run()).starts_with("0 cells evaluated"));
    let page = fs::read_to_string(sweep.folder.path().join("results/tiny/report/report.md")).unwrap();
    assert!(page.contains("Margins: 0.25."), "{page}");
    // A margin of a metric that no task of the sweep has.
    let margins = "[safe]\nmargins = { default = 0.25, bits_per_byte = \"10 %\" }\n[[models]]";
    sweep.definition(|text| text.replace("[[models]]", margins));
    assert!(stdout(&sweep.run()).starts_with("0 cells evaluated"));
    assert!(stdout(&safe(&[])).contains("bits_per_byte 10 %"));
}

#[test]
fn records_are_browsed_cell_by_cell_and_item_by_item() {
    let sweep = Sweep::new();
    stdout(&sweep.run());
    let inspect = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_secateur"));
        command
            .current_dir(sweep.folder.path())
            .args(["inspect", "results/tiny"])
            .args(words);
        command.output().unwrap()
    };
    let json = |words: &[&str]| -> serde_json::Value { serde_json::from_str(&stdout(&inspect(words))).unwrap() };
    let printed = stdout(&inspect(&[]));
    assert!(
        printed.contains("14 cells") && printed.contains("unpruned"),
        "{printed}"
    );
    let listed = json(&["--json", "--task", "colours", "--method", "reap,unpruned"]);
    let cells = listed["cells"].as_array().unwrap();
    let removed: Vec<f64> = cells
        .iter()
        .map(|cell| cell["fraction_removed"].as_f64().unwrap())
        .collect();
    assert_eq!(removed, [0.0, 0.25, 0.5], "{listed:#}");
    assert!(cells[2]["metrics"][0]["difference"].is_number(), "{listed:#}");

    let id = cells[2]["id"].as_str().unwrap();
    let whole = json(&[id, "--json"]);
    assert_eq!(whole["items"]["total"], 12, "{whole:#}");
    for item in whole["items"]["entries"].as_array().unwrap() {
        assert!(item["unpruned"].is_string() && item["gold"][0].is_string(), "{item:#}");
        assert_ne!(item["change"], "unjudged");
    }
    let lost = json(&[id, "--json", "--items", "right-to-wrong"]);
    let lost = lost["items"]["entries"].as_array().unwrap().clone();
    assert!(lost.iter().all(|item| item["change"] == "right-to-wrong"), "{lost:#?}");
    let printed = stdout(&inspect(&[id]));
    for part in ["prompt", "gold", "unpruned", "page 1 of 2", "What colour"] {
        assert!(printed.contains(part), "no `{part}` in\n{printed}");
    }
    for (words, part) in [
        (["--task", "colour"], "did you mean `colours`"),
        (["--ratio", "0.3"], "0.25"),
        (["--page", "9"], "no such page"),
    ] {
        let refused = inspect(&words);
        let message = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(refused.status.code() == Some(1) && message.contains(part), "{message}");
    }
}

#[test]
fn what_counts_as_safe_is_checked_before_anything_runs() {
    let sweep = Sweep::new();
    for (section, part) in [
        (
            "reliability = [\"expected_calibration_eror\"]",
            "did you mean `expected_calibration_error`",
        ),
        (
            "reliability = [\"false_abstention_rte\"]",
            "did you mean `false_abstention_rate`",
        ),
        ("margins = { accuracy = \"much\" }", "safe.margins.accuracy is \"much\""),
        ("alfa = 0.05", "did you mean `alpha`"),
        ("domain = \"biomedicine\"", "the tasks are of biomedical, general"),
    ] {
        sweep.definition(|text| text.replace("[[models]]", &format!("[safe]\n{section}\n[[models]]")));
        let message = sweep.refusal();
        assert!(message.contains(part) && message.contains("sweep.toml"), "{message}");
    }
}

#[test]
fn equal_masks_are_evaluated_once() {
    let sweep = Sweep::new();
    // Of 8 experts both fractions remove 2.
    sweep.definition(|text| text.replace("ratios = [0.25, 0.5]", "ratios = [0.25, 0.26]"));
    let printed = stdout(&sweep.run());
    assert!(
        printed.starts_with("8 cells evaluated, 6 shared with an equal mask"),
        "{printed}"
    );
    let cells = fs::read_to_string(sweep.folder.path().join("results/tiny/tables/cells.csv")).unwrap();
    assert_eq!(cells.lines().count(), 1 + 14);
}

#[test]
fn several_domains_calibrate_one_ranking() {
    let sweep = Sweep::new();
    sweep.write(
        "other.jsonl",
        "{\"instruction\":\"Count.\",\"input\":\"\",\"output\":\"one two three\"}\n",
    );
    sweep.definition(|text| {
        text.replace(
            "calibrate_on = [\"letters\"]",
            "calibrate_on = [\"letters\", \"letters+other\"]",
        )
        .replace(
            "[[tasks]]\nname = \"colours\"",
            "[[corpora]]\nname = \"other\"\nfile = \"other.jsonl\"\nsamples = 1\n[[tasks]]\nname = \"colours\"",
        )
        .replace(
            "methods = [\"reap\", \"frequency\", \"random\"]",
            "methods = [\"reap\"]",
        )
    });
    let printed = stdout(&sweep.run());
    assert!(printed.contains(" 0 failed"), "{printed}");
    let cells = fs::read_to_string(sweep.folder.path().join("results/tiny/tables/cells.csv")).unwrap();
    assert_eq!(cells.matches("letters+other").count(), 4, "{cells}");
}

#[test]
fn two_runs_give_the_same_tables() {
    let (a, b) = (Sweep::new(), Sweep::new());
    stdout(&a.run());
    stdout(&b.run());
    assert_eq!(sorted_without_cost(&a.table()), sorted_without_cost(&b.table()));
}

/// The table's rows, without what was measured.
fn sorted_without_cost(table: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(table);
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

#[test]
fn a_killed_sweep_goes_on_to_the_same_tables() {
    let whole = Sweep::new();
    stdout(&whole.run());
    let killed = Sweep::new();
    let records = killed.folder.path().join("results/tiny/records");
    let finished = || {
        fs::read_dir(&records).map_or(0, |entries| {
            entries
                .flatten()
                .filter(|e| e.path().extension().is_some_and(|x| x == "json"))
                .count()
        })
    };
    for target in [2, 6] {
        let mut child = killed
            .command()
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let started = Instant::now();
        while finished() < target && child.try_wait().unwrap().is_none() && started.elapsed() < Duration::from_mins(2) {
            std::thread::sleep(Duration::from_millis(2));
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    stdout(&killed.run());
    assert_eq!(
        sorted_without_cost(&whole.table()),
        sorted_without_cost(&killed.table())
    );
}

#[cfg(unix)]
#[test]
fn ctrl_c_keeps_what_is_done() {
    let sweep = Sweep::new();
    let child = sweep
        .command()
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let records = sweep.folder.path().join("results/tiny/records");
    let started = Instant::now();
    while fs::read_dir(&records).map_or(0, Iterator::count) == 0 && started.elapsed() < Duration::from_mins(2) {
        std::thread::sleep(Duration::from_millis(2));
    }
    let status = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(status.success());
    let output = child.wait_with_output().unwrap();
    // A machine fast enough to finish first is no failure of the program.
    if output.status.code() == Some(130) {
        assert!(String::from_utf8_lossy(&output.stdout).contains("goes on from here"));
    } else {
        assert!(output.status.success());
    }
    assert!(stdout(&sweep.run()).contains("0 failed"));
}

#[test]
fn dry_run_prints_cells_memory_and_time() {
    let sweep = Sweep::new();
    let text = stdout(&sweep.command().arg("--dry-run").output().unwrap());
    for part in [
        "1 models × 7 masks × 2 tasks = 14 cells",
        "MB mapped",
        "pass by pass: the weights stay in memory",
        "in all at most",
    ] {
        assert!(text.contains(part), "`{part}` is missing in {text}");
    }
    assert!(!sweep.folder.path().join("results").exists());
}

/// Each with what its message must say: where, what was found, what was expected.
#[test]
fn bad_sweeps_are_refused_with_one_clear_message() {
    let cases: [(&str, &str, &[&str]); 12] = [
        (
            "ratios = [0.25, 0.5]",
            "ratio = [0.25]",
            &["sweep.toml", "ratio", "ratios"],
        ),
        ("ratios = [0.25, 0.5]", "ratios = [0.25, 1.0]", &["1", "outside [0, 1)"]),
        (
            "ratios = [0.25, 0.5]",
            "ratios = [0.25, -0.1]",
            &["-0.1", "outside [0, 1)"],
        ),
        (
            "ratios = [0.25, 0.5]",
            "ratios = [0.5, 0.5]",
            &["ratios", "0.5", "twice"],
        ),
        (
            "ratios = [0.25, 0.5]",
            "ratios = [0.875]",
            &["0.875", "routed to 2", "0.75"],
        ),
        ("\"reap\", ", "\"reapp\", ", &["reapp", "reap"]),
        ("\"reap\", ", "\"reap@papr\", ", &["reap@papr", "reap@paper"]),
        (
            "calibrate_on = [\"letters\"]",
            "calibrate_on = [\"words\"]",
            &["words", "letters"],
        ),
        ("name = \"colours\"", "name = \"colour\"", &["colour", "colours"]),
        ("corpus.jsonl", "nowhere.jsonl", &["nowhere.jsonl"]),
        ("checkpoint\"", "checkpoint/missing\"", &["checkpoint/missing"]),
        ("name = \"tiny\"", "name = \"a/b\"", &["a/b", "letters, digits"]),
    ];
    for (from, to, parts) in cases {
        let sweep = Sweep::new();
        sweep.definition(|text| text.replace(from, to));
        let message = sweep.refusal();
        for part in parts {
            assert!(message.contains(part), "{to}: `{part}` is missing in: {message}");
        }
        assert!(
            !sweep.folder.path().join("results/tiny/statistics").exists(),
            "{to}: calibration had started"
        );
    }
}

#[test]
fn bad_files_are_refused_with_one_clear_message() {
    let cases: [(&str, &str, &[&str]); 4] = [
        ("corpus.jsonl", "", &["corpus.jsonl"]),
        ("corpus.jsonl", "{\"text\": 1}\n", &["corpus.jsonl", "text"]),
        (
            "colours.jsonl",
            "{\"id\":\"a\",\"question\":\"q\",\"choices\":[\"x\",\"y\"]}\n",
            &["colours.jsonl", "label"],
        ),
        (
            "colours.jsonl",
            "{\"id\":\"a\",\"question\":\"q\",\"choices\":[\"x\",\"y\"],\"label\":2}\n",
            &["colours.jsonl", "label", "2"],
        ),
    ];
    for (file, text, parts) in cases {
        let sweep = Sweep::new();
        sweep.write(file, text);
        let message = sweep.refusal();
        for part in parts {
            assert!(message.contains(part), "{file}: `{part}` is missing in: {message}");
        }
    }
}

/// A copy of the checkpoint with one file changed.
fn broken_checkpoint(change: impl Fn(&Path)) -> (Sweep, tempfile::TempDir) {
    let copy = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(checkpoint()).unwrap().flatten() {
        fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
    }
    change(copy.path());
    let sweep = Sweep::new();
    sweep.definition(|text| text.replace(&checkpoint().display().to_string(), &copy.path().display().to_string()));
    (sweep, copy)
}

type Change = Box<dyn Fn(&Path)>;

#[test]
fn broken_checkpoints_are_refused_with_one_clear_message() {
    let shard = "model-00001-of-00003.safetensors";
    let edit = |file: &'static str, from: &'static str, to: &'static str| -> Change {
        Box::new(move |folder: &Path| {
            let text = fs::read_to_string(folder.join(file)).unwrap();
            assert!(text.contains(from), "{file} has no {from}");
            fs::write(folder.join(file), text.replacen(from, to, 1)).unwrap();
        })
    };
    let cases: Vec<(Change, &[&str])> = vec![
        (
            edit("config.json", "\"hidden_size\"", "\"hidden\""),
            &["config.json", "hidden_size", "missing"],
        ),
        (edit("config.json", "\"olmoe\"", "\"gpt9\""), &["gpt9", "qwen3_moe"]),
        (
            edit("config.json", "\"hidden_size\": 48", "\"hidden_size\": 96"),
            &["48", "96"],
        ),
        (
            edit("config.json", "\"hidden_act\": \"silu\"", "\"hidden_act\": \"gelu\""),
            &["hidden_act", "gelu", "silu"],
        ),
        (
            edit("model.safetensors.index.json", "model-00001", "../model-00001"),
            &["index.json", ".."],
        ),
        (edit("tokenizer.json", "{", "["), &["tokenizer.json"]),
        (
            Box::new(move |folder: &Path| {
                let bytes = fs::read(folder.join(shard)).unwrap();
                fs::write(folder.join(shard), &bytes[..bytes.len() - 100]).unwrap();
            }),
            &["model-00001-of-00003.safetensors"],
        ),
        (
            Box::new(move |folder: &Path| {
                let mut bytes = fs::read(folder.join(shard)).unwrap();
                let end = bytes.len();
                bytes[end - 2..].copy_from_slice(&half_nan());
                fs::write(folder.join(shard), bytes).unwrap();
            }),
            &["NaN"],
        ),
    ];
    for (index, (change, parts)) in cases.into_iter().enumerate() {
        let (sweep, _copy) = broken_checkpoint(change);
        let message = sweep.refusal();
        for part in parts {
            assert!(
                message.contains(part),
                "case {index}: `{part}` is missing in: {message}"
            );
        }
    }
}

/// bf16 NaN, little-endian.
fn half_nan() -> [u8; 2] {
    0x7fc0u16.to_le_bytes()
}

#[test]
fn a_directory_of_another_sweep_is_refused() {
    let sweep = Sweep::new();
    stdout(&sweep.run());
    sweep.definition(|text| text.replace("ratios = [0.25, 0.5]", "ratios = [0.25]"));
    let message = sweep.refusal();
    assert!(
        message.contains("results/tiny") && message.contains("sweep"),
        "{message}"
    );
}

#[test]
fn calibrate_and_prune_write_a_checkpoint_that_a_sweep_takes() {
    let sweep = Sweep::new();
    let secateur = |arguments: &[&str]| {
        let command = Command::new(env!("CARGO_BIN_EXE_secateur"))
            .current_dir(sweep.folder.path())
            .args(arguments)
            .output()
            .unwrap();
        stdout(&command)
    };
    let model = checkpoint().display().to_string();
    let options = [
        "--output",
        "out",
        "--samples",
        "8",
        "--no-chat-template",
        "--methods",
        "reap,aimer",
    ];
    let calibrate = [["calibrate", &model, "corpus.jsonl"].as_slice(), options.as_slice()].concat();
    let rankings = secateur(&calibrate);
    let ranking = rankings.lines().next().unwrap();
    let again = Command::new(env!("CARGO_BIN_EXE_secateur"))
        .current_dir(sweep.folder.path())
        .args(&calibrate)
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&again.stderr).trim(), "statistics found");
    assert_eq!(stdout(&again), rankings);
    secateur(&["prune", &model, "pruned", "--ranking", ranking, "--ratio", "0.5"]);
    let config = fs::read_to_string(sweep.folder.path().join("pruned/config.json")).unwrap();
    assert!(config.contains("\"num_experts\": 4"), "{config}");
    sweep.definition(|text| {
        let pruned = sweep.folder.path().join("pruned").display().to_string();
        text.replace(&model, &pruned).replace("[0.25, 0.5]", "[0.25]")
    });
    assert!(stdout(&sweep.run()).contains("0 failed"));
}

#[test]
fn a_model_is_found_in_the_hub_cache_by_its_id() {
    let sweep = Sweep::new();
    let repository = sweep.folder.path().join("hub/models--tiny--olmoe");
    let snapshot = repository.join("snapshots/0123456789abcdef0123456789abcdef01234567");
    fs::create_dir_all(&snapshot).unwrap();
    fs::create_dir_all(repository.join("refs")).unwrap();
    fs::write(repository.join("refs/main"), "0123456789abcdef0123456789abcdef01234567").unwrap();
    for entry in fs::read_dir(checkpoint()).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, snapshot.join(path.file_name().unwrap())).unwrap();
    }
    let model = checkpoint().display().to_string();
    let run = || {
        let mut command = sweep.command();
        command.env("HF_HUB_CACHE", sweep.folder.path().join("hub"));
        command.env("HF_HUB_OFFLINE", "1").output().unwrap()
    };
    sweep.definition(|text| text.replace(&model, "tiny/olmoe"));
    assert!(stdout(&run()).contains(" 0 failed"));
    sweep.definition(|text| text.replace(&model, "tiny/mixtral"));
    let refused = run();
    let message = String::from_utf8_lossy(&refused.stderr);
    assert!(
        !refused.status.success() && message.contains("tiny/mixtral is not complete in the cache"),
        "{message}"
    );
}

#[test]
fn generated_code_runs_only_when_asked_for() {
    let sweep = Sweep::new();
    sweep.definition(|text| text + "[[tasks]]\nname = \"humaneval\"\n");
    let message = sweep.refusal();
    assert!(
        message.contains("task `humaneval` runs code that the model writes")
            && message.contains("run_generated_code = true"),
        "{message}"
    );
    // Asked for, it is the files that are missing; or the sandbox, where there can be none.
    sweep.definition(|text| text + "[[tasks]]\nname = \"humaneval\"\nrun_generated_code = true\n");
    let message = sweep.refusal();
    assert!(
        message.contains("HumanEval.jsonl.gz does not exist") || message.contains("generated code"),
        "{message}"
    );
}
