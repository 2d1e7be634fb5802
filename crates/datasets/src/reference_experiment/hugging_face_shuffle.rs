//! The orders in which the Hugging Face `datasets` library hands out shuffled records.
//!
//! The experiment's calibration samples are the first 128 of such an order.

use super::numpy_random::NumpyGenerator;

/// `Dataset.shuffle(seed).select(range(count))`: indices of the first `count` of `rows` records.
#[must_use]
pub fn dataset_shuffle(rows: u32, seed: u64, count: usize) -> Vec<usize> {
    let mut order = NumpyGenerator::new(seed).permutation(rows);
    order.truncate(count);
    order
}

/// `IterableDataset.shuffle(seed, buffer_size).take(count)` over one shard of `rows` records, as
/// `datasets` 5 does it: once the buffer is full it is permuted, its first half (rounded up) handed
/// out and the rest kept to mix with what comes. Earlier versions swapped single records and give
/// another order. A stream of several shards has the order of its shards shuffled too; that is not
/// reproduced here.
#[must_use]
pub fn streaming_shuffle(rows: usize, seed: u64, buffer_size: u32, count: usize) -> Vec<usize> {
    let mut generator = NumpyGenerator::new(seed);
    let mut buffer: Vec<usize> = Vec::new();
    let mut out = Vec::new();
    for row in 0..rows {
        if out.len() >= count {
            break;
        }
        buffer.push(row);
        if buffer.len() >= buffer_size as usize {
            permute(&mut buffer, &mut generator);
            let kept = buffer.split_off(buffer.len() - buffer_size as usize / 2);
            out.append(&mut buffer);
            buffer = kept;
        }
    }
    permute(&mut buffer, &mut generator);
    out.append(&mut buffer);
    out.truncate(count);
    out
}

fn permute(buffer: &mut Vec<usize>, generator: &mut NumpyGenerator) {
    let order = generator.permutation(u32::try_from(buffer.len()).unwrap_or(u32::MAX));
    *buffer = order.into_iter().map(|i| buffer[i]).collect();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_buffer_hands_out_half_and_refills() {
        let order = streaming_shuffle(50, 0, 10, 20);
        assert_eq!(
            order,
            [4, 6, 2, 7, 3, 0, 14, 8, 11, 5, 15, 9, 19, 1, 18, 10, 20, 22, 21, 16]
        );
    }

    #[test]
    fn every_record_comes_once() {
        for (rows, buffer) in [(0, 4), (3, 4), (4, 4), (23, 5), (7, 1)] {
            let mut order = streaming_shuffle(rows, 7, buffer, usize::MAX);
            order.sort_unstable();
            assert_eq!(order, (0..rows).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_dataset_is_cut_after_its_permutation() {
        assert_eq!(dataset_shuffle(10, 2, 3), [2, 0, 7]);
        assert_eq!(dataset_shuffle(2, 0, 128).len(), 2);
    }
}
