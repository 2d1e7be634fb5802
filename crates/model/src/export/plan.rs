//! Which bytes of the old checkpoint become which tensors of the new one; everything is checked before the first is written.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;

use super::naming::{Place, Role};
use super::{ExportError, ExtraLayers, MoeNaming};
use crate::checkpoint::{Checkpoint, Config, Dtype, TensorEntry};
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
    pub(super) kept: BTreeMap<Place, Vec<usize>>,
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
    let decoder = match naming.config_object {
        "" => config.clone(),
        object => config.required_object(object)?,
    };
    // Where config.json lists the layers one by one, none is beyond.
    let layers = decoder.optional_usize("num_hidden_layers")?.unwrap_or(usize::MAX);
    let dropped = |tensor: &TensorEntry| {
        extra == ExtraLayers::Drop && naming.layer_of(&tensor.name).is_some_and(|layer| layer >= layers)
    };
    let written: Vec<&TensorEntry> = checkpoint.tensors().filter(|tensor| !dropped(tensor)).collect();

    let experts_before = super::config::experts(config, naming)?;
    let moe_layers = moe_layers(checkpoint.directory(), &written, naming, experts_before)?;
    let top_k = top_k(&decoder, naming)?;
    let kept = kept(checkpoint, mask, &moe_layers, experts_before, top_k)?;
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
) -> Result<BTreeSet<Place>, ExportError> {
    let error = |reason: String| ExportError::Experts {
        directory: directory.to_path_buf(),
        reason,
    };
    let mut layers = BTreeSet::new();
    let mut found: BTreeMap<Place, BTreeSet<usize>> = BTreeMap::new();
    for tensor in tensors {
        match naming.role(&tensor.name) {
            Role::Expert { place, expert, .. } => {
                found.entry(place).or_default().insert(expert);
                layers.insert(place);
            }
            Role::Sliced { place } => {
                layers.insert(place);
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
                "{layer} has {} experts, the last of them {}, but config.json states {experts}",
                ids.len(),
                ids.last().unwrap_or(&0)
            )));
        }
    }
    Ok(layers)
}

/// Kept ids of every layer with experts, all equally many, at least as many as are used per token. Prediction layers that the mask
/// cannot name keep the ids of the last decoder layer: nothing says which of theirs are used.
fn kept(
    checkpoint: &Checkpoint,
    mask: &ExpertMask,
    layers: &BTreeSet<Place>,
    experts: usize,
    top_k: usize,
) -> Result<BTreeMap<Place, Vec<usize>>, ExportError> {
    let error = |reason: String| ExportError::Mask {
        directory: checkpoint.directory().to_path_buf(),
        reason,
    };
    let unknown = |layer: &&usize| !layers.contains(&Place::Decoder(**layer));
    if let Some(layer) = mask.kept.keys().find(unknown) {
        let layers: Vec<String> = layers.iter().map(ToString::to_string).collect();
        return Err(error(format!(
            "it names layer {layer}, and those with experts are {}",
            layers.join(", ")
        )));
    }
    let all = || (0..experts).collect::<Vec<usize>>();
    let mut kept: BTreeMap<Place, Vec<usize>> = BTreeMap::new();
    for &place in layers {
        let ids = match place {
            Place::Decoder(layer) => mask.kept.get(&layer).map(|ids| ids.iter().map(|id| id.0).collect()),
            Place::Prediction(_) => kept.values().next_back().cloned(),
        };
        kept.insert(place, ids.unwrap_or_else(all));
    }
    check_counts(&kept, experts, top_k).map_err(error)?;
    Ok(kept)
}

/// Experts per token.
fn top_k(config: &Config, naming: &MoeNaming) -> Result<usize, ExportError> {
    for key in naming.top_k_keys {
        if let Some(top_k) = config.optional_usize(key)? {
            return Ok(top_k.max(1));
        }
    }
    Ok(1)
}

/// The reason why these ids cannot be kept.
fn check_counts(kept: &BTreeMap<Place, Vec<usize>>, experts: usize, top_k: usize) -> Result<(), String> {
    let Some((first, ids)) = kept.first_key_value() else {
        return Ok(());
    };
    let count = ids.len();
    for (layer, ids) in kept {
        if !ids.is_sorted_by(|a, b| a < b) {
            return Err(format!("the ids of {layer} are not ascending and distinct: {ids:?}"));
        }
        if let Some(id) = ids.last().filter(|&&id| id >= experts) {
            return Err(format!(
                "{layer} is to keep expert {id}, and it has experts 0 to {}",
                experts - 1
            ));
        }
        if ids.len() != count {
            return Err(format!(
                "{layer} keeps {} experts and {first} keeps {count}; config.json can state only one number for all layers",
                ids.len(),
            ));
        }
    }
    if count < top_k {
        return Err(format!(
            "it keeps {count} experts per layer, and the model uses {top_k} per token (num_experts_per_tok)"
        ));
    }
    Ok(())
}

/// What becomes of a tensor; `None` for those of removed experts.
fn planned(
    checkpoint: &Checkpoint,
    tensor: &TensorEntry,
    naming: &MoeNaming,
    kept: &BTreeMap<Place, Vec<usize>>,
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
            place,
            expert,
            before,
            after,
        } => {
            let slot = kept.get(&place).and_then(|ids| ids.binary_search(&expert).ok());
            Ok(slot.map(|slot| same(format!("{before}{slot}{after}"))))
        }
        Role::Sliced { place } => {
            let ids = kept.get(&place).map(Vec::as_slice).unwrap_or_default();
            // `[experts, …]`, or `[1, experts]`: either way the slices lie one after the other.
            let dimension = usize::from(tensor.shape.len() == 2 && tensor.shape[0] == 1 && experts > 1);
            if tensor.shape.get(dimension) != Some(&experts) || !bytes.is_multiple_of(experts) {
                return Err(ExportError::Experts {
                    directory: checkpoint.directory().to_path_buf(),
                    reason: format!(
                        "tensor `{}` is {:?}, expected {experts} slices, one per expert",
                        tensor.name, tensor.shape
                    ),
                });
            }
            let row = bytes / experts;
            let mut shape = tensor.shape.clone();
            shape[dimension] = ids.len();
            let parts = ids.iter().map(|&id| id * row..(id + 1) * row).collect();
            Ok(Some(PlannedTensor {
                shape,
                parts,
                ..same(tensor.name.clone())
            }))
        }
    }
}
