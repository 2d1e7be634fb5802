//! The loaders on slices of the real files: counts, first prompts and the distribution of right answers.

#![allow(clippy::unwrap_used)]

mod shared;

use std::collections::BTreeMap;

use secateur_datasets::tasks::{TaskData, data_directory, find, gold_distribution};
use secateur_datasets::{Body, Item, LoadOptions, data_cards};

fn load_with(name: &str, options: &LoadOptions) -> Option<TaskData> {
    let root = shared::shared("data")?;
    let task = find(name, &[]).unwrap();
    let data = task.load(&data_directory(&root, &task.spec()), options);
    Some(data.unwrap_or_else(|error| panic!("{name}: {error}")))
}

fn load(name: &str) -> Option<TaskData> {
    load_with(name, &LoadOptions::default())
}

fn context(item: &Item) -> &str {
    match &item.body {
        Body::Choice(choice) => &choice.context,
        Body::Generate(generate) => &generate.messages[0].content,
        Body::Text(text) => text,
    }
}

fn counts(pairs: &[(&str, usize)]) -> BTreeMap<String, usize> {
    pairs.iter().map(|&(key, count)| (key.to_owned(), count)).collect()
}

#[test]
fn pubmedqa() {
    let Some(data) = load("pubmedqa") else { return };
    assert_eq!(data.items.len(), 291);
    assert_eq!(
        gold_distribution(&data.items),
        counts(&[("0", 162), ("1", 93), ("2", 36)])
    );
    assert_eq!(data.items[0].id, "21645374");
    let prompt = context(&data.items[0]);
    assert!(prompt.starts_with("Abstract: Programmed cell death (PCD) is the regulated death of cells"));
    assert!(prompt.contains("studied during PCD in plants.\nThe following paper"));
    assert!(prompt.ends_with("\nQuestion: Do mitochondria play a role in remodelling lace plant leaves during programmed cell death?\nAnswer:"));
    assert_eq!(
        data.notes,
        ["209 of the 500 test PMIDs are not in ori_pqal.json, which is not complete"]
    );
    let shots = load_with(
        "pubmedqa",
        &LoadOptions {
            few_shot: Some(1),
            ..LoadOptions::default()
        },
    )
    .unwrap();
    assert!(context(&shots.items[0]).ends_with(prompt) && shots.content_sha256 != data.content_sha256);
}

#[test]
fn medqa() {
    let Some(data) = load("medqa_4options") else { return };
    assert_eq!(data.items.len(), 800);
    assert_eq!(
        gold_distribution(&data.items),
        counts(&[("0", 220), ("1", 194), ("2", 216), ("3", 170)])
    );
    let prompt = context(&data.items[0]);
    assert!(prompt.starts_with("Question: A junior orthopaedic surgery resident is completing"));
    assert!(prompt.ends_with("\nA. Disclose the error to the patient and put it in the operative report\nB. Tell the attending that he cannot fail to disclose this mistake\nC. Report the physician to the ethics committee\nD. Refuse to dictate the operative report\nAnswer:"));
    let letters = load("medqa_letter").unwrap();
    assert_eq!(
        context(&letters.items[0]),
        format!("{prompt} Respond with ONLY a single letter: A, B, C, or D")
    );
    assert_eq!(
        gold_distribution(&letters.items),
        counts(&[("A", 220), ("B", 194), ("C", 216), ("D", 170)])
    );
}

#[test]
fn medmcqa() {
    let Some(data) = load("medmcqa") else { return };
    assert_eq!(data.items.len(), 1500);
    assert_eq!(
        gold_distribution(&data.items),
        counts(&[("0", 474), ("1", 391), ("2", 329), ("3", 306)])
    );
    assert!(context(&data.items[0]).starts_with(
        "Question: Which of the following is not true for myelinated nerve fibers:\nChoices:\nA. Impulse through"
    ));
}

#[test]
fn mmlu() {
    let subjects = [
        ("anatomy", 135),
        ("astronomy", 152),
        ("clinical_knowledge", 265),
        ("college_biology", 144),
    ];
    let others = [
        ("high_school_geography", 198),
        ("medical_genetics", 100),
        ("philosophy", 311),
        ("us_foreign_policy", 100),
    ];
    for (subject, expected) in subjects.into_iter().chain(others) {
        let Some(data) = load_with(
            &format!("mmlu_{subject}"),
            &LoadOptions {
                few_shot: Some(5),
                ..LoadOptions::default()
            },
        ) else {
            return;
        };
        assert_eq!(data.items.len(), expected, "{subject}");
        let start = format!(
            "The following are multiple choice questions (with answers) about {}.\n\n",
            subject.replace('_', " ")
        );
        let text = context(&data.items[0]);
        assert!(
            text.starts_with(&start) && text.matches("\nAnswer:").count() == 6,
            "{text}"
        );
    }
    let anatomy = load("mmlu_anatomy").unwrap();
    assert_eq!(
        gold_distribution(&anatomy.items),
        counts(&[("0", 25), ("1", 34), ("2", 45), ("3", 31)])
    );
}

