//! Qwen3-MoE: per-head norm of queries and keys, softmax router, optional dense layers.
//!
//! Source: `Qwen3MoeForCausalLM` in transformers 5.23; <https://arxiv.org/abs/2505.09388>.

use super::{Common, Family, MLP_EXPERTS, expert_counts, named_projections, require_silu, rope};
use crate::checkpoint::Config;
use crate::error::ModelError;
use crate::export::MoeNaming;
use crate::spec::{AttentionSpec, DecoderSpec, FeedForwardSpec, LayerSpec, MoeSpec, QueryKeyNorm};

pub(super) struct Qwen3Moe;

impl Family for Qwen3Moe {
    fn name(&self) -> &'static str {
        "qwen3_moe"
    }

    fn naming(&self) -> &'static MoeNaming {
        &MLP_EXPERTS
    }

    fn spec(&self, config: &Config) -> Result<DecoderSpec, ModelError> {
        require_silu(config, self.name())?;
        let common = Common::read(config)?;
        let rope = rope(config, &common, self.name(), 10_000.0)?;
        let window = config.optional_positive("sliding_window")?;
        let windowed = config.optional_bool("use_sliding_window")?.unwrap_or(false);
        let attention = AttentionSpec {
            heads: common.heads,
            key_value_heads: common.key_value_heads,
            head_dim: common.head_dim,
            bias: config.optional_bool("attention_bias")?.unwrap_or(false),
            query_key_norm: QueryKeyNorm::PerHead,
            clip: None,
            sliding_window: window.filter(|_| windowed),
        };
        let (experts, top_k) = expert_counts(config, self.naming().expert_count_keys)?;
        let moe = MoeSpec {
            experts,
            top_k,
            intermediate: config.required_positive("moe_intermediate_size")?,
            renormalise: config.optional_bool("norm_topk_prob")?.unwrap_or(false),
            router: "mlp.gate.weight".into(),
            expert_prefix: "mlp.experts.{expert}.".into(),
            projections: named_projections(),
        };
        let dense = config.optional_usize_list("mlp_only_layers")?.unwrap_or_default();
        let step = config.optional_positive("decoder_sparse_step")?.unwrap_or(1);
        let intermediate = config.optional_positive("intermediate_size")?;
        let layers = (0..common.layers)
            .map(|index| {
                let sparse = !dense.contains(&index) && (index + 1).is_multiple_of(step);
                let feed_forward = if sparse {
                    FeedForwardSpec::Moe(moe.clone())
                } else {
                    let intermediate =
                        intermediate.ok_or_else(|| config.invalid("intermediate_size", "the width of dense layers"))?;
                    FeedForwardSpec::Dense {
                        prefix: "mlp.".into(),
                        intermediate,
                    }
                };
                Ok(LayerSpec {
                    prefix: format!("model.layers.{index}."),
                    attention: attention.clone(),
                    feed_forward,
                })
            })
            .collect::<Result<_, ModelError>>()?;
        Ok(common.decoder(rope, layers))
    }
}
