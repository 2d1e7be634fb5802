//! Judged samples of *arXiv:2607.01444*: summaries by models, pruned or not, with three language models' verdicts.
//!
//! `absolute_evaluation_samples_30.json`: a judge's `score` is 1 for a hallucination and 0 for none. The summary of the unpruned model
//! stands in `relative_evaluation_samples_30.json`, whose `resolved_answers` contradict its `raw_answers` in 20 of 30 records and are
//! not read. Nobody but models judged.

use std::collections::BTreeMap;

use secateur_datasets::error::BadItem;
use secateur_datasets::record::Record;
use secateur_datasets::source::Source;
use serde_json::Value;

use super::Set;
use super::annotators::{Votes, each_against_the_others, majority};
use crate::error::ValidityError;
use crate::labelled::{Item, Labelled, LabelledBy};

const ABSOLUTE: &str = "absolute_evaluation_samples_30.json";
const RELATIVE: &str = "relative_evaluation_samples_30.json";

/// Reader of the samples.
pub struct Paper;

struct Judged {
    document: String,
    source: String,
    /// Unpruned model, by name.
    model: String,
    pruned: String,
    votes: [Vec<bool>; 2],
}

impl Set for Paper {
    fn folder(&self) -> &'static str {
        "paper_judge_samples"
    }

    fn files(&self) -> &'static [&'static str] {
        &[ABSOLUTE]
    }

    fn read(&self, source: &mut Source) -> Result<Vec<Labelled>, ValidityError> {
        let records = source.json_list(ABSOLUTE)?;
        let judged = source.each(&records, judged)?;
        let mut unpruned: BTreeMap<(String, String), String> = BTreeMap::new();
        if source.path(RELATIVE).is_file() {
            let records = source.json_list(RELATIVE)?;
            let read = |record: &Record| {
                let key = (
                    record.filled("document_id")?.to_owned(),
                    record.filled("source_model_name")?.to_owned(),
                );
                Ok((key, record.text("source_model_summary")?.to_owned()))
            };
            unpruned.extend(source.each(&records, read)?);
        }
        let (mut items, mut texts, mut without) = (Vec::new(), Vec::new(), 0_usize);
        for judged in &judged {
            let other = unpruned.get(&(judged.document.clone(), judged.model.clone()));
            without += usize::from(other.is_none());
            for (text, votes) in [Some(&judged.pruned), other].into_iter().zip(&judged.votes) {
                texts.push(Votes {
                    document: judged.document.clone(),
                    votes: votes.clone(),
                });
                if let (Some(text), Some(label)) = (text, majority(votes)) {
                    items.push(Item::new(&judged.document, Some((&judged.source, text)), label));
                }
            }
        }
        let mut notes = vec!["Judges are language models, not people.".to_owned()];
        if without > 0 {
            notes.push(format!("{without} summaries of unpruned models are not in {RELATIVE}."));
        }
        let about = "Does a judge see no hallucination where the other two agree? What a judge reaches.";
        let judges = each_against_the_others("Judged summaries, judges", about, LabelledBy::Models, &texts);
        Ok(vec![
            Labelled {
                name: "Judged summaries".into(),
                about: "Summaries of trials and of related work by pruned and unpruned models against their sources. Supported: most of \
                        three language models see no hallucination."
                    .into(),
                by: LabelledBy::Models,
                items,
                given: Vec::new(),
                files: Vec::new(),
                notes,
            },
            judges,
        ])
    }
}

fn judged(record: &Record) -> Result<Judged, BadItem> {
    let text = |name: &str| record.filled(name).map(str::to_owned);
    Ok(Judged {
        document: text("document_id")?,
        source: text("source_document_info")?,
        model: text("source_model_name")?,
        pruned: record.text("pruned_model_summary")?.to_owned(),
        votes: [
            votes(record, "pruned_model_absolute_judgement")?,
            votes(record, "source_model_absolute_judgement")?,
        ],
    })
}

/// One per judge with a verdict: whether it sees no hallucination. Judges without are left out.
fn votes(record: &Record, field: &str) -> Result<Vec<bool>, BadItem> {
    let value = record.value(field)?;
    let bad = |found: &Value| record.bad(field, found.to_string(), "per judge a score of 0 or 1, or null");
    let mut votes = Vec::new();
    for verdict in value.as_object().ok_or_else(|| bad(value))?.values() {
        let score = &verdict["score"];
        if score.is_null() {
            continue;
        }
        let score = score
            .as_f64()
            .filter(|score| (0.0..=1.0).contains(score))
            .ok_or_else(|| bad(verdict))?;
        votes.push(score < 0.5);
    }
    Ok(votes)
}
