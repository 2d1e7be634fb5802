//! Every tensor that a BART needs.

use secateur_model::ModelError;
use secateur_model::checkpoint::{Checkpoint, Expected};

use super::spec::{BartSpec, SideSpec};
use crate::error::JudgeError;

/// Rows of the position tables before that of position 0.
pub(super) const POSITION_OFFSET: usize = 2;
/// Added to the logits; older checkpoints leave it out where it is zero.
pub(super) const BIAS: &str = "final_logits_bias";
/// Names of the one embedding; a file holds one or several.
const EMBEDDINGS: [&str; 4] = [
    "model.shared.weight",
    "model.encoder.embed_tokens.weight",
    "model.decoder.embed_tokens.weight",
    "lm_head.weight",
];

/// Checks names, shapes, dtypes and values. Gives the name of the embedding.
pub(super) fn check(checkpoint: &Checkpoint, spec: &BartSpec) -> Result<&'static str, JudgeError> {
    let embedding = EMBEDDINGS.into_iter().find(|name| checkpoint.tensor(name).is_some());
    let embedding = embedding.unwrap_or(EMBEDDINGS[0]);
    let mut expected = vec![Expected::new(embedding, [spec.vocabulary, spec.hidden])];
    if checkpoint.tensor(BIAS).is_some() {
        expected.push(Expected::new(BIAS, [spec.vocabulary]));
    }
    for (name, side) in [("encoder", &spec.encoder), ("decoder", &spec.decoder)] {
        add_side(&mut expected, name, side, spec);
    }
    let skip = |name: &str| EMBEDDINGS.contains(&name);
    let unused = checkpoint.check(&expected, &skip).map_err(ModelError::from)?;
    if let Some(first) = unused.first() {
        return Err(JudgeError::Unsuitable {
            judge: checkpoint.directory().display().to_string(),
            found: format!("{} tensors that BART has no use for, `{first}` first", unused.len()),
            expected: "those of BartForConditionalGeneration and no others".into(),
        });
    }
    checkpoint.verify_finite(&|_| false).map_err(ModelError::from)?;
    Ok(embedding)
}

fn add_side(expected: &mut Vec<Expected>, name: &str, side: &SideSpec, spec: &BartSpec) {
    let hidden = spec.hidden;
    let mut add = |name: String, shape: &[usize]| expected.push(Expected::new(name, shape));
    let table = [spec.positions + POSITION_OFFSET, hidden];
    add(format!("model.{name}.embed_positions.weight"), &table);
    let mut affine = |name: &str, shape: &[usize]| {
        add(format!("{name}.weight"), shape);
        add(format!("{name}.bias"), &shape[..1]);
    };
    affine(&format!("model.{name}.layernorm_embedding"), &[hidden]);
    let attentions: &[&str] = match name {
        "encoder" => &["self_attn"],
        _ => &["self_attn", "encoder_attn"],
    };
    for layer in 0..side.layers {
        let layer = format!("model.{name}.layers.{layer}");
        for attention in attentions {
            for projection in ["q_proj", "k_proj", "v_proj", "out_proj"] {
                affine(&format!("{layer}.{attention}.{projection}"), &[hidden, hidden]);
            }
            affine(&format!("{layer}.{attention}_layer_norm"), &[hidden]);
        }
        affine(&format!("{layer}.fc1"), &[side.inner, hidden]);
        affine(&format!("{layer}.fc2"), &[hidden, side.inner]);
        affine(&format!("{layer}.final_layer_norm"), &[hidden]);
    }
}
