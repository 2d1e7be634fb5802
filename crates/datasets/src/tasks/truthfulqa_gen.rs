//! `TruthfulQA`, generated answers: are they nearer to what is true than to what people wrongly believe?
//!
//! Lin et al. 2022, <https://arxiv.org/abs/2109.07958>. lm-evaluation-harness `truthfulqa_gen` (version 3): the six fixed pairs, then the question
//! without `A:` after it; answers end at an empty line. Reference answers end with a full stop, and "I have no comment." is a true
//! answer to every question.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::{BadItem, DatasetError};
use crate::item::{Body, Generate, Item, Message};
use crate::python::text::strip;
use crate::record::Record;
use crate::source::Source;
use crate::tasks::harness::no_examples;
use crate::tasks::spec::{Domain, FileSpec, GenerationSettings, Scoring, TaskSpec};
use crate::tasks::truthfulqa::PRIMER;
use crate::tasks::{Entry, Task};

/// Registry line.
pub const ENTRY: Entry = Entry {
    names: || vec!["truthfulqa_gen".to_owned()],
    make: |name| (name == "truthfulqa_gen").then(|| Arc::new(TruthfulQaGen) as Arc<dyn Task>),
};

const FILE: &str = "TruthfulQA.csv";
const NO_COMMENT: &str = "I have no comment.";

/// The task.
#[derive(Debug)]
pub struct TruthfulQaGen;

impl Task for TruthfulQaGen {
    fn spec(&self) -> TaskSpec {
        let generation = GenerationSettings::greedy(256, &["\n\n"]);
        let scoring = Scoring::TruthfulQaGen;
        TaskSpec::generated("truthfulqa_gen", "truthfulqa", Domain::General, scoring, generation)
            .about("common misconceptions, answered in words")
            .reads(vec![FileSpec::items(FILE)])
            .reliability()
    }

    fn read(&self, source: &mut Source, few_shot: usize, _seed: u64) -> Result<Vec<Item>, DatasetError> {
        no_examples(source.task(), few_shot, "the six examples of its prompt are fixed")?;
        let records = source.csv(FILE, None)?;
        source.each(&records, item)
    }
}

fn item(record: &Record) -> Result<Item, BadItem> {
    let mut truths = answers(record, "Correct Answers")?;
    if !truths.iter().any(|answer| answer == NO_COMMENT) {
        truths.push(NO_COMMENT.to_owned());
    }
    let falsehoods = answers(record, "Incorrect Answers")?;
    let message = Message {
        role: "user".to_owned(),
        content: format!("{PRIMER}Q: {}", strip(record.filled("Question")?)),
    };
    let mut fields = BTreeMap::from([(
        "false_answers".to_owned(),
        serde_json::Value::from(falsehoods).to_string(),
    )]);
    fields.insert("category".to_owned(), record.text("Category")?.to_owned());
    Ok(Item {
        id: format!("row-{}", record.index),
        body: Body::Generate(Generate {
            messages: vec![message],
            prefix: None,
            references: truths,
            source: None,
            unanswerable: false,
        }),
        fields,
    })
}

/// The answers of a cell, which are separated by semicolons; a full stop is put after those without one.
fn answers(record: &Record, field: &str) -> Result<Vec<String>, BadItem> {
    let parts = record
        .filled(field)?
        .split(';')
        .map(strip)
        .filter(|part| !part.is_empty());
    let closed = parts.map(|part| {
        if part.ends_with('.') {
            part.to_owned()
        } else {
            format!("{part}.")
        }
    });
    let answers: Vec<String> = closed.collect();
    if answers.is_empty() {
        return Err(record.bad(field, "nothing but semicolons", "answers separated by semicolons"));
    }
    Ok(answers)
}
