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

/// Whether this process is root with all user ids at hand: then it makes namespaces without a user namespace and becomes a user of no
/// one's. The root of a rootless container is not; it makes a user namespace as any other user does.
pub(crate) fn is_root(user: u32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ids = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    let root = ids.and_then(|ids| ids.split_whitespace().nth(1)) == Some("0");
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    root && map.lines().any(|line| covers(line, user))
}

/// Whether a line of `uid_map` (first id here, first id outside, how many) has `user`.
fn covers(line: &str, user: u32) -> bool {
    let mut numbers = line.split_whitespace().map(str::parse::<u64>);
    let (Some(Ok(first)), Some(Ok(_)), Some(Ok(count))) = (numbers.next(), numbers.next(), numbers.next()) else {
        return false;
    };
    (first..first + count).contains(&u64::from(user))
}

#[cfg(test)]
mod tests {
    use super::covers;

    #[test]
    fn a_rootless_container_has_few_ids() {
        assert!(covers("         0          0 4294967295", 1_900_000_000));
        assert!(!covers("0 1000 1", 1_900_000_000) && !covers("0 100000 65536", 1_900_000_000));
        assert!(!covers("", 1) && !covers("a b c", 1));
    }
}
