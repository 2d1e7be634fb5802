//! Summaries of randomised trials: the authors' conclusions of a Cochrane review from the abstract of its trial.
//!
//! Wallace et al. 2021, <https://arxiv.org/abs/2008.11293>. Reviews, prompt and settings of the reference experiment (arXiv:2607.01444):
//! those with exactly one abstract and one summary (52 of the test split), temperature 0.7, top-p 0.8, at most 1024 new tokens. The
//! experiment asks for at least 16 tokens and draws empty summaries again, up to 10,000 times; here an empty summary stays and is counted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::error::{BadItem, DatasetError};
use crate::item::{Body, Generate, Item};
use crate::record::Record;
use crate::reference_experiment::summaries::{Limits, RctExample, load_rct, rct_prompt};
use crate::source::Source;
use crate::tasks::harness::{free_text, no_examples};
use crate::tasks::spec::{FileSpec, TaskSpec};
use crate::tasks::{Entry, Task};

/// Registry line.
pub const ENTRY: Entry = Entry {
    names: || vec!["rct_summaries".to_owned()],
    make: |name| {
        if name == "rct_summaries" {
            Some(Arc::new(RctSummaries))
        } else {
            None
        }
    },
};

const INPUTS: &str = "test-inputs.csv";
const TARGETS: &str = "test-targets.csv";

/// The task.
#[derive(Debug)]
pub struct RctSummaries;

impl Task for RctSummaries {
    fn spec(&self) -> TaskSpec {
        let mut spec = free_text("rct_summaries", "rct_summaries", 1024, &[])
            .about("conclusions of a review from the abstract of its trial")
            .reads(vec![FileSpec::items(INPUTS), FileSpec::items(TARGETS)])
            .reliability();
        if let Some(generation) = &mut spec.generation {
            generation.temperature = 0.7;
            generation.top_p = 0.8;
        }
        spec
    }

    fn read(&self, source: &mut Source, few_shot: usize, _seed: u64) -> Result<Vec<Item>, DatasetError> {
        no_examples(source.task(), few_shot, "it is zero-shot")?;
        let (articles, inputs) = checked(source, INPUTS, &["ReviewID", "PMID", "Title", "Abstract"])?;
        let (reviews, targets) = checked(source, TARGETS, &["ReviewID", "Target"])?;
        let examples = load_rct(&inputs, &targets, Limits::default())
            .map_err(|error| source.malformed(INPUTS, error.to_string(), "the official files"))?;
        let all: BTreeSet<&str> = reviews
            .iter()
            .filter_map(|record| record.text("ReviewID").ok())
            .collect();
        source.note(format!(
            "{} of {} reviews have exactly one abstract and one summary",
            examples.len(),
            all.len()
        ));
        let mut items = Vec::with_capacity(examples.len());
        for example in examples {
            let record = articles
                .iter()
                .find(|record| record.text("ReviewID").is_ok_and(|id| id.trim() == example.review_id));
            items.extend(source.accept(item(record, example))?);
        }
        Ok(items)
    }
}

/// The rows of a file, every column there, and its text.
fn checked(source: &mut Source, name: &str, columns: &[&str]) -> Result<(Vec<Record>, String), DatasetError> {
    let text = source.text(name)?;
    let records = source.rows(name, &text, b',', None)?;
    let records = source.each(&records, |record| {
        for column in columns {
            record.text(column)?;
        }
        Ok(record.clone())
    })?;
    Ok((records, text))
}

fn item(record: Option<&Record>, example: RctExample) -> Result<Item, BadItem> {
    if let Some(record) = record {
        record.filled("Abstract")?;
    }
    let generate = Generate::turn(rct_prompt(&example.source), vec![example.reference]).from_source(example.source);
    Ok(Item {
        id: example.review_id,
        body: Body::Generate(generate),
        fields: BTreeMap::new(),
    })
}
