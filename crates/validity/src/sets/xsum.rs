//! Hallucination annotations of `XSum` (Maynez et al. 2020, <https://arxiv.org/abs/2005.00661>).
//!
//! `hallucination_annotations_xsum_summaries.csv`: three annotators marked spans of each summary that its article does not support;
//! `factuality_annotations_xsum_summaries.csv`: three said whether a summary is factual, whatever the article says. Articles are not
//! in that release: `articles.jsonl` gives them by `id` (or `bbcid`) and `document`, as `XSum` itself is published.

use std::collections::BTreeMap;

use secateur_datasets::error::BadItem;
use secateur_datasets::record::Record;
use secateur_datasets::source::Source;

use super::Set;
use super::annotators::{Votes, each_against_the_others, majority};
use crate::error::ValidityError;
use crate::labelled::{Item, Labelled, LabelledBy};

const SPANS: &str = "hallucination_annotations_xsum_summaries.csv";
const FACTUAL: &str = "factuality_annotations_xsum_summaries.csv";
const ARTICLES: &str = "articles.jsonl";

/// Reader of the annotations.
pub struct XSum;

/// Article, system, summary.
type Key = (String, String, String);
/// By annotator: supported or not.
type ByAnnotator = BTreeMap<Key, BTreeMap<String, bool>>;

impl Set for XSum {
    fn folder(&self) -> &'static str {
        "xsum_hallucination"
    }

    fn files(&self) -> &'static [&'static str] {
        &[SPANS, FACTUAL]
    }

    fn read(&self, source: &mut Source) -> Result<Vec<Labelled>, ValidityError> {
        let mut all = Vec::new();
        if source.path(SPANS).is_file() {
            let votes = votes(source, SPANS, |record| match record.text("hallucination_type")? {
                "NULL" => Ok(Some(true)),
                "extrinsic" | "intrinsic" => Ok(Some(false)),
                other => Err(record.bad("hallucination_type", other, "`extrinsic`, `intrinsic` or `NULL`")),
            })?;
            all.push(faithful(source, &votes)?);
            let about = "Does an annotator mark a hallucination where the other two agree? What a person reaches.";
            all.push(each_against_the_others(
                "XSum faithfulness, annotators",
                about,
                LabelledBy::People,
                &texts(&votes),
            ));
        }
        if source.path(FACTUAL).is_file() {
            let votes = votes(source, FACTUAL, |record| match record.text("is_factual")? {
                "yes" => Ok(Some(true)),
                "no" => Ok(Some(false)),
                "NULL" => Ok(None),
                other => Err(record.bad("is_factual", other, "`yes`, `no` or `NULL`")),
            })?;
            let about = "Does an annotator call a summary factual where the other two agree? What a person reaches.";
            all.push(each_against_the_others(
                "XSum factuality, annotators",
                about,
                LabelledBy::People,
                &texts(&votes),
            ));
        }
        Ok(all)
    }
}

/// An annotator who marked any span says no; several rows of one annotator are one vote, `NULL` for yes or no is none.
fn votes(
    source: &mut Source,
    file: &str,
    vote: impl Fn(&Record) -> Result<Option<bool>, BadItem>,
) -> Result<ByAnnotator, ValidityError> {
    let rows = source.csv(file, None)?;
    let rows = source.each(&rows, |record| {
        let text = |name: &str| record.filled(name).map(str::to_owned);
        Ok((
            (text("bbcid")?, text("system")?, text("summary")?),
            text("worker_id")?,
            vote(record)?,
        ))
    })?;
    let mut votes = ByAnnotator::new();
    for (key, worker, supported) in rows {
        let Some(supported) = supported else {
            continue;
        };
        *votes.entry(key).or_default().entry(worker).or_insert(true) &= supported;
    }
    Ok(votes)
}

fn texts(votes: &ByAnnotator) -> Vec<Votes> {
    let text = |(key, workers): (&Key, &BTreeMap<String, bool>)| Votes {
        document: key.0.clone(),
        votes: workers.values().copied().collect(),
    };
    votes.iter().map(text).collect()
}

fn faithful(source: &mut Source, votes: &ByAnnotator) -> Result<Labelled, ValidityError> {
    let mut notes = Vec::new();
    let mut articles: BTreeMap<String, String> = BTreeMap::new();
    let present = source.path(ARTICLES).is_file();
    if present {
        let records = source.jsonl(ARTICLES)?;
        let read = |record: &Record| {
            let id = if record.fields.contains_key("id") {
                "id"
            } else {
                "bbcid"
            };
            Ok((record.filled(id)?.to_owned(), record.filled("document")?.to_owned()))
        };
        articles.extend(source.each(&records, read)?);
    } else {
        notes.push(format!(
            "No {ARTICLES}: XSum's articles are not here, so that scorers of texts cannot be measured."
        ));
    }
    let (mut items, mut missing, mut split) = (Vec::new(), 0_usize, 0_usize);
    for ((article, system, summary), workers) in votes {
        let Some(label) = majority(&workers.values().copied().collect::<Vec<_>>()) else {
            split += 1;
            continue;
        };
        let Some(document) = articles.get(article) else {
            missing += 1;
            continue;
        };
        let mut item = Item::new(article, Some((document, summary)), label);
        item.group = Some(system.clone());
        items.push(item);
    }
    if present && missing > 0 {
        notes.push(format!("{missing} summaries have no article in {ARTICLES}."));
    }
    if split > 0 {
        notes.push(format!("{split} summaries are left out because annotators are split."));
    }
    Ok(Labelled {
        name: "XSum faithfulness".into(),
        about: "Summaries of news against their articles. Supported: most annotators marked no span that the article does not support."
            .into(),
        by: LabelledBy::People,
        items,
        given: Vec::new(),
        files: Vec::new(),
        notes,
    })
}
