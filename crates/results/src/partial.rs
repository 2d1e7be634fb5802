//! The answers of a running cell, appended chunk by chunk: `answers/.partial-‹evaluation›`.
//!
//! A line is the SHA-256 of what follows it, a blank, and the JSON of one chunk. Whoever goes on with the cell reads whole lines up
//! to the first that is torn or does not fit its checksum, and cuts the file there. The name is that of the evaluation, so that
//! whichever cell of an equal mask comes next goes on with it.
//!
//! Lines are written at once and not synced: what a dying process wrote is with the system already, and what a dying machine tore
//! is found by its checksum and asked again.
//!
//! Where results are in an object store, the file is put there now and then, and when the worker stops; whoever takes the cell over on
//! another machine goes on behind that.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use secateur_remote::Remote;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Error;
use crate::key::sha256;

/// How names of such files start.
pub const PARTIAL: &str = ".partial-";

/// How names start of what a model larger than memory keeps of a cell between two layers; behind it is the evaluation.
pub(crate) const WAVE: &str = ".wave-";

/// Hexadecimal digits of a checksum.
const DIGITS: usize = 64;

/// How often the file is put into an object store, at most.
const PUT: Duration = Duration::from_secs(30);

/// The file of one running cell. It is made with its first line and stays when this is dropped.
#[derive(Debug)]
pub struct Partial {
    path: PathBuf,
    file: Option<File>,
    /// Where each line ends, bytes.
    ends: Vec<u64>,
    shared: Option<Shared>,
}

/// The file in an object store.
#[derive(Debug)]
struct Shared {
    remote: Arc<Remote>,
    name: String,
    /// When it was put last.
    at: Instant,
    /// Whether something was written since.
    behind: bool,
}

impl Partial {
    /// Opens what an earlier process left and reads its sound lines; none where there is no file.
    pub(crate) fn open<T: DeserializeOwned>(path: &Path) -> Result<(Self, Vec<T>), Error> {
        let mut partial = Self {
            path: path.to_path_buf(),
            file: None,
            ends: Vec::new(),
            shared: None,
        };
        let mut file = match File::options().read(true).write(true).open(path) {
            Ok(file) => file,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok((partial, Vec::new())),
            Err(e) => return Err(Error::io("write", path, e)),
        };
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(|e| Error::io("read", path, e))?;
        let (mut chunks, mut end) = (Vec::new(), 0);
        for line in bytes.split_inclusive(|&byte| byte == b'\n') {
            let Some(chunk) = sound(line) else { break };
            chunks.push(chunk);
            end += line.len() as u64;
            partial.ends.push(end);
        }
        partial.file = Some(file);
        partial.cut(chunks.len())?;
        Ok((partial, chunks))
    }

    /// The same where the object store may hold more of it than this machine.
    pub(crate) fn open_shared<T: DeserializeOwned>(
        path: &Path,
        remote: &Arc<Remote>,
        name: String,
    ) -> Result<(Self, Vec<T>), Error> {
        let here = fs::metadata(path).map_or(0, |file| file.len());
        if let Some(found) = remote.fetch(&name)?
            && found.stamp.size > here
        {
            remote.write_copy(path, &found.bytes, SystemTime::now())?;
        }
        let (mut partial, chunks) = Self::open(path)?;
        partial.shared = Some(Shared {
            remote: Arc::clone(remote),
            name,
            at: Instant::now(),
            behind: false,
        });
        Ok((partial, chunks))
    }

    /// Writes a chunk as line `place`, counted from 0; what stood there and behind it is cut off.
    ///
    /// # Errors
    /// [`Error::Answer`] if it has no JSON form; [`Error::DiskFull`], [`Error::NotWritable`], [`Error::Io`].
    pub fn append(&mut self, place: usize, chunk: &impl Serialize) -> Result<(), Error> {
        let text = serde_json::to_string(chunk).map_err(|source| Error::Answer {
            path: self.path.clone(),
            source,
        })?;
        self.cut(place)?;
        let line = format!("{} {text}\n", sha256(text.as_bytes()));
        let written = self.file().and_then(|file| file.write_all(line.as_bytes()));
        written.map_err(|e| Error::io("write", &self.path, e))?;
        self.ends.push(self.end() + line.len() as u64);
        if let Some(shared) = &mut self.shared {
            shared.behind = true;
            if shared.at.elapsed() >= PUT {
                shared.put(&self.path);
            }
        }
        Ok(())
    }

