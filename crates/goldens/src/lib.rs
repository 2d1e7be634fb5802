//! Checks Secateur against directories of reference values, found by what is there rather than by name.

mod report;

pub mod eval;
pub mod metrics;

pub use report::{Outcome, Report};
