//! Small files written by hand, in the official formats: what each loader makes of them, and what it says about broken ones.

#![allow(clippy::unwrap_used)]

use std::path::Path;

use secateur_datasets::tasks::{FewShotDraw, find};
use secateur_datasets::{Body, DatasetError, LoadOptions, TaskData};

type Files<'a> = &'a [(&'a str, &'a str)];

fn load_with(task: &str, files: Files, options: &LoadOptions) -> Result<TaskData, DatasetError> {
    let directory = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = directory.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    find(task, &[]).unwrap().load(directory.path(), options)
}

fn refusal(task: &str, files: Files) -> String {
    let message = load_with(task, files, &LoadOptions::default()).unwrap_err().to_string();
    assert!(!message.contains('\n'), "{message}");
    message
}

fn assert_refused(task: &str, files: Files, parts: &[&str]) {
    let message = refusal(task, files);
    for part in parts {
        assert!(message.contains(part), "{message}\n does not say: {part}");
    }
}

fn shots(count: usize) -> LoadOptions {
    LoadOptions {
        few_shot: Some(count),
        ..LoadOptions::default()
    }
}

fn first_shots(count: usize) -> LoadOptions {
    LoadOptions {
        few_shot_draw: FewShotDraw::First,
        ..shots(count)
    }
}

fn choice(data: &TaskData, index: usize) -> &secateur_datasets::Choice {
    match &data.items[index].body {
        Body::Choice(choice) => choice,
        other => panic!("{other:?} is no choice"),
    }
}

const MEDQA: &str =
    r#"{"question": "Q1?", "answer": "b", "options": {"A": "a", "B": "b", "C": "c", "D": "d"}, "answer_idx": "B"}"#;

