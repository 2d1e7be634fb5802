//! What this process holds in memory, as the system counts it, in MiB. Pages of mapped weights are resident, and not anonymous.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// How often memory is looked at. What comes and goes in between is not seen.
const INTERVAL: Duration = Duration::from_millis(2);

/// Memory of this process, MiB.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Held {
    /// In memory now.
    pub resident: f64,
    /// The most that was in memory so far.
    pub peak_resident: f64,
    /// Now, of what is in no file.
    pub anonymous: f64,
}

/// `None` where the system does not tell.
pub fn held() -> Option<Held> {
    parse(&fs::read_to_string("/proc/self/status").ok()?)
}

fn parse(status: &str) -> Option<Held> {
    let mib = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        let kib: f64 = line.split_whitespace().next()?.parse().ok()?;
        Some(kib / 1024.0)
    };
    Some(Held {
        resident: mib("VmRSS:")?,
        peak_resident: mib("VmHWM:")?,
        anonymous: mib("RssAnon:")?,
    })
}

/// The largest anonymous memory while `work` runs, MiB, and what `work` says.
pub fn watched<T>(work: impl FnOnce() -> T) -> (T, Option<f64>) {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut largest = anonymous();
            while !over.load(Ordering::Relaxed) {
                thread::sleep(INTERVAL);
                largest = larger(largest, anonymous());
            }
            largest
        });
        // Dropped too where `work` panics: the scope waits for the watcher.
        let end = Over(&over);
        let said = work();
        drop(end);
        (said, watcher.join().unwrap_or_default())
    })
}

/// The larger of two figures that may be unknown.
pub fn larger(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.max(b)),
        (known, None) | (None, known) => known,
    }
}

fn anonymous() -> Option<f64> {
    held().map(|held| held.anonymous)
}

struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_system_s_words_are_read() {
        let status =
            "Name:\tsecateur\nVmHWM:\t    4096 kB\nVmRSS:\t    2048 kB\nRssAnon:\t     512 kB\nRssFile:\t 1536 kB\n";
        let held = parse(status).unwrap();
        assert_eq!((held.resident, held.peak_resident, held.anonymous), (2.0, 4.0, 0.5));
        assert_eq!(parse("VmRSS:\t2048 kB\n"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_comes_and_goes_is_seen() {
        // Other tests come and go in this process, with less.
        let before = held().unwrap().anonymous;
        let (length, peak) = watched(|| {
            let block = std::hint::black_box(vec![1u8; 256 << 20]);
            thread::sleep(20 * INTERVAL);
            block.len()
        });
        assert_eq!(length, 256 << 20);
        assert!(peak.unwrap() >= before + 128.0, "{peak:?} after {before}");
    }
}
