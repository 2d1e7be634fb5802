//! Mixtral: plain grouped-query attention, softmax router, weights always renormalised.
//!
//! Source: `MixtralForCausalLM` in transformers 5.23; <https://arxiv.org/abs/2401.04088>.

use super::{BLOCK_SPARSE_EXPERTS, Common, Family, expert_counts, require_silu, rope};
use crate::checkpoint::Config;
use crate::error::ModelError;
use crate::export::MoeNaming;
use crate::spec::{AttentionSpec, DecoderSpec, FeedForwardSpec, LayerSpec, MoeSpec, QueryKeyNorm};

pub(super) struct Mixtral;

impl Family for Mixtral {
    fn name(&self) -> &'static str {
        "mixtral"
    }

    fn naming(&self) -> &'static MoeNaming {
        &BLOCK_SPARSE_EXPERTS
    }

    fn spec(&self, config: &Config) -> Result<DecoderSpec, ModelError> {
        require_silu(config, self.name())?;
        let common = Common {
            norm_epsilon: config.optional_f64("rms_norm_eps")?.unwrap_or(1e-5),
            ..Common::read(config)?
        };
        let rope = rope(config, &common, self.name(), 1_000_000.0)?;
        let attention = AttentionSpec {
            heads: common.heads,
            key_value_heads: common.key_value_heads,
            head_dim: common.head_dim,
            bias: false,
            query_key_norm: QueryKeyNorm::None,
            clip: None,
            sliding_window: config.optional_positive("sliding_window")?,
        };
        let (experts, top_k) = expert_counts(config, self.naming().expert_count_keys)?;
        let moe = MoeSpec {
            experts,
            top_k,
            intermediate: config.required_positive("intermediate_size")?,
            renormalise: true,
            router: "block_sparse_moe.gate.weight".into(),
            expert_prefix: "block_sparse_moe.experts.{expert}.".into(),
            projections: ["w1", "w3", "w2"].map(str::to_owned),
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
