//! The form in which every number leaves this crate.

use serde::{Deserialize, Serialize};

/// Which way is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Accuracy, ROUGE.
    HigherIsBetter,
    /// Perplexity, calibration error.
    LowerIsBetter,
}

/// Whether a metric says how useful or how trustworthy answers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aspect {
    /// How well the task is done.
    Utility,
    /// How far what is said can be relied on.
    Reliability,
    /// Neither: lengths, counts.
    Diagnostic,
}

/// One metric of one cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricValue {
    /// Name in the field's terms: `accuracy`, `rouge_l`, `expected_calibration_error`.
    pub name: String,
    /// `fraction`, `nats`, `bits_per_byte`, `points`, ...
    pub unit: String,
    /// Which way is better.
    pub direction: Direction,
    /// Utility or reliability.
    pub aspect: Aspect,
    /// The value. Always finite; a metric that is undefined on its items is left out and said so.
    pub value: f64,
    /// Items that entered it.
    pub n: usize,
    /// 95 % interval, lower and upper end.
    pub interval: (f64, f64),
    /// How the interval was made: `wilson`, `bootstrap`, ...
    pub interval_method: String,
    /// The difference to the unpruned model on the same items; absent for the unpruned model itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paired: Option<Paired>,
}

/// A pruned cell against the unpruned model on the same items.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Paired {
    /// Pruned minus unpruned, in the metric's unit.
    pub difference: f64,
    /// 95 % interval of the difference (paired bootstrap).
    pub interval: (f64, f64),
    /// Two-sided p-value: exact `McNemar` for binary outcomes, else the paired bootstrap's.
    pub p_value: f64,
    /// `mcnemar_exact` or `paired_bootstrap`.
    pub test: String,
    /// Items both answered.
    pub n: usize,
    /// Items that were right and became wrong; binary outcomes only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub right_to_wrong: Option<usize>,
    /// Items that were wrong and became right; binary outcomes only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wrong_to_right: Option<usize>,
}

/// What a metric is, before it has a value: written once, beside the metric, and listed in [`crate::registry::METRICS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Definition {
    /// Name in the field's terms.
    pub name: &'static str,
    /// Unit of the value.
    pub unit: &'static str,
    /// Which way is better.
    pub direction: Direction,
    /// Utility, reliability or neither.
    pub aspect: Aspect,
}

impl Definition {
    /// A definition.
    #[must_use]
    pub const fn new(name: &'static str, unit: &'static str, direction: Direction, aspect: Aspect) -> Self {
        Self {
            name,
            unit,
            direction,
            aspect,
        }
    }
}
