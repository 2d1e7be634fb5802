//! Mean, spread and range of a score over summaries.

use crate::error::{Result, finite};

/// A score over several summaries.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Aggregate {
    /// Arithmetic mean.
    pub mean: f64,
    /// Population standard deviation (divided by n).
    pub std: f64,
    /// Smallest value.
    pub min: f64,
    /// Largest value.
    pub max: f64,
}

/// Mean, population standard deviation, smallest and largest value. All 0 for no values at all: the
/// experiment's reports do not tell that apart from scores of 0.
///
/// # Errors
/// If a value is NaN or infinite.
pub fn aggregate(values: &[f64]) -> Result<Aggregate> {
    finite("aggregate", values)?;
    let Some(&first) = values.first() else {
        return Ok(Aggregate::default());
    };
    let n = values.len() as f64;
    // Differences to the first value keep equal values exact.
    let mean = first + values.iter().map(|value| value - first).sum::<f64>() / n;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    Ok(Aggregate {
        mean,
        std: (squares / n).sqrt(),
        min: values.iter().copied().fold(first, f64::min),
        max: values.iter().copied().fold(first, f64::max),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn by_hand() {
        let found = aggregate(&[1.0, 2.0, 4.0]).unwrap();
        assert!((found.mean - 7.0 / 3.0).abs() < 1e-15);
        assert!((found.std - (14.0_f64 / 9.0).sqrt()).abs() < 1e-15);
        assert!((found.min - 1.0).abs() + (found.max - 4.0).abs() < 1e-15);
        assert_eq!(aggregate(&[]).unwrap(), Aggregate::default());
        assert_eq!(
            aggregate(&[0.1; 3]).unwrap(),
            Aggregate {
                mean: 0.1,
                std: 0.0,
                min: 0.1,
                max: 0.1
            }
        );
        assert!(aggregate(&[1.0, f64::NAN]).is_err());
    }
}
