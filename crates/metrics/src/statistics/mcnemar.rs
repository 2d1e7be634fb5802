//! `McNemar`'s exact test: of the items on which two systems differ, are the flips one-sided?
//!
//! Source: `McNemar` 1947, exact form: under no difference the flips in either direction are Binomial(k, 1/2).

use statrs::distribution::{Binomial, Discrete, DiscreteCDF};

use crate::error::{Result, not_empty, same_length};

/// Flips and their p-value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct McNemar {
    /// Right by the baseline, wrong by the candidate.
    pub right_to_wrong: usize,
    /// Wrong by the baseline, right by the candidate.
    pub wrong_to_right: usize,
    /// Two-sided, exact: never too small, often too large.
    pub p_value: f64,
    /// Two-sided mid-p: closer to the level in few flips, and rarely a little too small.
    pub mid_p: f64,
}

/// Compares the outcomes of two systems on the same items.
///
/// # Errors
/// If the lists are empty or differ in length.
///
/// # Examples
/// ```
/// use secateur_metrics::statistics::mcnemar;
///
/// let flips = mcnemar(&[true, true, true, false], &[true, false, false, false])?;
/// assert_eq!((flips.right_to_wrong, flips.wrong_to_right), (2, 0));
/// assert!((flips.p_value - 0.5).abs() < 1e-12);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn mcnemar(baseline: &[bool], candidate: &[bool]) -> Result<McNemar> {
    not_empty("McNemar's test", baseline)?;
    same_length("McNemar's test", "outcomes", candidate.len(), baseline.len())?;
    let count = |before: bool| {
        let flips = baseline.iter().zip(candidate);
        flips.filter(|&(&b, &c)| b == before && c != before).count()
    };
    let (right_to_wrong, wrong_to_right) = (count(true), count(false));
    Ok(McNemar {
        right_to_wrong,
        wrong_to_right,
        p_value: mcnemar_exact(right_to_wrong, wrong_to_right),
        mid_p: mcnemar_mid_p(right_to_wrong, wrong_to_right),
    })
}

/// Two-sided p-value: twice P(X ≤ the smaller number of flips), at most 1. 1 where nothing flipped.
#[must_use]
pub fn mcnemar_exact(right_to_wrong: usize, wrong_to_right: usize) -> f64 {
    let flips = (right_to_wrong + wrong_to_right) as u64;
    let fewer = right_to_wrong.min(wrong_to_right) as u64;
    match Binomial::new(0.5, flips) {
        Ok(binomial) if flips > 0 => (2.0 * binomial.cdf(fewer)).min(1.0),
        _ => 1.0,
    }
}

/// Two-sided mid-p-value: half of the observed outcome's probability counts on either side. 1 where nothing flipped.
///
/// Source: Fagerland, Lydersen & Laake, BMC Medical Research Methodology 13:91 (2013).
#[must_use]
pub fn mcnemar_mid_p(right_to_wrong: usize, wrong_to_right: usize) -> f64 {
    let flips = (right_to_wrong + wrong_to_right) as u64;
    let fewer = right_to_wrong.min(wrong_to_right) as u64;
    match Binomial::new(0.5, flips) {
        Ok(binomial) if flips > 0 && right_to_wrong == wrong_to_right => 1.0 - binomial.pmf(fewer) / 2.0,
        Ok(binomial) if flips > 0 => 2.0 * binomial.cdf(fewer) - binomial.pmf(fewer),
        _ => 1.0,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn by_hand() {
        // One of five flips: 2·(1 + 5)/32.
        assert!((mcnemar_exact(1, 4) - 12.0 / 32.0).abs() < 1e-12);
        assert!((mcnemar_exact(0, 6) - 2.0 / 64.0).abs() < 1e-12);
        assert!((mcnemar_exact(0, 0) - 1.0).abs() < 1e-15);
        assert!((mcnemar_exact(3, 3) - 1.0).abs() < 1e-15);
        assert!((mcnemar_mid_p(1, 4) - 7.0 / 32.0).abs() < 1e-12);
        assert!((mcnemar_mid_p(1, 1) - 0.75).abs() < 1e-12);
        assert!((mcnemar_mid_p(0, 0) - 1.0).abs() < 1e-15);
    }

    #[test]
    fn sides_do_not_matter_to_p_and_large_counts_are_fine() {
        for (a, b) in [(1, 9), (200, 260), (5000, 5300)] {
            let p = mcnemar_exact(a, b);
            assert!((p - mcnemar_exact(b, a)).abs() < 1e-15 && (0.0..=1.0).contains(&p));
        }
    }

    #[test]
    fn counts_flips() {
        let found = mcnemar(&[true, true, false, false], &[true, false, true, false]).unwrap();
        assert_eq!((found.right_to_wrong, found.wrong_to_right), (1, 1));
        assert!(mcnemar(&[], &[]).is_err() && mcnemar(&[true], &[]).is_err());
    }
}
