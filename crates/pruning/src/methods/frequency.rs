//! Keeps the experts that most tokens are routed to.
//!
//! Source: SEER-MoE, <https://arxiv.org/abs/2404.05089>, hard count; EASY-EP, <https://arxiv.org/abs/2504.06792>, eq. 2:
//!
//! ```text
//! S_i = n_i = |T_i|
//! ```
//!
//! The paper profile is the same.

use super::{LayerView, Method, Profile, Saliency};
use crate::statistics::Statistic;

pub(super) struct Frequency;

impl Method for Frequency {
    fn name(&self) -> &'static str {
        "frequency"
    }

    fn source(&self) -> &'static str {
        "SEER-MoE (hard count), arXiv:2404.05089; EASY-EP, arXiv:2504.06792, eq. 2"
    }

    fn equation(&self, _profile: Profile) -> &'static str {
        "|T_i|"
    }

    fn profiles(&self) -> &'static [Profile] {
        &[Profile::Reference, Profile::Paper]
    }

    fn needs(&self, _profile: Profile) -> &'static [Statistic] {
        &[Statistic::RoutedTokens]
    }

    fn score(&self, layer: &LayerView<'_>, _profile: Profile) -> Saliency {
        layer.as_score(Statistic::RoutedTokens)
    }
}
