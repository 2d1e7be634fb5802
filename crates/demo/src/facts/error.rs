//! What can be wrong with the knowledge files, and with writing what is made from them.

use std::path::PathBuf;

/// Problem with the demo's knowledge or the files made from it.
#[derive(Debug, thiserror::Error)]
pub enum KnowledgeError {
    /// A phrasing file is not the TOML it should be.
    #[error("crates/demo/knowledge/{file}: {source}")]
    Toml {
        /// File under `crates/demo/knowledge`.
        file: String,
        /// What the parser says.
        source: Box<toml::de::Error>,
    },
    /// A line of a table breaks its format.
    #[error("crates/demo/knowledge/{file}, line {line}: {problem}")]
    Row {
        /// File under `crates/demo/knowledge`.
        file: String,
        /// Line, from 1.
        line: usize,
        /// What was found and what was expected.
        problem: String,
    },
    /// A relation or scene breaks a rule.
    #[error("crates/demo/knowledge/{file}, `{name}`: {problem}")]
    Entry {
        /// File under `crates/demo/knowledge`.
        file: String,
        /// Relation or scene.
        name: String,
        /// What was found and what was expected.
        problem: String,
    },
    /// A document mixture cannot be drawn from.
    #[error("mixture: {problem}")]
    Mixture {
        /// What was found and what was expected.
        problem: String,
    },
    /// A record cannot be written as JSON.
    #[error("cannot write a record of {file} as JSON: {source}")]
    Json {
        /// File being made.
        file: String,
        /// What the writer says.
        source: serde_json::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {path}: {source}")]
    Write {
        /// File or directory.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
}
