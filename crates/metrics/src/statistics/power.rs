//! The smallest difference that a comparison of this size would have found: what "no difference" is worth.
//!
//! Sources: for a mean difference with standard error `s`, Cohen 1988:
//!
//! ```text
//! δ = (z_{1−α/2} + z_{power}) · s
//! ```
//!
//! for right and wrong answers, Connor, *Biometrics* 43 (1987): with `ψ` the share of items whose outcome changes, δ solves
//!
//! ```text
//! √n · δ = z_{1−α/2} · √ψ + z_{power} · √(ψ − δ²)
//! ```

use statrs::distribution::{ContinuousCDF, Normal};

use super::mcnemar::mcnemar_exact;

/// Power that a minimum detectable effect is stated for.
pub const POWER: f64 = 0.8;

/// Two-sided level that a minimum detectable effect is stated for.
pub const LEVEL: f64 = 0.05;

/// Smallest mean difference found with a probability of [`POWER`] at a two-sided [`LEVEL`].
#[must_use]
pub fn minimum_detectable_mean(standard_error: f64) -> f64 {
    (z(1.0 - LEVEL / 2.0) + z(POWER)) * standard_error
}

/// Smallest difference between two shares of the same `n` items found with a probability of [`POWER`] at a two-sided [`LEVEL`].
/// The share that changes is estimated from the flips seen, one added on either side (Bonett & Price 2012), so that no flips in
/// few items do not promise the finest resolution. `None` if even a change of all items in one direction would be missed.
#[must_use]
pub fn minimum_detectable_flips(flips: usize, n: usize) -> Option<f64> {
    // Even all of them in one direction are no finding.
    if mcnemar_exact(n, 0) > LEVEL {
        return None;
    }
    let changing = (flips + 2) as f64 / (n + 2) as f64;
    let missing = |delta: f64, changing: f64| {
        let spread = (changing - delta * delta).max(0.0);
        z(1.0 - LEVEL / 2.0) * changing.sqrt() + z(POWER) * spread.sqrt() - (n as f64).sqrt() * delta
    };
    // A difference cannot exceed the share that changes: where that share is too small to be found, it is what must grow.
    if missing(changing, changing) <= 0.0 {
        return Some(root(0.0, changing, |delta| missing(delta, changing)));
    }
    (missing(1.0, 1.0) <= 0.0).then(|| root(changing, 1.0, |delta| missing(delta, delta)))
}

/// Where `f`, positive at `low` and not at `high`, changes its sign.
fn root(mut low: f64, mut high: f64, f: impl Fn(f64) -> f64) -> f64 {
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if f(middle) > 0.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

/// Quantile of the standard normal distribution.
pub(super) fn z(share: f64) -> f64 {
    Normal::standard().inverse_cdf(share)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        assert!((minimum_detectable_mean(0.01) - 0.028_016).abs() < 1e-6);
        // 98 + 2 of 998 + 2 change: √998·δ = 1.959964·√0.1 + 0.841621·√(0.1 − δ²).
        let delta = minimum_detectable_flips(98, 998).unwrap();
        let right = 1.959_964 * 0.1_f64.sqrt() + 0.841_621 * (0.1 - delta * delta).sqrt();
        assert!(
            (998.0_f64.sqrt() * delta - right).abs() < 1e-5 && (0.027..0.029).contains(&delta),
            "{delta}"
        );
    }

    #[test]
    fn fifty_items_find_little_and_three_nothing() {
        let none_changed = minimum_detectable_flips(0, 50).unwrap();
        assert!((0.05..0.15).contains(&none_changed), "{none_changed}");
        assert!(minimum_detectable_flips(10, 50).unwrap() > 0.15);
        assert_eq!(minimum_detectable_flips(0, 3), None);
        assert_eq!(minimum_detectable_flips(0, 0), None);
        let finer = [50, 500, 5000].map(|n| minimum_detectable_flips(n / 10, n).unwrap());
        assert!(finer[0] > finer[1] && finer[1] > finer[2]);
    }
}
