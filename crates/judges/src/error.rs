//! What can go wrong in a judge; the text says where, what was found and what was expected.

/// A judge that could not be opened or asked.
#[derive(Debug, thiserror::Error)]
pub enum JudgeError {
    /// A directory that is no judge, or one of another kind.
    #[error("judge {judge}: found {found}; expected {expected}")]
    Unsuitable {
        /// Name or directory of the judge.
        judge: String,
        /// What it is.
        found: String,
        /// What it should be.
        expected: String,
    },
    /// A setting of a judge behind an endpoint.
    #[error("judge `{judge}`: {setting} is {found}; expected {expected}")]
    Setting {
        /// Name of the judge.
        judge: String,
        /// The setting, as it is written.
        setting: &'static str,
        /// What it is.
        found: String,
        /// What it should be.
        expected: &'static str,
    },
    /// A kept reply that cannot be read or written.
    #[error("cannot {action} {path}: {source}; replies are kept there, so nothing more is asked until that works", path = path.display())]
    Cache {
        /// `read`, `write`, …
        action: &'static str,
        /// File or folder.
        path: std::path::PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// A question that a scorer needs answered was not.
    #[error("judge `{judge}`: {reason}")]
    Unanswered {
        /// Name of the judge.
        judge: String,
        /// Why not.
        reason: String,
    },
    /// The system has no thread left.
    #[error("cannot start a thread: {source}; lower `concurrency`")]
    Thread {
        /// The system's words.
        source: std::io::Error,
    },
    /// The checkpoint cannot be computed with.
    #[error(transparent)]
    Model(#[from] secateur_model::ModelError),
    /// A file of the checkpoint cannot be read, or contradicts config.json.
    #[error(transparent)]
    Checkpoint(#[from] secateur_model::checkpoint::CheckpointError),
    /// The tokenizer cannot be read, or fails on a text.
    #[error(transparent)]
    Text(#[from] secateur_model::text::TextError),
    /// The model is neither a directory nor to be had from the hub.
    #[error(transparent)]
    Hub(#[from] secateur_model::hub::HubError),
    /// A scorer's settings cannot be used.
    #[error("scorer `{scorer}`: {message}")]
    Spec {
        /// Its name in the sweep file.
        scorer: String,
        /// What is wrong and what to write instead.
        message: String,
    },
    /// A file that is no checkpoint is missing or malformed.
    #[error("{file}: found {found}; expected {expected}")]
    File {
        /// The file.
        file: std::path::PathBuf,
        /// What is there.
        found: String,
        /// What should be there.
        expected: String,
    },
    /// A scorer's arithmetic refused its input.
    #[error(transparent)]
    Metric(#[from] secateur_metrics::error::MetricError),
}
