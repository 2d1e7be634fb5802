//! Replies kept by the content of their question, one JSON file each, safe with several processes.
//!
//! `DIR/ab/ab12….json`: the name is the key. A file is written under a temporary name, synced, and linked under its own name
//! unless that is taken; the first writer's reply stands. A file that cannot be what was written is renamed to `….damaged`
//! and its question asked again.

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::messages::sha256;
use super::record::{LAYOUT, Record};
use crate::error::JudgeError;

/// Largest entry that is read, in bytes: a reply at its limit, escaped, and what surrounds it.
const LARGEST: u64 = 64 << 20;

/// A folder of kept replies.
#[derive(Debug)]
pub struct Cache {
    folder: PathBuf,
    messages: Mutex<Vec<String>>,
}

impl Cache {
    /// Opens a folder, which is made if need be.
    ///
    /// # Errors
    /// [`JudgeError::Cache`].
    pub fn open(folder: &Path) -> Result<Self, JudgeError> {
        fs::create_dir_all(folder).map_err(|source| trouble("make", folder, source))?;
        Ok(Self {
            folder: folder.to_owned(),
            messages: Mutex::default(),
        })
    }

    /// What was set aside since the last call.
    #[must_use]
    pub fn take_messages(&self) -> Vec<String> {
        let mut messages = std::mem::take(&mut *self.messages.lock().unwrap_or_else(PoisonError::into_inner));
        messages.sort();
        messages
    }

    /// The reply to the question with this key, if it is kept.
    ///
    /// # Errors
    /// [`JudgeError::Cache`] where a file cannot be read.
    pub fn read(&self, key: &str) -> Result<Option<Record>, JudgeError> {
        let path = self.path(key);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(trouble("read", &path, error)),
        };
        let mut bytes = Vec::new();
        file.take(LARGEST + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| trouble("read", &path, error))?;
        match sound(&bytes, key) {
            Ok(record) => Ok(Some(record)),
            Err(reason) => self.set_aside(&path, &reason).map(|()| None),
        }
    }

    /// Keeps a reply; gives back the one that stands, which is another process's where that was first.
    ///
    /// # Errors
    /// [`JudgeError::Cache`] where the file cannot be written: nothing is asked on, since answers would be lost.
    pub fn keep(&self, record: Record) -> Result<Record, JudgeError> {
        let path = self.path(&record.key);
        let failed = |error| trouble("write", &path, error);
        let folder = path.parent().unwrap_or(&self.folder);
        fs::create_dir_all(folder).map_err(failed)?;
        let mut text = serde_json::to_vec_pretty(&record).map_err(|error| failed(error.into()))?;
        text.push(b'\n');
        let mut temporary = temporary_in(folder).map_err(failed)?;
        temporary
            .write_all(&text)
            .and_then(|()| temporary.as_file().sync_all())
            .map_err(failed)?;
        match temporary.persist_noclobber(&path) {
            Ok(_) => {
                if let Ok(handle) = File::open(folder) {
                    let _ = handle.sync_all();
                }
                Ok(record)
            }
            Err(error) if error.error.kind() == ErrorKind::AlreadyExists => {
                Ok(self.read(&record.key)?.unwrap_or(record))
            }
            Err(error) => Err(failed(error.error)),
        }
    }

    fn path(&self, key: &str) -> PathBuf {
        self.folder
            .join(key.get(..2).unwrap_or("_"))
            .join(format!("{key}.json"))
    }

    fn set_aside(&self, path: &Path, reason: &str) -> Result<(), JudgeError> {
        let aside = path.with_extension("json.damaged");
        match fs::rename(path, &aside) {
            // Another process was faster.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            other => other.map_err(|error| trouble("rename", path, error))?,
        }
        let line = format!(
            "{} is damaged ({reason}): set aside as {}, and asked again",
            path.display(),
            aside.display()
        );
        self.messages.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        Ok(())
    }
}

fn temporary_in(folder: &Path) -> std::io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".tmp-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // Readable to whom the umask allows: a cache may be shared.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder)
}

fn sound(bytes: &[u8], key: &str) -> Result<Record, String> {
    if bytes.len() as u64 > LARGEST {
        return Err(format!("more than {LARGEST} bytes"));
    }
    let record: Record = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if record.layout != LAYOUT {
        return Err(format!("layout {}, expected {LAYOUT}", record.layout));
    }
    if record.key != key {
        return Err(format!("it holds the key {}", record.key));
    }
    if sha256(record.reply.as_bytes()) != record.reply_sha256 {
        return Err("the reply does not have its hash".into());
    }
    Ok(record)
}

fn trouble(action: &'static str, path: &Path, source: std::io::Error) -> JudgeError {
    JudgeError::Cache {
        action,
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn record(reply: &str) -> Record {
        Record {
            layout: LAYOUT,
            key: sha256(b"question"),
            judge: "a".into(),
            endpoint: "http://x/v1".into(),
            request: serde_json::json!({"model": "m"}),
            protocol: "absolute".into(),
            version: 1,
            messages_sha256: sha256(b"messages"),
            reply: reply.into(),
            reply_sha256: sha256(reply.as_bytes()),
            finish_reason: Some("stop".into()),
            answered_by: None,
            verdict: serde_json::Value::Null,
            reason: String::new(),
            tokens_in: Some(3),
            tokens_out: None,
            seconds: 0.125,
            attempts: 1,
        }
    }

    #[test]
    fn the_first_reply_stands() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path()).unwrap();
        let (first, second) = (record("one"), record("two"));
        assert_eq!(cache.read(&first.key).unwrap(), None);
        assert_eq!(cache.keep(first.clone()).unwrap(), first);
        assert_eq!(cache.keep(second).unwrap(), first);
        assert_eq!(cache.read(&first.key).unwrap(), Some(first));
        assert!(cache.take_messages().is_empty());
    }

    #[test]
    fn damage_is_set_aside_and_said() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path()).unwrap();
        let whole = record("yes");
        let path = cache.path(&whole.key);
        let text = serde_json::to_string(&whole).unwrap();
        for damaged in [
            &text[..text.len() / 2],
            "",
            &text.replace("\"yes\"", "\"no!\""),
            &text.replace("\"layout\":1", "\"layout\":9"),
            &text.replace(&whole.key, &sha256(b"other")),
        ] {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, damaged).unwrap();
            assert_eq!(cache.read(&whole.key).unwrap(), None);
            let messages = cache.take_messages();
            assert!(messages.len() == 1 && messages[0].contains("set aside"), "{messages:?}");
            assert!(!path.exists() && path.with_extension("json.damaged").exists());
        }
        assert_eq!(cache.keep(whole.clone()).unwrap(), whole);
        assert_eq!(cache.read(&whole.key).unwrap(), Some(whole));
    }

    #[test]
    fn many_writers_agree() {
        let folder = tempfile::tempdir().unwrap();
        let texts: Vec<String> = (0..8).map(|i| i.to_string()).collect();
        let found: Vec<String> = std::thread::scope(|scope| {
            let write = |text: &str| Cache::open(folder.path()).unwrap().keep(record(text)).unwrap().reply;
            let handles: Vec<_> = texts.iter().map(|text| scope.spawn(move || write(text))).collect();
            handles.into_iter().map(|handle| handle.join().unwrap()).collect()
        });
        assert!(found.iter().all(|reply| *reply == found[0]));
    }
}
