//! Greedy answers, item by item: the likeliest choice, the words and why they ended, and what became of the item.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use serde::Serialize;
use serde_json::Value;

use super::cells::CellId;
use crate::atomic;
use crate::error::Error;
use crate::key::{RecordKey, sha256};
use crate::store::{Store, StoredRecord};

const LARGEST_ANSWERS: u64 = 8 << 30;
/// Characters of an answer that are shown.
const SHOWN: usize = 120;

/// Answers of a cell that differ.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AnswerChange {
    /// The cell.
    pub cell: CellId,
    /// Items in either run.
    pub of: usize,
    /// Those whose answers differ, or that one run lacks.
    pub items: Vec<String>,
    /// How the first of them differs.
    pub first: FirstChange,
}

/// How one answer differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FirstChange {
    /// `choice`, `text`, `finish`, `flags`, `item`.
    pub what: &'static str,
    /// In A, shortened.
    pub a: String,
    /// In B, shortened.
    pub b: String,
}

/// (A, B) of one item; `None` where a run lacks it.
pub type Lines = BTreeMap<String, (Option<Value>, Option<Value>)>;

/// What the answers of two cells have in common and what not.
#[derive(Debug, Default)]
pub struct Shared {
    lines: Lines,
    of: usize,
    changed: Vec<(String, FirstChange)>,
}

impl Shared {
    /// The change of a cell, if there is one.
    pub fn change(&self, cell: &CellId) -> Option<AnswerChange> {
        let (_, first) = self.changed.first()?;
        Some(AnswerChange {
            cell: cell.clone(),
            of: self.of,
            items: self.changed.iter().map(|(item, _)| item.clone()).collect(),
            first: first.clone(),
        })
    }

    /// The answers by item; empty where both files are the same bytes.
    pub fn lines(&self) -> &Lines {
        &self.lines
    }
}

/// Compares answers, each pair of files once.
pub struct Answered<'a> {
    stores: (&'a Store, &'a Store),
    pairs: BTreeMap<(String, String), Rc<Shared>>,
    warnings: Vec<String>,
}

impl<'a> Answered<'a> {
    pub fn new(a: &'a Store, b: &'a Store) -> Self {
        Self {
            stores: (a, b),
            pairs: BTreeMap::new(),
            warnings: Vec::new(),
        }
    }

    /// Compares the answers of two records.
    ///
    /// # Errors
    /// If a file cannot be read or holds a line that is no answer.
    pub fn compare(&mut self, a: &StoredRecord, b: &StoredRecord) -> Result<Rc<Shared>, Error> {
        let key = |stored: &StoredRecord| stored.answers.as_ref().map_or(String::new(), |file| file.key.clone());
        let keys = (key(a), key(b));
        if let Some(known) = self.pairs.get(&keys) {
            return Ok(Rc::clone(known));
        }
        let ((path_a, in_a), (path_b, in_b)) = (self.read(self.stores.0, a)?, self.read(self.stores.1, b)?);
        let shared = if in_a == in_b {
            Shared {
                of: in_a.split_inclusive(|byte| *byte == b'\n').count(),
                ..Shared::default()
            }
        } else {
            let greedy = [a, b].into_iter().all(is_greedy);
            compared(parse(&in_a, &path_a)?, parse(&in_b, &path_b)?, greedy)
        };
        let shared = Rc::new(shared);
        self.pairs.insert(keys, Rc::clone(&shared));
        Ok(shared)
    }

    /// Answers compared so far.
    pub fn compared(&self) -> usize {
        self.pairs.values().map(|shared| shared.of).sum()
    }

    /// What the reader must know of the files.
    pub fn into_warnings(self) -> Vec<String> {
        self.warnings
    }

