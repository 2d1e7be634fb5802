//! Qwen2-MoE (Qwen1.5-MoE): biases on q, k, v, softmax router, a shared expert behind a gate of its own.
//!
//! Source: `Qwen2MoeForCausalLM` in transformers 5.23.

use super::common::{Common, expert_counts, layer_types, require_silu, sliding_window};
use super::qwen3_moe::SparseLayers;
use super::rope::{RopeDefaults, rope};
use super::{Family, MLP_EXPERTS};
use crate::checkpoint::Config;
use crate::error::ModelError;
use crate::export::MoeNaming;
use crate::spec::{
    Activation, AttentionSpec, BlockSpec, DecoderSpec, ExpertLayout, MlpNames, MoeSpec, RouterSpec, SharedExpertSpec,
    Sight,
};

pub(super) struct Qwen2Moe;

impl Family for Qwen2Moe {
    fn name(&self) -> &'static str {
        "qwen2_moe"
    }

    fn naming(&self) -> &'static MoeNaming {
        &MLP_EXPERTS
    }

    fn spec(&self, config: &Config) -> Result<DecoderSpec, ModelError> {
        require_silu(config, self.name())?;
        let common = Common::read(config, self.name())?;
        let rope = rope(config, &common, RopeDefaults::theta(10_000.0))?;
        let attention = AttentionSpec {
            input_bias: config.optional_bool("qkv_bias")?.unwrap_or(true),
            ..AttentionSpec::plain(common.heads, common.key_value_heads, common.head_dim, Some(rope))
        };
        let windows = windows(config, &common)?;
        let (experts, top_k) = expert_counts(config, self.naming().expert_count_keys, "num_experts_per_tok")?;
        let renormalise = config.optional_bool("norm_topk_prob")?.unwrap_or(false);
        let moe = MoeSpec {
            experts,
            top_k,
            intermediate: config.required_positive("moe_intermediate_size")?,
            activation: Activation::SiluGated,
            layout: ExpertLayout::per_expert("mlp.experts.{expert}.", MlpNames::projections()),
            router: RouterSpec::softmax("mlp.gate.weight", renormalise),
            shared: Some(SharedExpertSpec {
                prefix: "mlp.shared_expert.".into(),
                names: MlpNames::projections(),
                intermediate: config.required_positive("shared_expert_intermediate_size")?,
                gate: Some("mlp.shared_expert_gate.weight".into()),
            }),
        };
        let sparse = SparseLayers::read(config)?;
        let layers = (0..common.layers)
            .map(|index| {
                let feed_forward = if sparse.contains(index) {
                    BlockSpec::Moe(moe.clone())
                } else {
                    sparse.dense(config)?
                };
                let attention = AttentionSpec {
                    sight: windows[index],
                    ..attention.clone()
                };
                Ok(common.layer(index, BlockSpec::Attention(attention), feed_forward))
            })
            .collect::<Result<_, ModelError>>()?;
        Ok(common.decoder(layers))
    }
}

/// Which layers see only a window: those that `layer_types` says, or every other one of the first `max_window_layers`.
fn windows(config: &Config, common: &Common) -> Result<Vec<Sight>, ModelError> {
    let windowed = config.optional_bool("use_sliding_window")?.unwrap_or(false);
    // Without windows, configs of transformers 5 have a width of 0.
    let window = if windowed {
        let window = sliding_window(config, 4096)?;
        Some(window.ok_or_else(|| config.invalid("sliding_window", "a width, as `use_sliding_window` is true"))?)
    } else {
        None
    };
    let last = config.optional_usize("max_window_layers")?.unwrap_or(28);
    let types = layer_types(config, common, &["sliding_attention", "full_attention"])?;
    let slides = |index: usize| match &types {
        Some(types) => types[index] == "sliding_attention",
        None => (index + 1) % 2 == 1 && index < last,
    };
    let sight = |index| Sight::window(window.filter(|_| slides(index)));
    Ok((0..common.layers).map(sight).collect())
}
