//! Forms of real tasks and of cards.
#![allow(clippy::unwrap_used)]

mod shared;

use std::path::Path;

use secateur_datasets::forms::{self, variants};
use secateur_datasets::tasks::{TaskData, data_directory, find};
use secateur_datasets::{Body, Choice, DatasetError, Item, LoadOptions};

fn load(name: &str, few_shot: Option<usize>) -> Option<Result<TaskData, DatasetError>> {
    let root = shared::shared("data")?;
    let task = find(name, &[]).unwrap();
    let options = LoadOptions {
        few_shot,
        ..LoadOptions::default()
    };
    Some(task.load(&data_directory(&root, &task.spec()), &options))
}

fn choice(item: &Item) -> &Choice {
    match &item.body {
        Body::Choice(choice) => choice,
        _ => panic!("{} is no choice", item.id),
    }
}

/// Forms that ask a lettered question several times.
const LETTERED: [&str; 4] = ["option-order", "none-of-the-above", "paraphrase", "pushback"];

#[test]
fn lettered_tasks_have_every_form() {
    for name in ["medqa_4options", "medmcqa", "mmlu_anatomy"] {
        let Some(base) = load(name, None) else { return };
        let base = base.unwrap();
        for form in LETTERED.map(|name| forms::find(name).unwrap()) {
            let data = load(&format!("{name}@{}", form.name()), None).unwrap().unwrap();
            assert_eq!(data.items.len(), base.items.len(), "{name}");
            assert_ne!(data.content_sha256, base.content_sha256);
            assert_eq!(data.files, base.files);
            for (item, own) in data.items.iter().zip(&base.items) {
                let (item_choice, own_choice) = (choice(item), choice(own));
                assert_eq!((&item.id, &item_choice.contexts[0]), (&own.id, &own_choice.context));
                let asked = variants::parse(&item.fields[variants::FIELD]).unwrap();
                assert_eq!(asked.len(), item_choice.contexts.len());
                assert_eq!(item_choice.continuations.len(), 4 * asked.len());
                assert_eq!(item_choice.gold.len(), asked.len());
                let turns = item_choice.conversations.len();
                assert_eq!(turns, if form.name() == "pushback" { 3 } else { 0 });
            }
        }
    }
}

#[test]
fn worked_examples_stay_before_the_question() {
    let Some(data) = load("mmlu_anatomy@option-order", Some(2)) else {
        return;
    };
    let data = data.unwrap();
    let contexts = &choice(&data.items[0]).contexts;
    let before = |context: &str| context.rsplit_once("\n\n").unwrap().0.to_owned();
    assert!(before(&contexts[0]).starts_with("The following are multiple choice questions"));
    assert!(contexts.iter().all(|context| before(context) == before(&contexts[0])));
    assert_eq!(data.few_shot, 2);
}

#[test]
fn what_has_no_letters_says_what_has() {
    let Some(refused) = load("pubmedqa@option-order", None) else {
        return;
    };
    let message = refused.unwrap_err().to_string();
    assert_eq!(
        message,
        "task `pubmedqa@option-order`: item `21645374` is a question without lettered options, but the form needs options \
         that stand in the prompt by letter; it works on medqa_4options, medmcqa, careqa_en, mmlu, mmlu_anatomy and the \
         other subjects, and cards with `{choices|lettered}` in the template and `answer = \"letter\"`"
    );
    for name in [
        "pubmedqa@paraphrase",
        "pubmedqa@pushback",
        "arc_challenge@paraphrase",
        "piqa@paraphrase",
    ] {
        let data = load(name, None).unwrap().unwrap();
        assert!(choice(&data.items[0]).contexts.len() >= 3, "{name}");
    }
    let refused = load("hellaswag@pushback", None).unwrap().unwrap_err().to_string();
    assert!(refused.contains("without a cue for the answer"), "{refused}");
}

