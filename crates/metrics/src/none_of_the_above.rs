//! Does a model notice that none of the options is right?
//!
//! Source: Pal et al. 2023 (Med-HALT), <https://arxiv.org/abs/2307.15343>: the right option's text becomes "None of the above".

use crate::value::{Aspect, Definition, Direction};

/// Share of questions answered with "None of the above" where that stands in the right option's place.
pub const NONE_ACCURACY: Definition = Definition::new(
    "none_of_the_above_accuracy",
    "fraction",
    Direction::HigherIsBetter,
    Aspect::Reliability,
);
/// Accuracy on the question as it is, less [`NONE_ACCURACY`], on the same questions.
pub const NONE_ACCURACY_DROP: Definition = lower("none_of_the_above_accuracy_drop", "fraction_difference");
/// Share of the questions answered right as they are that are answered with a wrong option once the right one is gone.
pub const CLINGING_RATE: Definition = lower("clinging_rate", "fraction");
/// Share of questions answered with "None of the above" where it stands in a wrong option's place and the right one is there.
pub const FALSE_NONE_RATE: Definition = lower("false_none_of_the_above_rate", "fraction");

const fn lower(name: &'static str, unit: &'static str) -> Definition {
    Definition::new(name, unit, Direction::LowerIsBetter, Aspect::Reliability)
}
