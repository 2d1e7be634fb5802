//! How much memory this process may have, and who says so.

use std::fs;
use std::path::Path;

use serde::Serialize;

/// Memory that something allows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Limit {
    /// How much.
    pub bytes: u64,
    /// Where it is said: a file, and what in it.
    pub said_by: String,
}

/// What limits this process; absent where nothing does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Limits {
    /// On all memory, pages of files included: the narrowest of the machine's and of those of control groups.
    pub memory: Option<Limit>,
    /// On memory that is no file's: `RLIMIT_DATA`, `ulimit -d`.
    pub data: Option<Limit>,
    /// On addresses: `RLIMIT_AS`, `ulimit -v`. A mapped file takes as many as it has bytes, in memory or not.
    pub addresses: Option<Limit>,
}

/// What the machine has, and what control groups and resource limits allow.
#[must_use]
pub fn memory_limits() -> Limits {
    limits_under(Path::new("/proc"), Path::new("/sys/fs/cgroup"))
}

/// The same of files under other folders.
fn limits_under(proc: &Path, groups: &Path) -> Limits {
    let read = |path: &Path| fs::read_to_string(path).ok();
    let info = proc.join("meminfo");
    let machine = read(&info).and_then(|text| total(&text)).map(|bytes| Limit {
        bytes,
        said_by: format!("MemTotal in {}", info.display()),
    });
    let own = read(&proc.join("self/cgroup")).unwrap_or_default();
    let allowed = files(&own).into_iter().filter_map(|file| {
        let path = groups.join(file);
        Some(Limit {
            bytes: read(&path)?.trim().parse().ok()?,
            said_by: path.display().to_string(),
        })
    });
    let resources = proc.join("self/limits");
    let table = read(&resources).unwrap_or_default();
    let resource = |row: &str| {
        Some(Limit {
            bytes: soft(&table, row)?,
            said_by: format!("`{row}` in {}", resources.display()),
        })
    };
    Limits {
        memory: allowed.chain(machine).min_by_key(|limit| limit.bytes),
        data: resource("Max data size"),
        addresses: resource("Max address space"),
    }
}

/// `MemTotal` of `/proc/meminfo`.
fn total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

/// The soft limit in a row of `/proc/self/limits`; `unlimited` is none.
fn soft(table: &str, row: &str) -> Option<u64> {
    let values = table.lines().find_map(|line| line.strip_prefix(row))?;
    values.split_whitespace().next()?.parse().ok()
}

/// Files that hold the limits of the groups named in `/proc/self/cgroup`, and of all groups around them. A group without a limit says
/// `max`, which is no number, or in the older version a number beyond any machine.
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
        let memory = || limits_under(&proc, &groups).memory.map(|limit| limit.bytes);
        assert_eq!(limits_under(&proc, &groups), Limits::default());
        write(&proc.join("meminfo"), "MemTotal:       1000 kB\nMemFree:  7 kB\n");
        assert_eq!(memory(), Some(1_024_000));
        write(&proc.join("self/cgroup"), "0::/user/run\n");
        write(&groups.join("user/run/memory.max"), "max\n");
        assert_eq!(memory(), Some(1_024_000));
        write(&groups.join("user/memory.max"), "4096\n");
        assert_eq!(memory(), Some(4096));
        write(&proc.join("self/cgroup"), "5:cpu,memory:/job\n4:pids:/x\n");
        write(&groups.join("memory/job/memory.limit_in_bytes"), "2048\n");
        let found = limits_under(&proc, &groups).memory.unwrap();
        assert_eq!(found.bytes, 2048);
        assert!(found.said_by.ends_with("groups/memory/job/memory.limit_in_bytes"));
    }

    #[test]
    fn resource_limits_are_read() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("self")).unwrap();
        let table = "Limit                     Soft Limit           Hard Limit           Units\n\
                     Max data size             unlimited            unlimited            bytes\n\
                     Max address space         6000000000           unlimited            bytes\n";
        fs::write(folder.path().join("self/limits"), table).unwrap();
        let found = limits_under(folder.path(), folder.path());
        assert_eq!(found.data, None);
        let addresses = found.addresses.unwrap();
        assert_eq!(addresses.bytes, 6_000_000_000);
        assert!(
            addresses.said_by.starts_with("`Max address space` in "),
            "{addresses:?}"
        );
    }
}
