//! Drops the experts whose weights are spread most evenly; needs no data.
//!
//! Source: AIMER, <https://arxiv.org/abs/2603.18492>:
//!
//! ```text
//! AIMER_i = mean|W| / sqrt(mean W²),   highest dropped first;   S_i = −AIMER_i
//! ```
//!
//! `W`: all elements of the expert's gate, up and down matrices together. Sums are f64 over the f32 values of the weights.
//! An expert whose weights are all zero has no such ratio: an error, not a rank.

use super::{LayerView, Method, Profile, Saliency};
use crate::statistics::Statistic;

pub(super) struct Aimer;

impl Method for Aimer {
    fn name(&self) -> &'static str {
        "aimer"
    }

    fn source(&self) -> &'static str {
        "AIMER, arXiv:2603.18492"
    }

    fn equation(&self, _profile: Profile) -> &'static str {
        "−mean|W| / sqrt(mean W²) over gate, up and down together"
    }

    fn needs(&self, _profile: Profile) -> &'static [Statistic] {
        &[
            Statistic::WeightCount,
            Statistic::AbsoluteWeight,
            Statistic::SquaredWeight,
        ]
    }

    fn score(&self, layer: &LayerView<'_>, _profile: Profile) -> Saliency {
        let counts = layer.get(Statistic::WeightCount);
        let absolute = layer.get(Statistic::AbsoluteWeight);
        let squared = layer.get(Statistic::SquaredWeight);
        let ratio = |((n, a), q): ((&f64, &f64), &f64)| -(a / n) / (q / n).sqrt();
        Saliency(counts.iter().zip(absolute).zip(squared).map(ratio).collect())
    }
}
