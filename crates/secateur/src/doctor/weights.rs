//! Tensors against what config.json implies, and weights that are no numbers.

use std::collections::BTreeMap;

use secateur_model::ModelError;
use secateur_model::checkpoint::{Checkpoint, TensorEntry};
use secateur_model::spec::DecoderSpec;
use secateur_model::weights::expected;

use super::{Diagnosis, Step, some};

/// Every tensor that is missing, misshapen or of another type.
pub(super) fn compare(spec: &DecoderSpec, tensors: &[TensorEntry], found: &mut Diagnosis) {
    let there: BTreeMap<&str, &TensorEntry> = tensors.iter().map(|tensor| (tensor.name.as_str(), tensor)).collect();
    let mut missing = Vec::new();
    let mut types: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for wanted in expected(spec) {
        let Some(tensor) = there.get(wanted.name.as_str()) else {
            missing.push(wanted.name);
            continue;
        };
        if !wanted.has_shape_of(tensor) {
            let (name, implied) = (&wanted.name, &wanted.shape);
            let message = format!(
                "tensor `{name}` is {:?}, but config.json implies {implied:?}",
                tensor.shape
            );
            found.problem(Step::Load, message);
        }
        if !wanted.is_readable_from(tensor) {
            types.entry(tensor.dtype.name()).or_default().push(wanted.name);
        }
    }
    if !missing.is_empty() {
        found.problem(
            Step::Load,
            format!(
                "{} tensors that config.json implies are missing: {}",
                missing.len(),
                some(&missing)
            ),
        );
    }
    for (dtype, names) in types {
        found.problem(
            Step::Load,
            format!(
                "{} tensors have dtype {dtype}: {}; supported are BF16, F16 and F32, and U8 for packed blocks",
                names.len(),
                some(&names)
            ),
        );
    }
}

/// Why a checkpoint that opens does not fit its config: all reasons, or at least the one that stopped the loader.
pub(super) fn explain(checkpoint: &Checkpoint, error: &ModelError, found: &mut Diagnosis) {
    let before = found.problems.len();
    let family = secateur_model::families::family(checkpoint.config());
    if let Ok(spec) = family.and_then(|family| family.spec(checkpoint.config())) {
        let tensors: Vec<TensorEntry> = checkpoint.tensors().cloned().collect();
        compare(&spec, &tensors, found);
    }
    if found.problems.len() == before {
        found.problem(Step::Load, error);
    }
}

/// Every tensor that holds a NaN or an infinity.
pub(super) fn finite(checkpoint: &Checkpoint, found: &mut Diagnosis) {
    let mut read = 0_u64;
    for tensor in checkpoint.tensors().filter(|tensor| tensor.dtype.is_weight()) {
        read += tensor.range.len() as u64;
        if let Some((index, value)) = checkpoint.find_non_finite(tensor) {
            let unused = found.unused_tensors.contains(&tensor.name);
            let message = format!(
                "tensor `{}` in {} holds {value} at element {index}, expected finite weights",
                tensor.name,
                tensor.file.display()
            );
            if unused {
                found.notes.push(format!("{message}; the model does not use it"));
            } else {
                found.problem(Step::Load, message);
            }
        }
    }
    found
        .notes
        .push(format!("all {:.1} MB of weights were read", read as f64 / 1e6));
}
