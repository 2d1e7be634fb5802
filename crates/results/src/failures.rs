//! Cells that failed, so that workers that run beside each other try each once: `failures/‹key›.json`.
//!
//! A failure never counts as done: the next run tries the cell again, and removes the note when it has a record.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::atomic;
use crate::error::Error;
use crate::key::RecordKey;
use crate::store::Store;

/// Largest note that is read, bytes.
const LARGEST: u64 = 1 << 20;

/// Why a cell has no record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The cell in words.
    pub cell: String,
    /// What went wrong.
    pub message: String,
    /// Which run of which worker it was.
    pub run: String,
}

impl Failure {
    fn name(key: &RecordKey) -> String {
        format!("failures/{key}.json")
    }

    fn path(store: &Store, key: &RecordKey) -> PathBuf {
        store.directory().join(Self::name(key))
    }

    /// Notes that a cell failed, over an older note.
    ///
    /// # Errors
    /// [`Error::DiskFull`], [`Error::NotWritable`], [`Error::Io`].
    pub fn note(&self, store: &Store, key: &RecordKey) -> Result<(), Error> {
        let path = Self::path(store, key);
        if let Some(folder) = path.parent() {
            // Not the folders above it: a results directory that has vanished must not be made anew.
            match fs::create_dir(folder) {
                Err(e) if e.kind() != ErrorKind::AlreadyExists => return Err(Error::io("write", folder, e)),
                _ => {}
            }
        }
        let mut text = serde_json::to_vec_pretty(self).unwrap_or_default();
        text.push(b'\n');
        atomic::write_over(&path, &text)?;
        store.send(&Self::name(key))
    }

    /// The note of a cell. What cannot be read is none: nothing depends on it.
    #[must_use]
    pub fn of(store: &Store, key: &RecordKey) -> Option<Self> {
        if !store.bring(&Self::name(key)).ok()? {
            return None;
        }
        let text = atomic::read_limited(&Self::path(store, key), LARGEST).ok()??;
        serde_json::from_slice(&text).ok()
    }

    /// All notes of a sweep, by the key of the cell.
    #[must_use]
    pub fn all(store: &Store) -> BTreeMap<String, Self> {
        // What other machines noted; notes of ours that are gone there are sorted out one by one.
        let _ = store.bring_all("failures");
        let entries = fs::read_dir(store.directory().join("failures"));
        let names = entries.into_iter().flatten().flatten().map(|entry| entry.file_name());
        let note = |name: std::ffi::OsString| {
            let key = RecordKey::parse(name.to_str()?.strip_suffix(".json")?)?;
            Some((key.as_str().to_owned(), Self::of(store, &key)?))
        };
        names.filter_map(note).collect()
    }

    /// Removes the note of a cell that has a record now.
    pub fn forget(store: &Store, key: &RecordKey) {
        let _ = fs::remove_file(Self::path(store, key));
        if let Some(remote) = store.remote() {
            let _ = remote.remove(&Self::name(key));
        }
    }
}
