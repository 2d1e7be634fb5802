//! A name that is nearly right is answered with the right one, wherever a name is taken.

use std::fs;

use crate::tiny::{Sweep, checkpoint};
use crate::{run, said, text};

#[test]
fn names_on_the_command_line() {
    let sweep = Sweep::new();
    let at = sweep.folder.path();
    let model = checkpoint().display().to_string();
    let cases: [(&[&str], i32, &str); 13] = [
        (&["swep", "sweep.toml"], 2, "a similar subcommand exists: 'sweep'"),
        (&["datasets", "lst"], 2, "a similar subcommand exists: 'list'"),
        (
            &["sweep", "sweep.toml", "--limt", "3"],
            2,
            "a similar argument exists: '--limit'",
        ),
        (
            &["sweep", "sweep.toml", "--device", "wgpuu"],
            2,
            "a similar value exists: 'wgpu'",
        ),
        (
            &["logits", &model, "--tokens", "t", "--output", "o", "--device", "ndaray"],
            2,
            "exists: 'ndarray'",
        ),
        (&["completions", "bsh"], 2, "a similar value exists: 'bash'"),
        (
            &[
                "calibrate",
                &model,
                "corpus.jsonl",
                "--output",
                "o",
                "--methods",
                "raep",
            ],
            1,
            "did you mean `reap`?",
        ),
        (
            &["rank", &model, "--method", "reap@papr"],
            1,
            "did you mean `reap@paper`?",
        ),
        (&["tasks", "pubmdqa"], 1, "did you mean `pubmedqa`?"),
        (&["datasets", "show", "pubmdqa"], 1, "did you mean `pubmedqa`?"),
        (
            &["demo", "train", "--model", "demo-olmo"],
            1,
            "did you mean `demo-olmoe`?",
        ),
        (&["scorers", "--list", "drug=x"], 1, "did you mean `drugs`?"),
        (&["goldens", ".", "--only", "metric"], 1, "did you mean `metrics`?"),
    ];
    for (arguments, code, part) in cases {
        let found = said(at, arguments, code);
        assert!(found.contains(part), "{arguments:?} does not say `{part}`: {found}");
    }
}

#[test]
fn names_of_a_run() {
    let sweep = Sweep::new();
    let at = sweep.folder.path();
    sweep.definition(|text| {
        text.replace("[\"reap\", \"frequency\", \"random\"]", "[\"random\"]")
            .replace("ratios = [0.25, 0.5]", "ratios = [0.5]")
    });
    assert!(
        run(at, &["sweep", "sweep.toml", "--results", "results", "-q"])
            .status
            .success()
    );
    let cases: [(&[&str], &str); 8] = [
        (
            &["inspect", "results/tiny", "--model", "tiny-olmo"],
            "did you mean `tiny-olmoe`?",
        ),
        (&["inspect", "results/tiny", "--task", "word"], "did you mean `words`?"),
        (
            &["inspect", "results/tiny", "--method", "radnom"],
            "did you mean `random`?",
        ),
        (
            &["safe", "results/tiny", "--utility", "acuracy"],
            "did you mean `accuracy`?",
        ),
        (
            &["safe", "results/tiny", "--margin", "acuracy=0.1"],
            "did you mean `accuracy`?",
        ),
        (
            &["rescore", "results/tiny", "--metrics", "bleuu"],
            "did you mean `bleu`?",
        ),
        (&["rescore", "results/tiny", "--task", "word"], "did you mean `words`?"),
        (
            &["reproduce", "results/tiny", "--at", "tiny-olmo=http://127.0.0.1:9/v1"],
            "no served model of this name",
        ),
    ];
    for (arguments, part) in cases {
        let found = said(at, arguments, 1);
        assert!(found.contains(part), "{arguments:?} does not say `{part}`: {found}");
    }
}

#[test]
fn the_name_of_a_family() {
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(checkpoint()).unwrap().flatten() {
        fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
    }
    let config = folder.path().join("config.json");
    let wrong = fs::read_to_string(&config).unwrap().replace("\"olmoe\"", "\"olmo\"");
    fs::write(&config, wrong).unwrap();
    let told = said(folder.path(), &["rank", ".", "--method", "random"], 1);
    assert!(told.contains("did you mean `olmoe`?"), "{told}");
    let looked = run(folder.path(), &["doctor", "."]);
    assert!(text(&looked.stdout).contains("did you mean `olmoe`?"), "{looked:?}");
}
