//! Which token follows which, as the kernels of the blocks with a state read it.

use burn_cubecl::tensor::CubeTensor;

use super::buffers::Adapter;
use super::kernels::steps::{CACHED, NOTHING, ON, PADDING, WORDS};
use crate::blocks::timeline::{Run, Start, Timeline};

/// A timeline's words (`kernels::steps`).
#[derive(Debug, Clone)]
pub(crate) struct DeviceSteps {
    pub(crate) words: CubeTensor,
    /// States that are kept at once for branches, of each row.
    pub(crate) slots: usize,
}

impl DeviceSteps {
    pub(crate) fn new(timeline: &Timeline, adapter: &Adapter) -> Self {
        let (words, slots) = words(timeline);
        let bytes: Vec<u8> = words.into_iter().flat_map(u32::to_le_bytes).collect();
        Self {
            words: adapter.words(&bytes),
            slots,
        }
    }
}

/// The words, and the most states that a row keeps at once.
fn words(timeline: &Timeline) -> (Vec<u32>, usize) {
    let mut cells = vec![[PADDING, PADDING, ON]; timeline.cells()];
    let mut ends = Vec::with_capacity(timeline.batch());
    let mut slots = 0;
    for row in 0..timeline.batch() {
        let runs = timeline.row(row);
        slots = slots.max(row_words(runs, &mut cells));
        let end = runs.last().and_then(|run| run.cells.last());
        ends.push(end.map_or(NOTHING, |&cell| cell as u32));
    }
    (cells.into_iter().flatten().chain(ends).collect(), slots)
}

/// Fills in the cells of a row; returns how many states it keeps at once.
fn row_words(runs: &[Run], cells: &mut [[u32; WORDS as usize]]) -> usize {
    // Per run, the last one that goes on from it and is not the next.
    let mut last_uses = vec![None; runs.len()];
    for (number, run) in runs.iter().enumerate() {
        if let Start::Behind(before) = run.start
            && before + 1 != number
        {
            last_uses[before] = Some(number);
        }
    }
    // Who has which slot, and who had it until now.
    let mut owners: Vec<Option<usize>> = Vec::new();
    for (number, run) in runs.iter().enumerate() {
        let (before, from) = match run.start {
            Start::Nothing => (NOTHING, NOTHING),
            Start::Cached => (CACHED, CACHED),
            Start::Behind(before) => {
                let end = runs[before].cells.last().map_or(NOTHING, |&cell| cell as u32);
                let slot = owners.iter().position(|&owner| owner == Some(before));
                match slot.filter(|_| before + 1 != number) {
                    Some(slot) => {
                        if last_uses[before] == Some(number) {
                            owners[slot] = None;
                        }
                        (end, slot as u32 + 1)
                    }
                    None => (end, ON),
                }
            }
        };
        let mut previous = [before, from];
        for &cell in &run.cells {
            cells[cell] = [previous[0], previous[1], ON];
            previous = [cell as u32, ON];
        }
        if run.branches
            && let Some(&end) = run.cells.last()
        {
            let free = owners.iter().position(Option::is_none);
            let slot = free.unwrap_or_else(|| {
                owners.push(None);
                owners.len() - 1
            });
            owners[slot] = Some(number);
            cells[end][2] = slot as u32 + 1;
        }
    }
    owners.len()
}

#[cfg(test)]
mod tests {
    use super::{CACHED, NOTHING, ON, PADDING, WORDS, words};
    use crate::batch::Batch;
    use crate::blocks::timeline::Timeline;
    use crate::shared::{Behind, Sharing, rows};

    /// What a kernel does with a state that is a sum.
    fn walked(timeline: &Timeline, cached: u32) -> Vec<u32> {
        let (words, slots) = words(timeline);
        let mut kept = vec![0; slots];
        let mut sum = cached;
        let mut sums = Vec::new();
        for (cell, step) in words.chunks_exact(WORDS as usize).take(timeline.length()).enumerate() {
            match step[1] {
                PADDING => continue,
                NOTHING => sum = 0,
                CACHED => sum = cached,
                ON => {}
                slot => sum = kept[slot as usize - 1],
            }
            sum += 10 + cell as u32;
            sums.push(sum);
            if step[2] != ON {
                kept[step[2] as usize - 1] = sum;
            }
        }
        sums
    }

    fn expected(timeline: &Timeline, cached: u32) -> Vec<u32> {
        let mut sums = Vec::new();
        timeline.walk(0, &mut [cached], |cell, sum: &mut [u32]| {
            sum[0] += 10 + cell as u32;
            sums.push(sum[0]);
        });
        sums
    }

    #[test]
    fn branches_take_up_what_was_kept_for_them() {
        let sequences: [&[u32]; 7] = [
            &[1, 2, 3, 4],
            &[1, 2, 3, 5, 6],
            &[1, 2, 3, 5, 7],
            &[1, 2, 3, 8],
            &[1, 2, 7],
            &[1, 9, 1],
            &[1, 9, 2],
        ];
        let timeline = Timeline::new(
            &Batch::shared(&rows(&sequences, Behind::default(), &Sharing::SHORT), &[]),
            &[],
        );
        let (all, slots) = words(&timeline);
        assert_eq!(walked(&timeline, 1000), expected(&timeline, 1000));
        // Branches leave behind 1, 2, 3 and 5, all before any of the four is done with; what is kept behind 9 has the room of one of them.
        assert_eq!(slots, 4);
        let tokens = timeline.length() as u32;
        assert_eq!(all.len() as u32, WORDS * tokens + 1);
        assert_eq!(all[all.len() - 1], tokens - 1);
    }

    #[test]
    fn padding_documents_and_the_cache_are_told_apart() {
        let left = Timeline::new(&Batch::left_padded(&[&[5, 6, 7], &[9]]), &[Some(0)]);
        let (found, slots) = words(&left);
        let padding = [PADDING, PADDING, ON];
        let expected = [[CACHED, CACHED, ON], [0, ON, ON], [1, ON, ON], padding, padding];
        assert_eq!(found[..15], expected.concat());
        assert_eq!((&found[15..], slots), (&[NOTHING, NOTHING, ON, 2, 5][..], 0));
        let empty = Timeline::new(&Batch::right_padded(&[&[], &[1]]), &[]);
        assert_eq!(
            words(&empty).0,
            [PADDING, PADDING, ON, NOTHING, NOTHING, ON, NOTHING, 1]
        );
    }
}
