//! Sweeps of served models, against a scripted server on loopback that talks as vLLM does;
//! `benchmarks/interop/served_engine.py` tries a real one.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

#[path = "../../evaluation/tests/served/loopback.rs"]
#[allow(dead_code)]
mod loopback;
mod tiny;

use loopback::{Reply, Server, well_behaved};
use tiny::{Sweep, stdout};

fn demo() -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../datasets/demo/models/demo-olmoe");
    path.canonicalize().unwrap()
}

fn server() -> Server {
    Server::new("vllm", |request, _| well_behaved(request))
}

/// A server that answers so many requests, and then closes every connection.
fn dying(requests: usize) -> Server {
    Server::new("vllm", move |request, number| match number {
        number if number < requests => well_behaved(request),
        _ => Reply {
            silent: true,
            ..Reply::default()
        },
    })
}

/// An address at which nobody is.
fn nobody() -> String {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}/v1", free.local_addr().unwrap())
}

/// A sweep with an export of half the demo's experts beside it.
fn sweep() -> Sweep {
    let sweep = Sweep::new();
    let model = demo().display().to_string();
    let export = ["prune", &model, "half", "--method", "random", "--ratio", "0.5"];
    stdout(&secateur(&sweep, &export));
    sweep
}

/// Writes the sweep file: the export, then what it is of, both behind `address`.
fn served_at(sweep: &Sweep, address: &str) {
    let engine =
        format!(r#"{{ openai = "{address}", model = "m", dtype = "bf16", attempts = 2, first_wait_s = 0.001 }}"#);
    let text = format!(
        r#"
name = "tiny"
cards = ["."]
bootstrap_samples = 50
[[models]]
name = "half"
path = "half"
of = "whole"
engine = {engine}
[[models]]
name = "whole"
path = "{}"
engine = {engine}
[[tasks]]
name = "colours"
[[tasks]]
name = "words"
"#,
        demo().display()
    );
    sweep.definition(|_| text.clone());
}

fn secateur(sweep: &Sweep, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_secateur"));
    command.current_dir(sweep.folder.path()).args(words).output().unwrap()
}

/// A command on the sweep.
fn on(sweep: &Sweep, words: &[&str]) -> Output {
    secateur(sweep, &[words, &["--results", "results"]].concat())
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn begins(output: &Output, counts: &str) {
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.starts_with(counts), "{said}{}", stderr(output));
}

fn results(sweep: &Sweep) -> PathBuf {
    sweep.folder.path().join("results/tiny")
}

/// Records by task and fraction.
fn records(sweep: &Sweep) -> BTreeMap<(String, String), Value> {
    let entries = fs::read_dir(results(sweep).join("records")).unwrap().flatten();
    let files = entries.map(|entry| entry.path());
    let read = |path: PathBuf| {
        let file: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        let cell = &file["record"]["cell"];
        let name = (
            cell["task"].as_str().unwrap().to_owned(),
            cell["fraction_removed"].to_string(),
        );
        (name, file["record"].clone())
    };
    files
        .filter(|path| path.extension().is_some_and(|end| end == "json"))
        .map(read)
        .collect()
}

/// Answers by the name of their record.
fn answers(sweep: &Sweep) -> BTreeMap<String, String> {
    let entries = fs::read_dir(results(sweep).join("answers")).unwrap().flatten();
    let text = |entry: fs::DirEntry| fs::read_to_string(entry.path()).unwrap();
    entries
        .map(|entry| (entry.file_name().to_string_lossy().into_owned(), text(entry)))
        .collect()
}

#[test]
fn a_served_export_is_compared_with_the_model_it_is_of_wherever_they_are_served() {
    let (sweep, server) = (sweep(), server());
    served_at(&sweep, &server.address());
    let run = sweep.run();
    stdout(&run);
    begins(
        &run,
        "4 cells evaluated, 0 shared with an equal mask, 0 done before, 0 failed",
    );
    let records = records(&sweep);
    let (whole, half) = (
        &records[&("words".to_owned(), "0.0".to_owned())],
        &records[&("words".to_owned(), "0.5".to_owned())],
    );
    assert_eq!(
        (&whole["cell"]["method"], &whole["regressions"]),
        (&Value::Null, &Value::Null)
    );
    let cell = &half["cell"];
    assert_eq!((&cell["model"], &cell["method"]), (&"whole".into(), &"random".into()));
    let (kept, total) = (&cell["experts_kept"], &cell["experts_total"]);
    assert_eq!(kept[0].as_u64().unwrap() * 2, total[0].as_u64().unwrap());
    assert_eq!(total, &whole["cell"]["experts_total"]);
    assert!(
        half["regressions"].is_object() || half["regressions"].is_array(),
        "{half}"
    );
    let inputs = &half["inputs"];
    for (name, value) in [
        ("engine", "vllm 0.32.0"),
        ("engine.model", "m"),
        ("dtype", "bf16"),
        ("device", "served"),
    ] {
        assert_eq!(inputs[name], value);
    }
    for file in ["sweep.json", "manifest.json", "servers.json"] {
        let text = fs::read_to_string(results(&sweep).join(file)).unwrap();
        assert!(!text.contains("127.0.0.1"), "{file}: {text}");
    }

    // Served at another address, and nowhere at all.
    let other = self::server();
    for address in [other.address(), nobody()] {
        served_at(&sweep, &address);
        begins(
            &sweep.run(),
            "0 cells evaluated, 0 shared with an equal mask, 4 done before, 0 failed",
        );
        let status = stdout(&on(&sweep, &["sweep", "status", "sweep.toml"]));
        assert!(status.starts_with("tiny: 4 of 4 cells done"), "{status}");
        stdout(&on(&sweep, &["sweep", "reduce", "sweep.toml"]));
    }
    assert!(other.requests().is_empty());
}

#[test]
fn a_server_that_goes_away_fails_its_cells_and_the_same_command_goes_on_inside_them() {
    let sweep = sweep();
    let colour = |i: usize| {
        format!(r#"{{"id":"c{i}","question":"What colour is {i}?","choices":["red","the old green"],"label":0}}"#)
    };
    sweep.write("colours.jsonl", &(0..200).map(colour).collect::<Vec<_>>().join("\n"));
    // Two requests find out what the server can do, 256 are the first chunk of the first task, 144 are left.
    let first = dying(2 + 256 + 40);
    served_at(&sweep, &first.address());
    let run = sweep.run();
    assert_eq!(run.status.code(), Some(3), "{}", stderr(&run));
    begins(
        &run,
        "0 cells evaluated, 0 shared with an equal mask, 0 done before, 4 failed",
    );
    let said = stderr(&run);
    assert!(said.contains("the same command goes on from there"), "{said}");
    assert!(said.contains(&first.address().replace("/v1", "/")), "{said}");
    let status = stdout(&on(&sweep, &["sweep", "status", "sweep.toml"]));
    assert!(status.starts_with("tiny: 0 of 4 cells done, 0 running"), "{status}");

    let second = server();
    served_at(&sweep, &second.address());
    let run = sweep.run();
    stdout(&run);
    begins(
        &run,
        "4 cells evaluated, 0 shared with an equal mask, 0 done before, 0 failed",
    );
    let said = stderr(&run);
    assert!(said.contains("going on behind 128 of 200 answers"), "{said}");
    // Per model two to begin with and twelve words; the first chunk of one of two tasks of choices was there.
    assert_eq!(second.requests().len(), 2 * (2 + 12 + 400) - 256);

    let undisturbed = self::sweep();
    undisturbed.write("colours.jsonl", &(0..200).map(colour).collect::<Vec<_>>().join("\n"));
    served_at(&undisturbed, &server().address());
    stdout(&undisturbed.run());
    assert_eq!(answers(&sweep), answers(&undisturbed));
}

#[test]
fn workers_and_shards_share_served_cells() {
    let (sweep, server) = (sweep(), server());
    served_at(&sweep, &server.address());
    let plan: Value = serde_json::from_str(&stdout(&on(&sweep, &["sweep", "plan", "sweep.toml", "--json"]))).unwrap();
    let cells = plan["cells"].as_array().unwrap();
    let named = |cell: &Value| (cell["model"].clone(), cell["fraction_removed"].as_f64().unwrap());
    let expected = [0.0, 0.0, 0.5, 0.5].map(|fraction| (Value::from("whole"), fraction));
    assert_eq!(cells.iter().map(named).collect::<Vec<_>>(), expected);
    assert!(server.requests().is_empty());

    // The export's cell brings the one that it is compared with.
    let last = cells[3]["id"].as_str().unwrap();
    begins(
        &on(&sweep, &["sweep", "run", "sweep.toml", "--cell", last]),
        "2 cells evaluated",
    );
    let shards = stdout(&on(&sweep, &["sweep", "status", "sweep.toml", "--shards", "4"]));
    assert!(shards.contains("2 of 4 cells done"), "{shards}");
    let start = || {
        sweep
            .command()
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let workers = [start(), start()].map(|worker| worker.wait_with_output().unwrap());
    let evaluated = |output: &Output| -> usize { stdout(output).split(' ').next().unwrap().parse().unwrap() };
    assert_eq!(workers.iter().map(evaluated).sum::<usize>(), 2);
    let submitted = ["submit", "sweep.toml", "--executor", "slurm", "--dry-run"];
    served_at(&sweep, &nobody());
    stdout(&on(&sweep, &submitted));
}

#[test]
fn models_that_run_here_do_not_wait_for_a_server() {
    let sweep = sweep();
    let with_local = |address: &str| {
        served_at(&sweep, address);
        let text = fs::read_to_string(sweep.folder.path().join("sweep.toml")).unwrap();
        let pruning = "methods = [\"random\"]\nratios = [0.5]\ncalibrate_on = [\"letters\"]\n[[corpora]]\nname = \"letters\"\n\
                       file = \"corpus.jsonl\"\nsamples = 2\nchat_template = false\n";
        let local = format!(
            "{pruning}[[models]]\nname = \"local\"\npath = \"{}\"\n",
            demo().display()
        );
        sweep.write(
            "sweep.toml",
            &text.replacen("[[models]]", &format!("{local}[[models]]"), 1),
        );
    };
    with_local(&nobody());
    let run = sweep.run();
    assert_eq!(run.status.code(), Some(3), "{}", stderr(&run));
    begins(
        &run,
        "4 cells evaluated, 0 shared with an equal mask, 0 done before, 4 failed",
    );
    let server = server();
    with_local(&server.address());
    let run = sweep.run();
    stdout(&run);
    begins(
        &run,
        "4 cells evaluated, 0 shared with an equal mask, 4 done before, 0 failed",
    );
}

#[test]
fn a_served_run_is_reproduced_where_the_model_is_served_now() {
    let (sweep, server) = (sweep(), server());
    served_at(&sweep, &server.address());
    stdout(&sweep.run());
    let untold = secateur(&sweep, &["reproduce", "results/tiny"]);
    assert!(stderr(&untold).contains("say `--at half=http"), "{}", stderr(&untold));
    let other = self::server();
    let at = |model: &str| format!("{model}={}", other.address());
    let (half, whole) = (at("half"), at("whole"));
    stdout(&secateur(
        &sweep,
        &["reproduce", "results/tiny", "--at", &half, "--at", &whole],
    ));
    assert!(!other.requests().is_empty());
}

#[test]
fn what_cannot_be_asked_or_compared_is_refused_before_anything_is_asked() {
    let (sweep, server) = (sweep(), server());
    let refused = |from: &str, to: &str, words: &[&str]| {
        served_at(&sweep, &server.address());
        let text = fs::read_to_string(sweep.folder.path().join("sweep.toml")).unwrap();
        assert!(text.contains(from));
        sweep.write("sweep.toml", &text.replacen(from, to, 1));
        let message = sweep.refusal();
        assert!(words.iter().all(|word| message.contains(word)), "{message}");
    };
    refused("of = \"whole\"\n", "", &["model `half`: it is pruned", "write `of"]);
    refused("of = \"whole\"", "of = \"hole\"", &["`hole`, which is no served model"]);
    refused(
        "dtype = \"bf16\"",
        "dtype = \"gptq-4bit\"",
        &["served as gptq-4bit", "as bf16"],
    );
    assert!(server.requests().is_empty());

    let nobody = nobody();
    served_at(&sweep, &nobody);
    let message = sweep.refusal();
    assert!(
        message.contains("model `whole`") && message.contains(&nobody.replace("/v1", "")),
        "{message}"
    );
    assert!(!sweep.folder.path().join("results").exists());
}
