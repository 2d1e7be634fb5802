//! Which bytes of the old checkpoint become which tensors of the new one; everything is checked before the first is written.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;

use super::naming::{Role, layer_of};
use super::{ExportError, ExtraLayers, MoeNaming};
use crate::checkpoint::{Checkpoint, Dtype, TensorEntry};
use crate::mask::ExpertMask;

/// A tensor to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PlannedTensor {
    pub(super) name: String,
    pub(super) dtype: Dtype,
    pub(super) shape: Vec<usize>,
    /// Name of the old tensor, and the parts of its bytes that follow each other in the new one.
    pub(super) source: String,
    pub(super) parts: Vec<Range<usize>>,
}

impl PlannedTensor {
    pub(super) fn bytes(&self) -> usize {
        self.parts.iter().map(Range::len).sum()
    }
}

/// One file to write.
#[derive(Debug)]
pub(super) struct PlannedShard {
    pub(super) name: String,
    pub(super) tensors: Vec<PlannedTensor>,
}

#[derive(Debug)]
pub(super) struct Plan {
    pub(super) experts_before: usize,
    pub(super) experts: usize,
    /// Layer → kept ids, for every layer with experts that is written.
    pub(super) kept: BTreeMap<usize, Vec<usize>>,
    pub(super) shards: Vec<PlannedShard>,
    pub(super) dropped: Vec<String>,
}

pub(super) fn plan(
    checkpoint: &Checkpoint,
    mask: &ExpertMask,
    naming: &MoeNaming,
    extra: ExtraLayers,
) -> Result<Plan, ExportError> {
    let config = checkpoint.config();
    let layers = config.required_usize("num_hidden_layers")?;
    let dropped = |tensor: &TensorEntry| {
        extra == ExtraLayers::Drop && layer_of(&tensor.name).is_some_and(|layer| layer >= layers)
    };
    let written: Vec<&TensorEntry> = checkpoint.tensors().filter(|tensor| !dropped(tensor)).collect();

    let experts_before = super::config::experts(config, naming)?;
    let moe_layers = moe_layers(checkpoint.directory(), &written, naming, experts_before)?;
    let kept = kept(checkpoint, mask, &moe_layers, experts_before)?;
    let experts = kept.values().next().map_or(0, Vec::len);

    let mut shards: BTreeMap<&Path, Vec<PlannedTensor>> = BTreeMap::new();
    for tensor in written {
        if let Some(planned) = planned(checkpoint, tensor, naming, &kept, experts_before)? {
            shards.entry(&tensor.file).or_default().push(planned);
        }
    }
    let file_name = |file: &Path| {
        file.file_name()
            .and_then(|name| name.to_str())
            .unwrap_or("model.safetensors")
            .to_owned()
    };
    let shards = shards
        .into_iter()
        .map(|(file, tensors)| PlannedShard {
            name: file_name(file),
            tensors,
        })
        .collect();
    let dropped = checkpoint
        .tensors()
        .filter(|tensor| dropped(tensor))
        .map(|tensor| tensor.name.clone())
        .collect();
    Ok(Plan {
        experts_before,
        experts,
        kept,
        shards,
        dropped,
    })
}

/// Layers with experts; each must have all that config.json states.
fn moe_layers(
    directory: &Path,
    tensors: &[&TensorEntry],
    naming: &MoeNaming,
    experts: usize,
) -> Result<BTreeSet<usize>, ExportError> {
    let error = |reason: String| ExportError::Experts {
        directory: directory.to_path_buf(),
        reason,
    };
    let mut layers = BTreeSet::new();
    let mut found: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    for tensor in tensors {
        match naming.role(&tensor.name) {
            Role::Expert { layer, expert, .. } => {
                found.entry(layer).or_default().insert(expert);
                layers.insert(layer);
            }
            Role::Sliced { layer } => {
                layers.insert(layer);
            }
            Role::Other => {}
        }
    }
    if layers.is_empty() {
        return Err(error("it has no tensors of experts".into()));
    }
    for (layer, ids) in found {
        if ids.len() != experts || ids.last().is_some_and(|&last| last >= experts) {
            return Err(error(format!(
                "layer {layer} has {} experts, the last of them {}, but config.json states {experts}",
                ids.len(),
                ids.last().unwrap_or(&0)
            )));
        }
    }
    Ok(layers)
}

