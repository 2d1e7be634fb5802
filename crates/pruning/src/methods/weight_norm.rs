//! Keeps the experts with large matrices; needs no data.
//!
//! ```text
//! S_i = ‖W_gate‖_F + ‖W_up‖_F + ‖W_down‖_F
//! ```

use super::{LayerView, Method, Profile, Saliency};
use crate::statistics::Statistic;

pub(super) struct WeightNorm;

impl Method for WeightNorm {
    fn name(&self) -> &'static str {
        "weight-norm"
    }

    fn source(&self) -> &'static str {
        "baseline"
    }

    fn equation(&self, _profile: Profile) -> &'static str {
        "‖W_gate‖_F + ‖W_up‖_F + ‖W_down‖_F"
    }

    fn needs(&self, _profile: Profile) -> &'static [Statistic] {
        &[
            Statistic::GateMatrixNorm,
            Statistic::UpMatrixNorm,
            Statistic::DownMatrixNorm,
        ]
    }

    fn score(&self, layer: &LayerView<'_>, _profile: Profile) -> Saliency {
        let gate = layer.get(Statistic::GateMatrixNorm);
        let up = layer.get(Statistic::UpMatrixNorm);
        let down = layer.get(Statistic::DownMatrixNorm);
        let sum = |((gate, up), down): ((&f64, &f64), &f64)| gate + up + down;
        Saliency(gate.iter().zip(up).zip(down).map(sum).collect())
    }
}
