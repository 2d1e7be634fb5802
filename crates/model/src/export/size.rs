//! How large an export would be: the plan without the writing.

use super::plan::{PlannedTensor, plan};
use super::{ExportError, ExtraLayers, MoeNaming, write};
use crate::checkpoint::Checkpoint;
use crate::mask::ExpertMask;

/// Numbers of an export that was not made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ExportSize {
    /// Experts per layer that stay.
    pub experts: usize,
    /// Tensors.
    pub tensors: usize,
    /// Elements of all tensors.
    pub elements: u64,
    /// Bytes of all tensors.
    pub tensor_bytes: u64,
    /// Bytes of the safetensors files with their headers.
    pub file_bytes: u64,
    /// Bytes of the largest of these files.
    pub largest_file_bytes: u64,
}

/// The size of what [`super::export`] would write; everything that it checks is checked. Reads no weight.
///
/// # Errors
///
/// [`ExportError`] as [`super::export`] gives it before the first byte is written.
pub fn export_size(
    checkpoint: &Checkpoint,
    mask: &ExpertMask,
    naming: &MoeNaming,
    extra_layers: ExtraLayers,
) -> Result<ExportSize, ExportError> {
    let plan = plan(checkpoint, mask, naming, extra_layers)?;
    let mut size = ExportSize {
        experts: plan.experts,
        ..ExportSize::default()
    };
    for shard in &plan.shards {
        let tensors = write::ordered(shard);
        let data: u64 = tensors.iter().map(|tensor| tensor.bytes() as u64).sum();
        let elements = |tensor: &&PlannedTensor| tensor.shape.iter().map(|&n| n as u64).product::<u64>();
        let file = 8 + write::header(&tensors).len() as u64 + data;
        size.tensors += tensors.len();
        size.elements += tensors.iter().map(elements).sum::<u64>();
        size.tensor_bytes += data;
        size.file_bytes += file;
        size.largest_file_bytes = size.largest_file_bytes.max(file);
    }
    Ok(size)
}
