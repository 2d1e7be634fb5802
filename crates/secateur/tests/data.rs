//! Getting data, leaving bad records out, and scoring kept answers again, as a user does.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread;

use serde_json::Value;

fn secateur(folder: &Path, arguments: &[&str]) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_secateur"))
        .current_dir(folder)
        .args(arguments)
        .env_remove("HF_HUB_OFFLINE")
        .env_remove("http_proxy")
        .env_remove("HTTP_PROXY")
        .env_remove("ALL_PROXY")
        .env_remove("all_proxy")
        .output()
        .unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(!message.contains("panicked"), "{message}");
    output
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn json(output: &Output) -> Value {
    serde_json::from_str(&out(output)).unwrap_or_else(|error| panic!("{error}: {}{}", out(output), err(output)))
}

/// Serves `/abc` to whoever asks, and 404 for all else.
fn server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut lines = BufReader::new(stream.try_clone().unwrap())
                .lines()
                .map_while(Result::ok);
            let first = lines.next().unwrap_or_default();
            lines.find(String::is_empty);
            let reply: &[u8] = if first.starts_with("GET /abc ") {
                b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc"
            } else {
                b"HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
            };
            let _ = stream.write_all(reply);
        }
    });
    format!("http://{address}")
}

const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

fn card(folder: &Path, set: &str, access: &str, files: &str) {
    let text = format!(
        "set = \"{set}\"\ntitle = \"T\"\nsource = \"https://example.org\"\naccess = \"{access}\"\nlicence = \"CC0-1.0\"\n\
         citation = \"\"\nhow_to_get = \"ask its authors\"\nloader_tested_on_real_data = \"no\"\n{files}"
    );
    fs::create_dir_all(folder.join("own")).unwrap();
    fs::write(folder.join("own").join(format!("{set}.toml")), text).unwrap();
}

#[test]
fn a_set_is_fetched_once_and_verified() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let url = server();
    let files = format!("[[file]]\nname = \"a.txt\"\nurl = \"{url}/abc\"\nbytes = 3\nsha256 = \"{ABC}\"\n");
    card(root, "mine", "open", &files);
    let own = ["--root", "d", "--data-cards", "own"];
    let run = |words: &[&str]| secateur(root, &[&["datasets"], words, &own].concat());

    let fetched = run(&["fetch", "mine"]);
    assert!(fetched.status.success(), "{}", err(&fetched));
    assert!(out(&fetched).contains("a.txt: 3 B, sha256 ba7816bf") && out(&fetched).contains("(verified)"));
    assert_eq!(fs::read(root.join("d/mine/a.txt")).unwrap(), b"abc");
    assert!(out(&run(&["fetch", "mine"])).contains("already here"));
    assert!(run(&["check", "mine"]).status.success());
    let list = json(&run(&["list", "--json"]));
    let mine = list["sets"]
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["set"] == "mine")
        .unwrap();
    assert_eq!(
        (mine["state"].as_str(), mine["bytes_known"].as_u64()),
        (Some("complete"), Some(3))
    );

    fs::write(root.join("d/mine/a.txt"), "xyz").unwrap();
    let checked = run(&["check", "mine"]);
    assert_eq!(checked.status.code(), Some(3));
    assert!(
        out(&checked).contains("but the card says ba7816bf"),
        "{}",
        out(&checked)
    );
    assert!(run(&["fetch", "mine", "--force"]).status.success());
    assert!(run(&["check", "mine"]).status.success());
}

#[test]
fn what_cannot_be_fetched_is_explained_with_an_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let url = server();
    card(
        root,
        "gone",
        "open",
        &format!("[[file]]\nname = \"a\"\nurl = \"{url}/nothing\"\n"),
    );
    card(
        root,
        "closed",
        "registration",
        &format!("[[file]]\nname = \"a\"\nurl = \"{url}/abc\"\n"),
    );
    let run = |set: &str| secateur(root, &["datasets", "fetch", set, "--root", "d", "--data-cards", "own"]);
    let gone = run("gone");
    assert_eq!(gone.status.code(), Some(3));
    assert!(
        err(&gone).contains("answered 404") && err(&gone).contains("the file has moved"),
        "{}",
        err(&gone)
    );
    let closed = run("closed");
    assert_eq!(closed.status.code(), Some(3));
    assert!(out(&closed).contains("ask for a registration") && out(&closed).contains("put it into d/closed"));
    assert!(!root.join("d/closed/a").exists());
    let typo = run("clsed");
    assert_eq!(typo.status.code(), Some(1));
    assert!(
        err(&typo).contains("unknown set `clsed`: did you mean `closed`?"),
        "{}",
        err(&typo)
    );
}

