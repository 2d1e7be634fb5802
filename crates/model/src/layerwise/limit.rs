//! How much memory this process may have.

use std::fs;
use std::path::Path;

/// What the machine has and control groups allow, in bytes; `None` where nothing says so.
#[must_use]
pub fn memory_limit() -> Option<u64> {
    limit_under(Path::new("/proc"), Path::new("/sys/fs/cgroup"))
}

/// The same of files under other folders.
fn limit_under(proc: &Path, groups: &Path) -> Option<u64> {
    let read = |path: &Path| fs::read_to_string(path).ok();
    let machine = read(&proc.join("meminfo")).and_then(|text| total(&text));
    let own = read(&proc.join("self/cgroup")).unwrap_or_default();
    let allowed = files(&own)
        .into_iter()
        .filter_map(|file| read(&groups.join(file))?.trim().parse().ok());
    allowed.chain(machine).min()
}

/// `MemTotal` of `/proc/meminfo`.
fn total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

/// Files that hold the limits of the groups named in `/proc/self/cgroup`, and of all groups around them. A group without a limit says
/// `max`, which is no number.
fn files(own: &str) -> Vec<String> {
    let mut files = Vec::new();
    for line in own.lines() {
        let mut parts = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next()) else {
            continue;
        };
        let (folder, name) = match controllers {
            "" => ("", "memory.max"),
            _ if controllers.split(',').any(|controller| controller == "memory") => {
                ("memory/", "memory.limit_in_bytes")
            }
            _ => continue,
        };
        let names: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        for depth in 0..=names.len() {
            let around: String = names[..depth].iter().flat_map(|name| [*name, "/"]).collect();
            files.push(format!("{folder}{around}{name}"));
        }
    }
    files
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_narrowest_limit_counts() {
        let folder = tempfile::tempdir().unwrap();
        let (proc, groups) = (folder.path().join("proc"), folder.path().join("groups"));
        let write = |path: &Path, text: &str| {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        assert_eq!(limit_under(&proc, &groups), None);
        write(&proc.join("meminfo"), "MemTotal:       1000 kB\nMemFree:  7 kB\n");
        assert_eq!(limit_under(&proc, &groups), Some(1_024_000));
        write(&proc.join("self/cgroup"), "0::/user/run\n");
        write(&groups.join("user/run/memory.max"), "max\n");
        assert_eq!(limit_under(&proc, &groups), Some(1_024_000));
        write(&groups.join("user/memory.max"), "4096\n");
        assert_eq!(limit_under(&proc, &groups), Some(4096));
        write(&proc.join("self/cgroup"), "5:cpu,memory:/job\n4:pids:/x\n");
        write(&groups.join("memory/job/memory.limit_in_bytes"), "2048\n");
        assert_eq!(limit_under(&proc, &groups), Some(2048));
    }
}
