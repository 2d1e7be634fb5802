//! Checkpoint on disk in, forward pass out.

pub mod mask;
