//! MedMCQA: Indian medical entrance examinations.
//!
//! Pal et al. 2022, <https://arxiv.org/abs/2203.14371>. Prompt: lm-evaluation-harness `medmcqa`; letter form: arXiv:2607.01444.
//! `cop` counts from 1 in the official files. The copy on the Hugging Face hub counts from 0; it is recognised by its zeros and refused,
//! because read as the official file it would score every answer one letter off.

use std::sync::Arc;

use serde_json::Value;

use crate::error::{BadItem, DatasetError};
use crate::item::Item;
use crate::record::{Record, describe};
use crate::source::Source;
use crate::tasks::few_shot::{Example, Sampler, Shots, items};
use crate::tasks::harness::{LETTERS, Layout, Question, letter_items, letter_spec, no_examples};
use crate::tasks::spec::{ChoiceMetric, Domain, FileSpec, TaskSpec};
use crate::tasks::{Entry, Task};

/// Registry line.
pub const ENTRY: Entry = Entry {
    names: || vec!["medmcqa".to_owned(), "medmcqa_letter".to_owned()],
    make: |name| match name {
        "medmcqa" => Some(Arc::new(MedMcqa { letter: false })),
        "medmcqa_letter" => Some(Arc::new(MedMcqa { letter: true })),
        _ => None,
    },
};

const VALIDATION: &str = "dev.json";
const TRAIN: &str = "train.json";

/// The task, by log-likelihood or by letter.
#[derive(Debug)]
pub struct MedMcqa {
    /// Asks for the letter instead of scoring it.
    pub letter: bool,
}

impl Task for MedMcqa {
    fn spec(&self) -> TaskSpec {
        let spec = if self.letter {
            letter_spec("medmcqa_letter", "medmcqa", Domain::Biomedical, &LETTERS)
        } else {
            let metrics = [ChoiceMetric::Acc, ChoiceMetric::AccNorm];
            TaskSpec::choice("medmcqa", "medmcqa", Domain::Biomedical, &metrics)
        };
        spec.about("medical entrance examinations, four options")
            .reads(vec![FileSpec::items(VALIDATION), FileSpec::few_shot(TRAIN)])
            .revised(if self.letter { 1 } else { 2 })
    }

    fn read(&self, source: &mut Source, few_shot: usize, _seed: u64) -> Result<Vec<Item>, DatasetError> {
        let questions = questions(source, VALIDATION)?;
        if self.letter {
            no_examples(source.task(), few_shot, "the letter form is zero-shot")?;
            return Ok(letter_items(questions));
        }
        let mut pool = Vec::new();
        if few_shot > 0 {
            pool = self::questions(source, TRAIN)?.iter().map(Example::from).collect();
        }
        let shots = Shots {
            sampler: Sampler::Random,
            pool,
            from: TRAIN,
            count: few_shot,
        };
        items(source, &Layout::default(), &shots, questions)
    }
}

fn questions(source: &mut Source, name: &str) -> Result<Vec<Question>, DatasetError> {
    let records = source.jsonl(name)?;
    if let Some(zero) = records
        .iter()
        .find(|record| record.fields.get("cop").and_then(Value::as_i64) == Some(0))
    {
        let found = format!("`cop` 0 at {}: the hub's copy, which counts from 0", zero.at);
        return Err(source.malformed(name, found, "the official file, where `cop` counts from 1"));
    }
    source.each(&records, question)
}

fn question(record: &Record) -> Result<Question, BadItem> {
    let stem = record.filled("question")?;
    let options = ["opa", "opb", "opc", "opd"].map(|field| record.text(field).map(str::to_owned));
    let options = options.into_iter().collect::<Result<Vec<_>, _>>()?;
    let cop = record.value("cop")?;
    let gold = cop.as_u64().filter(|number| (1..=4).contains(number));
    let gold = gold.ok_or_else(|| record.bad("cop", describe(cop), "a number from 1 to 4"))? as usize - 1;
    let subject = record
        .optional("subject_name")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let id = record.filled("id")?.to_owned();
    Ok(Question::lettered(id, &format!("Question: {stem}\nChoices:"), &options, gold).with("subject", subject))
}
