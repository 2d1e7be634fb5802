//! Files that are whole or absent, whatever happens while they are written.
//!
//! A file is written under a temporary name in the directory of its final name, synced, and then given its final name. A
//! process that dies leaves at most a temporary file, whose name starts with [`TEMPORARY`] and which no reader takes up.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::time::{Duration, SystemTime};

use tempfile::NamedTempFile;

use crate::error::Error;
use crate::partial::{PARTIAL, WAVE};

/// How temporary names start.
pub const TEMPORARY: &str = ".tmp-";

/// Whether this writer's file is the one that stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placed {
    /// It is.
    New,
    /// A file of that name was there first; ours was discarded.
    AlreadyThere,
}

/// Creates a temporary file beside the final name.
///
/// # Errors
/// [`Error::DiskFull`], [`Error::NotWritable`], [`Error::Io`].
pub fn temporary_beside(path: &Path) -> Result<NamedTempFile, Error> {
    let directory = parent(path);
    let mut builder = tempfile::Builder::new();
    builder.prefix(TEMPORARY);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // Readable to whom the umask allows, as any other result.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(directory).map_err(|e| Error::io("write", path, e))
}

/// Writes a file unless one of that name exists; the loser of a race changes nothing.
///
/// # Errors
/// [`Error::DiskFull`], [`Error::NotWritable`], [`Error::Io`]; the final name is then untouched.
pub fn write_new(path: &Path, bytes: &[u8]) -> Result<Placed, Error> {
    let placed = match link_new(filled(path, bytes)?, path)? {
        Some(_) => Placed::New,
        None => Placed::AlreadyThere,
    };
    sync_directory(parent(path));
    Ok(placed)
}

/// Gives a temporary file its final name unless that is taken, and returns it open; nothing is synced.
pub(crate) fn link_new(temporary: NamedTempFile, path: &Path) -> Result<Option<File>, Error> {
    // A hard link fails if the name is taken, on every file system that has links at all.
    match fs::hard_link(temporary.path(), path) {
        Ok(()) => Ok(Some(temporary.into_parts().0)),
        Err(e) if e.kind() == ErrorKind::AlreadyExists => Ok(None),
        // No links here: renameat2 with RENAME_NOREPLACE where the system has it.
        Err(_) => match temporary.persist_noclobber(path) {
            Ok(file) => Ok(Some(file)),
            Err(e) if e.error.kind() == ErrorKind::AlreadyExists => Ok(None),
            Err(e) => Err(Error::io("write", path, e.error)),
        },
    }
}

/// Writes a file over any other of that name.
///
/// # Errors
/// As [`write_new`]; an older file is then untouched.
pub fn write_over(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    place_over(filled(path, bytes)?, path)
}

/// Syncs a temporary file and gives it its final name, over any other.
///
/// # Errors
/// As [`write_new`].
pub fn place_over(temporary: NamedTempFile, path: &Path) -> Result<(), Error> {
    temporary
        .as_file()
        .sync_all()
        .map_err(|e| Error::io("write", path, e))?;
    temporary.persist(path).map_err(|e| Error::io("write", path, e.error))?;
    sync_directory(parent(path));
    Ok(())
}

/// Removes temporary files that a day-old crash left behind, and what is kept of cells that nobody has gone on with for a month, or a week
/// where it is large: a changed sweep asks for others. Trouble is ignored: they are only clutter.
pub fn sweep_out(directory: &Path) {
    let Ok(entries) = fs::read_dir(directory) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let kept = match name.to_string_lossy() {
            name if name.starts_with(TEMPORARY) => Duration::from_hours(24),
            name if name.starts_with(PARTIAL) => Duration::from_hours(30 * 24),
            // Gigabytes, and soon computed again.
            name if name.starts_with(WAVE) => Duration::from_hours(7 * 24),
            _ => continue,
        };
        let age = entry
            .metadata()
            .and_then(|m| m.modified())
            .ok()
            .and_then(|at| SystemTime::now().duration_since(at).ok());
        if age.is_some_and(|age| age > kept) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Reads a file of at most `limit` bytes; `None` if there is none.
pub(crate) fn read_limited(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, Error> {
    use std::io::Read;
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(Error::io("read", path, e)),
    };
    let mut bytes = Vec::new();
    file.take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| Error::io("read", path, e))?;
    if bytes.len() as u64 > limit {
        return Err(Error::Malformed {
            path: path.to_path_buf(),
            found: format!("more than {limit} bytes"),
            expected: "a file of reasonable size",
        });
    }
    Ok(Some(bytes))
}

fn filled(path: &Path, bytes: &[u8]) -> Result<NamedTempFile, Error> {
    let mut temporary = temporary_beside(path)?;
    temporary
        .write_all(bytes)
        .and_then(|()| temporary.as_file().sync_all())
        .map_err(|e| Error::io("write", path, e))?;
    Ok(temporary)
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Makes names durable. Some systems cannot sync a directory; the content is synced either way.
fn sync_directory(directory: &Path) {
    if let Ok(handle) = File::open(directory) {
        let _ = handle.sync_all();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_new_file_never_replaces_an_older_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.json");
        assert_eq!(write_new(&path, b"first").unwrap(), Placed::New);
        assert_eq!(write_new(&path, b"second").unwrap(), Placed::AlreadyThere);
        assert_eq!(fs::read(&path).unwrap(), b"first");
        write_over(&path, b"third").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"third");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn too_large_a_file_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a");
        assert!(read_limited(&path, 3).unwrap().is_none());
        fs::write(&path, b"four").unwrap();
        assert!(read_limited(&path, 4).unwrap().is_some());
        let message = read_limited(&path, 3).unwrap_err().to_string();
        assert!(message.contains("more than 3 bytes"));
    }

    #[test]
    fn fresh_temporary_files_stay() {
        let directory = tempfile::tempdir().unwrap();
        for (name, hours) in [
            (".tmp-another-process", 24),
            (".wave-a-b-3-c", 7 * 24),
            (".partial-a", 30 * 24),
        ] {
            let other = directory.path().join(name);
            fs::write(&other, b"x").unwrap();
            for (age, stays) in [(0, true), (hours - 1, true), (hours + 1, false)] {
                let at = SystemTime::now() - Duration::from_hours(age);
                File::open(&other).unwrap().set_modified(at).unwrap();
                sweep_out(directory.path());
                assert_eq!(other.exists(), stays, "{name}");
            }
        }
    }
}
