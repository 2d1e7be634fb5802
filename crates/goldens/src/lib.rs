//! Checks Secateur against directories of reference values, found by what is there rather than by name.

mod report;
mod compare;
mod python_json;

pub mod eval;
pub mod metrics;
pub mod published;
pub mod mask_summary;
#[cfg(feature = "models")]
pub mod tokenizers;
#[cfg(feature = "models")]
pub mod export;
#[cfg(feature = "models")]
pub mod models;
#[cfg(feature = "models")]
pub mod hybrid;
#[cfg(feature = "models")]
pub mod lm_eval;
#[cfg(feature = "models")]
pub mod saliency;
#[cfg(feature = "models")]
pub mod paper_pruning;
#[cfg(feature = "models")]
pub mod masks;
#[cfg(feature = "models")]
pub mod load;
#[cfg(feature = "models")]
mod deviation;
#[cfg(feature = "models")]
pub mod tensors;

#[cfg(feature = "models")]
pub mod discover;

#[cfg(feature = "models")]
pub use discover::{KINDS, check_all};
pub use report::{Check, Outcome, Report};
