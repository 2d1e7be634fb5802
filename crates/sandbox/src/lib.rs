//! Runs a Python program that a model wrote, so that it can do no harm and its end says whether it passed.
//!
//! A program gets its own user (or user namespace), network, process, mount, IPC and host-name namespaces, a file system that holds the
//! interpreter read-only and one small empty folder, no environment, no capabilities, and limits on time, memory, processes, file sizes and
//! output. This is composed of util-linux (`unshare`, `mount`, `pivot_root`, `prlimit`, `setpriv`); nothing here is `unsafe`.
//!
//! System calls are not filtered: a hole in the kernel is one here too.
//!
//! [`Sandbox::open`] runs a probe for every one of these promises and refuses where one does not hold: there is no weaker way of running. A
//! program's memory is limited per process; all its processes together stay below [`Limits::memory_bytes`] × [`Limits::processes`]. A program cannot pass by
//! accident (by printing, by leaving early, by catching everything); one that was written to find and forge its own verdict could.

pub mod limits;
pub mod error;
mod host;
mod process;
pub mod sandbox;
mod probe;

pub use error::SandboxError;
pub use limits::Limits;
pub use sandbox::{Failure, Sandbox, Verdict};
