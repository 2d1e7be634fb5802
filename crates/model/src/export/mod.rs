//! Kept experts and a checkpoint in, a smaller checkpoint out, which transformers loads like any other.
//!
//! Expert tensors are renumbered densely in ascending order of the kept ids, router rows and fused expert tensors are sliced on their
//! first dimension, the number of experts in config.json changes, everything else stays. Bytes are copied from the mapped shards one
//! after another; no tensor is decoded and no model is held in memory.

mod card;
mod config;
mod error;
mod naming;
mod plan;
mod provenance;
mod size;
mod write;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::checkpoint::{self, Checkpoint, files};
use crate::mask::ExpertMask;
pub use error::ExportError;
pub use naming::MoeNaming;
pub use provenance::PROVENANCE;
pub use size::{ExportSize, export_size};
use write::WrittenShard;

/// What to do with layers beyond `num_hidden_layers` (multi-token prediction).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ExtraLayers {
    /// Leave them out: the forward pass does not use them.
    #[default]
    Drop,
    /// Keep them; the mask must name those with experts.
    Keep,
}

/// What the caller decides.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ExportOptions {
    /// Layers beyond `num_hidden_layers`.
    pub extra_layers: ExtraLayers,
    /// Replace an export that is there. Anything else is never replaced.
    pub overwrite: bool,
    /// What [`PROVENANCE`] says besides the kept experts: source, method, statistics.
    pub provenance: Map<String, Value>,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// The new directory.
    pub directory: PathBuf,
    /// Experts per layer that stayed.
    pub experts: usize,
    /// Tensors written.
    pub tensors: usize,
    /// Bytes of their data.
    pub bytes: u64,
    /// Tensors left out because their layer is beyond `num_hidden_layers`, by their old names.
    pub dropped: Vec<String>,
    /// Other files that were copied.
    pub copied: Vec<String>,
    /// Entries of the directory that were not: weights in other formats, folders, links that lead out.
    pub not_copied: Vec<String>,
}

/// Writes the checkpoint that has only the experts of `mask` into the new directory `destination`.
///
/// It appears under its name only when it is complete; an export that it replaces is there until then.
///
/// # Errors
///
/// [`ExportError`]; nothing is left behind then.
pub fn export(
    checkpoint: &Checkpoint,
    mask: &ExpertMask,
    naming: &MoeNaming,
    options: &ExportOptions,
    destination: &Path,
) -> Result<Exported, ExportError> {
    check_free(checkpoint, destination, options.overwrite)?;
    let plan = plan::plan(checkpoint, mask, naming, options.extra_layers)?;
    let config = config::with_experts(checkpoint.directory(), naming, plan.experts_before, plan.experts)?;

    let partial = Partial::create(destination)?;
    let mut written = Vec::new();
    for shard in &plan.shards {
        written.push(write::shard(checkpoint, shard, &partial.path)?);
    }
    write::text(&partial.path.join("config.json"), &config)?;
    if fs::symlink_metadata(checkpoint.directory().join("model.safetensors")).is_err() {
        write::text(&partial.path.join(checkpoint::INDEX), &index(&written))?;
    }
    let (copied, not_copied) = copy_others(checkpoint.directory(), &partial.path)?;
    let card = files::read_text(checkpoint.directory(), "README.md", files::INDEX_LIMIT)?;
    write::text(
        &partial.path.join("README.md"),
        &card::with_note(card.as_deref(), mask, &plan),
    )?;
    let provenance = provenance::text(checkpoint.directory(), &options.provenance, &plan)?;
    write::text(&partial.path.join(PROVENANCE), &provenance)?;
    check_free(checkpoint, destination, options.overwrite)?;
    partial.publish(destination)?;
    Ok(Exported {
        directory: destination.to_path_buf(),
        experts: plan.experts,
        tensors: written.iter().map(|shard| shard.tensors.len()).sum(),
        bytes: written.iter().map(|shard| shard.bytes).sum(),
        dropped: plan.dropped,
        copied,
        not_copied,
    })
}

/// Refuses a destination that is taken, unless it is another export and may be replaced.
fn check_free(checkpoint: &Checkpoint, destination: &Path, overwrite: bool) -> Result<(), ExportError> {
    let path = destination.to_path_buf();
    let Ok(found) = fs::symlink_metadata(destination) else {
        return Ok(());
    };
    if !overwrite {
        return Err(ExportError::Exists { path });
    }
    let same = |a: &Path| fs::canonicalize(a).ok();
    if same(destination) == same(checkpoint.directory()) {
        return Err(ExportError::Source { path });
    }
    if !found.is_dir() || !destination.join(PROVENANCE).is_file() {
        return Err(ExportError::NoExport { path });
    }
    Ok(())
}

