//! Why nothing was run.

/// The sandbox is not there, or does not hold. Never a statement about the program.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// Namespaces are a matter of Linux.
    #[error("generated code runs only on Linux, where it can be shut in: leave the task out on this machine")]
    NotLinux,
    /// A program of util-linux, or Python, is missing.
    #[error("generated code cannot be shut in: {program} was not found in {searched}; install {package}")]
    Missing {
        /// What was looked for.
        program: String,
        /// Where.
        searched: String,
        /// What has it.
        package: &'static str,
    },
    /// The namespaces, mounts or limits could not be made.
    #[error(
        "generated code cannot be shut in on this machine: {found}. User namespaces must be allowed (kernel.unprivileged_userns_clone, or a container with the right to make them); without them the task must be left out"
    )]
    NotIsolated {
        /// What failed, as the tools say it.
        found: String,
    },
    /// A promise of the sandbox does not hold here.
    #[error(
        "generated code would not be shut in on this machine: {promise} does not hold ({found}); leave the task out"
    )]
    Leaks {
        /// What was promised.
        promise: &'static str,
        /// What the probe found.
        found: String,
    },
    /// A process or a pipe could not be made.
    #[error("the sandbox could not be started: {0}")]
    Start(#[from] std::io::Error),
}
