//! Model families: config.json → [`DecoderSpec`]. One file each, and one line here.

use crate::checkpoint::Config;
use crate::error::ModelError;
use crate::export::MoeNaming;
use crate::spec::DecoderSpec;

mod common;
mod latent;
mod rope;

mod qwen2_moe;
mod qwen3_moe;
mod qwen_hybrid;
mod qwen3_next;
mod qwen3_5_moe;
mod nemotron_h;
mod lfm2_moe;
mod olmoe;
mod flex_olmo;
mod mixtral;
mod phimoe;
mod gpt_oss;
mod deepseek_v2;
mod deepseek_v3;
mod glm4_moe;
mod dots1;
mod ernie4_5_moe;
mod granitemoe;
mod minimax_m2;
mod hunyuan_v1_moe;
mod llama4_text;

// ANCHOR: family
/// A model family. Implementations read config fields and build plain data; they compute nothing.
pub trait Family: Sync {
    /// `model_type` in config.json.
    fn name(&self) -> &'static str;

    /// Reads the config field by field.
    ///
    /// # Errors
    /// If a field is missing or malformed, or asks for something that is not implemented.
    fn spec(&self, config: &Config) -> Result<DecoderSpec, ModelError>;

    /// How its expert tensors are named, for export.
    fn naming(&self) -> &'static MoeNaming;

    /// Changes names where checkpoints of the family differ in them; `has` says whether there is a tensor of that name.
    fn adapt(&self, _spec: &mut DecoderSpec, _has: &dyn Fn(&str) -> bool) {}
}
// ANCHOR_END: family

/// Experts as `mlp.experts.E.`, router `mlp.gate`. Configs that transformers 5 wrote say `num_local_experts`.
pub const MLP_EXPERTS: MoeNaming = MoeNaming {
    expert_prefix: Some("model.layers.{layer}.mlp.experts.{expert}."),
    row_sliced: &["model.layers.{layer}.mlp.gate.weight"],
    expert_count_keys: &["num_experts", "num_local_experts"],
    ..MoeNaming::NONE
};

/// Experts as `mlp.experts.E.`, router `mlp.gate` with a selection bias, as `DeepSeek` and those after it have them.
pub const ROUTED_EXPERTS: MoeNaming = MoeNaming {
    expert_prefix: Some("model.layers.{layer}.mlp.experts.{expert}."),
    row_sliced: &[
        "model.layers.{layer}.mlp.gate.weight",
        "model.layers.{layer}.mlp.gate.e_score_correction_bias",
    ],
    expert_count_keys: &["n_routed_experts"],
    ..MoeNaming::NONE
};

// ANCHOR: naming
/// Experts as `block_sparse_moe.experts.E.`, router `block_sparse_moe.gate`.
pub const BLOCK_SPARSE_EXPERTS: MoeNaming = MoeNaming {
    expert_prefix: Some("model.layers.{layer}.block_sparse_moe.experts.{expert}."),
    row_sliced: &["model.layers.{layer}.block_sparse_moe.gate.weight"],
    expert_count_keys: &["num_local_experts", "num_experts"],
    ..MoeNaming::NONE
};
// ANCHOR_END: naming

/// All families, in the order documents list them.
pub const FAMILIES: &[&dyn Family] = &[
    &qwen2_moe::Qwen2Moe,
    &qwen3_moe::Qwen3Moe,
    &qwen3_next::Qwen3Next,
    &qwen3_5_moe::Qwen35Moe,
    &qwen3_5_moe::Qwen35MoeText,
    &nemotron_h::NemotronH,
    &lfm2_moe::Lfm2Moe,
    &olmoe::Olmoe,
    &flex_olmo::FlexOlmo,
    &mixtral::Mixtral,
    &phimoe::Phimoe,
    &gpt_oss::GptOss,
    &deepseek_v2::DeepseekV2,
    &deepseek_v3::DeepseekV3,
    &glm4_moe::Glm4Moe,
    &dots1::Dots1,
    &ernie4_5_moe::Ernie45Moe,
    &granitemoe::GraniteMoe,
    &minimax_m2::MinimaxM2,
    &hunyuan_v1_moe::HunyuanV1Moe,
    &llama4_text::Llama4Text,
];

/// How the family of this `model_type` names its experts; `None` if there is no such family.
#[must_use]
pub fn naming_of(model_type: &str) -> Option<&'static MoeNaming> {
    FAMILIES
        .iter()
        .find(|family| family.name() == model_type)
        .map(|family| family.naming())
}

/// The family that `config` names.
///
/// # Errors
/// If `model_type` is missing or unknown.
pub fn family(config: &Config) -> Result<&'static dyn Family, ModelError> {
    let found = config.required_str("model_type")?;
    FAMILIES
        .iter()
        .copied()
        .find(|family| family.name() == found)
        .ok_or_else(|| ModelError::UnknownFamily {
            file: config.file().to_path_buf(),
            found: found.to_owned(),
            supported: FAMILIES
                .iter()
                .map(|family| family.name())
                .collect::<Vec<_>>()
                .join(", "),
        })
}

#[cfg(test)]
mod tests;
