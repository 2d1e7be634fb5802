//! Llama 4, text: rotary embedding in most layers and chunked attention there, none and growing queries in the others, experts whose
//! *input* the router weighs, a shared expert, dense layers between.
//!
//! Source: `Llama4ForCausalLM` in transformers 5.23.

use super::Family;
use super::common::{Common, epsilon, expert_counts, layer_types, require_silu};
use super::rope::{RopeDefaults, rope};
use crate::blocks::rope::{Pairing, RopeSpec};
use crate::checkpoint::Config;
use crate::error::ModelError;
use crate::export::MoeNaming;
use crate::spec::{
    Activation, AttentionSpec, BlockSpec, DecoderSpec, DenseSpec, ExpertLayout, FusedNames, MlpNames, MoeSpec,
    NormKind, NormOrder, NormSpec, NormWidth, QueryKeyNormSpec, RouterSpec, Scoring, SharedExpertSpec, Sight,
    Temperature,
};

const NAMING: MoeNaming = MoeNaming {
    row_sliced: &["model.layers.{layer}.feed_forward.router.weight"],
    fused: &[
        "model.layers.{layer}.feed_forward.experts.gate_up_proj",
        "model.layers.{layer}.feed_forward.experts.down_proj",
    ],
    expert_count_keys: &["num_local_experts"],
    ..MoeNaming::NONE
};

pub(super) struct Llama4Text;

impl Family for Llama4Text {
    fn name(&self) -> &'static str {
        "llama4_text"
    }

    fn naming(&self) -> &'static MoeNaming {
        &NAMING
    }

    fn spec(&self, config: &Config) -> Result<DecoderSpec, ModelError> {
        require_silu(config, self.name())?;
        let head_dim = config.optional_positive("head_dim")?.unwrap_or(128);
        let common = Common {
            norm_epsilon: epsilon(config, "rms_norm_eps", 1e-5)?,
            ..Common::with_head_dim(config, self.name(), Some(head_dim))?
        };
        let attention = attention(config, &common)?;
        let moe = experts(config)?;
        let intermediate = config.required_positive("intermediate_size_mlp")?;
        let sparse = sparse_layers(config, common.layers)?;
        let layer = |(index, attention)| {
            let feed_forward = if sparse.contains(&index) {
                BlockSpec::Moe(moe.clone())
            } else {
                BlockSpec::Dense(DenseSpec::silu("feed_forward.", intermediate))
            };
            common.layer(index, BlockSpec::Attention(attention), feed_forward)
        };
        Ok(common.decoder(attention.into_iter().enumerate().map(layer).collect()))
    }
}

/// One per layer.
fn attention(config: &Config, common: &Common) -> Result<Vec<AttentionSpec>, ModelError> {
    let rope = RopeSpec {
        pairing: Pairing::Pairs,
        ..rope(config, common, RopeDefaults::theta(500_000.0))?
    };
    let rotated = rotated_layers(config, common.layers)?;
    let types = layer_types(config, common, &["chunked_attention", "full_attention"])?;
    let chunk = config
        .optional_positive("attention_chunk_size")?
        .map_or(Sight::Full, Sight::Chunk);
    let bias = config.optional_bool("attention_bias")?.unwrap_or(false);
    let normed = config.optional_bool("use_qk_norm")?.unwrap_or(true);
    let norm = QueryKeyNormSpec {
        order: NormOrder::AfterRotation,
        ..QueryKeyNormSpec::new(
            NormWidth::PerHead,
            NormSpec {
                kind: NormKind::RmsPlain,
                epsilon: common.norm_epsilon,
            },
        )
    };
    let temperature = Temperature {
        floor: config.optional_positive("floor_scale")?.unwrap_or(8192) as f64,
        scale: config.optional_f64("attn_scale")?.unwrap_or(0.1),
    };
    let tuned = config.optional_bool("attn_temperature_tuning")?.unwrap_or(true);
    let layer = |(index, rotated): (usize, bool)| {
        let chunked = types
            .as_ref()
            .map_or(rotated, |types| types[index] == "chunked_attention");
        AttentionSpec {
            input_bias: bias,
            output_bias: bias,
            query_key_norm: (normed && rotated).then(|| norm.clone()),
            sight: if chunked { chunk } else { Sight::Full },
            temperature: (tuned && !rotated).then_some(temperature),
            ..AttentionSpec::plain(
                common.heads,
                common.key_value_heads,
                common.head_dim,
                rotated.then(|| rope.clone()),
            )
        }
    };
    Ok(rotated.into_iter().enumerate().map(layer).collect())
}

/// `no_rope_layers` has 1 where there *is* a rotary embedding; by default all but every fourth.
fn rotated_layers(config: &Config, layers: usize) -> Result<Vec<bool>, ModelError> {
    let list = config.optional_usize_list("no_rope_layers")?.unwrap_or_default();
    let every = config.optional_positive("no_rope_layer_interval")?.unwrap_or(4);
    if list.is_empty() {
        return Ok((0..layers).map(|index| !(index + 1).is_multiple_of(every)).collect());
    }
    if list.len() != layers {
        let expected = format!("one entry per layer: num_hidden_layers = {layers}");
        return Err(config.invalid("no_rope_layers", expected).into());
    }
    Ok(list.into_iter().map(|flag| flag != 0).collect())
}

fn sparse_layers(config: &Config, layers: usize) -> Result<Vec<usize>, ModelError> {
    let step = config.optional_positive("interleave_moe_layer_step")?.unwrap_or(1);
    Ok(match config.optional_usize_list("moe_layers")? {
        Some(list) => list,
        None => (step - 1..layers).step_by(step).collect(),
    })
}

fn experts(config: &Config) -> Result<MoeSpec, ModelError> {
    let (experts, top_k) = expert_counts(config, NAMING.expert_count_keys, "num_experts_per_tok")?;
    let intermediate = config.required_positive("intermediate_size")?;
    Ok(MoeSpec {
        experts,
        top_k,
        intermediate,
        activation: Activation::SiluGated,
        layout: ExpertLayout::Fused(FusedNames {
            gate_up: "feed_forward.experts.gate_up_proj".into(),
            down: "feed_forward.experts.down_proj".into(),
            transposed: true,
            interleaved: false,
            biases: None,
            mxfp4: false,
        }),
        router: RouterSpec {
            scoring: Scoring::SigmoidOnInput,
            ..RouterSpec::softmax("feed_forward.router.weight", false)
        },
        shared: Some(SharedExpertSpec {
            prefix: "feed_forward.shared_expert.".into(),
            names: MlpNames::projections(),
            intermediate,
            gate: None,
        }),
    })
}
