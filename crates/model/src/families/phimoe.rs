//! Phi-3.5-MoE: `sparsemixer` router with two experts, layer norms with biases, bias on the output projection, `LongRoPE`.
//!
//! Source: `PhimoeForCausalLM` in transformers 5.23; <https://arxiv.org/abs/2404.14219>. Its rotary embedding divides by the short
//! factors at every length; only the scale of cosine and sine follows it.

use super::common::{Common, epsilon, expert_counts, require_silu, unsupported};
use super::rope::{RopeDefaults, parameters, rope};
use super::{BLOCK_SPARSE_EXPERTS, Family};
use crate::blocks::rope::{LongRope, RopeScaling, RopeSpec};
use crate::checkpoint::Config;
use crate::error::ModelError;
use crate::export::MoeNaming;
use crate::spec::{
    Activation, AttentionSpec, BlockSpec, DecoderSpec, ExpertLayout, LayerSpec, MlpNames, MoeSpec, NormKind, NormSpec,
    RouterSpec, Scoring, Sight, StepSpec,
};

pub(super) struct Phimoe;

impl Family for Phimoe {
    fn name(&self) -> &'static str {
        "phimoe"
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
        let norm = NormSpec {
            kind: NormKind::Layer,
            epsilon: common.norm_epsilon,
        };
        let bias = config.optional_bool("attention_bias")?.unwrap_or(false);
        let attention = AttentionSpec {
            input_bias: bias,
            output_bias: bias,
            sight: Sight::window(config.optional_positive("sliding_window")?),
            ..AttentionSpec::plain(
                common.heads,
                common.key_value_heads,
                common.head_dim,
                Some(short_rope(config, &common)?),
            )
        };
        let (experts, top_k) = expert_counts(config, self.naming().expert_count_keys, "num_experts_per_tok")?;
        if top_k != 2 {
            let found = top_k.to_string();
            return Err(unsupported(
                config,
                self.name(),
                "num_experts_per_tok",
                &found,
                "2: the router mixes two",
            ));
        }
        let moe = MoeSpec {
            experts,
            top_k,
            intermediate: config.required_positive("intermediate_size")?,
            activation: Activation::SiluGated,
            layout: ExpertLayout::per_expert("block_sparse_moe.experts.{expert}.", MlpNames::numbered()),
            router: RouterSpec {
                scoring: Scoring::Sparsemixer {
                    jitter: config.optional_f64("router_jitter_noise")?.unwrap_or(0.01),
                },
                ..RouterSpec::softmax("block_sparse_moe.gate.weight", false)
            },
            shared: None,
        };
        let layer = |index| LayerSpec {
            prefix: format!("model.layers.{index}."),
            residual_scale: 1.0,
            steps: vec![
                StepSpec::before("input_layernorm", norm, BlockSpec::Attention(attention.clone())),
                StepSpec::before("post_attention_layernorm", norm, BlockSpec::Moe(moe.clone())),
            ],
        };
        let mut decoder = common.decoder((0..common.layers).map(layer).collect());
        decoder.final_norm = norm;
        decoder.output_bias = config.optional_bool("lm_head_bias")?.unwrap_or(false);
        Ok(decoder)
    }
}

/// The rotary embedding with its own scales in place of the general ones.
fn short_rope(config: &Config, common: &Common) -> Result<RopeSpec, ModelError> {
    let rope = rope(config, common, RopeDefaults::theta(1_000_000.0))?;
    let scaling = match (rope.scaling, parameters(config)?) {
        (RopeScaling::Long(long), Some(parameters)) => RopeScaling::Long(LongRope {
            long: long.short.clone(),
            short_scale: parameters.required_f64("short_mscale")?,
            long_scale: parameters.required_f64("long_mscale")?,
            ..long
        }),
        (RopeScaling::Default, _) => RopeScaling::Default,
        _ => {
            let expected = "`default` or `longrope`";
            return Err(unsupported(
                config,
                common.family,
                "rope_scaling.type",
                "another type",
                expected,
            ));
        }
    };
    Ok(RopeSpec { scaling, ..rope })
}
