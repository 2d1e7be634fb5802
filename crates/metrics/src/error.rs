//! Why a metric could not be computed. A problem is never turned into a number.

/// Why a metric or a statistic has no value on what it was given.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum MetricError {
    /// There is nothing to measure.
    #[error("{metric}: no items; at least one is needed")]
    Empty {
        /// The metric.
        metric: &'static str,
    },
    /// Two lists that belong together differ in length.
    #[error("{metric}: {found} {what}, but {expected} were expected (one per item, in the same order)")]
    Length {
        /// The metric.
        metric: &'static str,
        /// Which list.
        what: &'static str,
        /// Its length.
        found: usize,
        /// The length it must have.
        expected: usize,
    },
    /// A value outside what the metric is defined on, NaN and infinities included.
    #[error("{metric}: item {index} is {found}, expected {expected}")]
    Value {
        /// The metric.
        metric: &'static str,
        /// Position in the input, from 0.
        index: usize,
        /// The value.
        found: f64,
        /// What is allowed.
        expected: &'static str,
    },
    /// A label that no class has.
    #[error("{metric}: item {index} has label {found}, but there are {classes} classes (0-based)")]
    Label {
        /// The metric.
        metric: &'static str,
        /// Position in the input, from 0.
        index: usize,
        /// The label.
        found: usize,
        /// Number of classes.
        classes: usize,
    },
    /// The metric is 0/0 on these items.
    #[error("{metric} is undefined on these items: {reason}")]
    Undefined {
        /// The metric.
        metric: &'static str,
        /// What is missing.
        reason: String,
    },
    /// An option outside its range.
    #[error("{metric}: {option} is {found}, expected {expected}")]
    Option {
        /// The metric.
        metric: &'static str,
        /// The option.
        option: &'static str,
        /// Its value.
        found: String,
        /// What is allowed.
        expected: &'static str,
    },
}

/// Result of a metric.
pub type Result<T> = std::result::Result<T, MetricError>;

/// Refuses an empty list.
pub(crate) fn not_empty<T>(metric: &'static str, items: &[T]) -> Result<()> {
    if items.is_empty() {
        Err(MetricError::Empty { metric })
    } else {
        Ok(())
    }
}

/// Refuses a list that has not one entry per item.
pub(crate) fn same_length(metric: &'static str, what: &'static str, found: usize, expected: usize) -> Result<()> {
    if found == expected {
        Ok(())
    } else {
        Err(MetricError::Length {
            metric,
            what,
            found,
            expected,
        })
    }
}

/// Refuses values that are not finite.
pub(crate) fn finite(metric: &'static str, values: &[f64]) -> Result<()> {
    check(metric, values, "a finite number", f64::is_finite)
}

/// Refuses values outside [0, 1].
pub(crate) fn probabilities(metric: &'static str, values: &[f64]) -> Result<()> {
    check(metric, values, "a probability in [0, 1]", |value| {
        (0.0..=1.0).contains(&value)
    })
}

fn check(metric: &'static str, values: &[f64], expected: &'static str, allowed: impl Fn(f64) -> bool) -> Result<()> {
    match values.iter().position(|&value| !allowed(value)) {
        None => Ok(()),
        Some(index) => Err(MetricError::Value {
            metric,
            index,
            found: values[index],
            expected,
        }),
    }
}
