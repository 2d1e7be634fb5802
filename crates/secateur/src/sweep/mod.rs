//! A sweep: models × methods × fractions × seeds × tasks, from one file to one report.

pub mod definition;
pub mod grid;
pub mod subject;
pub mod calibrate;
pub mod keys;
pub mod estimate;
pub mod progress;
pub mod tasks;
pub mod scorers;
pub mod safe;
pub mod cell;
pub mod cells;
pub mod environment;
pub mod git;
pub mod manifest;
pub mod run;

pub use definition::Sweep;
