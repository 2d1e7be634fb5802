//! `MiniMax`-M2: norm of queries and keys over the whole projection, partial rotary embedding, sigmoid router with a selection bias.
//!
//! Source: `MiniMaxM2ForCausalLM` in transformers 5.23.

use super::Family;
use super::common::{Common, expert_counts, require_silu, unsupported};
use super::rope::{RopeDefaults, rope};
use crate::checkpoint::Config;
use crate::error::ModelError;
use crate::export::MoeNaming;
use crate::spec::{
    Activation, AttentionSpec, BlockSpec, DecoderSpec, ExpertLayout, MlpNames, MoeSpec, NormWidth, QueryKeyNormSpec,
    RouterSpec, Scoring,
};

const NAMING: MoeNaming = MoeNaming {
    expert_prefix: Some("model.layers.{layer}.block_sparse_moe.experts.{expert}."),
    row_sliced: &[
        "model.layers.{layer}.block_sparse_moe.gate.weight",
        "model.layers.{layer}.block_sparse_moe.e_score_correction_bias",
    ],
    expert_count_keys: &["num_local_experts"],
    ..MoeNaming::NONE
};

pub(super) struct MinimaxM2;

impl Family for MinimaxM2 {
    fn name(&self) -> &'static str {
        "minimax_m2"
    }

    fn naming(&self) -> &'static MoeNaming {
        &NAMING
    }

    fn spec(&self, config: &Config) -> Result<DecoderSpec, ModelError> {
        require_silu(config, self.name())?;
        let head_dim = config.optional_positive("head_dim")?.unwrap_or(128);
        let common = Common::with_head_dim(config, self.name(), Some(head_dim))?;
        for (field, only) in [("scoring_func", "sigmoid"), ("qk_norm_type", "per_layer")] {
            if let Some(other) = config.optional_str(field)?.filter(|found| *found != only) {
                let (found, expected) = (format!("`{other}`"), format!("`{only}`"));
                return Err(unsupported(config, self.name(), field, &found, &expected));
            }
        }
        for field in ["use_qk_norm", "use_routing_bias"] {
            if config.optional_bool(field)? == Some(false) {
                return Err(unsupported(config, self.name(), field, "false", "true"));
            }
        }
        let rotary = config.optional_positive("rotary_dim")?.unwrap_or(head_dim);
        let defaults = RopeDefaults {
            theta: 5_000_000.0,
            partial: Some(rotary as f64 / head_dim as f64),
        };
        let attention = AttentionSpec {
            query_key_norm: Some(QueryKeyNormSpec::new(NormWidth::Flat, common.norm())),
            ..AttentionSpec::plain(
                common.heads,
                common.key_value_heads,
                common.head_dim,
                Some(rope(config, &common, defaults)?),
            )
        };
        let (experts, top_k) = expert_counts(config, NAMING.expert_count_keys, "num_experts_per_tok")?;
        let moe = MoeSpec {
            experts,
            top_k,
            intermediate: config.required_positive("intermediate_size")?,
            activation: Activation::SiluGated,
            layout: ExpertLayout::per_expert("block_sparse_moe.experts.{expert}.", MlpNames::numbered()),
            router: RouterSpec {
                scoring: Scoring::Sigmoid,
                selection_bias: Some("block_sparse_moe.e_score_correction_bias".into()),
                ..RouterSpec::softmax("block_sparse_moe.gate.weight", true)
            },
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
