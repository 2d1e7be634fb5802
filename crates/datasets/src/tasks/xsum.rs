//! `XSum`: a BBC article in one sentence.
//!
//! Narayan et al. 2018, <https://arxiv.org/abs/1808.08745>. Read from a JSONL file with the fields `document`, `summary` and `id`, as the hub set
//! `EdinburghNLP/xsum` has them; or from the authors' own folder `bbc-summary-data` with one file per article, in which `[SN]TITLE[SN]`,
//! `[SN]FIRST-SENTENCE[SN]` and `[SN]RESTBODY[SN]` stand before the parts, and the split file: blank lines and those of the page's buttons are
//! left out, as in the hub set. lm-evaluation-harness has no task
//! of this set, and the paper trains models instead of asking them: the prompt is ours.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::error::{BadItem, DatasetError};
use crate::item::{Body, Generate, Item};
use crate::record::Record;
use crate::source::Source;
use crate::tasks::ask::question;
use crate::tasks::harness::no_examples;
use crate::tasks::spec::{Domain, FileSpec, GenerationMetric, GenerationSettings, Normalise, Scoring, TaskSpec};
use crate::tasks::{Entry, Task};

/// Registry line.
pub const ENTRY: Entry = Entry {
    names: || vec!["xsum".to_owned()],
    make: |name| if name == "xsum" { Some(Arc::new(XSum)) } else { None },
};

const LINES: &str = "test.jsonl";
const SPLITS: &str = "XSum-TRAINING-DEV-TEST-SPLIT-90-5-5.json";
const ARTICLES: &str = "bbc-summary-data";

/// Lines of the page around an article.
const BUTTONS: [&str; 11] = [
    "Share this with",
    "Email",
    "Facebook",
    "Messenger",
    "Twitter",
    "Pinterest",
    "WhatsApp",
    "Linkedin",
    "LinkedIn",
    "Copy this link",
    "These are external links and will open in a new window",
];

/// The task.
#[derive(Debug)]
pub struct XSum;

impl Task for XSum {
    fn spec(&self) -> TaskSpec {
        let scoring = Scoring::Generation {
            metrics: vec![
                GenerationMetric::Support,
                GenerationMetric::Rouge,
                GenerationMetric::Bleu,
                GenerationMetric::Chrf,
            ],
            normalise: Normalise::default(),
            abstain_phrases: Vec::new(),
        };
        let generation = GenerationSettings::greedy(128, &["\n\n"]);
        TaskSpec::generated("xsum", "xsum", Domain::General, scoring, generation)
            .about("news articles in one sentence")
            .reads(vec![FileSpec::items(LINES).or(SPLITS)])
            .reliability()
    }

    fn read(&self, source: &mut Source, few_shot: usize, _seed: u64) -> Result<Vec<Item>, DatasetError> {
        no_examples(source.task(), few_shot, "it is zero-shot")?;
        let records = if source.first_present(&[LINES, SPLITS]) == LINES {
            source.jsonl(LINES)?
        } else {
            articles(source)?
        };
        source.each(&records, item)
    }
}

fn item(record: &Record) -> Result<Item, BadItem> {
    let document = record.filled("document")?;
    let reference = record.filled("summary")?.trim().to_owned();
    let prompt = format!("Summarize the following news article in one sentence.\n\nArticle:\n{document}\n\nSummary:");
    let generate = Generate {
        references: vec![reference],
        source: Some(document.to_owned()),
        ..question(prompt)
    };
    let id = match record.value("id")? {
        Value::String(id) if !id.trim().is_empty() => id.clone(),
        Value::Number(id) => id.to_string(),
        other => return Err(record.bad("id", crate::record::describe(other), "the article's BBC id")),
    };
    Ok(Item {
        id,
        body: Body::Generate(generate),
        fields: BTreeMap::new(),
    })
}

/// The test articles of the authors' own layout.
fn articles(source: &mut Source) -> Result<Vec<Record>, DatasetError> {
    let splits: BTreeMap<String, Vec<String>> =
        source.json(SPLITS, "the lists `train`, `validation` and `test` of BBC ids")?;
    let Some(ids) = splits.get("test") else {
        return Err(source.malformed(
            SPLITS,
            "no list `test`",
            "the lists `train`, `validation` and `test` of BBC ids",
        ));
    };
    let mut records = Vec::with_capacity(ids.len());
    for (index, id) in ids.iter().enumerate() {
        let plain = !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric());
        if !plain {
            return Err(source.malformed(SPLITS, format!("the id `{id}`"), "BBC ids of letters and digits"));
        }
        let name = format!("{ARTICLES}/{id}.summary");
        let text = source.text(&name)?;
        let record = Record {
            file: name,
            at: "the whole file".to_owned(),
            index,
            fields: Map::new(),
        };
        records.extend(source.accept(parts(record, id, &text))?);
    }
    Ok(records)
}

/// The record of one article file.
fn parts(mut record: Record, id: &str, text: &str) -> Result<Record, BadItem> {
    for (field, marker) in [("summary", "FIRST-SENTENCE"), ("document", "RESTBODY")] {
        let marker = format!("[SN]{marker}[SN]");
        let Some((_, after)) = text.split_once(&marker) else {
            return Err(record.bad(field, "nothing", format!("text after `{marker}`")));
        };
        let part = after.split("[SN]").next().unwrap_or_default();
        let lines = part
            .lines()
            .filter(|line| !line.trim().is_empty() && !BUTTONS.contains(line));
        let part = lines.collect::<Vec<_>>().join("\n");
        record.fields.insert(field.to_owned(), Value::from(part.trim()));
    }
    record.fields.insert("id".to_owned(), Value::from(id));
    Ok(record)
}
