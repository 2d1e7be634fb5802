//! Statistics, scores, rankings and masks on the goldens beside the repository, where they are there.
#![cfg(feature = "models")]
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use secateur_goldens::{Report, masks, models, paper_pruning, saliency};
use secateur_model::{DeviceKind, Precision};

fn folders(below: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(3).unwrap();
    let mut folders = Vec::new();
    for half in ["core", "paper"] {
        let folder = root.join("shared/goldens").join(half).join(below);
        folders.extend(
            std::fs::read_dir(folder)
                .into_iter()
                .flatten()
                .flatten()
                .map(|e| e.path()),
        );
    }
    folders.sort();
    folders
}

fn all_pass(report: &Report) {
    let (passed, failed, skipped) = report.counts();
    println!("{passed} passed, {failed} failed, {skipped} skipped");
    assert!(failed == 0 && passed > 0, "{passed} passed, {failed} failed");
}

#[test]
fn saliency_equals_the_reference() {
    let folders = folders("models");
    if folders.is_empty() {
        return println!("skipped: no ../shared");
    }
    let mut report = Report::default();
    for dir in folders {
        saliency::check(
            &dir,
            &mut |path| models::load(path, DeviceKind::Cpu, Precision::F64),
            &mut report,
        );
    }
    all_pass(&report);
}

#[test]
fn paper_pruning_equals_the_papers_code() {
    let folders = folders("paper_pruning");
    if folders.is_empty() {
        return println!("skipped: no ../shared");
    }
    let mut report = Report::default();
    for dir in folders {
        paper_pruning::check(
            &dir,
            &mut |path| models::load(path, DeviceKind::Cpu, Precision::F64),
            &mut report,
        );
    }
    all_pass(&report);
}

#[test]
fn published_masks_are_read_and_summarised() {
    let folders = folders("masks");
    let Some(dir) = folders.first().and_then(|file| file.parent()) else {
        return println!("skipped: no ../shared");
    };
    let mut report = Report::default();
    masks::check(dir, &mut report);
    all_pass(&report);
}
