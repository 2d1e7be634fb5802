//! Pruned checkpoints (`models/NAME/pruned/METHOD_RATIO/`): every tensor's bytes, and config.json.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use secateur_model::checkpoint::Checkpoint;
use secateur_model::export::{ExtraLayers, digest, export};
use secateur_model::families::naming_of;
use secateur_model::mask::{ExpertId, ExpertMask};
use serde::Deserialize;
use serde_json::Value;

use crate::Report;

#[derive(Deserialize)]
struct Meta {
    kept: BTreeMap<usize, Vec<usize>>,
    n_tensors: usize,
    /// SHA-256 over the names and SHA-256s of all tensors.
    digest: String,
    /// Only in some: SHA-256 by tensor.
    tensor_sha256: Option<BTreeMap<String, String>>,
}

/// Exports the checkpoint of a model directory with each of its reference masks and compares the outcome.
pub fn check(model_directory: &Path, report: &mut Report) {
    let model = model_directory
        .file_name()
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let mut references: Vec<PathBuf> = fs::read_dir(model_directory.join("pruned"))
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    references.retain(|path| path.join("meta.json").is_file());
    references.sort();
    if references.is_empty() {
        return;
    }
    let checkpoint = match Checkpoint::open(model_directory.join("checkpoint")) {
        Ok(checkpoint) => checkpoint,
        Err(error) => return report.broken(format!("models/{model}/export"), error),
    };
    for reference in references {
        let variant = reference
            .file_name()
            .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let name = format!("models/{model}/export/{variant}");
        let family = checkpoint
            .config()
            .optional_str("model_type")
            .ok()
            .flatten()
            .unwrap_or("none")
            .to_owned();
        if naming_of(&family).is_none() {
            report.skipped(name, format!("family {family} is not yet supported"));
            continue;
        }
        match compare(&checkpoint, &family, &reference) {
            Ok((compared, difference)) => report.exact(name, compared, difference),
            Err(reason) => report.broken(name, reason),
        }
    }
}

/// Tensors compared, and the first difference.
fn compare(checkpoint: &Checkpoint, family: &str, reference: &Path) -> Result<(usize, Option<String>), String> {
    let meta: Meta = serde_json::from_value(json(&reference.join("meta.json"))?).map_err(|error| error.to_string())?;
    let naming = naming_of(family).ok_or("no naming")?;
    let kept = meta
        .kept
        .iter()
        .map(|(layer, ids)| (*layer, ids.iter().map(|&id| ExpertId(id)).collect()))
        .collect();
    let scratch = tempfile::tempdir().map_err(|error| error.to_string())?;
    let directory = scratch.path().join("pruned");
    let exported = export(checkpoint, &ExpertMask { kept }, naming, ExtraLayers::Drop, &directory)
        .map_err(|error| error.to_string())?;

    let pruned = Checkpoint::open(&directory).map_err(|error| error.to_string())?;
    let hashes = pruned.tensor_hashes();
    for (tensor, expected) in meta.tensor_sha256.iter().flatten() {
        match hashes.get(tensor.as_str()) {
            Some(found) if found == expected => {}
            found => {
                return Ok((
                    hashes.len(),
                    Some(format!("tensor {tensor} has SHA-256 {found:?}, expected {expected}")),
                ));
            }
        }
    }
    let found = digest(&directory).map_err(|error| error.to_string())?;
    let difference = if exported.tensors != meta.n_tensors || hashes.len() != meta.n_tensors {
        Some(format!(
            "{} tensors were written, expected {}",
            exported.tensors, meta.n_tensors
        ))
    } else if found != meta.digest {
        Some(format!(
            "the digest of all tensors is {found}, expected {}",
            meta.digest
        ))
    } else if json(&directory.join("config.json"))? != json(&reference.join("config.json"))? {
        Some("config.json differs".into())
    } else {
        None
    };
    Ok((hashes.len(), difference))
}

fn json(file: &Path) -> Result<Value, String> {
    let text = fs::read_to_string(file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    serde_json::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))
}
