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
    #[error("{path} exists already; an export never overwrites: name a new directory, or remove it first")]
    Exists {
        /// The destination.
        path: PathBuf,
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
