//! Records in, prompts and calibration text out. Knows no model.
//!
//! A [`tasks::Task`] turns the official files of a data set into [`item::Item`]s; a [`corpora::CorpusSpec`] turns a JSONL file into
//! calibration samples. Both hash what they read, refuse what they cannot use, and give the same output for the same input.

pub mod item;
pub mod tasks;
pub mod forms;
pub mod corpora;
pub mod data_cards;
pub mod template;
pub mod error;
mod gzip;
pub mod source;
pub mod record;
pub mod sampling;
pub mod strict_toml;
pub mod toml_place;
pub mod messages;
pub mod python;
pub mod reference_experiment;

pub use error::{BadItem, DatasetError};
pub use item::{Body, Choice, Generate, Item, Message};
pub use tasks::{LoadOptions, TASKS, Task, TaskData, TaskSpec};
