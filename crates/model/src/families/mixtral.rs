//! Mixtral: plain grouped-query attention, softmax router, weights always renormalised.
//!
//! Source: `MixtralForCausalLM` in transformers 5.23; <https://arxiv.org/abs/2401.04088>.

use super::common::{Common, epsilon, expert_counts, require_silu};
use super::rope::{RopeDefaults, rope};
use super::{BLOCK_SPARSE_EXPERTS, Family};
use crate::checkpoint::Config;
use crate::error::ModelError;
use crate::export::MoeNaming;
use crate::spec::{
    Activation, AttentionSpec, BlockSpec, DecoderSpec, ExpertLayout, MlpNames, MoeSpec, RouterSpec, Sight,
};

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
            norm_epsilon: epsilon(config, "rms_norm_eps", 1e-5)?,
            ..Common::read(config, self.name())?
        };
        let rope = rope(config, &common, RopeDefaults::theta(1_000_000.0))?;
        let attention = AttentionSpec {
            sight: Sight::window(config.optional_positive("sliding_window")?),
            ..AttentionSpec::plain(common.heads, common.key_value_heads, common.head_dim, Some(rope))
        };
        let (experts, top_k) = expert_counts(config, self.naming().expert_count_keys, "num_experts_per_tok")?;
        let moe = MoeSpec {
            experts,
            top_k,
            intermediate: config.required_positive("intermediate_size")?,
            activation: Activation::SiluGated,
            layout: ExpertLayout::per_expert("block_sparse_moe.experts.{expert}.", MlpNames::numbered()),
            router: RouterSpec::softmax("block_sparse_moe.gate.weight", true),
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
