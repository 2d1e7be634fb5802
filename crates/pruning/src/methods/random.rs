//! Keeps experts by chance: what every other method must beat.
//!
//! A permutation of the experts per layer, drawn from `ChaCha8` keyed by the seed, one stream per decoder layer: a layer's order
//! depends neither on other layers nor on how many there are. The paper profile keeps `E//2` experts whatever the fraction,
//! as the code of arXiv:2607.01444 does; its generator is unseeded, so its published random masks cannot be drawn again.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::{Budget, LayerView, Method, Profile, Saliency};
use crate::statistics::Statistic;

pub(super) struct Random;

impl Method for Random {
    fn name(&self) -> &'static str {
        "random"
    }

    fn source(&self) -> &'static str {
        "baseline"
    }

    fn equation(&self, profile: Profile) -> &'static str {
        match profile {
            Profile::Reference => "a seeded permutation per layer",
            Profile::Paper => "a seeded permutation per layer; E//2 experts kept whatever the fraction",
        }
    }

    fn profiles(&self) -> &'static [Profile] {
        &[Profile::Reference, Profile::Paper]
    }

    fn needs(&self, _profile: Profile) -> &'static [Statistic] {
        &[]
    }

    fn score(&self, layer: &LayerView<'_>, _profile: Profile) -> Saliency {
        let mut generator = ChaCha8Rng::seed_from_u64(layer.seed);
        generator.set_stream(layer.shape.layer as u64);
        let mut scores: Vec<f64> = (1..=layer.shape.experts).map(|rank| rank as f64).collect();
        scores.shuffle(&mut generator);
        Saliency(scores)
    }

    fn budget(&self, profile: Profile) -> Budget {
        match profile {
            Profile::Reference => Budget::Fraction,
            Profile::Paper => Budget::Half,
        }
    }

    fn is_seeded(&self) -> bool {
        true
    }
}
