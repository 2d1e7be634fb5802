//! Paired randomisation test of a mean difference: if the two systems were alike, each item's difference could as well
//! have the other sign.
//!
//! Source: Fisher 1935; Noreen 1989.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::Bootstrap;
use crate::error::{Result, finite, not_empty, same_length};

/// Items up to which every assignment of signs is tried instead of drawn.
const EXHAUSTIVE: usize = 16;

/// Two-sided p-value of `candidate − baseline`: the share of sign assignments whose mean difference is at least as far from
/// 0. All 2ⁿ for at most 16 items that differ, else `options.resamples` draws and the observed one.
///
/// # Errors
/// If the lists are empty or differ in length, or a value is not finite.
pub fn paired_randomisation(baseline: &[f64], candidate: &[f64], options: &Bootstrap) -> Result<f64> {
    let metric = "paired randomisation";
    not_empty(metric, baseline)?;
    same_length(metric, "candidate values", candidate.len(), baseline.len())?;
    finite(metric, baseline)?;
    finite(metric, candidate)?;
    let differences: Vec<f64> = baseline
        .iter()
        .zip(candidate)
        .map(|(baseline, candidate)| candidate - baseline)
        .filter(|&difference| difference != 0.0)
        .collect();
    let observed = differences.iter().sum::<f64>().abs();
    // Sums that differ by rounding alone are equal.
    let slack = 1e-12 * differences.iter().map(|d| d.abs()).sum::<f64>();
    let as_far = |signs: &mut dyn FnMut(usize) -> bool| {
        let sum: f64 = differences
            .iter()
            .enumerate()
            .map(|(i, d)| if signs(i) { *d } else { -*d })
            .sum();
        sum.abs() >= observed - slack
    };
    if differences.len() <= EXHAUSTIVE {
        let all = 1_u32 << differences.len();
        let far = (0..all).filter(|bits| as_far(&mut |i| bits >> i & 1 == 1));
        return Ok(far.count() as f64 / f64::from(all));
    }
    let mut random = ChaCha8Rng::seed_from_u64(options.seed);
    let far = (0..options.resamples)
        .filter(|_| as_far(&mut |_| random.random::<bool>()))
        .count();
    Ok((far + 1) as f64 / (options.resamples + 1) as f64)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn by_hand() {
        // Three differences of 1: only +++ and −−− of 8 are as far from 0.
        let p = paired_randomisation(&[0.0; 4], &[1.0, 1.0, 1.0, 0.0], &Bootstrap::default());
        assert!((p.unwrap() - 2.0 / 8.0).abs() < 1e-15);
        let none = paired_randomisation(&[1.0; 4], &[1.0; 4], &Bootstrap::default());
        assert!((none.unwrap() - 1.0).abs() < 1e-15);
    }

    #[test]
    fn draws_find_what_is_plain() {
        let baseline = vec![0.0; 40];
        let better = vec![1.0; 40];
        let options = Bootstrap::default();
        let p = paired_randomisation(&baseline, &better, &options).unwrap();
        assert!((p - 1.0 / 2001.0).abs() < 1e-15);
        let mixed: Vec<f64> = (0..40).map(|i| f64::from(i % 2) - 0.5).collect();
        assert!(paired_randomisation(&baseline, &mixed, &options).unwrap() > 0.9);
        assert!(paired_randomisation(&[], &[], &options).is_err());
    }
}
