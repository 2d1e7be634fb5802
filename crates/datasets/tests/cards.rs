//! Task cards and corpora: what they give, and what they say about mistakes.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use secateur_datasets::corpora::{CalibrationSample, CorpusSpec};
use secateur_datasets::tasks::card::CardTask;
use secateur_datasets::tasks::find;
use secateur_datasets::tasks::spec::Scoring;
use secateur_datasets::{Body, LoadOptions, Message, Task, TaskData, strict_toml};

const CARD: &str = r#"
name = "drugs"
kind = "generation"
domain = "biomedical"
licence = "CC0-1.0"

[data]
file = "drugs.jsonl"
id = "id"
keep = ["year"]

[prompt]
template = "{question}"
preamble = "Answer.\n\n"
system = "You are careful."
prefix = "The answer is"

[answer]
references = "answers"
source = "text"
unanswerable = "open"

[few_shot]
file = "shots.jsonl"
count = 1

[scoring]
metrics = ["exact_match", "abstention"]
abstain_phrases = ["No Idea"]
"#;

const RECORDS: &str = r#"{"id": "a", "question": "Q1?", "answers": "x", "text": "T", "year": 1999}
{"id": 2, "question": "Q2?", "open": true, "text": "T", "year": 2000}"#;

const SHOTS: &str = r#"{"id": "s", "question": "S?", "answers": ["y", "z"], "text": "T"}"#;

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, content) in files {
        std::fs::write(directory.path().join(name), content).unwrap();
    }
    directory
}

fn load(card: &str, records: &str) -> Result<TaskData, String> {
    let directory = folder(&[("drugs.toml", card), ("drugs.jsonl", records), ("shots.jsonl", SHOTS)]);
    let task = CardTask::open(&directory.path().join("drugs.toml")).map_err(|error| error.to_string())?;
    task.load(Path::new("elsewhere"), &LoadOptions::default())
        .map_err(|error| error.to_string())
}

fn assert_refused(card: &str, records: &str, parts: &[&str]) {
    let message = load(card, records).unwrap_err();
    for part in parts {
        assert!(message.contains(part), "{message}\n does not say: {part}");
    }
}

#[test]
fn a_generation_card() {
    let data = load(CARD, RECORDS).unwrap();
    let Body::Generate(first) = &data.items[0].body else {
        panic!("a generation")
    };
    let turn = |role: &str, content: &str| Message {
        role: role.into(),
        content: content.into(),
    };
    assert_eq!(
        first.messages,
        [
            turn("system", "You are careful."),
            turn("user", "Answer.\n\nS? y\n\nQ1?")
        ]
    );
    assert_eq!(
        (first.prefix.as_deref(), first.source.as_deref()),
        (Some("The answer is"), Some("T"))
    );
    let Body::Generate(second) = &data.items[1].body else {
        panic!("a generation")
    };
    assert!(second.unanswerable && second.references.is_empty());
    assert_eq!(
        (data.items[1].id.as_str(), data.items[0].fields["year"].as_str()),
        ("2", "1999")
    );
}

#[test]
fn unknown_keys_name_the_line_and_the_nearest_right_one() {
    assert_refused(
        &CARD.replace("licence", "license"),
        RECORDS,
        &["drugs.toml, line 5, column 1: unknown key `license`: did you mean `licence`?"],
    );
    assert_refused(
        &CARD.replace("keep =", "kept ="),
        RECORDS,
        &["unknown key `kept`: did you mean `keep`?"],
    );
    assert_refused(
        &CARD.replace("\"exact_match\"", "\"exact_mach\""),
        RECORDS,
        &["unknown value `exact_mach`: did you mean `exact_match`?"],
    );
    assert_refused(
        &CARD.replace("\"biomedical\"", "\"medical\""),
        RECORDS,
        &["unknown value `medical`: did you mean `biomedical`?"],
    );
}

#[test]
fn contradictions_are_found_before_the_data_are_read() {
    let cases = [
        (
            "name = \"drugs\"",
            "name = \"other\"",
            "`name` is \"other\", but the card is called `drugs.toml`",
        ),
        ("name = \"drugs\"", "name = \"piqa\"", "which is a built-in task"),
        (
            "file = \"drugs.jsonl\"",
            "file = \"../drugs.jsonl\"",
            "must lie in or below the card's folder",
        ),
        (
            "template = \"{question}\"",
            "template = \"{question\"",
            "has no partner",
        ),
        ("template = \"{question}\"", "", "`prompt.template` is missing"),
        (
            "\"exact_match\"",
            "\"acc\"",
            "metric `acc` does not apply to kind `generation`",
        ),
        (
            "unanswerable = \"open\"",
            "",
            "metric `abstention` needs `answer.unanswerable`",
        ),
        (
            "kind = \"generation\"",
            "kind = \"multiple_choice\"",
            "[choices] is missing",
        ),
        (
            "[scoring]",
            "[generation]\ntop_p = 0.0\n[scoring]",
            "`generation.top_p` is 0, expected more than 0",
        ),
        (
            "id = \"id\"",
            "id = \"id\"\nsha256 = \"ab\"",
            "is not 64 hexadecimal digits",
        ),
    ];
    for (from, to, part) in cases {
        assert_refused(
            &CARD.replace(from, to),
            "unread",
            &["drugs.toml, line ", ", column ", part],
        );
    }
    // The line itself, and what is meant in it.
    for (from, to, shown) in [
        (
            "\"exact_match\"",
            "\"acc\"",
            "\n28 | metrics = [\"acc\", \"abstention\"]\n   |            ^^^^^",
        ),
        (
            "file = \"drugs.jsonl\"",
            "file = \"../drugs.jsonl\"",
            "\n8 | file = \"../drugs.jsonl\"\n  |        ^^^^^^^^^^^^^^^^",
        ),
    ] {
        assert_refused(&CARD.replace(from, to), "unread", &[shown]);
    }
}

