//! ERNIE 4.5: interleaved rotary embedding, softmax router whose selection has a bias, shared experts, dense layers around.
//!
//! Source: `Ernie4_5_MoeForCausalLM` in transformers 5.23. The prediction of further tokens (`model.mtp_…`) is left alone.

use super::Family;
use super::common::{Common, epsilon, expert_counts, require_silu, shared_experts, unsupported};
use super::rope::{RopeDefaults, rope};
use crate::blocks::rope::{Pairing, RopeSpec};
use crate::checkpoint::Config;
use crate::error::ModelError;
use crate::export::MoeNaming;
use crate::spec::{
    Activation, AttentionSpec, BlockSpec, DecoderSpec, DenseSpec, ExpertLayout, MlpNames, MoeSpec, Normalise,
    RouterSpec,
};

const NAMING: MoeNaming = MoeNaming {
    expert_prefix: Some("model.layers.{layer}.mlp.experts.{expert}."),
    row_sliced: &["model.layers.{layer}.mlp.gate.weight"],
    column_sliced: &["model.layers.{layer}.mlp.moe_statics.e_score_correction_bias"],
    expert_count_keys: &["moe_num_experts"],
    top_k_keys: &["moe_k"],
    ..MoeNaming::NONE
};

pub(super) struct Ernie45Moe;

impl Family for Ernie45Moe {
    fn name(&self) -> &'static str {
        "ernie4_5_moe"
    }

    fn naming(&self) -> &'static MoeNaming {
        &NAMING
    }

    fn spec(&self, config: &Config) -> Result<DecoderSpec, ModelError> {
        require_silu(config, self.name())?;
        let common = Common {
            norm_epsilon: epsilon(config, "rms_norm_eps", 1e-5)?,
            tied_embeddings: config.optional_bool("tie_word_embeddings")?.unwrap_or(true),
            ..Common::read(config, self.name())?
        };
        if config.optional_bool("use_bias")?.unwrap_or(false) {
            return Err(unsupported(config, self.name(), "use_bias", "true", "false"));
        }
        let rope = RopeSpec {
            pairing: Pairing::Pairs,
            ..rope(config, &common, RopeDefaults::theta(500_000.0))?
        };
        let attention = AttentionSpec::plain(common.heads, common.key_value_heads, common.head_dim, Some(rope));
        let (experts, top_k) = expert_counts(config, NAMING.expert_count_keys, "moe_k")?;
        let inner = config.required_positive("moe_intermediate_size")?;
        let moe = MoeSpec {
            experts,
            top_k,
            intermediate: inner,
            activation: Activation::SiluGated,
            layout: ExpertLayout::per_expert("mlp.experts.{expert}.", MlpNames::projections()),
            router: RouterSpec {
                selection_bias: Some("mlp.moe_statics.e_score_correction_bias".into()),
                normalise: Normalise::Sum {
                    epsilon: 0.0,
                    floor: config.optional_f64("moe_norm_min")?.unwrap_or(1e-12),
                },
                ..RouterSpec::softmax("mlp.gate.weight", true)
            },
            shared: shared_experts(config, "moe_num_shared_experts", 2, inner)?,
        };
        let sparse = sparse_layers(config, common.layers)?;
        let intermediate = config.required_positive("intermediate_size")?;
        let layer = |index: usize| {
            let feed_forward = if sparse[index] {
                BlockSpec::Moe(moe.clone())
            } else {
                BlockSpec::Dense(DenseSpec::silu("mlp.", intermediate))
            };
            common.layer(index, BlockSpec::Attention(attention.clone()), feed_forward)
        };
        let mut decoder = common.decoder((0..common.layers).map(layer).collect());
        decoder.names.skipped.push("model.mtp_".into());
        Ok(decoder)
    }
}

/// Which layers have experts: every `moe_layer_interval`-th from `moe_layer_start_index` to `moe_layer_end_index`, −1 being the last.
fn sparse_layers(config: &Config, layers: usize) -> Result<Vec<bool>, ModelError> {
    let first = config.optional_usize("moe_layer_start_index")?.unwrap_or(1);
    let every = config.optional_positive("moe_layer_interval")?.unwrap_or(1);
    let last = match config.optional_f64("moe_layer_end_index")? {
        Some(-1.0) | None => layers - 1,
        Some(_) => config.required_usize("moe_layer_end_index")?,
    };
    let has = |layer: usize| (layer + 1).is_multiple_of(every) && (first..=last).contains(&layer);
    Ok((0..layers).map(has).collect())
}
