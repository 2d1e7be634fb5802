//! Families of encoders: config.json to a [`Network`].

mod albert;
mod bert;
mod common;
mod deberta_v2;
mod roberta;
mod t5;

use secateur_model::checkpoint::Config;

use super::network::Network;
use super::weights::Weights;
use crate::error::JudgeError;

/// A family: what differs from the others in numbers and names is said here, what differs in idea is a block.
pub trait Family: Sync {
    /// Values of `model_type` in config.json.
    fn model_types(&self) -> &'static [&'static str];

    /// Checks config.json and puts the network together. `head` names one of several heads, where a checkpoint has them.
    ///
    /// # Errors
    /// If config.json says what the family does not compute, or a tensor is missing or contradicts it.
    fn build(&self, config: &Config, weights: &Weights<'_>, head: Option<&str>) -> Result<Network, JudgeError>;

    /// Tensors that such checkpoints may hold besides: names with a `*` at either end. All others are refused.
    fn leftovers(&self) -> &'static [&'static str];
}

/// All of them.
pub const FAMILIES: &[&dyn Family] = &[
    &bert::Bert,
    &roberta::Roberta,
    &albert::Albert,
    &deberta_v2::DebertaV2,
    &t5::T5,
];

/// The family that config.json names.
///
/// # Errors
/// If there is none.
pub fn find(config: &Config) -> Result<&'static dyn Family, JudgeError> {
    let found = config.required_str("model_type")?;
    let family = FAMILIES.iter().find(|family| family.model_types().contains(&found));
    family.copied().ok_or_else(|| {
        let known: Vec<&str> = FAMILIES
            .iter()
            .flat_map(|family| family.model_types())
            .copied()
            .collect();
        JudgeError::Unsuitable {
            judge: config.file().display().to_string(),
            found: format!("model_type `{found}`"),
            expected: format!("one of {}", known.join(", ")),
        }
    })
}
