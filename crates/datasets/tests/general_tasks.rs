//! General-domain tasks on hand-written files of the official formats, and on slices of the real ones.

#![allow(clippy::unwrap_used)]

mod shared;

use secateur_datasets::tasks::ifeval::instruction::Instruction;
use secateur_datasets::tasks::{TaskData, data_directory, find, ifeval};
use secateur_datasets::{Body, DatasetError, Generate, LoadOptions};

type Files<'a> = &'a [(&'a str, &'a str)];

fn load(task: &str, files: Files, options: &LoadOptions) -> Result<TaskData, DatasetError> {
    let directory = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = directory.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    find(task, &[]).unwrap().load(directory.path(), options)
}

fn real(task: &str, few_shot: usize) -> Option<TaskData> {
    let root = shared::shared("data")?;
    let task = find(task, &[]).unwrap();
    let options = shots(few_shot);
    Some(task.load(&data_directory(&root, &task.spec()), &options).unwrap())
}

fn shots(count: usize) -> LoadOptions {
    LoadOptions {
        few_shot: Some(count),
        ..LoadOptions::default()
    }
}

fn asked(data: &TaskData, index: usize) -> &Generate {
    match &data.items[index].body {
        Body::Generate(generate) => generate,
        other => panic!("{other:?} is not answered in words"),
    }
}

fn refusal(task: &str, files: Files) -> String {
    load(task, files, &LoadOptions::default()).unwrap_err().to_string()
}

fn problems(prefix: &str, count: usize) -> String {
    let line = |i| format!("{{\"question\": \"{prefix}{i}?\", \"answer\": \"so {i}\\n#### {i}\"}}\n");
    (0..count).map(line).collect()
}

/// `random.Random(1234)`: `sample(range(6), 2)` is [3, 0], then [0, 5].
#[test]
fn gsm8k_draws_as_the_harness_does() {
    let (test, train) = (problems("q", 2), problems("t", 6));
    let files: Files = &[("test.jsonl", &test), ("train.jsonl", &train)];
    let data = load("gsm8k", files, &shots(2)).unwrap();
    let text = |index| asked(&data, index).messages[0].content.clone();
    assert_eq!(
        text(0),
        "Question: t3?\nAnswer: so 3\n#### 3\n\nQuestion: t0?\nAnswer: so 0\n#### 0\n\nQuestion: q0?\nAnswer:"
    );
    assert!(text(1).starts_with("Question: t0?") && text(1).contains("Question: t5?"));
    let chat = load("gsm8k_chat", files, &shots(2)).unwrap();
    let turns = &asked(&chat, 0).messages;
    let said: Vec<(&str, &str)> = turns.iter().map(|t| (t.role.as_str(), t.content.as_str())).collect();
    assert_eq!(
        said,
        [
            ("user", "Question: t3?\nAnswer:"),
            ("assistant", "so 3\n#### 3"),
            ("user", "Question: t0?\nAnswer:"),
            ("assistant", "so 0\n#### 0"),
            ("user", "Question: q0?\nAnswer:"),
        ]
    );
    assert_eq!(data.items[1].fields["answer"], "1");
    let message = load("gsm8k", files, &shots(7)).unwrap_err().to_string();
    assert_eq!(
        message,
        "gsm8k: 7 few-shot examples asked for, 6 available (from train.jsonl)"
    );
    let seeded = LoadOptions { seed: 1, ..shots(2) };
    assert_ne!(load("gsm8k", files, &seeded).unwrap().items, data.items);
}

#[test]
fn gsm8k_without_a_number_is_refused() {
    let broken = r#"{"question": "q", "answer": "three"}"#;
    let message = load("gsm8k", &[("test.jsonl", broken)], &shots(0))
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("test.jsonl, line 1, field `answer`: found three, expected a solution that ends in `#### `"),
        "{message}"
    );
}

#[test]
fn gsm8k_real() {
    let Some(data) = real("gsm8k", 0) else { return };
    assert_eq!(data.items.len(), 700);
    assert!(
        asked(&data, 0).messages[0]
            .content
            .starts_with("Question: Janet\u{2019}s ducks lay 16 eggs")
    );
    assert_eq!(data.items[0].fields["answer"], "18");
}

const FUNCTION: &str = r#"{"task_id": "T/0", "prompt": "def f(x):\n    \"\"\"Doubles.\"\"\"\n", "entry_point": "f", "canonical_solution": "    return 2 * x\n", "test": "def check(g):\n    assert g(2) == 4\n"}"#;

#[test]
fn humaneval_forms() {
    let files: Files = &[("HumanEval.jsonl", FUNCTION)];
    let plain = load("humaneval", files, &LoadOptions::default()).unwrap();
    let prompt = "def f(x):\n    \"\"\"Doubles.\"\"\"\n";
    assert_eq!(asked(&plain, 0).messages[0].content, prompt);
    assert_eq!(
        plain.items[0].fields["tests"],
        "def check(g):\n    assert g(2) == 4\n\ncheck(f)"
    );
    let instruct = load("humaneval_instruct", files, &LoadOptions::default()).unwrap();
    let generate = asked(&instruct, 0);
    assert_eq!(
        generate.messages[0].content,
        format!(
            "Write a solution to the following problem and make sure that it passes the tests:\n```python\n{prompt}\n```\n"
        )
    );
    let begin = format!("Here is the completed function:\n```python\n{prompt}\n");
    assert_eq!(generate.prefix.as_deref(), Some(begin.as_str()));
    let broken = FUNCTION.replace("\"entry_point\": \"f\"", "\"entry_point\": \"g\"");
    let message = refusal("humaneval", &[("HumanEval.jsonl", &broken)]);
    assert!(message.contains("field `entry_point`: found g"), "{message}");
    let message = refusal("humaneval", &[("HumanEval.jsonl.gz", "plain text")]);
    assert!(message.contains("expected a gzip file"), "{message}");
}

