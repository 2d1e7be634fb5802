//! Keeps the experts whose outputs are large on the tokens they serve (mean activation norm, MAN).
//!
//! Source: <https://arxiv.org/abs/2606.15716>:
//!
//! ```text
//! S_i = 1/n_i · Σ_{t ∈ T_i} ‖E_i(x_t)‖₂
//! ```
//!
//! An expert no token reached scores 0.

use super::{LayerView, Method, Profile, Saliency};
use crate::statistics::Statistic;

pub(super) struct EanMean;

impl Method for EanMean {
    fn name(&self) -> &'static str {
        "ean-mean"
    }

    fn source(&self) -> &'static str {
        "MAN, arXiv:2606.15716"
    }

    fn equation(&self, _profile: Profile) -> &'static str {
        "1/|T_i| · Σ_{t∈T_i} ‖E_i(x_t)‖, 0 where T_i is empty"
    }

    fn needs(&self, _profile: Profile) -> &'static [Statistic] {
        &[Statistic::RoutedTokens, Statistic::OutputNorm]
    }

    fn score(&self, layer: &LayerView<'_>, _profile: Profile) -> Saliency {
        layer.per_routed_token(Statistic::OutputNorm)
    }
}
