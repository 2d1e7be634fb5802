//! `cargo xtask nightly`: sweeps and benches, held against the last good run.
//!
//! ```text
//! OUT/
//!   current/‹sweep›/        tonight's results, until they are good
//!   last-good/‹sweep›/      those of the last night on which all was well
//!   last-good/benchmarks.json
//!   compare/‹sweep›.json    what `secateur compare` says
//!   summary.md              for a pull request
//!   benchmarks.json         for github-action-benchmark, `customSmallerIsBetter`
//! ```

mod benches;
mod options;
mod outcome;
mod sweeps;
mod summary;

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use anyhow::Context;

use benches::Benchmark;
use options::{Options, USAGE};
use outcome::Outcome;
use summary::Night;

/// Runs a night. Returns its exit code.
///
/// # Errors
/// If an option makes no sense, a file cannot be written, or cargo cannot be started; what a sweep or bench says is in the summary
/// instead.
pub fn run(words: &[String], demo: &str) -> anyhow::Result<u8> {
    let Some(options) = Options::parse(words, demo)? else {
        print!("{USAGE}");
        return Ok(0);
    };
    let out = &options.out;
    let (current, last_good) = (out.join("current"), out.join("last-good"));
    // What an earlier night left is no part of this one: its cells would be found, and not evaluated.
    remove(&current)?;
    remove(&out.join("compare"))?;
    fs::create_dir_all(&current).with_context(|| format!("cannot make {}", current.display()))?;
    let mut night = Night {
        against: options.against.clone().unwrap_or_else(|| last_good.clone()),
        ..Night::default()
    };
    for file in &options.sweeps {
        night
            .sweeps
            .extend(sweeps::sweep(file, &options, &current, &night.against)?);
    }
    night.benchmarks = sweeps::costs(&current)?;
    if options.benches {
        let started = SystemTime::now();
        night.benches = Some(benches::run()?);
        night.benchmarks.extend(benches::collect(&benches::folder()?, started)?);
    }
    night.before = benches::read(&night.against.join("benchmarks.json"))?;
    night.tolerance_benches = options.tolerance_benches;
    write(&out.join("benchmarks.json"), &benches::as_json(&night.benchmarks)?)?;
    let outcome = night.outcome();
    if outcome == Outcome::Well {
        keep(&night, &current, &last_good)?;
        night.kept = Some(last_good);
    }
    let page = night.markdown();
    write(&out.join("summary.md"), &page)?;
    println!("{page}");
    Ok(outcome.code())
}

/// Makes tonight's results the last good ones; those of sweeps and benches that did not run tonight stay.
fn keep(night: &Night, current: &Path, last_good: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(last_good).with_context(|| format!("cannot make {}", last_good.display()))?;
    for results in sweeps::folders(current)? {
        let name = results.file_name().unwrap_or_default();
        replace(&last_good.join(name), &results)?;
    }
    let mut numbers = night.benchmarks.clone();
    let measured = |before: &&Benchmark| night.benchmarks.iter().all(|now| now.name != before.name);
    let earlier = benches::read(&last_good.join("benchmarks.json"))?;
    numbers.extend(earlier.iter().filter(measured).cloned());
    let new = last_good.join("benchmarks.json.new");
    write(&new, &benches::as_json(&numbers)?)?;
    replace(&last_good.join("benchmarks.json"), &new)
}

/// Puts `new` in the place of `old`. At any moment one of them is there, whole.
fn replace(old: &Path, new: &Path) -> anyhow::Result<()> {
    let moved = |from: &Path, to: &Path| {
        fs::rename(from, to).with_context(|| format!("cannot move {} to {}", from.display(), to.display()))
    };
    // A folder does not take the place of another.
    if old.is_dir() {
        let aside = old.with_added_extension("replaced");
        remove(&aside)?;
        moved(old, &aside)?;
        moved(new, old)?;
        return remove(&aside);
    }
    moved(new, old)
}

fn remove(folder: &Path) -> anyhow::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            Err(e).with_context(|| format!("cannot remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// A number of the night, for benches and sweeps alike.
type Benchmarks = Vec<Benchmark>;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_good_night_replaces_what_ran_and_keeps_the_rest() {
        let out = tempfile::tempdir().unwrap();
        let (current, last_good) = (out.path().join("current"), out.path().join("last-good"));
        let sweep = |place: &Path, text: &str| {
            fs::create_dir_all(place).unwrap();
            fs::write(place.join("sweep.json"), text).unwrap();
        };
        sweep(&current.join("demo"), "new");
        sweep(&last_good.join("demo"), "old");
        sweep(&last_good.join("other"), "old");
        let number = |name: &str, value| Benchmark::single(name.to_owned(), "s", value);
        let before = [number("a", 1.0), number("b", 1.0)];
        fs::write(last_good.join("benchmarks.json"), benches::as_json(&before).unwrap()).unwrap();
        let night = Night {
            benchmarks: vec![number("a", 2.0)],
            ..Night::default()
        };
        keep(&night, &current, &last_good).unwrap();
        let read = |name: &str| fs::read_to_string(last_good.join(name).join("sweep.json")).unwrap();
        assert_eq!((read("demo").as_str(), read("other").as_str()), ("new", "old"));
        let kept = benches::read(&last_good.join("benchmarks.json")).unwrap();
        assert_eq!(kept, [number("a", 2.0), number("b", 1.0)]);
        assert_eq!(fs::read_dir(&last_good).unwrap().count(), 3);
    }
}
