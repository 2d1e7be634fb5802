//! The parts of Python that model output and records pass through on their way to a score.

pub mod json;
pub mod literal;
mod number;
mod strings;
pub mod text;
pub mod value;

pub use value::PyValue;
