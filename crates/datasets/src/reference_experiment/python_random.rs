//! `CPython`'s `random.Random(seed)`: the Mersenne Twister and the draws the experiment makes with it.
//!
//! Source: Matsumoto & Nishimura, "Mersenne Twister", ACM TOMACS 8(1), 1998 (MT19937, seeding by
//! array of its 2002 revision); the draws are those of `CPython` 3.11's `random` module.

use super::ReferenceError;

const WORDS: usize = 624;
const SHIFT: usize = 397;

/// `random.Random(seed)`.
#[derive(Debug, Clone)]
pub struct PythonRandom {
    state: Vec<u32>,
    next: usize,
}

impl PythonRandom {
    /// Seeds the generator; Python uses the absolute value of a negative seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let low = (seed & 0xffff_ffff) as u32;
        let high = (seed >> 32) as u32;
        if high == 0 {
            Self::seeded_by(&[low])
        } else {
            Self::seeded_by(&[low, high])
        }
    }

    /// A state that the generator's own seeding spreads over all words.
    fn spread(seed: u32) -> Vec<u32> {
        let mut state = vec![seed];
        for i in 1..WORDS as u32 {
            let last = state[i as usize - 1];
            state.push(1_812_433_253_u32.wrapping_mul(last ^ (last >> 30)).wrapping_add(i));
        }
        state
    }

    fn seeded_by(key: &[u32]) -> Self {
        let mut state = Self::spread(19_650_218);
        let mut i = 1;
        let advance = |state: &mut Vec<u32>, i: usize| {
            if i + 1 < WORDS {
                return i + 1;
            }
            state[0] = state[WORDS - 1];
            1
        };
        let mixed = |state: &[u32], i: usize, factor: u32| {
            let last = state[i - 1];
            state[i] ^ (last ^ (last >> 30)).wrapping_mul(factor)
        };
        for step in 0..WORDS.max(key.len()) {
            let j = step % key.len();
            state[i] = mixed(&state, i, 1_664_525).wrapping_add(key[j]).wrapping_add(j as u32);
            i = advance(&mut state, i);
        }
        for _ in 1..WORDS {
            state[i] = mixed(&state, i, 1_566_083_941).wrapping_sub(i as u32);
            i = advance(&mut state, i);
        }
        state[0] = 0x8000_0000;
        Self { state, next: WORDS }
    }

    fn refill(&mut self) {
        for i in 0..WORDS {
            let joined = (self.state[i] & 0x8000_0000) | (self.state[(i + 1) % WORDS] & 0x7fff_ffff);
            let twist = if joined & 1 == 1 { 0x9908_b0df } else { 0 };
            self.state[i] = self.state[(i + SHIFT) % WORDS] ^ (joined >> 1) ^ twist;
        }
        self.next = 0;
    }

    fn next_u32(&mut self) -> u32 {
        if self.next >= WORDS {
            self.refill();
        }
        let mut word = self.state[self.next];
        self.next += 1;
        word ^= word >> 11;
        word ^= (word << 7) & 0x9d2c_5680;
        word ^= (word << 15) & 0xefc6_0000;
        word ^ (word >> 18)
    }

    /// `getrandbits(bits)` for 1 to 64 bits: the first word drawn is the lowest.
    fn bits(&mut self, bits: u32) -> u64 {
        if bits <= 32 {
            return u64::from(self.next_u32() >> (32 - bits));
        }
        let low = u64::from(self.next_u32());
        low | u64::from(self.next_u32() >> (64 - bits)) << 32
    }

    /// A whole number below `bound`, by rejection; 0 where `bound` is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        if bound == 0 {
            return 0;
        }
        loop {
            let drawn = self.bits(usize::BITS - bound.leading_zeros());
            if drawn < bound as u64 {
                return drawn as usize;
            }
        }
    }

    /// `shuffle(items)`, in place.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            let j = self.below(i + 1);
            items.swap(i, j);
        }
    }

    /// `sample(range(population), count)`, in the order drawn.
    ///
    /// # Errors
    /// [`ReferenceError::SampleTooLarge`] if `count` exceeds `population`.
    pub fn sample(&mut self, population: usize, count: usize) -> Result<Vec<usize>, ReferenceError> {
        if count > population {
            return Err(ReferenceError::SampleTooLarge {
                sample: count,
                population,
            });
        }
        if population <= list_limit(count) {
            let mut pool: Vec<usize> = (0..population).collect();
            return Ok((0..count)
                .map(|drawn| {
                    let j = self.below(population - drawn);
                    let last = population - drawn - 1;
                    let index = pool[j];
                    pool[j] = pool[last];
                    index
                })
                .collect());
        }
        let mut seen = std::collections::BTreeSet::new();
        let mut indices = Vec::with_capacity(count);
        while indices.len() < count {
            let j = self.below(population);
            if seen.insert(j) {
                indices.push(j);
            }
        }
        Ok(indices)
    }
}

/// Up to this population Python draws from a list, beyond it from a set: the cost of a set of
/// `count` small integers, counted in list elements.
fn list_limit(count: usize) -> usize {
    if count <= 5 {
        return 21;
    }
    let mut power: usize = 1;
    while power < count.saturating_mul(3) {
        power = power.saturating_mul(4);
    }
    power.saturating_add(21)
}

/// The `count` items that the experiment keeps of `population`, ascending; all of them where
/// `count` is 0 or not smaller than `population`. Med-HALT, MMLU and the `MultiMedQA` sets are cut
/// this way.
///
/// # Errors
/// None in practice: the sample is never larger than the population.
pub fn sorted_sample(population: usize, count: usize, seed: u64) -> Result<Vec<usize>, ReferenceError> {
    if count == 0 || count >= population {
        return Ok((0..population).collect());
    }
    let mut indices = PythonRandom::new(seed).sample(population, count)?;
    indices.sort_unstable();
    Ok(indices)
}

/// The first `count` of all items in shuffled order; all in their own order where `count` is 0 or
/// not smaller than `population`. The judged Multi-News summaries are chosen this way.
#[must_use]
pub fn shuffled_sample(population: usize, count: usize, seed: u64) -> Vec<usize> {
    let mut indices: Vec<usize> = (0..population).collect();
    if count > 0 && count < population {
        PythonRandom::new(seed).shuffle(&mut indices);
        indices.truncate(count);
    }
    indices
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_twister_of_the_reference_implementation() {
        // mt19937ar.out: init_by_array({0x123, 0x234, 0x345, 0x456}).
        let mut random = PythonRandom::seeded_by(&[0x123, 0x234, 0x345, 0x456]);
        let words: Vec<u32> = (0..3).map(|_| random.next_u32()).collect();
        assert_eq!(words, [1_067_595_299, 955_945_823, 477_289_528]);
    }

    #[test]
    fn draws_are_those_of_cpython() {
        assert_eq!(shuffled_sample(6, 5, 1), [2, 3, 5, 0, 4]);
        assert_eq!(shuffled_sample(3, 5, 1), [0, 1, 2]);
        assert_eq!(PythonRandom::new(42).sample(10, 4).unwrap(), [1, 0, 4, 9]);
        assert_eq!(sorted_sample(5000, 3, 43).unwrap(), [315, 1179, 2343]);
        assert!(PythonRandom::new(0).sample(2, 3).is_err());
    }

    #[test]
    fn wide_draws_and_seeds() {
        let mut random = PythonRandom::new(1 << 40);
        assert_eq!(random.bits(40), 386_992_184_705);
        assert!((0..100).all(|_| random.below(7) < 7));
    }
}
