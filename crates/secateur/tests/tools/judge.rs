//! `secateur judge`, as far as it gets without a server; `benchmarks/interop/judge_server.py` tries it with one.

use std::net::TcpListener;

use super::{refusal, run, text, write};

const TEXTS: &str =
    "{\"id\": \"1\", \"source\": \"s\", \"text\": \"t\"}\n{\"id\": \"2\", \"source\": \"s\", \"text\": \"u\"}\n";

fn arguments<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = vec![
        "judge",
        "--config",
        "judges.toml",
        "--pairs",
        "pairs.jsonl",
        "--cache",
        "cache",
    ];
    arguments.extend(more);
    arguments
}

fn judge(name: &str, more: &str) -> String {
    format!("[[judges]]\nname = \"{name}\"\nendpoint = \"http://127.0.0.1:9/v1\"\nmodel = \"m\"\n{more}\n")
}

#[test]
fn what_makes_no_sense_is_refused_before_anything_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write(folder, "pairs.jsonl", TEXTS);
    for (config, words) in [
        (String::new(), "judges"),
        (judge("a", "tempreture = 0"), "tempreture"),
        (judge("a", "concurrency = 0"), "concurrency"),
        (judge("a", "") + &judge("a", "seed = 1"), "two judges called `a`"),
        (judge("a", "") + &judge("b", ""), "second name"),
        (judge("a", "extra = { messages = 1 }"), "extra"),
    ] {
        write(folder, "judges.toml", &config);
        let message = refusal(folder, &arguments(&[]));
        assert!(message.contains(words) && message.contains("judges.toml"), "{message}");
    }
    write(folder, "judges.toml", judge("a", ""));
    assert!(refusal(folder, &arguments(&["--protocol", "relative"])).contains("`unpruned` and `pruned`"));
    assert!(refusal(folder, &arguments(&["--both-orders"])).contains("two texts"));
    for (lines, words) in [
        ("", "no lines"),
        ("{\"id\": \"1\"", "line 1"),
        ("{\"id\": \"1\", \"source\": \"s\"}\n", "`text`"),
        (
            "{\"id\": \"1\", \"source\": \"s\", \"text\": \"t\"}\n\n{\"id\": \"1\", \"source\": \"s\", \"text\": \"t\"}\n",
            "line 3",
        ),
    ] {
        write(folder, "pairs.jsonl", lines);
        let message = refusal(folder, &arguments(&[]));
        assert!(message.contains(words) && message.contains("pairs.jsonl"), "{message}");
    }
}

#[test]
fn nobody_at_the_address_is_said_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write(folder, "pairs.jsonl", TEXTS);
    // A port that was free a moment ago.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let settings = "attempts = 2\nfirst_wait_s = 0.01\nconcurrency = 1";
    write(
        folder,
        "judges.toml",
        judge("a", settings).replace("127.0.0.1:9", &address.to_string()),
    );
    let output = run(folder, &arguments(&[]));
    assert_eq!(output.status.code(), Some(3));
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(
        err.contains(&address.to_string()) && err.contains("goes on from here"),
        "{err}"
    );
    assert!(
        out.contains("0 with a verdict") && out.contains("1 failed, 1 not asked"),
        "{out}"
    );
    assert!(out.contains("contradict their source: –"), "{out}");
}
