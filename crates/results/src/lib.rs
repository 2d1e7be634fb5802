//! Records, tables and charts. Knows no model.
//!
//! A sweep publishes one [`record::Record`] per cell into a [`store::Store`]; tables, curves, charts and the report are
//! made from those files alone and can be made again without the model.
// Fractions removed are copied, never computed: equal ones are the same bits.
#![allow(clippy::float_cmp)]

pub mod aggregate;
pub mod agreement;
pub mod answers;
pub mod atomic;
pub mod charts;
pub mod claims;
pub mod error;
pub mod failures;
pub mod key;
pub mod ranking_file;
pub mod record;
pub mod report;
pub mod retention;
pub mod safe;
pub mod location;
pub mod store;
pub mod shared;
pub mod tables;
pub mod comparisons;
pub mod naming;
pub mod partial;
pub mod risk_ratio;
pub mod changes;
pub mod shown;
pub mod compare_runs;

#[cfg(test)]
mod fixture;
