//! Parsing, prompts, sampling orders and scores of the reference experiment (`eval/*.json`).
//!
//! A file holds `{"doc": …, "cases": […]}`. A case names its inputs and what the experiment's code
//! made of them; everything that is not an input must come out of ours. `{"ok": value}` and
//! `{"error": exception}` stand for calls that may fail, `{"__float__": "nan"}` for a float that
//! JSON does not have.

mod reading;
mod scoring;

use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::compare::Comparison;
use crate::report::Report;

const TOLERANCE: f64 = 1e-9;
/// Larger than any file of goldens.
const LARGEST_BYTES: u64 = 64 << 20;

/// What our code makes of a case, by the name of the output; `Err` says what the case lacks.
type Computed = Result<Map<String, Value>, String>;

/// How one file is checked.
struct FileCheck {
    /// File name without `.json`.
    stem: &'static str,
    what: What,
}

enum What {
    /// The keys that are inputs, and what computes the others.
    Cases(&'static [&'static str], fn(&Value) -> Computed),
    /// A file without cases, which is itself what must come out.
    Whole(fn() -> Value),
}

/// Checks every `*.json` file of a directory, one line each. A file that no check is written for is
/// skipped.
pub fn check(dir: &Path, report: &mut Report) {
    match json_files(dir) {
        Err(reason) => report.broken("eval", reason),
        Ok(files) if files.is_empty() => report.skipped("eval", format!("no *.json file in {}", dir.display())),
        Ok(files) => files.iter().for_each(|path| check_file(path, report)),
    }
}

fn json_files(dir: &Path) -> Result<Vec<PathBuf>, String> {
    let failed = |e: std::io::Error| format!("cannot list {}: {e}", dir.display());
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "json") && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn check_file(path: &Path, report: &mut Report) {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let name = format!("eval/{stem}");
    let Some(check) = reading::CHECKS
        .iter()
        .chain(scoring::CHECKS)
        .find(|check| check.stem == stem)
    else {
        return report.skipped(name, "no check is written for a file of this name");
    };
    let compared = read(path).and_then(|file| match &check.what {
        What::Whole(ours) => compare_whole(&file, &ours()),
        What::Cases(inputs, compute) => compare_cases(&file, inputs, *compute),
    });
    match compared {
        Err(reason) => report.broken(name, reason),
        Ok((cases, found)) if found.difference.is_none() && found.floats > 0 => {
            report.numeric(name, cases, found.largest, TOLERANCE);
        }
        Ok((cases, found)) => report.exact(name, cases, found.difference),
    }
}

fn read(path: &Path) -> Result<Value, String> {
    let place = path.display();
    let file = std::fs::File::open(path).map_err(|e| format!("cannot read {place}: {e}"))?;
    let mut text = String::new();
    file.take(LARGEST_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(|e| format!("cannot read {place}: {e}"))?;
    if text.len() as u64 > LARGEST_BYTES {
        return Err(format!("{place} is larger than {LARGEST_BYTES} bytes"));
    }
    serde_json::from_str(&text).map_err(|e| format!("{place}: {e}"))
}

fn compare_whole(file: &Value, ours: &Value) -> Result<(usize, Comparison), String> {
    let mut file = file.as_object().ok_or("found no object at the top")?.clone();
    file.remove("doc");
    let mut found = Comparison::new(TOLERANCE);
    found.compare("", &Value::Object(file), ours);
    Ok((1, found))
}

fn compare_cases(
    file: &Value,
    inputs: &[&str],
    compute: fn(&Value) -> Computed,
) -> Result<(usize, Comparison), String> {
    let cases = file
        .get("cases")
        .and_then(Value::as_array)
        .ok_or("found no list `cases`")?;
    let mut found = Comparison::new(TOLERANCE);
    for (i, case) in cases.iter().enumerate() {
        let mut expected = case
            .as_object()
            .ok_or_else(|| format!("case {i} is not an object"))?
            .clone();
        expected.retain(|key, _| !inputs.contains(&key.as_str()));
        if expected.is_empty() {
            return Err(format!("case {i} has nothing but inputs"));
        }
        let ours = compute(case).map_err(|reason| format!("case {i}: {reason}"))?;
        found.compare(&format!("case {i}"), &Value::Object(expected), &Value::Object(ours));
    }
    Ok((cases.len(), found))
}

/// An input of a case, as text.
fn text<'a>(case: &'a Value, key: &str) -> Result<&'a str, String> {
    field(case, key)?.as_str().ok_or_else(|| format!("`{key}` is not text"))
}

