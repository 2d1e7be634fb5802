//! The biomedical loaders on slices of the real files, and prompts on those made with the reference experiment's code.

#![allow(clippy::unwrap_used)]

mod shared;

use std::collections::{BTreeMap, BTreeSet};

use secateur_datasets::tasks::find;
use secateur_datasets::{Body, Generate, Item, LoadOptions, TaskData};
use serde_json::Value;

fn load(task: &str) -> Option<TaskData> {
    let task = find(task, &[]).unwrap();
    let root = shared::shared("data")?.join(task.spec().set);
    Some(
        task.load(&root, &LoadOptions::default())
            .unwrap_or_else(|error| panic!("{error}")),
    )
}

fn generate(item: &Item) -> &Generate {
    match &item.body {
        Body::Generate(generate) => generate,
        other => panic!("{other:?} is no generation"),
    }
}

fn golden(name: &str) -> Option<Value> {
    let path = shared::shared("goldens/paper/eval")?.join(name);
    Some(serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap())
}

#[test]
fn medec() {
    let Some(data) = load("medec") else { return };
    let correct = data
        .items
        .iter()
        .filter(|item| generate(item).references[0] == "CORRECT")
        .count();
    assert_eq!((data.items.len(), correct), (300, 146));
    assert_eq!(
        generate(&data.items[0]).references[0],
        "10 Patient's symptoms are suspected to be due to Schistosoma mansoni."
    );
    let clusters: BTreeSet<&String> = data.items.iter().map(|item| &item.fields["cluster"]).collect();
    assert_eq!(data.items[1].fields["cluster"], "ms-test-0");
    assert!(clusters.len() > 150 && clusters.len() < 300, "{}", clusters.len());
}

#[test]
fn mts_dialog() {
    let Some(data) = load("mts_dialog") else { return };
    assert_eq!(data.items.len(), 120);
    assert!(
        data.items
            .iter()
            .all(|item| generate(item).source.as_ref().unwrap().contains("Doctor"))
    );
}

#[test]
fn cochrane_simplification() {
    let Some(data) = load("cochrane_simplification") else {
        return;
    };
    assert_eq!(data.items.len(), 200);
    assert_eq!(data.notes, ["read from the split `val`: test.source is not here"]);
    assert!(generate(&data.items[0]).references[0].starts_with("The goal of this systematic review"));
}

/// Sentences, those without a mention, and mentions by type, in the development files.
#[test]
fn entities() {
    let Some(root) = shared::shared("data/bioner") else {
        return;
    };
    for (task, folder, expected) in [
        (
            "ncbi_disease",
            "NCBI-disease-IOB",
            (923, BTreeMap::from([("Disease", 787)])),
        ),
        (
            "bc5cdr",
            "BC5CDR-IOB",
            (1500, BTreeMap::from([("Chemical", 1668), ("Disease", 1461)])),
        ),
    ] {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join(folder)).unwrap();
        let copy = directory.path().join(folder).join("devel.tsv");
        std::fs::copy(root.join(format!("{folder}.devel.tsv")), copy).unwrap();
        let data = find(task, &[])
            .unwrap()
            .load(directory.path(), &LoadOptions::default())
            .unwrap();
        let mut found: BTreeMap<&str, usize> = BTreeMap::new();
        for item in &data.items {
            for line in generate(item).references[0].lines().filter(|line| *line != "None") {
                *found.entry(line.split_once(':').unwrap().0).or_default() += 1;
            }
        }
        assert_eq!((data.items.len(), found), expected, "{task}");
        assert!(data.notes[0].contains("devel.tsv"));
    }
}

