//! How far a pruned model's next-token distributions have moved from the unpruned model's, on the same text.
//!
//! ```text
//! KL = 1/T · Σ_t Σ_v P(v | y_<t) · ln( P(v | y_<t) / Q(v | y_<t) )     nats per token
//! ```
//!
//! `P` is the unpruned model, `Q` the pruned one, `v` runs over the whole vocabulary. Means are over all tokens of all texts
//! together, so that long texts weigh more. Truth does not enter: a divergence says that a model has changed, not that it
//! has become wrong.

use crate::value::{Aspect, Definition, Direction, PROBABILITIES};

/// KL divergence of the pruned model from the unpruned one, per token.
pub const KL_DIVERGENCE: Definition =
    Definition::new("kl_divergence", "nats", Direction::LowerIsBetter, Aspect::Reliability).by(PROBABILITIES);
/// Share of positions at which both models think the same token the likeliest.
pub const TOP1_AGREEMENT: Definition = Definition::new(
    "top1_agreement",
    "fraction",
    Direction::HigherIsBetter,
    Aspect::Reliability,
)
.by(PROBABILITIES);
/// ln p of the text's own token under the pruned model minus that under the unpruned one, mean per token.
pub const LOG_PROBABILITY_CHANGE: Definition = Definition::new(
    "log_probability_change",
    "nats",
    Direction::HigherIsBetter,
    Aspect::Utility,
)
.by(PROBABILITIES);
