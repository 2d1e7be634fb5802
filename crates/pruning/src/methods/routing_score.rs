//! Keeps the experts that the router scores highest on average, whether it selects them or not.
//!
//! Source: S-prune as in HC-SMoE, <https://arxiv.org/abs/2410.08589>:
//!
//! ```text
//! S_i = 1/T · Σ_t p_ti
//! ```
//!
//! `p_ti`: the full softmax (or sigmoid) score, without selection bias; `T`: all tokens.

use super::{LayerView, Method, Profile, Saliency};
use crate::statistics::Statistic;

pub(super) struct RoutingScore;

impl Method for RoutingScore {
    fn name(&self) -> &'static str {
        "routing-score"
    }

    fn source(&self) -> &'static str {
        "S-prune in HC-SMoE, arXiv:2410.08589"
    }

    fn equation(&self, _profile: Profile) -> &'static str {
        "mean of p_ti over all tokens"
    }

    fn needs(&self, _profile: Profile) -> &'static [Statistic] {
        &[Statistic::RouterScore]
    }

    fn score(&self, layer: &LayerView<'_>, _profile: Profile) -> Saliency {
        let tokens = layer.tokens().max(1) as f64;
        Saliency(
            layer
                .get(Statistic::RouterScore)
                .iter()
                .map(|sum| sum / tokens)
                .collect(),
        )
    }
}
