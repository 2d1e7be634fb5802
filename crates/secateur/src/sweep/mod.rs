//! A sweep: models × methods × fractions × seeds × tasks, from one file to one report.

pub mod definition;
mod written;
mod variant;
pub mod refused;
pub mod grid;
pub mod subject;
pub mod served;
pub mod calibrate;
pub mod keys;
pub mod costs;
pub mod estimate;
mod memory;
pub mod progress;
pub mod tasks;
pub mod scorers;
pub mod safe;
pub mod pruned;
pub mod plan;
pub mod shards;
pub mod cell;
pub mod environment;
pub mod git;
pub mod hot;
pub mod outset;
pub mod worker;
pub mod manifest;
pub mod drawing;
pub mod opened;
pub mod run;
pub mod coverage;

pub use definition::Sweep;
