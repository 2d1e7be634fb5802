//! Seeded draws. A smaller draw is always contained in a larger one of the same seed.

use rand::Rng;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// The first `count` positions of a seeded shuffle of `0..total`, in the order drawn.
///
/// Partial Fisher–Yates: step `i` swaps position `i` with one of `i..total`, so the first steps do not depend on `count`.
#[must_use]
pub fn draw(total: usize, count: usize, seed: u64) -> Vec<usize> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut positions: Vec<usize> = (0..total).collect();
    let count = count.min(total);
    for step in 0..count {
        let other = rng.random_range(step as u64..total as u64);
        positions.swap(step, usize::try_from(other).unwrap_or(step));
    }
    positions.truncate(count);
    positions
}

/// A seeded sample of at most `limit` elements, in their original order.
#[must_use]
pub fn sample<T>(all: Vec<T>, limit: Option<usize>, seed: u64) -> Vec<T> {
    let Some(limit) = limit.filter(|&limit| limit < all.len()) else {
        return all;
    };
    let mut keep = vec![false; all.len()];
    for position in draw(all.len(), limit, seed) {
        keep[position] = true;
    }
    all.into_iter()
        .zip(keep)
        .filter_map(|(element, keep)| keep.then_some(element))
        .collect()
}

/// `count` fair tosses. The first ones do not depend on `count`.
#[must_use]
pub fn tosses(count: usize, seed: u64) -> Vec<bool> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..count).map(|_| rng.random_range(0..2_u64) == 1).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_seeded_nested_and_in_order() {
        let all: Vec<usize> = (0..100).collect();
        let ten = sample(all.clone(), Some(10), 7);
        let twenty = sample(all.clone(), Some(20), 7);
        assert_eq!(ten, sample(all.clone(), Some(10), 7));
        assert_ne!(ten, sample(all.clone(), Some(10), 8));
        assert!(ten.is_sorted());
        assert!(ten.iter().all(|element| twenty.contains(element)));
        assert_eq!(sample(all.clone(), Some(100), 7), all);
        assert_eq!(sample(all.clone(), None, 7), all);
    }

    #[test]
    fn a_full_draw_is_a_permutation() {
        let mut all = draw(50, 50, 3);
        assert_ne!(all, (0..50).collect::<Vec<_>>());
        all.sort_unstable();
        assert_eq!(all, (0..50).collect::<Vec<_>>());
    }

    #[test]
    fn tosses_are_fair_seeded_and_nested() {
        let thousand = tosses(1000, 5);
        assert_eq!(thousand[..10], tosses(10, 5));
        assert_ne!(thousand, tosses(1000, 6));
        let heads = thousand.iter().filter(|&&head| head).count();
        assert!((430..570).contains(&heads), "{heads}");
    }
}
