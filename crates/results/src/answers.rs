//! Every prompt and answer of a cell, one JSON object a line.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use crate::atomic;
use crate::error::Error;
use crate::key::hex;

/// The answers a record rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswersFile {
    /// Key in the file's name; another cell's where equal masks were evaluated once.
    pub key: String,
    /// SHA-256 of the file.
    pub sha256: String,
    /// Lines in it.
    pub lines: u64,
}

/// Collects a cell's answers under a temporary name while the cell runs. Dropped, it leaves nothing.
#[derive(Debug)]
pub struct AnswersWriter {
    out: BufWriter<NamedTempFile>,
    path: PathBuf,
    digest: Sha256,
    lines: u64,
}

impl AnswersWriter {
    pub(crate) fn create(path: &Path) -> Result<Self, Error> {
        Ok(Self {
            out: BufWriter::new(atomic::temporary_beside(path)?),
            path: path.to_path_buf(),
            digest: Sha256::new(),
            lines: 0,
        })
    }

    /// Adds one answer.
    ///
    /// # Errors
    /// [`Error::Answer`] if it has no JSON form; [`Error::DiskFull`], [`Error::Io`].
    pub fn append(&mut self, answer: &impl Serialize) -> Result<(), Error> {
        let mut line = serde_json::to_vec(answer).map_err(|source| Error::Answer {
            path: self.path.clone(),
            source,
        })?;
        line.push(b'\n');
        self.out
            .write_all(&line)
            .map_err(|e| Error::io("write", &self.path, e))?;
        self.digest.update(&line);
        self.lines += 1;
        Ok(())
    }

    /// Answers so far.
    #[must_use]
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// Gives the file its final name.
    pub(crate) fn publish(self, key: &str) -> Result<AnswersFile, Error> {
        let temporary = self
            .out
            .into_inner()
            .map_err(|e| Error::io("write", &self.path, e.into_error()))?;
        atomic::place_over(temporary, &self.path)?;
        Ok(AnswersFile {
            key: key.to_owned(),
            sha256: hex(&self.digest.finalize()),
            lines: self.lines,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}
