//! **The answer**: how far can experts be removed?
//!
//! For a model, a method and a domain, the safe fraction is the largest fraction removed at which every criterion is
//! *non-inferior* to the unpruned model, there and at every smaller fraction evaluated. A criterion is a metric on a task (or
//! the mean of a metric over the domain's tasks, [`options::Over`]): utility, and each chosen reliability metric. Non-inferior: the
//! lower end of the one-sided 1 − α interval of the difference on the same items lies above the margin
//! ([`secateur_metrics::statistics::noninferiority`]). Fractions are tested in ascending order until one fails
//! ([`secateur_metrics::statistics::fixed_sequence`]), so that P(safe fraction > truth) ≤ α.
//!
//! It depends on which fractions were evaluated and on the number of items: few items confirm nothing, and [`Miss`] says so. All
//! of it is computed from records, which keep every difference's resamples.

pub mod options;
pub mod lines;
pub mod decide;
pub mod words;

pub use decide::safe_fractions;
pub use options::{Over, SafeOptions, SafeSection, WrittenMargin};

use secateur_metrics::value::Aspect;

/// How far a method can go in a domain.
#[derive(Debug, Clone, PartialEq)]
pub struct SafeFraction {
    /// The model.
    pub model: String,
    /// The method, as in [`crate::aggregate::Curve::method`].
    pub method: String,
    /// `biomedical` or `general`.
    pub domain: String,
    /// Whether that is the domain that the model is pruned for; `None` where nothing says which that is.
    pub in_domain: Option<bool>,
    /// Largest safe fraction; 0 if not even the smallest one evaluated is.
    pub fraction: f64,
    /// Its interval at confidence 1 − α.
    pub interval: (f64, f64),
    /// Largest fraction evaluated.
    pub largest: f64,
    /// Calibration seeds of every cell.
    pub seeds: usize,
    /// Criteria tested at each fraction.
    pub criteria: usize,
    /// Criteria at the safe fraction itself; empty at 0.
    pub kept: Vec<Criterion>,
    /// Why it ends there.
    pub end: End,
}

/// Why a safe fraction is no larger.
#[derive(Debug, Clone, PartialEq)]
pub enum End {
    /// It is the largest one evaluated.
    Largest,
    /// A criterion is not shown to be kept at the next fraction.
    Missed {
        /// The next fraction.
        fraction: f64,
        /// The criterion that missed most.
        criterion: Criterion,
        /// In which way.
        miss: Miss,
        /// Criteria that missed there.
        missed: usize,
    },
    /// Something was not evaluated, or is undefined, at the next fraction.
    Incomplete {
        /// The next fraction.
        fraction: f64,
        /// What is missing there.
        missing: String,
    },
}

/// In which way a criterion is missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Miss {
    /// The loss itself is larger than the margin.
    Loss,
    /// The loss is within the margin, but so few items could not confirm it even if nothing were lost: they confirm the margin
    /// with a probability below 0.8.
    TooFewItems,
    /// The loss is within the margin, and not shown to be.
    NotShown,
}

/// A criterion at a fraction.
#[derive(Debug, Clone, PartialEq)]
pub struct Criterion {
    /// The metric.
    pub metric: String,
    /// What made it, see [`secateur_metrics::value::MetricValue::scorer`].
    pub scorer: String,
    /// The task, or how many tasks the mean is over.
    pub task: String,
    /// Utility or reliability.
    pub aspect: Aspect,
    /// Whether more is better.
    pub higher_is_better: bool,
    /// The unpruned value.
    pub unpruned: f64,
    /// Pruned minus unpruned, mean over seeds.
    pub difference: f64,
    /// The end of the difference's one-sided 1 − α interval on the side of losses.
    pub bound: f64,
    /// The loss that is accepted, in the metric's unit, positive.
    pub margin: f64,
    /// The smallest margin that these items would confirm with a probability of 0.8 if nothing were lost.
    pub confirmable: f64,
    /// Items that entered.
    pub n: usize,
    /// Share of the items asked that entered; the least of any cell. `None` in records of layout 1.
    pub coverage: Option<f64>,
    /// Standard deviation between calibration seeds; `None` for one seed.
    pub between_seeds: Option<f64>,
}
