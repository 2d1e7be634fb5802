//! Answers in, numbers out. Pure: no model, no files.

pub mod value;