#[test]
fn medqa() {
    let dev = MEDQA.replace("Q1?", "Dev?");
    let files: Files = &[
        ("phrases_no_exclude_test.jsonl", MEDQA),
        ("phrases_no_exclude_dev.jsonl", &dev),
    ];
    let data = load_with("medqa_4options", files, &shots(1)).unwrap();
    let options = "\nA. a\nB. b\nC. c\nD. d\nAnswer:";
    assert_eq!(
        choice(&data, 0).context,
        format!("Question: Dev?{options} B\n\nQuestion: Q1?{options}")
    );
    let name = "phrases_no_exclude_test.jsonl";
    let broken = MEDQA.replace(r#""answer_idx": "B""#, r#""answer_idx": "E""#);
    assert_refused(
        "medqa_4options",
        &[(name, &broken)],
        &[
            "line 1, field `answer_idx`: found \"E\", expected A, B, C or D",
            "skip_bad_items",
        ],
    );
    let broken = MEDQA.replace(r#", "answer_idx": "B""#, "");
    assert_refused(
        "medqa_letter",
        &[(name, &broken)],
        &["field `answer_idx`: found nothing"],
    );
    let broken = MEDQA.replace(r#""answer": "b""#, r#""answer": "x""#);
    assert_refused(
        "medqa_4options",
        &[(name, &broken)],
        &["field `answer`: found \"x\", expected the text of option B"],
    );
    assert_refused(
        "medqa_4options",
        &[],
        &[
            "phrases_no_exclude_test.jsonl does not exist; download data_clean",
            "https://",
        ],
    );
    assert_refused(
        "medqa_4options",
        &[(name, "\n")],
        &["medqa_4options: no items (0 records"],
    );
}

#[test]
fn pubmedqa() {
    let record = r#"{"QUESTION": "Q?", "CONTEXTS": ["x", "y"], "final_decision": "no"}"#;
    let (records, truth) = (format!(r#"{{"7": {record}, "8": {record}}}"#), r#"{"7": "no"}"#);
    let data = load_with(
        "pubmedqa",
        &[("ori_pqal.json", &records), ("test_ground_truth.json", truth)],
        &shots(1),
    )
    .unwrap();
    let prompt = "Abstract: x\ny\nQuestion: Q?\nAnswer:";
    assert_eq!(choice(&data, 0).context, format!("{prompt} no\n\n{prompt}"));
    assert_eq!(
        (data.items.len(), choice(&data, 0).gold.as_slice()),
        (1, [1].as_slice())
    );
    let twice = format!(r#"{{"7": {record}, "7": {record}}}"#);
    assert_refused(
        "pubmedqa",
        &[("ori_pqal.json", &twice), ("test_ground_truth.json", truth)],
        &["entry 7", "second time"],
    );
    let other = [
        ("ori_pqal.json", records.as_str()),
        ("test_ground_truth.json", r#"{"7": "yes"}"#),
    ];
    assert_refused(
        "pubmedqa",
        &other,
        &["field `final_decision`: found \"no\", expected \"yes\", as in test_ground_truth.json"],
    );
    let message = load_with(
        "pubmedqa_letter",
        &[("ori_pqal.json", &records), ("test_ground_truth.json", truth)],
        &shots(1),
    );
    assert!(
        message
            .unwrap_err()
            .to_string()
            .contains("the letter form is zero-shot")
    );
    assert_refused(
        "pubmedqa",
        &[("ori_pqal.json", "[1"), ("test_ground_truth.json", truth)],
        &["expected a JSON object of records"],
    );
}

#[test]
fn medmcqa() {
    let line = |id: &str, cop: &str| {
        format!(r#"{{"id": "{id}", "question": "Q", "opa": "a", "opb": "b", "opc": "c", "opd": "d", "cop": {cop}}}"#)
    };
    let data = load_with("medmcqa", &[("dev.json", &line("x", "4"))], &shots(0)).unwrap();
    assert_eq!(choice(&data, 0).gold, [3]);
    let zero = format!("{}\n{}", line("x", "1"), line("y", "0"));
    assert_refused(
        "medmcqa",
        &[("dev.json", &zero)],
        &["`cop` 0 at line 2", "counts from 1"],
    );
    assert_refused(
        "medmcqa",
        &[("dev.json", &line("x", "5"))],
        &["field `cop`: found 5, expected a number from 1 to 4"],
    );
    let twice = format!("{}\n{}", line("x", "1"), line("x", "2"));
    assert_refused(
        "medmcqa",
        &[("dev.json", &twice)],
        &["item 2, field `id`: found `x`, which is also the id of item 1"],
    );
}

#[test]
fn mmlu() {
    let rows = "\" Q, one? \",a,b,c,d,C\nQ2,\"say \"\"x\"\"\",b,c,d,A\n";
    let files: Files = &[
        ("test/virology_test.csv", rows),
        ("dev/virology_dev.csv", "D,a,b,c,d,B\n"),
    ];
    let data = load_with("mmlu_virology", files, &shots(1)).unwrap();
    let head = "The following are multiple choice questions (with answers) about virology.\n\nD\nA. a\nB. b\nC. c\nD. d\nAnswer: B\n\n";
    assert_eq!(
        choice(&data, 0).context,
        format!("{head}Q, one?\nA. a\nB. b\nC. c\nD. d\nAnswer:")
    );
    assert_eq!((data.items[1].id.as_str(), choice(&data, 0).gold[0]), ("virology-1", 2));
    let message = load_with("mmlu_virology", files, &shots(6)).unwrap_err().to_string();
    assert_eq!(
        message,
        "mmlu_virology: 6 few-shot examples asked for, 1 available (from dev/virology_dev.csv)"
    );
    assert_refused(
        "mmlu_virology",
        &[("test/virology_test.csv", "Q,a,b,c,d\n")],
        &["row 1 (line 1)", "found 5 columns, expected 6 columns"],
    );
    assert_refused(
        "mmlu_virology",
        &[("test/virology_test.csv", "Q,a,b,c,d,E\n")],
        &["field `answer`: found \"E\""],
    );
    let message = find("mmlu_virologie", &[]).unwrap_err().to_string();
    assert!(
        message.starts_with("unknown task `mmlu_virologie`: did you mean `mmlu_virology`?"),
        "{message}"
    );
}

#[test]
fn hellaswag() {
    let line = r#"{"ind": 4, "activity_label": "Cooking", "ctx_a": "A [header] How to [title] X  boil.", "ctx_b": "the NASA Man", "endings": ["a [step] b", "c", "d", "e"], "label": 1, "split_type": "indomain"}"#;
    let train = line.replace("Cooking", "Train").replace("the NASA Man", "");
    let data = load_with(
        "hellaswag",
        &[("hellaswag_val.jsonl", line), ("hellaswag_train.jsonl", &train)],
        &first_shots(1),
    )
    .unwrap();
    assert_eq!(
        choice(&data, 0).context,
        "Train: A How to. X boil. c\n\nCooking: A How to. X boil. The nasa man"
    );
    assert_eq!(choice(&data, 0).continuations, [" a b", " c", " d", " e"]);
    let name = "hellaswag_val.jsonl";
    assert_refused(
        "hellaswag",
        &[(name, &line.replace("\"label\": 1", "\"label\": 4"))],
        &["line 1, field `label`: found 4, expected an index from 0 to 3"],
    );
    assert_refused(
        "hellaswag",
        &[(name, &line.replace("\"label\": 1,", ""))],
        &["field `label`: found nothing"],
    );
    assert_refused(
        "hellaswag",
        &[(name, &line.replace(r#"["a [step] b", "c", "d", "e"]"#, "[]"))],
        &["field `endings`: found 0 choices"],
    );
    assert_refused(
        "hellaswag",
        &[(name, &line.replace("\"c\"", "\"[x]\""))],
        &["an empty text as choice 1"],
    );
}

#[test]
fn arc() {
    let line = |key: &str| {
        format!(
            r#"{{"id": "i{key}", "question": {{"stem": "S?", "choices": [{{"text": "p", "label": "1"}}, {{"text": "q", "label": "2"}}, {{"text": "r", "label": "E"}}]}}, "answerKey": "{key}"}}"#
        )
    };
    let test = format!("{}\n{}", line("2"), line("E"));
    let data = load_with(
        "arc_easy",
        &[("ARC-Easy-Test.jsonl", &test), ("ARC-Easy-Dev.jsonl", &line("1"))],
        &shots(1),
    )
    .unwrap();
    assert_eq!(
        choice(&data, 0).context,
        "Question: S?\nAnswer: p\n\nQuestion: S?\nAnswer:"
    );
    assert_eq!((choice(&data, 0).gold[0], choice(&data, 1).gold[0]), (1, 2));
    assert_refused(
        "arc_easy",
        &[("ARC-Easy-Test.jsonl", &line("A"))],
        &["field `answerKey`: found \"A\", expected one of the labels 1, 2, E"],
    );
}

#[test]
fn piqa() {
    let line = r#"{"goal": "G", "sol1": "x", "sol2": "y"}"#;
    let two = format!("{line}\n{line}\n");
    let train = line.replace('G', "T");
    let files: Files = &[
        ("valid.jsonl", &two),
        ("valid-labels.lst", "1\n0\n"),
        ("train.jsonl", &train),
        ("train-labels.lst", "1\n"),
    ];
    let data = load_with("piqa", files, &first_shots(1)).unwrap();
    assert_eq!(
        choice(&data, 1).context,
        "Question: T\nAnswer: y\n\nQuestion: G\nAnswer:"
    );
    assert_eq!((choice(&data, 0).gold[0], choice(&data, 1).gold[0]), (1, 0));
    assert_refused(
        "piqa",
        &[("valid.jsonl", &two), ("valid-labels.lst", "1\n")],
        &["found 1 labels for the 2 lines of valid.jsonl"],
    );
    assert_refused(
        "piqa",
        &[("valid.jsonl", line), ("valid-labels.lst", "2\n")],
        &["field `label`: found \"2\", expected 0 or 1"],
    );
    // A skipped line does not shift the labels of the others.
    let broken = format!("{line}\n{{\"goal\": 1}}\n{line}\n");
    let options = LoadOptions {
        skip_bad_items: true,
        ..LoadOptions::default()
    };
    let data = load_with(
        "piqa",
        &[("valid.jsonl", &broken), ("valid-labels.lst", "1\n1\n0\n")],
        &options,
    )
    .unwrap();
    assert_eq!(
        (data.items.len(), data.skipped.len(), choice(&data, 1).gold[0]),
        (2, 1, 0)
    );
}

#[test]
fn truthfulqa() {
    let entry =
        |targets: &str| format!(r#"[{{"question": "Q?", "mc1_targets": {targets}, "mc2_targets": {targets}}}]"#);
    let late = entry(r#"{"t": 1, "f": 0, "u": 1}"#);
    let data = load_with("truthfulqa_mc2", &[("mc_task.json", &late)], &shots(0)).unwrap();
    assert_eq!(choice(&data, 0).gold, [0]);
    assert!(data.notes[0].contains("after a false one"));
    assert_refused(
        "truthfulqa_mc1",
        &[("mc_task.json", &late)],
        &["entry 1, field `mc1_targets`: found 2 true answers"],
    );
    assert_refused(
        "truthfulqa_mc2",
        &[("mc_task.json", &entry(r#"{"t": 1, "u": 1}"#))],
        &["found 2 true answers of 2"],
    );
    assert_refused(
        "truthfulqa_mc2",
        &[("mc_task.json", &entry(r#"{"t": 1, "u": 2}"#))],
        &["found 2 for \"u\", expected 0 or 1"],
    );
    let message = load_with("truthfulqa_mc1", &[("mc_task.json", &late)], &shots(2))
        .unwrap_err()
        .to_string();
    assert!(message.contains("0 available"), "{message}");
}

#[test]
fn meqsum_and_kqa() {
    let line = r#"{"File": "f", "CHQ": "SUBJECT: s\nMESSAGE: why?", "Summary": "Why?"}"#;
    let data = load_with("meqsum", &[("meqsum.derived.jsonl", line)], &shots(0)).unwrap();
    let Body::Generate(generate) = &data.items[0].body else {
        panic!("a generation")
    };
    assert_eq!(
        (generate.source.as_deref(), generate.references[0].as_str()),
        (Some("why?"), "Why?")
    );
    assert_refused(
        "meqsum",
        &[("meqsum.derived.jsonl", &line.replace("Why?", ""))],
        &["field `Summary`: found an empty string"],
    );
    let sheet = "MeQSum_ACL2019_BenAbacha_Demner-Fushman.xlsx";
    assert_refused("meqsum", &[(sheet, "not a workbook")], &["expected an Excel workbook"]);
    let line = r#"{"Question": "Q", "Free_form_answer": "A", "Must_have": [], "Nice_to_have": []}"#;
    assert_refused(
        "kqa",
        &[("questions_w_answers.jsonl", line)],
        &["field `Must_have`: found an empty list"],
    );
}

#[test]
fn medhalt_fake() {
    let prompts = r#"{"prompts": [{"id": "v0", "prompt": "P", "output_format": "F"}]}"#;
    let shots_file = r#"{"shots": [[{"input": {"Question": "d"}, "Output": {"cop": "it's", "n": 1}, "prompt_type": "default"}, {"input": {"Question": "t"}, "Output": {}, "prompt_type": "task_specific"}]]}"#;
    let rows = "id,question,options\nx,\"Q \"\"a\"\"\",{'0': 'I do not know'}\n";
    let (p, s) = (
        "prompts/reasoning_Fake/prompts.json",
        "prompts/reasoning_Fake/shots.json",
    );
    let data = load_with(
        "medhalt_fake",
        &[("reasoning_fake.csv", rows), (p, prompts), (s, shots_file)],
        &LoadOptions::default(),
    );
    let data = data.unwrap();
    let Body::Generate(generate) = &data.items[0].body else {
        panic!("a generation")
    };
    assert_eq!(
        generate.messages[0].content,
        "P\nF\nExamples: \nInput : {'Question': 'd'}\nOutput: {'cop': \"it's\", 'n': 1}Stop Here\n\nInput : {'Question': 't'}\nOutput: {}Stop Here\n\nInput: {'Question': 'Q \"a\"', 'Options': {'0': 'I do not know'}}\nOutput: "
    );
    let broken = rows.replace("{'0': 'I do not know'}", "{'0': ");
    assert_refused(
        "medhalt_fake",
        &[("reasoning_fake.csv", &broken), (p, prompts), (s, shots_file)],
        &["row 1 (line 2), field `options`"],
    );
}

#[test]
fn bad_records_are_counted_where_asked_for() {
    let lines = format!(
        "{MEDQA}\n{}\nnot json\n{MEDQA}",
        MEDQA
            .replace("\"B\", \"", "\"Z\", \"")
            .replace("answer_idx\": \"B", "answer_idx\": \"Z")
    );
    let options = LoadOptions {
        skip_bad_items: true,
        ..LoadOptions::default()
    };
    let data = load_with("medqa_4options", &[("phrases_no_exclude_test.jsonl", &lines)], &options).unwrap();
    assert_eq!((data.items.len(), data.skipped.len()), (2, 2));
    assert!(
        data.skipped
            .iter()
            .any(|item| item.at == "line 2" && item.field == "answer_idx")
    );
    assert!(data.skipped.iter().any(|item| item.at == "line 3"));
}

#[test]
fn hashes_cover_files_and_options() {
    let name = "phrases_no_exclude_test.jsonl";
    let hash = |content: &str, options: &LoadOptions| {
        load_with("medqa_4options", &[(name, content)], options)
            .unwrap()
            .content_sha256
    };
    let base = hash(MEDQA, &LoadOptions::default());
    assert_eq!(base, hash(MEDQA, &LoadOptions::default()));
    assert_ne!(base, hash(&MEDQA.replace("Q1", "Q2"), &LoadOptions::default()));
    let options = |seed, limit| LoadOptions {
        seed,
        limit,
        ..LoadOptions::default()
    };
    let two = format!("{MEDQA}\n{}", MEDQA.replace("Q1", "Q2"));
    // A seed matters only where it changes what is asked.
    assert_eq!(hash(&two, &options(0, None)), hash(&two, &options(1, None)));
    let drawn: Vec<String> = (0..16).map(|seed| hash(&two, &options(seed, Some(1)))).collect();
    assert!(
        drawn.iter().any(|other| *other != drawn[0])
            && drawn.iter().all(|other| *other != hash(&two, &options(0, None)))
    );
    let zero = load_with(
        "medqa_4options",
        &[(name, MEDQA)],
        &LoadOptions {
            limit: Some(0),
            ..LoadOptions::default()
        },
    );
    assert!(
        zero.unwrap_err()
            .to_string()
            .starts_with("`limit` is 0, expected at least 1")
    );
}

/// Whatever the bytes, a loader answers; it does not panic.
#[test]
fn no_loader_panics_on_junk() {
    let junk: [&str; 8] = [
        "",
        "\u{feff}",
        "null",
        "[]",
        "{}",
        "{\"a\": [1]}\n[",
        "\"\n,,,\n'",
        "{\"question\": {\"stem\": \"s\", \"choices\": 3}}",
    ];
    for name in secateur_datasets::tasks::names() {
        if name.starts_with("mmlu_") && !name.starts_with("mmlu_virology") {
            continue;
        }
        let task = find(&name, &[]).unwrap();
        for content in junk {
            let directory = tempfile::tempdir().unwrap();
            for file in task.spec().files {
                let path = directory.path().join(&file.name);
                std::fs::create_dir_all(path.parent().unwrap_or(Path::new(""))).unwrap();
                std::fs::write(path, content).unwrap();
            }
            for skip_bad_items in [false, true] {
                let options = LoadOptions {
                    skip_bad_items,
                    ..LoadOptions::default()
                };
                assert!(
                    task.load(directory.path(), &options).is_err(),
                    "{name} accepts {content:?}"
                );
            }
        }
    }
}
