//! `rank`, and `prune` and `logits` by what it writes.

use std::fs;
use std::path::Path;

use super::{olmoe, refusal, stdout, write};

/// Three layers of eight experts, best first.
const LINES: &str = r#"{"layer": 0, "experts": [7, 6, 5, 4, 3, 2, 1, 0]}
{"layer": 2, "experts": [1, 0, 3, 2, 5, 4, 7, 6]}
{"layer": 1, "experts": [0, 1, 2, 3, 4, 5, 6, 7]}
"#;

fn calibrated() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let corpus: Vec<String> = (0..4)
        .map(|i| format!(r#"{{"text":"The router number {i} chooses which expert should answer."}}"#))
        .collect();
    write(folder.path(), "letters.jsonl", corpus.join("\n"));
    let arguments = [
        "calibrate",
        &olmoe(),
        "letters.jsonl",
        "--output",
        "stats",
        "--no-chat-template",
        "--samples",
        "4",
    ];
    stdout(
        folder.path(),
        &[&arguments[..], &["--methods", "reap,frequency"]].concat(),
    );
    folder
}

fn json(folder: &Path, name: &str) -> Vec<Vec<usize>> {
    serde_json::from_str(&fs::read_to_string(folder.join(name)).unwrap()).unwrap()
}

#[test]
fn statistics_become_rankings_and_nested_masks_that_prune_takes() {
    let folder = calibrated();
    let at = folder.path();
    let by_reap = [
        "rank",
        "--statistics",
        "stats/checkpoint/letters-0.safetensors",
        "--method",
        "reap",
    ];
    let rank = |more: &[&str]| stdout(at, &[&by_reap[..], more].concat());
    assert!(
        rank(&[]).starts_with("a ranking by reap@reference, seed 0, calibrated on letters, of 3 layers of 8 experts")
    );
    rank(&["--export", "reap.jsonl"]);
    rank(&["--ratio", "0.25", "--export", "quarter.json"]);
    rank(&["--ratio", "0.5", "--export", "half.json"]);
    rank(&["--export", "scores.json", "--layout", "scores"]);
    let (quarter, half) = (json(at, "quarter.json"), json(at, "half.json"));
    for (larger, smaller) in quarter.iter().zip(&half) {
        assert_eq!((larger.len(), smaller.len()), (6, 4));
        assert!(larger.starts_with(smaller));
    }
    let own = fs::read_to_string(at.join("stats/checkpoint/reap@reference-0.json")).unwrap();
    assert_eq!(own, fs::read_to_string(at.join("scores.json")).unwrap());
    // The same cut, said in four ways, gives the same weights.
    let prune = |to: &str, more: &[&str]| {
        stdout(at, &[&["prune", &olmoe(), to], more].concat());
        fs::read(at.join(to).join("model-00002-of-00003.safetensors")).unwrap()
    };
    let by_mask = prune("a", &["--mask", "half.json"]);
    assert_eq!(by_mask, prune("b", &["--ranking", "reap.jsonl", "--ratio", "0.5"]));
    assert_eq!(by_mask, prune("c", &["--mask", "scores.json", "--ratio", "0.5"]));
    assert_eq!(by_mask, prune("d", &[&by_reap[1..], &["--ratio", "0.5"]].concat()));
    // With the checkpoint named, statistics must be of it.
    stdout(at, &[&["rank", &olmoe()], &by_reap[1..]].concat());
    let wrong = refusal(at, &[&["rank", "a"], &by_reap[1..]].concat());
    assert!(wrong.contains("do not belong together"), "{wrong}");
}

#[test]
fn masks_and_rankings_of_others_are_read_checked_and_written_again() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    write(at, "theirs.jsonl", LINES);
    write(at, "expert_mask.json", "[[7, 6], [0, 1], [1, 0]]");
    let model = olmoe();
    let import =
        |file: &'static str, more: &[&'static str]| [&["rank", model.as_str(), "--import", file], more].concat();
    let told = stdout(at, &import("expert_mask.json", &[]));
    assert!(
        told.starts_with("a mask of 3 layers of 8 experts: 2 stay, 75.0 % are removed\n  layer   0: 7 6\n"),
        "{told}"
    );
    let told = stdout(
        at,
        &import("theirs.jsonl", &["--ratio", "0.75", "--export", "cut.json"]),
    );
    assert!(told.ends_with("cut.json\n"), "{told}");
    assert_eq!(json(at, "cut.json"), json(at, "expert_mask.json"));
    stdout(at, &import("theirs.jsonl", &["--export", "again.jsonl"]));
    let again = fs::read_to_string(at.join("again.jsonl")).unwrap();
    assert!(
        again.starts_with("{\"layer\": 0, ") && again.lines().count() == 3,
        "{again}"
    );

    for (more, word) in [
        (
            vec!["--import", "theirs.jsonl", "--export", "again.jsonl"],
            "exists already",
        ),
        (
            vec!["--import", "expert_mask.json", "--ratio", "0.5"],
            "leave --ratio out",
        ),
        (
            vec!["--import", "expert_mask.json", "--export", "x", "--layout", "lines"],
            "cannot become a whole ranking",
        ),
        (
            vec!["--import", "theirs.jsonl", "--export", "x", "--layout", "scores"],
            "has no scores",
        ),
        (
            vec!["--import", "theirs.jsonl", "--export", "x", "--layout", "mask"],
            "needs --ratio",
        ),
        (
            vec!["--import", "theirs.jsonl", "--ratio", "0.9"],
            "every token is routed to 2",
        ),
        (vec!["--method", "reap"], "--statistics FILE"),
        (vec!["--method", "reaper"], "no method is called `reaper`"),
        (vec![], "--method reap, for example"),
    ] {
        let message = refusal(at, &[&["rank", model.as_str()], more.as_slice()].concat());
        assert!(message.contains(word), "{more:?}: {message}");
    }
    for (contents, word) in [
        ("[[7, 6], [0, 1]]", "has 2 layers, but the model has 3 expert layers"),
        (
            "[[7, 8], [0, 1], [1, 0]]",
            "layer 0: place 1 names expert 8, but the experts are 0 to 7",
        ),
        (
            "[[7], [0, 1], [1, 0]]",
            "layer 0: keeps 1 experts, but every token is routed to 2",
        ),
        ("hello", "is neither a mask"),
    ] {
        write(at, "bad.json", contents);
        for command in [
            ["rank", &model, "--import", "bad.json"],
            ["rank", &model, "--import", "bad.json"],
        ] {
            let message = refusal(at, &command);
            assert!(message.contains(word) && message.contains("bad.json"), "{message}");
        }
        let message = refusal(at, &["prune", &model, "out", "--mask", "bad.json"]);
        assert!(message.contains(word) && !at.join("out").exists(), "{message}");
    }
}

