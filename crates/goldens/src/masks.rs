//! The published masks of arXiv:2607.01444 (`masks/`): each through our reader and writer, then their summary ([`crate::mask_summary`]).

use std::path::Path;

use secateur_pruning::mask_files::{parse_mask, read_mask, write_mask};
use secateur_pruning::shape::LayerShape;
use serde_json::{Value, json};

use crate::mask_summary;
use crate::published::{self, PublishedMask};
use crate::report::Report;

/// Checks a `masks` directory: every mask of `published_masks.json.gz` is read as a mask file and survives being written, and the
/// summary beside it holds.
pub fn check(dir: &Path, report: &mut Report) {
    let path = dir.join("published_masks.json.gz");
    if path.is_file() {
        match check_files(&path) {
            Ok((read, difference)) => report.exact("masks/read", read, difference),
            Err(reason) => report.broken("masks/read", reason),
        }
    } else {
        report.skipped("masks/read", "no published_masks.json.gz");
    }
    mask_summary::check(dir, report);
}

fn check_files(path: &Path) -> Result<(usize, Option<String>), String> {
    let published = published::read(path)?;
    let scratch = tempfile::tempdir().map_err(|e| e.to_string())?;
    let copy = scratch.path().join("expert_mask.json");
    let mut difference = None;
    for file in &published.files {
        let experts = published.num_experts.get(&file.model);
        let experts = *experts.ok_or_else(|| format!("{}: no num_experts of {}", path.display(), file.model))?;
        difference = difference.or(round_trip(file, experts, &copy).err());
    }
    Ok((published.files.len(), difference))
}

fn round_trip(file: &PublishedMask, experts: usize, copy: &Path) -> Result<(), String> {
    let layers = file.mask.len();
    let mask = json!(file.mask);
    // The models' own top-k is not in the file.
    let shapes: Vec<_> = (0..layers)
        .map(|layer| LayerShape::ungrouped(layer, experts, 1))
        .collect();
    let plan = parse_mask(Path::new(&file.dir), mask.to_string().as_bytes(), &shapes).map_err(|e| e.to_string())?;
    write_mask(copy, &plan).map_err(|e| e.to_string())?;
    let again = read_mask(copy, &shapes).map_err(|e| e.to_string())?;
    let written: Value = std::fs::read_to_string(copy)
        .map_err(|e| e.to_string())
        .and_then(|text| serde_json::from_str(&text).map_err(|e| e.to_string()))?;
    if plan == again && written == mask {
        return Ok(());
    }
    Err(format!("{}: what was written is not what was read", file.dir))
}