#[test]
fn a_check_names_bad_records_by_file_line_and_field() {
    let folder = tempfile::tempdir().unwrap();
    let set = folder.path().join("d/kqa");
    fs::create_dir_all(&set).unwrap();
    let good = r#"{"Question": "Is it?", "Free_form_answer": "It is.", "Must_have": ["It is."], "Nice_to_have": []}"#;
    fs::write(
        set.join("questions_w_answers.jsonl"),
        format!("{good}\n{{\"Question\": 3}}\n"),
    )
    .unwrap();
    let checked = secateur(folder.path(), &["datasets", "check", "--root", "d", "--json"]);
    assert_eq!(checked.status.code(), Some(3));
    let document = json(&checked);
    let found = &document["sets"][0];
    assert_eq!(found["files"][0]["state"], "wrong_checksum");
    assert_eq!(found["tasks"][0]["items"], 1);
    let bad = &found["tasks"][0]["bad"][0];
    assert_eq!(
        (bad["file"].as_str(), bad["at"].as_str()),
        (Some("questions_w_answers.jsonl"), Some("line 2"))
    );
    let shown = out(&secateur(folder.path(), &["datasets", "show", "kqa", "--root", "d"]));
    assert!(
        shown.contains("d/kqa") && shown.contains("licence: MIT") && shown.contains("wrong checksum"),
        "{shown}"
    );
}

fn checkpoint() -> PathBuf {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../goldens/fixtures/core/models/olmoe_bf16_sharded/checkpoint");
    path.canonicalize().unwrap()
}

/// A sweep over two tasks, one of whose records is unusable.
fn sweep() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: String| fs::write(folder.path().join(name), text).unwrap();
    let head = "version = 1\ndomain = \"general\"\nabout = \"\"\nlicence = \"CC0-1.0\"\n";
    write(
        "colours.toml",
        format!(
            "name = \"colours\"\nkind = \"multiple_choice\"\n{head}[data]\nfile = \"colours.jsonl\"\nid = \"id\"\n[prompt]\n\
             template = \"Question: {{question}}\\nAnswer:\"\n[choices]\nfield = \"choices\"\nlabel = \"label\"\n[scoring]\n\
             metrics = [\"acc\", \"acc_norm\"]\n"
        ),
    );
    write(
        "words.toml",
        format!(
            "name = \"words\"\nkind = \"generation\"\n{head}[data]\nfile = \"words.jsonl\"\nid = \"id\"\n[prompt]\n\
             template = \"{{question}}\"\n[answer]\nreferences = \"answers\"\n[generation]\nmax_new_tokens = 4\n[scoring]\n\
             metrics = [\"exact_match\", \"token_f1\"]\n"
        ),
    );
    let colour = |i: usize| {
        let label = i % 3;
        format!(
            r#"{{"id":"c{i}","question":"What colour is number {i}?","choices":["red","blue","the old green"],"label":{label}}}"#
        )
    };
    let mut colours: Vec<String> = (0..8).map(colour).collect();
    colours[4] = colours[4].replace("\"label\":1", "\"label\":9");
    write("colours.jsonl", colours.join("\n"));
    let word = |i: usize| format!(r#"{{"id":"w{i}","question":"Say the word {i}:","answers":["the"]}}"#);
    write("words.jsonl", (0..4).map(word).collect::<Vec<_>>().join("\n"));
    let text = |i: usize| format!(r#"{{"text":"The router number {i} chooses which expert should answer."}}"#);
    write("corpus.jsonl", (0..4).map(text).collect::<Vec<_>>().join("\n"));
    write(
        "sweep.toml",
        format!(
            "name = \"tiny\"\nmethods = [\"frequency\"]\nratios = [0.5]\ncalibrate_on = [\"c\"]\ncards = [\".\"]\n\
             bootstrap_samples = 20\n[[models]]\nname = \"olmoe\"\npath = \"{}\"\n[[corpora]]\nname = \"c\"\nfile = \"corpus.jsonl\"\n\
             samples = 4\nchat_template = false\n[[tasks]]\nname = \"colours\"\n[[tasks]]\nname = \"words\"\n",
            checkpoint().display()
        ),
    );
    folder
}

#[test]
fn bad_records_stop_a_sweep_or_are_counted_and_its_answers_are_scored_again() {
    let folder = sweep();
    let root = folder.path();
    let refused = secateur(root, &["sweep", "sweep.toml", "--results", "r", "--quiet"]);
    assert_eq!(refused.status.code(), Some(1));
    let message = err(&refused);
    assert!(
        message.contains("colours.jsonl, line 5, field `label`: found 9") && message.contains("--skip-bad-items"),
        "{message}"
    );
    let done = secateur(
        root,
        &["sweep", "sweep.toml", "--results", "r", "--quiet", "--skip-bad-items"],
    );
    assert!(done.status.success(), "{}", err(&done));
    let records = || {
        let entries = fs::read_dir(root.join("r/tiny/records")).unwrap().flatten();
        let paths = entries
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|e| e == "json"));
        let mut all: Vec<(PathBuf, Vec<u8>)> = paths.map(|path| (path.clone(), fs::read(path).unwrap())).collect();
        all.sort();
        all
    };
    let before = records();
    assert_eq!(before.len(), 4);
    let colours: Vec<Value> = before
        .iter()
        .map(|(_, bytes)| serde_json::from_slice::<Value>(bytes).unwrap()["record"].clone())
        .filter(|record| record["cell"]["task"] == "colours")
        .collect();
    assert_eq!(colours.len(), 2);
    for record in &colours {
        assert_eq!(
            (&record["counts"]["evaluated"], &record["counts"]["skipped_records"]),
            (&Value::from(7), &Value::from(1))
        );
        let metric = &record["metrics"][0];
        assert_eq!((&metric["n"], &metric["items"]), (&Value::from(7), &Value::from(8)));
    }
    rescored(root, &colours);
    assert_eq!(records(), before);
}

