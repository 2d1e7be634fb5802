//! What can go wrong between kept answers and new metrics, each with one message that says where and what to do.

use std::io;
use std::path::PathBuf;

use secateur_evaluation::error::EvaluationError;

/// Why answers cannot be scored again.
#[derive(Debug, thiserror::Error)]
pub enum RescoreError {
    /// A line that is no answer.
    #[error(
        "{path}, line {line}, field `{field}`: found {found}, expected {expected}; correct the file, or leave such lines out with --skip-bad-items"
    )]
    BadLine {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// Field at fault.
        field: String,
        /// What is there, shortened.
        found: String,
        /// What should be there.
        expected: String,
    },
    /// The file as a whole cannot be used.
    #[error("{path}: found {found}, expected {expected}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is there.
        found: String,
        /// What should be there.
        expected: String,
    },
    /// A file that cannot be read or written.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// `read`, `write`, …
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// A metric that nothing computes.
    #[error("unknown metric `{name}`{hint}; these answers can have: {known}")]
    UnknownMetric {
        /// As asked for.
        name: String,
        /// `": did you mean …?"`, or empty.
        hint: String,
        /// Names, joined.
        known: String,
    },
    /// An answer that does not suit the scoring.
    #[error("{path}, line {line}, item `{item}`: {found}; expected {expected}")]
    Unsuited {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// Item id.
        item: String,
        /// What it is.
        found: String,
        /// What the scoring is for.
        expected: String,
    },
    /// A metric that cannot be computed from its scores.
    #[error(transparent)]
    Evaluation(#[from] EvaluationError),
}

impl RescoreError {
    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self::Io {
            action,
            path: path.into(),
            source,
        }
    }
}
