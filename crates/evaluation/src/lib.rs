//! Model and task in, answers out, with every prompt and output kept.

pub mod engine;
