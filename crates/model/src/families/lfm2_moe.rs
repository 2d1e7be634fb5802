//! LFM2-MoE: gated short convolutions with attention in between, the first layers dense, a sigmoid router with a selection bias.
//!
//! Source: `Lfm2MoeForCausalLM` in transformers 5.23; <https://arxiv.org/abs/2511.23404>.

use super::Family;
use super::common::{Common, epsilon, expert_counts, layer_types};
use super::rope::{RopeDefaults, rope};
use crate::checkpoint::Config;
use crate::error::ModelError;
use crate::export::MoeNaming;
use crate::spec::{
    Activation, AttentionSpec, BlockSpec, DecoderSpec, DenseSpec, ExpertLayout, LayerSpec, MixerSpec, MlpNames,
    MoeSpec, Names, NormWidth, Normalise, QueryKeyNormSpec, RouterSpec, Scoring, ShortConvSpec, StepSpec,
};

const NAMING: MoeNaming = MoeNaming {
    expert_prefix: Some("model.layers.{layer}.feed_forward.experts.{expert}."),
    row_sliced: &[
        "model.layers.{layer}.feed_forward.gate.weight",
        "model.layers.{layer}.feed_forward.expert_bias",
        "model.layers.{layer}.feed_forward.expert_bias.weight",
    ],
    expert_count_keys: &["num_experts", "num_local_experts"],
    ..MoeNaming::NONE
};

const SELECTION_BIAS: &str = "feed_forward.expert_bias";

pub(super) struct Lfm2Moe;

impl Family for Lfm2Moe {
    fn name(&self) -> &'static str {
        "lfm2_moe"
    }

    fn naming(&self) -> &'static MoeNaming {
        &NAMING
    }

    fn spec(&self, config: &Config) -> Result<DecoderSpec, ModelError> {
        let common = Common {
            norm_epsilon: epsilon(config, "norm_eps", 1e-5)?,
            tied_embeddings: tied(config)?,
            ..Common::read(config, self.name())?
        };
        let full = full_attention_layers(config, &common)?;
        let attention = BlockSpec::Attention(attention(config, &common)?);
        let convolution = BlockSpec::Mixer(MixerSpec::ShortConv(ShortConvSpec {
            prefix: "conv.".into(),
            kernel: config.optional_positive("conv_L_cache")?.unwrap_or(3),
            bias: config.optional_bool("conv_bias")?.unwrap_or(false),
        }));
        let dense = BlockSpec::Dense(DenseSpec {
            names: MlpNames::numbered(),
            ..DenseSpec::silu("feed_forward.", config.required_positive("intermediate_size")?)
        });
        let moe = BlockSpec::Moe(moe(config)?);
        let dense_layers = config.optional_usize("num_dense_layers")?.unwrap_or(2);
        let layer = |index: usize| {
            let mixer = if full[index] { &attention } else { &convolution };
            let feed_forward = if index < dense_layers { &dense } else { &moe };
            LayerSpec {
                prefix: format!("model.layers.{index}."),
                residual_scale: 1.0,
                steps: vec![
                    StepSpec::before("operator_norm", common.norm(), mixer.clone()),
                    StepSpec::before("ffn_norm", common.norm(), feed_forward.clone()),
                ],
            }
        };
        let decoder = common.decoder((0..common.layers).map(layer).collect());
        Ok(DecoderSpec {
            names: Names {
                final_norm: "model.embedding_norm".into(),
                ..decoder.names
            },
            ..decoder
        })
    }

    /// Some checkpoints say `expert_bias.weight`.
    fn adapt(&self, spec: &mut DecoderSpec, has: &dyn Fn(&str) -> bool) {
        for layer in &mut spec.layers {
            for step in &mut layer.steps {
                if let BlockSpec::Moe(moe) = &mut step.block
                    && let Some(bias) = &mut moe.router.selection_bias
                    && !has(&format!("{}{bias}", layer.prefix))
                    && has(&format!("{}{bias}.weight", layer.prefix))
                {
                    bias.push_str(".weight");
                }
            }
        }
    }
}

/// Under either name; tied unless said otherwise.
fn tied(config: &Config) -> Result<bool, ModelError> {
    Ok(match config.optional_bool("tie_embedding")? {
        Some(tied) => tied,
        None => config.optional_bool("tie_word_embeddings")?.unwrap_or(true),
    })
}

