//! Calibration corpora: text in the domain that a model is pruned for.

mod samples;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::DatasetError;
use crate::item::Message;
use crate::record::describe;
use crate::sampling::draw;
use crate::source::sha256_hex;

/// A corpus as a sweep names it. The chat template and the truncation need a tokenizer and are applied by the caller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CorpusSpec {
    /// How reports call it.
    pub name: String,
    /// JSONL file, relative to the file that names it.
    pub file: PathBuf,
    /// Layout of a record; recognised from the first record where absent.
    #[serde(default)]
    pub layout: Option<CorpusLayout>,
    /// Samples drawn.
    #[serde(default = "default_samples")]
    pub samples: usize,
    /// Seed of the shuffle; the sweep's own seed where absent.
    #[serde(default)]
    pub seed: Option<u64>,
    /// Whether conversations go through the model's chat template.
    #[serde(default = "yes")]
    pub chat_template: bool,
    /// Longer samples are cut off after so many tokens.
    #[serde(default = "default_max_tokens")]
    pub max_tokens: usize,
    /// SHA-256 of the file, checked where given.
    #[serde(default)]
    pub sha256: Option<String>,
}

const fn default_samples() -> usize {
    128
}

const fn default_max_tokens() -> usize {
    2048
}

const fn yes() -> bool {
    true
}

/// What a record of a corpus looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CorpusLayout {
    /// `instruction`, `input` (may be empty or absent), `output`.
    Instruction,
    /// `messages`: list of `{role, content}`.
    Messages,
    /// `text`.
    Text,
}

/// One sample.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CalibrationSample {
    /// Turns, for a chat template.
    Conversation(Vec<Message>),
    /// Plain text.
    Text(String),
}

impl CalibrationSample {
    /// The sample without a chat template: contents of the turns joined by a line break, as in the reference experiment.
    #[must_use]
    pub fn plain_text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Conversation(turns) => turns
                .iter()
                .map(|turn| turn.content.as_str())
                .collect::<Vec<_>>()
                .join("\n"),
        }
    }
}

/// A corpus as loaded.
#[derive(Debug, Clone, PartialEq)]
pub struct CorpusData {
    /// Samples in the order of the seeded shuffle.
    pub samples: Vec<CalibrationSample>,
    /// Line of each sample in the file, from 1.
    pub lines: Vec<usize>,
    /// SHA-256 of the file's bytes.
    pub file_sha256: String,
    /// SHA-256 over the file's hash and all settings that shape the samples.
    pub content_sha256: String,
    /// Records in the file.
    pub available: usize,
    /// Layout found or given.
    pub layout: CorpusLayout,
}

impl CorpusSpec {
    /// Checks what can be checked without opening the file.
    ///
    /// # Errors
    /// A setting outside its range.
    pub fn check(&self) -> Result<(), DatasetError> {
        let refuse = |setting: &str, found: String, expected: &str| {
            let setting = format!("{setting} of corpus {}", self.name);
            Err(DatasetError::Setting {
                setting,
                found,
                expected: expected.to_owned(),
            })
        };
        if self.name.trim().is_empty() {
            return refuse("name", "empty".to_owned(), "a name");
        }
        if self.samples == 0 {
            return refuse("samples", "0".to_owned(), "at least 1");
        }
        if self.max_tokens == 0 {
            return refuse("max_tokens", "0".to_owned(), "at least 1");
        }
        if self.layout == Some(CorpusLayout::Text) && self.chat_template {
            let expected = "false (`--no-chat-template` of a command), because plain text has no turns that a chat template could wrap";
            return refuse("chat_template", "true".to_owned(), expected);
        }
        Ok(())
    }

    /// Reads the corpus and draws its samples. `base` is the folder that a relative file is relative to; `seed` serves where the
    /// spec has none.
    ///
    /// # Errors
    /// A setting out of range; a file that is missing, empty, malformed, or smaller than the number of samples.
    pub fn load(&self, base: &Path, seed: u64) -> Result<CorpusData, DatasetError> {
        self.check()?;
        let path = base.join(&self.file);
        let (text, file_sha256) = self.read(&path)?;
        let (all, layout) = samples::parse(&path, &text, self.layout)?;
        let asked = self.samples;
        let layout = layout.filter(|_| !all.is_empty()).ok_or(DatasetError::EmptyCorpus {
            path: path.clone(),
            expected: asked,
        })?;
        Self {
            layout: Some(layout),
            ..self.clone()
        }
        .check()?;
        if all.len() < asked {
            return Err(DatasetError::SmallCorpus {
                path,
                found: all.len(),
                asked,
            });
        }
        let seed = self.seed.unwrap_or(seed);
        let drawn = draw(all.len(), asked, seed);
        let shape = serde_json::json!([file_sha256, layout, asked, seed, self.chat_template, self.max_tokens]);
        Ok(CorpusData {
            samples: drawn.iter().map(|&position| all[position].1.clone()).collect(),
            lines: drawn.iter().map(|&position| all[position].0).collect(),
            content_sha256: sha256_hex(shape.to_string().as_bytes()),
            file_sha256,
            available: all.len(),
            layout,
        })
    }

    fn read(&self, path: &Path) -> Result<(String, String), DatasetError> {
        let bytes = std::fs::read(path).map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => DatasetError::MissingFile {
                task: format!("corpus {}", self.name),
                path: path.to_owned(),
                remedy: "give the path of a JSONL file, relative to the file that names the corpus".to_owned(),
            },
            _ => DatasetError::Unreadable {
                path: path.to_owned(),
                source,
            },
        })?;
        let found = sha256_hex(&bytes);
        if let Some(expected) = self
            .sha256
            .as_ref()
            .filter(|expected| !expected.eq_ignore_ascii_case(&found))
        {
            return Err(DatasetError::Checksum {
                path: path.to_owned(),
                found,
                expected: expected.clone(),
            });
        }
        let text = String::from_utf8(bytes).map_err(|error| DatasetError::Malformed {
            path: path.to_owned(),
            found: format!(
                "a byte sequence at offset {} that is not UTF-8",
                error.utf8_error().valid_up_to()
            ),
            expected: "UTF-8 text".to_owned(),
        })?;
        Ok((text, found))
    }
}

/// A field of a record as a string, for messages.
fn described(record: &Map<String, Value>, field: &str) -> String {
    record.get(field).map_or_else(
        || format!("no `{field}`"),
        |value| format!("`{field}` = {}", describe(value)),
    )
}
