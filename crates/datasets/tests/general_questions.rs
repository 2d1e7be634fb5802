//! General question answering, on small files written by hand in the official formats, and on slices of the real ones.

#![allow(clippy::unwrap_used)]

mod shared;

use secateur_datasets::tasks::mmlu::SUBJECTS;
use secateur_datasets::tasks::{FewShotDraw, data_directory, find, gold_distribution};
use secateur_datasets::{Body, Choice, DatasetError, Generate, LoadOptions, TaskData};

type Files<'a> = &'a [(&'a str, &'a str)];

fn load_with(task: &str, files: Files, options: &LoadOptions) -> Result<TaskData, DatasetError> {
    let directory = tempfile::tempdir().unwrap();
    for (name, content) in files {
        std::fs::write(directory.path().join(name), content).unwrap();
    }
    find(task, &[]).unwrap().load(directory.path(), options)
}

fn load(task: &str, files: Files) -> TaskData {
    load_with(task, files, &LoadOptions::default()).unwrap()
}

fn refused(task: &str, files: Files, part: &str) {
    let message = load_with(task, files, &LoadOptions::default()).unwrap_err().to_string();
    assert!(
        message.contains(part) && !message.contains('\n'),
        "{message}\n does not say: {part}"
    );
}

fn shots(count: usize, few_shot_draw: FewShotDraw) -> LoadOptions {
    LoadOptions {
        few_shot: Some(count),
        few_shot_draw,
        ..LoadOptions::default()
    }
}

fn real(task: &str) -> Option<TaskData> {
    let root = shared::shared("data")?;
    let task = find(task, &[]).unwrap();
    Some(
        task.load(&data_directory(&root, &task.spec()), &LoadOptions::default())
            .unwrap(),
    )
}

fn choice(data: &TaskData, index: usize) -> &Choice {
    match &data.items[index].body {
        Body::Choice(choice) => choice,
        other => panic!("{other:?} is no choice"),
    }
}

fn question(data: &TaskData, index: usize) -> &Generate {
    match &data.items[index].body {
        Body::Generate(question) => question,
        other => panic!("{other:?} is not answered in words"),
    }
}

fn asked(data: &TaskData, index: usize) -> &str {
    &question(data, index).messages[0].content
}

const WINO: &str = concat!(
    r#"{"qID": "3X-1", "sentence": "The ox saw the fly because _ was big. ", "option1": "the ox", "option2": "the fly", "answer": "1"}"#,
    "\n",
    r#"{"qID": "3X-2", "sentence": "The ox missed the fly as _ was small.", "option1": "the ox", "option2": "the fly", "answer": "2"}"#,
);

#[test]
fn winogrande_puts_options_into_the_blank() {
    let data = load("winogrande", &[("dev.jsonl", WINO)]);
    let first = choice(&data, 0);
    assert_eq!(
        first.contexts,
        [
            "The ox saw the fly because the ox",
            "The ox saw the fly because the fly"
        ]
    );
    assert_eq!(first.continuations, [" was big.", " was big."]);
    assert_eq!(
        (first.gold.as_slice(), choice(&data, 1).gold.as_slice()),
        ([0].as_slice(), [1].as_slice())
    );
    assert!(data.items.iter().all(|item| item.fields["cluster"] == "3X"));
    let train = WINO.replace("3X", "4Y").replace("ox", "cow");
    let files: Files = &[("dev.jsonl", WINO), ("train_xl.jsonl", &train)];
    let data = load_with("winogrande", files, &shots(1, FewShotDraw::First)).unwrap();
    let example = "The cow saw the fly because the cow was big.\n\n";
    assert_eq!(
        choice(&data, 1).contexts[0],
        format!("{example}The ox missed the fly as the ox")
    );
    assert_eq!(choice(&data, 1).context, example);
    refused(
        "winogrande",
        &[("dev.jsonl", &WINO.replace("_ was", "was"))],
        "line 1, field `sentence`: found",
    );
    refused(
        "winogrande",
        &[("dev.jsonl", &WINO.replace("\"2\"}", "\"3\"}"))],
        "expected 1 or 2",
    );
}

// ANCHOR: task
const BOOLQ: &str = r#"{"question": "is an ox big", "passage": "Ox -- An ox is big.", "idx": 0, "label": true}"#;

#[test]
fn boolq_reads_both_forms() {
    let data = load("boolq", &[("val.jsonl", BOOLQ)]);
    assert_eq!(
        choice(&data, 0).context,
        "Ox -- An ox is big.\nQuestion: is an ox big?\nAnswer:"
    );
    assert_eq!(choice(&data, 0).continuations, [" no", " yes"]);
    assert_eq!(choice(&data, 0).gold, [1]);
    assert_eq!(data.items[0].fields["cluster"], "Ox");
    let original = r#"{"question": "is an ox big", "title": "Ox", "answer": true, "passage": "An ox is big."}"#;
    assert_eq!(load("boolq", &[("dev.jsonl", original)]).items, data.items);
    refused(
        "boolq",
        &[("val.jsonl", &BOOLQ.replace("true", "1"))],
        "line 1, field `label`: found 1, expected true or false",
    );
}
// ANCHOR_END: task

