//! The files of one task: found, hashed, read as records, and what was skipped on the way.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::data_cards;
use crate::error::{BadItem, DatasetError};
use crate::record::{Record, describe};
use crate::tasks::TaskSpec;
use crate::tasks::few_shot::FewShotDraw;

/// A file that was read, and the hash of its bytes.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SourceFile {
    /// Name relative to the data directory.
    pub name: String,
    /// SHA-256 of the bytes, hexadecimal.
    pub sha256: String,
}

/// A data directory while a task reads from it.
#[derive(Debug)]
pub struct Source {
    task: String,
    directory: PathBuf,
    remedy: String,
    skip_bad_items: bool,
    few_shot_draw: FewShotDraw,
    files: Vec<SourceFile>,
    skipped: Vec<BadItem>,
    notes: Vec<String>,
}

/// What a [`Source`] hands over when the reading is done.
#[derive(Debug)]
pub(crate) struct Reading {
    pub files: Vec<SourceFile>,
    pub skipped: Vec<BadItem>,
    pub notes: Vec<String>,
}

impl Source {
    /// Reads below `directory` on behalf of `task`; `remedy` says where missing files can be had.
    #[must_use]
    pub fn new(task: &str, directory: &Path, remedy: &str, skip_bad_items: bool) -> Self {
        Self {
            task: task.to_owned(),
            directory: directory.to_owned(),
            remedy: remedy.to_owned(),
            skip_bad_items,
            few_shot_draw: FewShotDraw::default(),
            files: Vec::new(),
            skipped: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// With few-shot examples drawn so.
    #[must_use]
    pub fn drawing(mut self, few_shot_draw: FewShotDraw) -> Self {
        self.few_shot_draw = few_shot_draw;
        self
    }

    /// How few-shot examples are to be drawn.
    #[must_use]
    pub fn few_shot_draw(&self) -> FewShotDraw {
        self.few_shot_draw
    }

    pub(crate) fn finish(self) -> Reading {
        Reading {
            files: self.files,
            skipped: self.skipped,
            notes: self.notes,
        }
    }

    /// The task on whose behalf we read.
    #[must_use]
    pub fn task(&self) -> &str {
        &self.task
    }

    /// The file whose records are being checked: the last one read.
    #[must_use]
    pub fn last_file(&self) -> String {
        self.files.last().map_or_else(String::new, |file| file.name.clone())
    }

    /// The path of `name` in the data directory.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Something a reader of the results should know about the data.
    pub fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// Reads files of another set, which lies in the folder beside this one: names become `../<set>/<name>`, and what is missing is
    /// explained by that set's card.
    pub(crate) fn beside<T>(&mut self, task: &TaskSpec, read: impl FnOnce(&mut Self) -> T) -> T {
        let folder = self.directory.parent().map(|parent| parent.join(&task.set));
        let directory = std::mem::replace(&mut self.directory, folder.unwrap_or_else(|| task.set.clone().into()));
        let remedy = std::mem::replace(&mut self.remedy, data_cards::remedy(task));
        let before = self.files.len();
        let result = read(self);
        for file in &mut self.files[before..] {
            file.name = format!("../{}/{}", task.set, file.name);
        }
        (self.directory, self.remedy) = (directory, remedy);
        result
    }

    /// The first of `names` that exists; the first one where none does.
    #[must_use]
    pub fn first_present<'a>(&self, names: &[&'a str]) -> &'a str {
        let present = names.iter().find(|name| self.path(name).is_file());
        present.or(names.first()).copied().unwrap_or_default()
    }

    /// The bytes of a file, hashed.
    ///
    /// # Errors
    /// Where the file is missing or unreadable.
    pub fn bytes(&mut self, name: &str) -> Result<Vec<u8>, DatasetError> {
        let path = self.path(name);
        let bytes = std::fs::read(&path).map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => DatasetError::MissingFile {
                task: self.task.clone(),
                path: path.clone(),
                remedy: self.remedy.clone(),
            },
            _ => DatasetError::Unreadable {
                path: path.clone(),
                source,
            },
        })?;
        let file = SourceFile {
            name: name.to_owned(),
            sha256: sha256_hex(&bytes),
        };
        // A file that is read again is still one file.
        if !self.files.contains(&file) {
            self.files.push(file);
        }
        Ok(bytes)
    }

    /// The files read until now, in the order of reading.
    #[must_use]
    pub fn read_so_far(&self) -> Vec<SourceFile> {
        self.files.clone()
    }

    /// The SHA-256 of a file read before.
    #[must_use]
    pub fn sha256(&self, name: &str) -> Option<&str> {
        self.files
            .iter()
            .find(|file| file.name == name)
            .map(|file| file.sha256.as_str())
    }

    /// A UTF-8 file without its byte order mark; unpacked where its name ends in `.gz` (the hash stays that of the packed bytes).
    ///
    /// # Errors
    /// Where the file is missing, unreadable, not gzip, or not UTF-8.
    pub fn text(&mut self, name: &str) -> Result<String, DatasetError> {
        let mut bytes = self.bytes(name)?;
        if Path::new(name).extension().is_some_and(|extension| extension == "gz") {
            bytes = crate::gzip::unpack(&bytes).map_err(|found| self.malformed(name, found, "a gzip file"))?;
        }
        let text = String::from_utf8(bytes).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            self.malformed(
                name,
                format!("a byte sequence at offset {at} that is not UTF-8"),
                "UTF-8 text",
            )
        })?;
        Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
    }

    /// The whole file is wrong.
    #[must_use]
    pub fn malformed(&self, name: &str, found: impl Into<String>, expected: &str) -> DatasetError {
        DatasetError::Malformed {
            path: self.path(name),
            found: found.into(),
            expected: expected.to_owned(),
        }
    }

    /// One JSON object per line; blank lines are passed over.
    ///
    /// # Errors
    /// Where the file cannot be read, or a line is no JSON object (unless bad items are skipped).
    pub fn jsonl(&mut self, name: &str) -> Result<Vec<Record>, DatasetError> {
        let text = self.text(name)?;
        self.lines(name, &text)
    }

    fn lines(&mut self, name: &str, text: &str) -> Result<Vec<Record>, DatasetError> {
        let mut records = Vec::new();
        for (number, line) in text.split('\n').enumerate() {
            let line = line.trim_end_matches('\r');
            if line.trim().is_empty() {
                continue;
            }
            let at = format!("line {}", number + 1);
            let record = object(name, at, records.len(), serde_json::from_str(line));
            records.extend(self.accept(record)?);
        }
        Ok(records)
    }

    /// A JSON file as a whole.
    ///
    /// # Errors
    /// Where the file cannot be read or parsed.
    pub fn json<T: serde::de::DeserializeOwned>(&mut self, name: &str, expected: &str) -> Result<T, DatasetError> {
        let text = self.text(name)?;
        serde_json::from_str(&text).map_err(|error| self.malformed(name, error.to_string(), expected))
    }

    /// A file that is one JSON list of objects.
    ///
    /// # Errors
    /// Where the file cannot be read, is no list, or an entry is no object (unless bad items are skipped).
    pub fn json_list(&mut self, name: &str) -> Result<Vec<Record>, DatasetError> {
        let text = self.text(name)?;
        self.list(name, &text)
    }

    fn list(&mut self, name: &str, text: &str) -> Result<Vec<Record>, DatasetError> {
        let list: Vec<Value> = serde_json::from_str(text)
            .map_err(|error| self.malformed(name, error.to_string(), "a JSON list of objects"))?;
        let mut records = Vec::new();
        for (number, value) in list.into_iter().enumerate() {
            let record = object(name, format!("entry {}", number + 1), number, Ok(value));
            records.extend(self.accept(record)?);
        }
        Ok(records)
    }

    /// A file of objects that is one JSON list or one object per line.
    ///
    /// # Errors
    /// As [`Source::json_list`] and [`Source::jsonl`].
    pub fn json_records(&mut self, name: &str) -> Result<Vec<Record>, DatasetError> {
        let text = self.text(name)?;
        if text.trim_start().starts_with('[') {
            self.list(name, &text)
        } else {
            self.lines(name, &text)
        }
    }

    /// A file that is one JSON object whose values are the records; `at` becomes `entry <key>`.
    ///
    /// # Errors
    /// Where the file cannot be read or is no object, a key occurs twice, or a value is no object (unless bad items are skipped).
    pub fn json_entries(&mut self, name: &str) -> Result<Vec<Record>, DatasetError> {
        let Entries(entries) = self.json(name, "a JSON object of records")?;
        let mut records = Vec::new();
        let mut seen = BTreeSet::new();
        for (index, (key, value)) in entries.into_iter().enumerate() {
            let mut record = object(name, format!("entry {key}"), index, Ok(value));
            if let (Ok(again), false) = (&record, seen.insert(key)) {
                record = Err(again.bad("(key)", "a key for the second time", "a key that occurs once"));
            }
            records.extend(self.accept(record)?);
        }
        Ok(records)
    }

    /// Rows of a CSV file as records of strings; `columns` names them where the file has no header line.
    ///
    /// # Errors
    /// Where the file cannot be read, or a row has too few or too many fields (unless bad items are skipped).
    pub fn csv(&mut self, name: &str, columns: Option<&[&str]>) -> Result<Vec<Record>, DatasetError> {
        let text = self.text(name)?;
        self.rows(name, &text, b',', columns)
    }

    /// As [`Source::csv`], of a text already read and with any delimiter.
    ///
    /// # Errors
    /// As [`Source::csv`].
    pub fn rows(
        &mut self,
        name: &str,
        text: &str,
        delimiter: u8,
        columns: Option<&[&str]>,
    ) -> Result<Vec<Record>, DatasetError> {
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(delimiter)
            .from_reader(text.as_bytes());
        let mut header: Option<Vec<String>> = columns.map(|names| names.iter().map(|&name| name.to_owned()).collect());
        let mut records = Vec::new();
        for row in reader.records() {
            let row = row.map_err(|error| self.malformed(name, error.to_string(), "rows of separated values"))?;
            let Some(header) = &header else {
                header = Some(row.iter().map(str::to_owned).collect());
                continue;
            };
            let line = row.position().map_or(0, csv::Position::line);
            let mut record = Record {
                file: name.to_owned(),
                at: format!("row {} (line {line})", records.len() + 1),
                index: records.len(),
                fields: Map::new(),
            };
            let accepted = if row.len() == header.len() {
                let cells = row.iter().map(|cell| Value::String(cell.to_owned()));
                record.fields = header.iter().cloned().zip(cells).collect();
                Ok(record)
            } else {
                let expected = format!("{} columns ({})", header.len(), header.join(", "));
                Err(record.bad("(row)", format!("{} columns", row.len()), expected))
            };
            records.extend(self.accept(accepted)?);
        }
        Ok(records)
    }

    /// Passes a good record on; a bad one stops the task, or is counted where bad items are skipped.
    ///
    /// # Errors
    /// The complaint, unless bad items are skipped.
    pub fn accept<T>(&mut self, checked: Result<T, BadItem>) -> Result<Option<T>, DatasetError> {
        match checked {
            Ok(value) => Ok(Some(value)),
            Err(item) if self.skip_bad_items => {
                self.skipped.push(item);
                Ok(None)
            }
            Err(item) => Err(DatasetError::BadItem {
                task: self.task.clone(),
                item: Box::new(item),
            }),
        }
    }

    /// `check` applied to every record, in order.
    ///
    /// # Errors
    /// The first complaint, unless bad items are skipped.
    pub fn each<T>(
        &mut self,
        records: &[Record],
        check: impl Fn(&Record) -> Result<T, BadItem>,
    ) -> Result<Vec<T>, DatasetError> {
        let mut accepted = Vec::with_capacity(records.len());
        for record in records {
            accepted.extend(self.accept(check(record))?);
        }
        Ok(accepted)
    }
}

