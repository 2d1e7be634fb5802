//! Model and task in, answers out, with every prompt and output kept.

pub mod bigram;
pub mod encoding;
pub mod engine;
pub mod error;
pub mod requests;