#[test]
fn records_are_checked() {
    let cases = [
        ("\"answers\": \"x\", ", "", "line 1, field `answers`: found nothing"),
        (
            "\"answers\": \"x\"",
            "\"answers\": []",
            "field `answers`: found no reference",
        ),
        (
            "\"open\": true",
            "\"open\": \"yes\"",
            "line 2, field `open`: found \"yes\", expected true or false",
        ),
        (
            "\"id\": 2",
            "\"id\": \"a\"",
            "item 2, field `id`: found `a`, which is also the id of item 1",
        ),
        ("\"question\": \"Q1?\", ", "", "field `question`: found nothing"),
        (
            "\"text\": \"T\", \"year\": 1999",
            "\"text\": \" \", \"year\": 1999",
            "field `text`: found an empty string",
        ),
    ];
    for (from, to, part) in cases {
        assert_refused(CARD, &RECORDS.replacen(from, to, 1), &[part]);
    }
    let sum = format!("id = \"id\"\nsha256 = \"{}\"", "0".repeat(64));
    assert_refused(
        &CARD.replace("id = \"id\"", &sum),
        RECORDS,
        &["drugs.jsonl has sha256 ", "but the card says 000"],
    );
}

#[test]
fn choices_by_text_letter_and_list() {
    let head = "name = \"drugs\"\nkind = \"multiple_choice\"\ndomain = \"general\"\nlicence = \"x\"\n[data]\nfile = \"drugs.jsonl\"\n[prompt]\ntemplate = \"{q}\\n{c|lettered}\\n\"\ntarget_delimiter = \"\"\n";
    let record = r#"{"q": "Q", "c": ["x", "y", "z"], "gold": ["z", 1]}"#;
    let data = load(
        &format!("{head}[choices]\nfield = \"c\"\nlabel = \"gold\"\nanswer = \"letter\"\n"),
        record,
    )
    .unwrap();
    let Body::Choice(choice) = &data.items[0].body else {
        panic!("a choice")
    };
    assert_eq!(
        (choice.context.as_str(), choice.gold.as_slice()),
        ("Q\nA. x\nB. y\nC. z\n", [1, 2].as_slice())
    );
    assert_eq!(choice.continuations, ["A", "B", "C"]);
    let field = format!("{head}[choices]\nfield = \"c\"\nlabel = \"gold\"\n");
    assert_refused(
        &field,
        &record.replace("\"z\", 1]", "\"w\"]"),
        &["field `gold`: found \"w\", expected an index from 0 to 2 or the text of a choice"],
    );
    assert_refused(&field, &record.replace("[\"z\", 1]", "3"), &["field `gold`: found 3"]);
    assert_refused(
        &field,
        &record.replace("[\"z\", 1]", "null"),
        &["field `gold`: found null"],
    );
    assert_refused(
        &field,
        &record.replace("[\"x\", \"y\", \"z\"]", "[]"),
        &["field `c`: found 0 choices, expected at least 2"],
    );
}

/// The cards of the repository's own demo, where its data are present.
#[test]
fn demo_cards_load() {
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../datasets/demo/tasks");
    let names = secateur_datasets::tasks::card::names_in(&demo);
    if names.is_empty() {
        println!("skipped: no demo cards");
    }
    for name in names {
        let task = find(&name, std::slice::from_ref(&demo)).unwrap_or_else(|error| panic!("{error}"));
        let data = task
            .load(Path::new("elsewhere"), &LoadOptions::default())
            .unwrap_or_else(|error| panic!("{error}"));
        println!("{name}: {} items", data.items.len());
    }
}

