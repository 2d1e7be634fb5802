//! Opening files of a model directory that somebody else wrote.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::CheckpointError;

/// Largest config.json and the like that is read: real ones stay below 100 kB.
pub const CONFIG_LIMIT: u64 = 8 << 20;
/// Largest model.safetensors.index.json that is read: 100 000 tensors take some 10 MB.
pub const INDEX_LIMIT: u64 = 100_000_000;

/// Whether the directory has an entry of this name (a dangling link counts).
#[must_use]
pub fn exists(directory: &Path, name: &str) -> bool {
    fs::symlink_metadata(directory.join(name)).is_ok()
}

/// The regular file `name` in `directory`, links followed. They may end in the directory itself, or in the `blobs` folder of a
/// Hugging Face cache when the directory is one of its snapshots: nowhere else.
///
/// # Errors
///
/// [`CheckpointError::Read`] if there is no such file, [`CheckpointError::OutsideDirectory`] if it leads elsewhere or is no file.
pub fn resolve(directory: &Path, name: &str) -> Result<PathBuf, CheckpointError> {
    let file = directory.join(name);
    let unreadable = |source| CheckpointError::Read {
        file: file.clone(),
        source,
    };
    let target = fs::canonicalize(&file).map_err(unreadable)?;
    let home = fs::canonicalize(directory).map_err(unreadable)?;
    if !target.starts_with(&home) && !blobs_of(&home).is_some_and(|blobs| target.starts_with(blobs)) {
        return Err(CheckpointError::OutsideDirectory {
            file,
            found: format!("is a link to {}", target.display()),
            advice: " (or in its Hugging Face cache): copy the file, or name the directory that holds it",
        });
    }
    // Opening a pipe would wait for a writer.
    let metadata = fs::metadata(&target).map_err(unreadable)?;
    if !metadata.is_file() {
        let found = if metadata.is_dir() {
            "is a directory"
        } else {
            "is a pipe or a device"
        };
        return Err(CheckpointError::OutsideDirectory {
            file,
            found: found.into(),
            advice: "",
        });
    }
    Ok(target)
}

/// `…/models--org--name/blobs` for `…/models--org--name/snapshots/REVISION`.
fn blobs_of(home: &Path) -> Option<PathBuf> {
    let snapshots = home.parent()?;
    (snapshots.file_name()? == "snapshots").then_some(())?;
    fs::canonicalize(snapshots.parent()?.join("blobs")).ok()
}

/// Opens the regular file `name` in `directory`; see [`resolve`].
///
/// # Errors
///
/// Those of [`resolve`], and [`CheckpointError::Read`].
pub fn open(directory: &Path, name: &str) -> Result<File, CheckpointError> {
    let target = resolve(directory, name)?;
    File::open(target).map_err(|source| CheckpointError::Read {
        file: directory.join(name),
        source,
    })
}

/// Reads the regular file `name` in `directory` if it has at most `limit` bytes.
///
/// # Errors
///
/// Those of [`open`], and [`CheckpointError::TooLarge`].
pub fn read(directory: &Path, name: &str, limit: u64) -> Result<Vec<u8>, CheckpointError> {
    let file = directory.join(name);
    let handle = open(directory, name)?;
    let unreadable = |source| CheckpointError::Read {
        file: file.clone(),
        source,
    };
    let bytes = handle.metadata().map_err(unreadable)?.len();
    let mut content = Vec::new();
    if bytes <= limit {
        // The file may grow between the two calls.
        handle.take(limit + 1).read_to_end(&mut content).map_err(unreadable)?;
    }
    if bytes > limit || content.len() as u64 > limit {
        return Err(CheckpointError::TooLarge {
            file: file.clone(),
            bytes: bytes.max(content.len() as u64),
            limit,
        });
    }
    Ok(content)
}

/// [`read`] as UTF-8 text, a byte order mark removed; `None` if the directory has no such entry.
///
/// # Errors
///
/// Those of [`read`], and [`CheckpointError::Read`] for text that is not UTF-8.
pub fn read_text(directory: &Path, name: &str, limit: u64) -> Result<Option<String>, CheckpointError> {
    if !exists(directory, name) {
        return Ok(None);
    }
    let text = String::from_utf8(read(directory, name, limit)?).map_err(|error| CheckpointError::Read {
        file: directory.join(name),
        source: io::Error::new(io::ErrorKind::InvalidData, format!("not UTF-8 text ({error})")),
    })?;
    Ok(Some(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text)))
}

/// [`read_text`], parsed as JSON.
///
/// # Errors
///
/// Those of [`read_text`], and [`CheckpointError::Json`].
pub fn read_json(directory: &Path, name: &str, limit: u64) -> Result<Option<serde_json::Value>, CheckpointError> {
    let Some(text) = read_text(directory, name, limit)? else {
        return Ok(None);
    };
    let parsed = serde_json::from_str(&text);
    parsed.map(Some).map_err(|error| CheckpointError::Json {
        file: directory.join(name),
        reason: error.to_string(),
    })
}
