//! Keeps the experts whose weighted outputs are large in sum: REAP without the division, so that frequency counts too.
//!
//! Source: `weighted_ean_sum` in the code of REAP, <https://arxiv.org/abs/2510.13999>; the `reap` of arXiv:2607.01444:
//!
//! ```text
//! S_i = Σ_{t ∈ T_i} g_ti · ‖E_i(x_t)‖₂
//! ```

use super::{LayerView, Method, Profile, Saliency};
use crate::statistics::Statistic;

pub(super) struct ReapSum;

impl Method for ReapSum {
    fn name(&self) -> &'static str {
        "reap-sum"
    }

    fn source(&self) -> &'static str {
        "`weighted_ean_sum` of REAP's code, arXiv:2510.13999"
    }

    fn equation(&self, _profile: Profile) -> &'static str {
        "Σ_{t∈T_i} g_ti ‖E_i(x_t)‖"
    }

    fn needs(&self, _profile: Profile) -> &'static [Statistic] {
        &[Statistic::GatedOutputNorm]
    }

    fn score(&self, layer: &LayerView<'_>, _profile: Profile) -> Saliency {
        layer.as_score(Statistic::GatedOutputNorm)
    }
}
