//! A file under a temporary name until it is known to be right.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::FetchError;

/// What is known of a partial file: enough to ask for the rest of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mark {
    pub(crate) url: String,
    pub(crate) validator: String,
}

/// Where `target` is put together: `.<name>.part` beside it.
pub(crate) fn part_path(target: &Path) -> PathBuf {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    target.with_file_name(format!(".{name}.part"))
}

fn mark_path(target: &Path) -> PathBuf {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    target.with_file_name(format!(".{name}.part.json"))
}

/// A partial file, locked, hashed as it grows.
#[derive(Debug)]
pub(crate) struct Landing {
    target: PathBuf,
    part: PathBuf,
    file: File,
    digest: Sha256,
    length: u64,
}

impl Landing {
    /// Opens or makes the partial file of `target`, and its folder. What is in it is kept only if its mark names `url`.
    pub(crate) fn open(target: &Path, url: &str) -> Result<(Self, Option<Mark>), FetchError> {
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder).map_err(|e| FetchError::io("make", folder, e))?;
        }
        let part = part_path(target);
        let mut options = File::options();
        options.create(true).truncate(false).read(true).write(true);
        let file = options.open(&part).map_err(|e| FetchError::io("write", &part, e))?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => return Err(FetchError::Busy { path: part }),
            Err(TryLockError::Error(e)) if e.kind() != io::ErrorKind::Unsupported => {
                return Err(FetchError::io("lock", &part, e));
            }
            _ => {}
        }
        let mut landing = Self {
            target: target.to_owned(),
            part,
            file,
            digest: Sha256::new(),
            length: 0,
        };
        let mark = fs::read(mark_path(target)).ok();
        let mark = mark.and_then(|bytes| serde_json::from_slice::<Mark>(&bytes).ok());
        let mark = mark.filter(|mark| mark.url == url);
        if mark.is_some() {
            landing.take_up()?;
        } else {
            landing.restart()?;
        }
        Ok((landing, mark))
    }

    /// Hashes what is there.
    fn take_up(&mut self) -> Result<(), FetchError> {
        let mut buffer = vec![0; 1 << 16];
        let failed = |e| FetchError::io("read", &self.part, e);
        self.file.seek(SeekFrom::Start(0)).map_err(failed)?;
        loop {
            let n = self.file.read(&mut buffer).map_err(failed)?;
            if n == 0 {
                return Ok(());
            }
            self.digest.update(&buffer[..n]);
            self.length += n as u64;
        }
    }

    /// Drops what is there.
    pub(crate) fn restart(&mut self) -> Result<(), FetchError> {
        let _ = fs::remove_file(mark_path(&self.target));
        let failed = |e| FetchError::io("write", &self.part, e);
        if self.file.metadata().map_err(failed)?.len() > 0 {
            self.file.set_len(0).map_err(failed)?;
        }
        self.file.seek(SeekFrom::Start(0)).map_err(failed)?;
        self.digest = Sha256::new();
        self.length = 0;
        Ok(())
    }

    /// Bytes that are there.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<(), FetchError> {
        self.file
            .write_all(bytes)
            .map_err(|e| FetchError::io("write", &self.part, e))?;
        self.digest.update(bytes);
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Notes what the bytes that follow belong to. Without a note they are of no use later.
    pub(crate) fn mark(&self, mark: &Mark) -> Result<(), FetchError> {
        let path = mark_path(&self.target);
        let text = serde_json::to_vec(mark).map_err(|e| FetchError::io("write", &path, e.into()))?;
        fs::write(&path, text).map_err(|e| FetchError::io("write", &path, e))
    }

    /// SHA-256 of what is there, hexadecimal.
    pub(crate) fn sha256(&self) -> String {
        format!("{:x}", self.digest.clone().finalize())
    }

    /// Gives the file its name.
    pub(crate) fn publish(self) -> Result<(), FetchError> {
        self.file
            .sync_all()
            .map_err(|e| FetchError::io("write", &self.part, e))?;
        fs::rename(&self.part, &self.target).map_err(|e| FetchError::io("write", &self.target, e))?;
        let _ = fs::remove_file(mark_path(&self.target));
        // Makes the name durable; some systems cannot, and the content is synced either way.
        if let Some(folder) = self.target.parent().and_then(|folder| File::open(folder).ok()) {
            let _ = folder.sync_all();
        }
        Ok(())
    }

    /// Leaves nothing.
    pub(crate) fn discard(self) {
        let _ = fs::remove_file(&self.part);
        let _ = fs::remove_file(mark_path(&self.target));
    }
}
