//! Keeps the experts that contribute to the tokens whose residual stream the layer turns.
//!
//! Source: EASY-EP, <https://arxiv.org/abs/2504.06792>:
//!
//! ```text
//! S_i = Σ_{t ∈ T_i} s_t · g_ti · ‖E_i(x_t)‖₂,   s_t = max(0, 1 − cos(z_t, z_t + Σ_j g_tj E_j(x_t)))
//! ```
//!
//! `z_t`: the residual stream before the norm; the sum over routed experts, shared ones left out. The paper profile compares the
//! normed input `x_t` instead and does not clamp, as the code of arXiv:2607.01444 does.

use super::{LayerView, Method, Profile, Saliency};
use crate::statistics::Statistic;

pub(super) struct EasyEp;

impl Method for EasyEp {
    fn name(&self) -> &'static str {
        "easy-ep"
    }

    fn source(&self) -> &'static str {
        "EASY-EP, arXiv:2504.06792"
    }

    fn equation(&self, profile: Profile) -> &'static str {
        match profile {
            Profile::Reference => "Σ_{t∈T_i} max(0, 1 − cos(z_t, z_t + Σ_j g_tj E_j(x_t))) · g_ti ‖E_i(x_t)‖",
            Profile::Paper => "Σ_{t∈T_i} (1 − cos(x_t, x_t + Σ_j g_tj E_j(x_t))) · g_ti ‖E_i(x_t)‖",
        }
    }

    fn profiles(&self) -> &'static [Profile] {
        &[Profile::Reference, Profile::Paper]
    }

    fn needs(&self, profile: Profile) -> &'static [Statistic] {
        match profile {
            Profile::Reference => &[Statistic::ResidualChangeOutputNorm],
            Profile::Paper => &[Statistic::InputChangeOutputNorm],
        }
    }

    fn score(&self, layer: &LayerView<'_>, profile: Profile) -> Saliency {
        layer.as_score(match profile {
            Profile::Reference => Statistic::ResidualChangeOutputNorm,
            Profile::Paper => Statistic::InputChangeOutputNorm,
        })
    }
}
