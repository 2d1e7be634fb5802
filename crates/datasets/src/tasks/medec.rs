//! MEDEC: is there an error in a clinical text, in which sentence, and what should stand there?
//!
//! Ben Abacha et al. 2024, <https://arxiv.org/abs/2412.19260>. Prompt: HELM's scenario `medec`, whose form is instruction, blank line,
//! `Clinical Note: ` with a numbered sentence per line, `Answer:`; at most 256 new tokens. The reply is `CORRECT`, or the number of
//! the sentence and its correction, on its first line that is not blank (HELM stops at the first line break). Texts made from one vignette begin with the same sentence and share a cluster. The file's
//! rows of the University of Washington need an agreement; where their text is not there, they are not asked and counted.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::{BadItem, DatasetError};
use crate::item::{Body, Generate, Item};
use crate::record::Record;
use crate::source::Source;
use crate::tasks::harness::no_examples;
use crate::tasks::spec::{Domain, FileSpec, GenerationSettings, Scoring, TaskSpec};
use crate::tasks::{Entry, Task};

/// Registry line.
pub const ENTRY: Entry = Entry {
    names: || vec!["medec".to_owned()],
    make: |name| if name == "medec" { Some(Arc::new(Medec)) } else { None },
};

const TEST: &str = "MEDEC-MS-TestSet-with-GroundTruth-and-ErrorType.csv";
const INSTRUCTION: &str = "The following is a medical narrative about a patient. You are a skilled medical doctor reviewing the clinical text. The text is either correct or contains one error. The text has a sentence per line. Each line starts with the sentence ID, followed by a space character then the sentence to check. Check every sentence of the text. If the text is correct return the following output: CORRECT. If the text has a medical error, return the sentence ID of the sentence containing the error, followed by a space, and a corrected version of the sentence.";
/// The reference of a text without an error.
pub const CORRECT: &str = "CORRECT";

/// The task.
#[derive(Debug)]
pub struct Medec;

impl Task for Medec {
    fn spec(&self) -> TaskSpec {
        let generation = GenerationSettings::greedy(256, &[]);
        TaskSpec::generated(
            "medec",
            "medec",
            Domain::Biomedical,
            Scoring::ErrorCorrection,
            generation,
        )
        .about("errors in clinical texts: found, placed and corrected")
        .reads(vec![FileSpec::items(TEST)])
        .reliability()
    }

    fn read(&self, source: &mut Source, few_shot: usize, _seed: u64) -> Result<Vec<Item>, DatasetError> {
        no_examples(source.task(), few_shot, "it is zero-shot")?;
        let records = source.csv(TEST, None)?;
        let withheld = |record: &Record| {
            let id = record.text("Text ID").unwrap_or_default();
            id.to_lowercase().starts_with("uw") && record.filled("Sentences").is_err()
        };
        let (without, with): (Vec<_>, Vec<_>) = records.into_iter().partition(withheld);
        if !without.is_empty() {
            source.note(format!(
                "not asked, because their text needs an agreement with its authors: {}",
                without.len()
            ));
        }
        let mut items = source.each(&with, item)?;
        cluster(&mut items);
        Ok(items)
    }
}

fn item(record: &Record) -> Result<Item, BadItem> {
    let sentences = record.filled("Sentences")?.trim();
    let flag = record.text("Error Flag")?.trim();
    let number = record.text("Error Sentence ID")?.trim();
    let reference = match flag {
        "0" => CORRECT.to_owned(),
        "1" => {
            let starts = |line: &str| line.split_whitespace().next() == Some(number);
            if number.parse::<usize>().is_err() || !sentences.lines().any(starts) {
                let expected = "the number of one of the text's sentences";
                return Err(record.bad("Error Sentence ID", format!("\"{number}\""), expected));
            }
            let corrected = record.filled("Corrected Sentence")?;
            format!(
                "{number} {}",
                corrected.split_whitespace().collect::<Vec<_>>().join(" ")
            )
        }
        _ => return Err(record.bad("Error Flag", format!("\"{flag}\""), "0 or 1")),
    };
    let content = format!("{INSTRUCTION}\n\nClinical Note: {sentences}\nAnswer:");
    let generate = Generate::turn(content, vec![reference]).from_source(sentences);
    let mut fields = BTreeMap::new();
    let kind = record.text("Error Type").unwrap_or_default();
    if !kind.is_empty() && kind != "NA" {
        fields.insert("error_type".to_owned(), kind.to_owned());
    }
    Ok(Item {
        id: record.filled("Text ID")?.to_owned(),
        body: Body::Generate(generate),
        fields,
    })
}

/// Texts whose first sentence is the same are of one vignette, named after the first of them.
fn cluster(items: &mut [Item]) {
    let mut first: BTreeMap<String, String> = BTreeMap::new();
    for item in items {
        let Body::Generate(question) = &item.body else { continue };
        let sentence = question.source.as_deref().and_then(|text| text.lines().next());
        let name = first
            .entry(sentence.unwrap_or_default().to_owned())
            .or_insert_with(|| item.id.clone());
        item.fields.insert("cluster".to_owned(), name.clone());
    }
}
