//! Keeps the experts that the router weights most in sum.
//!
//! Source: SEER-MoE, <https://arxiv.org/abs/2404.05089>, soft count over the selected experts:
//!
//! ```text
//! S_i = Σ_{t ∈ T_i} g_ti
//! ```
//!
//! `g_ti`: the weight the model really multiplies the expert's output by, so renormalised and scaled only where the model does.
//! The paper profile is the same: the code of arXiv:2607.01444 always renormalises, and so do all the models it ran.

use super::{LayerView, Method, Profile, Saliency};
use crate::statistics::Statistic;

pub(super) struct Gating;

impl Method for Gating {
    fn name(&self) -> &'static str {
        "gating"
    }

    fn source(&self) -> &'static str {
        "SEER-MoE (soft count), arXiv:2404.05089"
    }

    fn equation(&self, _profile: Profile) -> &'static str {
        "Σ_{t∈T_i} g_ti"
    }

    fn profiles(&self) -> &'static [Profile] {
        &[Profile::Reference, Profile::Paper]
    }

    fn needs(&self, _profile: Profile) -> &'static [Statistic] {
        &[Statistic::Gate]
    }

    fn score(&self, layer: &LayerView<'_>, _profile: Profile) -> Saliency {
        layer.as_score(Statistic::Gate)
    }
}
