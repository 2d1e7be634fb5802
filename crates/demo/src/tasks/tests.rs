#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use super::*;
use crate::facts::Split;
use crate::text::{Corpus, Mixture};

fn records(files: &BTreeMap<String, String>, task: &str) -> Vec<Value> {
    files[&format!("tasks/{task}.jsonl")]
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect()
}

fn names() -> impl Iterator<Item = (Domain, String)> {
    Domain::ALL.into_iter().flat_map(|domain| {
        ["choice", "claims", "recall", "passages", "unanswerable"].map(|task| (domain, task_name(domain, task)))
    })
}

fn demo_dir() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../datasets/demo")
}

#[test]
fn committed_files_are_what_the_generator_writes() {
    let made = files().unwrap();
    assert_eq!(made, files().unwrap(), "same seed, other bytes");
    for (name, contents) in &made {
        let path = demo_dir().join(name);
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            committed == *contents,
            "{} differs from the generator: run `cargo xtask demo data`",
            path.display()
        );
    }
    for folder in ["tasks", "calibration"] {
        for entry in std::fs::read_dir(demo_dir().join(folder)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            assert!(made.contains_key(&format!("{folder}/{name}")), "{name} is stray");
        }
    }
}

#[test]
fn the_readme_counts_what_is_there() {
    let readme = std::fs::read_to_string(demo_dir().join("README.md")).unwrap();
    for relation in Knowledge::built_in().unwrap().relations {
        let unasked = relation.facts.iter().filter(|f| f.statement_only).count();
        let row = format!("| `{}` | {} | {unasked} |", relation.name, relation.facts.len());
        assert!(readme.contains(&row), "README.md lacks `{row}`");
    }
}

#[test]
fn nothing_that_is_evaluated_occurs_in_training_or_calibration() {
    let made = files().unwrap();
    let knowledge = Knowledge::built_in().unwrap();
    let mut text: Vec<String> = Domain::ALL
        .iter()
        .flat_map(|d| made[&format!("calibration/{d}.jsonl")].lines())
        .map(|l| l.replace("\\n", "\n"))
        .collect();
    let corpus = Corpus::new(knowledge, Mixture::default(), 11).unwrap();
    text.extend(corpus.documents(0).take(20_000).map(|d| d.plain()));
    let text = text.join("\n\n");
    for (_, name) in names() {
        for record in records(&made, &name) {
            let prompt = record["prompt"].as_str().unwrap();
            assert!(!text.contains(prompt), "{name}: {prompt}");
            if let Some(passage) = record["passage"].as_str() {
                assert!(!text.contains(passage), "{name}: {passage}");
                assert_eq!(Split::of(passage), Split::Evaluation);
            }
        }
    }
}

#[test]
fn ids_are_unique_and_cards_fit_their_records() {
    let made = files().unwrap();
    for (domain, name) in names() {
        let card: toml::Table = made[&format!("tasks/{name}.toml")].parse().unwrap();
        assert_eq!(card["name"].as_str(), Some(name.as_str()));
        assert_eq!(card["domain"].as_str(), Some(domain.name()));
        let records = records(&made, &name);
        assert!((60..=120).contains(&records.len()), "{name}");
        let ids: BTreeSet<&str> = records.iter().map(|r| r["id"].as_str().unwrap()).collect();
        assert_eq!(ids.len(), records.len(), "{name}");
        let kept = card["data"]["keep"].as_array().unwrap();
        for record in &records {
            for field in kept {
                assert!(record[field.as_str().unwrap()].is_string(), "{name}: {field}");
            }
            let answerable = record["unanswerable"] == Value::Bool(false);
            if let Some(answers) = record["answers"].as_array() {
                assert_eq!(answers.is_empty(), !answerable, "{name}");
            }
        }
    }
}

