//! All prompts of three real slices, hashed, against the same hashes made in Python 3 with the harness' own expressions:
//! SHA-256 over each text followed by a zero byte.

#![allow(clippy::unwrap_used)]

mod shared;

use secateur_datasets::source::sha256_hex;
use secateur_datasets::tasks::{data_directory, find};
use secateur_datasets::{Body, Item, LoadOptions};

fn hash(name: &str, few_shot: usize, texts: impl Fn(&Item) -> Vec<String>) -> Option<String> {
    let root = shared::shared("data")?;
    let task = find(name, &[]).unwrap();
    let options = LoadOptions {
        few_shot: Some(few_shot),
        ..LoadOptions::default()
    };
    let data = task.load(&data_directory(&root, &task.spec()), &options).unwrap();
    let all: String = data.items.iter().flat_map(texts).map(|text| text + "\0").collect();
    Some(sha256_hex(all.as_bytes()))
}

/// `preprocess(activity_label + ": " + ctx_a + " " + ctx_b.capitalize())`, then each `preprocess(ending)`.
#[test]
fn hellaswag() {
    let texts = |item: &Item| match &item.body {
        Body::Choice(choice) => [std::slice::from_ref(&choice.context), choice.choices.as_slice()].concat(),
        _ => panic!("a choice"),
    };
    let Some(found) = hash("hellaswag", 0, texts) else {
        return;
    };
    assert_eq!(
        found,
        "6725c3c2804dbf384725358953c30953b5ef4d2dbda6c1106382938c98c15bcb"
    );
}

/// `"Input: " + str({"Question": question, "Options": options}) + "\nOutput: "`.
#[test]
fn medhalt_fake() {
    let texts = |item: &Item| match &item.body {
        Body::Generate(generate) => {
            let text = &generate.messages[0].content;
            vec![text[text.find("\nInput: ").unwrap() + 1..].to_owned()]
        }
        _ => panic!("a generation"),
    };
    let Some(found) = hash("medhalt_fake", 0, texts) else {
        return;
    };
    assert_eq!(
        found,
        "149383e1245691fcef6c5dd6bdd2675f8f5ba38b51cbc01cfdef7f6e01b52db6"
    );
}

/// `question.strip()`, the four lettered options, `Answer:`, one per line.
#[test]
fn mmlu_anatomy() {
    let description = "The following are multiple choice questions (with answers) about anatomy.\n\n";
    let texts = |item: &Item| match &item.body {
        Body::Choice(choice) => vec![choice.context.strip_prefix(description).unwrap().to_owned()],
        _ => panic!("a choice"),
    };
    let Some(found) = hash("mmlu_anatomy", 0, texts) else {
        return;
    };
    assert_eq!(
        found,
        "68fc947591f9c932d0701303ecf5e2b9dd712715f8f3a505b38476923873cb98"
    );
}