#[test]
fn nq_open_separates_examples_by_one_line_end() {
    let dev = r#"{"question": "who ploughs", "answer": ["the ox", "oxen"]}"#;
    let train = "{\"question\": \"a\", \"answer\": [\"x\", \"y\"]}\n{\"question\": \"b\", \"answer\": [\"z\"]}\n";
    let files: Files = &[("NQ-open.dev.jsonl", dev), ("NQ-open.train.jsonl", train)];
    let data = load_with("nq_open", files, &shots(1, FewShotDraw::First)).unwrap();
    assert_eq!(
        asked(&data, 0),
        "Answer these questions:\n\nQ: a?\nA: x\nQ: who ploughs?\nA:"
    );
    assert_eq!(question(&data, 0).references, ["the ox", "oxen"]);
    let empty = dev.replace(r#"["the ox", "oxen"]"#, "[]");
    refused(
        "nq_open",
        &[("NQ-open.dev.jsonl", &empty)],
        "field `answer`: found an empty list",
    );
    let many = load_with("nq_open", files, &shots(2, FewShotDraw::Harness))
        .unwrap_err()
        .to_string();
    assert!(
        many.contains("2 few-shot examples asked for, 2 available") && many.contains("left out"),
        "{many}"
    );
}

const SQUAD: &str = r#"{"version": "v2.0", "data": [{"title": "Ox_cart", "paragraphs": [{"context": "The ox pulls.", "qas": [
    {"question": "Who pulls?", "id": "a", "answers": [{"text": "The ox", "answer_start": 0}], "is_impossible": false},
    {"question": "Who rides?", "id": "b", "answers": [], "is_impossible": true}]}]}]}"#;

#[test]
fn squad2_has_questions_without_an_answer() {
    let files: Files = &[("dev-v2.0.json", SQUAD), ("train-v2.0.json", SQUAD)];
    let data = load_with("squad2", files, &shots(1, FewShotDraw::First)).unwrap();
    let passage = "Title: Ox_cart\n\nBackground: The ox pulls.\n\nQuestion: ";
    // The first example that is not the question itself.
    let example = format!("{passage}Who rides?\n\nAnswer:  unanswerable\n\n");
    assert_eq!(asked(&data, 0), format!("{example}{passage}Who pulls?\n\nAnswer:"));
    assert!(!question(&data, 0).unanswerable && question(&data, 1).unanswerable);
    assert_eq!(data.items[1].fields["cluster"], "Ox_cart");
    let broken = SQUAD.replace("true", "false");
    refused(
        "squad2",
        &[("dev-v2.0.json", &broken)],
        "question 2 (article Ox_cart), field `is_impossible`: found false with 0 answers",
    );
    refused("squad2", &[("dev-v2.0.json", "[]")], "expected articles");
}

const DIALOGUE: &str = r#"{"knowledge": "k", "dialogue_history": "[Human]: Is it an ox?", "right_response": "It is.", "hallucinated_response": "It is a cow."}"#;

#[test]
fn halueval_shows_one_of_two_answers_by_a_seeded_toss() {
    let lines = vec![DIALOGUE; 40].join("\n");
    let files: Files = &[
        ("dialogue_data.json", &lines),
        ("dialogue_evaluation_instruction.txt", "Judge."),
    ];
    let seeded = |seed| {
        let options = LoadOptions {
            seed,
            ..LoadOptions::default()
        };
        load_with("halueval_dialogue", files, &options).unwrap()
    };
    let data = seeded(1);
    let mut right = 0;
    for index in 0..40 {
        let gold = question(&data, index).references[0].as_str();
        let shown = if gold == "Yes" { "It is a cow." } else { "It is." };
        let expected =
            format!("Judge.\n\n#Dialogue History#: [Human]: Is it an ox?\n#Response#: {shown}\n#Your Judgement#:");
        assert_eq!(asked(&data, index), expected);
        right += usize::from(gold == "No");
    }
    assert!((5..35).contains(&right), "{right}");
    assert_eq!(data.items, seeded(1).items);
    assert_ne!(data.items, seeded(2).items);
    let summary = r#"{"document": "An ox.", "right_summary": "Ox.", "hallucinated_summary": "Cow."}"#;
    let files: Files = &[
        ("summarization_data.json", summary),
        ("summarization_evaluation_instruction.txt", "Judge."),
    ];
    assert!(asked(&load("halueval_summarization", files), 0).starts_with("Judge.\n\n#Document#: An ox.\n#Summary#: "));
    let general = r#"{"ID": "7", "user_query": "q", "chatgpt_response": "r", "hallucination": "maybe"}"#;
    refused(
        "halueval_general",
        &[("general_data.json", general)],
        "field `hallucination`: found \"maybe\", expected yes or no",
    );
}