/// As its tasks score, the same values come out; by names, new ones.
fn rescored(root: &Path, colours: &[Value]) {
    let again = secateur(
        root,
        &[
            "rescore",
            "r/tiny",
            "--cards",
            ".",
            "--out",
            "o",
            "--bootstrap-samples",
            "20",
            "--json",
        ],
    );
    assert!(again.status.success(), "{}", err(&again));
    let document = json(&again);
    let scored = document["scored"].as_array().unwrap();
    assert_eq!(scored.len(), 4);
    for one in scored {
        for (name, agreement) in one["agreement_with_recorded_scores"].as_object().unwrap() {
            assert_eq!(agreement["different"], 0, "{name}: {agreement}");
        }
    }
    for record in colours {
        let model = if record["cell"]["method"].is_null() {
            "olmoe"
        } else {
            "olmoe-frequency-0.5-s0-c"
        };
        let same = scored
            .iter()
            .find(|one| one["task"] == "colours" && one["model"] == model)
            .unwrap();
        let recorded = record["metrics"].as_array().unwrap();
        for (old, new) in recorded.iter().zip(same["metrics"].as_array().unwrap()) {
            assert_eq!(
                (&old["name"], &old["value"], &old["interval"]),
                (&new["name"], &new["value"], &new["interval"])
            );
        }
    }
    let results: Vec<_> = document["written"]
        .as_array()
        .unwrap()
        .iter()
        .map(|files| files["results"].as_str().unwrap())
        .collect();
    assert_eq!(results.len(), 2);
    let new = secateur(root, &["rescore", "r/tiny", "--metrics", "chrf,rouge", "--out", "o2"]);
    assert!(new.status.success() && out(&new).contains("rouge_l"), "{}", err(&new));
    assert!(
        out(&new).contains("olmoe, colours: its answers have none of these metrics"),
        "{}",
        out(&new)
    );
    let typo = secateur(root, &["rescore", "r/tiny", "--metrics", "chr", "--out", "o2"]);
    assert_eq!(typo.status.code(), Some(1));
    assert!(
        err(&typo).contains("unknown metric `chr`: did you mean `chrf`?"),
        "{}",
        err(&typo)
    );
    let new = secateur(
        root,
        &["rescore", "r/tiny", "--task", "words", "--cards", ".", "--out", "o2"],
    );
    assert!(
        new.status.success() && out(&new).contains("exact_match"),
        "{}",
        err(&new)
    );
    fs::create_dir(root.join("empty")).unwrap();
    let nothing = secateur(root, &["rescore", "empty"]);
    assert_eq!(nothing.status.code(), Some(1));
    assert!(err(&nothing).contains("no kept answers"), "{}", err(&nothing));
}
