//! FRANK (Pagnoni et al. 2021, <https://arxiv.org/abs/2104.13346>): summaries of nine systems, three annotators a sentence.
//!
//! `human_annotations.json` has the share of sentences without a factual error, `benchmark_data.json` articles and summaries, and
//! `baseline_factuality_metrics_outputs.json` what published metrics said of them. Records belong together by `hash` and
//! `model_name`. Halves are FRANK's own: `valid` for choices, `test` for figures. Supported means that no sentence has an error.

use std::collections::BTreeMap;

use secateur_datasets::error::BadItem;
use secateur_datasets::record::Record;
use secateur_datasets::source::Source;
use serde_json::Value;

use super::Set;
use crate::error::ValidityError;
use crate::labelled::{Given, Half, Item, Labelled, LabelledBy};

const ANNOTATIONS: &str = "human_annotations.json";
const TEXTS: &str = "benchmark_data.json";
const BASELINES: &str = "baseline_factuality_metrics_outputs.json";

/// Columns of the baseline file that are no metrics.
const KEYS: [&str; 4] = ["hash", "model_name", "dataset", "split"];

/// Reader of FRANK.
pub struct Frank;

type Key = (String, String);

impl Set for Frank {
    fn folder(&self) -> &'static str {
        "frank"
    }

    fn files(&self) -> &'static [&'static str] {
        &[ANNOTATIONS]
    }

    fn has_own_halves(&self) -> bool {
        true
    }

    fn read(&self, source: &mut Source) -> Result<Vec<Labelled>, ValidityError> {
        let records = source.json_list(ANNOTATIONS)?;
        let annotated = source.each(&records, annotation)?;
        let mut notes = Vec::new();
        let mut texts: BTreeMap<Key, (String, String)> = BTreeMap::new();
        if source.path(TEXTS).is_file() {
            let records = source.json_list(TEXTS)?;
            let pair = |record: &Record| {
                Ok((
                    key(record)?,
                    (record.text("article")?.to_owned(), record.text("summary")?.to_owned()),
                ))
            };
            texts.extend(source.each(&records, pair)?);
        } else {
            notes.push(format!(
                "No {TEXTS}: articles and summaries are not here, so that scorers of texts cannot be measured."
            ));
        }
        let keys: Vec<Key> = annotated.iter().map(|(key, _)| key.clone()).collect();
        let mut items: Vec<Item> = annotated.into_iter().map(|(_, item)| item).collect();
        for (item, key) in items.iter_mut().zip(&keys) {
            item.texts = texts.remove(key);
        }
        let missing = items.iter().filter(|item| item.texts.is_none()).count();
        if source.path(TEXTS).is_file() && missing > 0 {
            notes.push(format!("{missing} annotated summaries have no text in {TEXTS}."));
        }
        Ok(vec![Labelled {
            name: "FRANK".into(),
            about: "Summaries of news against their articles. Label: share of sentences in which most annotators found no factual error; \
                    supported: all of them. Partial correlations take the system away, as the paper does."
                .into(),
            by: LabelledBy::People,
            given: baselines(source, &keys)?,
            items,
            files: Vec::new(),
            notes,
        }])
    }
}

fn key(record: &Record) -> Result<Key, BadItem> {
    Ok((
        record.filled("hash")?.to_owned(),
        record.filled("model_name")?.to_owned(),
    ))
}

fn annotation(record: &Record) -> Result<(Key, Item), BadItem> {
    let (hash, system) = key(record)?;
    let value = record.value("Factuality")?;
    let label = value
        .as_f64()
        .filter(|label| (0.0..=1.0).contains(label))
        .ok_or_else(|| record.bad("Factuality", value.to_string(), "a number from 0 to 1"))?;
    let split = record.text("split")?;
    let half = match split {
        "valid" | "validation" => Half::Choice,
        "test" => Half::Report,
        other => return Err(record.bad("split", other, "`valid` or `test`")),
    };
    let item = Item {
        document: hash.clone(),
        group: Some(system.clone()),
        half,
        texts: None,
        label,
        supported: label >= 1.0,
    };
    Ok(((hash, system), item))
}

/// Published metrics, in the order of the file.
fn baselines(source: &mut Source, keys: &[Key]) -> Result<Vec<Given>, ValidityError> {
    if !source.path(BASELINES).is_file() {
        return Ok(Vec::new());
    }
    let records = source.json_list(BASELINES)?;
    let Some(first) = records.first() else {
        return Ok(Vec::new());
    };
    let names: Vec<String> = first
        .fields
        .keys()
        .filter(|name| !KEYS.contains(&name.as_str()))
        .cloned()
        .collect();
    let mut rows: BTreeMap<Key, &Record> = BTreeMap::new();
    for (key, record) in source.each(&records, key)?.into_iter().zip(&records) {
        rows.insert(key, record);
    }
    let mut given = Vec::new();
    for name in names {
        let mut scores = Vec::with_capacity(keys.len());
        for key in keys {
            let score = match rows.get(key).map(|record| (record, record.fields.get(&name))) {
                None | Some((_, None | Some(Value::Null))) => Ok(None),
                Some((_, Some(Value::Number(number)))) => Ok(number.as_f64()),
                Some((record, Some(other))) => Err(record.bad(&name, other.to_string(), "a number or null")),
            };
            scores.push(source.accept(score)?.flatten());
        }
        given.push(Given { name, scores });
    }
    Ok(given)
}
