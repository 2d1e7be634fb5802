//! How good is each scorer of a text against its source? Labelled sets, and what scorers say on them.
//!
//! [`sets`] reads what people (or judges, or whoever made the texts) said, [`scorer`] is what is measured, [`measure`] compares the
//! two, and [`page`] writes the table. No claim about a scorer goes beyond that table.

pub mod error;
pub mod labelled;
pub mod sets;
pub mod scorer;
pub mod measure;
pub mod combination;
pub mod page;
