//! Qwen3-MoE: per-head norm of queries and keys, softmax router, optional dense layers.
//!
//! Source: `Qwen3MoeForCausalLM` in transformers 5.23; <https://arxiv.org/abs/2505.09388>.

use super::common::{Common, expert_counts, require_silu, sliding_window};
use super::rope::{RopeDefaults, rope};
use super::{Family, MLP_EXPERTS};
use crate::checkpoint::Config;
use crate::error::ModelError;
use crate::export::MoeNaming;
use crate::spec::{
    Activation, AttentionSpec, BlockSpec, DecoderSpec, DenseSpec, ExpertLayout, MlpNames, MoeSpec, NormWidth,
    QueryKeyNormSpec, RouterSpec, Sight,
};

pub(super) struct Qwen3Moe;

impl Family for Qwen3Moe {
    fn name(&self) -> &'static str {
        "qwen3_moe"
    }

    fn naming(&self) -> &'static MoeNaming {
        &MLP_EXPERTS
    }

    fn spec(&self, config: &Config) -> Result<DecoderSpec, ModelError> {
        require_silu(config, self.name())?;
        let common = Common::read(config, self.name())?;
        let rope = rope(config, &common, RopeDefaults::theta(10_000.0))?;
        let windowed = config.optional_bool("use_sliding_window")?.unwrap_or(false);
        let window = if windowed { sliding_window(config, 4096)? } else { None };
        let bias = config.optional_bool("attention_bias")?.unwrap_or(false);
        let attention = AttentionSpec {
            input_bias: bias,
            output_bias: bias,
            query_key_norm: Some(QueryKeyNormSpec::new(NormWidth::PerHead, common.norm())),
            sight: Sight::window(window),
            ..AttentionSpec::plain(common.heads, common.key_value_heads, common.head_dim, Some(rope))
        };
        let (experts, top_k) = expert_counts(config, self.naming().expert_count_keys, "num_experts_per_tok")?;
        let renormalise = config.optional_bool("norm_topk_prob")?.unwrap_or(false);
        let moe = MoeSpec {
            experts,
            top_k,
            intermediate: config.required_positive("moe_intermediate_size")?,
            activation: Activation::SiluGated,
            layout: ExpertLayout::per_expert("mlp.experts.{expert}.", MlpNames::projections()),
            router: RouterSpec::softmax("mlp.gate.weight", renormalise),
            shared: None,
        };
        let sparse = SparseLayers::read(config)?;
        let layers = (0..common.layers)
            .map(|index| {
                let feed_forward = if sparse.contains(index) {
                    BlockSpec::Moe(moe.clone())
                } else {
                    sparse.dense(config)?
                };
                Ok(common.layer(index, BlockSpec::Attention(attention.clone()), feed_forward))
            })
            .collect::<Result<_, ModelError>>()?;
        Ok(common.decoder(layers))
    }
}

/// Which layers have experts, as Qwen's configs say it.
pub(super) struct SparseLayers {
    dense: Vec<usize>,
    step: usize,
    intermediate: Option<usize>,
}

impl SparseLayers {
    /// `mlp_only_layers`, `decoder_sparse_step`, and the width of dense layers.
    pub(super) fn read(config: &Config) -> Result<Self, ModelError> {
        Ok(Self {
            dense: config.optional_usize_list("mlp_only_layers")?.unwrap_or_default(),
            step: config.optional_positive("decoder_sparse_step")?.unwrap_or(1),
            intermediate: config.optional_positive("intermediate_size")?,
        })
    }

    pub(super) fn contains(&self, layer: usize) -> bool {
        !self.dense.contains(&layer) && (layer + 1).is_multiple_of(self.step)
    }

    /// The block of the other layers.
    pub(super) fn dense(&self, config: &Config) -> Result<BlockSpec, ModelError> {
        let intermediate = self
            .intermediate
            .ok_or_else(|| config.invalid("intermediate_size", "the width of dense layers"))?;
        Ok(BlockSpec::Dense(DenseSpec::silu("mlp.", intermediate)))
    }
}
