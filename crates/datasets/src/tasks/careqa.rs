//! `CareQA`: Spanish specialised health training examinations in English, with options and as open questions.
//!
//! Arias-Duart et al. 2025, <https://arxiv.org/abs/2502.06666>. Prompts: lm-evaluation-harness `careqa_en` and `careqa_open`, whose
//! description ends in a quotation mark and a line break. `cop` counts from 1. The harness fills in one record that was
//! published without its question; here it is a bad item.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::error::{BadItem, DatasetError};
use crate::item::{Body, Generate, Item};
use crate::record::{Record, describe};
use crate::source::Source;
use crate::tasks::harness::{LETTERS, Layout, Question, free_text, letter_items, letter_spec, no_examples};
use crate::tasks::spec::{ChoiceMetric, Domain, FileSpec, TaskSpec};
use crate::tasks::{Entry, Task};

/// Registry line.
pub const ENTRY: Entry = Entry {
    names: || {
        ["careqa_en", "careqa_en_letter", "careqa_open"]
            .map(str::to_owned)
            .into()
    },
    make: |name| match name {
        "careqa_en" => Some(Arc::new(CareQa { letter: false })),
        "careqa_en_letter" => Some(Arc::new(CareQa { letter: true })),
        "careqa_open" => Some(Arc::new(CareQaOpen)),
        _ => None,
    },
};

const CHOICES: &str = "CareQA_en.json";
const OPEN: &str = "CareQA_en_open.json";
const DESCRIPTION: &str = "Instructions: The following text is a medical question. Answer it in the most factual, concise and informative way possible\"\n";

/// The questions with four options, by log-likelihood or by letter.
#[derive(Debug)]
pub struct CareQa {
    letter: bool,
}

impl Task for CareQa {
    fn spec(&self) -> TaskSpec {
        let spec = if self.letter {
            letter_spec("careqa_en_letter", "careqa", Domain::Biomedical, &LETTERS)
        } else {
            TaskSpec::choice("careqa_en", "careqa", Domain::Biomedical, &[ChoiceMetric::Acc])
        };
        spec.about("health training examinations, four options")
            .reads(vec![FileSpec::items(CHOICES)])
    }

    fn read(&self, source: &mut Source, few_shot: usize, _seed: u64) -> Result<Vec<Item>, DatasetError> {
        no_examples(source.task(), few_shot, "it has no split for examples")?;
        let records = source.json_records(CHOICES)?;
        let questions = source.each(&records, question)?;
        Ok(if self.letter {
            letter_items(questions)
        } else {
            Layout::default().items(&[], questions)
        })
    }
}

fn question(record: &Record) -> Result<Question, BadItem> {
    let stem = record.filled("question")?;
    let options = ["op1", "op2", "op3", "op4"].map(|field| record.text(field).map(str::to_owned));
    let options = options.into_iter().collect::<Result<Vec<_>, _>>()?;
    let cop = record.value("cop")?;
    let gold = cop.as_u64().filter(|number| (1..=4).contains(number));
    let gold = gold.ok_or_else(|| record.bad("cop", describe(cop), "a number from 1 to 4"))? as usize - 1;
    let category = record.optional("category").and_then(Value::as_str).unwrap_or_default();
    let question = Question::lettered(id(record), &format!("Question: {stem}\nChoices:"), &options, gold);
    Ok(question.with("category", category))
}

/// The hub's identifier; the position where there is none.
fn id(record: &Record) -> String {
    let named = record.optional("unique_id").and_then(Value::as_str);
    named.map_or_else(|| format!("entry-{}", record.index + 1), str::to_owned)
}

/// The open questions.
#[derive(Debug)]
pub struct CareQaOpen;

impl Task for CareQaOpen {
    fn spec(&self) -> TaskSpec {
        free_text("careqa_open", "careqa", 256, &["\n\n"])
            .about("health training questions, answered freely")
            .reads(vec![FileSpec::items(OPEN)])
    }

    fn read(&self, source: &mut Source, few_shot: usize, _seed: u64) -> Result<Vec<Item>, DatasetError> {
        no_examples(source.task(), few_shot, "it is zero-shot")?;
        let records = source.json_records(OPEN)?;
        source.each(&records, open)
    }
}

fn open(record: &Record) -> Result<Item, BadItem> {
    let content = format!("{DESCRIPTION}{}", record.filled("question")?);
    let generate = Generate::turn(content, vec![record.filled("answer")?.to_owned()]);
    Ok(Item {
        id: id(record),
        body: Body::Generate(generate),
        fields: BTreeMap::new(),
    })
}
