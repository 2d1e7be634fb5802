//! Qwen3.5-MoE and Qwen3.6-MoE: see [`super::qwen_hybrid`]. Fused experts, weights always renormalised, the config under `text_config`;
//! of a checkpoint with vision the text model is used, for which the three positions of its rotary embedding are equal.

use super::Family;
use super::qwen_hybrid::Hybrid;
use crate::checkpoint::Config;
use crate::error::ModelError;
use crate::export::MoeNaming;
use crate::spec::{BlockSpec, DecoderSpec, DeltaNetLayout, ExpertLayout, FusedNames};

/// With the vision tower, as published.
pub(super) struct Qwen35Moe;

/// The text model by itself.
pub(super) struct Qwen35MoeText;

// Prediction layers have experts one by one in Qwen3.5, fused ones in Qwen3.6.
const NAMING: MoeNaming = MoeNaming {
    expert_prefix: Some("model.language_model.layers.{layer}.mlp.experts.{expert}."),
    row_sliced: &["model.language_model.layers.{layer}.mlp.gate.weight"],
    fused: &[
        "model.language_model.layers.{layer}.mlp.experts.gate_up_proj",
        "model.language_model.layers.{layer}.mlp.experts.down_proj",
    ],
    expert_count_keys: &["text_config.num_experts"],
    config_object: "text_config",
    layer_prefix: "model.language_model.layers.{layer}.",
    ..MoeNaming::NONE
};

const TEXT_NAMING: MoeNaming = MoeNaming {
    expert_prefix: Some("model.layers.{layer}.mlp.experts.{expert}."),
    row_sliced: &["model.layers.{layer}.mlp.gate.weight"],
    fused: &[
        "model.layers.{layer}.mlp.experts.gate_up_proj",
        "model.layers.{layer}.mlp.experts.down_proj",
    ],
    expert_count_keys: &["num_experts"],
    ..MoeNaming::NONE
};

impl Family for Qwen35Moe {
    fn name(&self) -> &'static str {
        "qwen3_5_moe"
    }

    fn naming(&self) -> &'static MoeNaming {
        &NAMING
    }

    fn spec(&self, config: &Config) -> Result<DecoderSpec, ModelError> {
        let text = config.required_object("text_config")?;
        let mut spec = decoder(self.name(), &text, "model.language_model.")?;
        if let Some(tied) = config.optional_bool("tie_word_embeddings")? {
            spec.tied_embeddings = tied;
        }
        spec.names.skipped.push("model.visual.".into());
        Ok(spec)
    }
}

impl Family for Qwen35MoeText {
    fn name(&self) -> &'static str {
        "qwen3_5_moe_text"
    }

    fn naming(&self) -> &'static MoeNaming {
        &TEXT_NAMING
    }

    fn spec(&self, config: &Config) -> Result<DecoderSpec, ModelError> {
        decoder(self.name(), config, "model.")
    }
}

fn decoder(family: &'static str, config: &Config, prefix: &'static str) -> Result<DecoderSpec, ModelError> {
    Hybrid {
        family,
        config,
        prefix,
        delta_net: DeltaNetLayout::Separate,
        experts: ExpertLayout::Fused(FusedNames {
            gate_up: "mlp.experts.gate_up_proj".into(),
            down: "mlp.experts.down_proj".into(),
            transposed: false,
            interleaved: false,
            biases: None,
            mxfp4: false,
        }),
        renormalise: true,
    }
    .decoder(&|_, moe| Ok(BlockSpec::Moe(moe.clone())))
}
