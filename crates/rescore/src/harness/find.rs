//! Sample files below a path.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::error::RescoreError;

/// How deep folders of results lie: `output/model/samples_…`.
const DEEPEST: usize = 4;

/// A sample file, and what its name says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SampleFile {
    /// Where it is.
    pub path: PathBuf,
    /// Model: the name of its folder.
    pub model: String,
    /// Task.
    pub task: String,
    /// When it was written; empty where the name does not say.
    pub time: String,
}

/// The sample files at `path`: the file itself, or the latest of every model and task below the folder; and how many older ones
/// were passed over.
///
/// # Errors
/// If the folder cannot be read, or the file is named in another way.
pub fn sample_files(path: &Path) -> Result<(Vec<SampleFile>, usize), RescoreError> {
    if path.is_file() {
        let file = named(path).ok_or_else(|| RescoreError::Malformed {
            path: path.to_owned(),
            found: "another name".into(),
            expected: "samples_<task>_<time>.jsonl, as lm-evaluation-harness writes with --log_samples".into(),
        })?;
        return Ok((vec![file], 0));
    }
    let mut found = Vec::new();
    collect(path, 0, &mut found)?;
    found.sort();
    let all = found.len();
    // Later times replace earlier ones of the same folder and task.
    let latest: BTreeMap<(PathBuf, String), SampleFile> = found
        .into_iter()
        .map(|file| {
            let folder = file.path.parent().unwrap_or(Path::new("")).to_owned();
            ((folder, file.task.clone()), file)
        })
        .collect();
    let older = all - latest.len();
    Ok((latest.into_values().collect(), older))
}

fn collect(folder: &Path, depth: usize, found: &mut Vec<SampleFile>) -> Result<(), RescoreError> {
    let unreadable = |source| RescoreError::io("read", folder, source);
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.is_dir() && depth < DEEPEST {
            collect(&path, depth + 1, found)?;
        } else if path.is_file() {
            found.extend(named(&path));
        }
    }
    Ok(())
}

/// `samples_<task>_<time>.jsonl`; the time begins with a date, `2026-11-22T06-02-34.729711`.
fn named(path: &Path) -> Option<SampleFile> {
    let name = path.file_name()?.to_str()?;
    let middle = name.strip_prefix("samples_")?.strip_suffix(".jsonl")?;
    let is_time = |text: &str| {
        let bytes = text.as_bytes();
        bytes.len() >= 19 && bytes[..4].iter().all(u8::is_ascii_digit) && bytes[4] == b'-' && bytes[10] == b'T'
    };
    let (task, time) = match middle.rsplit_once('_') {
        Some((task, time)) if is_time(time) => (task, time),
        _ => (middle, ""),
    };
    let folder = path.parent().and_then(Path::file_name);
    Some(SampleFile {
        path: path.to_owned(),
        model: folder.map_or_else(|| "model".to_owned(), |name| name.to_string_lossy().into_owned()),
        task: task.to_owned(),
        time: time.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_latest_of_each_task_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let model = folder.path().join("org__model");
        std::fs::create_dir(&model).unwrap();
        for name in [
            "samples_arc_easy_2026-11-22T06-02-34.729711.jsonl",
            "samples_arc_easy_2026-11-23T06-02-34.729711.jsonl",
            "samples_piqa_2026-11-22T06-02-34.729711.jsonl",
            "results_2026-11-22T06-02-34.729711.json",
        ] {
            std::fs::write(model.join(name), "").unwrap();
        }
        let (files, older) = sample_files(folder.path()).unwrap();
        let names: Vec<_> = files
            .iter()
            .map(|file| (file.task.as_str(), &file.time[..10]))
            .collect();
        assert_eq!(names, [("arc_easy", "2026-11-23"), ("piqa", "2026-11-22")]);
        assert_eq!((older, files[0].model.as_str()), (1, "org__model"));
        let odd = model.join("answers.jsonl");
        std::fs::write(&odd, "").unwrap();
        assert!(
            sample_files(&odd)
                .unwrap_err()
                .to_string()
                .contains("samples_<task>_<time>.jsonl")
        );
    }
}
