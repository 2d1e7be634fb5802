//! One file per method: statistics in, one score per expert out.
//!
//! A method of one's own, outside of the registry:
//!
//! ```
//! use secateur_model::mask::ExpertId;
//! use secateur_pruning::methods::{LayerView, Method, Profile, Saliency};
//! use secateur_pruning::plan::{Plan, Protected};
//! use secateur_pruning::ranking::rank;
//! use secateur_pruning::shape::LayerShape;
//! use secateur_pruning::statistics::{LayerStatistics, Provenance, Statistic, Statistics};
//!
//! /// Root mean square of an expert's outputs on the tokens it serves.
//! struct Rms;
//!
//! impl Method for Rms {
//!     fn name(&self) -> &'static str {
//!         "rms"
//!     }
//!
//!     fn source(&self) -> &'static str {
//!         "an example"
//!     }
//!
//!     fn equation(&self, _profile: Profile) -> &'static str {
//!         "√(1/|T_i| · Σ_{t∈T_i} ‖E_i(x_t)‖²)"
//!     }
//!
//!     fn needs(&self, _profile: Profile) -> &'static [Statistic] {
//!         &[Statistic::RoutedTokens, Statistic::SquaredOutputNorm]
//!     }
//!
//!     fn score(&self, layer: &LayerView<'_>, _profile: Profile) -> Saliency {
//!         let Saliency(means) = layer.per_routed_token(Statistic::SquaredOutputNorm);
//!         Saliency(means.into_iter().map(f64::sqrt).collect())
//!     }
//! }
//!
//! // One layer of four experts, one for each of seven tokens.
//! let shape = LayerShape::ungrouped(0, 4, 1);
//! let sums = [
//!     (Statistic::RoutedTokens, vec![4.0, 1.0, 0.0, 2.0]),
//!     (Statistic::SquaredOutputNorm, vec![16.0, 25.0, 0.0, 2.0]),
//! ];
//! let layer = LayerStatistics { shape, tokens: 7, values: sums.into() };
//! let statistics = Statistics { provenance: Provenance::default(), layers: vec![layer] };
//!
//! let ranking = rank(&Rms, Profile::Reference, 0, &[shape], &[&statistics])?;
//! assert_eq!(ranking.layers[0].scores, [2.0, 5.0, 0.0, 1.0]);
//! let plan = Plan::new(&ranking, &[shape], 0.5, &Protected::new())?;
//! assert_eq!(plan.layers[0].kept, [1, 0].map(ExpertId));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::PruningError;
use crate::shape::LayerShape;
use crate::statistics::{LayerStatistics, Statistic};

mod random;
mod frequency;
mod gating;
mod ean;
mod reap;
mod easy_ep;
mod ean_mean;
mod msan;
mod reap_sum;
mod routing_score;
mod aimer;
mod weight_norm;
mod router_norm;

// ANCHOR: registry
/// Reports list methods in this order.
pub const METHODS: &[&dyn Method] = &[
    &random::Random,
    &frequency::Frequency,
    &gating::Gating,
    &ean::Ean,
    &reap::Reap,
    &easy_ep::EasyEp,
    &ean_mean::EanMean,
    &msan::Msan,
    &reap_sum::ReapSum,
    &routing_score::RoutingScore,
    &aimer::Aimer,
    &weight_norm::WeightNorm,
    &router_norm::RouterNorm,
];
// ANCHOR_END: registry

/// Which definition of a method is meant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// What the method's own authors defined.
    #[default]
    Reference,
    /// What the code of arXiv:2607.01444 computes, its defects included, so that its published masks can be reproduced.
    Paper,
}

impl Profile {
    /// `reference` or `paper`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Reference => "reference",
            Self::Paper => "paper",
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Profile {
    type Err = PruningError;

    fn from_str(name: &str) -> Result<Self, PruningError> {
        match name {
            "reference" => Ok(Self::Reference),
            "paper" => Ok(Self::Paper),
            _ => Err(PruningError::UnknownName {
                kind: "profile",
                found: name.into(),
                known: "reference, paper".into(),
            }),
        }
    }
}

/// How the fraction to remove becomes a number of experts to keep.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Budget {
    /// `E − floor(r·E + 1e-9)`, the same in every layer.
    #[default]
    Fraction,
    /// `E//2`, whatever the fraction: the paper's random baseline.
    Half,
}

/// A score per expert of one layer, `[experts]`. The higher ones stay.
#[derive(Debug, Clone, PartialEq)]
pub struct Saliency(pub Vec<f64>);

