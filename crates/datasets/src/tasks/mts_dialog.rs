//! MTS-Dialog: a section of a clinical note from a conversation of doctor and patient.
//!
//! Ben Abacha et al. 2023, <https://aclanthology.org/2023.eacl-main.168>. Prompt: lm-evaluation-harness `mts_dialog`: a description, a
//! line break and the dialogue. The harness asks the training split of a copy on the hub; here it is the first official test set, or
//! the validation set where that is the file at hand. As there, a note of fewer than five characters is not asked.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::{BadItem, DatasetError};
use crate::item::{Body, Generate, Item};
use crate::record::Record;
use crate::source::Source;
use crate::tasks::harness::{free_text, no_examples};
use crate::tasks::spec::{FileSpec, TaskSpec};
use crate::tasks::{Entry, Task};

/// Registry line.
pub const ENTRY: Entry = Entry {
    names: || vec!["mts_dialog".to_owned()],
    make: |name| {
        if name == "mts_dialog" {
            Some(Arc::new(MtsDialog))
        } else {
            None
        }
    },
};

const TEST: &str = "MTS-Dialog-TestSet-1-MEDIQA-Chat-2023.csv";
const VALIDATION: &str = "MTS-Dialog-ValidationSet.csv";
const DESCRIPTION: &str = "Instructions: The following text is from a collection of medical dialogs between doctor and patient. Extract all relevant information to compose a note that summarizes the relevant content of the dialog.\n";
/// Characters of the shortest note that is asked for.
const SHORTEST: usize = 5;

/// The task.
#[derive(Debug)]
pub struct MtsDialog;

impl Task for MtsDialog {
    fn spec(&self) -> TaskSpec {
        free_text("mts_dialog", "mts_dialog", 256, &["\n\n"])
            .about("a section of a clinical note from a conversation")
            .reads(vec![FileSpec::items(TEST).or(VALIDATION)])
    }

    fn read(&self, source: &mut Source, few_shot: usize, _seed: u64) -> Result<Vec<Item>, DatasetError> {
        no_examples(source.task(), few_shot, "it is zero-shot")?;
        let file = source.first_present(&[TEST, VALIDATION]);
        let records = source.csv(file, None)?;
        let items = source.each(&records, item)?;
        let asked: Vec<Item> = items.iter().flatten().cloned().collect();
        let short = items.len() - asked.len();
        if short > 0 {
            source.note(format!(
                "{short} of {} notes have fewer than {SHORTEST} characters and are not asked",
                items.len()
            ));
        }
        Ok(asked)
    }
}

fn item(record: &Record) -> Result<Option<Item>, BadItem> {
    let dialogue = record.filled("dialogue")?;
    let note = record.text("section_text")?;
    if note.chars().count() < SHORTEST {
        return Ok(None);
    }
    let generate = Generate::turn(format!("{DESCRIPTION}{dialogue}"), vec![note.to_owned()]).from_source(dialogue);
    let section = record.text("section_header")?.to_owned();
    Ok(Some(Item {
        id: record.filled("ID")?.to_owned(),
        body: Body::Generate(generate),
        fields: BTreeMap::from([("section".to_owned(), section)]),
    }))
}
