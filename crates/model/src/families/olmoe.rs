//! `OLMoE`: norm of queries and keys over the whole projection, softmax router, no renormalisation by default.
//!
//! Source: `OlmoeForCausalLM` in transformers 5.23; <https://arxiv.org/abs/2409.02060>.

use super::common::{Common, epsilon, expert_counts, require_silu};
use super::rope::{RopeDefaults, rope};
use super::{Family, MLP_EXPERTS};
use crate::checkpoint::Config;
use crate::error::ModelError;
use crate::export::MoeNaming;
use crate::spec::{
    Activation, AttentionSpec, BlockSpec, DecoderSpec, ExpertLayout, MlpNames, MoeSpec, NormWidth, QueryKeyNormSpec,
    RouterSpec,
};

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
            norm_epsilon: epsilon(config, "rms_norm_eps", 1e-5)?,
            ..Common::read(config, self.name())?
        };
        let rope = rope(config, &common, RopeDefaults::theta(10_000.0))?;
        let clip = config.optional_f64("clip_qkv")?;
        if clip.is_some_and(|limit| limit <= 0.0) {
            return Err(config.invalid("clip_qkv", "a positive number").into());
        }
        let bias = config.optional_bool("attention_bias")?.unwrap_or(false);
        let attention = AttentionSpec {
            input_bias: bias,
            output_bias: bias,
            query_key_norm: Some(QueryKeyNormSpec::new(NormWidth::Flat, common.norm())),
            clip,
            ..AttentionSpec::plain(common.heads, common.key_value_heads, common.head_dim, Some(rope))
        };
        let (experts, top_k) = expert_counts(config, self.naming().expert_count_keys, "num_experts_per_tok")?;
        let renormalise = config.optional_bool("norm_topk_prob")?.unwrap_or(false);
        let moe = MoeSpec {
            experts,
            top_k,
            intermediate: config.required_positive("intermediate_size")?,
            activation: Activation::SiluGated,
            layout: ExpertLayout::per_expert("mlp.experts.{expert}.", MlpNames::projections()),
            router: RouterSpec::softmax("mlp.gate.weight", renormalise),
            shared: None,
        };
        let layer = |index| {
            common.layer(
                index,
                BlockSpec::Attention(attention.clone()),
                BlockSpec::Moe(moe.clone()),
            )
        };
        Ok(common.decoder((0..common.layers).map(layer).collect()))
    }
}