/// A card and its records in a folder.
fn card(folder: &Path, card: &str, records: &str) -> String {
    let head = "name = \"own\"\ndomain = \"general\"\nlicence = \"CC0-1.0\"\n";
    std::fs::write(folder.join("own.toml"), format!("{head}{card}")).unwrap();
    std::fs::write(folder.join("own.jsonl"), records).unwrap();
    folder.join("own.toml").to_string_lossy().into_owned()
}

fn of_card(path: &str, form: &str) -> Result<TaskData, DatasetError> {
    let task = find(&format!("{path}@{form}"), &[])?;
    assert_eq!(task.spec().name, format!("own@{form}"));
    task.load(Path::new(""), &LoadOptions::default())
}

#[test]
fn a_card_with_letters_is_shifted() {
    let folder = tempfile::tempdir().unwrap();
    let path = card(
        folder.path(),
        "kind = \"multiple_choice\"\n[data]\nfile = \"own.jsonl\"\n[prompt]\ntemplate = \"{q}\\n{o|lettered}\\nLetter:\"\n\
         [choices]\nfield = \"o\"\nlabel = \"y\"\nanswer = \"letter\"\n",
        "{\"q\":\"Which?\",\"o\":[\"r\",\"s\",\"t\"],\"y\":1}\n",
    );
    let data = of_card(&path, "option-order").unwrap();
    let made = choice(&data.items[0]);
    assert_eq!(made.contexts[2], "Which?\nA. t\nB. r\nC. s\nLetter:");
    assert_eq!(made.gold, [1, 3, 8]);
    let data = of_card(&path, "pushback").unwrap();
    let asked = &choice(&data.items[0]).contexts[1];
    assert!(
        asked.starts_with("Which?\nA. r\nB. s\nC. t\nLetter: B\n\n") && asked.ends_with("\nLetter:"),
        "{asked}"
    );
}

#[test]
fn a_cards_own_wordings_are_asked() {
    let folder = tempfile::tempdir().unwrap();
    let section = "[data]\nfile = \"own.jsonl\"\nid = \"id\"\n[prompt]\ntemplate = \"{q}\"\nparaphrases = \"other\"\n";
    let choices = format!("kind = \"multiple_choice\"\n{section}[choices]\nfield = \"o\"\nlabel = \"y\"\n");
    let record =
        "{\"id\":\"7\",\"q\":\"It is\",\"other\":[\"That is\",\"They are\"],\"o\":[\"r\",\"s\"],\"y\":1,\"a\":\"s\"}\n";
    let path = card(folder.path(), &choices, record);
    let data = of_card(&path, "paraphrase").unwrap();
    assert_eq!(choice(&data.items[0]).contexts, ["It is", "That is", "They are"]);
    assert_eq!(data.files.len(), 1);
    assert!(
        of_card(&path, "option-order")
            .unwrap_err()
            .to_string()
            .contains("without lettered options")
    );

    let answers = format!("kind = \"generation\"\n{section}[answer]\nreferences = \"a\"\n");
    let path = card(folder.path(), &answers, record);
    let data = of_card(&path, "paraphrase").unwrap();
    let ids: Vec<&str> = data.items.iter().map(|item| item.id.as_str()).collect();
    assert_eq!(ids, ["7#0", "7#1", "7#2"]);
    assert!(
        data.items
            .iter()
            .all(|item| item.fields["question"] == "7" && item.fields["cluster"] == "7")
    );

    let path = card(
        folder.path(),
        &answers,
        &record.replace("[\"That is\",\"They are\"]", "3"),
    );
    assert!(
        find(&path, &[])
            .unwrap()
            .load(Path::new(""), &LoadOptions::default())
            .is_ok()
    );
    assert!(
        of_card(&path, "paraphrase")
            .unwrap_err()
            .to_string()
            .contains("field `other`")
    );
    let path = card(
        folder.path(),
        &answers.replace("template = \"{q}\"", "messages = \"m\""),
        record,
    );
    assert!(find(&path, &[]).unwrap_err().to_string().contains("prompt.paraphrases"));
}
