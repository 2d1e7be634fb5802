//! ARC: grade-school science, easy and challenge sets.
//!
//! Clark et al. 2018, <https://arxiv.org/abs/1803.05457>. Prompt: lm-evaluation-harness `arc_easy` and `arc_challenge`: option texts are the
//! choices, the right one is the position of `answerKey` among the labels (A to E, or 1 to 5). Examples are drawn
//! from the training file.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::{BadItem, DatasetError};
use crate::item::Item;
use crate::record::{Record, describe};
use crate::source::Source;
use crate::tasks::few_shot::{Example, Sampler, Shots, items, training_or};
use crate::tasks::harness::{Layout, Question, check_answers};
use crate::tasks::spec::{ChoiceMetric, Domain, FileSpec, TaskSpec};
use crate::tasks::{Entry, Task};

/// Registry line.
pub const ENTRY: Entry = Entry {
    names: || vec!["arc_challenge".to_owned(), "arc_easy".to_owned()],
    make: |name| match name {
        "arc_challenge" => Some(Arc::new(ArcTask {
            name: "arc_challenge",
            prefix: "ARC-Challenge",
        })),
        "arc_easy" => Some(Arc::new(ArcTask {
            name: "arc_easy",
            prefix: "ARC-Easy",
        })),
        _ => None,
    },
};

/// One of the two sets.
#[derive(Debug)]
pub struct ArcTask {
    name: &'static str,
    prefix: &'static str,
}

impl ArcTask {
    fn file(&self, split: &str) -> String {
        format!("{}-{split}.jsonl", self.prefix)
    }
}

impl Task for ArcTask {
    fn spec(&self) -> TaskSpec {
        TaskSpec::choice(
            self.name,
            "arc",
            Domain::General,
            &[ChoiceMetric::Acc, ChoiceMetric::AccNorm],
        )
        .about("grade-school science, three to five options")
        .reads(vec![
            FileSpec::items(self.file("Test")),
            FileSpec::few_shot(self.file("Train")).or(&self.file("Dev")),
        ])
        .revised(2)
    }

    fn read(&self, source: &mut Source, few_shot: usize, _seed: u64) -> Result<Vec<Item>, DatasetError> {
        let records = source.jsonl(&self.file("Test"))?;
        let questions = source.each(&records, question)?;
        let (train, dev) = (self.file("Train"), self.file("Dev"));
        let from = training_or(source, &train, &dev, few_shot);
        let example = |record: &Record| question(record).map(|question| Example::from(&question));
        let shots = Shots::from_lines(source, from, few_shot, Sampler::Random, example)?;
        items(source, &Layout::default(), &shots, questions)
    }
}

fn question(record: &Record) -> Result<Question, BadItem> {
    let stem = record.filled("question.stem")?;
    let options = record.value("question.choices")?;
    let count = options.as_array().map(Vec::len);
    let count = count.ok_or_else(|| record.bad("question.choices", describe(options), "a list of options"))?;
    let column = |name: &str| {
        let texts = (0..count).map(|index| {
            record
                .text(&format!("question.choices.{index}.{name}"))
                .map(str::to_owned)
        });
        texts.collect::<Result<Vec<_>, _>>()
    };
    let (choices, labels) = (column("text")?, column("label")?);
    check_answers(record, "question.choices", &choices)?;
    let key = record.text("answerKey")?;
    let gold = labels.iter().position(|label| label == key);
    let expected = || format!("one of the labels {}", labels.join(", "));
    let gold = gold.ok_or_else(|| record.bad("answerKey", format!("\"{key}\""), expected()))?;
    Ok(Question {
        id: record.filled("id")?.to_owned(),
        prompt: format!("Question: {stem}\nAnswer:"),
        choices,
        gold: vec![gold],
        fields: BTreeMap::new(),
        lettered: None,
    })
}