#[test]
fn cards_are_found_by_name_and_by_path() {
    let directory = folder(&[("drugs.toml", CARD)]);
    let directories = [PathBuf::from("nowhere"), directory.path().to_owned()];
    let spec = find("drugs", &directories).unwrap().spec();
    let Scoring::Generation { abstain_phrases, .. } = spec.scoring else {
        panic!("generation")
    };
    assert_eq!(
        (abstain_phrases.as_slice(), spec.few_shot),
        (["no idea".to_owned()].as_slice(), 1)
    );
    find(directory.path().join("drugs.toml").to_str().unwrap(), &[]).unwrap();
    let message = find("drogs", &directories).unwrap_err().to_string();
    assert!(message.contains("did you mean `drugs`?"), "{message}");
}

fn corpus(extra: &str, content: &str) -> Result<secateur_datasets::corpora::CorpusData, String> {
    let directory = folder(&[("c.jsonl", content)]);
    let text = format!("name = \"bio\"\nfile = \"c.jsonl\"\n{extra}");
    let spec: CorpusSpec = strict_toml::parse(&text).map_err(|(_, message)| message)?;
    spec.load(directory.path(), 3).map_err(|error| error.to_string())
}

#[test]
fn corpora_in_their_three_layouts() {
    let lines = "{\"instruction\": \"I\", \"input\": \"x\", \"output\": \"O\"}\n{\"instruction\": \"J\", \"input\": \"\", \"output\": \"P\"}\n";
    let data = corpus("samples = 2", lines).unwrap();
    let first = &data.samples[data.lines.iter().position(|&line| line == 1).unwrap()];
    let turn = |role: &str, content: &str| Message {
        role: role.into(),
        content: content.into(),
    };
    assert_eq!(
        *first,
        CalibrationSample::Conversation(vec![turn("user", "I\n\nInput: x"), turn("assistant", "O")])
    );
    assert_eq!(first.plain_text(), "I\n\nInput: x\nO");
    let second = &data.samples[data.lines.iter().position(|&line| line == 2).unwrap()];
    assert_eq!(second.plain_text(), "J\nP");
    let messages = r#"{"messages": [{"role": "user", "content": "u"}]}"#;
    assert_eq!(corpus("samples = 1", messages).unwrap().samples[0].plain_text(), "u");
    let text = corpus("samples = 1\nchat_template = false", "{\"text\": \"t\"}").unwrap();
    assert_eq!(text.samples, [CalibrationSample::Text("t".into())]);
}

#[test]
fn corpus_draws_are_seeded_and_nested() {
    let lines = (0..40)
        .map(|number| format!("{{\"text\": \"t{number}\"}}\n"))
        .collect::<Vec<_>>()
        .concat();
    let draw = |extra: &str| corpus(&format!("chat_template = false\n{extra}"), &lines).unwrap();
    let (ten, twenty) = (draw("samples = 10"), draw("samples = 20"));
    assert_eq!(ten.lines, twenty.lines[..10]);
    assert_eq!(ten, draw("samples = 10\nseed = 3"));
    let other = draw("samples = 10\nseed = 4");
    assert!(
        ten.lines != other.lines && ten.content_sha256 != other.content_sha256 && ten.file_sha256 == other.file_sha256
    );
}

#[test]
fn corpus_mistakes() {
    let text = "{\"text\": \"t\"}\n";
    let cases = [
        ("", "", "holds no calibration sample"),
        (
            "samples = 5\nchat_template = false",
            text,
            "holds 1 calibration samples, but 5 were asked for",
        ),
        (
            "samples = 1",
            text,
            "expected false (`--no-chat-template` of a command), because plain text has no turns",
        ),
        ("samples = 0", text, "`samples of corpus bio` is 0, expected at least 1"),
        ("sample = 1", text, "unknown key `sample`: did you mean `samples`?"),
        (
            "samples = 1",
            "{\"foo\": 1}",
            "line 1: found fields `foo`, expected `instruction` and `output`",
        ),
        (
            "samples = 1",
            "{\"instruction\": \"i\", \"output\": \"\"}",
            "found `output` = \"\", expected `output` with some text",
        ),
        (
            "samples = 1",
            "{\"messages\": [{\"role\": \"robot\", \"content\": \"x\"}]}",
            "role system, user or assistant",
        ),
        (
            "samples = 1",
            "nonsense",
            "line 1: found text that is not a JSON object",
        ),
        (
            "samples = 1",
            "{\"text\": \"t\", \"messages\": []}",
            "fields of two layouts",
        ),
        ("samples = 1\nsha256 = \"00\"", text, "but the card says 00"),
    ];
    for (extra, content, part) in cases {
        let message = corpus(extra, content).unwrap_err();
        assert!(message.contains(part), "{message}\n does not say: {part}");
    }
}

/// The cards shown in the documentation are cards.
#[test]
fn documented_cards_parse() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("cards/README.md");
    let text = std::fs::read_to_string(readme).unwrap();
    let blocks: Vec<&str> = text
        .split("```toml\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .collect();
    assert_eq!(blocks.len(), 2);
    for block in blocks {
        CardTask::parse(block, Path::new("card.toml")).unwrap_or_else(|error| panic!("{error}"));
    }
}