/// `layer_types`, or the indices in `full_attn_idxs`.
fn full_attention_layers(config: &Config, common: &Common) -> Result<Vec<bool>, ModelError> {
    if let Some(types) = layer_types(config, common, &["conv", "full_attention"])? {
        return Ok(types.iter().map(|kind| kind == "full_attention").collect());
    }
    let indices = config
        .optional_usize_list("full_attn_idxs")?
        .ok_or_else(|| config.invalid("layer_types", "a list of `conv` and `full_attention`"))?;
    Ok((0..common.layers).map(|layer| indices.contains(&layer)).collect())
}

fn attention(config: &Config, common: &Common) -> Result<AttentionSpec, ModelError> {
    let rope = rope(config, common, RopeDefaults::theta(1_000_000.0))?;
    Ok(AttentionSpec {
        projections: ["q_proj", "k_proj", "v_proj", "out_proj"].map(str::to_owned),
        query_key_norm: Some(QueryKeyNormSpec {
            names: ["q_layernorm", "k_layernorm"].map(str::to_owned),
            ..QueryKeyNormSpec::new(NormWidth::PerHead, common.norm())
        }),
        ..AttentionSpec::plain(common.heads, common.key_value_heads, common.head_dim, Some(rope))
    })
}

fn moe(config: &Config) -> Result<MoeSpec, ModelError> {
    let (experts, top_k) = expert_counts(config, NAMING.expert_count_keys, "num_experts_per_tok")?;
    let biased = config.optional_bool("use_expert_bias")?.unwrap_or(true);
    Ok(MoeSpec {
        experts,
        top_k,
        intermediate: config.required_positive("moe_intermediate_size")?,
        activation: Activation::SiluGated,
        layout: ExpertLayout::per_expert("feed_forward.experts.{expert}.", MlpNames::numbered()),
        router: RouterSpec {
            weight: "feed_forward.gate.weight".into(),
            bias: None,
            scoring: Scoring::Sigmoid,
            selection_bias: biased.then(|| SELECTION_BIAS.to_owned()),
            groups: None,
            normalise: match config.optional_bool("norm_topk_prob")? {
                Some(false) => Normalise::None,
                _ => Normalise::Sum {
                    epsilon: 1e-6,
                    floor: 0.0,
                },
            },
            scale: config.optional_f64("routed_scaling_factor")?.unwrap_or(1.0),
        },
        shared: None,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::path::Path;

    use super::*;

    fn spec(change: &str) -> Result<DecoderSpec, ModelError> {
        let text = format!(
            r#"{{"vocab_size": 9, "hidden_size": 8, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 7,
            "max_position_embeddings": 8, "moe_intermediate_size": 5, "num_experts": 4, "num_experts_per_tok": 2,
            "num_dense_layers": 1, {change}}}"#
        );
        Lfm2Moe.spec(&Config::parse(Path::new("config.json"), &text).unwrap())
    }

    fn bias(spec: &DecoderSpec, layer: usize) -> Option<&str> {
        spec.layers[layer].moe()?.router.selection_bias.as_deref()
    }

    #[test]
    fn layers_listed_either_way_and_bias_under_either_name() {
        let listed = spec(r#""layer_types": ["conv", "full_attention", "conv"]"#).unwrap();
        let mut indexed = spec(r#""full_attn_idxs": [1]"#).unwrap();
        assert_eq!(listed, indexed);
        assert!(listed.tied_embeddings && listed.layers[0].moe().is_none());
        Lfm2Moe.adapt(&mut indexed, &|name| {
            name == "model.layers.1.feed_forward.expert_bias.weight"
        });
        assert_eq!(bias(&indexed, 1), Some("feed_forward.expert_bias.weight"));
        assert_eq!(bias(&indexed, 2), Some("feed_forward.expert_bias"));
        let plain = spec(r#""full_attn_idxs": [1], "use_expert_bias": false, "tie_embedding": false"#).unwrap();
        assert!(bias(&plain, 1).is_none() && !plain.tied_embeddings);
        assert!(
            spec(r#""layer_types": ["conv", "attention", "conv"]"#).is_err() && spec(r#""conv_bias": true"#).is_err()
        );
    }
}
