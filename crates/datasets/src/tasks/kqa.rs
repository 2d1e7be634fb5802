//! K-QA: patients' questions with physicians' answers, taken apart into statements.
//!
//! Manes et al. 2024, <https://arxiv.org/abs/2401.14493>. Three further sets of `MedLFQA` (Jeong et al. 2024,
//! <https://arxiv.org/abs/2405.12701>) have the same fields, with statements that a model wrote; its fourth, `HealthSearchQA`, is published
//! without answers. The question is the prompt. The statements that an answer must have, and those nice to have, are kept as JSON
//! lists in the fields `must_have` and `nice_to_have`.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::{BadItem, DatasetError};
use crate::item::{Body, Generate, Item};
use crate::record::Record;
use crate::source::Source;
use crate::tasks::harness::no_examples;
use crate::tasks::spec::{Domain, FileSpec, GenerationSettings, Scoring, TaskSpec};
use crate::tasks::{Entry, Task};

/// Registry line.
pub const ENTRY: Entry = Entry {
    names: || SETS.iter().map(|set| set.name.to_owned()).collect(),
    make: |name| {
        let set = SETS.iter().find(|set| set.name == name)?;
        Some(Arc::new(KQa { set }))
    },
};

/// Questions from one source.
#[derive(Debug)]
struct Questions {
    name: &'static str,
    folder: &'static str,
    file: &'static str,
    about: &'static str,
}

const fn med_lfqa(name: &'static str, file: &'static str, about: &'static str) -> Questions {
    Questions {
        name,
        folder: "medlfqa",
        file,
        about,
    }
}

const SETS: [Questions; 4] = [
    Questions {
        name: "kqa",
        folder: "kqa",
        file: "questions_w_answers.jsonl",
        about: "patients' questions, answered at length",
    },
    med_lfqa(
        "medlfqa_kqa_silver",
        "kqa_silver_wogold_test_MedLFQA.jsonl",
        "patients' questions with statements written by a model",
    ),
    med_lfqa(
        "medlfqa_live_qa",
        "live_qa_test_MedLFQA.jsonl",
        "consumers' health questions, answered at length",
    ),
    med_lfqa(
        "medlfqa_medication_qa",
        "medication_qa_test_MedLFQA.jsonl",
        "questions about medicines, answered at length",
    ),
];

/// The task of one set.
#[derive(Debug)]
pub struct KQa {
    set: &'static Questions,
}

impl Task for KQa {
    fn spec(&self) -> TaskSpec {
        let generation = GenerationSettings::greedy(512, &[]);
        let scoring = Scoring::Statements;
        let mut spec = TaskSpec::generated(self.set.name, self.set.folder, Domain::Biomedical, scoring, generation)
            .about(self.set.about)
            .reads(vec![FileSpec::items(self.set.file)])
            .reliability();
        // Since version 2 it is scored by its statements too.
        spec.version = 2;
        spec
    }

    fn read(&self, source: &mut Source, few_shot: usize, _seed: u64) -> Result<Vec<Item>, DatasetError> {
        no_examples(source.task(), few_shot, "it is zero-shot")?;
        let records = source.jsonl(self.set.file)?;
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
    let reference = record.filled("Free_form_answer")?.to_owned();
    Ok(Item {
        id: format!("line-{}", record.index),
        body: Body::Generate(Generate::turn(record.filled("Question")?, vec![reference])),
        fields,
    })
}
