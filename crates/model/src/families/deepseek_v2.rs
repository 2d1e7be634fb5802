//! `DeepSeek`-V2: latent attention, softmax router that picks greedily or within groups, shared experts.
//!
//! Source: `DeepseekV2ForCausalLM` in transformers 5.23; <https://arxiv.org/abs/2405.04434>. As there, weights are never divided by
//! their sum, whatever `norm_topk_prob` says.

use super::common::{expert_counts, groups, require_silu, shared_experts, unsupported};
use super::{Family, ROUTED_EXPERTS, latent};
use crate::blocks::rope::Pairing;
use crate::checkpoint::Config;
use crate::error::ModelError;
use crate::export::MoeNaming;
use crate::spec::{Activation, DecoderSpec, ExpertLayout, GroupScore, MlpNames, MoeSpec, RouterSpec};

pub(super) struct DeepseekV2;

impl Family for DeepseekV2 {
    fn name(&self) -> &'static str {
        "deepseek_v2"
    }

    fn naming(&self) -> &'static MoeNaming {
        &ROUTED_EXPERTS
    }

    fn spec(&self, config: &Config) -> Result<DecoderSpec, ModelError> {
        require_silu(config, self.name())?;
        let common = latent::common(config, self.name())?;
        let attention = latent::attention(config, &common, Pairing::Pairs)?;
        let (experts, top_k) = expert_counts(config, self.naming().expert_count_keys, "num_experts_per_tok")?;
        let refuse = |option: &str, found: &str, expected: &str| {
            Err(unsupported(
                config,
                self.name(),
                option,
                &format!("`{found}`"),
                expected,
            ))
        };
        let groups = match config.optional_str("topk_method")?.unwrap_or("greedy") {
            "greedy" => None,
            "group_limited_greedy" => groups(config, experts, top_k, [1, 1], GroupScore::Max)?,
            other => return refuse("topk_method", other, "`greedy` or `group_limited_greedy`"),
        };
        match config.optional_str("scoring_func")? {
            None | Some("softmax") => {}
            Some(other) => return refuse("scoring_func", other, "`softmax`"),
        }
        if config.optional_bool("mlp_bias")?.unwrap_or(false) {
            return refuse("mlp_bias", "true", "false");
        }
        let intermediate = config.required_positive("moe_intermediate_size")?;
        let moe = MoeSpec {
            experts,
            top_k,
            intermediate,
            activation: Activation::SiluGated,
            layout: ExpertLayout::per_expert("mlp.experts.{expert}.", MlpNames::projections()),
            router: RouterSpec {
                groups,
                scale: config.optional_f64("routed_scaling_factor")?.unwrap_or(1.0),
                ..RouterSpec::softmax("mlp.gate.weight", false)
            },
            shared: shared_experts(config, "n_shared_experts", 2, intermediate)?,
        };
        latent::decoder(config, &common, &attention, &moe, 0)
    }
}
