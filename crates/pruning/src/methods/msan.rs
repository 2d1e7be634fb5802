//! Keeps the experts whose outputs have a large mean square on the tokens they serve (mean squared activation norm).
//!
//! Source: <https://arxiv.org/abs/2606.15716>:
//!
//! ```text
//! S_i = 1/n_i · Σ_{t ∈ T_i} ‖E_i(x_t)‖₂²
//! ```
//!
//! An expert no token reached scores 0.

use super::{LayerView, Method, Profile, Saliency};
use crate::statistics::Statistic;

pub(super) struct Msan;

impl Method for Msan {
    fn name(&self) -> &'static str {
        "msan"
    }

    fn source(&self) -> &'static str {
        "MSAN, arXiv:2606.15716"
    }

    fn equation(&self, _profile: Profile) -> &'static str {
        "1/|T_i| · Σ_{t∈T_i} ‖E_i(x_t)‖², 0 where T_i is empty"
    }

    fn needs(&self, _profile: Profile) -> &'static [Statistic] {
        &[Statistic::RoutedTokens, Statistic::SquaredOutputNorm]
    }

    fn score(&self, layer: &LayerView<'_>, _profile: Profile) -> Saliency {
        layer.per_routed_token(Statistic::SquaredOutputNorm)
    }
}
