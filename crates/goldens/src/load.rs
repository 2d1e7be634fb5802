//! How a check asks for a model.

use std::path::Path;

use secateur_model::{Model, Precision};

use crate::models::LoadFailure;

/// Loads a checkpoint directory on the device and in the precision that the run chose.
pub type Load<'a> = &'a mut dyn FnMut(&Path) -> Result<Model, LoadFailure>;

/// Loads a checkpoint and insists on f64 arithmetic, in which the statistics' tolerance is stated.
///
/// # Errors
///
/// [`LoadFailure`]; a model in another precision is broken.
pub fn load_f64(load: Load<'_>, checkpoint: &Path) -> Result<Model, LoadFailure> {
    let model = load(checkpoint)?;
    match model.device().precision() {
        Precision::F64 => Ok(model),
        other @ (Precision::F32 | Precision::Fast) => Err(LoadFailure::Broken(format!(
            "the model computes in {}; statistics are compared in f64",
            other.name()
        ))),
    }
}
