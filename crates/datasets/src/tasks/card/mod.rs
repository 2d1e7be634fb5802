//! A user's own task: a TOML card and a JSONL file, no code. `cards/README.md` of this crate shows the format.

pub mod file;
mod contradiction;
mod check;
mod records;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use check::CardTask;
pub use contradiction::Contradiction;

use crate::error::DatasetError;
use crate::item::{Body, Item};
use crate::record::Record;
use crate::source::Source;
use crate::strict_toml;
use crate::tasks::Task;
use crate::tasks::harness::first;
use crate::tasks::spec::TaskSpec;
use crate::toml_place::{Spot, refusal};

impl CardTask {
    /// Reads and checks the card at `path`; data files lie relative to it.
    ///
    /// # Errors
    /// Where the card cannot be read, is not as described in [`mod@file`], or is not named after its task.
    pub fn open(path: &Path) -> Result<Self, DatasetError> {
        let text = std::fs::read_to_string(path).map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => {
                let remedy = "name an existing task card".to_owned();
                DatasetError::MissingFile {
                    task: "task card".to_owned(),
                    path: path.to_owned(),
                    remedy,
                }
            }
            _ => DatasetError::Unreadable {
                path: path.to_owned(),
                source,
            },
        })?;
        let task = Self::parse(&text, path)?;
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        if stem != task.card().name.as_str() {
            let message = format!(
                "`name` is \"{}\", but the card is called `{stem}.toml`: they must agree",
                task.card().name
            );
            let place = Spot::key("name").find(&text);
            return Err(refused(path, refusal(path, &text, place, &message)));
        }
        Ok(task)
    }

    /// As [`CardTask::open`], from text that is said to lie at `path`.
    ///
    /// # Errors
    /// Where the text is not a card as described in [`mod@file`].
    pub fn parse(text: &str, path: &Path) -> Result<Self, DatasetError> {
        let card = strict_toml::parse_file(path, text).map_err(|message| refused(path, message))?;
        let directory = path.parent().unwrap_or(Path::new("")).to_owned();
        Self::new(card, directory)
            .map_err(|found| refused(path, refusal(path, text, found.place.find(text), &found.message)))
    }
}

fn refused(path: &Path, message: String) -> DatasetError {
    DatasetError::Card {
        path: path.to_owned(),
        message,
    }
}

impl Task for CardTask {
    fn spec(&self) -> TaskSpec {
        self.task_spec()
    }

    fn read(&self, source: &mut Source, few_shot: usize, _seed: u64) -> Result<Vec<Item>, DatasetError> {
        let (records, preamble) = self.records(source, few_shot)?;
        source.each(&records, |record| self.item(record, &preamble))
    }

    fn reworded(&self, source: &mut Source, few_shot: usize) -> Result<BTreeMap<String, Vec<Body>>, DatasetError> {
        if self.card().prompt.paraphrases.is_none() {
            return Ok(BTreeMap::new());
        }
        let (mut records, preamble) = self.records(source, few_shot)?;
        // A record that is no item was dealt with as the items were read.
        records.retain(|record| self.item(record, &preamble).is_ok());
        let reworded = source.each(&records, |record| self.reworded_item(record, &preamble))?;
        Ok(reworded.into_iter().collect())
    }

    fn own_directory(&self) -> Option<PathBuf> {
        Some(self.directory().to_owned())
    }

    fn definition(&self) -> String {
        serde_json::to_string(self.card()).unwrap_or_default()
    }
}

impl CardTask {
    /// The records of the data file, and what stands before every question.
    fn records(&self, source: &mut Source, few_shot: usize) -> Result<(Vec<Record>, String), DatasetError> {
        let data = &self.card().data;
        let records = source.jsonl(&data.file)?;
        checksum(source, &data.file, data.sha256.as_ref())?;
        let mut examples = Vec::new();
        if let Some(section) = self.card().few_shot.as_ref().filter(|_| few_shot > 0) {
            let records = source.jsonl(&section.file)?;
            checksum(source, &section.file, section.sha256.as_ref())?;
            examples = source.each(&records, |record| self.example(record))?;
        }
        let from = self
            .card()
            .few_shot
            .as_ref()
            .map_or("the card has no [few_shot] section", |section| &section.file);
        let examples = first(source.task(), examples, few_shot, from)?;
        let preamble = self.layout().preamble(
            examples
                .iter()
                .map(|(prompt, answer)| (prompt.as_str(), answer.as_str())),
        );
        Ok((records, preamble))
    }
}

/// Compares the hash of a file just read with that of the card.
fn checksum(source: &Source, name: &str, expected: Option<&String>) -> Result<(), DatasetError> {
    let found = source.sha256(name).unwrap_or_default();
    let Some(expected) = expected.filter(|expected| !expected.eq_ignore_ascii_case(found)) else {
        return Ok(());
    };
    let (path, found, expected) = (source.path(name), found.to_owned(), expected.clone());
    Err(DatasetError::Checksum { path, found, expected })
}

/// Names of the cards in a folder, sorted; none where there is no such folder.
#[must_use]
pub fn names_in(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory)
        .into_iter()
        .flatten()
        .filter_map(Result::ok);
    let paths = entries.map(|entry| entry.path());
    let cards = paths.filter(|path| path.extension().is_some_and(|extension| extension == "toml"));
    let mut names: Vec<String> = cards
        .filter_map(|path| path.file_stem().map(|stem| stem.to_string_lossy().into_owned()))
        .collect();
    names.sort();
    names
}
