//! `DeepSeek`-V3 and R1: latent attention, sigmoid router with a selection bias and groups, a shared expert, dense first layers.
//!
//! Source: `DeepseekV3ForCausalLM` in transformers 5.23; <https://arxiv.org/abs/2412.19437>. Layers beyond the last one predict
//! further tokens and are left alone.

use super::common::{SigmoidDefaults, require_silu, sigmoid_moe, unsupported};
use super::{Family, ROUTED_EXPERTS, latent};
use crate::blocks::rope::Pairing;
use crate::checkpoint::Config;
use crate::error::ModelError;
use crate::export::MoeNaming;
use crate::spec::DecoderSpec;

pub(super) struct DeepseekV3;

impl Family for DeepseekV3 {
    fn name(&self) -> &'static str {
        "deepseek_v3"
    }

    fn naming(&self) -> &'static MoeNaming {
        &ROUTED_EXPERTS
    }

    fn spec(&self, config: &Config) -> Result<DecoderSpec, ModelError> {
        require_silu(config, self.name())?;
        let common = latent::common(config, self.name())?;
        let pairing = if config.optional_bool("rope_interleave")?.unwrap_or(true) {
            Pairing::Pairs
        } else {
            Pairing::Halves
        };
        let attention = latent::attention(config, &common, pairing)?;
        match config.optional_str("scoring_func")? {
            None | Some("sigmoid") => {}
            Some(other) => {
                let found = format!("`{other}`");
                return Err(unsupported(config, self.name(), "scoring_func", &found, "`sigmoid`"));
            }
        }
        let defaults = SigmoidDefaults {
            normalise: true,
            scale: 2.5,
            groups: [8, 4],
        };
        let moe = sigmoid_moe(config, self.naming().expert_count_keys, defaults, 1)?;
        latent::decoder(config, &common, &attention, &moe, 3)
    }
}
