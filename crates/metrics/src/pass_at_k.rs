//! pass@k: does at least one of `k` programs pass its tests?
//!
//! Chen et al. 2021, <https://arxiv.org/abs/2107.03374>, eq. 1, unbiased from `n ≥ k` programs of which `c` pass:
//!
//! ```text
//! pass@k = 1 − C(n − c, k) / C(n, k)
//! ```

use crate::error::{MetricError, Result};
use crate::value::{Aspect, Definition, Direction};

/// Share of problems whose program passes.
pub const PASS_AT_1: Definition = Definition::new("pass_at_1", "fraction", Direction::HigherIsBetter, Aspect::Utility);

/// The estimate for one problem. Computed as a product of at most `k` factors, so that no binomial overflows.
///
/// # Errors
/// If `k` is 0 or larger than `n`, or more programs pass than there are.
pub fn pass_at_k(programs: usize, passed: usize, k: usize) -> Result<f64> {
    let wrong = |option, found: usize, expected| MetricError::Option {
        metric: "pass_at_k",
        option,
        found: found.to_string(),
        expected,
    };
    if k == 0 || k > programs {
        return Err(wrong("k", k, "at least 1 and at most the number of programs"));
    }
    let Some(failed) = programs.checked_sub(passed) else {
        return Err(wrong("passed", passed, "at most the number of programs"));
    };
    if failed < k {
        return Ok(1.0);
    }
    let none = (0..k)
        .map(|i| (failed - i) as f64 / (programs - i) as f64)
        .product::<f64>();
    Ok(1.0 - none)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn by_hand_and_at_the_ends() {
        // C(2, 2) / C(4, 2) = 1/6.
        assert!((pass_at_k(4, 2, 2).unwrap() - 5.0 / 6.0).abs() < 1e-15);
        assert!((pass_at_k(10, 3, 1).unwrap() - 0.3).abs() < 1e-15);
        assert_eq!(pass_at_k(5, 0, 3), Ok(0.0));
        assert_eq!(pass_at_k(5, 3, 3), Ok(1.0));
        assert!((pass_at_k(100_000, 1, 50_000).unwrap() - 0.5).abs() < 1e-9);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (programs, passed, k) in [(3, 1, 0), (3, 1, 4), (3, 4, 1), (0, 0, 1)] {
            assert!(pass_at_k(programs, passed, k).is_err());
        }
    }
}
