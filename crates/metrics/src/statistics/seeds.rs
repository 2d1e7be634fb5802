//! Several calibration seeds on the same items: two sources of doubt, kept apart and put together.
//!
//! Items: every seed's model answers the same items, so that the mean over seeds of each draw is a draw of the mean. Seeds: masks
//! differ, and other seeds would give others. The second is not in the first, however many items there are.
//!
//! ```text
//! draw = mean over seeds of their draws  +  √(S/(S−1)) · (mean of S seeds' values drawn with replacement − mean of all)
//! ```
//!
//! Source: Davison & Hinkley 1997, 3.8 (hierarchical data), with the values' scatter scaled as in [`super::resampling`].

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::bootstrap::standard_deviation;
use super::resampling::{Resampled, narrowness};

/// A statistic over seeds.
#[derive(Debug, Clone, PartialEq)]
pub struct OverSeeds {
    /// Seeds.
    pub seeds: usize,
    /// Mean over the seeds at hand, with the doubt that items leave, and no other.
    pub items: Resampled,
    /// The same with the doubt that seeds leave; with one seed as `items`, since one seed says nothing of others.
    pub both: Resampled,
    /// Standard deviation of the values between seeds; `None` for one seed.
    pub between: Option<f64>,
    /// Smallest and largest value of a seed.
    pub range: (f64, f64),
}

/// Puts the seeds of one cell together; `None` for none, or if their numbers of draws differ. Draws of seeds depend on their
/// number alone, so that all cells with the same seeds draw the same ones.
#[must_use]
pub fn over_seeds(seeds: &[Resampled]) -> Option<OverSeeds> {
    let first = seeds.first()?;
    let count = first.draws.len();
    if seeds.iter().any(|seed| seed.draws.len() != count) {
        return None;
    }
    let values: Vec<f64> = seeds.iter().map(|seed| seed.observed).collect();
    let number = seeds.len();
    let mean = values.iter().sum::<f64>() / number as f64;
    let mean_of_draw = |draw: usize| seeds.iter().map(|seed| seed.draws[draw]).sum::<f64>() / number as f64;
    let items = Resampled {
        observed: mean,
        draws: (0..count).map(mean_of_draw).collect(),
        units: seeds.iter().map(|seed| seed.units).min()?,
        bounded: first.bounded,
        plain: seeds.iter().all(|seed| seed.plain),
    };
    let mut both = items.clone();
    if number > 1 {
        let mut random = ChaCha8Rng::seed_from_u64(number as u64);
        for draw in &mut both.draws {
            let drawn: f64 = (0..number).map(|_| values[random.random_range(0..number)]).sum();
            *draw += narrowness(number) * (drawn / number as f64 - mean);
        }
    }
    let fold = |start: f64, pick: fn(f64, f64) -> f64| values.iter().copied().fold(start, pick);
    Some(OverSeeds {
        seeds: number,
        items,
        both,
        between: (number > 1).then(|| standard_deviation(&values)),
        range: (fold(f64::INFINITY, f64::min), fold(f64::NEG_INFINITY, f64::max)),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::statistics::{Bootstrap, Clusters, resample_mean};

    fn seed(shift: f64) -> Resampled {
        let values: Vec<f64> = (0..400).map(|i| shift + 0.2 * (f64::from(i % 2) - 0.5)).collect();
        resample_mean(&values, &Clusters::singletons(400), &Bootstrap::default()).unwrap()
    }

    #[test]
    fn items_do_not_shrink_with_seeds_and_seeds_widen() {
        let one = over_seeds(&[seed(0.1)]).unwrap();
        assert_eq!((one.seeds, one.between, &one.items), (1, None, &one.both));
        let three = over_seeds(&[seed(0.0), seed(0.1), seed(0.2)]).unwrap();
        let error = |r: &Resampled| r.standard_error().unwrap();
        assert!((error(&three.items) / error(&one.items) - 1.0).abs() < 1e-9);
        // Standard error over seeds: 0.1/√3.
        let expected = error(&one.items).hypot(0.1 / 3.0_f64.sqrt());
        assert!(
            (error(&three.both) / expected - 1.0).abs() < 0.05,
            "{}",
            error(&three.both)
        );
        assert!((three.between.unwrap() - 0.1).abs() < 1e-9);
        assert!((three.range.1 - three.range.0 - 0.2).abs() < 1e-9);
    }

    #[test]
    fn draws_of_other_numbers_do_not_go_together() {
        let short = Resampled {
            draws: vec![0.0],
            ..seed(0.0)
        };
        assert_eq!(over_seeds(&[seed(0.0), short]), None);
        assert_eq!(over_seeds(&[]), None);
    }
}
