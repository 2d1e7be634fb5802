//! The tools and the interpreter of this machine.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::SandboxError;

/// Where system tools are looked for: never in the caller's `PATH`.
pub(crate) const TOOL_FOLDERS: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

const TOOLS: [&str; 7] = ["unshare", "sh", "mount", "umount", "pivot_root", "prlimit", "setpriv"];

/// A Python interpreter.
#[derive(Debug, Clone)]
pub(crate) struct Python {
    /// The program, links resolved.
    pub program: PathBuf,
    /// The folder it was installed to.
    pub prefix: PathBuf,
    /// `3.11.2`.
    pub version: String,
}

/// The path of `unshare`, where all tools are there.
pub(crate) fn unshare() -> Result<PathBuf, SandboxError> {
    for tool in TOOLS {
        find(tool, TOOL_FOLDERS).ok_or_else(|| SandboxError::Missing {
            program: tool.to_owned(),
            searched: TOOL_FOLDERS.to_owned(),
            package: "util-linux",
        })?;
    }
    Ok(find("unshare", TOOL_FOLDERS).unwrap_or_default())
}

fn find(program: &str, folders: &str) -> Option<PathBuf> {
    let mut candidates = folders.split(':').map(|folder| Path::new(folder).join(program));
    candidates.find(|path| path.is_file())
}

/// The system's Python, or the first `python3` of the caller's `PATH`.
pub(crate) fn python() -> Result<Python, SandboxError> {
    let own = std::env::var("PATH").unwrap_or_default();
    let searched = format!("/usr/bin:/usr/local/bin:{own}");
    let folders = searched.split(':').filter(|folder| !folder.is_empty());
    folders
        .filter_map(|folder| find("python3", folder))
        .find_map(|path| ask(&path))
        .ok_or(SandboxError::Missing {
            program: "python3".to_owned(),
            searched,
            package: "Python 3.8 or later",
        })
}

fn ask(python: &Path) -> Option<Python> {
    let question = "import os, sys\nfor x in os.path.realpath(sys.executable), os.path.realpath(sys.base_prefix), '%d.%d.%d' % sys.version_info[:3]: print(x)";
    let output = Command::new(python).args(["-I", "-c", question]).output().ok()?;
    let text = String::from_utf8(output.stdout)
        .ok()
        .filter(|_| output.status.success())?;
    let mut lines = text.lines();
    Some(Python {
        program: lines.next()?.into(),
        prefix: lines.next()?.into(),
        version: lines.next()?.to_owned(),
    })
}

/// Whether this process is the machine's root, which makes namespaces without a user namespace and then becomes nobody.
pub(crate) fn is_root() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let uid = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    uid.and_then(|ids| ids.split_whitespace().nth(1)) == Some("0")
}
