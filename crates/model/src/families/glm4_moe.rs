//! GLM-4.5: partial rotary embedding, optional norm of queries and keys, the router of `DeepSeek`-V3, dense first layers.
//!
//! Source: `Glm4MoeForCausalLM` in transformers 5.23; <https://arxiv.org/abs/2508.06471>.

use super::common::{Common, SigmoidDefaults, epsilon, require_silu, sigmoid_moe};
use super::rope::{RopeDefaults, rope};
use super::{Family, ROUTED_EXPERTS, latent};
use crate::checkpoint::Config;
use crate::error::ModelError;
use crate::export::MoeNaming;
use crate::spec::{AttentionSpec, BlockSpec, DecoderSpec, NormWidth, QueryKeyNormSpec};

pub(super) struct Glm4Moe;

impl Family for Glm4Moe {
    fn name(&self) -> &'static str {
        "glm4_moe"
    }

    fn naming(&self) -> &'static MoeNaming {
        &ROUTED_EXPERTS
    }

    fn spec(&self, config: &Config) -> Result<DecoderSpec, ModelError> {
        require_silu(config, self.name())?;
        let common = Common {
            norm_epsilon: epsilon(config, "rms_norm_eps", 1e-5)?,
            ..Common::read(config, self.name())?
        };
        let defaults = RopeDefaults {
            theta: 10_000.0,
            partial: Some(0.5),
        };
        let rope = rope(config, &common, defaults)?;
        let normed = config.optional_bool("use_qk_norm")?.unwrap_or(false);
        let attention = AttentionSpec {
            input_bias: config.optional_bool("attention_bias")?.unwrap_or(false),
            query_key_norm: normed.then(|| QueryKeyNormSpec::new(NormWidth::PerHead, common.norm())),
            ..AttentionSpec::plain(common.heads, common.key_value_heads, common.head_dim, Some(rope))
        };
        let defaults = SigmoidDefaults {
            normalise: true,
            scale: 1.0,
            groups: [1, 1],
        };
        let moe = sigmoid_moe(config, self.naming().expert_count_keys, defaults, 1)?;
        latent::decoder(config, &common, &BlockSpec::Attention(attention), &moe, 1)
    }
}
