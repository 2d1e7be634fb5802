//! Worlds whose truth is known: items, documents, pruned models.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use secateur_metrics::statistics::Clusters;

/// Draws of a world, seeded.
pub struct World(ChaCha8Rng);

impl World {
    pub fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// Uniform in [0, 1).
    pub fn uniform(&mut self) -> f64 {
        self.0.random()
    }

    pub fn happens(&mut self, probability: f64) -> bool {
        self.uniform() < probability
    }

    /// Standard normal (Box & Muller).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// Gamma of a whole shape and scale 1.
    fn gamma(&mut self, shape: u32) -> f64 {
        (0..shape).map(|_| -(1.0 - self.uniform()).ln()).sum()
    }

    /// Beta of whole parameters, mean a / (a + b): the shape of overlap scores.
    pub fn beta(&mut self, a: u32, b: u32) -> f64 {
        let (left, right) = (self.gamma(a), self.gamma(b));
        left / (left + right)
    }
}

/// Documents with `of` items each.
pub fn documents(count: usize, of: usize) -> Clusters {
    let names: Vec<String> = (0..count * of).map(|item| (item / of).to_string()).collect();
    Clusters::by_name(names.iter().map(|name| Some(name.as_str())))
}

/// Sum over runs of what each run counts, on all cores; the same for any number of them.
pub fn total<const N: usize>(runs: usize, count: impl Fn(usize) -> [f64; N] + Sync) -> [f64; N] {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let part = |first: usize| -> Vec<[f64; N]> { (first..runs).step_by(threads).map(&count).collect() };
    let parts: Vec<[f64; N]> = std::thread::scope(|scope| {
        let part = &part;
        let handles: Vec<_> = (0..threads).map(|first| scope.spawn(move || part(first))).collect();
        handles.into_iter().flat_map(|handle| handle.join().unwrap()).collect()
    });
    let sum = |i: usize| parts.iter().map(|part| part[i]).sum();
    std::array::from_fn(sum)
}

/// Few runs are a quick check, with few resamples.
pub fn resamples(runs: usize) -> usize {
    if runs < 1000 { 400 } else { 1000 }
}
