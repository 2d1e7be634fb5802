//! A sweep whose truth lies in an object store: `records/`, `answers/` and the rest have the same names there, and the directory is
//! this machine's copy. Where results are a directory and nothing else, all of this does nothing.
//!
//! Answers go before their record, up and down, so that a record that is here has its answers here. A record that another worker
//! put first takes the place of ours. Copies of what the store does not hold count as missing.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use secateur_remote::Remote;

use crate::answers::AnswersFile;
use crate::atomic::{self, Placed};
use crate::error::Error;
use crate::key::{RecordKey, sha256};
use crate::store::{Store, Unsound, read_envelope};

impl Store {
    /// The object store that the directory is a copy of.
    #[must_use]
    pub fn remote(&self) -> Option<&Arc<Remote>> {
        self.remote.as_ref()
    }

    /// Makes the copy of a file what the object store holds; `false` if it holds none, whatever lies here.
    ///
    /// # Errors
    /// [`Error::Remote`].
    pub fn bring(&self, name: &str) -> Result<bool, Error> {
        match &self.remote {
            Some(remote) => Ok(remote.bring(name, self.directory())?),
            None => Ok(true),
        }
    }

    /// The same for all files of a folder.
    ///
    /// # Errors
    /// [`Error::Remote`].
    pub fn bring_all(&self, folder: &str) -> Result<(), Error> {
        if let Some(remote) = &self.remote {
            remote.bring_all(folder, self.directory())?;
        }
        Ok(())
    }

    /// Puts a file of the directory into the object store, over an older one.
    ///
    /// # Errors
    /// [`Error::Remote`], [`Error::Io`].
    pub fn send(&self, name: &str) -> Result<(), Error> {
        if let Some(remote) = &self.remote {
            let path = self.directory().join(name);
            let bytes = fs::read(&path).map_err(|e| Error::io("read", &path, e))?;
            remote.put_over(name, &bytes)?;
        }
        Ok(())
    }

    /// The same for all files of a folder, if there is one.
    ///
    /// # Errors
    /// [`Error::Remote`], [`Error::Io`].
    pub fn send_all(&self, folder: &str) -> Result<(), Error> {
        let Some(remote) = &self.remote else { return Ok(()) };
        let mut names = Vec::new();
        files(self.directory(), folder, &mut names)?;
        remote.several(&names, |name| self.send(name))
    }

    /// Makes the copies of a record and its answers what the object store holds. `None` if the store holds no record; otherwise what is
    /// wrong with the answers, if anything is.
    pub(crate) fn bring_record(&self, key: &RecordKey) -> Result<Option<Result<(), String>>, Error> {
        let Some(remote) = &self.remote else {
            return Ok(Some(Ok(())));
        };
        let (name, path) = (record_name(key), self.record_path(key));
        let Some(stamp) = remote.stamp(&name)? else {
            return Ok(None);
        };
        if secateur_remote::remote::is_copy(&path, stamp) {
            return Ok(Some(Ok(())));
        }
        let Some(found) = remote.fetch(&name)? else {
            return Ok(None);
        };
        let answers = match read_envelope(&path, key, &found.bytes) {
            Ok(stored) => stored.answers,
            // Whoever reads the copy says what is wrong.
            Err(Unsound::Damaged(_) | Unsound::Newer(_)) => None,
        };
        let outcome = answers.map_or(Ok(Ok(())), |answers| self.bring_answers(remote, &answers))?;
        // A copy without its answers is never taken for one.
        let modified = if outcome.is_ok() {
            stamp.modified
        } else {
            SystemTime::UNIX_EPOCH
        };
        remote.write_copy(&path, &found.bytes, modified)?;
        Ok(Some(outcome))
    }

    /// Brings all records with their answers; names of what lies among the records, in order.
    pub(crate) fn bring_records(&self, remote: &Remote) -> Result<Vec<String>, Error> {
        let listed = remote.list("records")?;
        let names: Vec<String> = listed
            .keys()
            .filter_map(|name| Some(name.strip_prefix("records/")?.to_owned()))
            .collect();
        remote.several(&names, |name| {
            match name.strip_suffix(".json").and_then(RecordKey::parse) {
                Some(key) => self.bring_record(&key).map(|_| ()),
                None => Ok(()),
            }
        })?;
        Ok(names)
    }

