//! Qwen3.5-MoE and Qwen3.6-MoE: see [`super::qwen_hybrid`]. Fused experts, weights always renormalised, the config under `text_config`;
//! of a checkpoint with vision the text model is used, for which the three positions of its rotary embedding are equal.

use super::Family;
use super::qwen_hybrid::Hybrid;
use crate::checkpoint::Config;
use crate::error::ModelError;
use crate::export::MoeNaming;
use crate::spec::{BlockSpec, DecoderSpec, DeltaNetLayout, ExpertLayout, FusedNames, MlpNames};

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

    /// Transformers 5.23 saves the experts of a text model one by one.
    fn adapt(&self, spec: &mut DecoderSpec, has: &dyn Fn(&str) -> bool) {
        for layer in &mut spec.layers {
            if !has(&format!("{}mlp.experts.0.up_proj.weight", layer.prefix)) {
                continue;
            }
            for step in &mut layer.steps {
                if let BlockSpec::Moe(moe) = &mut step.block {
                    moe.layout = ExpertLayout::per_expert("mlp.experts.{expert}.", MlpNames::projections());
                }
            }
        }
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::spec::MixerSpec;

    const TEXT: &str = r#""vocab_size": 9, "hidden_size": 8, "num_hidden_layers": 4, "num_attention_heads": 2, "head_dim": 8,
        "max_position_embeddings": 8, "linear_num_key_heads": 1, "linear_num_value_heads": 2, "linear_key_head_dim": 3,
        "linear_value_head_dim": 4, "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 5,
        "shared_expert_intermediate_size": 6"#;

    fn config(text: &str) -> Config {
        Config::parse(Path::new("config.json"), text).unwrap()
    }

    fn full(spec: &DecoderSpec) -> Vec<bool> {
        let is = |block: &BlockSpec| matches!(block, BlockSpec::Attention(_));
        spec.layers.iter().map(|layer| is(&layer.steps[0].block)).collect()
    }

    #[test]
    fn the_text_model_is_found_and_the_rest_known() {
        let whole = config(&format!(
            r#"{{"text_config": {{{TEXT}, "rope_parameters": {{"rope_theta": 5.0, "partial_rotary_factor": 0.5}}}}, "tie_word_embeddings": true}}"#
        ));
        let spec = Qwen35Moe.spec(&whole).unwrap();
        assert!(spec.tied_embeddings && full(&spec) == [false, false, false, true]);
        assert_eq!(spec.layers[3].prefix, "model.language_model.layers.3.");
        assert_eq!(spec.rope().map(|rope| (rope.theta, rope.width)), Some((5.0, 4)));
        for name in [
            "model.visual.pos_embed.weight",
            "mtp.fc.weight",
            "model.language_model.layers.4.x",
            "lm_head.weight",
        ] {
            assert!(spec.is_skipped(name), "{name}");
        }
        assert!(!spec.is_skipped("model.language_model.layers.3.x"));
        assert!(Qwen35Moe.spec(&config(&format!("{{{TEXT}}}"))).is_err());
        let text = Qwen35MoeText.spec(&config(&format!("{{{TEXT}}}"))).unwrap();
        assert_eq!(text.layers[0].prefix, "model.layers.0.");
    }

    #[test]
    fn layers_are_listed_or_counted_and_bad_heads_refused() {
        let spec = |change: &str| Qwen35MoeText.spec(&config(&format!("{{{TEXT}, {change}}}")));
        assert_eq!(
            full(&spec(r#""full_attention_interval": 2"#).unwrap()),
            [false, true, false, true]
        );
        let listed = r#""layer_types": ["full_attention", "linear_attention", "linear_attention", "linear_attention"]"#;
        let listed = spec(listed).unwrap();
        assert_eq!(full(&listed), [true, false, false, false]);
        assert!(matches!(
            listed.layers[1].steps[0].block,
            BlockSpec::Mixer(MixerSpec::DeltaNet(_))
        ));
        for (change, named) in [
            (r#""layer_types": ["full_attention"]"#, "layer_types"),
            (r#""attn_output_gate": false"#, "attn_output_gate"),
            (r#""linear_num_value_heads": 4294967296"#, "linear_num_value_heads"),
            (r#""linear_num_key_heads": 3"#, "linear_num_value_heads"),
        ] {
            let text = TEXT.replace(r#""linear_num_key_heads": 1, "linear_num_value_heads": 2, "#, "");
            let heads = |name: &str, value: usize| {
                if change.contains(name) {
                    String::new()
                } else {
                    format!(r#""{name}": {value}, "#)
                }
            };
            let [key, value] = [heads("linear_num_key_heads", 1), heads("linear_num_value_heads", 2)];
            let message = Qwen35MoeText
                .spec(&config(&format!("{{{text}, {key}{value}{change}}}")))
                .unwrap_err();
            assert!(message.to_string().contains(named), "{message}");
        }
    }
}
