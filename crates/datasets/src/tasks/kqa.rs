//! K-QA: patients' questions with physicians' answers, taken apart into statements.
//!
//! Manes et al. 2024, <https://arxiv.org/abs/2401.14493>; `MedLFQA` (OLAPH) uses the same file and schema. The question is the prompt. The
//! statements that an answer must have, and those nice to have, are kept as JSON lists in the fields `must_have` and `nice_to_have`.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::{BadItem, DatasetError};
use crate::item::{Body, Generate, Item, Message};
use crate::record::Record;
use crate::source::Source;
use crate::tasks::harness::no_examples;
use crate::tasks::spec::{Domain, FileSpec, GenerationSettings, Scoring, TaskSpec};
use crate::tasks::{Entry, Task};

/// Registry line.
pub const ENTRY: Entry = Entry {
    names: || vec!["kqa".to_owned()],
    make: |name| if name == "kqa" { Some(Arc::new(KQa)) } else { None },
};

const FILE: &str = "questions_w_answers.jsonl";

/// The task.
#[derive(Debug)]
pub struct KQa;

impl Task for KQa {
    fn spec(&self) -> TaskSpec {
        let mut spec = TaskSpec::generated(
            "kqa",
            "kqa",
            Domain::Biomedical,
            Scoring::Statements,
            GenerationSettings::greedy(512, &[]),
        )
        .about("patients' questions, answered at length")
        .reads(vec![FileSpec::items(FILE)])
        .reliability();
        // Since version 2 it is scored by its statements too.
        spec.version = 2;
        spec
    }

    fn read(&self, source: &mut Source, few_shot: usize, _seed: u64) -> Result<Vec<Item>, DatasetError> {
        no_examples(source.task(), few_shot, "it is zero-shot")?;
        let records = source.jsonl(FILE)?;
        source.each(&records, item)
    }
}

fn item(record: &Record) -> Result<Item, BadItem> {
    let must = record.texts("Must_have")?;
    if must.is_empty() {
        return Err(record.bad("Must_have", "an empty list", "at least one statement"));
    }
    let statements = |list: Vec<String>| serde_json::Value::from(list).to_string();
    let fields = BTreeMap::from([
        ("must_have".to_owned(), statements(must)),
        ("nice_to_have".to_owned(), statements(record.texts("Nice_to_have")?)),
    ]);
    let content = record.filled("Question")?.to_owned();
    let generate = Generate {
        messages: vec![Message {
            role: "user".to_owned(),
            content,
        }],
        prefix: None,
        references: vec![record.filled("Free_form_answer")?.to_owned()],
        source: None,
        unanswerable: false,
    };
    Ok(Item {
        id: format!("line-{}", record.index),
        body: Body::Generate(generate),
        fields,
    })
}
