//! Latent attention and the layer plan that `DeepSeek`-V2 and V3 share.

use super::common::{Common, unsupported};
use super::rope::{RopeDefaults, parameters, rope, yarn_scale};
use crate::blocks::rope::{Pairing, RopeScaling, RopeSpec};
use crate::checkpoint::Config;
use crate::error::ModelError;
use crate::spec::{BlockSpec, DecoderSpec, DenseSpec, LatentAttentionSpec, MoeSpec, NormSpec};

/// ε of the norms of the latents, whatever the config says of the others.
const LATENT_EPSILON: f64 = 1e-6;

/// Common fields; the width of heads is that of their rotated part.
pub(super) fn common(config: &Config, family: &'static str) -> Result<Common, ModelError> {
    let rotary = config.required_positive("qk_rope_head_dim")?;
    Common::with_head_dim(config, family, Some(rotary))
}

/// `q_lora_rank` null or absent: queries are projected directly.
pub(super) fn attention(config: &Config, common: &Common, pairing: Pairing) -> Result<BlockSpec, ModelError> {
    if common.key_value_heads != common.heads {
        let expected = format!("num_attention_heads = {}: keys are made per head", common.heads);
        return Err(config.invalid("num_key_value_heads", expected).into());
    }
    let rope = RopeSpec {
        pairing,
        ..rope(config, common, RopeDefaults::theta(10_000.0))?
    };
    let plain_dim = config.required_positive("qk_nope_head_dim")?;
    let width = (plain_dim + rope.width) as f64;
    let scale = width.powf(-0.5) * scale_growth(config, &rope)?;
    Ok(BlockSpec::LatentAttention(LatentAttentionSpec {
        prefix: "self_attn.".into(),
        heads: common.heads,
        query_rank: config.optional_positive("q_lora_rank")?,
        key_value_rank: config.required_positive("kv_lora_rank")?,
        plain_dim,
        value_dim: config.required_positive("v_head_dim")?,
        rope,
        scale,
        bias: config.optional_bool("attention_bias")?.unwrap_or(false),
        norm: NormSpec::rms(LATENT_EPSILON),
    }))
}

/// `(0.1 · mscale_all_dim · ln(factor) + 1)²` where the rotary embedding is scaled.
fn scale_growth(config: &Config, rope: &RopeSpec) -> Result<f64, ModelError> {
    let (Some(parameters), false) = (parameters(config)?, rope.scaling == RopeScaling::Default) else {
        return Ok(1.0);
    };
    let all = parameters.optional_f64("mscale_all_dim")?.unwrap_or(0.0);
    let factor = parameters.optional_f64("factor")?.unwrap_or(1.0);
    Ok(if all == 0.0 {
        1.0
    } else {
        yarn_scale(factor, all).powi(2)
    })
}

/// Dense layers first, then experts.
pub(super) fn decoder(
    config: &Config,
    common: &Common,
    attention: &BlockSpec,
    moe: &MoeSpec,
    default_dense: usize,
) -> Result<DecoderSpec, ModelError> {
    let every = config.optional_positive("moe_layer_freq")?.unwrap_or(1);
    if every != 1 {
        let found = every.to_string();
        return Err(unsupported(config, common.family, "moe_layer_freq", &found, "1"));
    }
    let dense = config.optional_usize("first_k_dense_replace")?.unwrap_or(default_dense);
    let intermediate = config.required_positive("intermediate_size")?;
    let layer = |index| {
        let feed_forward = if index < dense {
            BlockSpec::Dense(DenseSpec::silu("mlp.", intermediate))
        } else {
            BlockSpec::Moe(moe.clone())
        };
        common.layer(index, attention.clone(), feed_forward)
    };
    Ok(common.decoder((0..common.layers).map(layer).collect()))
}