/// The real claims with a corpus made up for them: every label and sentence number is read.
#[test]
fn scifact_claims() {
    let Some(root) = shared::shared("data/scifact") else {
        return;
    };
    let claims = std::fs::read_to_string(root.join("claims_dev.jsonl")).unwrap();
    let mut documents = BTreeSet::new();
    for line in claims.lines() {
        let claim: Value = serde_json::from_str(line).unwrap();
        documents.extend(
            claim["cited_doc_ids"]
                .as_array()
                .unwrap()
                .iter()
                .map(|id| id.as_u64().unwrap()),
        );
    }
    let sentences: Vec<String> = (0..60).map(|number| format!("Sentence {number}.")).collect();
    let line = |id: &u64| {
        serde_json::json!({"doc_id": id, "title": "T", "abstract": sentences, "structured": false}).to_string()
    };
    let corpus: Vec<String> = documents.iter().map(line).collect();
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("claims_dev.jsonl"), claims).unwrap();
    std::fs::write(directory.path().join("corpus.jsonl"), corpus.join("\n")).unwrap();
    let data = find("scifact_rationale", &[])
        .unwrap()
        .load(directory.path(), &LoadOptions::default())
        .unwrap();
    let labels = data
        .items
        .iter()
        .fold(BTreeMap::new(), |mut counts: BTreeMap<&str, usize>, item| {
            *counts.entry(item.fields["label"].as_str()).or_default() += 1;
            counts
        });
    println!("{} items, {labels:?}", data.items.len());
    assert!(data.items.len() >= 200 && labels.len() == 3);
}

#[test]
fn medhalt_prompts_of_all_tests_are_read() {
    let Some(root) = shared::shared("data/medhalt") else {
        return;
    };
    let rows = "id,PMID,Title,url,Abstract,question,options,correct_answer,correct_index,student_answer\n1,2,T,u,A,Q,\"{'0': 'a'}\",a,0,b\n";
    for name in secateur_datasets::tasks::names()
        .iter()
        .filter(|name| name.starts_with("medhalt_"))
    {
        let task = find(name, &[]).unwrap();
        let directory = tempfile::tempdir().unwrap();
        for file in task.spec().files {
            let path = directory.path().join(&file.name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            if file.name.starts_with("prompts/") {
                std::fs::copy(root.join(&file.name), path).unwrap();
            } else {
                std::fs::write(path, rows).unwrap();
            }
        }
        for few_shot in 0..=4 {
            let options = LoadOptions {
                few_shot: Some(few_shot),
                seed: few_shot as u64,
                ..LoadOptions::default()
            };
            let data = task
                .load(directory.path(), &options)
                .unwrap_or_else(|error| panic!("{error}"));
            let text = &generate(&data.items[0]).messages[0].content;
            assert_eq!(text.matches("Stop Here\n\n").count(), few_shot, "{name}");
            assert!(text.starts_with("You are ") && text.ends_with("}\nOutput: "), "{name}");
        }
    }
}

/// The experiment's own loader and prompts, case by case.
#[test]
fn rct_prompts_are_those_of_the_reference_experiment() {
    let Some(golden) = golden("rct_multinews_prompts.json") else {
        return;
    };
    let mut checked = 0;
    for case in golden["cases"].as_array().unwrap() {
        let (Some(inputs), Some(0), Some(0)) = (
            case["inputs_csv"].as_str(),
            case["max_examples"].as_u64(),
            case["max_source_chars"].as_u64(),
        ) else {
            continue;
        };
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("test-inputs.csv"), inputs).unwrap();
        std::fs::write(
            directory.path().join("test-targets.csv"),
            case["targets_csv"].as_str().unwrap(),
        )
        .unwrap();
        let data = find("rct_summaries", &[])
            .unwrap()
            .load(directory.path(), &LoadOptions::default())
            .unwrap();
        let examples = case["examples"].as_array().unwrap();
        assert_eq!(data.items.len(), examples.len());
        for (item, example) in data.items.iter().zip(examples) {
            assert_eq!(item.id, example["review_id"].as_str().unwrap());
            assert_eq!(generate(item).messages[0].content, example["prompt"].as_str().unwrap());
            assert_eq!(generate(item).references[0], example["reference"].as_str().unwrap());
            checked += 1;
        }
    }
    assert!(checked > 0);
}