#[test]
fn humaneval_real() {
    let Some(data) = real("humaneval", 0) else { return };
    assert_eq!(data.items.len(), 164);
    assert_eq!(data.items[163].id, "HumanEval/163");
    let card = secateur_datasets::data_cards::card("humaneval").unwrap();
    assert_eq!(data.files[0].sha256, card.file[0].sha256);
}

#[test]
fn ifeval_real() {
    let Some(data) = real("ifeval", 0) else { return };
    assert_eq!(data.items.len(), 341);
    let mut ids = std::collections::BTreeSet::new();
    let mut count = 0;
    for item in &data.items {
        let list: Vec<Instruction> = serde_json::from_str(&item.fields[ifeval::INSTRUCTIONS]).unwrap();
        count += list.len();
        for instruction in list {
            ids.insert(serde_json::to_value(instruction).unwrap()["id"].to_string());
        }
    }
    assert_eq!((ids.len(), count), (25, 520));
}

#[test]
fn ifeval_refusals() {
    let line = |kwargs: &str| {
        format!(
            r#"{{"key": 1, "prompt": "p", "instruction_id_list": ["length_constraints:number_words"], "kwargs": {kwargs}}}"#
        )
    };
    let message = refusal("ifeval", &[("input_data.jsonl", &line("[{}, {}]"))]);
    assert!(message.contains("expected a list of 1 objects"), "{message}");
    let message = refusal("ifeval", &[("input_data.jsonl", &line("[{\"num_words\": 3}]"))]);
    assert!(
        message.contains("length_constraints:number_words") && message.contains("relation"),
        "{message}"
    );
}

const NEWS: &str = r#"[
 {"split": "train", "idx": 0, "cleansed_document": ["x"], "summary": "y"},
 {"split": "test", "idx": 7, "cleansed_document": [" One. ", "", "Two."], "summary": " Both. "}
]"#;

#[test]
fn multi_news_reads_all_files_in_order() {
    let later = NEWS.replace("\"idx\": 7", "\"idx\": 8");
    let files: Files = &[
        ("cleansed_data_b.json", &later),
        ("cleansed_data_a.json", NEWS),
        ("other.json", "not JSON"),
    ];
    let data = load("multi_news_plus", files, &LoadOptions::default()).unwrap();
    let ids: Vec<&str> = data.items.iter().map(|item| item.id.as_str()).collect();
    assert_eq!(ids, ["7", "8"]);
    let generate = asked(&data, 0);
    assert_eq!(generate.source.as_deref(), Some("One.\n\nTwo."));
    assert_eq!(generate.references, ["Both."]);
    assert!(
        generate.messages[0]
            .content
            .ends_with("\n\nSource documents:\nOne.\n\nTwo.\n\nSummary:")
    );
    let broken = NEWS.replace("\" Both. \"", "null");
    let message = refusal("multi_news_plus", &[("cleansed_data_a.json", &broken)]);
    assert!(message.contains("entry 2, field `summary`"), "{message}");
    let message = refusal("multi_news_plus", &[]);
    assert!(
        message.contains("does not exist; copy all files cleansing/cleansed_data"),
        "{message}"
    );
}

#[test]
fn xsum_in_both_layouts() {
    let lines = r#"{"document": "Long.\nText.", "summary": "Short.", "id": "123"}"#;
    let hub = load("xsum", &[("test.jsonl", lines)], &LoadOptions::default()).unwrap();
    let article = "[SN]URL[SN]\nhttp://x\n\n[SN]TITLE[SN]\nT\n\n[SN]FIRST-SENTENCE[SN]\nShort.\n\n[SN]RESTBODY[SN]\nShare this with\nEmail\n\nLong.\n\nText.\n";
    let splits = r#"{"train": [], "validation": [], "test": ["123"]}"#;
    let split_file = "XSum-TRAINING-DEV-TEST-SPLIT-90-5-5.json";
    let files: Files = &[(split_file, splits), ("bbc-summary-data/123.summary", article)];
    let own = load("xsum", files, &LoadOptions::default()).unwrap();
    assert_eq!(own.items, hub.items);
    assert_eq!(
        asked(&hub, 0).messages[0].content,
        "Summarize the following news article in one sentence.\n\nArticle:\nLong.\nText.\n\nSummary:"
    );
    let outside = splits.replace("123", "../123");
    let message = refusal("xsum", &[(split_file, &outside)]);
    assert!(message.contains("found the id `../123`"), "{message}");
    let cut = article.replace("RESTBODY", "BODY");
    let message = refusal("xsum", &[(split_file, splits), ("bbc-summary-data/123.summary", &cut)]);
    assert!(
        message.contains("123.summary, the whole file, field `document`"),
        "{message}"
    );
}
