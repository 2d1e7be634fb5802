//! Training stopped and resumed against training in one go.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use secateur_demo::train::recipe::{Recipe, recipes};
use secateur_demo::train::steps::train;

fn short(steps: usize) -> Recipe {
    Recipe {
        steps,
        rows: 4,
        row_tokens: 64,
        ..recipes()[0].clone()
    }
}

fn run(steps: usize, folder: &Path) {
    train(&short(steps), &folder.join("work"), &folder.join("model"), &mut |_| {}).unwrap();
}

#[test]
fn a_resumed_training_ends_in_the_same_bytes() {
    let (whole, resumed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    run(4, whole.path());
    // The schedule of the first hundred steps does not depend on how many follow.
    run(2, resumed.path());
    run(4, resumed.path());
    for file in [
        "work/state.safetensors",
        "model/model.safetensors",
        "model/config.json",
        "model/tokenizer.json",
    ] {
        let (a, b) = (
            fs::read(whole.path().join(file)).unwrap(),
            fs::read(resumed.path().join(file)).unwrap(),
        );
        assert!(a == b, "{file} differs");
    }
    for file in [
        "tokenizer_config.json",
        "generation_config.json",
        "README.md",
        "log.jsonl",
    ] {
        assert!(whole.path().join("model").join(file).exists(), "{file} is missing");
    }
    fs::write(whole.path().join("work/state.safetensors"), b"not a state").unwrap();
    let error = train(
        &short(5),
        &whole.path().join("work"),
        &whole.path().join("model"),
        &mut |_| {},
    )
    .unwrap_err();
    let message = error.to_string();
    assert!(
        message.contains("state.safetensors") && message.contains("start from the beginning"),
        "{message}"
    );
}
