//! Why a smaller checkpoint is not written.

use std::io;
use std::path::PathBuf;

use crate::checkpoint::CheckpointError;

/// What stops an export.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The checkpoint cannot be read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The destination is taken.
    #[error("{path} exists already: name a new directory, or say --overwrite to replace an earlier export")]
    Exists {
        /// The destination.
        path: PathBuf,
    },
    /// The destination is something else than an export.
    #[error(
        "{path} is no export of Secateur (it has no secateur.json), so it is not replaced: name a new directory, or remove it yourself"
    )]
    NoExport {
        /// The destination.
        path: PathBuf,
    },
    /// The destination is the checkpoint that is read.
    #[error("{path} is the checkpoint to be pruned: name another directory")]
    Source {
        /// The destination.
        path: PathBuf,
    },
    /// The export is there, but what it replaced could not be removed.
    #[error("the export is complete, but the one that it replaced could not be removed from {path}: {source}")]
    Leftover {
        /// Where the old one is now.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// The destination is no name of a directory.
    #[error("`{path}` is not the name of a new directory")]
    Destination {
        /// The destination.
        path: PathBuf,
    },
    /// Reading failed.
    #[error("cannot read {path}: {source}")]
    Read {
        /// File or directory.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// Writing failed.
    #[error("cannot write {path}: {source}; nothing was left behind")]
    Write {
        /// File or directory.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// The mask does not fit the checkpoint.
    #[error("the mask does not fit {directory}: {reason}")]
    Mask {
        /// The checkpoint.
        directory: PathBuf,
        /// What was found and expected.
        reason: String,
    },
    /// The checkpoint's expert tensors are not as its family has them.
    #[error("{directory}: {reason}")]
    Experts {
        /// The checkpoint.
        directory: PathBuf,
        /// What was found and expected.
        reason: String,
    },
}
