//! One program, shut in.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::error::SandboxError;
use crate::host::{self, Python, TOOL_FOLDERS};
use crate::limits::Limits;
use crate::{probe, process};

const SETUP: &str = include_str!("setup.sh");
const DRIVER: &str = include_str!("driver.py");

/// User ids that no system gives to anybody; each run as root takes one of its own, because the limit on processes is per user.
const FIRST_NOBODY: u32 = 1_900_000_000;
const LAST_NOBODY: u32 = FIRST_NOBODY + 32_768 * 4096 - 1;
static RUNS: AtomicU32 = AtomicU32::new(0);

/// What became of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It came to its end without an exception.
    Passed,
    /// It did not.
    Failed(Failure),
}

/// How a program failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// An exception, a failed assertion, or a call of `exit`.
    Raised(String),
    /// It was stopped, by the limit on wall time.
    WallTime,
    /// It was stopped: it printed too much.
    Output,
    /// It ended without saying how: killed by a limit, or by itself.
    Died,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Raised(error) => write!(f, "{error}"),
            Self::WallTime => write!(f, "stopped: out of time"),
            Self::Output => write!(f, "stopped: printed too much"),
            Self::Died => write!(f, "died: killed by a limit, or left without an exception"),
        }
    }
}

/// A way of running programs that was found to hold on this machine.
#[derive(Debug, Clone)]
pub struct Sandbox {
    limits: Limits,
    unshare: PathBuf,
    python: Python,
    root: bool,
}

impl Sandbox {
    /// Finds the tools and probes every promise; takes a few seconds.
    ///
    /// # Errors
    /// If a tool is missing, or a promise does not hold. Then nothing may be run.
    pub fn open(limits: Limits) -> Result<Self, SandboxError> {
        if !cfg!(target_os = "linux") {
            return Err(SandboxError::NotLinux);
        }
        let sandbox = Self {
            limits,
            unshare: host::unshare()?,
            python: host::python()?,
            root: host::is_root(LAST_NOBODY),
        };
        probe::check(&sandbox)?;
        Ok(sandbox)
    }

    /// Version of the interpreter.
    #[must_use]
    pub fn python_version(&self) -> &str {
        &self.python.version
    }

    /// The limits that hold.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// The same sandbox with other limits.
    pub(crate) fn with(&self, limits: Limits) -> Self {
        Self { limits, ..self.clone() }
    }

    /// Runs a program to its end.
    ///
    /// # Errors
    /// If the sandbox could not be made; what the program does is never an error.
    pub fn run(&self, program: &str) -> Result<Verdict, SandboxError> {
        let token = random_token();
        let mut input = program.as_bytes().to_vec();
        input.extend_from_slice(token.as_bytes());
        let mut command = self.command(program.len());
        let ended = process::run(&mut command, input, self.limits.wall, self.limits.output_bytes)?;
        if ended.outlived {
            return Err(SandboxError::Leaks {
                promise: "that all processes of a program end with it",
                found: "something still holds its pipes".to_owned(),
            });
        }
        let mut lines = ended.report.lines();
        if !lines.any(|line| line == "ready") {
            let report = ended.report.trim().replace('\n', "; ");
            let found = if report.is_empty() {
                "the program was never started".to_owned()
            } else {
                report
            };
            return Err(SandboxError::NotIsolated { found });
        }
        Ok(match ended.end {
            process::End::WallTime => Verdict::Failed(Failure::WallTime),
            process::End::Output => Verdict::Failed(Failure::Output),
            process::End::Own => verdict(&ended.report, &token),
        })
    }

    fn command(&self, size: usize) -> Command {
        let mut command = Command::new(&self.unshare);
        command.env_clear().env("PATH", TOOL_FOLDERS).current_dir("/");
        if !self.root {
            command.args(["--user", "--map-root-user"]);
        }
        command.args([
            "--mount",
            "--net",
            "--pid",
            "--ipc",
            "--uts",
            "--fork",
            "--kill-child",
            "sh",
            "-c",
            SETUP,
            "setup",
        ]);
        command.arg(&self.python.program).arg(&self.python.prefix);
        command.arg(self.limits.disk_bytes.to_string());
        command
            .arg(self.prlimit())
            .arg(self.identity())
            .arg(size.to_string())
            .arg(DRIVER);
        command
    }

    fn prlimit(&self) -> String {
        let Limits {
            cpu_seconds,
            memory_bytes,
            processes,
            file_bytes,
            ..
        } = self.limits;
        format!("--cpu={cpu_seconds} --as={memory_bytes} --nproc={processes} --fsize={file_bytes} --nofile=64 --core=0")
    }

    /// Inside a user namespace the program is nobody already.
    fn identity(&self) -> String {
        if !self.root {
            return String::new();
        }
        let run = RUNS.fetch_add(1, Ordering::Relaxed) % 4096;
        let user = FIRST_NOBODY + (std::process::id() % 32_768) * 4096 + run;
        format!("--reuid={user} --regid={user} --clear-groups")
    }
}

/// Sixteen digits that nobody can guess.
pub(crate) fn random_token() -> String {
    format!("{:016x}", RandomState::new().build_hasher().finish())
}

fn verdict(report: &str, token: &str) -> Verdict {
    let mut lines = report.lines();
    if lines.clone().any(|line| line.strip_prefix("passed ") == Some(token)) {
        return Verdict::Passed;
    }
    match lines.find_map(|line| line.strip_prefix("raised ")) {
        Some(error) => Verdict::Failed(Failure::Raised(error.to_owned())),
        None => Verdict::Failed(Failure::Died),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_token_passes() {
        assert_eq!(verdict("ready\npassed 12\n", "12"), Verdict::Passed);
        assert_eq!(verdict("ready\npassed 13\n", "12"), Verdict::Failed(Failure::Died));
        let raised = Failure::Raised("ValueError: x".to_owned());
        assert_eq!(verdict("ready\nraised ValueError: x\n", "12"), Verdict::Failed(raised));
        assert_eq!(verdict("ready\n", "12"), Verdict::Failed(Failure::Died));
    }
}
