//! dots.llm1: per-head norm of queries and keys, the router of `DeepSeek`-V3, dense first layers, optional sliding windows.
//!
//! Source: `Dots1ForCausalLM` in transformers 5.23; <https://arxiv.org/abs/2506.05767>.

use super::common::{Common, SigmoidDefaults, layer_types, require_silu, sigmoid_moe, sliding_window};
use super::rope::{RopeDefaults, rope};
use super::{Family, ROUTED_EXPERTS, latent};
use crate::checkpoint::Config;
use crate::error::ModelError;
use crate::export::MoeNaming;
use crate::spec::{AttentionSpec, BlockSpec, DecoderSpec, NormWidth, QueryKeyNormSpec, Sight};

pub(super) struct Dots1;

impl Family for Dots1 {
    fn name(&self) -> &'static str {
        "dots1"
    }

    fn naming(&self) -> &'static MoeNaming {
        &ROUTED_EXPERTS
    }

    fn spec(&self, config: &Config) -> Result<DecoderSpec, ModelError> {
        require_silu(config, self.name())?;
        let common = Common::read(config, self.name())?;
        let rope = rope(config, &common, RopeDefaults::theta(10_000.0))?;
        let bias = config.optional_bool("attention_bias")?.unwrap_or(false);
        let attention = AttentionSpec {
            input_bias: bias,
            output_bias: bias,
            query_key_norm: Some(QueryKeyNormSpec::new(NormWidth::PerHead, common.norm())),
            ..AttentionSpec::plain(common.heads, common.key_value_heads, common.head_dim, Some(rope))
        };
        let defaults = SigmoidDefaults {
            normalise: false,
            scale: 1.0,
            groups: [1, 1],
        };
        let moe = sigmoid_moe(config, self.naming().expert_count_keys, defaults, 0)?;
        let sights = sights(config, &common)?;
        let mut decoder = latent::decoder(config, &common, &BlockSpec::Attention(attention), &moe, 0)?;
        for (layer, sight) in decoder.layers.iter_mut().zip(sights) {
            for step in &mut layer.steps {
                if let BlockSpec::Attention(attention) = &mut step.block {
                    attention.sight = sight;
                }
            }
        }
        Ok(decoder)
    }
}

/// Layers from `max_window_layers` on see a window, if there is one.
fn sights(config: &Config, common: &Common) -> Result<Vec<Sight>, ModelError> {
    let window = sliding_window(config, 4096)?;
    let first = config.optional_usize("max_window_layers")?.unwrap_or(62);
    let types = layer_types(config, common, &["sliding_attention", "full_attention"])?;
    let slides = |index: usize| match &types {
        Some(types) => types[index] == "sliding_attention",
        None => index >= first,
    };
    let sight = |index| Sight::window(window.filter(|_| slides(index)));
    Ok((0..common.layers).map(sight).collect())
}
