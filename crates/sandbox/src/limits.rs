//! What a program may use.

use std::time::Duration;

/// Limits of one program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// From start to end, of the sandbox too: bounds sleeping and waiting.
    pub wall: Duration,
    /// Processor seconds of each process, the interpreter's start included. Bounds loops, and is the same on a busy machine.
    pub cpu_seconds: u64,
    /// Address space of each process, in bytes.
    pub memory_bytes: u64,
    /// Processes and threads at the same time.
    pub processes: u64,
    /// Largest file, in bytes.
    pub file_bytes: u64,
    /// All files together, in bytes.
    pub disk_bytes: u64,
    /// What may be printed, in bytes.
    pub output_bytes: u64,
}

impl Default for Limits {
    /// Three processor seconds, as `HumanEval` gives; 512 MiB, 8 processes, 1 MiB per file.
    fn default() -> Self {
        Self {
            wall: Duration::from_secs(30),
            cpu_seconds: 3,
            memory_bytes: 512 << 20,
            processes: 8,
            file_bytes: 1 << 20,
            disk_bytes: 8 << 20,
            output_bytes: 1 << 20,
        }
    }
}
