//! Tasks that ask for more than one answer, or for more than one mask.
// Shares of whole numbers are exact.
#![allow(clippy::unwrap_used, clippy::float_cmp)]

mod divergence;
mod sampled;
#[cfg(feature = "local")]
mod unpruned;