/// Kept ids of every layer with experts, all equally many, at least as many as are used per token.
fn kept(
    checkpoint: &Checkpoint,
    mask: &ExpertMask,
    layers: &BTreeSet<usize>,
    experts: usize,
) -> Result<BTreeMap<usize, Vec<usize>>, ExportError> {
    let error = |reason: String| ExportError::Mask {
        directory: checkpoint.directory().to_path_buf(),
        reason,
    };
    if let Some(layer) = mask.kept.keys().find(|layer| !layers.contains(layer)) {
        return Err(error(format!(
            "it names layer {layer}, and the layers with experts are {layers:?}"
        )));
    }
    let ids = |layer: usize| match mask.kept.get(&layer) {
        Some(ids) => ids.iter().map(|id| id.0).collect(),
        None => (0..experts).collect::<Vec<usize>>(),
    };
    let kept: BTreeMap<usize, Vec<usize>> = layers.iter().map(|&layer| (layer, ids(layer))).collect();
    let count = kept.values().next().map_or(0, Vec::len);
    let top_k = checkpoint
        .config()
        .optional_usize("num_experts_per_tok")?
        .unwrap_or(1)
        .max(1);
    for (layer, ids) in &kept {
        if !ids.is_sorted_by(|a, b| a < b) {
            return Err(error(format!(
                "the ids of layer {layer} are not ascending and distinct: {ids:?}"
            )));
        }
        if let Some(id) = ids.last().filter(|&&id| id >= experts) {
            return Err(error(format!(
                "layer {layer} is to keep expert {id}, and it has experts 0 to {}",
                experts - 1
            )));
        }
        if ids.len() != count {
            return Err(error(format!(
                "layer {layer} keeps {} experts and layer {} keeps {count}; config.json can state only one number for all layers",
                ids.len(),
                kept.keys().next().unwrap_or(&0)
            )));
        }
    }
    if count < top_k {
        return Err(error(format!(
            "it keeps {count} experts per layer, and the model uses {top_k} per token (num_experts_per_tok)"
        )));
    }
    Ok(kept)
}

/// What becomes of a tensor; `None` for those of removed experts.
fn planned(
    checkpoint: &Checkpoint,
    tensor: &TensorEntry,
    naming: &MoeNaming,
    kept: &BTreeMap<usize, Vec<usize>>,
    experts: usize,
) -> Result<Option<PlannedTensor>, ExportError> {
    let bytes = tensor.range.len();
    let same = |name: String| PlannedTensor {
        name,
        dtype: tensor.dtype,
        shape: tensor.shape.clone(),
        source: tensor.name.clone(),
        parts: std::iter::once(0..bytes).collect(),
    };
    match naming.role(&tensor.name) {
        Role::Other => Ok(Some(same(tensor.name.clone()))),
        Role::Expert {
            layer,
            expert,
            before,
            after,
        } => {
            let slot = kept.get(&layer).and_then(|ids| ids.binary_search(&expert).ok());
            Ok(slot.map(|slot| same(format!("{before}{slot}{after}"))))
        }
        Role::Sliced { layer } => {
            let ids = kept.get(&layer).map(Vec::as_slice).unwrap_or_default();
            if tensor.shape.first() != Some(&experts) || !bytes.is_multiple_of(experts) {
                return Err(ExportError::Experts {
                    directory: checkpoint.directory().to_path_buf(),
                    reason: format!(
                        "tensor `{}` is {:?}, expected {experts} rows, one per expert",
                        tensor.name, tensor.shape
                    ),
                });
            }
            let row = bytes / experts;
            let mut shape = tensor.shape.clone();
            shape[0] = ids.len();
            let parts = ids.iter().map(|&id| id * row..(id + 1) * row).collect();
            Ok(Some(PlannedTensor {
                shape,
                parts,
                ..same(tensor.name.clone())
            }))
        }
    }
}
