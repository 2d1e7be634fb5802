//! Counts of config.json against what the files can hold, before anything is made for each layer and expert.
//!
//! Four numbers in config.json could otherwise ask for a list of a billion tensor names.

use serde_json::Value;

use super::{CheckpointError, Config, TensorEntry};

/// Fields that state experts per layer, by any family.
const EXPERTS: [&str; 4] = [
    "num_experts",
    "num_local_experts",
    "n_routed_experts",
    "moe_num_experts",
];
/// No expert of any layer is smaller: three matrices of a few elements.
const SMALLEST_EXPERT_BYTES: u64 = 16;
/// So few in all layers are listed without asking.
const FEW_EXPERTS: u64 = 64;

/// Checks that there are no more layers than tensors, and no more experts in all layers than their bytes allow. Fields that are
/// missing or no numbers are the family's business.
///
/// # Errors
///
/// [`CheckpointError::Field`].
pub fn check_counts(config: &Config, tensors: &[TensorEntry]) -> Result<(), CheckpointError> {
    let text = config.fields().get("text_config").and_then(Value::as_object);
    let number = |key: &str| {
        let own = config.fields().get(key);
        own.or_else(|| text?.get(key)).and_then(Value::as_u64)
    };
    let Some(layers) = number("num_hidden_layers") else {
        return Ok(());
    };
    let count = tensors.len() as u64;
    if layers > count {
        let expected = format!("at most {count}: the files hold that many tensors, and every layer has some");
        return Err(config.invalid("num_hidden_layers", expected));
    }
    let bytes: u64 = tensors.iter().map(|tensor| tensor.range.len() as u64).sum();
    for key in EXPERTS {
        let Some(experts) = number(key) else { continue };
        if layers.saturating_mul(experts) > FEW_EXPERTS.max(bytes / SMALLEST_EXPERT_BYTES) {
            let expected = format!("fewer: the files hold {bytes} bytes of weights for {layers} layers of them");
            return Err(config.invalid(key, expected));
        }
    }
    Ok(())
}
