//! `RefChecker` (Hu et al. 2024, <https://arxiv.org/abs/2405.14486>): claims of answers as triplets, labelled by people.
//!
//! Answers lie in `human_annotations_v1/<setting>/<set>_<model>_answers.json` (or beside each other in the folder), with
//! `claude2_response_kg`: triplets with `human_label`. References lie in `data/<setting>/<set>.json` (or `<set>.json`): `id` and
//! `context`, a list of passages, as the authors' `gather_benchmark_data.py` writes them.

use std::collections::BTreeMap;

use secateur_datasets::error::BadItem;
use secateur_datasets::record::Record;
use secateur_datasets::source::Source;
use serde_json::Value;

use super::Set;
use crate::error::ValidityError;
use crate::labelled::{Item, Labelled, LabelledBy};

const SETTINGS: [(&str, &str); 3] = [
    ("zero_context", "nq"),
    ("noisy_context", "msmarco"),
    ("accurate_context", "dolly"),
];
const MODELS: [&str; 7] = [
    "alpaca_7B",
    "chatgpt",
    "claude2",
    "davinci001",
    "falcon_40B_instruct",
    "gpt4",
    "llama2_70b_chat",
];

/// Reader of the claims.
pub struct RefChecker;

/// Answer, claim, supported.
type Claims = Vec<(String, String, bool)>;

impl Set for RefChecker {
    fn folder(&self) -> &'static str {
        "refchecker"
    }

    fn files(&self) -> &'static [&'static str] {
        &[
            "nq_alpaca_7B_answers.json",
            "nq_claude2_answers.json",
            "human_annotations_v1/zero_context/nq_claude2_answers.json",
            "human_annotations_v1/noisy_context/msmarco_claude2_answers.json",
            "human_annotations_v1/accurate_context/dolly_claude2_answers.json",
        ]
    }

    fn read(&self, source: &mut Source) -> Result<Vec<Labelled>, ValidityError> {
        let mut all = Vec::new();
        for (setting, set) in SETTINGS {
            let mut claims: Vec<(&str, Claims)> = Vec::new();
            for model in MODELS {
                let official = format!("human_annotations_v1/{setting}/{set}_{model}_answers.json");
                let flat = format!("{set}_{model}_answers.json");
                let name = source.first_present(&[&official, &flat]).to_owned();
                if source.path(&name).is_file() {
                    let records = source.json_list(&name)?;
                    let read = source.each(&records, triplets)?;
                    claims.push((model, read.concat()));
                }
            }
            if !claims.is_empty() {
                all.push(labelled(source, setting, set, &claims)?);
            }
        }
        Ok(all)
    }
}

fn triplets(record: &Record) -> Result<Claims, BadItem> {
    let id = record.filled("id")?;
    let field = "claude2_response_kg";
    // Answers that abstain have no claims.
    let Some(value) = record.optional(field) else {
        return Ok(Vec::new());
    };
    let bad = |found: &Value| record.bad(field, found.to_string(), "triplets of three texts with a human_label");
    let list = value.as_array().ok_or_else(|| bad(value))?;
    let mut claims = Vec::new();
    for entry in list {
        let parts = entry["triplet"].as_array().ok_or_else(|| bad(entry))?;
        let parts: Option<Vec<&str>> = parts.iter().map(Value::as_str).collect();
        let parts = parts.filter(|parts| parts.len() == 3).ok_or_else(|| bad(entry))?;
        let supported = match entry["human_label"].as_str() {
            Some("Entailment") => true,
            Some("Neutral" | "Contradiction") => false,
            _ => return Err(bad(entry)),
        };
        claims.push((id.to_owned(), parts.join(" "), supported));
    }
    Ok(claims)
}

fn references(
    source: &mut Source,
    setting: &str,
    set: &str,
) -> Result<Option<BTreeMap<String, String>>, ValidityError> {
    let (official, flat) = (format!("data/{setting}/{set}.json"), format!("{set}.json"));
    let name = source.first_present(&[&official, &flat]).to_owned();
    if !source.path(&name).is_file() {
        return Ok(None);
    }
    let records = source.json_list(&name)?;
    let read = |record: &Record| Ok((record.filled("id")?.to_owned(), record.texts("context")?.join("\n")));
    Ok(Some(source.each(&records, read)?.into_iter().collect()))
}

fn labelled(
    source: &mut Source,
    setting: &str,
    set: &str,
    claims: &[(&str, Claims)],
) -> Result<Labelled, ValidityError> {
    let references = references(source, setting, set)?;
    let (mut items, mut notes, mut missing) = (Vec::new(), Vec::new(), 0_usize);
    let count: usize = claims.iter().map(|(_, claims)| claims.len()).sum();
    for (model, claims) in claims {
        for (id, claim, supported) in claims {
            match references.as_ref().map(|all| all.get(id)) {
                Some(Some(reference)) => {
                    let mut item = Item::new(id, Some((reference, claim)), *supported);
                    item.group = Some((*model).to_owned());
                    items.push(item);
                }
                Some(None) => missing += 1,
                None => {}
            }
        }
    }
    if references.is_none() {
        notes.push(format!(
            "No {set}.json: the references of {count} labelled claims are not here, so that no scorer can be measured on them."
        ));
    }
    if missing > 0 {
        notes.push(format!("{missing} claims have no reference in {set}.json."));
    }
    Ok(Labelled {
        name: format!("RefChecker {setting}"),
        about: "Claims of models' answers, as triplets, against the reference. Supported: people see entailment."
            .into(),
        by: LabelledBy::People,
        items,
        given: Vec::new(),
        files: Vec::new(),
        notes,
    })
}