    fn bring_answers(&self, remote: &Remote, answers: &AnswersFile) -> Result<Result<(), String>, Error> {
        let Some(key) = RecordKey::parse(&answers.key) else {
            return Ok(Err(format!("it names answers under the key `{}`", answers.key)));
        };
        let path = self.answers_path(&key);
        if fs::read(&path).is_ok_and(|bytes| sha256(&bytes) == answers.sha256) {
            return Ok(Ok(()));
        }
        let Some(found) = remote.fetch(&answers_name(&key))? else {
            return Ok(Err("its answers are missing".to_owned()));
        };
        let hash = sha256(&found.bytes);
        if hash != answers.sha256 {
            let says = &answers.sha256;
            return Ok(Err(format!(
                "the checksum of its answers is {hash}, but it says {says}"
            )));
        }
        remote.write_copy(&path, &found.bytes, found.stamp.modified)?;
        Ok(Ok(()))
    }

    /// Whether the object store holds a sound record; its answers are left where they are.
    pub(crate) fn is_sound_there(&self, remote: &Remote, key: &RecordKey) -> bool {
        let (name, path) = (record_name(key), self.record_path(key));
        let bytes = match remote.stamp(&name) {
            Ok(Some(stamp)) if secateur_remote::remote::is_copy(&path, stamp) => fs::read(&path).ok(),
            Ok(Some(_)) => remote.fetch(&name).ok().flatten().map(|found| found.bytes),
            Ok(None) | Err(_) => None,
        };
        bytes.is_some_and(|bytes| read_envelope(&path, key, &bytes).is_ok())
    }

    /// Publishes a record whose answers lie in the directory.
    pub(crate) fn publish_shared(
        &self,
        remote: &Remote,
        key: &RecordKey,
        answers: Option<&AnswersFile>,
        record: &[u8],
    ) -> Result<Placed, Error> {
        if answers.is_some_and(|answers| answers.key == key.as_str()) {
            let (name, path) = (answers_name(key), self.answers_path(key));
            let bytes = fs::read(&path).map_err(|e| Error::io("read", &path, e))?;
            // Others than ours are those of a worker that died before its record.
            if !remote.put_new(&name, &bytes)? && remote.fetch(&record_name(key))?.is_none() {
                remote.put_over(&name, &bytes)?;
            }
        }
        if remote.put_new(&record_name(key), record)? {
            atomic::write_over(&self.record_path(key), record)?;
            return Ok(Placed::New);
        }
        self.bring_record(key)?;
        Ok(Placed::AlreadyThere)
    }

    /// Empties a record in the object store if it is the damaged one that lies here, so that a sound one can take its place. Returns
    /// what to say of it.
    pub(crate) fn vacate(&self, key: &RecordKey) -> String {
        let Some(remote) = &self.remote else {
            return String::new();
        };
        let name = record_name(key);
        let emptied = || match (remote.fetch(&name)?, fs::read(self.record_path(key))) {
            (Some(found), Ok(copy)) if found.bytes == copy => remote.vacate(&name, &found.version),
            _ => Ok(false),
        };
        match emptied() {
            Ok(true) => format!("; {}/{name} was emptied", remote.address()),
            Ok(false) => String::new(),
            Err(error) => format!("; {}/{name} could not be emptied: {error}", remote.address()),
        }
    }
}

/// Makes the identity of a sweep in the object store, unless it has one, and its copy.
pub(crate) fn identify(remote: &Remote, directory: &Path, identity: &[u8]) -> Result<(), Error> {
    const NAME: &str = "sweep.json";
    if !remote.bring(NAME, directory)? {
        remote.put_new(NAME, identity)?;
        remote.bring(NAME, directory)?;
    }
    Ok(())
}

fn record_name(key: &RecordKey) -> String {
    format!("records/{key}.json")
}

fn answers_name(key: &RecordKey) -> String {
    format!("answers/{key}.jsonl")
}

/// Names of the files beneath a folder, without those that are hidden.
fn files(directory: &Path, folder: &str, names: &mut Vec<String>) -> Result<(), Error> {
    let path = directory.join(folder);
    let entries = match fs::read_dir(&path) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(Error::io("read", &path, e)),
    };
    for entry in entries {
        let entry = entry.map_err(|e| Error::io("read", &path, e))?;
        let name = format!("{folder}/{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            files(directory, &name, names)?;
        } else if !entry.file_name().to_string_lossy().starts_with('.') {
            names.push(name);
        }
    }
    Ok(())
}
