//! What can go wrong between a checkpoint and its logits.

use std::path::PathBuf;

use crate::checkpoint::shorten;

/// Errors of this crate. Each says where, what was found and what was expected.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The directory or one of its files is not a usable checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] crate::checkpoint::CheckpointError),
    /// `model_type` names a family that is not supported.
    #[error("{file}: model_type `{}` is not supported; supported: {supported}", shorten(.found))]
    UnknownFamily {
        /// The config.json.
        file: PathBuf,
        /// Its `model_type`.
        found: String,
        /// Names of the families there are.
        supported: String,
    },
    /// A config option asks for something the family's implementation does not do.
    #[error("{file}: `{option}` = {} is not supported for {family}: {expected}", shorten(.found))]
    UnsupportedOption {
        /// The config.json.
        file: PathBuf,
        /// Field name.
        option: String,
        /// Its value.
        found: String,
        /// The model family.
        family: &'static str,
        /// What would work.
        expected: String,
    },
    /// The device is missing or cannot do what is asked.
    #[error("device {device}: {reason}")]
    Device {
        /// Its name.
        device: String,
        /// Why it cannot be used.
        reason: String,
    },
    /// The model does not fit into memory, not even a layer at a time.
    #[error(
        "memory: {limit:.1} GB are allowed ({said_by}), but weights of {weights:.1} GB need {needed:.1} GB, layer by layer; allow more, or take a smaller model"
    )]
    Memory {
        /// What it takes, in 10⁹ bytes.
        needed: f64,
        /// What there is.
        limit: f64,
        /// Where that is said.
        said_by: String,
        /// What all weights take.
        weights: f64,
    },
    /// A mask does not fit the model.
    #[error("mask: layer {layer}: {reason}")]
    Mask {
        /// Decoder layer.
        layer: usize,
        /// What does not fit.
        reason: String,
    },
    /// Tokens that the model cannot take.
    #[error("{0}")]
    Tokens(String),
    /// The model computed a value that is not a finite number.
    #[error("{place}: the model computed {found}; the weights or the input are broken")]
    NotFinite {
        /// Where.
        place: String,
        /// `NaN` or `inf`.
        found: String,
    },
    /// The device failed while computing.
    #[error("{place}: the device failed: {reason}")]
    Execution {
        /// Where.
        place: String,
        /// Its message.
        reason: String,
    },
    /// An observer refused what it saw.
    #[error("{0}")]
    Observer(String),
}
