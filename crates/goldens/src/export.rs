//! Pruned checkpoints (`models/NAME/pruned/` or `models/NAME/pruned/METHOD_RATIO/`): every tensor's bytes, and config.json.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use secateur_model::checkpoint::Checkpoint;
use secateur_model::export::{ExportOptions, digest, export};
use secateur_model::families::naming_of;
use secateur_model::mask::{ExpertId, ExpertMask};
use serde::Deserialize;
use serde_json::Value;

use crate::Report;

#[derive(Deserialize)]
struct Meta {
    kept: BTreeMap<usize, Vec<usize>>,
    /// Tensors of the whole checkpoint; absent where `tensor_sha256` lists those of the text model only.
    n_tensors: Option<usize>,
    /// SHA-256 over the names and SHA-256s of all tensors.
    digest: Option<String>,
    /// Only in some: SHA-256 by tensor.
    tensor_sha256: Option<BTreeMap<String, String>>,
}

/// Exports the checkpoint of a model directory with each of its reference masks and compares the outcome.
pub fn check(model_directory: &Path, report: &mut Report) {
    let model = model_directory
        .file_name()
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let prunings = model_directory.join("pruned");
    let mut references: Vec<PathBuf> = fs::read_dir(&prunings)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .chain([prunings.clone()])
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
    let exported = export(
        checkpoint,
        &ExpertMask { kept },
        naming,
        &ExportOptions::default(),
        &directory,
    )
    .map_err(|error| error.to_string())?;

    let pruned = Checkpoint::open(&directory).map_err(|error| error.to_string())?;
    let hashes = pruned.tensor_hashes();
    let difference = listed_differ(&hashes, &meta)
        .or(whole_differs(&meta, exported.tensors, &directory)?)
        .or_else(|| predictions_differ(&pruned, checkpoint, exported.experts));
    let difference = match difference {
        None if json(&directory.join("config.json"))? != json(&reference.join("config.json"))? => {
            Some("config.json differs".into())
        }
        other => other,
    };
    Ok((hashes.len(), difference))
}

/// The first tensor whose bytes are not those of the reference, or that the reference does not have.
fn listed_differ(hashes: &BTreeMap<&str, String>, meta: &Meta) -> Option<String> {
    let listed = meta.tensor_sha256.as_ref()?;
    let wrong = listed.iter().find_map(|(tensor, expected)| {
        let found = hashes.get(tensor.as_str());
        (found != Some(expected)).then(|| format!("tensor {tensor} has SHA-256 {found:?}, expected {expected}"))
    });
    let unlisted =
        |name: &&&str| !listed.contains_key(**name) && !OTHER_PARTS.iter().any(|part| name.starts_with(part));
    let more = || {
        let name = hashes.keys().find(unlisted)?;
        Some(format!("tensor {name} is not in the reference"))
    };
    wrong.or_else(more)
}

/// Parts of a checkpoint that lists of hashes leave out.
const OTHER_PARTS: [&str; 2] = ["mtp.", "model.visual."];

/// Number and digest of all tensors, where the reference states them.
fn whole_differs(meta: &Meta, written: usize, directory: &Path) -> Result<Option<String>, String> {
    if let Some(expected) = meta.n_tensors.filter(|&expected| expected != written) {
        return Ok(Some(format!("{written} tensors were written, expected {expected}")));
    }
    let found = digest(directory).map_err(|error| error.to_string())?;
    let expected = meta.digest.as_ref().filter(|&expected| *expected != found);
    Ok(expected.map(|expected| format!("the digest of all tensors is {found}, expected {expected}")))
}

/// Multi-token-prediction layers must keep as many experts as the others, and whatever else is left out of the lists must be there.
fn predictions_differ(pruned: &Checkpoint, original: &Checkpoint, experts: usize) -> Option<String> {
    let gone = original.names().find(|name| {
        OTHER_PARTS.iter().any(|part| name.starts_with(part))
            && !name.contains(".experts.")
            && pruned.tensor(name).is_none()
    });
    if let Some(name) = gone {
        return Some(format!("tensor {name} is gone"));
    }
    let per_expert = |name: &str| name.contains(".mlp.experts.") && name.ends_with("gate_proj.weight");
    let single = pruned
        .names()
        .filter(|name| name.starts_with("mtp.") && per_expert(name))
        .count();
    if single != 0 && single != experts {
        return Some(format!("the prediction layer has {single} experts, expected {experts}"));
    }
    pruned.tensors().find_map(|tensor| {
        let sliced = [".mlp.gate.weight", ".experts.gate_up_proj", ".experts.down_proj"];
        let is = tensor.name.starts_with("mtp.") && sliced.iter().any(|ending| tensor.name.ends_with(ending));
        (is && tensor.shape[0] != experts).then(|| {
            format!(
                "tensor {} is {:?}, expected {experts} slices",
                tensor.name, tensor.shape
            )
        })
    })
}

/// A JSON file; Python's bare infinities are read as words.
fn json(file: &Path) -> Result<Value, String> {
    let text = fs::read_to_string(file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    let text = text.replace(" Infinity", " \"Infinity\"");
    serde_json::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))
}
