//! Folders: are they there, may they be written, and how much room is left.

use std::path::{Path, PathBuf};

use serde::Serialize;

/// A sweep of a small model writes this much: bytes.
const LITTLE: u64 = 1_000_000_000;

/// A folder.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Folder {
    /// What is kept in it.
    pub what: &'static str,
    /// Where it is.
    pub path: PathBuf,
    /// Whether it is there; it is made when it is needed.
    pub exists: bool,
    /// Whether files can be written in it, or in the folder where it would be made.
    pub writable: bool,
    /// Room on its disk, bytes; absent where the system does not say.
    pub free_bytes: Option<u64>,
    /// What has to be mended.
    pub problem: Option<String>,
}

impl Folder {
    /// Looks at it. Nothing is written. `written` says whether a sweep has to write there.
    #[must_use]
    pub fn look(what: &'static str, path: &Path, written: bool) -> Self {
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
        let there = absolute.ancestors().find(|above| above.exists()).unwrap_or(&absolute);
        let (writable, free_bytes) = (there.is_dir() && writable(there), free(there));
        let (shown, folder) = (path.display(), there.display());
        let problem = if there.is_dir() {
            match free_bytes {
                _ if !written => None,
                _ if !writable => Some(format!(
                    "{what}: {shown} cannot be made or written: {folder} is not writable"
                )),
                Some(bytes) if bytes < LITTLE => Some(format!(
                    "{what}: {} MB are left on the disk of {shown}, expected 1 GB or more",
                    bytes / 1_000_000
                )),
                _ => None,
            }
        } else {
            Some(format!("{what}: {folder} is not a folder"))
        };
        Self {
            what,
            path: path.to_path_buf(),
            exists: path.is_dir(),
            writable,
            free_bytes,
            problem,
        }
    }
}

#[cfg(unix)]
fn writable(folder: &Path) -> bool {
    nix::unistd::access(folder, nix::unistd::AccessFlags::W_OK).is_ok()
}

#[cfg(not(unix))]
fn writable(folder: &Path) -> bool {
    folder.metadata().is_ok_and(|found| !found.permissions().readonly())
}

#[cfg(unix)]
// Their widths differ between systems.
#[allow(clippy::useless_conversion, clippy::unnecessary_cast)]
fn free(folder: &Path) -> Option<u64> {
    let found = nix::sys::statvfs::statvfs(folder).ok()?;
    (found.blocks_available() as u64).checked_mul(found.fragment_size() as u64)
}

#[cfg(not(unix))]
fn free(_: &Path) -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_folder_that_is_not_there_yet_is_judged_by_the_one_above() {
        let above = tempfile::tempdir().unwrap();
        let found = Folder::look("results", &above.path().join("a/b"), true);
        assert!(!found.exists && found.writable, "{found:?}");
        assert!(cfg!(not(unix)) || found.free_bytes.is_some());
        let file = above.path().join("file");
        std::fs::write(&file, "").unwrap();
        let found = Folder::look("results", &file.join("inside"), true);
        assert!(found.problem.unwrap().contains("is not a folder"));
    }
}
