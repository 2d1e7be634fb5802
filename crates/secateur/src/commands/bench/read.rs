//! How fast all threads together read weights in plain loops: what decoding, for which each weight is read once a step, can at most come to.

use std::hint::black_box;
use std::time::Instant;

use bytes::Bytes;
use rayon::prelude::*;
use secateur_model::checkpoint::Checkpoint;

/// Bytes that are read, at most.
const MOST: usize = 512 << 20;
/// Of fewer, caches would answer, and not the memory.
const FEWEST: usize = 128 << 20;
/// Bytes that a thread reads before the next.
const PIECE: usize = 1 << 20;
/// Places of a piece that are read side by side: one does not fill the memory's queue everywhere, and many open more of its pages than some keep open.
const STREAMS: [usize; 3] = [1, 2, 8];
/// Bytes that come from memory together.
const LINE: usize = 64;

/// Weights to read.
pub struct Weights(Vec<Bytes>);

impl Weights {
    /// Tensors of a checkpoint, where they are mapped.
    pub fn of(checkpoint: &Checkpoint) -> Self {
        let mut left = MOST;
        let mut tensors = Vec::new();
        for tensor in checkpoint.tensors() {
            if left == 0 {
                break;
            }
            let bytes = checkpoint.bytes(tensor);
            let count = left.min(bytes.len());
            tensors.push(bytes.slice(..count));
            left -= count;
        }
        Self(tensors)
    }

    /// Bytes per second, by as many streams as are fastest; `None` where there are too few bytes to tell.
    pub fn rate(&self) -> Option<f64> {
        let count: usize = self.0.iter().map(Bytes::len).sum();
        (count >= FEWEST).then(|| {
            let rates = STREAMS.iter().map(|&streams| {
                let started = Instant::now();
                black_box(self.sum(streams));
                count as f64 / started.elapsed().as_secs_f64()
            });
            rates.fold(0.0, f64::max)
        })
    }

    /// All words, each read once.
    fn sum(&self, streams: usize) -> u64 {
        let pieces: Vec<&[u8]> = self.0.iter().flat_map(|bytes| bytes.chunks(PIECE)).collect();
        let share = pieces.len().div_ceil(rayon::current_num_threads()).max(1);
        let of = |pieces: &[&[u8]]| {
            let sums = pieces.iter().map(|piece| sum(piece, streams));
            sums.fold(0, u64::wrapping_add)
        };
        pieces.par_chunks(share).map(of).reduce(|| 0, u64::wrapping_add)
    }
}

fn sum(piece: &[u8], streams: usize) -> u64 {
    let stream = piece.len().div_ceil(streams).next_multiple_of(LINE);
    let parts: Vec<&[u8]> = piece.chunks(stream.max(LINE)).collect();
    let mut sums = [0u64; LINE / 8];
    for at in (0..stream).step_by(LINE) {
        for part in &parts {
            if let Some(line) = part.get(at..at + LINE) {
                for (sum, word) in sums.iter_mut().zip(line.as_chunks().0) {
                    *sum = sum.wrapping_add(u64::from_le_bytes(*word));
                }
            }
        }
    }
    sums.into_iter().fold(0, u64::wrapping_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(count: u64) -> Bytes {
        (0..count).flat_map(u64::to_le_bytes).collect::<Vec<u8>>().into()
    }

    #[test]
    fn every_whole_line_is_read_once() {
        let count = 3 * PIECE as u64 / 8 + 24;
        let weights = Weights(vec![words(count), words(8)]);
        for streams in STREAMS {
            assert_eq!(weights.sum(streams), count * (count - 1) / 2 + 28, "{streams}");
        }
    }

    #[test]
    fn what_caches_hold_tells_nothing() {
        assert_eq!(Weights(vec![words(1000)]).rate(), None);
        let rate = Weights(vec![vec![1; FEWEST].into()]).rate();
        assert!(rate.is_some_and(|rate| rate.is_finite() && rate > 0.0), "{rate:?}");
    }
}
