//! Kept answers in, new metrics out: no model, no prompt sent again.
//!
//! [`kept`] is an answer with the item it answers, read back from a sweep's answers ([`kept::from_sweep`]) or from the sample
//! files of lm-evaluation-harness ([`harness::read`]). [`choice`] says which scorings fit it, [`score`] computes scores and metrics on
//! all cores, [`harness::write`] writes them in the harness's JSON form. What was read is never changed.

pub mod kept;
pub mod choice;
pub mod score;
pub mod harness;
pub mod error;

pub use error::RescoreError;
pub use kept::{Batch, Kept};

/// Version of the scorers: raised whenever a score or metric that they compute moves.
pub const SCORER_VERSION: u32 = 2;
