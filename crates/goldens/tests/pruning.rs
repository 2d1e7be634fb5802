//! Statistics, scores, rankings and masks on the goldens beside the repository, where they are there.
#![cfg(feature = "models")]
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use secateur_goldens::{Outcome, Report, masks, models, paper_pruning, saliency};
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

/// A check that cannot fail proves nothing: each file is changed in one place.
#[test]
fn changed_references_are_found() {
    let Some(dir) = folders("paper_pruning")
        .into_iter()
        .find(|dir| dir.ends_with("qwen3_moe"))
    else {
        return println!("skipped: no ../shared");
    };
    let root = dir.parent().unwrap().parent().unwrap();
    let copy = tempfile::tempdir().unwrap();
    let changed = copy.path().join("paper_pruning/qwen3_moe");
    std::fs::create_dir_all(changed.join("reap_0.5")).unwrap();
    let mut scores = std::fs::read(dir.join("scores.safetensors")).unwrap();
    let name = b"\"ref.gating\":";
    let at = scores.windows(name.len()).position(|w| w == name).unwrap();
    let entry = String::from_utf8_lossy(&scores[at + name.len()..at + name.len() + 120]).into_owned();
    let begin: usize = entry
        .split("\"data_offsets\":[")
        .nth(1)
        .unwrap()
        .split(',')
        .next()
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    let header = usize::try_from(u64::from_le_bytes(scores[..8].try_into().unwrap())).unwrap();
    // Bit 36 of the 52 of one mantissa: a relative change of about 1e-5.
    scores[8 + header + begin + 4] ^= 0x10;
    std::fs::write(changed.join("scores.safetensors"), scores).unwrap();
    let text = |name: &str| std::fs::read_to_string(dir.join(name)).unwrap();
    let masks = text("masks.json");
    let (first, second) = (masks.find("[[").unwrap() + 2, masks.find("], [").unwrap());
    let mut ids: Vec<&str> = masks[first..second].split(", ").collect();
    ids.swap(0, 1);
    let masks = format!("{}{}{}", &masks[..first], ids.join(", "), &masks[second..]);
    std::fs::write(changed.join("masks.json"), masks).unwrap();
    std::fs::write(changed.join("info.json"), text("info.json")).unwrap();
    let file = text("reap_0.5/expert_mask.json").replacen("[[", "[[0, ", 1);
    std::fs::write(changed.join("reap_0.5/expert_mask.json"), file).unwrap();
    let mut report = Report::default();
    let mut load = |path: &Path| {
        let original = root.join(path.strip_prefix(copy.path()).unwrap());
        models::load(&original, DeviceKind::Cpu, Precision::F64)
    };
    paper_pruning::check(&changed, &mut load, &mut report);
    let failed: Vec<&str> = report
        .checks
        .iter()
        .filter(|c| matches!(c.outcome, Outcome::Failed(_)))
        .map(|c| c.name.as_str())
        .collect();
    let expected = [
        "paper_pruning/qwen3_moe/ref.gating/gating.reference",
        "paper_pruning/qwen3_moe/masks/frequency",
        "paper_pruning/qwen3_moe/reap_0.5/expert_mask.json",
    ];
    assert_eq!(failed, expected);
}
