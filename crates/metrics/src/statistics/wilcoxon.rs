//! Wilcoxon's signed-rank test: do the differences lie on one side of 0 more than chance would have it?
//!
//! Source: Wilcoxon 1945; zeros are left out and equal sizes share their mean rank. Up to [`EXACT`] differences p is exact,
//! given the ranks at hand (ties too); beyond, it is the normal approximation with the correction for ties:
//!
//! ```text
//! z = (W⁺ − n(n+1)/4) / √( n(n+1)(2n+1)/24 − Σ(t³−t)/48 )
//! ```

use statrs::distribution::{ContinuousCDF, Normal};

use crate::error::{Result, finite, not_empty};
use crate::ties::mean_ranks;

/// Differences other than 0 up to which p is exact.
pub const EXACT: usize = 50;

/// The test's result.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wilcoxon {
    /// Sum of the ranks of positive differences.
    pub positive_ranks: f64,
    /// Differences other than 0.
    pub n: usize,
    /// Two-sided; 1 where nothing differs.
    pub p_value: f64,
}

/// Tests paired differences (candidate − baseline), one per item or, where items share documents, one per document.
///
/// # Errors
/// If there are none, or one is not finite.
pub fn wilcoxon(differences: &[f64]) -> Result<Wilcoxon> {
    let metric = "Wilcoxon's signed-rank test";
    not_empty(metric, differences)?;
    finite(metric, differences)?;
    let moved: Vec<f64> = differences.iter().copied().filter(|&d| d != 0.0).collect();
    let ranks = mean_ranks(&moved.iter().map(|d| d.abs()).collect::<Vec<_>>());
    let positive = moved.iter().zip(&ranks).filter(|(d, _)| **d > 0.0);
    let positive_ranks: f64 = positive.map(|(_, rank)| rank).sum();
    let p_value = match moved.len() {
        0 => 1.0,
        n if n <= EXACT => exact(&ranks, positive_ranks),
        _ => approximate(&ranks, positive_ranks),
    };
    Ok(Wilcoxon {
        positive_ranks,
        n: moved.len(),
        p_value,
    })
}

/// Over all 2ⁿ signs: twice the smaller tail, at most 1. Mean ranks are whole numbers of halves.
#[expect(clippy::cast_sign_loss, reason = "ranks are positive")]
fn exact(ranks: &[f64], positive_ranks: f64) -> f64 {
    let halves = |rank: f64| (2.0 * rank).round() as usize;
    let total: usize = ranks.iter().map(|&rank| halves(rank)).sum();
    let mut ways = vec![0.0_f64; total + 1];
    ways[0] = 1.0;
    for rank in ranks.iter().map(|&rank| halves(rank)) {
        for sum in (rank..=total).rev() {
            ways[sum] += ways[sum - rank];
        }
    }
    let observed = halves(positive_ranks);
    let all = 2.0_f64.powi(ranks.len() as i32);
    let below: f64 = ways[..=observed].iter().sum::<f64>() / all;
    let above: f64 = ways[observed..].iter().sum::<f64>() / all;
    (2.0 * below.min(above)).min(1.0)
}

fn approximate(ranks: &[f64], positive_ranks: f64) -> f64 {
    // Σ r² is n(n+1)(2n+1)/6 less Σ(t³−t)/12: the correction for ties is in it.
    let mean = ranks.iter().sum::<f64>() / 2.0;
    let variance = ranks.iter().map(|rank| rank * rank).sum::<f64>() / 4.0;
    let z = (positive_ranks - mean) / variance.sqrt();
    (2.0 * Normal::standard().cdf(-z.abs())).clamp(f64::MIN_POSITIVE, 1.0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn p(differences: &[f64]) -> f64 {
        wilcoxon(differences).unwrap().p_value
    }

    #[test]
    fn by_hand() {
        // All of four positive: 2 of 16 assignments of signs are as far out.
        assert!((p(&[1.0, 2.0, 3.0, 4.0]) - 2.0 / 16.0).abs() < 1e-12);
        let found = wilcoxon(&[0.0, -1.0, 2.0, 2.0]).unwrap();
        assert_eq!((found.n, found.positive_ranks), (3, 5.0));
        // Ranks 1, 2.5, 2.5: W⁺ ≥ 5 for ++ of the two larger, with either sign of the smallest.
        assert!((found.p_value - 2.0 * 2.0 / 8.0).abs() < 1e-12);
        assert!((p(&[0.0, 0.0]) - 1.0).abs() < 1e-15);
        assert!(wilcoxon(&[]).is_err() && wilcoxon(&[f64::NAN]).is_err());
    }

    #[test]
    fn signs_turned_round_change_nothing() {
        let values: Vec<f64> = (0..80).map(|i| f64::from(i % 13) - 4.3).collect();
        let turned: Vec<f64> = values.iter().map(|d| -d).collect();
        for n in [5, 30, 80] {
            assert!((p(&values[..n]) - p(&turned[..n])).abs() < 1e-12);
        }
    }

    /// Values of scipy 1.17.1: `wilcoxon(d)` exact for untied ones, `method=PermutationMethod()` over all signs of the
    /// differences other than 0 for tied ones, `method="approx"` beyond.
    #[test]
    fn scipy_says_the_same_with_ties_and_zeros() {
        let untied = [-0.402, -0.924, 0.152, 0.82, 1.536, 0.51, -0.153, -0.385, 1.149];
        assert!((p(&untied) - 0.496_093_75).abs() < 1e-12);
        let tied = [0.0, 0.0, 1.0, -1.0, 2.0, 2.0, -3.0, 4.0, 4.0, 0.0, 1.0, 5.0];
        assert!((p(&tied) - 0.085_937_5).abs() < 1e-12);
        let forty: Vec<f64> = (0..40).map(|i| f64::from(i + 1).sin() + 0.25).collect();
        assert!((p(&forty) - 0.012_512_084_404_078_36).abs() < 1e-12);
        let seventy = |shift: f64| (0..70).map(|i| f64::from(i * 37 % 23) - shift).collect::<Vec<_>>();
        assert!((p(&seventy(10.0)) - 0.303_703_250_374_292_8).abs() < 1e-9);
        assert!((p(&seventy(8.0)) - 0.001_645_706_180_584_537_6).abs() < 1e-9);
    }
}
