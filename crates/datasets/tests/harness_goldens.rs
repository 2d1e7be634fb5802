//! Prompts equal to those that lm-evaluation-harness sent, and to those of the reference experiment.

#![allow(clippy::unwrap_used)]

mod shared;

use std::path::Path;

use secateur_datasets::tasks::card::CardTask;
use secateur_datasets::{Body, LoadOptions, Task, TaskData};
use serde_json::Value;

const CHOICE: &str = r#"
name = "tiny_mc"
kind = "multiple_choice"
domain = "general"
licence = "ours"

[data]
file = "tiny_mc.jsonl"

[prompt]
template = "Question: {question}\nAnswer:"

[choices]
field = "choices"
label = "label"

[few_shot]
file = "tiny_mc_train.jsonl"
"#;

const GENERATION: &str = r#"
name = "tiny_gen"
kind = "generation"
domain = "general"
licence = "ours"

[data]
file = "tiny_gen.jsonl"

[prompt]
template = "{prompt}"

[answer]
references = "target"

[generation]
max_new_tokens = 24
stop = ["\n", ".", "?"]

[scoring]
metrics = ["rouge"]
"#;

const PERPLEXITY: &str = r#"
name = "tiny_ppl"
kind = "perplexity"
domain = "general"
licence = "ours"

[data]
file = "tiny_ppl.jsonl"

[prompt]
template = "{text}"
"#;

fn load(tasks: &Path, card: &str, few_shot: usize) -> TaskData {
    let task = CardTask::parse(card, &tasks.join("card.toml")).unwrap();
    let options = LoadOptions {
        few_shot: Some(few_shot),
        ..LoadOptions::default()
    };
    task.load(Path::new("nowhere"), &options).unwrap()
}

fn goldens() -> Vec<(std::path::PathBuf, Value)> {
    let Some(root) = shared::shared("goldens/core/lm_eval") else {
        return Vec::new();
    };
    ["results_olmoe.json", "results_mixtral.json"]
        .map(|name| {
            (
                root.join("tasks"),
                serde_json::from_str(&std::fs::read_to_string(root.join(name)).unwrap()).unwrap(),
            )
        })
        .into()
}

#[test]
fn multiple_choice_arguments_are_those_of_the_harness() {
    for (tasks, golden) in goldens() {
        for few_shot in [0, 2] {
            let data = load(&tasks, CHOICE, few_shot);
            let samples = golden[format!("tiny_mc_{few_shot}shot")]["samples"].as_array().unwrap();
            assert_eq!(data.items.len(), samples.len());
            for (item, sample) in data.items.iter().zip(samples) {
                let Body::Choice(choice) = &item.body else {
                    panic!("a choice")
                };
                let sent: Vec<Value> = choice
                    .continuations
                    .iter()
                    .map(|text| serde_json::json!([choice.context, text]))
                    .collect();
                assert_eq!(Value::from(sent), sample["arguments"]);
                assert_eq!(serde_json::json!(choice.gold), serde_json::json!([sample["target"]]));
                assert_eq!(serde_json::json!(choice.choices), sample["doc"]["choices"]);
            }
        }
    }
}

#[test]
fn generation_and_perplexity_arguments_are_those_of_the_harness() {
    for (tasks, golden) in goldens() {
        let generation = load(&tasks, GENERATION, 0);
        for (item, sample) in generation
            .items
            .iter()
            .zip(golden["tiny_gen_0shot"]["samples"].as_array().unwrap())
        {
            let Body::Generate(generate) = &item.body else {
                panic!("a generation")
            };
            assert_eq!(sample["arguments"][0][0], generate.messages[0].content.as_str());
            assert_eq!(sample["target"], generate.references[0].as_str());
        }
        let texts = load(&tasks, PERPLEXITY, 0);
        let samples = golden["tiny_ppl_0shot"]["samples"].as_array().unwrap();
        assert_eq!(texts.items.len(), samples.len());
        for (item, sample) in texts.items.iter().zip(samples) {
            assert_eq!(
                Body::Text(sample["arguments"][0][0].as_str().unwrap().to_owned()),
                item.body
            );
        }
    }
}

/// The published function fills absent options with nothing; only rows as the official files have them are compared.
#[test]
fn letter_prompts_are_those_of_the_reference_experiment() {
    let Some(path) = shared::shared("goldens/paper/eval/multimedqa_prompts.json") else {
        return;
    };
    let golden: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut compared = 0;
    for case in golden["cases"].as_array().unwrap() {
        let Some((task, file, extra, content)) = official_row(case) else {
            continue;
        };
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in [(file, content)].into_iter().chain(extra) {
            std::fs::write(directory.path().join(name), text).unwrap();
        }
        let task = secateur_datasets::tasks::find(task, &[]).unwrap();
        let data = task.load(directory.path(), &LoadOptions::default()).unwrap();
        let Body::Generate(generate) = &data.items[0].body else {
            panic!("a generation")
        };
        assert_eq!(case["prompt"], generate.messages[0].content.as_str());
        compared += 1;
    }
    assert!(compared >= 3);
}

type Files = (&'static str, &'static str, Vec<(&'static str, String)>, String);

/// The row of a golden case in the official file format of its task.
fn official_row(case: &Value) -> Option<Files> {
    let row = &case["row"];
    match case["task"].as_str()? {
        "medqa_4options" => {
            let options =
                serde_json::json!({"A": row["ending0"], "B": row["ending1"], "C": row["ending2"], "D": row["ending3"]});
            let line = serde_json::json!({"question": row["sent1"], "options": options, "answer_idx": "A"});
            row["sent1"].as_str()?;
            Some((
                "medqa_letter",
                "phrases_no_exclude_test.jsonl",
                Vec::new(),
                line.to_string(),
            ))
        }
        "medmcqa" => {
            let mut line = row.as_object()?.clone();
            line.insert("cop".into(), 1.into());
            line.insert("id".into(), "x".into());
            Some(("medmcqa_letter", "dev.json", Vec::new(), Value::from(line).to_string()))
        }
        "pubmedqa" if row["CONTEXTS"].as_array().is_some_and(|contexts| !contexts.is_empty()) => {
            let mut record = row.as_object()?.clone();
            record.insert("final_decision".into(), "no".into());
            let truth = ("test_ground_truth.json", r#"{"1": "no"}"#.to_owned());
            Some((
                "pubmedqa_letter",
                "ori_pqal.json",
                vec![truth],
                serde_json::json!({"1": record}).to_string(),
            ))
        }
        _ => None,
    }
}