/// SHA-256 of what Python's `json.dumps({tensor: sha256 of its bytes}, sort_keys=True)` gives for a model directory: the number by
/// which two exports are compared.
///
/// # Errors
///
/// Those of [`Checkpoint::open`].
pub fn digest(directory: &Path) -> Result<String, ExportError> {
    let checkpoint = Checkpoint::open(directory)?;
    let fields: Vec<String> = checkpoint
        .tensor_hashes()
        .iter()
        .map(|(name, hash)| format!("{}: \"{hash}\"", ascii_json(name)))
        .collect();
    Ok(checkpoint::hex(format!("{{{}}}", fields.join(", ")).as_bytes()))
}

/// A JSON string with everything beyond ASCII escaped.
fn ascii_json(text: &str) -> String {
    let quoted = serde_json::Value::String(text.to_owned()).to_string();
    let mut escaped = String::with_capacity(quoted.len());
    for c in quoted.chars() {
        if c.is_ascii() && c != '\u{7f}' {
            escaped.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(escaped, "\\u{unit:04x}");
            }
        }
    }
    escaped
}

fn index(shards: &[WrittenShard]) -> String {
    let total: u64 = shards.iter().map(|shard| shard.bytes).sum();
    let map: std::collections::BTreeMap<&str, &str> = shards
        .iter()
        .flat_map(|shard| {
            shard
                .tensors
                .iter()
                .map(|tensor| (tensor.as_str(), shard.name.as_str()))
        })
        .collect();
    format!("{:#}\n", json!({"metadata": {"total_size": total}, "weight_map": map}))
}

/// Copies every other regular file; gives the names of those copied and of those not.
fn copy_others(from: &Path, to: &Path) -> Result<(Vec<String>, Vec<String>), ExportError> {
    const REWRITTEN: [&str; 4] = ["config.json", "README.md", checkpoint::INDEX, PROVENANCE];
    const WEIGHTS: [&str; 10] = [
        ".safetensors",
        ".bin",
        ".pt",
        ".pth",
        ".ckpt",
        ".gguf",
        ".h5",
        ".msgpack",
        ".onnx",
        ".index.json",
    ];
    let unreadable = |source| ExportError::Read {
        path: from.to_path_buf(),
        source,
    };
    let (mut copied, mut not_copied) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(from).map_err(unreadable)? {
        let name = entry.map_err(unreadable)?.file_name();
        let Some(name) = name.to_str() else {
            not_copied.push(name.to_string_lossy().into_owned());
            continue;
        };
        if REWRITTEN.contains(&name) {
        } else if name.starts_with('.') || WEIGHTS.iter().any(|ending| name.ends_with(ending)) {
            if !name.ends_with(".safetensors") {
                not_copied.push(name.to_owned());
            }
        } else if let Ok(mut source) = files::open(from, name) {
            write::copy(&mut source, &to.join(name))?;
            copied.push(name.to_owned());
        } else {
            not_copied.push(name.to_owned());
        }
    }
    copied.sort();
    not_copied.sort();
    Ok((copied, not_copied))
}

/// A directory beside the destination that is removed unless it is published.
struct Partial {
    path: PathBuf,
    published: bool,
}

impl Partial {
    fn create(destination: &Path) -> Result<Self, ExportError> {
        let invalid = || ExportError::Destination {
            path: destination.to_path_buf(),
        };
        let name = destination
            .file_name()
            .and_then(|name| name.to_str())
            .ok_or_else(invalid)?;
        let path = destination.with_file_name(format!(".{name}.partial-{}", std::process::id()));
        let unwritable = |source| ExportError::Write {
            path: path.clone(),
            source,
        };
        if let Some(parent) = destination.parent() {
            fs::create_dir_all(parent).map_err(unwritable)?;
        }
        fs::create_dir(&path).map_err(unwritable)?;
        Ok(Self { path, published: false })
    }

    /// Gives it its name; what had the name before, if anything, is removed after that.
    fn publish(mut self, destination: &Path) -> Result<(), ExportError> {
        let unwritable = |source| ExportError::Write {
            path: destination.to_path_buf(),
            source,
        };
        let replaced = self.path.with_extension("replaced");
        let replaces = fs::symlink_metadata(destination).is_ok();
        if replaces {
            fs::rename(destination, &replaced).map_err(unwritable)?;
        }
        if let Err(source) = fs::rename(&self.path, destination) {
            if replaces {
                let _ = fs::rename(&replaced, destination);
            }
            return Err(unwritable(source));
        }
        self.published = true;
        if replaces {
            fs::remove_dir_all(&replaced).map_err(|source| ExportError::Leftover { path: replaced, source })?;
        }
        Ok(())
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.published {
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
