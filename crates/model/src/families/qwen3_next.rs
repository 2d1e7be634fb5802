//! Qwen3-Next: see [`super::qwen_hybrid`]. Projections of `DeltaNet` grouped by key head, experts one by one, dense layers where the
//! config says so.

use super::qwen_hybrid::Hybrid;
use super::qwen3_moe::SparseLayers;
use super::{Family, MLP_EXPERTS};
use crate::checkpoint::Config;
use crate::error::ModelError;
use crate::export::MoeNaming;
use crate::spec::{BlockSpec, DecoderSpec, DeltaNetLayout, ExpertLayout, MlpNames};

pub(super) struct Qwen3Next;

impl Family for Qwen3Next {
    fn name(&self) -> &'static str {
        "qwen3_next"
    }

    fn naming(&self) -> &'static MoeNaming {
        &MLP_EXPERTS
    }

    fn spec(&self, config: &Config) -> Result<DecoderSpec, ModelError> {
        let sparse = SparseLayers::read(config)?;
        Hybrid {
            family: self.name(),
            config,
            prefix: "model.",
            delta_net: DeltaNetLayout::PerKeyHead,
            experts: ExpertLayout::per_expert("mlp.experts.{expert}.", MlpNames::projections()),
            renormalise: config.optional_bool("norm_topk_prob")?.unwrap_or(true),
        }
        .decoder(&|layer, moe| {
            if sparse.contains(layer) {
                Ok(BlockSpec::Moe(moe.clone()))
            } else {
                sparse.dense(config)
            }
        })
    }
}