/// What a method may look at.
#[derive(Debug, Clone, Copy)]
pub struct LayerView<'a> {
    /// The layer.
    pub shape: LayerShape,
    /// Its statistics; `None` for methods that need none.
    pub statistics: Option<&'a LayerStatistics>,
    /// Seed of the run; for seeded methods only.
    pub seed: u64,
}

impl LayerView<'_> {
    /// `[experts]`; empty if the statistic was not collected, which the caller of [`Method::score`] rules out for those that
    /// [`Method::needs`] names.
    #[must_use]
    pub fn get(&self, statistic: Statistic) -> &[f64] {
        self.statistics.and_then(|s| s.get(statistic)).unwrap_or_default()
    }

    /// Tokens that went through the layer.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        self.statistics.map_or(0, |s| s.tokens)
    }

    /// `sum / n` per expert, 0 where no token was routed to it.
    #[must_use]
    pub fn per_routed_token(&self, sum: Statistic) -> Saliency {
        let tokens = self.get(Statistic::RoutedTokens);
        let mean = |(sum, n): (&f64, &f64)| if *n > 0.0 { sum / n } else { 0.0 };
        Saliency(self.get(sum).iter().zip(tokens).map(mean).collect())
    }

    /// The statistic itself as the score.
    #[must_use]
    pub fn as_score(&self, statistic: Statistic) -> Saliency {
        Saliency(self.get(statistic).to_vec())
    }
}

// ANCHOR: method
/// A way to score the experts of one layer.
///
/// A score is a pure function of the view: no file, no clock, no state, no other layer. Swapping two experts' statistics must
/// swap their scores. Ties are not the method's business: [`crate::ranking`] breaks them.
pub trait Method: Sync {
    /// Unique; used in sweep files, records and file names.
    fn name(&self) -> &'static str;

    /// Where the method is defined.
    fn source(&self) -> &'static str;

    /// The score in one line; `T_i` tokens routed to expert `i`, `g` the weight used, `E_i` the unweighted output.
    fn equation(&self, profile: Profile) -> &'static str;

    /// Definitions it knows; the first is the default.
    fn profiles(&self) -> &'static [Profile] {
        &[Profile::Reference]
    }

    /// Statistics that [`Method::score`] reads. Reading another gives nothing.
    fn needs(&self, profile: Profile) -> &'static [Statistic];

    /// The scores, `[experts]`, higher = kept.
    fn score(&self, layer: &LayerView<'_>, profile: Profile) -> Saliency;

    /// How many experts a fraction leaves.
    fn budget(&self, _profile: Profile) -> Budget {
        Budget::Fraction
    }

    /// Whether the seed of the run, and not only that of the calibration data, changes the scores.
    fn is_seeded(&self) -> bool {
        false
    }
}
// ANCHOR_END: method

/// Whether the method needs a calibration pass, and so whether its scores differ between domains.
#[must_use]
pub fn needs_tokens(method: &dyn Method, profile: Profile) -> bool {
    method.needs(profile).iter().any(|s| !s.is_of_weights())
}

/// What one pass must collect for all of these methods.
#[must_use]
pub fn wanted(methods: &[(&dyn Method, Profile)]) -> BTreeSet<Statistic> {
    methods
        .iter()
        .flat_map(|(method, profile)| method.needs(*profile))
        .copied()
        .collect()
}

/// The method of that name.
///
/// # Errors
///
/// [`PruningError::UnknownName`] with the names there are.
pub fn find(name: &str) -> Result<&'static dyn Method, PruningError> {
    METHODS
        .iter()
        .copied()
        .find(|m| m.name() == name)
        .ok_or_else(|| PruningError::UnknownName {
            kind: "method",
            found: name.into(),
            known: METHODS.iter().map(|m| m.name()).collect::<Vec<_>>().join(", "),
        })
}

/// Checks that the method knows the profile.
///
/// # Errors
///
/// [`PruningError::UnknownProfile`] with the profiles it has.
pub fn check_profile(method: &dyn Method, profile: Profile) -> Result<(), PruningError> {
    if method.profiles().contains(&profile) {
        return Ok(());
    }
    let names: Vec<_> = method.profiles().iter().map(|p| p.name()).collect();
    Err(PruningError::UnknownProfile {
        method: method.name().into(),
        profile: profile.to_string(),
        known: names.join(", "),
    })
}

#[cfg(test)]
mod tests;
