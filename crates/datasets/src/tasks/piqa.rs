//! PIQA: physical common sense, two solutions to a goal.
//!
//! Bisk et al. 2020, <https://arxiv.org/abs/1911.11641>. Prompt: lm-evaluation-harness `piqa`. Labels lie in a second file, line by line.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::{BadItem, DatasetError};
use crate::item::Item;
use crate::record::Record;
use crate::source::Source;
use crate::tasks::few_shot::{Example, Sampler, Shots, items};
use crate::tasks::harness::{Layout, Question, check_answers};
use crate::tasks::spec::{ChoiceMetric, Domain, FileSpec, TaskSpec};
use crate::tasks::{Entry, Task};

/// Registry line.
pub const ENTRY: Entry = Entry {
    names: || vec!["piqa".to_owned()],
    make: |name| if name == "piqa" { Some(Arc::new(Piqa)) } else { None },
};

/// The task.
#[derive(Debug)]
pub struct Piqa;

impl Task for Piqa {
    fn spec(&self) -> TaskSpec {
        let files = vec![
            FileSpec::items("valid.jsonl"),
            FileSpec::items("valid-labels.lst"),
            FileSpec::few_shot("train.jsonl"),
            FileSpec::few_shot("train-labels.lst"),
        ];
        TaskSpec::choice(
            "piqa",
            "piqa",
            Domain::General,
            &[ChoiceMetric::Acc, ChoiceMetric::AccNorm],
        )
        .about("physical common sense, two solutions")
        .reads(files)
        .revised(2)
    }

    fn read(&self, source: &mut Source, few_shot: usize, _seed: u64) -> Result<Vec<Item>, DatasetError> {
        let questions = questions(source, "valid")?;
        let mut pool = Vec::new();
        if few_shot > 0 {
            pool = self::questions(source, "train")?.iter().map(Example::from).collect();
        }
        let shots = Shots {
            sampler: Sampler::RandomOthers,
            pool,
            from: "train.jsonl",
            count: few_shot,
        };
        items(source, &Layout::default(), &shots, questions)
    }
}

fn questions(source: &mut Source, split: &str) -> Result<Vec<Question>, DatasetError> {
    let (records_file, labels_file) = (format!("{split}.jsonl"), format!("{split}-labels.lst"));
    let text = source.text(&labels_file)?;
    let labels: Vec<&str> = text.lines().map(str::trim).collect();
    let lines = labels
        .iter()
        .rposition(|label| !label.is_empty())
        .map_or(0, |last| last + 1);
    let records = source.jsonl(&records_file)?;
    let last_line = records.last().map_or(0, line);
    if last_line != lines {
        let found = format!("{lines} labels for the {last_line} lines of {records_file}");
        return Err(source.malformed(&labels_file, found, "one label per line of the questions"));
    }
    source.each(&records, |record| {
        question(record, labels.get(line(record) - 1).copied().unwrap_or_default())
    })
}

/// Labels belong to lines of the file, so that a skipped line does not shift them.
fn line(record: &Record) -> usize {
    record
        .at
        .strip_prefix("line ")
        .and_then(|number| number.parse().ok())
        .unwrap_or(record.index + 1)
}

fn question(record: &Record, label: &str) -> Result<Question, BadItem> {
    let goal = record.filled("goal")?;
    let choices = vec![record.text("sol1")?.to_owned(), record.text("sol2")?.to_owned()];
    check_answers(record, "sol1, sol2", &choices)?;
    let gold = ["0", "1"].iter().position(|&known| known == label);
    let gold = gold.ok_or_else(|| record.bad("label", format!("\"{label}\""), "0 or 1 in the label file"))?;
    Ok(Question {
        id: format!("line-{}", line(record)),
        prompt: format!("Question: {goal}\nAnswer:"),
        choices,
        gold: vec![gold],
        fields: BTreeMap::new(),
        lettered: None,
    })
}
