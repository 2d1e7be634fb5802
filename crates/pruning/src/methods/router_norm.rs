//! Keeps the experts whose row of the router is long; needs no data.
//!
//! Source: the change of the router's norms as a sign of importance, <https://arxiv.org/abs/2405.16646> (ICML 2024); without
//! the pretrained router to compare with, the norm itself stands in:
//!
//! ```text
//! S_i = ‖router row i‖₂
//! ```

use super::{LayerView, Method, Profile, Saliency};
use crate::statistics::Statistic;

pub(super) struct RouterNorm;

impl Method for RouterNorm {
    fn name(&self) -> &'static str {
        "router-norm"
    }

    fn source(&self) -> &'static str {
        "surrogate of arXiv:2405.16646 (ICML 2024)"
    }

    fn equation(&self, _profile: Profile) -> &'static str {
        "‖router row i‖"
    }

    fn needs(&self, _profile: Profile) -> &'static [Statistic] {
        &[Statistic::RouterRowNorm]
    }

    fn score(&self, layer: &LayerView<'_>, _profile: Profile) -> Saliency {
        layer.as_score(Statistic::RouterRowNorm)
    }
}
