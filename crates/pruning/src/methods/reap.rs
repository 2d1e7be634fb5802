//! Keeps the experts whose weighted outputs are large on the tokens they serve.
//!
//! Source: REAP, <https://arxiv.org/abs/2510.13999>:
//!
//! ```text
//! S_i = 1/n_i · Σ_{t ∈ T_i} g_ti · ‖E_i(x_t)‖₂
//! ```
//!
//! An expert no token reached scores 0 and goes first. The weight is the one the model uses; REAP's public code takes a softmax
//! of the raw logits for every router. The paper profile is the sum without `1/n_i`, as the code of arXiv:2607.01444 computes,
//! which also misreads the experts of GPT-OSS.

use super::{LayerView, Method, Profile, Saliency};
use crate::statistics::Statistic;

pub(super) struct Reap;

impl Method for Reap {
    fn name(&self) -> &'static str {
        "reap"
    }

    fn source(&self) -> &'static str {
        "REAP, arXiv:2510.13999"
    }

    fn equation(&self, profile: Profile) -> &'static str {
        match profile {
            Profile::Reference => "1/|T_i| · Σ_{t∈T_i} g_ti ‖E_i(x_t)‖, 0 where T_i is empty",
            Profile::Paper => "Σ_{t∈T_i} g_ti ‖E_i(x_t)‖",
        }
    }

    fn profiles(&self) -> &'static [Profile] {
        &[Profile::Reference, Profile::Paper]
    }

    fn needs(&self, profile: Profile) -> &'static [Statistic] {
        match profile {
            Profile::Reference => &[Statistic::RoutedTokens, Statistic::GatedOutputNorm],
            Profile::Paper => &[Statistic::MisreadGatedOutputNorm],
        }
    }

    fn score(&self, layer: &LayerView<'_>, profile: Profile) -> Saliency {
        match profile {
            Profile::Reference => layer.per_routed_token(Statistic::GatedOutputNorm),
            Profile::Paper => layer.as_score(Statistic::MisreadGatedOutputNorm),
        }
    }
}
