//! Checkpoint on disk in, forward pass out.

pub mod checkpoint;
pub mod mask;
