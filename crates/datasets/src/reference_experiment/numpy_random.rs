//! `NumPy`'s `default_rng(seed)`: `SeedSequence`, PCG64 and the permutation drawn with them.
//!
//! Sources: O'Neill, "PCG: A Family of Simple Fast Space-Efficient Statistically Good Algorithms
//! for Random Number Generation", 2014 (PCG-XSL-RR-128/64); `NumPy` 2.4's `SeedSequence` and
//! `Generator`, whose shuffles draw their indices by masked rejection.

const MULTIPLIER: u128 = 0x2360_ED05_1FC6_5DA4_4385_DF64_9FCC_F645;
const POOL: usize = 4;

/// `numpy.random.default_rng(seed)`.
#[derive(Debug, Clone)]
pub struct NumpyGenerator {
    state: u128,
    increment: u128,
    /// The upper half of the last 64-bit word, if only its lower half was used.
    spare: Option<u32>,
}

impl NumpyGenerator {
    /// Seeds a PCG64 through a `SeedSequence` of the seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let words = seed_words(seed);
        let joined = |high: u64, low: u64| u128::from(high) << 64 | u128::from(low);
        let increment = joined(words[2], words[3]) << 1 | 1;
        let mut generator = Self {
            state: 0,
            increment,
            spare: None,
        };
        generator.step();
        generator.state = generator.state.wrapping_add(joined(words[0], words[1]));
        generator.step();
        generator
    }

    fn step(&mut self) {
        self.state = self.state.wrapping_mul(MULTIPLIER).wrapping_add(self.increment);
    }

    fn next_u64(&mut self) -> u64 {
        self.step();
        let (high, low) = ((self.state >> 64) as u64, (self.state & u128::from(u64::MAX)) as u64);
        (high ^ low).rotate_right((high >> 58) as u32)
    }

    fn next_u32(&mut self) -> u32 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        let word = self.next_u64();
        self.spare = Some((word >> 32) as u32);
        (word & 0xffff_ffff) as u32
    }

    /// A whole number in `0..=last`, by rejection under the smallest mask that holds `last`;
    /// draws nothing where `last` is 0.
    fn up_to(&mut self, last: u32) -> u32 {
        if last == 0 {
            return 0;
        }
        let mask = u32::MAX >> last.leading_zeros();
        loop {
            let drawn = self.next_u32() & mask;
            if drawn <= last {
                return drawn;
            }
        }
    }

    /// `permutation(n)`: the indices below `n` in a random order.
    pub fn permutation(&mut self, n: u32) -> Vec<usize> {
        let mut indices: Vec<usize> = (0..n as usize).collect();
        for i in (1..n).rev() {
            let j = self.up_to(i);
            indices.swap(i as usize, j as usize);
        }
        indices
    }
}

/// `SeedSequence(seed).generate_state(4, uint64)`.
fn seed_words(seed: u64) -> [u64; 4] {
    let pool = mixed_pool(seed);
    let mut constant: u32 = 0x8b51_f9dd;
    let halves: Vec<u32> = (0..8)
        .map(|i| {
            let mut word = pool[i % POOL] ^ constant;
            constant = constant.wrapping_mul(0x58f3_8ded);
            word = word.wrapping_mul(constant);
            word ^ (word >> 16)
        })
        .collect();
    std::array::from_fn(|i| u64::from(halves[2 * i]) | u64::from(halves[2 * i + 1]) << 32)
}

/// The seed's two 32-bit words, hashed into four words that each depend on all.
fn mixed_pool(seed: u64) -> [u32; POOL] {
    let mut constant: u32 = 0x43b0_d7e5;
    let mut hash = |word: u32| {
        let mut word = word ^ constant;
        constant = constant.wrapping_mul(0x931e_8875);
        word = word.wrapping_mul(constant);
        word ^ (word >> 16)
    };
    let mix = |a: u32, b: u32| {
        let sum = a.wrapping_mul(0xca01_f9dd).wrapping_sub(b.wrapping_mul(0x4973_f715));
        sum ^ (sum >> 16)
    };
    let entropy = [(seed & 0xffff_ffff) as u32, (seed >> 32) as u32, 0, 0];
    let mut pool = entropy.map(&mut hash);
    for source in 0..POOL {
        for target in (0..POOL).filter(|&target| target != source) {
            pool[target] = mix(pool[target], hash(pool[source]));
        }
    }
    pool
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_numpy() {
        assert_eq!(
            seed_words(0),
            [
                15_793_235_383_387_715_774,
                12_390_638_538_380_655_177,
                2_361_836_109_651_742_017,
                3_188_717_715_514_472_916
            ]
        );
        let mut generator = NumpyGenerator::new(0);
        assert_eq!(generator.next_u64(), 11_749_869_230_777_074_271);
    }

    #[test]
    fn permutations_are_those_of_numpy() {
        assert_eq!(NumpyGenerator::new(0).permutation(10), [4, 6, 2, 7, 3, 5, 9, 0, 8, 1]);
        assert_eq!(NumpyGenerator::new(2).permutation(10), [2, 0, 7, 6, 9, 5, 3, 4, 8, 1]);
        assert_eq!(NumpyGenerator::new(1 << 40).permutation(6), [0, 5, 3, 4, 2, 1]);
        assert_eq!(NumpyGenerator::new(0).permutation(1), [0]);
        assert!(NumpyGenerator::new(0).permutation(0).is_empty());
    }
}
