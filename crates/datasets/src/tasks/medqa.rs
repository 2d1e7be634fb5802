//! MedQA (USMLE, four options).
//!
//! Jin et al. 2020, <https://arxiv.org/abs/2009.13081>. Prompt: lm-evaluation-harness `medqa_4options`; letter form: arXiv:2607.01444.

use std::sync::Arc;

use crate::error::{BadItem, DatasetError};
use crate::item::Item;
use crate::record::Record;
use crate::source::Source;
use crate::tasks::few_shot::{Example, Sampler, Shots, items, training_or};
use crate::tasks::harness::{LETTERS, Layout, Question, letter_items, letter_spec, no_examples};
use crate::tasks::spec::{ChoiceMetric, Domain, FileSpec, TaskSpec};
use crate::tasks::{Entry, Task};

/// Registry line.
pub const ENTRY: Entry = Entry {
    names: || vec!["medqa_4options".to_owned(), "medqa_letter".to_owned()],
    make: |name| match name {
        "medqa_4options" => Some(Arc::new(MedQa { letter: false })),
        "medqa_letter" => Some(Arc::new(MedQa { letter: true })),
        _ => None,
    },
};

const TEST: &str = "phrases_no_exclude_test.jsonl";
const TRAIN: &str = "phrases_no_exclude_train.jsonl";
const DEV: &str = "phrases_no_exclude_dev.jsonl";

/// The task, by log-likelihood or by letter.
#[derive(Debug)]
pub struct MedQa {
    /// Asks for the letter instead of scoring it.
    pub letter: bool,
}

impl Task for MedQa {
    fn spec(&self) -> TaskSpec {
        let spec = if self.letter {
            letter_spec("medqa_letter", "medqa", Domain::Biomedical, &LETTERS)
        } else {
            let metrics = [ChoiceMetric::Acc, ChoiceMetric::AccNorm];
            TaskSpec::choice("medqa_4options", "medqa", Domain::Biomedical, &metrics)
        };
        spec.about("USMLE questions, four options")
            .reads(vec![FileSpec::items(TEST), FileSpec::few_shot(TRAIN).or(DEV)])
            .revised(if self.letter { 1 } else { 2 })
    }

    fn read(&self, source: &mut Source, few_shot: usize, _seed: u64) -> Result<Vec<Item>, DatasetError> {
        let records = source.jsonl(TEST)?;
        let questions = source.each(&records, question)?;
        if self.letter {
            no_examples(source.task(), few_shot, "the letter form is zero-shot")?;
            return Ok(letter_items(questions));
        }
        let from = training_or(source, TRAIN, DEV, few_shot);
        let example = |record: &Record| question(record).map(|question| Example::from(&question));
        let shots = Shots::from_lines(source, from, few_shot, Sampler::Random, example)?;
        items(source, &Layout::default(), &shots, questions)
    }
}

fn question(record: &Record) -> Result<Question, BadItem> {
    let stem = record.filled("question")?;
    let options = LETTERS.map(|letter| record.text(&format!("options.{letter}")).map(str::to_owned));
    let options = options.into_iter().collect::<Result<Vec<_>, _>>()?;
    let letter = record.text("answer_idx")?;
    let gold = LETTERS.iter().position(|&known| known == letter);
    let gold = gold.ok_or_else(|| record.bad("answer_idx", format!("\"{letter}\""), "A, B, C or D"))?;
    if let Some(answer) = record
        .optional("answer")
        .filter(|answer| answer.as_str() != Some(&options[gold]))
    {
        let expected = format!("the text of option {letter}, as `answer_idx` says");
        return Err(record.bad("answer", crate::record::describe(answer), expected));
    }
    let step = record
        .optional("meta_info")
        .and_then(serde_json::Value::as_str)
        .unwrap_or_default();
    let id = format!("line-{}", record.index);
    Ok(Question::lettered(id, &format!("Question: {stem}"), &options, gold).with("step", step))
}