/// An input of a case, as a whole number.
fn integer(case: &Value, key: &str) -> Result<i64, String> {
    field(case, key)?
        .as_i64()
        .ok_or_else(|| format!("`{key}` is not a whole number"))
}

/// An input of a case, as a count that fits into memory.
fn count(case: &Value, key: &str) -> Result<u32, String> {
    const MOST: u32 = 50_000_000;
    let found = integer(case, key)?;
    u32::try_from(found)
        .ok()
        .filter(|&count| count <= MOST)
        .ok_or_else(|| format!("`{key}` is {found}, expected 0 to {MOST}"))
}

/// An input of a case, as a list of texts.
fn texts(case: &Value, key: &str) -> Result<Vec<String>, String> {
    let items = field(case, key)?
        .as_array()
        .ok_or_else(|| format!("`{key}` is not a list"))?;
    let item = |item: &Value| {
        item.as_str()
            .map(str::to_owned)
            .ok_or_else(|| format!("`{key}` holds {item}, not text"))
    };
    items.iter().map(item).collect()
}

fn field<'a>(case: &'a Value, key: &str) -> Result<&'a Value, String> {
    case.get(key).ok_or_else(|| format!("no `{key}`"))
}

/// Outputs by name.
// What every check ends with, so it has their type.
#[allow(clippy::unnecessary_wraps)]
fn outputs<const N: usize>(values: [(&str, Value); N]) -> Computed {
    Ok(values
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::report::Outcome;

    fn outcome(name: &str, content: &str) -> Outcome {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(name), content).unwrap();
        let mut report = Report::default();
        check(dir.path(), &mut report);
        assert_eq!(report.checks.len(), 1);
        report.checks.remove(0).outcome
    }

    #[test]
    fn equal_different_unknown_and_malformed_files_are_told_apart() {
        let case = r#"{"cases": [{"input": "The A", "output": "ANSWER"}]}"#;
        assert_eq!(
            outcome("medinst32_normalize.json", &case.replace("ANSWER", "")),
            Outcome::Passed
        );
        assert!(
            matches!(outcome("medinst32_normalize.json", case), Outcome::Failed(reason) if reason.contains("ANSWER"))
        );
        assert!(matches!(outcome("something_new.json", case), Outcome::Skipped(_)));
        for broken in [
            "",
            "[]",
            "{}",
            r#"{"cases": {}}"#,
            r#"{"cases": [1]}"#,
            r#"{"cases": [{}]}"#,
            r#"{"cases": [{"input": 1, "output": ""}]}"#,
        ] {
            assert!(
                matches!(outcome("medinst32_normalize.json", broken), Outcome::Failed(_)),
                "{broken}"
            );
        }
        assert!(matches!(
            outcome("medinst32_normalize.json", r#"{"cases": []}"#),
            Outcome::Failed(_)
        ));
    }

    #[test]
    fn an_output_we_do_not_know_is_a_difference() {
        let case = r#"{"cases": [{"input": "x", "output": "x", "extra": 1}]}"#;
        assert!(
            matches!(outcome("medinst32_normalize.json", case), Outcome::Failed(reason) if reason.contains("extra"))
        );
    }

    #[test]
    fn every_file_has_one_check() {
        let mut stems: Vec<&str> = reading::CHECKS
            .iter()
            .chain(scoring::CHECKS)
            .map(|check| check.stem)
            .collect();
        let all = stems.len();
        stems.sort_unstable();
        stems.dedup();
        assert_eq!(stems.len(), all);
    }

    #[test]
    fn counts_that_do_not_fit_into_memory_are_refused() {
        let case = r#"{"cases": [{"n": 9000000000, "seed": 1, "first": []}]}"#;
        assert!(
            matches!(outcome("hf_dataset_shuffle.json", case), Outcome::Failed(reason) if reason.contains("9000000000"))
        );
        let mut report = Report::default();
        check(Path::new("/nowhere/at/all"), &mut report);
        assert_eq!(report.counts(), (0, 1, 0));
    }
}
