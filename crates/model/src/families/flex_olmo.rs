//! `FlexOlmo`: as `OLMoE`, with the norms after the blocks.
//!
//! Source: `FlexOlmoForCausalLM` in transformers 5.23; <https://arxiv.org/abs/2507.07024>.

use super::common::{Common, expert_counts, require_silu};
use super::rope::{RopeDefaults, rope};
use super::{Family, MLP_EXPERTS};
use crate::checkpoint::Config;
use crate::error::ModelError;
use crate::export::MoeNaming;
use crate::spec::{
    Activation, AttentionSpec, BlockSpec, DecoderSpec, ExpertLayout, LayerSpec, MlpNames, MoeSpec, NormPlacement,
    NormWidth, QueryKeyNormSpec, RouterSpec, StepSpec,
};

pub(super) struct FlexOlmo;

impl Family for FlexOlmo {
    fn name(&self) -> &'static str {
        "flex_olmo"
    }

    fn naming(&self) -> &'static MoeNaming {
        &MLP_EXPERTS
    }

    fn spec(&self, config: &Config) -> Result<DecoderSpec, ModelError> {
        require_silu(config, self.name())?;
        let common = Common::read(config, self.name())?;
        let rope = rope(config, &common, RopeDefaults::theta(500_000.0))?;
        let bias = config.optional_bool("attention_bias")?.unwrap_or(false);
        let attention = AttentionSpec {
            input_bias: bias,
            output_bias: bias,
            query_key_norm: Some(QueryKeyNormSpec::new(NormWidth::Flat, common.norm())),
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
        let after = |norm: &str, block| StepSpec {
            placement: NormPlacement::After,
            ..StepSpec::before(norm, common.norm(), block)
        };
        let layer = |index| LayerSpec {
            prefix: format!("model.layers.{index}."),
            residual_scale: 1.0,
            steps: vec![
                after("post_attention_layernorm", BlockSpec::Attention(attention.clone())),
                after("post_feedforward_layernorm", BlockSpec::Moe(moe.clone())),
            ],
        };
        Ok(common.decoder((0..common.layers).map(layer).collect()))
    }
}