    fn read(&mut self, store: &Store, stored: &StoredRecord) -> Result<(PathBuf, Vec<u8>), Error> {
        let Some(file) = &stored.answers else {
            return Ok((store.directory().to_path_buf(), Vec::new()));
        };
        let key = RecordKey::parse(&file.key).ok_or_else(|| Error::Malformed {
            path: store.directory().join("records").join(&stored.record.key),
            found: format!("answers under the key `{}`", file.key),
            expected: "64 hexadecimal digits",
        })?;
        let path = store.answers_path(&key);
        let Some(bytes) = atomic::read_limited(&path, LARGEST_ANSWERS)? else {
            let message = format!("{} is missing; its answers count as not given", path.display());
            self.warnings.push(message);
            return Ok((path, Vec::new()));
        };
        if sha256(&bytes) != file.sha256 {
            let message = format!(
                "{} does not have the checksum that its record names: it was changed after the run",
                path.display()
            );
            if !self.warnings.contains(&message) {
                self.warnings.push(message);
            }
        }
        Ok((path, bytes))
    }
}

fn parse(bytes: &[u8], path: &Path) -> Result<BTreeMap<String, Value>, Error> {
    let mut answers = BTreeMap::new();
    for (number, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let bad = |found: String| Error::Malformed {
            path: path.to_path_buf(),
            found: format!("line {}: {found}", number + 1),
            expected: "one answer a line, as a JSON object with an `item`, every item once",
        };
        let answer: Value = serde_json::from_slice(line).map_err(|e| bad(e.to_string()))?;
        let item = answer["item"]
            .as_str()
            .ok_or_else(|| bad("no `item`".to_owned()))?
            .to_owned();
        if answers.insert(item.clone(), answer).is_some() {
            return Err(bad(format!("item `{item}` for the second time")));
        }
    }
    Ok(answers)
}

fn compared(a: BTreeMap<String, Value>, mut b: BTreeMap<String, Value>, greedy: bool) -> Shared {
    let mut lines: Lines = a
        .into_iter()
        .map(|(item, answer)| {
            let other = b.remove(&item);
            (item, (Some(answer), other))
        })
        .collect();
    lines.extend(b.into_iter().map(|(item, answer)| (item, (None, Some(answer)))));
    let changes = lines.iter().filter_map(|(item, sides)| {
        let change = match sides {
            (Some(a), Some(b)) => greedy.then(|| difference(a, b)).flatten()?,
            (a, b) => {
                let there = |side: &Option<Value>| if side.is_some() { "answered" } else { "missing" }.to_owned();
                FirstChange {
                    what: "item",
                    a: there(a),
                    b: there(b),
                }
            }
        };
        Some((item.clone(), change))
    });
    Shared {
        changed: changes.collect(),
        of: lines.len(),
        lines,
    }
}

/// Whether a task's answers are those of the likeliest tokens: two runs may draw others without either being wrong.
fn is_greedy(stored: &StoredRecord) -> bool {
    let written = stored.record.inputs.get("task.generation");
    let settings = written.and_then(|text| serde_json::from_str::<Value>(text).ok());
    let temperature = settings.as_ref().and_then(|settings| settings["temperature"].as_f64());
    temperature.is_none_or(|temperature| temperature <= 0.0)
}

/// How two answers to one item differ in what is greedy. Log-probabilities are not compared here: metrics are made of them.
fn difference(a: &Value, b: &Value) -> Option<FirstChange> {
    let places = [
        ("choice", "/output/choices/predicted"),
        ("text", "/output/text/text"),
        ("finish", "/output/text/finish"),
        ("flags", "/flags"),
    ];
    places.into_iter().find_map(|(what, place)| {
        let (a, b) = (a.pointer(place), b.pointer(place));
        (a != b).then(|| FirstChange {
            what,
            a: shown(a),
            b: shown(b),
        })
    })
}

fn shown(value: Option<&Value>) -> String {
    let text = value.map_or_else(|| "nothing".to_owned(), ToString::to_string);
    if text.chars().count() <= SHOWN {
        return text;
    }
    text.chars().take(SHOWN).collect::<String>() + "…"
}
