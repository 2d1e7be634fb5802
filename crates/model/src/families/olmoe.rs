//! `OLMoE`: norm of queries and keys over the whole projection, softmax router, no renormalisation by default.
//!
//! Source: `OlmoeForCausalLM` in transformers 5.23; <https://arxiv.org/abs/2409.02060>.

use super::{Common, Family, MLP_EXPERTS, expert_counts, named_projections, require_silu, rope};
use crate::checkpoint::Config;
use crate::error::ModelError;
use crate::export::MoeNaming;
use crate::spec::{AttentionSpec, DecoderSpec, FeedForwardSpec, LayerSpec, MoeSpec, QueryKeyNorm};

pub(super) struct Olmoe;

impl Family for Olmoe {
    fn name(&self) -> &'static str {
        "olmoe"
    }

    fn naming(&self) -> &'static MoeNaming {
        &MLP_EXPERTS
    }

    fn spec(&self, config: &Config) -> Result<DecoderSpec, ModelError> {
        require_silu(config, self.name())?;
        let common = Common {
            norm_epsilon: config.optional_f64("rms_norm_eps")?.unwrap_or(1e-5),
            ..Common::read(config)?
        };
        let rope = rope(config, &common, self.name(), 10_000.0)?;
        let clip = config.optional_f64("clip_qkv")?;
        if clip.is_some_and(|limit| limit <= 0.0) {
            return Err(config.invalid("clip_qkv", "a positive number").into());
        }
        let attention = AttentionSpec {
            heads: common.heads,
            key_value_heads: common.key_value_heads,
            head_dim: common.head_dim,
            bias: config.optional_bool("attention_bias")?.unwrap_or(false),
            query_key_norm: QueryKeyNorm::Flat,
            clip,
            sliding_window: None,
        };
        let (experts, top_k) = expert_counts(config, self.naming().expert_count_keys)?;
        let moe = MoeSpec {
            experts,
            top_k,
            intermediate: config.required_positive("intermediate_size")?,
            renormalise: config.optional_bool("norm_topk_prob")?.unwrap_or(false),
            router: "mlp.gate.weight".into(),
            expert_prefix: "mlp.experts.{expert}.".into(),
            projections: named_projections(),
        };
        let layers = (0..common.layers)
            .map(|index| LayerSpec {
                prefix: format!("model.layers.{index}."),
                attention: attention.clone(),
                feed_forward: FeedForwardSpec::Moe(moe.clone()),
            })
            .collect();
        Ok(common.decoder(rope, layers))
    }
}
