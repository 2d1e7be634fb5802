//! Hunyuan-A13B: norm of queries and keys after the rotary embedding, softmax router, a shared network beside the experts.
//!
//! Source: `HunYuanMoEV1ForCausalLM` in transformers 5.23. Its `dynamic` rotary embedding with an `alpha` is a fixed larger base.

use super::Family;
use super::common::{Common, epsilon, require_silu, unsupported};
use super::rope::{RopeDefaults, parameters, rope};
use crate::blocks::rope::{RopeScaling, RopeSpec};
use crate::checkpoint::Config;
use crate::error::ModelError;
use crate::export::MoeNaming;
use crate::spec::{
    Activation, AttentionSpec, BlockSpec, DecoderSpec, ExpertLayout, MlpNames, MoeSpec, NormOrder, NormWidth,
    QueryKeyNormSpec, RouterSpec, SharedExpertSpec,
};

const NAMING: MoeNaming = MoeNaming {
    expert_prefix: Some("model.layers.{layer}.mlp.experts.{expert}."),
    row_sliced: &["model.layers.{layer}.mlp.gate.wg.weight"],
    expert_count_keys: &["num_experts"],
    top_k_keys: &["moe_topk"],
    ..MoeNaming::NONE
};

pub(super) struct HunyuanV1Moe;

impl Family for HunyuanV1Moe {
    fn name(&self) -> &'static str {
        "hunyuan_v1_moe"
    }

    fn naming(&self) -> &'static MoeNaming {
        &NAMING
    }

    fn spec(&self, config: &Config) -> Result<DecoderSpec, ModelError> {
        require_silu(config, self.name())?;
        let head_dim = match config.optional_positive("head_dim")? {
            Some(width) => Some(width),
            None => config.optional_positive("attention_head_dim")?,
        };
        let common = Common {
            norm_epsilon: epsilon(config, "rms_norm_eps", 1e-5)?,
            ..Common::with_head_dim(config, self.name(), head_dim)?
        };
        let bias = config.optional_bool("attention_bias")?.unwrap_or(false);
        let attention = AttentionSpec {
            input_bias: bias,
            output_bias: bias,
            query_key_norm: Some(QueryKeyNormSpec {
                names: ["query_layernorm", "key_layernorm"].map(str::to_owned),
                order: NormOrder::AfterRotation,
                ..QueryKeyNormSpec::new(NormWidth::PerHead, common.norm())
            }),
            ..AttentionSpec::plain(
                common.heads,
                common.key_value_heads,
                common.head_dim,
                Some(alpha_rope(config, &common)?),
            )
        };
        let experts = same_everywhere(config, &common, "num_experts")?;
        let top_k = same_everywhere(config, &common, "moe_topk")?;
        if top_k > experts {
            let expected = format!("at most num_experts = {experts}");
            return Err(config.invalid("moe_topk", expected).into());
        }
        let intermediate = config.required_positive("intermediate_size")?;
        let moe = MoeSpec {
            experts,
            top_k,
            intermediate,
            activation: Activation::SiluGated,
            layout: ExpertLayout::per_expert("mlp.experts.{expert}.", MlpNames::projections()),
            router: RouterSpec::softmax("mlp.gate.wg.weight", true),
            shared: Some(SharedExpertSpec {
                prefix: "mlp.shared_mlp.".into(),
                names: MlpNames::projections(),
                intermediate,
                gate: None,
            }),
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

/// A number, or a list with the same number for every layer.
fn same_everywhere(config: &Config, common: &Common, field: &str) -> Result<usize, ModelError> {
    let is_list = config.value(field).is_some_and(serde_json::Value::is_array);
    let count = if is_list {
        let list = config.optional_usize_list(field)?.unwrap_or_default();
        match list.first() {
            Some(&first) if list.len() >= common.layers && list.iter().all(|&n| n == first) => first,
            _ => {
                let expected = "one number, or the same for every layer";
                return Err(unsupported(
                    config,
                    common.family,
                    field,
                    "a list of different numbers",
                    expected,
                ));
            }
        }
    } else {
        config.required_positive(field)?
    };
    if (1..=65_536).contains(&count) {
        Ok(count)
    } else {
        Err(config.invalid(field, "a number from 1 to 65536").into())
    }
}

fn alpha_rope(config: &Config, common: &Common) -> Result<RopeSpec, ModelError> {
    let alpha = match parameters(config)? {
        Some(parameters) => parameters.optional_f64("alpha")?.filter(|&alpha| alpha != 0.0),
        None => None,
    };
    let rope = rope(config, common, RopeDefaults::theta(10_000.0))?;
    match (alpha, &rope.scaling) {
        (Some(alpha), RopeScaling::Dynamic { .. }) if rope.width > 2 => {
            let width = rope.width as f64;
            Ok(RopeSpec {
                theta: rope.theta * alpha.powf(width / (width - 2.0)),
                scaling: RopeScaling::Default,
                ..rope
            })
        }
        _ => Ok(rope),
    }
}
