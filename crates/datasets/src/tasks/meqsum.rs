//! MeQSum: put a consumer's health question into one short question.
//!
//! Ben Abacha & Demner-Fushman 2019, <https://aclanthology.org/P19-1215>. Prompt: lm-evaluation-harness `meqsum`: a description and the
//! question; where it holds `MESSAGE`, only what stands nine characters after the start of that word. Read from the official
//! spreadsheet, or from a JSONL file with the same columns.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::sync::Arc;

use calamine::{Data, DataType, Reader, Xlsx};
use serde_json::{Map, Value};

use crate::error::{BadItem, DatasetError};
use crate::item::{Body, Generate, Item, Message};
use crate::record::Record;
use crate::source::Source;
use crate::tasks::harness::no_examples;
use crate::tasks::spec::{Domain, FileSpec, GenerationMetric, GenerationSettings, Normalise, Scoring, TaskSpec};
use crate::tasks::{Entry, Task};

/// Registry line.
pub const ENTRY: Entry = Entry {
    names: || vec!["meqsum".to_owned()],
    make: |name| if name == "meqsum" { Some(Arc::new(MeQSum)) } else { None },
};

const SHEET: &str = "MeQSum_ACL2019_BenAbacha_Demner-Fushman.xlsx";
const LINES: &str = "meqsum.derived.jsonl";
const DESCRIPTION: &str =
    "Instructions: The following text is contains a medical question. Extract and summarize the question.\n";

/// The task.
#[derive(Debug)]
pub struct MeQSum;

impl Task for MeQSum {
    fn spec(&self) -> TaskSpec {
        let scoring = Scoring::Generation {
            metrics: vec![
                GenerationMetric::Rouge,
                GenerationMetric::Bleu,
                GenerationMetric::Chrf,
                GenerationMetric::Support,
            ],
            normalise: Normalise::default(),
            abstain_phrases: Vec::new(),
        };
        let generation = GenerationSettings::greedy(256, &["\n\n"]);
        TaskSpec::generated("meqsum", "meqsum", Domain::Biomedical, scoring, generation)
            .about("summaries of consumer health questions")
            .reads(vec![FileSpec::items(SHEET).or(LINES)])
    }

    fn read(&self, source: &mut Source, few_shot: usize, _seed: u64) -> Result<Vec<Item>, DatasetError> {
        no_examples(source.task(), few_shot, "it is zero-shot")?;
        let records = if source.first_present(&[SHEET, LINES]) == SHEET {
            sheet(source)?
        } else {
            source.jsonl(LINES)?
        };
        source.each(&records, item)
    }
}

fn item(record: &Record) -> Result<Item, BadItem> {
    let question = message(record.filled("CHQ")?);
    let reference = record.filled("Summary")?.to_owned();
    let content = format!("{DESCRIPTION}{question}");
    let generate = Generate {
        messages: vec![Message {
            role: "user".to_owned(),
            content,
        }],
        prefix: None,
        references: vec![reference],
        source: Some(question),
        unanswerable: false,
    };
    let file = record.text("File").unwrap_or_default().to_owned();
    let fields = BTreeMap::from([("file".to_owned(), file)]);
    Ok(Item {
        id: format!("row-{}", record.index + 1),
        body: Body::Generate(generate),
        fields,
    })
}

/// What the writer said, without subject line and the word `MESSAGE: `.
fn message(question: &str) -> String {
    match question.find("MESSAGE") {
        Some(start) => question[start..].chars().skip(9).collect(),
        None => question.to_owned(),
    }
}

fn sheet(source: &mut Source) -> Result<Vec<Record>, DatasetError> {
    let bytes = source.bytes(SHEET)?;
    let broken = |error: calamine::XlsxError| source.malformed(SHEET, error.to_string(), "an Excel workbook (.xlsx)");
    let mut book: Xlsx<_> = Xlsx::new(Cursor::new(bytes)).map_err(broken)?;
    let range = match book.worksheet_range_at(0) {
        Some(range) => range.map_err(broken)?,
        None => return Err(source.malformed(SHEET, "a workbook without sheets", "one sheet")),
    };
    let mut rows = range.rows();
    let header: Vec<String> = rows
        .next()
        .unwrap_or_default()
        .iter()
        .map(ToString::to_string)
        .collect();
    let columns = ["File", "CHQ", "Summary"].map(|name| (name, header.iter().position(|column| column == name)));
    if let Some((name, _)) = columns.iter().find(|(_, position)| position.is_none()) {
        let found = format!("columns {}, without `{name}`", header.join(", "));
        return Err(source.malformed(SHEET, found, "columns File, CHQ and Summary"));
    }
    let records = rows.enumerate().map(|(index, row)| {
        let cells = columns
            .iter()
            .filter_map(|&(name, position)| Some((name.to_owned(), text(row.get(position?)?)?)));
        Record {
            file: SHEET.to_owned(),
            at: format!("row {}", index + 2),
            index,
            fields: cells.collect::<Map<String, Value>>(),
        }
    });
    Ok(records.collect())
}

fn text(cell: &Data) -> Option<Value> {
    cell.as_string().map(Value::String)
}

#[cfg(test)]
mod tests {
    use super::message;

    #[test]
    fn the_message_starts_nine_characters_on() {
        assert_eq!(message("SUBJECT: ä\nMESSAGE: who, ü?"), "who, ü?");
        assert_eq!(message("MESSAGE"), "");
        assert_eq!(message("no marker"), "no marker");
    }
}
