//! Finds what a directory allows to be checked.

use std::path::{Path, PathBuf};

use secateur_evaluation::engine::Engine;
use secateur_evaluation::local::LocalEngine;
use secateur_model::{DeviceKind, Precision};

use crate::models::{LoadFailure, load};
use crate::{
    Check, Report, eval, export, hybrid, lm_eval, masks, metrics, models, paper_pruning, saliency, tokenizers,
};

/// Folders that deep are looked into.
const DEEPEST: usize = 4;

/// What a folder is, by the files in it; in the order of [`KINDS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Model,
    Tokenizer,
    Metrics,
    LmEval,
    PaperPruning,
    Masks,
    Eval,
}

/// Names of what can be checked.
pub const KINDS: [&str; 7] = [
    "models",
    "tokenizers",
    "metrics",
    "lm_eval",
    "paper_pruning",
    "masks",
    "eval",
];

/// Runs every check that `directory`, or a folder below it, allows. `only` limits it to folders whose path contains one of
/// the names, or whose kind is one of them ([`KINDS`]). `tell` is told
/// of each check as it is made.
#[must_use]
pub fn check_all(directory: &Path, only: &[String], device: DeviceKind, tell: fn(&Check)) -> Report {
    let mut found = Vec::new();
    walk(directory, 0, &mut found);
    let mut report = Report::telling(tell);
    for (kind, folder) in found {
        let relative = folder
            .strip_prefix(directory)
            .unwrap_or(&folder)
            .to_string_lossy()
            .into_owned();
        let wanted = |name: &String| relative.contains(name.as_str()) || kind.name() == name;
        if only.is_empty() || only.iter().any(wanted) {
            check(kind, &folder, device, &mut report);
        }
    }
    report
}

fn check(kind: Kind, folder: &Path, device: DeviceKind, report: &mut Report) {
    let mut exact = |checkpoint: &Path| load(checkpoint, DeviceKind::Cpu, Precision::F64);
    match kind {
        Kind::Model => {
            models::check(folder, device, report);
            hybrid::check(folder, &mut exact, report);
            saliency::check(folder, &mut exact, report);
            export::check(folder, report);
        }
        Kind::Tokenizer => tokenizers::check(folder, report),
        Kind::Metrics => metrics::check(folder, report),
        Kind::LmEval => {
            let models = folder.parent().unwrap_or(folder).join("models");
            let mut engine = |name: &str| -> Result<Box<dyn Engine>, LoadFailure> {
                let checkpoint = models.join(name).join("checkpoint");
                let model = load(&checkpoint, device, Precision::F32)?;
                let engine = LocalEngine::new(model, &checkpoint).map_err(|e| LoadFailure::Broken(e.to_string()))?;
                Ok(Box::new(engine))
            };
            lm_eval::check(folder, &mut engine, report);
        }
        Kind::PaperPruning => paper_pruning::check(folder, &mut exact, report),
        Kind::Masks => {
            masks::check(folder, report);
        }
        Kind::Eval => eval::check(folder, report),
    }
}

fn walk(folder: &Path, depth: usize, found: &mut Vec<(Kind, PathBuf)>) {
    if let Some(kind) = kind(folder) {
        found.push((kind, folder.to_path_buf()));
        return;
    }
    if depth == DEEPEST {
        return;
    }
    let mut folders: Vec<PathBuf> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    for folder in &folders {
        walk(folder, depth + 1, found);
    }
}

fn is_json(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension == "json")
}

fn kind(folder: &Path) -> Option<Kind> {
    let has = |name: &str| folder.join(name).exists();
    let names: Vec<String> = std::fs::read_dir(folder)
        .ok()?
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    let any = |test: &dyn Fn(&str) -> bool| names.iter().any(|name| test(name));
    if has("checkpoint") && (has("golden.json") || has("golden.safetensors")) {
        Some(Kind::Model)
    } else if has("encodings.json") {
        Some(Kind::Tokenizer)
    } else if has("scores.safetensors") && has("info.json") {
        Some(Kind::PaperPruning)
    } else if any(&|name| name.starts_with("results_") && is_json(name)) && has("tasks") {
        Some(Kind::LmEval)
    } else if any(&|name| name.starts_with("published_masks")) {
        Some(Kind::Masks)
    } else if has("text_metrics.json") || has("class_metrics.json") {
        Some(Kind::Metrics)
    } else if any(&is_json) && folder.file_name().is_some_and(|name| name == "eval") {
        Some(Kind::Eval)
    } else {
        None
    }
}

impl Kind {
    fn name(self) -> &'static str {
        KINDS[self as usize]
    }
}