#[test]
fn choices_have_one_right_answer_and_labels_are_spread() {
    let made = files().unwrap();
    let knowledge = Knowledge::built_in().unwrap();
    for domain in Domain::ALL {
        let mut labels = [0; 4];
        for record in records(&made, &task_name(domain, "choice")) {
            let label = record["label"].as_u64().unwrap() as usize;
            labels[label] += 1;
            let choices: Vec<&str> = record["choices"]
                .as_array()
                .unwrap()
                .iter()
                .map(|c| c.as_str().unwrap())
                .collect();
            assert_eq!(choices.iter().collect::<BTreeSet<_>>().len(), 4);
            let (relation, fact) = knowledge
                .facts(domain)
                .find(|(r, f)| record["id"] == format!("{}:{}", r.name, f.subject))
                .unwrap();
            let wrong = relation.wrong_answers(fact);
            for (index, choice) in choices.iter().enumerate() {
                assert_eq!(*choice == fact.answer, index == label);
                assert!(index == label || wrong.contains(choice));
            }
        }
        assert!(labels.iter().all(|&n| n > 15), "{labels:?}");
    }
}

#[test]
fn claims_are_half_true_and_false_ones_are_kept_from_training() {
    let made = files().unwrap();
    for domain in Domain::ALL {
        let claims = records(&made, &task_name(domain, "claims"));
        let is_true = |r: &&Value| r["label"] == "Yes";
        assert_eq!(claims.iter().filter(is_true).count() * 2, claims.len());
        for claim in &claims {
            assert_eq!(claim["claimed"] == claim["right"], claim["label"] == "Yes");
            if claim["label"] == "No" {
                let text = |field: &str| claim[field].as_str().unwrap().to_string();
                let key = [text("relation"), text("subject"), text("claimed")].join("\t");
                assert_eq!(Split::of(&key), Split::Evaluation);
            }
        }
    }
}

#[test]
fn a_third_of_the_questions_is_about_statement_only_facts() {
    let made = files().unwrap();
    for domain in Domain::ALL {
        for task in ["choice", "claims", "recall"] {
            let records = records(&made, &task_name(domain, task));
            let unasked = records.iter().filter(|r| r["training"] == "statement only");
            assert_eq!(unasked.count(), records.len() / 3, "{domain} {task}");
        }
    }
}

#[test]
fn files_are_written_where_asked() {
    let dir = std::env::temp_dir().join(format!("secateur-demo-tasks-{}", std::process::id()));
    let written = write_all(&dir).unwrap();
    assert_eq!(written.len(), files().unwrap().len());
    assert!(written.iter().all(|path| path.is_file()));
    std::fs::remove_dir_all(&dir).unwrap();
    std::fs::write(&dir, "a file where a folder should be").unwrap();
    let refused = write_all(&dir).unwrap_err().to_string();
    assert!(refused.starts_with("cannot write "), "{refused}");
    std::fs::remove_file(&dir).unwrap();
}

#[test]
fn cards_load_as_user_tasks_do() {
    use secateur_datasets::tasks::card::CardTask;
    use secateur_datasets::{Body, LoadOptions, Task as _};

    let made = files().unwrap();
    for (_, name) in names() {
        let task = CardTask::open(&demo_dir().join(format!("tasks/{name}.toml"))).unwrap();
        let data = task.load(Path::new(""), &LoadOptions::default()).unwrap();
        let records = records(&made, &name);
        assert_eq!(data.items.len(), records.len());
        assert!(data.skipped.is_empty());
        for (item, record) in data.items.iter().zip(&records) {
            match &item.body {
                Body::Choice(choice) => {
                    assert_eq!(choice.context, record["prompt"].as_str().unwrap());
                    assert_eq!(choice.gold.len(), 1);
                    let right = &choice.choices[choice.gold[0]];
                    match record["label"].as_str() {
                        Some(label) => assert_eq!(right, label),
                        None => assert!(item.id.starts_with(record["relation"].as_str().unwrap())),
                    }
                }
                Body::Generate(generate) => {
                    assert_eq!(generate.messages.len(), 1);
                    assert_eq!(generate.messages[0].content, record["prompt"].as_str().unwrap());
                    assert_eq!(generate.unanswerable, record["unanswerable"] == Value::Bool(true));
                    assert_eq!(generate.source.is_some(), record["passage"].is_string());
                }
                Body::Text(_) => panic!("{name} asks for no perplexity"),
            }
        }
    }
}