#[test]
fn the_random_method_needs_a_checkpoint_and_a_seed_only() {
    let folder = tempfile::tempdir().unwrap();
    let model = olmoe();
    let rank = |seed: &str, file: &str| {
        let random = [
            "rank",
            model.as_str(),
            "--method",
            "random",
            "--seed",
            seed,
            "--export",
            file,
        ];
        stdout(folder.path(), &random);
        fs::read(folder.path().join(file)).unwrap()
    };
    assert_eq!(rank("1", "a"), rank("1", "b"));
    assert_ne!(rank("1", "c"), rank("2", "d"));
    assert!(refusal(folder.path(), &["rank", "--method", "random"]).contains("name the checkpoint"));
}

#[test]
fn logits_of_a_mask_are_those_of_the_pruned_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    write(at, "mask.json", "[[7, 6, 0], [0, 1, 5], [1, 0, 2]]");
    write(at, "tokens.json", "[[1, 57, 300, 9, 9, 200], [2]]");
    let model = olmoe();
    stdout(at, &["prune", &model, "pruned", "--mask", "mask.json"]);
    let logits = |model: &str, to: &str, more: &[&str]| {
        stdout(
            at,
            &[&["logits", model, "--tokens", "tokens.json", "--output", to], more].concat(),
        );
        let bytes = fs::read(at.join(to)).unwrap();
        let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let tensor = file.tensor("logits.0").unwrap();
        assert_eq!((tensor.shape(), file.len()), ([6, 512].as_slice(), 2));
        let values = tensor
            .data()
            .chunks_exact(4)
            .map(|b| f32::from_le_bytes(b.try_into().unwrap()));
        values.collect::<Vec<_>>()
    };
    let whole = logits(&model, "whole", &[]);
    let masked = logits(&model, "masked", &["--mask", "mask.json"]);
    let pruned = logits("pruned", "pruned.safetensors", &[]);
    let largest = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(largest(&masked, &pruned) < 1e-5, "{}", largest(&masked, &pruned));
    assert!(largest(&masked, &whole) > 1e-2);
    for (tokens, word) in [
        ("[]", "has no sequence"),
        ("[[]]", "sequence 0 is empty"),
        ("[[512]]", "sequence 0"),
        ("{}", "list of lists"),
    ] {
        write(at, "bad.json", tokens);
        let message = refusal(at, &["logits", &model, "--tokens", "bad.json", "--output", "x"]);
        assert!(message.contains(word) && !at.join("x").exists(), "{message}");
    }
}
