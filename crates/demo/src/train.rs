//! Training of the demo models, from scratch, with burn's autodiff.
//!
//! The loop runs the same decoder code as evaluation does. Batch `n` depends on the recipe and `n` alone, and the state on
//! disk holds weights and both moments of the optimiser in f32, so a stopped run goes on to the same result.

pub mod recipe;
pub mod tokenizer;
pub mod balance;
pub mod data;
pub mod state;
pub mod steps;
pub mod publish;

use std::path::PathBuf;

/// What can go wrong while training.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The decoder or the device.
    #[error(transparent)]
    Model(#[from] secateur_model::ModelError),
    /// The text.
    #[error(transparent)]
    Knowledge(#[from] crate::facts::KnowledgeError),
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file does not hold what it should.
    #[error("{path}: {found}; remove the folder to start from the beginning")]
    State {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        found: String,
    },
    /// The tokenizer could not be made or used.
    #[error("tokenizer: {0}")]
    Tokenizer(String),
    /// The loss left the numbers.
    #[error("step {step}: the loss is {loss}; training cannot go on")]
    Diverged {
        /// Step.
        step: usize,
        /// Its loss.
        loss: f64,
    },
    /// There is no such demo model.
    #[error("there is no demo model `{found}`; there are: {known}")]
    UnknownModel {
        /// As asked for.
        found: String,
        /// Names.
        known: String,
    },
}

pub(crate) fn file_error(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> TrainError + '_ {
    move |source| TrainError::File {
        path: path.to_path_buf(),
        source,
    }
}
