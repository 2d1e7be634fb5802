//! Keeps the experts whose outputs are large in sum (expert activation norm).
//!
//! Source: MC-Suite, <https://arxiv.org/abs/2504.05586>:
//!
//! ```text
//! S_i = Σ_{t ∈ T_i} ‖E_i(x_t)‖₂
//! ```
//!
//! The paper profile runs every expert on the first 256 tokens of each sample and ignores the routing, as the code of
//! arXiv:2607.01444 does.

use super::{LayerView, Method, Profile, Saliency};
use crate::statistics::Statistic;

pub(super) struct Ean;

impl Method for Ean {
    fn name(&self) -> &'static str {
        "ean"
    }

    fn source(&self) -> &'static str {
        "MC-Suite, arXiv:2504.05586"
    }

    fn equation(&self, profile: Profile) -> &'static str {
        match profile {
            Profile::Reference => "Σ_{t∈T_i} ‖E_i(x_t)‖",
            Profile::Paper => "Σ ‖E_i(x_t)‖ over the first 256 tokens of each sample, routed or not",
        }
    }

    fn profiles(&self) -> &'static [Profile] {
        &[Profile::Reference, Profile::Paper]
    }

    fn needs(&self, profile: Profile) -> &'static [Statistic] {
        match profile {
            Profile::Reference => &[Statistic::OutputNorm],
            Profile::Paper => &[Statistic::EveryExpertOutputNorm],
        }
    }

    fn score(&self, layer: &LayerView<'_>, profile: Profile) -> Saliency {
        layer.as_score(match profile {
            Profile::Reference => Statistic::OutputNorm,
            Profile::Paper => Statistic::EveryExpertOutputNorm,
        })
    }
}
