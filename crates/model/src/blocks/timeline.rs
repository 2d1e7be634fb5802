//! Which token follows which: what a block with a state needs to know of padding and documents.

use crate::batch::Batch;

/// The tokens of a batch as runs of consecutive tokens of one document, padding left out wherever it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeline {
    /// Tokens per row, padding included.
    length: usize,
    /// Per row, its runs in order.
    rows: Vec<Vec<Run>>,
}

/// Tokens of one document in one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Run {
    /// Indices into `[batch * length]`, ascending.
    pub(crate) cells: Vec<usize>,
    /// The document began before this batch: its state is in the cache. Otherwise the state starts from zero.
    pub(crate) continues: bool,
}

impl Timeline {
    /// The runs of `batch`; `last` is, per row, the document of the last token in the cache, `None` where there is none.
    #[must_use]
    pub fn new(batch: &Batch, last: &[Option<u32>]) -> Self {
        let row = |row: usize| {
            let mut document = last.get(row).copied().flatten();
            let mut runs: Vec<Run> = Vec::new();
            for cell in row * batch.length..(row + 1) * batch.length {
                let Some(own) = batch.documents[cell] else { continue };
                let continues = document == Some(own);
                match runs.last_mut() {
                    Some(run) if continues => run.cells.push(cell),
                    _ => runs.push(Run {
                        cells: vec![cell],
                        continues,
                    }),
                }
                document = Some(own);
            }
            runs
        };
        Self {
            length: batch.length,
            rows: (0..batch.batch).map(row).collect(),
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

#[cfg(test)]
mod tests {
    use super::{Run, Timeline};
    use crate::batch::Batch;

    fn runs(timeline: &Timeline, row: usize) -> Vec<(Vec<usize>, bool)> {
        let pair = |run: &Run| (run.cells.clone(), run.continues);
        timeline.row(row).iter().map(pair).collect()
    }

    #[test]
    fn padding_is_left_out_and_documents_begin_anew() {
        let left = Timeline::new(&Batch::left_padded(&[&[5, 6, 7], &[9]]), &[]);
        assert_eq!(runs(&left, 0), [(vec![0, 1, 2], false)]);
        assert_eq!(runs(&left, 1), [(vec![5], false)]);
        let packed = Timeline::new(&Batch::packed(&[vec![&[1, 2], &[3]], vec![&[4]]], 4), &[]);
        assert_eq!(runs(&packed, 0), [(vec![0, 1], false), (vec![2], false)]);
        assert_eq!(runs(&packed, 1), [(vec![4], false)]);
    }

    #[test]
    fn a_row_goes_on_where_its_document_is_in_the_cache() {
        let step = Batch::step(vec![1, 2], vec![7, 0]);
        let timeline = Timeline::new(&step, &[Some(0), None]);
        assert_eq!(runs(&timeline, 0), [(vec![0], true)]);
        assert_eq!(runs(&timeline, 1), [(vec![1], false)]);
    }
}