#[test]
fn hellaswag() {
    let Some(data) = load("hellaswag") else { return };
    assert_eq!(data.items.len(), 600);
    assert_eq!(
        gold_distribution(&data.items),
        counts(&[("0", 168), ("1", 140), ("2", 148), ("3", 144)])
    );
    let first = "Pole vault: Pole vault is a sport where you run with a pole and stop and swing your body. A few women";
    assert_eq!(context(&data.items[0]), first);
    assert_eq!(data.items[0].id, "20022");
    assert!(
        data.items
            .iter()
            .all(|item| !context(item).contains('[') && !context(item).ends_with(' '))
    );
}

#[test]
fn arc() {
    let Some(data) = load_with(
        "arc_challenge",
        &LoadOptions {
            few_shot: Some(2),
            ..LoadOptions::default()
        },
    ) else {
        return;
    };
    assert_eq!(data.items.len(), 700);
    assert_eq!(
        gold_distribution(&data.items),
        counts(&[("0", 164), ("1", 193), ("2", 197), ("3", 146)])
    );
    assert!(context(&data.items[0]).ends_with("\n\nQuestion: An astronomer observes that a planet rotates faster after a meteorite impact. Which is the most likely effect of this increase in rotation?\nAnswer:"));
    let Body::Choice(choice) = &data.items[0].body else {
        panic!("a choice")
    };
    assert_eq!(choice.continuations[2], " Planetary days will become shorter.");
}

#[test]
fn piqa() {
    let Some(data) = load("piqa") else { return };
    assert_eq!(data.items.len(), 1200);
    assert_eq!(gold_distribution(&data.items), counts(&[("0", 581), ("1", 619)]));
    assert_eq!(
        context(&data.items[0]),
        "Question: How do I ready a guinea pig cage for it's new occupants?\nAnswer:"
    );
}

#[test]
fn truthfulqa() {
    let Some(one) = load("truthfulqa_mc1") else { return };
    assert_eq!(gold_distribution(&one.items), counts(&[("0", 500)]));
    let text = context(&one.items[0]);
    assert!(text.starts_with("Q: What is human life expectancy in the United States?\nA: Human life expectancy in the United States is 78 years.\n\nQ: Who was"));
    assert!(text.ends_with(
        "\nA: The 1992 Olympics were held in Barcelona, Spain.\n\nQ: What happens if you eat a pomegranate?\nA:"
    ));
    let many = load("truthfulqa_mc2").unwrap();
    let Body::Choice(choice) = &many.items[0].body else {
        panic!("a choice")
    };
    assert_eq!(
        (choice.gold.as_slice(), choice.choices.len()),
        ([0, 1, 2].as_slice(), 6)
    );
    assert_eq!(many.notes.len(), 1);
}

#[test]
fn meqsum() {
    let Some(data) = load("meqsum") else { return };
    assert_eq!(data.items.len(), 1000);
    let start =
        "Instructions: The following text is contains a medical question. Extract and summarize the question.\n";
    let expected = format!(
        "{start}I need/want to know who manufscturs Cetirizine. My Walmart is looking for a new supply and are not getting the recent"
    );
    assert_eq!(context(&data.items[0]), expected);
    // The spreadsheet and the lines derived from it agree.
    let lines = tempfile::tempdir().unwrap();
    let derived = shared::shared("data").unwrap().join("meqsum/meqsum.derived.jsonl");
    std::fs::copy(derived, lines.path().join("meqsum.derived.jsonl")).unwrap();
    let derived = find("meqsum", &[])
        .unwrap()
        .load(lines.path(), &LoadOptions::default())
        .unwrap();
    assert_eq!(derived.items, data.items[..600]);
}

#[test]
fn kqa() {
    let Some(data) = load("kqa") else { return };
    assert_eq!(data.items.len(), 140);
    assert_eq!(
        context(&data.items[0]),
        "Alright so I dont know much about Lexapro would you tell me more about it?"
    );
    let statements: Vec<String> = serde_json::from_str(&data.items[0].fields["must_have"]).unwrap();
    assert_eq!(statements.len(), 11);
}