/// A JSON object that keeps keys that occur twice.
struct Entries(Vec<(String, Value)>);

impl<'de> serde::Deserialize<'de> for Entries {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EntriesVisitor)
    }
}

struct EntriesVisitor;

impl<'de> serde::de::Visitor<'de> for EntriesVisitor {
    type Value = Entries;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("a JSON object")
    }

    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Entries(entries))
    }
}

fn object(file: &str, at: String, index: usize, parsed: serde_json::Result<Value>) -> Result<Record, BadItem> {
    let mut record = Record {
        file: file.to_owned(),
        at,
        index,
        fields: Map::new(),
    };
    match parsed {
        Ok(Value::Object(fields)) => {
            record.fields = fields;
            Ok(record)
        }
        Ok(other) => Err(record.bad("(record)", describe(&other), "a JSON object")),
        Err(error) => Err(record.bad("(record)", format!("text that is not JSON ({error})"), "a JSON object")),
    }
}

/// SHA-256 of `bytes`, hexadecimal.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn with(text: &str, skip: bool) -> (tempfile::TempDir, Source) {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("f"), text).unwrap();
        let source = Source::new("demo", directory.path(), "get it from its authors", skip);
        (directory, source)
    }

    #[test]
    fn lines_are_numbered_as_an_editor_does() {
        let (_keep, mut source) = with("\u{feff}{\"a\": 1}\r\n\n{\"a\": 2}\n", false);
        let records = source.jsonl("f").unwrap();
        assert_eq!(records[1].at, "line 3");
        assert_eq!(records[1].index, 1);
    }

    #[test]
    fn a_broken_line_stops_the_task_or_is_counted() {
        let (_keep, mut source) = with("{\"a\": 1}\n{\"a\": \n[1]\n", false);
        let message = source.jsonl("f").unwrap_err().to_string();
        assert!(
            message.starts_with("demo: f, line 2, field `(record)`: found text that is not JSON"),
            "{message}"
        );
        let (_keep, mut source) = with("{\"a\": 1}\n{\"a\": \n[1]\n", true);
        assert_eq!(source.jsonl("f").unwrap().len(), 1);
        assert_eq!(source.finish().skipped.len(), 2);
    }

    #[test]
    fn ragged_rows_are_named() {
        let (_keep, mut source) = with("q,a\n\"x\ny\",1\nz\n", false);
        let message = source.csv("f", None).unwrap_err().to_string();
        assert!(
            message.contains("row 2 (line 4)") && message.contains("expected 2 columns (q, a)"),
            "{message}"
        );
    }

    #[test]
    fn a_missing_file_says_where_to_get_it() {
        let (_keep, mut source) = with("", false);
        let message = source.text("g").unwrap_err().to_string();
        assert!(
            message.ends_with("g does not exist; get it from its authors"),
            "{message}"
        );
    }

    #[test]
    fn hashes_are_of_the_bytes() {
        let (_keep, mut source) = with("abc", false);
        source.text("f").unwrap();
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(source.sha256("f"), Some(expected));
    }
}