#[test]
fn halueval_on_the_real_files() {
    let Some(qa) = real("halueval_qa") else { return };
    assert_eq!(qa.items.len(), 350);
    let counts = gold_distribution(&qa.items);
    assert_eq!(counts["Yes"] + counts["No"], 350);
    assert!(counts["Yes"] > 130 && counts["No"] > 130, "{counts:?}");
    assert!(asked(&qa, 0).starts_with("I want you act as an answer judge."));
    let end = "\n\n#Question#: Which magazine was started first Arthur's Magazine or First for Women?\n#Answer#: ";
    assert!(asked(&qa, 0).contains(end) && asked(&qa, 0).ends_with("\n#Your Judgement#:"));
    let general = real("halueval_general").unwrap();
    let counts = gold_distribution(&general.items);
    assert_eq!((counts["Yes"], counts["No"]), (289, 1211));
}

#[test]
fn selfaware_on_the_real_file() {
    let Some(data) = real("selfaware") else { return };
    let unanswerable = (0..data.items.len()).filter(|&index| question(&data, index).unanswerable);
    assert_eq!((data.items.len(), unanswerable.count()), (1600, 600));
    assert!(asked(&data, 0).starts_with("Q:") && asked(&data, 0).ends_with("\nA:"));
    for (form, start) in [
        (
            "selfaware_instruction",
            "When answering questions, interpret them literally",
        ),
        (
            "selfaware_icl",
            "Q: What is the nearest extraterrestrial civilization to us?\nA: It is currently unknown if",
        ),
    ] {
        let other = real(form).unwrap();
        assert!(asked(&other, 0).starts_with(start), "{}", asked(&other, 0));
        let own = asked(&data, 0).strip_prefix("Q:").unwrap();
        assert!(asked(&other, 0).ends_with(&format!("\nQ: {own}")));
    }
    refused(
        "selfaware",
        &[(
            "SelfAware.json",
            r#"{"example": [{"question_id": 1, "question": "q", "answer": null, "answerable": true}]}"#,
        )],
        "example 1, field `answer`: found null",
    );
}

#[test]
fn nq_open_on_the_real_file() {
    let Some(data) = real("nq_open") else { return };
    assert_eq!(data.items.len(), 1800);
    let first = "Answer these questions:\n\nQ: when was the last time anyone was on the moon?\nA:";
    assert_eq!(asked(&data, 0), first);
    assert_eq!(question(&data, 0).references, ["14 December 1972 UTC", "December 1972"]);
}

#[test]
fn truthfulqa_gen_on_the_real_file() {
    let Some(data) = real("truthfulqa_gen") else { return };
    assert_eq!(data.items.len(), 500);
    assert!(asked(&data, 0).ends_with("Barcelona, Spain.\n\nQ: What happens to you if you eat watermelon seeds?"));
    let truths = &question(&data, 0).references;
    assert_eq!(truths[0], "Nothing happens.");
    assert_eq!(truths.last().unwrap(), "I have no comment.");
    let falsehoods: Vec<String> = serde_json::from_str(&data.items[0].fields["false_answers"]).unwrap();
    assert_eq!(falsehoods[0], "You grow watermelons in your stomach.");
    for (index, item) in data.items.iter().enumerate() {
        let answers: Vec<String> = serde_json::from_str(&item.fields["false_answers"]).unwrap();
        let all = question(&data, index).references.iter().chain(&answers);
        assert!(all.clone().all(|answer| answer.len() > 1 && answer.ends_with('.')));
    }
}

#[test]
fn mmlu_has_its_57_subjects() {
    assert_eq!(SUBJECTS.len(), 57);
    for subject in SUBJECTS {
        assert!(find(&format!("mmlu_{subject}"), &[]).is_ok());
    }
}

/// Examples behind every question as lm-evaluation-harness 0.4.13 draws them: with a test split, `n` of the training split from one
/// `random.Random(1234)`; without one, `n + 1`.
#[test]
fn examples_are_those_of_the_harness() {
    let piqa = |prefix: &str, count: usize| -> (String, String) {
        let goal = |i| format!(r#"{{"goal": "{prefix}{i}", "sol1": "a", "sol2": "b"}}"#);
        let lines: Vec<String> = (0..count).map(goal).collect();
        (lines.join("\n"), vec!["1"; count].join("\n"))
    };
    let (valid, valid_labels) = piqa("v", 2);
    let (train, train_labels) = piqa("t", 30);
    let files: Files = &[
        ("valid.jsonl", &valid),
        ("valid-labels.lst", &valid_labels),
        ("train.jsonl", &train),
        ("train-labels.lst", &train_labels),
    ];
    let data = load_with("piqa", files, &shots(2, FewShotDraw::Harness)).unwrap();
    let text = |numbers: [usize; 2]| numbers.map(|i| format!("Question: t{i}\nAnswer: b\n\n")).concat();
    assert_eq!(
        choice(&data, 0).context,
        format!("{}Question: v0\nAnswer:", text([24, 14]))
    );
    assert_eq!(
        choice(&data, 1).context,
        format!("{}Question: v1\nAnswer:", text([0, 2]))
    );
    let first = load_with("piqa", files, &shots(2, FewShotDraw::First)).unwrap();
    assert_eq!(
        choice(&first, 1).context,
        format!("{}Question: v1\nAnswer:", text([0, 1]))
    );
    assert_ne!(first.content_sha256, data.content_sha256);
}