    /// Removes the file: the cell has its record.
    pub fn remove(mut self) {
        // What stays is clutter, and is never taken for anything else.
        let _ = fs::remove_file(&self.path);
        if let Some(shared) = self.shared.take() {
            let _ = shared.remote.remove(&shared.name);
        }
    }

    fn cut(&mut self, lines: usize) -> Result<(), Error> {
        self.ends.truncate(lines);
        let end = self.end();
        let Some(file) = &mut self.file else { return Ok(()) };
        file.set_len(end)
            .and_then(|()| file.seek(SeekFrom::Start(end)))
            .map_err(|e| Error::io("write", &self.path, e))?;
        Ok(())
    }

    fn end(&self) -> u64 {
        self.ends.last().copied().unwrap_or(0)
    }

    fn file(&mut self) -> std::io::Result<&mut File> {
        let file = match self.file.take() {
            Some(file) => file,
            None => File::options()
                .create(true)
                .truncate(true)
                .write(true)
                .open(&self.path)?,
        };
        Ok(self.file.insert(file))
    }
}

impl Shared {
    fn put(&mut self, path: &Path) {
        // It only saves work: a store that stays away stops the worker when there is a record to publish.
        if fs::read(path).is_ok_and(|bytes| self.remote.put_over(&self.name, &bytes).is_ok()) {
            self.behind = false;
        }
        self.at = Instant::now();
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.as_mut().filter(|shared| shared.behind) {
            shared.put(&self.path);
        }
    }
}

fn sound<T: DeserializeOwned>(line: &[u8]) -> Option<T> {
    let line = std::str::from_utf8(line).ok()?.strip_suffix('\n')?;
    let (checksum, text) = line.split_at_checked(DIGITS)?;
    let text = text.strip_prefix(' ')?;
    (sha256(text.as_bytes()) == checksum).then(|| serde_json::from_str(text).ok())?
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn filled() -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(".partial-a");
        let (mut partial, chunks) = Partial::open::<Vec<u32>>(&path).unwrap();
        assert!(chunks.is_empty() && !path.exists());
        partial.append(0, &[1, 2]).unwrap();
        partial.append(1, &[3, 4]).unwrap();
        (directory, path)
    }

    #[test]
    fn a_torn_last_line_is_cut_at_every_byte() {
        let (_directory, path) = filled();
        let whole = fs::read(&path).unwrap();
        let first = whole.iter().position(|&byte| byte == b'\n').unwrap() + 1;
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            let (mut partial, chunks) = Partial::open::<Vec<u32>>(&path).unwrap();
            assert_eq!(chunks.len(), usize::from(length >= first), "{length} bytes");
            for place in chunks.len()..2 {
                partial.append(place, &[2 * place + 1, 2 * place + 2]).unwrap();
            }
            assert_eq!(fs::read(&path).unwrap(), whole);
        }
    }

    #[test]
    fn nothing_behind_a_damaged_line_is_used() {
        let (_directory, path) = filled();
        let mut bytes = fs::read(&path).unwrap();
        let digit = bytes.iter().position(|&byte| byte == b'[').unwrap() + 1;
        bytes[digit] = b'9';
        fs::write(&path, bytes).unwrap();
        let (_, chunks) = Partial::open::<Vec<u32>>(&path).unwrap();
        assert!(chunks.is_empty());
        assert_eq!(fs::metadata(&path).unwrap().len(), 0);
    }

    #[test]
    fn a_line_takes_the_place_of_those_from_there_on() {
        let (_directory, path) = filled();
        let (mut partial, _) = Partial::open::<Vec<u32>>(&path).unwrap();
        partial.append(0, &[5]).unwrap();
        let (partial, chunks) = Partial::open::<Vec<u32>>(&path).unwrap();
        assert_eq!(chunks, [[5]]);
        partial.remove();
        assert!(!path.exists());
    }
}
