//! Which token follows which: what a block with a state needs to know of padding and documents.

#[cfg(feature = "wgpu")]
use std::sync::OnceLock;

use crate::batch::Batch;
#[cfg(feature = "wgpu")]
use crate::gpu::{Adapter, DeviceSteps};

/// The tokens of a batch as runs of consecutive tokens of one document, padding left out wherever it stands.
#[derive(Debug, Clone)]
pub struct Timeline {
    /// Tokens per row, padding included.
    length: usize,
    /// Per row, its runs in order.
    rows: Vec<Vec<Run>>,
    /// The same on an adapter, made when it is first asked for.
    #[cfg(feature = "wgpu")]
    there: OnceLock<DeviceSteps>,
}

/// Tokens of one document in one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Run {
    /// Indices into `[batch * length]`, ascending.
    pub(crate) cells: Vec<usize>,
    /// What it goes on from.
    pub(crate) start: Start,
    document: u32,
    /// A run other than the next goes on from its end.
    pub(crate) branches: bool,
}

/// The state before a run's first token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// Zero: a document begins.
    Nothing,
    /// That in the cache: the document began before this batch, or goes on from one that did.
    Cached,
    /// That behind the last token of an earlier run of the row.
    Behind(usize),
}

impl Timeline {
    /// The runs of `batch`; `last` is, per row, the document of the last token in the cache, `None` where there is none.
    #[must_use]
    pub fn new(batch: &Batch, last: &[Option<u32>]) -> Self {
        Self {
            length: batch.length,
            rows: (0..batch.batch)
                .map(|row| runs(batch, row, last.get(row).copied().flatten()))
                .collect(),
            #[cfg(feature = "wgpu")]
            there: OnceLock::new(),
        }
    }

    /// Sequences side by side.
    #[must_use]
    pub fn batch(&self) -> usize {
        self.rows.len()
    }

    /// Tokens per sequence, padding included.
    #[must_use]
    pub fn length(&self) -> usize {
        self.length
    }

    /// Padded tokens.
    pub(crate) fn cells(&self) -> usize {
        self.rows.len() * self.length
    }

    /// Runs of a row.
    pub(crate) fn row(&self, row: usize) -> &[Run] {
        &self.rows[row]
    }

    /// The same for an adapter's kernels.
    #[cfg(feature = "wgpu")]
    pub(crate) fn there(&self, adapter: &Adapter) -> &DeviceSteps {
        self.there.get_or_init(|| DeviceSteps::new(self, adapter))
    }

    /// Goes through a row's tokens in order. `step` is given each token's cell and the state before it, of the token that it follows, and
    /// leaves the state behind it there.
    pub(crate) fn walk<R: Copy + Default>(&self, row: usize, state: &mut [R], mut step: impl FnMut(usize, &mut [R])) {
        let runs = &self.rows[row];
        let again = runs.iter().skip(1).any(|run| run.start == Start::Cached);
        let cached = again.then(|| state.to_vec());
        let mut ends: Vec<Option<Vec<R>>> = Vec::with_capacity(runs.len());
        for (number, run) in runs.iter().enumerate() {
            let kept = match run.start {
                Start::Nothing => {
                    state.fill(R::default());
                    None
                }
                Start::Cached => cached.as_ref().filter(|_| number > 0),
                Start::Behind(before) if before + 1 == number => None,
                Start::Behind(before) => ends[before].as_ref(),
            };
            if let Some(kept) = kept {
                state.copy_from_slice(kept);
            }
            for &cell in &run.cells {
                step(cell, state);
            }
            ends.push(run.branches.then(|| state.to_vec()));
        }
    }

    /// Per cell, its run and its place in it; `None` for padding.
    pub(crate) fn places(&self) -> Vec<Option<(&Run, usize)>> {
        let mut places = vec![None; self.cells()];
        for run in self.rows.iter().flatten() {
            for (index, &cell) in run.cells.iter().enumerate() {
                places[cell] = Some((run, index));
            }
        }
        places
    }
}

/// The runs of one row; `cached` is the document of its last token in the cache.
fn runs(batch: &Batch, row: usize, cached: Option<u32>) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for cell in row * batch.length..(row + 1) * batch.length {
        let Some(document) = batch.documents[cell] else {
            continue;
        };
        if let Some(run) = runs.last_mut().filter(|run| run.document == document) {
            run.cells.push(cell);
            continue;
        }
        let before = batch.before(row, document);
        let behind = before.and_then(|before| runs.iter().position(|run| run.document == before));
        let start = match behind {
            Some(run) => Start::Behind(run),
            None if runs.is_empty() && cached == Some(document) => Start::Cached,
            None if before.is_some() && cached == before => Start::Cached,
            None => Start::Nothing,
        };
        if let Some(run) = behind.filter(|run| run + 1 < runs.len()) {
            runs[run].branches = true;
        }
        runs.push(Run {
            cells: vec![cell],
            start,
            document,
            branches: false,
        });
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::{Run, Start, Timeline};
    use crate::batch::Batch;
    use crate::shared::{Behind, Sharing, rows};

    fn runs(timeline: &Timeline, row: usize) -> Vec<(Vec<usize>, Start)> {
        let pair = |run: &Run| (run.cells.clone(), run.start);
        timeline.row(row).iter().map(pair).collect()
    }

    #[test]
    fn padding_is_left_out_and_documents_begin_anew() {
        let left = Timeline::new(&Batch::left_padded(&[&[5, 6, 7], &[9]]), &[]);
        assert_eq!(runs(&left, 0), [(vec![0, 1, 2], Start::Nothing)]);
        assert_eq!(runs(&left, 1), [(vec![5], Start::Nothing)]);
        let packed = Timeline::new(&Batch::packed(&[vec![&[1, 2], &[3]], vec![&[4]]], 4), &[]);
        assert_eq!(
            runs(&packed, 0),
            [(vec![0, 1], Start::Nothing), (vec![2], Start::Nothing)]
        );
        assert_eq!(runs(&packed, 1), [(vec![4], Start::Nothing)]);
    }

    #[test]
    fn a_row_goes_on_where_its_document_is_in_the_cache() {
        let step = Batch::step(vec![1, 2], vec![7, 0]);
        let timeline = Timeline::new(&step, &[Some(0), None]);
        assert_eq!(runs(&timeline, 0), [(vec![0], Start::Cached)]);
        assert_eq!(runs(&timeline, 1), [(vec![1], Start::Nothing)]);
    }

    #[test]
    fn a_branch_goes_on_from_where_it_leaves_the_others() {
        let sequences: [&[u32]; 3] = [&[1, 2, 3, 4], &[1, 2, 3, 5, 6], &[1, 2, 7]];
        let row = rows(&sequences, Behind::default(), &Sharing::SHORT);
        let timeline = Timeline::new(&Batch::shared(&row, &[]), &[]);
        let expected = [
            (vec![0, 1], Start::Nothing),
            (vec![2], Start::Behind(0)),
            (vec![3], Start::Behind(1)),
            (vec![4, 5], Start::Behind(1)),
            (vec![6], Start::Behind(0)),
        ];
        assert_eq!(runs(&timeline, 0), expected);
        let mut sums = Vec::new();
        timeline.walk(0, &mut [0], |cell, sum: &mut [usize]| {
            sum[0] += 10 + cell;
            sums.push(sum[0]);
        });
        assert_eq!(sums, [10, 21, 33, 46, 47, 62, 37]);
    }
}
