//! The form in which every number leaves this crate.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

pub use crate::resamples::Resamples;

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
    /// Items that it is asked of; those beyond `n` could not be scored. 0 in records of layout 1, which did not say.
    #[serde(default)]
    pub items: usize,
    /// Documents that the `n` items are of, which is `n` where items share none: the independent observations. 0 in layout 1.
    #[serde(default)]
    pub clusters: usize,
    /// 95 % interval, lower and upper end.
    pub interval: (f64, f64),
    /// What made the number: `rules` (comparison of texts by rule), `probabilities` (the model's own), or the scorer and its
    /// identity. Empty in records of layout 2 and before, which did not say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub scorer: String,
    /// How the interval was made: `wilson`, `wilson_clustered`, `expanded_percentile`; `bootstrap` in layout 1.
    pub interval_method: String,
    /// The value on resamples of the task's items; kept for the unpruned model alone, as the base of relative margins.
    #[serde(default, skip_serializing_if = "Resamples::is_empty")]
    pub resamples: Resamples,
    /// The difference to the unpruned model on the same items; absent for the unpruned model itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paired: Option<Paired>,
}

impl MetricValue {
    /// Share of the items asked that entered; `None` where the record does not say.
    #[must_use]
    pub fn coverage(&self) -> Option<f64> {
        (self.items > 0).then(|| self.n as f64 / self.items as f64)
    }
}

/// A pruned cell against the unpruned model on the same items.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Paired {
    /// Pruned minus unpruned, in the metric's unit.
    pub difference: f64,
    /// 95 % interval of the difference (paired bootstrap, by document where items share one).
    pub interval: (f64, f64),
    /// Standard error of the difference over items.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standard_error: Option<f64>,
    /// Two-sided p-value: exact `McNemar` for binary outcomes of items that share no document, else the paired bootstrap's.
    pub p_value: f64,
    /// `mcnemar_exact` or `paired_bootstrap`.
    pub test: String,
    /// `McNemar`'s mid-p, where `p_value` is his exact one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mid_p: Option<f64>,
    /// Wilcoxon's signed-rank p of the items' (documents') differences; means only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wilcoxon_p: Option<f64>,
    /// Smallest difference that this many items would show with a probability of 0.8 at a two-sided level of 0.05; absent
    /// where they are too few for any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum_detectable: Option<f64>,
    /// Items both answered.
    pub n: usize,
    /// Documents they are of. 0 in records of layout 1.
    #[serde(default)]
    pub clusters: usize,
    /// Items that were right and became wrong; binary outcomes only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub right_to_wrong: Option<usize>,
    /// Items that were wrong and became right; binary outcomes only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wrong_to_right: Option<usize>,
    /// The difference on resamples of the task's items: the same draws in every cell of the task.
    #[serde(default, skip_serializing_if = "Resamples::is_empty")]
    pub resamples: Resamples,
}

/// What a metric is, before it has a value: written once, beside the metric, and listed in [`crate::registry::METRICS`].
///
/// A metric of one's own is a definition and a plain function; [`crate::measure`] gives it n and interval:
///
/// ```
/// use secateur_metrics::measure;
/// use secateur_metrics::statistics::{Bootstrap, Clusters};
/// use secateur_metrics::value::{Aspect, Definition, Direction};
///
/// /// Share of an answer's words that are hedges.
/// const HEDGING: Definition = Definition::new("hedging", "fraction", Direction::LowerIsBetter, Aspect::Diagnostic);
///
/// /// `None` for an answer without words: there is nothing to take a share of.
/// fn hedging(answer: &str) -> Option<f64> {
///     let words: Vec<&str> = answer.split_whitespace().collect();
///     let hedges = words.iter().filter(|word| ["may", "might", "perhaps"].contains(word)).count();
///     (!words.is_empty()).then(|| hedges as f64 / words.len() as f64)
/// }
///
/// let answers = ["it may help", "it helps", "", "perhaps it might"];
/// let values: Vec<f64> = answers.iter().filter_map(|answer| hedging(answer)).collect();
/// let clusters = Clusters::singletons(values.len());
/// let found = measure::mean(&HEDGING, &values, &clusters, &Bootstrap::default())?;
/// assert!((found.value - 1.0 / 3.0).abs() < 1e-12 && found.n == 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
    /// What makes the number, see [`MetricValue::scorer`].
    pub scorer: &'static str,
}

/// Comparison of texts by rule.
pub const RULES: &str = "rules";
/// The model's own probabilities.
pub const PROBABILITIES: &str = "probabilities";

impl Definition {
    /// A definition.
    #[must_use]
    pub const fn new(name: &'static str, unit: &'static str, direction: Direction, aspect: Aspect) -> Self {
        Self {
            name,
            unit,
            direction,
            aspect,
            scorer: RULES,
        }
    }

    /// Made by `scorer`.
    #[must_use]
    pub const fn by(self, scorer: &'static str) -> Self {
        Self { scorer, ..self }
    }
}

/// `name` for as long as the program runs: names of metrics that a sweep file chooses. Each name is kept once.
#[must_use]
pub fn interned(name: &str) -> &'static str {
    static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = names.get(name) {
        return known;
    }
    let kept: &'static str = Box::leak(name.to_owned().into_boxed_str());
    names.insert(kept);
    kept
}
