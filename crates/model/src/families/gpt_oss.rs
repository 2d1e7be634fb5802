//! GPT-OSS: attention sinks, every other layer with a sliding window, `YaRN`, biases everywhere, fused experts with interleaved
//! gate and up and a clamped activation; experts in bf16 or in MXFP4, which stays packed.
//!
//! Source: `GptOssForCausalLM` in transformers 5.23; <https://arxiv.org/abs/2508.10925>.

use super::Family;
use super::common::{Common, epsilon, expert_counts, layer_types, unsupported};
use super::rope::{RopeDefaults, parameters, rope};
use crate::blocks::rope::{RopeScaling, RopeSpec, Yarn};
use crate::checkpoint::Config;
use crate::error::ModelError;
use crate::export::MoeNaming;
use crate::spec::{
    Activation, AttentionSpec, BlockSpec, DecoderSpec, ExpertLayout, FusedNames, MoeSpec, RouterSpec, Scoring, Sight,
};

const NAMING: MoeNaming = MoeNaming {
    row_sliced: &[
        "model.layers.{layer}.mlp.router.weight",
        "model.layers.{layer}.mlp.router.bias",
    ],
    fused: &[
        "model.layers.{layer}.mlp.experts.gate_up_proj",
        "model.layers.{layer}.mlp.experts.gate_up_proj_bias",
        "model.layers.{layer}.mlp.experts.gate_up_proj_blocks",
        "model.layers.{layer}.mlp.experts.gate_up_proj_scales",
        "model.layers.{layer}.mlp.experts.down_proj",
        "model.layers.{layer}.mlp.experts.down_proj_bias",
        "model.layers.{layer}.mlp.experts.down_proj_blocks",
        "model.layers.{layer}.mlp.experts.down_proj_scales",
    ],
    expert_count_keys: &["num_local_experts", "num_experts"],
    top_k_keys: &["num_experts_per_tok", "experts_per_token"],
    ..MoeNaming::NONE
};

pub(super) struct GptOss;

impl Family for GptOss {
    fn name(&self) -> &'static str {
        "gpt_oss"
    }

    fn naming(&self) -> &'static MoeNaming {
        &NAMING
    }

    fn spec(&self, config: &Config) -> Result<DecoderSpec, ModelError> {
        let head_dim = config.optional_positive("head_dim")?.unwrap_or(64);
        let common = Common {
            norm_epsilon: epsilon(config, "rms_norm_eps", 1e-5)?,
            ..Common::with_head_dim(config, self.name(), Some(head_dim))?
        };
        let bias = config.optional_bool("attention_bias")?.unwrap_or(true);
        let attention = AttentionSpec {
            input_bias: bias,
            output_bias: bias,
            sinks: true,
            ..AttentionSpec::plain(
                common.heads,
                common.key_value_heads,
                common.head_dim,
                Some(yarn_by_default(config, &common)?),
            )
        };
        let window = config.optional_positive("sliding_window")?.unwrap_or(128);
        let types = layer_types(config, &common, &["sliding_attention", "full_attention"])?;
        let slides = |index: usize| match &types {
            Some(types) => types[index] == "sliding_attention",
            None => index.is_multiple_of(2),
        };
        let moe = experts(config, &common)?;
        let layer = |index| {
            let attention = AttentionSpec {
                sight: Sight::window(slides(index).then_some(window)),
                ..attention.clone()
            };
            common.layer(index, BlockSpec::Attention(attention), BlockSpec::Moe(moe.clone()))
        };
        Ok(common.decoder((0..common.layers).map(layer).collect()))
    }
}

fn experts(config: &Config, common: &Common) -> Result<MoeSpec, ModelError> {
    let key = if config.has("num_experts_per_tok") {
        "num_experts_per_tok"
    } else {
        "experts_per_token"
    };
    let (experts, top_k) = expert_counts(config, NAMING.expert_count_keys, key)?;
    let intermediate = config.required_positive("intermediate_size")?;
    let mxfp4 = is_mxfp4(config, common.family)?;
    if mxfp4 {
        for (field, width) in [("hidden_size", common.hidden), ("intermediate_size", intermediate)] {
            if !width.is_multiple_of(32) {
                return Err(config
                    .invalid(field, "a multiple of 32, the length of an MXFP4 block")
                    .into());
            }
        }
    }
    let limit = config.optional_f64("swiglu_limit")?.unwrap_or(7.0);
    if limit <= 0.0 {
        return Err(config.invalid("swiglu_limit", "a positive number").into());
    }
    Ok(MoeSpec {
        experts,
        top_k,
        intermediate,
        activation: Activation::ClampedGated {
            alpha: config.optional_f64("swiglu_alpha")?.unwrap_or(1.702),
            limit,
        },
        layout: ExpertLayout::Fused(FusedNames {
            gate_up: "mlp.experts.gate_up_proj".into(),
            down: "mlp.experts.down_proj".into(),
            transposed: !mxfp4,
            interleaved: true,
            biases: Some(["mlp.experts.gate_up_proj_bias", "mlp.experts.down_proj_bias"].map(str::to_owned)),
            mxfp4,
        }),
        router: RouterSpec {
            bias: Some("mlp.router.bias".into()),
            scoring: Scoring::SoftmaxOfSelected,
            ..RouterSpec::softmax("mlp.router.weight", false)
        },
        shared: None,
    })
}

/// Whether the experts are packed. `modules_to_not_convert` repeats what the tensors' names say.
fn is_mxfp4(config: &Config, family: &'static str) -> Result<bool, ModelError> {
    let Some(quantisation) = config.optional_object("quantization_config")? else {
        return Ok(false);
    };
    let _ = quantisation.has("modules_to_not_convert");
    match quantisation.required_str("quant_method")? {
        "mxfp4" => Ok(true),
        other => {
            let found = format!("`{other}`");
            Err(unsupported(
                config,
                family,
                "quantization_config.quant_method",
                &found,
                "`mxfp4`",
            ))
        }
    }
}

fn yarn_by_default(config: &Config, common: &Common) -> Result<RopeSpec, ModelError> {
    let stated = parameters(config)?.is_some();
    let mut rope = rope(config, common, RopeDefaults::theta(150_000.0))?;
    if !stated {
        rope.scaling = RopeScaling::Yarn(Yarn {
            factor: 32.0,
            original_positions: 4096,
            beta_fast: 32.0,
            beta_slow: 1.0,
            attention_factor: super::rope::yarn_scale(32.0, 1.0),
            truncate: false,
        });
    }
    Ok(rope)
}
