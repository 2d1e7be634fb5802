//! Multi-News+: several news articles on one event, summarised. Multi-News without the documents that do not belong to their cluster.
//!
//! Choi et al. 2024, <https://arxiv.org/abs/2404.09682>; Fabbri et al. 2019, <https://aclanthology.org/P19-1102>. Read, joined and asked as in the
//! reference experiment (arXiv:2607.01444), with its settings: temperature 0.7, top-p 1, 1024 tokens (it gives gpt-oss 2048, and forbids to
//! end before 16, which is not done here). It asks again, up to 10,000 times, until something is said; here an answer is asked for
//! once and silence is counted. The files are the authors' `cleansed_data_*.json`, lists of clusters of all splits; those marked
//! `test` are the items, and an item's source is what remains of its articles.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::{BadItem, DatasetError, shorten};
use crate::item::{Body, Generate, Item};
use crate::python::PyValue;
use crate::record::Record;
use crate::reference_experiment::summaries::{Limits, MultiNewsExample, load_multi_news, multi_news_prompt};
use crate::source::Source;
use crate::tasks::ask::question;
use crate::tasks::harness::no_examples;
use crate::tasks::spec::{Domain, FileSpec, GenerationMetric, GenerationSettings, Normalise, Scoring, TaskSpec};
use crate::tasks::{Entry, Task};

/// Registry line.
pub const ENTRY: Entry = Entry {
    names: || vec!["multi_news_plus".to_owned()],
    make: |name| {
        if name == "multi_news_plus" {
            Some(Arc::new(MultiNewsPlus))
        } else {
            None
        }
    },
};

/// The first of the authors’ files, and what the names of all begin with.
const FIRST: &str = "cleansed_data_cot_0_100.json";
const PREFIX: &str = "cleansed_data_";
const SPLIT: &str = "test";

/// The task.
#[derive(Debug)]
pub struct MultiNewsPlus;

impl Task for MultiNewsPlus {
    fn spec(&self) -> TaskSpec {
        let scoring = Scoring::Generation {
            metrics: vec![
                GenerationMetric::Support,
                GenerationMetric::Rouge,
                GenerationMetric::RougeOfReplies,
                GenerationMetric::Bleu,
                GenerationMetric::Chrf,
            ],
            normalise: Normalise::default(),
            abstain_phrases: Vec::new(),
        };
        let generation = GenerationSettings {
            max_new_tokens: 1024,
            stop: Vec::new(),
            temperature: 0.7,
            top_p: 1.0,
            samples: None,
        };
        TaskSpec::generated(
            "multi_news_plus",
            "multi_news_plus",
            Domain::General,
            scoring,
            generation,
        )
        .about("summaries of several news articles on one event")
        .reads(vec![FileSpec::items(FIRST)])
        .reliability()
    }

    fn read(&self, source: &mut Source, few_shot: usize, _seed: u64) -> Result<Vec<Item>, DatasetError> {
        no_examples(source.task(), few_shot, "it is zero-shot")?;
        let mut items = Vec::new();
        for name in files(source)? {
            let records = source.json_list(&name)?;
            for record in &records {
                let found = source.accept(item(record, items.len()))?;
                items.extend(found.flatten());
            }
        }
        Ok(items)
    }
}

/// The authors' files in the order of their names, as the experiment reads them; [`FIRST`] where there is none, so that its absence is
/// reported.
fn files(source: &Source) -> Result<Vec<String>, DatasetError> {
    let directory = source.path("");
    let unreadable = |error| DatasetError::Unreadable {
        path: directory.clone(),
        source: error,
    };
    if !directory.is_dir() {
        return Ok(vec![FIRST.to_owned()]);
    }
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&directory).map_err(unreadable)? {
        let name = entry.map_err(unreadable)?.file_name().to_string_lossy().into_owned();
        if name.starts_with(PREFIX) && std::path::Path::new(&name).extension().is_some_and(|e| e == "json") {
            names.push(name);
        }
    }
    names.sort();
    if names.is_empty() {
        names.push(FIRST.to_owned());
    }
    Ok(names)
}

/// The item of a cluster of the test split; none for the other splits.
fn item(record: &Record, number: usize) -> Result<Option<Item>, BadItem> {
    let split = record.text("split")?;
    if !split.eq_ignore_ascii_case(SPLIT) {
        return Ok(None);
    }
    let value = serde_json::Value::Array(vec![serde_json::Value::Object(record.fields.clone())]);
    let examples = load_multi_news(&PyValue::from(&value), SPLIT, Limits::default());
    let example = examples.ok().and_then(|examples| examples.into_iter().next());
    let Some(MultiNewsExample { source, reference, .. }) = example else {
        return Err(record.bad(
            "(record)",
            "no cluster",
            "an object with split, idx, cleansed_document and summary",
        ));
    };
    if source.is_empty() {
        let found = record
            .optional("cleansed_document")
            .map_or_else(|| "nothing".to_owned(), |v| shorten(&v.to_string()));
        return Err(record.bad("cleansed_document", found, "at least one article with text"));
    }
    if reference.is_empty() {
        return Err(record.bad("summary", "no text", "the summary written by an editor"));
    }
    let id = record
        .optional("idx")
        .map_or_else(|| number.to_string(), ToString::to_string);
    let generate = Generate {
        references: vec![reference],
        source: Some(source.clone()),
        ..question(multi_news_prompt(&source))
    };
    Ok(Some(Item {
        id,
        body: Body::Generate(generate),
        fields: BTreeMap::new(),
    }))
}
