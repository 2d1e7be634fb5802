//! Text and classification metrics (`metrics/*.json`): every value that the files hold, whatever their seed or size.

mod class;
mod tally;
mod text;

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::Report;
use crate::python_json;
use tally::Tally;

/// Deviation allowed for values that are a formula of the input.
const EXACT: f64 = 1e-9;
/// Deviation allowed for ROUGE, BLEU and chrF.
const OVERLAP: f64 = 1e-6;

type Checker = fn(&Value, &mut Tally) -> Result<(), String>;

/// Checks every value in the files of a `metrics/` folder against Secateur's metrics: one line per family of values. Files and
/// keys that no check knows are listed as skipped, and a file that cannot be read as what it should be is a failure.
pub fn check(dir: &Path, report: &mut Report) {
    let mut names = match json_files(dir) {
        Ok(names) => names,
        Err(error) => return report.broken("metrics", format!("{}: {error}", dir.display())),
    };
    names.sort();
    if names.is_empty() {
        report.skipped("metrics", format!("no JSON file in {}", dir.display()));
    }
    for name in names {
        let stem = name.trim_end_matches(".json");
        let checker: Checker = match stem {
            "text_metrics" => text::check,
            "class_metrics" => class::check,
            _ => {
                report.skipped(format!("metrics/{stem}"), "no check for this file");
                continue;
            }
        };
        let mut tally = Tally::new(format!("metrics/{stem}"));
        let outcome = python_json::read(&dir.join(&name)).and_then(|value| checker(&value, &mut tally));
        tally.finish(report);
        if let Err(reason) = outcome {
            report.broken(format!("metrics/{stem}"), reason);
        }
    }
}

fn json_files(dir: &Path) -> std::io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if Path::new(&name).extension().is_some_and(|end| end == "json") {
            names.push(name);
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::Outcome;
    use std::path::PathBuf;

    fn shared() -> Option<PathBuf> {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        here.ancestors()
            .map(|above| above.join("shared/goldens/core/metrics"))
            .find(|folder| folder.is_dir())
    }

    fn checked(file: &str, content: &str) -> Report {
        static COUNTER: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
        let number = COUNTER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let name = format!("secateur-goldens-metrics-{}-{number}", std::process::id());
        let dir = std::env::temp_dir().join(name);
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join(file), content).unwrap();
        let mut report = Report::default();
        check(&dir, &mut report);
        fs::remove_dir_all(dir).unwrap();
        report
    }

    #[test]
    fn shared_goldens_pass_without_a_skip() {
        let Some(dir) = shared() else {
            println!("skipped: no ../shared");
            return;
        };
        let mut report = Report::default();
        check(&dir, &mut report);
        let (passed, failed, skipped) = report.counts();
        assert_eq!((failed, skipped), (0, 0));
        assert!(passed > 40, "{passed} lines");
    }

    #[test]
    fn a_wrong_value_fails_and_a_right_one_passes() {
        let right = r#"{"mcnemar": [{"n01": 1, "n10": 4, "mcnemar_exact_p": 0.375}]}"#;
        assert_eq!(checked("class_metrics.json", right).counts(), (1, 0, 0));
        let wrong = right.replace("0.375", "0.376");
        assert_eq!(checked("class_metrics.json", &wrong).counts(), (0, 1, 0));
        let text = r#"{"pairs": [{"reference": "a b", "prediction": "a c", "squad_f1": 0.0}]}"#;
        // "a" is an article: nothing is in common.
        assert_eq!(checked("text_metrics.json", text).counts(), (1, 0, 0));
    }

    #[test]
    fn undefined_values_are_left_out() {
        let constant = r#"{"correlation": [{"a": [1, 2], "b": [1, 2], "pearson": 1.0, "spearman": NaN}]}"#;
        assert_eq!(checked("class_metrics.json", constant).counts(), (1, 0, 0));
    }

    #[test]
    fn unknown_keys_and_files_are_listed() {
        let report = checked("class_metrics.json", r#"{"entropy": 1}"#);
        assert_eq!(report.counts(), (0, 0, 1));
        assert_eq!(report.checks[0].name, "metrics/class_metrics/entropy");
        assert_eq!(checked("other.json", "{}").counts(), (0, 0, 1));
        let pair = r#"{"pairs": [{"reference": "", "prediction": "", "meteor": 0.1}]}"#;
        assert_eq!(checked("text_metrics.json", pair).counts(), (0, 0, 1));
    }

    #[test]
    fn malformed_files_fail() {
        for content in [
            "[",
            "[]",
            r#"{"pairs": 1}"#,
            r#"{"pairs": [{"reference": "x"}]}"#,
            r#"{"pairs": [{"reference": "x", "prediction": "x", "chrf": "high"}]}"#,
            r#"{"pairs": [{"reference": "x", "prediction": "x", "rouge": {"rouge1": [1]}}]}"#,
        ] {
            let report = checked("text_metrics.json", content);
            let failed = |check: &crate::report::Check| matches!(check.outcome, Outcome::Failed(_));
            assert!(report.checks.iter().any(failed), "{content}");
        }
        let mut report = Report::default();
        check(Path::new("no/such/folder"), &mut report);
        assert_eq!(report.counts(), (0, 1, 0));
    }
}