#[test]
fn medinst32_names_and_messages_are_those_of_the_reference_experiment() {
    let Some(tasks) = golden("medinst32_tasks.json") else {
        return;
    };
    let tests = tasks["tests"]
        .as_object()
        .unwrap()
        .values()
        .flat_map(|list| list.as_array().unwrap());
    let theirs: BTreeSet<&str> = tests.map(|name| name.as_str().unwrap()).collect();
    let ours: BTreeSet<&str> = secateur_datasets::tasks::medinst32::TESTS
        .iter()
        .map(|(name, _)| *name)
        .collect();
    assert_eq!(ours, theirs);
    let mut checked = 0;
    for case in golden("medinst32_messages.json").unwrap()["cases"].as_array().unwrap() {
        let mut example = case["example"].clone();
        if example["input"].as_str().is_none_or(str::is_empty) {
            continue;
        }
        example["output"] = "x".into();
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("BIOSSES")).unwrap();
        std::fs::write(directory.path().join("BIOSSES/test.jsonl"), example.to_string()).unwrap();
        let data = find("medinst32_biosses", &[])
            .unwrap()
            .load(directory.path(), &LoadOptions::default())
            .unwrap();
        let turns = serde_json::to_value(&generate(&data.items[0]).messages).unwrap();
        assert_eq!(turns, case["messages"]);
        checked += 1;
    }
    assert!(checked > 0);
}

#[test]
fn a_group_holds_the_items_of_its_members() {
    let Some(root) = shared::shared("data") else { return };
    // Of the six subjects, two are not at hand; stand-ins make the group complete.
    let directory = tempfile::tempdir().unwrap();
    for (set, files) in [
        ("pubmedqa", vec!["ori_pqal.json", "test_ground_truth.json"]),
        ("medmcqa", vec!["dev.json"]),
        ("medqa", vec!["phrases_no_exclude_test.jsonl"]),
    ] {
        std::fs::create_dir(directory.path().join(set)).unwrap();
        for file in files {
            std::fs::copy(root.join(set).join(file), directory.path().join(set).join(file)).unwrap();
        }
    }
    let test = directory.path().join("mmlu/test");
    std::fs::create_dir_all(&test).unwrap();
    for subject in secateur_datasets::tasks::mmlu::MULTIMEDQA_SUBJECTS {
        let name = format!("{subject}_test.csv");
        let real = root.join("mmlu/test").join(&name);
        if real.is_file() {
            std::fs::copy(real, test.join(&name)).unwrap();
        } else {
            std::fs::write(test.join(&name), "Q?,a,b,c,d,A\n").unwrap();
        }
    }
    let group = find("multimedqa", &[]).unwrap();
    let load = |name: &str, set: &str| {
        let task = find(name, &[]).unwrap();
        task.load(&directory.path().join(set), &LoadOptions::default())
    };
    let data = load("multimedqa", "multimedqa").unwrap();
    let members = data
        .items
        .iter()
        .fold(BTreeMap::new(), |mut counts: BTreeMap<&str, usize>, item| {
            *counts.entry(item.fields["task"].as_str()).or_default() += 1;
            counts
        });
    println!("{members:?}");
    assert_eq!(
        (members.len(), members["medqa_4options"], members["pubmedqa"]),
        (9, 800, 291)
    );
    assert_eq!(data.items[0].id, "pubmedqa/21645374");
    assert!(
        data.files
            .iter()
            .any(|file| file.name == "../mmlu/test/anatomy_test.csv")
    );
    assert!(group.definition().contains("mmlu_anatomy 1"));
    std::fs::remove_file(directory.path().join("medqa/phrases_no_exclude_test.jsonl")).unwrap();
    let message = load("multimedqa", "multimedqa").unwrap_err().to_string();
    assert!(
        message.contains("medqa/phrases_no_exclude_test.jsonl does not exist; "),
        "{message}"
    );
}