#[test]
fn medhalt_fake() {
    let Some(data) = load("medhalt_fake") else { return };
    assert_eq!(data.items.len(), 900);
    let text = context(&data.items[0]);
    assert!(text.starts_with("You are a highly intelligent and accurate medical domain expert."));
    assert!(text.contains(" no other format.\nExamples: \nInput : {'Question': "));
    assert_eq!(text.matches("Stop Here\n\n").count(), 2);
    assert!(text.contains("Stop Here\n\nInput: {'Question': 'In a bizarre and bewildering alternate universe,"));
    assert!(text.ends_with("'5': 'I do not know'}}\nOutput: "));
    // One draw by seed serves all items.
    let prefix = &text[..text.rfind("Input: {").unwrap()];
    assert!(data.items.iter().all(|item| context(item).starts_with(prefix)));
    let other = |seed| {
        load_with(
            "medhalt_fake",
            &LoadOptions {
                seed,
                ..LoadOptions::default()
            },
        )
        .unwrap()
    };
    assert!((1..8).any(|seed| !context(&other(seed).items[0]).starts_with(prefix)));
    let none = load_with(
        "medhalt_fake",
        &LoadOptions {
            few_shot: Some(0),
            ..LoadOptions::default()
        },
    )
    .unwrap();
    assert!(context(&none.items[0]).contains("no other format.\nInput: {'Question'"));
    let six = LoadOptions {
        few_shot: Some(7),
        ..LoadOptions::default()
    };
    let root = shared::shared("data").unwrap().join("medhalt");
    let message = find("medhalt_fake", &[])
        .unwrap()
        .load(&root, &six)
        .unwrap_err()
        .to_string();
    assert!(message.contains("3 of them task-specific"), "{message}");
}

/// Python wrote the options column with `repr`; reading it and writing it again must give the same text.
#[test]
fn python_literals_of_the_real_file_survive() {
    let Some(root) = shared::shared("data/medhalt/reasoning_fake.csv") else {
        return;
    };
    let mut reader = csv::Reader::from_path(root).unwrap();
    let column = reader
        .headers()
        .unwrap()
        .iter()
        .position(|name| name == "options")
        .unwrap();
    for row in reader.records() {
        let row = row.unwrap();
        let value = secateur_datasets::python::literal::literal_eval(&row[column]).unwrap();
        assert_eq!(value.repr(), &row[column]);
    }
}

#[test]
fn files_that_are_complete_have_the_hash_of_their_card() {
    for name in ["meqsum", "mmlu_anatomy", "mmlu_philosophy"] {
        let Some(data) = load(name) else { return };
        let card = data_cards::card(&find(name, &[]).unwrap().spec().set).unwrap();
        for file in &data.files {
            let listed = card.file.iter().find(|listed| listed.name == file.name).unwrap();
            assert_eq!(listed.sha256, file.sha256, "{name}: {}", file.name);
        }
    }
}

#[test]
fn a_limit_draws_a_seeded_sample_in_file_order() {
    let options = |limit, seed| LoadOptions {
        limit: Some(limit),
        seed,
        ..LoadOptions::default()
    };
    let Some(all) = load("medqa_4options") else { return };
    let ids = |data: &TaskData| data.items.iter().map(|item| item.id.clone()).collect::<Vec<_>>();
    let (fifty, hundred) = (
        load_with("medqa_4options", &options(50, 1)).unwrap(),
        load_with("medqa_4options", &options(100, 1)).unwrap(),
    );
    assert_eq!((fifty.items.len(), fifty.available), (50, 800));
    assert!(ids(&fifty).iter().all(|id| ids(&hundred).contains(id)));
    let order: Vec<String> = ids(&all).into_iter().filter(|id| ids(&fifty).contains(id)).collect();
    assert_eq!(order, ids(&fifty));
    assert_ne!(ids(&fifty), ids(&load_with("medqa_4options", &options(50, 2)).unwrap()));
    assert_eq!(fifty, load_with("medqa_4options", &options(50, 1)).unwrap());
}

/// A workbook cut short or with damaged bytes is refused or read, but never brings the program down.
#[test]
fn damaged_workbooks_do_not_panic() {
    let name = "MeQSum_ACL2019_BenAbacha_Demner-Fushman.xlsx";
    let Some(path) = shared::shared(&format!("data/meqsum/{name}")) else {
        return;
    };
    let whole = std::fs::read(path).unwrap();
    let directory = tempfile::tempdir().unwrap();
    for step in 0..40 {
        let mut bytes = whole.clone();
        let at = step * (whole.len() - 1) / 39;
        if step % 2 == 0 {
            bytes.truncate(at);
        } else {
            bytes[at] ^= 0x55;
        }
        std::fs::write(directory.path().join(name), &bytes).unwrap();
        let result = find("meqsum", &[])
            .unwrap()
            .load(directory.path(), &LoadOptions::default());
        assert!(step % 2 == 1 || result.is_err());
    }
}
