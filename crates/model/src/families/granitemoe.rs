//! Granite 3.0 with experts: fused experts, softmax among the selected, multipliers on embeddings, residuals, scores and logits.
//!
//! Source: `GraniteMoeForCausalLM` in transformers 5.23.

use super::Family;
use super::common::{Common, expert_counts, require_silu};
use super::rope::{RopeDefaults, rope};
use crate::checkpoint::Config;
use crate::error::ModelError;
use crate::export::MoeNaming;
use crate::spec::{
    Activation, AttentionSpec, BlockSpec, DecoderSpec, ExpertLayout, FusedNames, LayerSpec, MoeSpec, RouterSpec,
    Scoring,
};

const NAMING: MoeNaming = MoeNaming {
    row_sliced: &["model.layers.{layer}.block_sparse_moe.router.layer.weight"],
    fused: &[
        "model.layers.{layer}.block_sparse_moe.input_linear.weight",
        "model.layers.{layer}.block_sparse_moe.output_linear.weight",
    ],
    expert_count_keys: &["num_local_experts"],
    ..MoeNaming::NONE
};

pub(super) struct GraniteMoe;

impl Family for GraniteMoe {
    fn name(&self) -> &'static str {
        "granitemoe"
    }

    fn naming(&self) -> &'static MoeNaming {
        &NAMING
    }

    fn spec(&self, config: &Config) -> Result<DecoderSpec, ModelError> {
        require_silu(config, self.name())?;
        let common = Common::read(config, self.name())?;
        let rope = rope(config, &common, RopeDefaults::theta(10_000.0))?;
        let factor = |field: &str| -> Result<f64, ModelError> {
            match config.optional_f64(field)?.unwrap_or(1.0) {
                0.0 => Err(config.invalid(field, "a number other than 0").into()),
                factor => Ok(factor),
            }
        };
        let bias = config.optional_bool("attention_bias")?.unwrap_or(false);
        let attention = AttentionSpec {
            input_bias: bias,
            output_bias: bias,
            scale: factor("attention_multiplier")?,
            ..AttentionSpec::plain(common.heads, common.key_value_heads, common.head_dim, Some(rope))
        };
        let (experts, top_k) = expert_counts(config, NAMING.expert_count_keys, "num_experts_per_tok")?;
        let moe = MoeSpec {
            experts,
            top_k,
            intermediate: config.required_positive("intermediate_size")?,
            activation: Activation::SiluGated,
            layout: ExpertLayout::Fused(FusedNames {
                gate_up: "block_sparse_moe.input_linear.weight".into(),
                down: "block_sparse_moe.output_linear.weight".into(),
                transposed: false,
                interleaved: false,
                biases: None,
                mxfp4: false,
            }),
            router: RouterSpec {
                scoring: Scoring::SoftmaxOfSelected,
                ..RouterSpec::softmax("block_sparse_moe.router.layer.weight", false)
            },
            shared: None,
        };
        let residual_scale = factor("residual_multiplier")?;
        let layer = |index| LayerSpec {
            residual_scale,
            ..common.layer(
                index,
                BlockSpec::Attention(attention.clone()),
                BlockSpec::Moe(moe.clone()),
            )
        };
        let mut decoder = common.decoder((0..common.layers).map(layer).collect());
        decoder.embedding_scale = factor("embedding_multiplier")?;
        decoder.logits_divisor = factor("logits_scaling")?;
        Ok(decoder)
    }
}
