//! `FActScore` (Min et al. 2023, <https://arxiv.org/abs/2305.14251>): atomic facts of biographies, labelled by people.
//!
//! `ChatGPT.jsonl`, `InstructGPT.jsonl`, `PerplexityAI.jsonl`: `topic` and `annotations` with `human-atomic-facts`, each with the label
//! `S` (supported), `NS` (not) or `IR` (irrelevant, left out). People looked in Wikipedia: `knowledge.jsonl` gives articles as
//! `title` and `text`, the form in which `FActScore` itself takes a knowledge source.

use std::collections::BTreeMap;

use secateur_datasets::error::BadItem;
use secateur_datasets::record::Record;
use secateur_datasets::source::Source;
use serde_json::Value;

use super::Set;
use crate::error::ValidityError;
use crate::labelled::{Item, Labelled, LabelledBy};

const ANSWERS: [&str; 3] = ["ChatGPT.jsonl", "InstructGPT.jsonl", "PerplexityAI.jsonl"];
const KNOWLEDGE: &str = "knowledge.jsonl";

/// Reader of the facts.
pub struct FActScore;

impl Set for FActScore {
    fn folder(&self) -> &'static str {
        "factscore"
    }

    fn files(&self) -> &'static [&'static str] {
        &ANSWERS
    }

    fn read(&self, source: &mut Source) -> Result<Vec<Labelled>, ValidityError> {
        let mut facts = Vec::new();
        for file in ANSWERS
            .iter()
            .filter(|file| source.path(file).is_file())
            .copied()
            .collect::<Vec<_>>()
        {
            let records = source.jsonl(file)?;
            let of_file = source.each(&records, facts_of)?.concat();
            facts.extend(of_file.into_iter().map(|fact| (file.trim_end_matches(".jsonl"), fact)));
        }
        let present = source.path(KNOWLEDGE).is_file();
        let mut articles: BTreeMap<String, String> = BTreeMap::new();
        if present {
            let records = source.jsonl(KNOWLEDGE)?;
            let read = |record: &Record| Ok((record.filled("title")?.to_owned(), record.filled("text")?.to_owned()));
            articles.extend(source.each(&records, read)?);
        }
        let (mut items, mut missing) = (Vec::new(), 0_usize);
        for (system, (topic, fact, supported)) in &facts {
            match articles.get(topic) {
                Some(article) => {
                    let mut item = Item::new(topic, Some((article, fact)), *supported);
                    item.group = Some((*system).to_owned());
                    items.push(item);
                }
                None => missing += 1,
            }
        }
        let notes = match (present, missing) {
            (false, _) => vec![format!(
                "No {KNOWLEDGE}: the articles that {} labelled facts were looked up in are not here, so that no scorer can be measured on \
                 them. The sentence that a fact was taken from is no source.",
                facts.len()
            )],
            (true, 0) => Vec::new(),
            (true, missing) => vec![format!("{missing} facts have no article in {KNOWLEDGE}.")],
        };
        Ok(vec![Labelled {
            name: "FActScore".into(),
            about: "Atomic facts of generated biographies against the Wikipedia article of the person. Supported: people found it there."
                .into(),
            by: LabelledBy::People,
            items,
            given: Vec::new(),
            files: Vec::new(),
            notes,
        }])
    }
}

/// Topic, fact, supported.
fn facts_of(record: &Record) -> Result<Vec<(String, String, bool)>, BadItem> {
    let topic = record.filled("topic")?;
    // Null where the model abstained.
    let Some(annotations) = record.optional("annotations") else {
        return Ok(Vec::new());
    };
    let bad = |found: &Value| record.bad("annotations", found.to_string(), "sentences with human-atomic-facts");
    let mut facts = Vec::new();
    for sentence in annotations.as_array().ok_or_else(|| bad(annotations))? {
        let of_sentence = &sentence["human-atomic-facts"];
        if of_sentence.is_null() {
            continue;
        }
        for fact in of_sentence.as_array().ok_or_else(|| bad(of_sentence))? {
            let text = fact["text"].as_str().ok_or_else(|| bad(fact))?;
            match fact["label"].as_str() {
                Some("S") => facts.push((topic.to_owned(), text.to_owned(), true)),
                Some("NS") => facts.push((topic.to_owned(), text.to_owned(), false)),
                Some("IR") => {}
                _ => return Err(bad(fact)),
            }
        }
    }
    Ok(facts)
}
